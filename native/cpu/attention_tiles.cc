// Drives attention tile by tile: a block of queries stays, blocks of keys pass by. Keys and values of one batch entry
// are packed into panels for the matrix products once per thread, so that the products read them in order. Source:
// https://arxiv.org/abs/2205.14135
#include <algorithm>
#include <cstring>
#include <limits>

#include "cpu/attention.h"
#include "cpu/gemm_kernels.h"
#include "cpu/scratch.h"
#include "flambeau/parallel.h"

namespace flambeau::cpu {
namespace {

// Rows of scores that stay, and columns that pass: 96 x 256 floats lie in the second cache beside the panels.
constexpr int64_t kQueries = 96, kKeys = 256;
constexpr int64_t kParallelWork = int64_t{1} << 19;  // multiply-adds worth a second thread

const AttentionKernels& kernelsOf(float) {
  static const AttentionKernels& k = FB_SELECT_ISA(attentionKernelsF32);
  return k;
}
const AttentionKernels& kernelsOf(double) {
  static const AttentionKernels& k = FB_SELECT_ISA(attentionKernelsF64);
  return k;
}

int64_t up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
int64_t offsetOf(const MatrixSteps& m, const Dims& batch, int64_t index) {
  int64_t at = 0;
  for (size_t d = batch.size(); d-- > 0; index /= batch[d]) at += index % batch[d] * m.batch[d];
  return at;
}
/// Blocks of equal size (but the last) of at most `most`, whole groups of `group`.
int64_t blockOf(int64_t n, int64_t most, int64_t group) {
  const int64_t blocks = std::max<int64_t>(1, (n + most - 1) / most);
  return std::max(group, up((n + blocks - 1) / blocks, group));
}

template <class T>
char* bytes(T* p) {
  return reinterpret_cast<char*>(p);
}
template <class T>
const char* bytes(const T* p) {
  return reinterpret_cast<const char*>(p);
}

/// A matrix cut into panels of columns, row by row: what the product's loops read as their second operand.
template <class T>
struct Panels {
  T* data;
  int64_t depth, width;  // rows; columns of a panel
  const T* panel(int64_t column) const { return data + column * depth; }
};

template <class T>
class Tiles {
 public:
  explicit Tiles(const AttentionCall& c)
      : c_(c),
        kernels_(kernelsOf(T())),
        loops_(gemmLoops<T>()),
        width_(loops_.columns),
        rows_(blockOf(c.queries, kQueries, loops_.rows)),
        columns_(blockOf(c.keys, kKeys, width_)),
        // One vector more than needed: rows a power of two apart would share their places in the first cache.
        ld_(columns_ + kernels_.lanes) {}

  int64_t blocks() const { return (c_.queries + rows_ - 1) / rows_; }

 protected:
  int64_t keysSeen(int64_t last) const { return c_.causal ? std::min(c_.keys, last + 1) : c_.keys; }
  int64_t panelSize(int64_t depth, int64_t columns) const { return depth * up(columns, width_); }
  const T* matrix(const void* p, const MatrixSteps& m, int64_t entry) const {
    return static_cast<const T*>(p) + offsetOf(m, c_.batch, entry);
  }

  /// The transpose of `count` rows of `size` elements: [size, count].
  Panels<T> packRows(const T* from, int64_t step, int64_t count, int64_t size, T* to) const {
    for (int64_t j = 0; j < count; j += width_) {
      T* panel = to + j * size;
      const int64_t n = std::min(width_, count - j);
      if constexpr (sizeof(T) == 4) {
        gemmKernels().transpose32(from + j * step, step, n, size, panel, width_);
      } else {
        for (int64_t i = 0; i < n; ++i)
          for (int64_t p = 0; p < size; ++p) panel[p * width_ + i] = from[(j + i) * step + p];
      }
    }
    return {to, size, width_};
  }
  /// The same [count, size] as it is.
  Panels<T> pack(const T* from, int64_t step, int64_t count, int64_t size, T* to) const {
    for (int64_t j = 0; j < size; j += width_) {
      T* panel = to + j * count;
      const int64_t n = std::min(width_, size - j);
      for (int64_t r = 0; r < count; ++r)
        std::memcpy(panel + r * width_, from + r * step + j, static_cast<size_t>(n) * sizeof(T));
    }
    return {to, count, width_};
  }

  /// c (m x n) = a times rows [from, from + k) and columns [column, column + n) of `b`.
  void product(int64_t m, int64_t n, int64_t k, const T* a, int64_t aRow, int64_t aCol, const Panels<T>& b,
               int64_t from, int64_t column, T* c, int64_t ldc, bool accumulate) const {
    for (int64_t j = 0; j < n; j += b.width)
      loops_.outer({m, std::min(b.width, n - j), k, a, aRow, aCol, b.panel(column + j) + from * b.width, b.width, c + j,
                    ldc, nullptr, accumulate, false});
  }

  // The products of a tile whose first query is `row` and first key `key`. Where causality leaves a triangle of it, the
  // parts that nobody sees are left out, in steps of a few rows.

  /// c (rows x n) = a b, columns [key, key + n) of b.
  void scores(int64_t row, int64_t rows, int64_t key, int64_t n, int64_t k, const T* a, const Panels<T>& b,
              T* c) const {
    for (int64_t j = 0; j < n; j += width_) {
      const int64_t first = firstRow(row, rows, key + j);
      product(rows - first, std::min(width_, n - j), k, a + first * k, k, 1, b, 0, key + j, c + first * ld_ + j, ld_,
              false);
    }
  }
  /// c (rows x m) (+)= p b, p: rows x n, rows [key, key + n) of b.
  void byQuery(int64_t row, int64_t rows, int64_t key, int64_t n, int64_t m, const T* p, const Panels<T>& b, T* c,
               bool accumulate) const {
    const int64_t step = c_.causal ? 4 * loops_.rows : rows;
    for (int64_t r = 0; r < rows; r += step) {
      const int64_t count = std::min(step, rows - r), seen = std::min(n, keysSeen(row + r + count - 1) - key);
      if (seen > 0)
        product(count, m, seen, p + r * ld_, ld_, 1, b, key, 0, c + r * m, m, accumulate);
      else if (!accumulate)
        std::fill_n(c + r * m, count * m, T(0));
    }
  }
  /// c (n x m) += p^T b, p: rows x n.
  void byKey(int64_t row, int64_t rows, int64_t key, int64_t n, int64_t m, const T* p, const Panels<T>& b, T* c) const {
    const int64_t step = c_.causal ? 4 * loops_.rows : n;
    for (int64_t j = 0; j < n; j += step) {
      const int64_t first = firstRow(row, rows, key + j);
      product(std::min(step, n - j), m, rows - first, p + first * ld_ + j, 1, ld_, b, first, 0, c + j * m, m, true);
    }
  }
  /// The first row that sees a key, or one a little before.
  int64_t firstRow(int64_t row, int64_t rows, int64_t key) const {
    return c_.causal ? std::clamp<int64_t>(key - row, 0, rows) / loops_.rows * loops_.rows : 0;
  }

  ScoreTile tile(T* s, int64_t entry, const void* mask, int64_t row, int64_t rows, int64_t key, int64_t keys) const {
    ScoreTile t{bytes(s), ld_, rows, keys, c_.maskKind, nullptr, 0, c_.causal ? row + 1 - key : keys};
    if (c_.maskKind == AttentionMask::None) return t;
    const int64_t size = c_.maskKind == AttentionMask::Bool ? 1 : static_cast<int64_t>(sizeof(T));
    t.mask = static_cast<const char*>(mask) + (offsetOf(c_.mask, c_.batch, entry) + row * c_.mask.row + key) * size;
    t.maskStep = c_.mask.row * size;
    return t;
  }

  const AttentionCall& c_;
  const AttentionKernels& kernels_;
  const GemmLoops<T>& loops_;
  int64_t width_, rows_, columns_, ld_;
};

template <class T>
class Forward : Tiles<T> {
  using Base = Tiles<T>;
  using Base::c_, Base::kernels_, Base::width_, Base::rows_, Base::columns_, Base::ld_;

 public:
  using Base::Base;
  void run(const void* query, const void* key, const void* value, const void* mask, T* out, T* logsumexp) const {
    const int64_t blocks = this->blocks(), tasks = product64(c_.batch) * blocks;
    const int64_t work = rows_ * c_.keys * (c_.size + c_.valueSize);
    parallelFor(tasks, std::max<int64_t>(1, kParallelWork / std::max<int64_t>(1, work)), [&](int64_t from, int64_t to) {
      static thread_local Scratch scratch;
      const int64_t keySize = this->panelSize(c_.size, c_.keys), valueSize = this->panelSize(c_.keys, c_.valueSize),
                    querySize = up(rows_ * c_.size, 64);
      T* const work = scratch.get<T>(keySize + up(valueSize, 64) + querySize + rows_ * ld_ + 3 * rows_ + 64);
      Panels<T> keys{}, values{};
      int64_t packed = -1;
      for (int64_t t = from; t < to; ++t) {
        const int64_t entry = t / blocks, row = t % blocks * rows_;
        if (entry != packed) {
          keys = this->packRows(this->matrix(key, c_.key, entry), c_.key.row, c_.keys, c_.size, work);
          values =
              this->pack(this->matrix(value, c_.value, entry), c_.value.row, c_.keys, c_.valueSize, work + keySize);
          packed = entry;
        }
        const T* q = this->matrix(query, c_.query, entry) + row * c_.query.row;
        block(entry, row, std::min(rows_, c_.queries - row), q, keys, values, mask, work + keySize + up(valueSize, 64),
              out + (entry * c_.queries + row) * c_.valueSize, logsumexp + entry * c_.queries + row);
      }
    });
  }

 private:
  static int64_t product64(const Dims& d) {
    int64_t n = 1;
    for (int64_t x : d) n *= x;
    return n;
  }
  void block(int64_t entry, int64_t row, int64_t rows, const T* query, const Panels<T>& keys, const Panels<T>& values,
             const void* mask, T* work, T* out, T* logsumexp) const {
    T* const q = work;
    T* const s = q + up(rows_ * c_.size, 64);
    T *const max = s + rows_ * ld_, *const sum = max + rows_, *const factor = sum + rows_;
    kernels_.scale(rows, c_.size, bytes(query), c_.query.row, c_.scale, bytes(q), c_.size);
    std::fill_n(max, rows, -std::numeric_limits<T>::infinity());
    std::fill_n(sum, rows, T(0));
    const int64_t end = this->keysSeen(row + rows - 1);
    for (int64_t k = 0; k < end; k += columns_) {
      const int64_t n = std::min(columns_, end - k);
      this->scores(row, rows, k, n, c_.size, q, keys, s);
      kernels_.softmax(this->tile(s, entry, mask, row, rows, k, n), bytes(max), bytes(sum), bytes(factor));
      if (k > 0) kernels_.rescale(rows, c_.valueSize, bytes(factor), bytes(out), c_.valueSize);
      this->byQuery(row, rows, k, n, c_.valueSize, s, values, out, k > 0);
    }
    kernels_.finish(rows, c_.valueSize, bytes(max), bytes(sum), c_.zeroUnseen, bytes(out), c_.valueSize,
                    bytes(logsumexp));
  }
};

template <class T>
class Backward : Tiles<T> {
  using Base = Tiles<T>;
  using Base::c_, Base::kernels_, Base::width_, Base::rows_, Base::columns_, Base::ld_;

 public:
  explicit Backward(const AttentionCall& c) : Base(c) {}
  struct Operands {
    const void *grad, *query, *key, *value, *mask;
    const T *out, *logsumexp;
    T *dquery, *dkey, *dvalue;
  };

  void run(const Operands& o) const {
    int64_t entries = 1;
    for (int64_t n : c_.batch) entries *= n;
    if (entries == 0) return;
    const int64_t blocks = this->blocks(), work = c_.queries * c_.keys * (3 * c_.size + 2 * c_.valueSize);
    // Few entries: their queries are shared out, and the parts' gradients of keys and values added up afterwards.
    const int64_t wanted = work * entries < 2 * kParallelWork ? 1 : numThreads();
    const int64_t parts =
        inParallelRegion() ? 1 : std::clamp<int64_t>((wanted + entries - 1) / entries, 1, std::max<int64_t>(blocks, 1));
    const int64_t keySize = c_.keys * c_.size, valueSize = c_.keys * c_.valueSize;
    static thread_local Scratch sums;
    const int64_t extra = entries * (parts - 1);
    T* const apart = extra > 0 ? sums.get<T>(extra * (keySize + valueSize)) : nullptr;
    parallelFor(entries * parts, std::max<int64_t>(1, kParallelWork * parts / std::max<int64_t>(1, work)),
                [&](int64_t from, int64_t to) {
                  for (int64_t t = from; t < to; ++t) {
                    const int64_t entry = t / parts, part = t % parts;
                    T* const own =
                        part > 0 ? apart + (entry * (parts - 1) + part - 1) * (keySize + valueSize) : nullptr;
                    T* const dk = own ? own : o.dkey + entry * keySize;
                    T* const dv = own ? own + keySize : o.dvalue + entry * valueSize;
                    run(o, entry, blocks * part / parts, blocks * (part + 1) / parts, dk, dv);
                  }
                });
    for (int64_t i = 0; i < extra; ++i) {
      const T* own = apart + i * (keySize + valueSize);
      T *const dk = o.dkey + i / (parts - 1) * keySize, *const dv = o.dvalue + i / (parts - 1) * valueSize;
      for (int64_t k = 0; k < keySize; ++k) dk[k] += own[k];
      for (int64_t k = 0; k < valueSize; ++k) dv[k] += own[keySize + k];
    }
  }

 private:
  /// Blocks [from, to) of the queries of one entry.
  void run(const Operands& o, int64_t entry, int64_t from, int64_t to, T* dk, T* dv) const {
    static thread_local Scratch scratch;
    const int64_t e = c_.size, v = c_.valueSize, n = c_.keys;
    int64_t total = 0;
    const auto take = [&](int64_t size) {
      const int64_t at = total;
      total += up(size, 64);
      return at;
    };
    const int64_t keysAt = take(this->panelSize(e, n)), valuesAt = take(this->panelSize(v, n)),
                  plainAt = take(this->panelSize(n, e)), queryAt = take(rows_ * e), gradAt = take(rows_ * v),
                  queryPanelsAt = take(this->panelSize(rows_, e)), gradPanelsAt = take(this->panelSize(rows_, v)),
                  scoresAt = take(rows_ * ld_), slopesAt = take(rows_ * ld_), dotsAt = take(rows_);
    T* const work = scratch.get<T>(total);
    const T *const key = this->matrix(o.key, c_.key, entry), *const value = this->matrix(o.value, c_.value, entry);
    const Panels<T> keys = this->packRows(key, c_.key.row, n, e, work + keysAt);
    const Panels<T> values = this->packRows(value, c_.value.row, n, v, work + valuesAt);
    const Panels<T> plain = this->pack(key, c_.key.row, n, e, work + plainAt);
    std::fill_n(dk, n * e, T(0));
    std::fill_n(dv, n * v, T(0));
    T *const q = work + queryAt, *const g = work + gradAt, *const s = work + scoresAt, *const ds = work + slopesAt,
             *const dots = work + dotsAt;
    for (int64_t b = from; b < to; ++b) {
      const int64_t row = b * rows_, rows = std::min(rows_, c_.queries - row), at = entry * c_.queries + row;
      const T* const grad = this->matrix(o.grad, c_.grad, entry) + row * c_.grad.row;
      const T* const query = this->matrix(o.query, c_.query, entry) + row * c_.query.row;
      T* const dq = o.dquery + at * e;
      kernels_.scale(rows, e, bytes(query), c_.query.row, c_.scale, bytes(q), e);
      kernels_.scale(rows, v, bytes(grad), c_.grad.row, 1, bytes(g), v);
      kernels_.dots(rows, v, bytes(g), v, bytes(o.out + at * v), v, bytes(dots));
      const Panels<T> queryPanels = this->pack(q, e, rows, e, work + queryPanelsAt);
      const Panels<T> gradPanels = this->pack(g, v, rows, v, work + gradPanelsAt);
      const int64_t end = this->keysSeen(row + rows - 1);
      if (end == 0) std::fill_n(dq, rows * e, T(0));
      for (int64_t k = 0; k < end; k += columns_) {
        const int64_t m = std::min(columns_, end - k);
        this->scores(row, rows, k, m, e, q, keys, s);
        this->scores(row, rows, k, m, v, g, values, ds);
        kernels_.gradient(this->tile(s, entry, o.mask, row, rows, k, m), bytes(o.logsumexp + at), bytes(dots),
                          bytes(ds));
        this->byKey(row, rows, k, m, v, s, gradPanels, dv + k * v);
        this->byKey(row, rows, k, m, e, ds, queryPanels, dk + k * e);
        this->byQuery(row, rows, k, m, e, ds, plain, dq, k > 0);
      }
      kernels_.scale(rows, e, bytes(dq), e, c_.scale, bytes(dq), e);
    }
  }
};

}  // namespace

void attentionTiles(const AttentionCall& call, const void* query, const void* key, const void* value, const void* mask,
                    void* out, void* logsumexp) {
  if (call.dtype == DType::Float32)
    Forward<float>(call).run(query, key, value, mask, static_cast<float*>(out), static_cast<float*>(logsumexp));
  else
    Forward<double>(call).run(query, key, value, mask, static_cast<double*>(out), static_cast<double*>(logsumexp));
}

void attentionGradientTiles(const AttentionCall& call, const void* grad, const void* query, const void* key,
                            const void* value, const void* mask, const void* out, const void* logsumexp, void* dquery,
                            void* dkey, void* dvalue) {
  const auto run = [&](auto zero) {
    using T = decltype(zero);
    Backward<T>(call).run({grad, query, key, value, mask, static_cast<const T*>(out), static_cast<const T*>(logsumexp),
                           static_cast<T*>(dquery), static_cast<T*>(dkey), static_cast<T*>(dvalue)});
  };
  if (call.dtype == DType::Float32)
    run(0.0f);
  else
    run(0.0);
}

}  // namespace flambeau::cpu
