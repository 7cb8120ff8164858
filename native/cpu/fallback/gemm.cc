// Matrix products on our own loops. Small operands are read where they lie; large ones are packed into panels that fit
// the caches (the classic GotoBLAS order: columns, depth, rows).
#include <algorithm>
#include <cstring>

#include "cpu/gemm.h"
#include "cpu/gemm_kernels.h"
#include "cpu/scratch.h"
#include "flambeau/error.h"
#include "flambeau/parallel.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kDepth = 256, kColumns = 1024, kRowBlock = 96;
constexpr int64_t kParallelWork = int64_t{1} << 22;  // multiply-adds worth a second thread: about 40 us

template <class T>
void transposeBlock(const T* src, int64_t lds, int64_t rows, int64_t cols, T* dst, int64_t ldd) {
  if constexpr (sizeof(T) == 4) {
    gemmKernels().transpose32(reinterpret_cast<const float*>(src), lds, rows, cols, reinterpret_cast<float*>(dst), ldd);
  } else {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < cols; ++c) dst[c * ldd + r] = src[r * lds + c];
  }
}

// depth x width of B into dst, rows of `panel` elements (the tail columns are left as they are: the loops mask them).
template <class T>
void packColumns(const T* b, int64_t row, int64_t col, int64_t depth, int64_t width, int64_t panel, T* dst) {
  if (col == 1) {
    for (int64_t p = 0; p < depth; ++p)
      std::memcpy(dst + p * panel, b + p * row, static_cast<size_t>(width) * sizeof(T));
  } else if (row == 1) {
    transposeBlock(b, col, width, depth, dst, panel);
  } else {
    for (int64_t p = 0; p < depth; ++p)
      for (int64_t j = 0; j < width; ++j) dst[p * panel + j] = b[p * row + j * col];
  }
}

// rows x depth of A, as depth groups of `rows` neighbours.
template <class T>
void packRows(const T* a, int64_t row, int64_t col, int64_t rows, int64_t depth, T* dst) {
  for (int64_t p = 0; p < depth; ++p)
    for (int64_t i = 0; i < rows; ++i) dst[p * rows + i] = a[i * row + p * col];
}

template <class T>
void packed(const GemmSpec& s, const T* a, const T* b, const T* bias, T* c) {
  const GemmLoops<T>& loops = gemmLoops<T>();
  const int64_t panel = loops.columns, tile = loops.rows;
  for (int64_t jc = 0; jc < s.n; jc += kColumns) {
    const int64_t nc = std::min(kColumns, s.n - jc), panels = (nc + panel - 1) / panel;
    for (int64_t pc = 0; pc < s.k; pc += kDepth) {
      const int64_t kc = std::min(kDepth, s.k - pc);
      const bool last = pc + kc == s.k;
      static thread_local Scratch columns;
      T* bp = columns.get<T>(panels * panel * kc);
      parallelFor(panels, std::max<int64_t>(1, (1 << 18) / (panel * kc)), [&](int64_t begin, int64_t end) {
        for (int64_t q = begin; q < end; ++q) {
          const int64_t j = jc + q * panel;
          packColumns(b + pc * s.bRow + j * s.bCol, s.bRow, s.bCol, kc, std::min(panel, s.n - j), panel,
                      bp + q * panel * kc);
        }
      });
      const int64_t blocks = (s.m + kRowBlock - 1) / kRowBlock;
      // Few row blocks: the panels are split as well, so that all threads have work.
      const int64_t splits = std::clamp<int64_t>(2 * numThreads() / blocks, 1, panels);
      parallelFor(blocks * splits, std::max<int64_t>(1, kParallelWork * splits / (kRowBlock * nc * kc)),
                  [&](int64_t begin, int64_t end) {
                    static thread_local Scratch rows;
                    T* ap = rows.get<T>(kRowBlock * kc);
                    for (int64_t t = begin; t < end; ++t) {
                      const int64_t ic = t / splits * kRowBlock, mc = std::min(kRowBlock, s.m - ic);
                      const int64_t from = panels * (t % splits) / splits, to = panels * (t % splits + 1) / splits;
                      for (int64_t i = 0; i < mc; i += tile)
                        packRows(a + (ic + i) * s.aRow + pc * s.aCol, s.aRow, s.aCol, std::min(tile, mc - i), kc,
                                 ap + i * kc);
                      for (int64_t q = from; q < to; ++q) {
                        const int64_t j = jc + q * panel;
                        for (int64_t i = 0; i < mc; i += tile) {
                          const int64_t rowsHere = std::min(tile, mc - i);
                          GemmBlock<T> g{rowsHere,
                                         std::min(panel, s.n - j),
                                         kc,
                                         ap + i * kc,
                                         1,
                                         rowsHere,
                                         bp + q * panel * kc,
                                         panel,
                                         c + (ic + i) * s.cRow + j,
                                         s.cRow,
                                         last && bias ? bias + j : nullptr,
                                         pc > 0 || s.accumulate,
                                         last && s.relu};
                          loops.outer(g);
                        }
                      }
                    }
                  });
    }
  }
}

template <class T>
void single(const GemmSpec& s, const T* a, const T* b, const T* bias, T* c) {
  if (s.m == 0 || s.n == 0) return;
  const GemmLoops<T>& loops = gemmLoops<T>();
  const int64_t work = s.m * s.n * s.k;
  // A unit extent has no stride of its own: it may count as contiguous either way.
  const bool bRows = s.bCol == 1 || s.n == 1, bColumns = s.bRow == 1 || s.k == 1, aAlongK = s.aCol == 1 || s.k == 1;
  const bool dot = bColumns && aAlongK && !(bRows && s.n > 1);
  const bool direct = (dot || bRows) && (work <= (int64_t{1} << 21) || s.m <= 2 * loops.rows);
  if (s.k > 0 && !direct) return packed(s, a, b, bias, c);
  const GemmBlock<T> whole{s.m,    s.n,  s.k,          a,     s.aRow, s.aCol, b, dot ? s.bCol : s.bRow, c,
                           s.cRow, bias, s.accumulate, s.relu};
  const auto loop = dot ? loops.dot : loops.outer;
  if (work < 2 * kParallelWork || numThreads() == 1 || inParallelRegion()) return loop(whole);
  // Only skinny products come here: split the columns.
  const int64_t strip = loops.columns;
  parallelFor((s.n + strip - 1) / strip, std::max<int64_t>(1, kParallelWork / (s.m * s.k * strip)),
              [&](int64_t begin, int64_t end) {
                GemmBlock<T> part = whole;
                const int64_t j = begin * strip;
                part.n = std::min(end * strip, s.n) - j;
                part.b += j * s.bCol;
                part.c += j;
                if (part.bias) part.bias += j;
                loop(part);
              });
}

template <class T>
void batched(const GemmSpec& s, const void* a, const void* b, const void* bias, void* c) {
  const auto one = [&](int64_t i) {
    single(s, static_cast<const T*>(a) + i * s.aBatch, static_cast<const T*>(b) + i * s.bBatch,
           static_cast<const T*>(bias), static_cast<T*>(c) + i * s.cBatch);
  };
  const int64_t work = std::max<int64_t>(1, s.m * s.n * s.k);
  if (s.batch == 1) return one(0);
  parallelFor(s.batch, std::max<int64_t>(1, kParallelWork / work), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) one(i);
  });
}

}  // namespace

void gemmPortable(const GemmSpec& s, const void* a, const void* b, const void* bias, void* c) {
  const void* add = s.bias ? bias : nullptr;
  switch (s.dtype) {
    case DType::Float32:
      return batched<float>(s, a, b, add, c);
    case DType::Float64:
      return batched<double>(s, a, b, add, c);
    case DType::Int32:
      return batched<uint32_t>(s, a, b, add, c);
    case DType::Int64:
      return batched<uint64_t>(s, a, b, add, c);
    default:
      throw Error(ErrorKind::Internal, "gemm: element type without loops");
  }
}

}  // namespace flambeau::cpu
