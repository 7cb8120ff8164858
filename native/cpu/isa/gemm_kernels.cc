// Register-tiled GEMM loops. `outer` broadcasts elements of A against rows of B, `dot` multiplies rows of A with
// columns of B that both lie contiguously along k (the layout of linear: x W^T) and sums the lanes at the end. Both
// read their operands where they are; tails are masked.
#include "cpu/gemm_kernels.h"

#include "cpu/isa/register_tile.h"

namespace flambeau::cpu {
namespace {

template <class T, int M, int N>
FB_INLINE void outerTile(const GemmBlock<T>& g, int64_t i, int64_t j, Mask tail) {
  vec<T> acc[M][N];
  const T* c = g.c + i * g.ldc + j;
#pragma GCC unroll 8
  for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < N; ++v) {
      if (g.accumulate)
        acc[r][v] = v == N - 1 ? loadMasked(c + r * g.ldc + v * W<T>, tail) : load(c + r * g.ldc + v * W<T>);
      else
        acc[r][v] = vec<T>{};
    }
  const T* a = g.a + i * g.aRow;
  const T* b = g.b + j;
  const int64_t aRow = g.aRow, aCol = g.aCol, ldb = g.ldb;
  for (int64_t p = 0; p < g.k; ++p) {
    vec<T> row[N];
#pragma GCC unroll 4
    for (int v = 0; v < N; ++v) row[v] = v == N - 1 ? loadMasked(b + v * W<T>, tail) : load(b + v * W<T>);
#pragma GCC unroll 8
    for (int r = 0; r < M; ++r) {
      const vec<T> x = splat(a[r * aRow]);
#pragma GCC unroll 4
      for (int v = 0; v < N; ++v) acc[r][v] += x * row[v];
    }
    a += aCol;
    b += ldb;
  }
#pragma GCC unroll 4
  for (int v = 0; v < N; ++v) {
    if (g.bias) {
      const vec<T> add = v == N - 1 ? loadMasked(g.bias + j + v * W<T>, tail) : load(g.bias + j + v * W<T>);
#pragma GCC unroll 8
      for (int r = 0; r < M; ++r) acc[r][v] += add;
    }
#pragma GCC unroll 8
    for (int r = 0; r < M; ++r) {
      const vec<T> out = g.relu ? reluOf<T>(acc[r][v]) : acc[r][v];
      T* to = g.c + (i + r) * g.ldc + j + v * W<T>;
      if (v == N - 1)
        storeMasked(to, out, tail);
      else
        store(to, out);
    }
  }
}

template <class T, int N>
__attribute__((noinline)) void outerStrip(const GemmBlock<T>& g, int64_t j, Mask tail) {
  int64_t i = 0;
  for (; i + kRows <= g.m; i += kRows) outerTile<T, kRows, N>(g, i, j, tail);
  if constexpr (sizeof(T) == 4) {
    switch (g.m - i) {
      case 5:
        return outerTile<T, 5, N>(g, i, j, tail);
      case 4:
        return outerTile<T, 4, N>(g, i, j, tail);
      case 3:
        return outerTile<T, 3, N>(g, i, j, tail);
      case 2:
        return outerTile<T, 2, N>(g, i, j, tail);
      case 1:
        return outerTile<T, 1, N>(g, i, j, tail);
      default:
        return;
    }
  } else {
    if (i + 3 <= g.m) {
      outerTile<T, 3, N>(g, i, j, tail);
      i += 3;
    }
    for (; i < g.m; ++i) outerTile<T, 1, N>(g, i, j, tail);
  }
}

template <class T>
void outer(const GemmBlock<T>& g) {
  const Mask full(W<T>);
  int64_t j = 0;
  for (; j + kVecs * W<T> <= g.n; j += kVecs * W<T>) outerStrip<T, kVecs>(g, j, full);
  const int64_t rest = g.n - j;
  if (rest <= 0) return;
  const int vecs = static_cast<int>((rest + W<T> - 1) / W<T>);
  const Mask tail(static_cast<int>(rest - (vecs - 1) * W<T>));
  if (vecs == 1) return outerStrip<T, 1>(g, j, tail);
  if constexpr (kVecs == 2) {
    outerStrip<T, 2>(g, j, tail);
  } else {
    if (vecs == 2) return outerStrip<T, 2>(g, j, tail);
    if (vecs == 3) return outerStrip<T, 3>(g, j, tail);
    outerStrip<T, 4>(g, j, tail);
  }
}

// ---- dot ----

#if defined(FB_ISA_avx512)
constexpr int kDotRows = 6, kDotCols = 4;
#else
constexpr int kDotRows = 2, kDotCols = 4;
#endif

template <class T, int M, int N>
FB_INLINE void dotTile(const GemmBlock<T>& g, int64_t i, int64_t j) {
  vec<T> acc[M][N];
#pragma GCC unroll 8
  for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
    for (int c = 0; c < N; ++c) acc[r][c] = vec<T>{};
  const T* a = g.a + i * g.aRow;
  const T* b = g.b + j * g.ldb;
  const int64_t aRow = g.aRow, ldb = g.ldb;
  int64_t p = 0;
  for (; p + W<T> <= g.k; p += W<T>) {
    vec<T> col[N];
#pragma GCC unroll 4
    for (int c = 0; c < N; ++c) col[c] = load(b + c * ldb + p);
#pragma GCC unroll 8
    for (int r = 0; r < M; ++r) {
      const vec<T> x = load(a + r * aRow + p);
#pragma GCC unroll 4
      for (int c = 0; c < N; ++c) acc[r][c] += x * col[c];
    }
  }
  if (p < g.k) {
    const Mask tail(static_cast<int>(g.k - p));
    vec<T> col[N];
#pragma GCC unroll 4
    for (int c = 0; c < N; ++c) col[c] = loadMasked(b + c * ldb + p, tail);
#pragma GCC unroll 8
    for (int r = 0; r < M; ++r) {
      const vec<T> x = loadMasked(a + r * aRow + p, tail);
#pragma GCC unroll 4
      for (int c = 0; c < N; ++c) acc[r][c] += x * col[c];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < M; ++r) {
    T sums[4];
    if constexpr (sizeof(T) == 4 && N == 4 && static_cast<T>(0.5) != 0) {
      sumLanes4(acc[r], sums);
    } else {
#pragma GCC unroll 4
      for (int c = 0; c < N; ++c) sums[c] = sumLanes<T>(acc[r][c]);
    }
    T* to = g.c + (i + r) * g.ldc + j;
#pragma GCC unroll 4
    for (int c = 0; c < N; ++c) {
      T s = sums[c];
      if (g.accumulate) s += to[c];
      if (g.bias) s += g.bias[j + c];
      if (g.relu && s < T(0)) s = 0;
      to[c] = s;
    }
  }
}

template <class T, int N>
__attribute__((noinline)) void dotStrip(const GemmBlock<T>& g, int64_t j) {
  int64_t i = 0;
  for (; i + kDotRows <= g.m; i += kDotRows) dotTile<T, kDotRows, N>(g, i, j);
  if constexpr (kDotRows > 3) {
    for (; i + 3 <= g.m; i += 3) dotTile<T, 3, N>(g, i, j);
  }
  for (; i < g.m; ++i) dotTile<T, 1, N>(g, i, j);
}

template <class T>
void dot(const GemmBlock<T>& g) {
  int64_t j = 0;
  for (; j + kDotCols <= g.n; j += kDotCols) dotStrip<T, kDotCols>(g, j);
  if (j + 2 <= g.n) {
    dotStrip<T, 2>(g, j);
    j += 2;
  }
  if (j < g.n) dotStrip<T, 1>(g, j);
}

void transpose32(const float* src, int64_t lds, int64_t rows, int64_t cols, float* dst, int64_t ldd) {
  // 8 x 8 blocks in registers: three rounds of interleaving.
  typedef float f8 __attribute__((vector_size(32)));
  typedef float f8u __attribute__((vector_size(32), aligned(4), may_alias));
  int64_t r = 0;
  for (; r + 8 <= rows; r += 8) {
    int64_t c = 0;
    for (; c + 8 <= cols; c += 8) {
      f8 x[8], y[8];
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) x[i] = *reinterpret_cast<const f8u*>(src + (r + i) * lds + c);
#pragma GCC unroll 4
      for (int i = 0; i < 8; i += 2) {
        y[i] = __builtin_shufflevector(x[i], x[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        y[i + 1] = __builtin_shufflevector(x[i], x[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
      }
#pragma GCC unroll 2
      for (int i = 0; i < 8; i += 4) {
        x[i] = __builtin_shufflevector(y[i], y[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        x[i + 1] = __builtin_shufflevector(y[i], y[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        x[i + 2] = __builtin_shufflevector(y[i + 1], y[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
        x[i + 3] = __builtin_shufflevector(y[i + 1], y[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
      }
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        *reinterpret_cast<f8u*>(dst + (c + i) * ldd + r) =
            __builtin_shufflevector(x[i], x[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        *reinterpret_cast<f8u*>(dst + (c + i + 4) * ldd + r) =
            __builtin_shufflevector(x[i], x[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
      }
    }
    for (; c < cols; ++c)
      for (int i = 0; i < 8; ++i) dst[c * ldd + r + i] = src[(r + i) * lds + c];
  }
  for (; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c) dst[c * ldd + r] = src[r * lds + c];
}

void relu32(float* x, int64_t n) {
  constexpr int w = W<float>;
  int64_t i = 0;
  for (; i + w <= n; i += w) store(x + i, reluOf<float>(load(x + i)));
  for (; i < n; ++i) x[i] = x[i] < 0 ? 0 : x[i];
}

template <class T>
constexpr GemmLoops<T> loopsOf() {
  return {kRows, kVecs * W<T>, outer<T>, dot<T>};
}

}  // namespace

extern const GemmKernels FB_ISA_NAME(gemmKernels);
const GemmKernels FB_ISA_NAME(gemmKernels) = {loopsOf<float>(),    loopsOf<double>(), loopsOf<uint32_t>(),
                                              loopsOf<uint64_t>(), transpose32,       relu32};

}  // namespace flambeau::cpu
