// Bodies of similarities and distances.
#include <algorithm>

#include <cmath>

#include "core/promotion.h"
#include "nn/bodies.h"

namespace flambeau::support {

Tensor cosineSimilarity(const Tensor& x1, const Tensor& x2, int64_t dim, double eps) {
  const DType common = commonDType(x1, x2);
  FB_CHECK(isFloating(common), Type, "expected common dtype to be floating point, yet common dtype is %s",
           scalarTypeName(common));
  const Dims shape = broadcastShapes(x1.sizes(), x2.sizes());
  const Dims dims{wrapDim(dim, static_cast<int64_t>(shape.size()))};
  // Divided by its own norm each, which does not overflow where the product of both would.
  auto unit = [&](const Tensor& x) {
    const Tensor full = ops::expand(x.dtype() == common ? x : ops::toDtype(x, common), shape);
    const Tensor squares = ops::limitedBelow(ops::sum(ops::mul(full, full), dims.span(), true), eps * eps);
    return ops::trueDivide(full, ops::sqrt(squares));
  };
  return ops::sum(ops::mul(unit(x1), unit(x2)), dims.span());
}

Tensor cdist(const Tensor& x1, const Tensor& x2, double p, std::optional<std::string_view> computeMode) {
  for (const auto& [x, name] : {std::pair(x1, "X1"), std::pair(x2, "X2")}) {
    FB_CHECK(isFloating(x.dtype()), Type, "cdist only supports floating-point dtypes, %s got: %s", name,
             scalarTypeName(x.dtype()));
    FB_CHECK(x.dim() >= 2, Shape, "cdist only supports at least 2D tensors, %s got: %lldD", name,
             static_cast<long long>(x.dim()));
  }
  FB_CHECK(x1.size(-1) == x2.size(-1), Shape, "X1 and X2 must have the same number of columns. X1: %lld X2: %lld",
           static_cast<long long>(x1.size(-1)), static_cast<long long>(x2.size(-1)));
  FB_CHECK(p >= 0, Value, "cdist only supports non-negative p values");
  const std::string_view mode = computeMode.value_or("use_mm_for_euclid_dist_if_necessary");
  FB_CHECK(mode == "use_mm_for_euclid_dist_if_necessary" || mode == "use_mm_for_euclid_dist" ||
               mode == "donot_use_mm_for_euclid_dist",
           Value, "%.*s is not a valid value for compute_mode", static_cast<int>(mode.size()), mode.data());
  const DType common = commonDType(x1, x2);
  const Dims batch = broadcastShapes(x1.sizes().first(x1.sizes().size() - 2), x2.sizes().first(x2.sizes().size() - 2));
  auto whole = [&](const Tensor& x) {
    Dims shape = batch;
    shape.push_back(x.size(-2));
    shape.push_back(x.size(-1));
    return ops::expand(x.dtype() == common ? x : ops::toDtype(x, common), shape);
  };
  return ops::cdistForward(whole(x1), whole(x2), p);
}

namespace {
/// d distance / d difference, of ops, so that it can be differentiated again; 0 where the distance is.
Tensor slopes(const Tensor& diff, const Tensor& distance, double p) {
  if (p == 0) return ops::zerosLike(diff);
  if (p == 1) return ops::sign(diff);
  if (std::isinf(p)) return ops::mul(ops::sign(diff), ops::eq(ops::abs(diff), distance));
  const Tensor none = ops::eq(distance, Scalar(0));
  const Tensor away = ops::maskedFill(distance, none, Scalar(1));
  if (p == 2) return ops::maskedFill(ops::trueDivide(diff, away), none, Scalar(0));
  // A difference of 0 has the slope 0; its power, whose derivatives may be infinite, is not looked at.
  const Tensor zero = ops::eq(diff, Scalar(0));
  const Tensor part = ops::maskedFill(ops::trueDivide(ops::abs(diff), away), zero, Scalar(1));
  return ops::maskedFill(ops::mul(ops::sign(diff), ops::pow(part, Scalar(p - 1))), none, Scalar(0));
}
}  // namespace

Tensor cdistGradient(const Tensor& grad, const Tensor& x1, const Tensor& x2, double p, const Tensor& distances) {
  const bool again = autograd::gradEnabled() && (grad.requiresGrad() || x1.requiresGrad() || x2.requiresGrad());
  if (!again) return ops::cdistBackward(grad, x1, x2, p, distances);
  const Tensor diff = ops::sub(ops::unsqueeze(x1, -2), ops::unsqueeze(x2, -3));
  const Tensor each = ops::mul(ops::unsqueeze(grad, -1), slopes(diff, ops::unsqueeze(distances, -1), p));
  return ops::sum(each, Dims{-2}.span());
}

Tensor pdist(const Tensor& self, double p) {
  FB_CHECK(self.dim() == 2, Shape, "pdist only supports 2D tensors, got: %lldD", static_cast<long long>(self.dim()));
  FB_CHECK(isFloating(self.dtype()), Type, "pdist only supports floating-point dtypes");
  FB_CHECK(p >= 0, Value, "pdist only supports non-negative p values");
  const int64_t n = self.size(0), pairs = n < 2 ? 0 : n * (n - 1) / 2;
  // The places of the pairs i < j in the square of all distances.
  Tensor places = emptyTensor(Dims{pairs}, DType::Int64);
  int64_t* at = places.ptr<int64_t>();
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = i + 1; j < n; ++j) *at++ = i * n + j;
  return ops::indexSelect(ops::reshape(cdist(self, self, p, std::nullopt), Dims{n * n}), 0, places);
}

}  // namespace flambeau::support
