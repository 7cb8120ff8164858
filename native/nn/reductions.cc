// Bodies about reductions and products of matrices, and their derivatives.
#include <cmath>
#include <limits>

#include "nn/bodies.h"

namespace flambeau::support {

namespace {
Dims keptShape(const Dims& sizes, std::optional<IntSpan> dim) {
  Dims out = sizes;
  for (int64_t d : wrapDims(dim, static_cast<int64_t>(sizes.size()))) out[static_cast<size_t>(d)] = 1;
  return out;
}
/// Brings a reduced tensor back to the rank of its input.
Tensor restored(const Tensor& t, const Dims& sizes, std::optional<IntSpan> dim, bool keepdim) {
  return keepdim || sizes.empty() ? t : ops::view(ops::contiguous(t), keptShape(sizes, dim));
}
}  // namespace

Tensor expandReduced(const Tensor& grad, const Dims& sizes, std::optional<IntSpan> dim, bool keepdim) {
  return ops::expand(restored(grad, sizes, dim, keepdim), sizes);
}
int64_t reducedCount(const Dims& sizes, std::optional<IntSpan> dim) {
  int64_t n = 1;
  for (int64_t d : wrapDims(dim, static_cast<int64_t>(sizes.size()))) n *= sizes[static_cast<size_t>(d)];
  return n;
}

Tensor prodBackward(const Tensor& grad, const Tensor& self, std::optional<int64_t> dim, bool keepdim) {
  // Products of all other elements, without dividing by zeros: exclusive products from the left times those from the
  // right, formed as a matrix in which the diagonal is one.
  const Dims sizes(self.sizes());
  if (sizes.empty()) return ops::mul(grad, ops::onesLike(self));
  const bool whole = !dim.has_value();
  const int64_t d = whole ? 0 : wrapDim(*dim, self.dim());
  Tensor rows = whole ? ops::reshape(self, Dims{1, -1}) : ops::movedim(self, Dims{d}, Dims{-1});
  const int64_t n = rows.size(-1);
  const Tensor eye = ops::toDtype(ops::eye(n), DType::Bool);
  Dims wide(rows.sizes());
  wide.insert(wide.size() - 1, n);
  const Tensor others = ops::maskedFill(ops::expand(ops::unsqueeze(rows, -2), wide), eye, Scalar(1));
  Tensor g = ops::prod(others, -1, false);
  g = whole ? ops::reshape(g, sizes) : ops::movedim(g, Dims{-1}, Dims{d});
  const int64_t one[] = {d};
  return ops::mul(expandReduced(grad, sizes, whole ? std::nullopt : std::optional<IntSpan>(IntSpan(one, 1)), keepdim),
                  g);
}

Tensor extremeBackward(const Tensor& grad, const Tensor& self, const Dims& dim, bool keepdim, const Tensor& out) {
  const Dims sizes(self.sizes());
  const Tensor hit = ops::toDtype(ops::eq(self, expandReduced(out, sizes, IntSpan(dim), keepdim)), grad.dtype());
  const Tensor count = ops::sum(hit, IntSpan(dim), true);
  return ops::mul(hit, ops::trueDivide(restored(grad, sizes, IntSpan(dim), keepdim), count));
}

Tensor selectBackward(const Tensor& grad, const Dims& sizes, int64_t dim, bool keepdim, const Tensor& indices) {
  const Tensor zeros = ops::zeros(sizes, grad.dtype());
  if (sizes.empty()) return ops::add(zeros, grad);
  if (keepdim) return ops::scatterAdd(zeros, dim, indices, grad);
  return ops::scatterAdd(zeros, dim, ops::unsqueeze(indices, dim), ops::unsqueeze(grad, dim));
}

Tensor varBackward(const Tensor& grad, const Tensor& self, std::optional<IntSpan> dim, bool keepdim,
                   int64_t correction) {
  const Dims sizes(self.sizes());
  const double n = static_cast<double>(reducedCount(sizes, dim) - correction);
  const Tensor centered = ops::sub(self, ops::mean(self, dim, true));
  return ops::mul(ops::mul(expandReduced(grad, sizes, dim, keepdim), centered), Scalar(2.0 / n));
}

Tensor logsumexp(const Tensor& self, IntSpan dim, bool keepdim) {
  if (!isFloating(self.dtype())) return logsumexp(ops::toDtype(self, defaultDType()), dim, keepdim);
  Tensor shift;
  if (self.numel() == 0) {
    return ops::log(ops::sum(ops::exp(self), dim, keepdim));
  }
  {
    autograd::GradGuard off(false);
    shift = ops::amax(self, dim, true);
    shift = ops::maskedFill(shift, ops::isinf(shift), Scalar(0));
  }
  const Tensor s = ops::add(ops::log(ops::sum(ops::exp(ops::sub(self, shift)), dim, true)), shift);
  return keepdim || self.dim() == 0 ? s : ops::squeeze(s, wrapDims(dim, self.dim()));
}

Tensor evenlyShared(const Tensor& grad, const Tensor& self, const Tensor& out) {
  const Tensor hit = ops::toDtype(
      isFloating(self.dtype()) ? ops::logicalOr(ops::eq(self, out), ops::logicalAnd(ops::isnan(self), ops::isnan(out)))
                               : ops::eq(self, out),
      grad.dtype());
  return ops::mul(hit, ops::trueDivide(grad, ops::sum(hit)));
}

Dims optionalDims(const Tensor& self, std::optional<int64_t> dim, const char* op) {
  if (!dim) {
    FB_CHECK(self.numel() > 0, Value,
             "%s(): cannot compute %s over an empty dimension as the operation has no identity.", op, op);
    return {};
  }
  const int64_t d = wrapDim(*dim, self.dim());
  FB_CHECK(self.dim() == 0 || self.size(d) > 0, Index, "%s: Expected reduction dim %lld to have non-zero size.", op,
           static_cast<long long>(d));
  return {d};
}
Dims optionalAxes(std::optional<IntSpan> dim) { return dim ? Dims(*dim) : Dims{}; }

// ---- matrix products ----

namespace {
Tensor swapLast(const Tensor& t) { return t.dim() < 2 ? t : ops::transpose(t, -2, -1); }
}  // namespace

Tensor matmulBackwardSelf(const Tensor& grad, const Dims& sizes, const Tensor& other) {
  if (sizes.size() == 1 && other.dim() == 1) return ops::mul(grad, other);
  if (other.dim() == 1) return sumTo(ops::mul(ops::unsqueeze(grad, -1), other), sizes);
  if (sizes.size() == 1)
    return sumTo(ops::matmul(other, ops::unsqueeze(grad, -1)).dim() == 0
                     ? grad
                     : ops::squeeze(ops::matmul(other, ops::unsqueeze(grad, -1)), Dims{-1}),
                 sizes);
  return sumTo(ops::matmul(grad, swapLast(other)), sizes);
}
Tensor matmulBackwardOther(const Tensor& grad, const Tensor& self, const Dims& sizes) {
  if (sizes.size() == 1 && self.dim() == 1) return ops::mul(grad, self);
  if (self.dim() == 1) return sumTo(ops::mul(ops::unsqueeze(self, -1), ops::unsqueeze(grad, -2)), sizes);
  if (sizes.size() == 1)
    return sumTo(ops::squeeze(ops::matmul(swapLast(self), ops::unsqueeze(grad, -1)), Dims{-1}), sizes);
  if (sizes.size() == 2 && self.dim() > 2) return ops::mm(ops::t(flattenRows(self)), flattenRows(grad));
  return sumTo(ops::matmul(swapLast(self), grad), sizes);
}
Tensor flattenRows(const Tensor& t) {
  if (t.dim() == 2) return t;
  const int64_t n = t.size(-1);
  return ops::reshape(t, Dims{t.dim() == 1 ? 1 : product(t.sizes().first(t.sizes().size() - 1)), n});
}

}  // namespace flambeau::support
