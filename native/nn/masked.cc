// Bodies of torch.masked's reductions: what elements outside the mask count as.
#include <algorithm>
#include <limits>

#include "nn/bodies.h"

namespace flambeau::support {

Tensor masked(const Tensor& self, const Tensor& mask, const Operand& value) {
  if (!mask.defined()) return self;
  FB_CHECK(mask.dim() <= self.dim(), Value,
           "input_mask: mask dimensionality cannot be greater than dimensionality of the input");
  const Tensor chosen = mask.dtype() == DType::Bool ? mask : ops::toDtype(mask, DType::Bool);
  const Operand fill = value.isTensor() ? value : Operand(ops::full(IntSpan(), value.scalar, self.dtype()));
  return ops::where(ops::expand(chosen, Dims(self.sizes())), self, fill);
}

namespace {
Scalar extreme(DType t, bool high) {
  const double inf = std::numeric_limits<double>::infinity();
  if (isFloating(t)) return Scalar(high ? inf : -inf);
  if (t == DType::Bool) return Scalar(high);
  if (t == DType::UInt8) return Scalar(int64_t(high ? 255 : 0));
  const int bits = static_cast<int>(itemSize(t)) * 8;
  const int64_t top = static_cast<int64_t>((uint64_t(1) << (bits - 1)) - 1);
  return Scalar(high ? top : -top - 1);
}
}  // namespace

Operand lowestValue(const Tensor& self) { return Operand(extreme(self.dtype(), false)); }
Operand highestValue(const Tensor& self) { return Operand(extreme(self.dtype(), true)); }
Operand normIdentityValue(double p) { return Operand(Scalar(p < 0 ? std::numeric_limits<double>::infinity() : 0.0)); }

Tensor castTo(const Tensor& t, std::optional<DType> dtype) {
  return !dtype || *dtype == t.dtype() ? t : ops::toDtype(t, *dtype);
}
DType orOwnDType(const Tensor& t, std::optional<DType> dtype) { return dtype.value_or(t.dtype()); }

Tensor maskTotal(const Tensor& self, const Tensor& mask, std::optional<IntSpan> dim, bool keepdim) {
  const Tensor all = mask.defined() ? ops::expand(ops::toDtype(mask, DType::Bool), Dims(self.sizes()))
                                    : ops::expand(ops::ones(IntSpan(), DType::Bool), Dims(self.sizes()));
  return ops::sum(all, dim, keepdim);
}

Tensor prodOver(const Tensor& self, std::optional<IntSpan> dim, bool keepdim, std::optional<DType> dtype) {
  Dims dims = wrapDims(dim, self.dim());
  std::sort(dims.begin(), dims.end());
  Tensor out = self.dim() == 0 ? ops::prod(self, std::nullopt, false, dtype) : self;
  for (size_t i = dims.size(); i-- > 0;) out = ops::prod(out, dims[i], keepdim, dtype);
  return out;
}

Tensor maskedNormalize(const Tensor& self, double p, int64_t dim, double eps, std::optional<DType> dtype,
                       const Tensor& mask) {
  const int64_t one[] = {dim};
  const Tensor norms = ops::norm(masked(self, mask, normIdentityValue(p)), p, IntSpan(one, 1), true, dtype);
  const Tensor floor = ops::full(IntSpan(), Scalar(eps), norms.dtype());
  return ops::trueDivide(masked(castTo(self, dtype), mask, Scalar(0)), ops::maximum(norms, floor));
}

Tensor maskedVar(const Tensor& self, std::optional<IntSpan> dim, bool unbiased, bool keepdim,
                 std::optional<DType> dtype, const Tensor& mask) {
  DType type = dtype.value_or(self.dtype());
  if (!isFloating(type)) type = DType::Float32;
  const Tensor count = maskTotal(self, mask, dim, true);
  const Tensor mean = ops::trueDivide(ops::sum(masked(self, mask, Scalar(0)), dim, true, type), count);
  const Tensor centered = ops::sub(castTo(self, type), mean);
  const Tensor total = ops::sum(masked(ops::mul(centered, centered), mask, Scalar(0)), dim, keepdim);
  const Tensor n = keepdim ? count : ops::reshape(count, Dims(total.sizes()));
  return ops::trueDivide(total, unbiased ? ops::clampMin(ops::sub(n, Scalar(1)), Scalar(0)) : n);
}
Tensor maskedStd(const Tensor& self, std::optional<IntSpan> dim, bool unbiased, bool keepdim,
                 std::optional<DType> dtype, const Tensor& mask) {
  return ops::sqrt(maskedVar(self, dim, unbiased, keepdim, dtype, mask));
}

Tensor logaddexp(const Tensor& a, const Tensor& b) {
  // Equal infinities stay what they are: their difference is no number.
  const Tensor hi = ops::maximum(a, b), gap = ops::abs(ops::sub(a, b));
  const Tensor safe = ops::where(ops::isnan(gap), Scalar(0.0), gap);
  const Tensor sum = ops::add(hi, ops::log1p(ops::exp(ops::neg(safe))));
  return ops::where(ops::isinf(hi), hi, sum);
}

}  // namespace flambeau::support
