// Softmax, logSoftmax and layerNorm of eager calls: one pass over rows that lie in the cache, forward and backward.
// What these do not take (other dtypes, rows that are not contiguous, shapes that are errors) gives an undefined tensor
// or an empty list: the op's composition does it, or throws. Source of the formulas: codegen/ops/nn.ts.
#include <algorithm>

#include "composite_kernels.h"
#include "cpu/copy_kernels.h"
#include "cpu/extern_common.h"
#include "cpu/loop_nest.h"
#include "cpu/row_kernels.h"
#include "cpu/scratch.h"

namespace flambeau::cpu {
namespace {

/// Results from here on do not fit into the cache: they are written past it.
constexpr int64_t kStreamBytes = int64_t{16} << 20;
/// Longest row that is worth keeping in scratch memory for that.
constexpr int64_t kStreamRow = int64_t{1} << 15;
/// Rows whose shares of the gradients of weight and bias are summed before they are widened, and blocks of such rows
/// that are enough for any number of threads.
constexpr int64_t kRowsAtOnce = 256, kBlocks = 64;

const RowKernels& rowKernels(DType t) {
  static const RowKernels& single = FB_SELECT_ISA(rowKernelsF32);
  static const RowKernels& twice = FB_SELECT_ISA(rowKernelsF64);
  return t == DType::Float64 ? twice : single;
}
/// 16-bit floats are computed as float32, and rounded once.
bool isHalf(DType t) { return t == DType::Float16 || t == DType::BFloat16; }
DType computeType(DType t) { return isHalf(t) ? DType::Float32 : t; }

struct Rows {
  int64_t count, n;  // rows, and elements of each
  DType dtype;
  Rows(const Tensor& t, int64_t length) : count(length ? t.numel() / length : 0), n(length), dtype(t.dtype()) {}
  int64_t bytes() const { return n * static_cast<int64_t>(itemSize(dtype)); }
  bool streams() const { return dtype == DType::Float32 && count * bytes() >= kStreamBytes && n <= kStreamRow; }
};

/// Rows of scratch memory of one thread, as floats.
char* workRows(int64_t n, int64_t count) {
  static thread_local Scratch scratch;
  return reinterpret_cast<char*>(scratch.get<float>(n * count));
}

/// Rows of N tensors to read and of one to write (undefined: none), as the kernels take them: in place, or float32
/// copies of 16-bit ones.
template <size_t N>
class RowAccess {
 public:
  RowAccess(const Rows& rows, const std::array<const Tensor*, N>& in, const Tensor& out) : rows_(rows) {
    for (size_t k = 0; k < N; ++k) in_[k] = in[k]->template ptr<char>();
    out_ = out.defined() ? out.ptr<char>() : nullptr;
  }
  /// f(inputs, output) for row i.
  template <class F>
  void at(int64_t i, F&& f) const {
    const int64_t offset = i * rows_.bytes();
    std::array<const char*, N> from;
    if (!isHalf(rows_.dtype)) {
      for (size_t k = 0; k < N; ++k) from[k] = in_[k] + offset;
      f(from, out_ ? out_ + offset : nullptr);
      return;
    }
    const int half = static_cast<int>(rows_.dtype), single = static_cast<int>(DType::Float32);
    char* work = workRows(rows_.n, N + 1);
    for (size_t k = 0; k < N; ++k) {
      char* row = work + static_cast<int64_t>(k + 1) * rows_.n * 4;
      copyKernels().convert[half][single](row, in_[k] + offset, rows_.n);
      from[k] = row;
    }
    f(from, out_ ? work : nullptr);
    if (out_) copyKernels().convert[single][half](out_ + offset, work, rows_.n);
  }

 private:
  const Rows& rows_;
  const char* in_[N];
  char* out_;
};

/// f(inputs, output) for every row.
template <size_t N, class F>
void eachRow(const Rows& rows, const std::array<const Tensor*, N>& in, const Tensor& out, F&& f) {
  const RowAccess<N> access(rows, in, out);
  parallelFor(rows.count, std::max<int64_t>(1, kGrain / 4 / rows.n), [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) access.at(i, f);
  });
}

bool takes(const Tensor& t) { return isFloating(t.dtype()) && t.dim() > 0 && t.numel() > 0 && t.isContiguous(); }
bool fits(const Tensor& t, const Tensor& like) {
  return t.dtype() == like.dtype() && t.isContiguous() && std::ranges::equal(t.sizes(), like.sizes());
}

// ---- softmax ----

/// The operand of softmax and logSoftmax in the dtype of the result; undefined for what the rows do not take.
Tensor alongLast(const Tensor& self, int64_t dim, std::optional<DType> dtype) {
  if (!takes(self) || (dim != -1 && dim != self.dim() - 1)) return {};
  if (!dtype) return self;
  return isFloating(*dtype) ? castOf(self, *dtype) : Tensor();
}

template <class F>
TensorList softmaxGradient(const Tensor& grad, int64_t dim, const Tensor& out, F&& kernel) {
  if (!takes(out) || !fits(grad, out) || (dim != -1 && dim != out.dim() - 1)) return {};
  const Tensor dx = emptyTensor(out.sizes(), out.dtype(), out.device());
  const Rows rows(out, out.size(-1));
  eachRow<2>(rows, {&grad, &out}, dx, [&](const auto& from, char* to) { kernel(rows.n, from[0], from[1], to); });
  return {dx};
}

// ---- layerNorm ----

/// Elements of the normalised dimensions; 0 where the rows do not take the call.
int64_t normalizedSize(const Tensor& input, IntSpan shape, const Tensor& weight, const Tensor& bias) {
  if (!input.defined()) return 0;  // not kept where only the bias has a gradient
  const IntSpan sizes = input.sizes();
  if (!takes(input) || shape.empty() || shape.size() > sizes.size() ||
      !std::ranges::equal(shape, sizes.subspan(sizes.size() - shape.size())))
    return 0;
  for (const Tensor* t : {&weight, &bias})
    if (t->defined() && (t->dtype() != input.dtype() || !t->isContiguous() || !std::ranges::equal(t->sizes(), shape)))
      return 0;
  return product(shape);
}
const char* bytesOf(const Tensor& t) { return t.defined() ? t.ptr<char>() : nullptr; }
/// A weight or bias as the kernels read it.
Tensor widened(const Tensor& t) { return t.defined() ? castOf(t, computeType(t.dtype())) : t; }

}  // namespace

Tensor softmaxKernel(const Tensor& self, int64_t dim, std::optional<DType> dtype) {
  const Tensor x = alongLast(self, dim, dtype);
  if (!x.defined()) return {};
  const Tensor out = emptyTensor(x.sizes(), x.dtype(), x.device());
  const Rows rows(x, x.size(-1));
  const RowKernels& k = rowKernels(computeType(x.dtype()));
  const bool stream = rows.streams();
  eachRow<1>(rows, {&x}, out, [&](const auto& from, char* to) {
    k.softmax(rows.n, from[0], stream ? workRows(rows.n, 1) : nullptr, to);
  });
  return out;
}

TensorList softmaxKernelBackward(const Tensor& grad, int64_t dim, const Tensor& out, const std::array<bool, 1>&) {
  return softmaxGradient(grad, dim, out, rowKernels(computeType(out.dtype())).softmaxBackward);
}

Tensor logSoftmaxKernel(const Tensor& self, int64_t dim, std::optional<DType> dtype) {
  const Tensor x = alongLast(self, dim, dtype);
  if (!x.defined()) return {};
  const Tensor out = emptyTensor(x.sizes(), x.dtype(), x.device());
  const Rows rows(x, x.size(-1));
  const RowKernels& k = rowKernels(computeType(x.dtype()));
  eachRow<1>(rows, {&x}, out, [&](const auto& from, char* to) { k.logSoftmax(rows.n, from[0], to); });
  return out;
}

TensorList logSoftmaxKernelBackward(const Tensor& grad, int64_t dim, const Tensor& out, const std::array<bool, 1>&) {
  return softmaxGradient(grad, dim, out, rowKernels(computeType(out.dtype())).logSoftmaxBackward);
}

Tensor layerNormKernel(const Tensor& input, IntSpan normalizedShape, const Tensor& weight, const Tensor& bias,
                       double eps) {
  const int64_t n = normalizedSize(input, normalizedShape, weight, bias);
  if (n == 0) return {};
  const Tensor out = emptyTensor(input.sizes(), input.dtype(), input.device());
  const Tensor w = widened(weight), b = widened(bias);
  const Rows rows(input, n);
  const RowKernels& k = rowKernels(computeType(input.dtype()));
  eachRow<1>(rows, {&input}, out, [&](const auto& from, char* to) {
    k.layerNorm(n, from[0], bytesOf(w), bytesOf(b), eps, rows.streams(), to);
  });
  return out;
}

TensorList layerNormKernelBackward(const Tensor& grad, const Tensor& input, IntSpan normalizedShape,
                                   const Tensor& weight, double eps, const std::array<bool, 3>& wanted) {
  const int64_t n = normalizedSize(input, normalizedShape, weight, {});
  if (n == 0 || !fits(grad, input)) return {};
  TensorList result(3);
  if (wanted[0]) result[0] = emptyTensor(input.sizes(), input.dtype(), input.device());
  for (size_t i : {1, 2})
    if (wanted[i]) result[i] = emptyTensor(normalizedShape, input.dtype(), input.device());
  // The gradients of weight and bias are sums over all rows. Blocks of rows, as many as follow from the shape, have
  // partial sums of their own.
  const Rows rows(input, n);
  const DType t = computeType(input.dtype());
  const RowKernels& k = rowKernels(t);
  const Tensor w = widened(weight);
  const int64_t atOnce = std::clamp<int64_t>(rows.count / kBlocks, 1, kRowsAtOnce);
  const int64_t blocks = (rows.count + atOnce - 1) / atOnce, row = n * static_cast<int64_t>(itemSize(t));
  const Tensor sums = emptyTensor(Dims{(wanted[1] ? blocks : 0) + (wanted[2] ? blocks : 0), n}, t);
  const auto partial = [&](size_t i, int64_t block) {
    return wanted[i] ? sums.ptr<char>() + ((i == 2 && wanted[1] ? blocks : 0) + block) * row : nullptr;
  };
  const RowAccess<2> access(rows, {&grad, &input}, result[0]);
  parallelFor(blocks, std::max<int64_t>(1, kGrain / 4 / (n * atOnce)), [&](int64_t from, int64_t to) {
    for (int64_t b = from; b < to; ++b) {
      char *dw = partial(1, b), *db = partial(2, b);
      for (char* p : {dw, db})
        if (p) std::memset(p, 0, static_cast<size_t>(row));
      for (int64_t i = b * atOnce; i < std::min(rows.count, (b + 1) * atOnce); ++i)
        access.at(i,
                  [&](const auto& in, char* dx) { k.layerNormBackward(n, in[0], in[1], bytesOf(w), eps, dx, dw, db); });
    }
  });
  for (size_t i : {1, 2}) {
    if (!wanted[i]) continue;
    const Tensor wide = t == input.dtype() ? result[i] : emptyTensor(normalizedShape, t);
    k.sumRows(n, blocks, partial(i, 0), wide.ptr<char>());
    if (!wide.is(result[i])) copyInto(result[i], wide);
  }
  return result;
}

}  // namespace flambeau::cpu
