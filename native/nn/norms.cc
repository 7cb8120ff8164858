// Bodies of normalisations, softmax and dropout.
#include <algorithm>
#include <cmath>
#include <limits>

#include "nn/bodies.h"

namespace flambeau::support {

Tensor asFloat(const Tensor& t, std::optional<DType> dtype, const char* op) {
  if (dtype) return t.dtype() == *dtype ? t : ops::toDtype(t, *dtype);
  FB_CHECK(isFloating(t.dtype()), Type, "\"%s_kernel_impl\" not implemented for '%s'", op,
           std::string(dtypeName(t.dtype())).c_str());
  return t;
}

Tensor widened(const Tensor& t) {
  return t.dtype() == DType::Float16 || t.dtype() == DType::BFloat16 ? ops::toDtype(t, DType::Float32) : t;
}
Tensor asDtypeOf(const Tensor& t, const Tensor& like) {
  return t.dtype() == like.dtype() ? t : ops::toDtype(t, like.dtype());
}

Tensor rowMax(const Tensor& t, int64_t dim) {
  const int64_t d = wrapDim(dim, t.dim());
  autograd::GradGuard off(false);
  if (t.numel() == 0) {
    Dims kept(t.sizes());
    kept[static_cast<size_t>(d)] = 1;
    return ops::zeros(kept, t.dtype());
  }
  return ops::amax(t, t.dim() == 0 ? Dims{} : Dims{d}, true);
}

Dims normalizedDims(const Tensor& input, IntSpan normalizedShape, const Tensor& weight, const Tensor& bias) {
  const size_t n = normalizedShape.size(), rank = input.sizes().size();
  FB_CHECK(n >= 1, Value,
           "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
           "normalized_shape = %s",
           shapeString(normalizedShape).c_str());
  const auto fits = [&](const Tensor& t, const char* what) {
    FB_CHECK(!t.defined() || std::ranges::equal(t.sizes(), normalizedShape), Shape,
             "Expected %s to be of same shape as normalized_shape, but got %s of shape %s and normalized_shape = %s",
             what, what, shapeString(t.sizes()).c_str(), shapeString(normalizedShape).c_str());
  };
  if (weight.defined()) fits(weight, "weight");
  if (bias.defined()) fits(bias, "bias");
  FB_CHECK(n <= rank &&
               std::equal(normalizedShape.begin(), normalizedShape.end(), input.sizes().end() - static_cast<long>(n)),
           Shape, "Given normalized_shape=%s, expected input with shape [*, %s, but got input of size%s",
           shapeString(normalizedShape).c_str(), shapeString(normalizedShape).c_str() + 1,
           shapeString(input.sizes()).c_str());
  Dims dims;
  for (size_t i = rank - n; i < rank; ++i) dims.push_back(static_cast<int64_t>(i));
  return dims;
}

Tensor affine(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  Tensor y = weight.defined() ? ops::mul(x, weight) : x;
  return bias.defined() ? ops::add(y, bias) : y;
}

Dims channelShape(const Tensor& input, const char* op) {
  if (input.dim() == 1 && input.numel() == 0) return Dims{0};
  FB_CHECK(input.dim() >= 2, Shape, "%s: expected at least 2D input, but got input of size %s", op,
           shapeString(input.sizes()).c_str());
  Dims shape(input.sizes().size(), 1);
  shape[1] = input.size(1);
  return shape;
}
Tensor channelAffine(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Dims shape = channelShape(x, "normalization");
  auto fit = [&](const Tensor& t, const char* what) {
    if (!t.defined()) return t;
    FB_CHECK(t.numel() == (x.dim() > 1 ? x.size(1) : x.numel()), Shape,
             "Expected %s to be a vector of size equal to the number of channels in input, but got %s of shape %s and "
             "input of shape %s",
             what, what, shapeString(t.sizes()).c_str(), shapeString(x.sizes()).c_str());
    return ops::reshape(t, shape);
  };
  return affine(x, fit(weight, "weight"), fit(bias, "bias"));
}

Dims groupedShape(const Tensor& input, int64_t groups) {
  FB_CHECK(input.dim() >= 2, Shape, "Expected at least 2 dimensions for input tensor but received %lld",
           static_cast<long long>(input.dim()));
  FB_CHECK(groups > 0 && input.size(1) % groups == 0, Value,
           "Expected number of channels in input to be divisible by num_groups, but got input of shape %s and "
           "num_groups=%lld",
           shapeString(input.sizes()).c_str(), static_cast<long long>(groups));
  return Dims{input.size(0), groups, input.numel() / std::max<int64_t>(1, input.size(0) * groups)};
}

int64_t perChannelCount(const Tensor& input) {
  return input.dim() < 2 ? input.numel() : input.numel() / std::max<int64_t>(1, input.size(1));
}
int64_t perInstanceCount(const Tensor& input) {
  return input.numel() / std::max<int64_t>(1, input.size(0) * input.size(1));
}

Dims spatialDims(const Tensor& input, const char* op) {
  FB_CHECK(input.dim() >= 3, Shape, "%s: expected at least 3D input, but got input of size %s", op,
           shapeString(input.sizes()).c_str());
  Dims dims;
  for (int64_t d = 2; d < input.dim(); ++d) dims.push_back(d);
  return dims;
}

void checkRunning(const Tensor& input, const Tensor& runningMean, const Tensor& runningVar) {
  const int64_t channels = input.dim() < 2 ? input.numel() : input.size(1);
  const auto check = [&](const Tensor& t, const char* what) {
    FB_CHECK(!t.defined() || t.numel() == channels, Shape, "%s should contain %lld elements not %lld", what,
             static_cast<long long>(channels), static_cast<long long>(t.numel()));
  };
  check(runningMean, "running_mean");
  check(runningVar, "running_var");
}

void updateRunning(const Tensor& runningMean, const Tensor& mean, const Tensor& runningVar, const Tensor& variance,
                   double momentum, int64_t count) {
  if (count == 0) return;  // an empty batch says nothing
  autograd::GradGuard off(false);
  auto blend = [&](const Tensor& running, const Tensor& value) {
    if (!running.defined()) return;
    ops::mul_(running, Scalar(1 - momentum));
    ops::add_(running, ops::reshape(value, Dims{-1}), Scalar(momentum));
  };
  blend(runningMean, mean);
  const double n = static_cast<double>(count);
  if (runningVar.defined()) blend(runningVar, ops::mul(variance, Scalar(n / (n - 1))));
}

Operand epsilonValue(std::optional<double> eps, const Tensor& like) {
  if (eps) return Operand(Scalar(*eps));
  return Operand(Scalar(like.dtype() == DType::Float64 ? std::numeric_limits<double>::epsilon()
                                                       : double{std::numeric_limits<float>::epsilon()}));
}

Tensor neighbourMeans(const Tensor& squares, int64_t size) {
  const Tensor planes = ops::reshape(squares, Dims{squares.size(0), 1, squares.size(1), -1});
  const Tensor padded = ops::constantPadNd(planes, Dims{0, 0, size / 2, (size - 1) / 2}, Scalar(int64_t{0}));
  const Tensor means = ops::avgPoolNd(padded, Dims{size, 1}, Dims{1, 1}, Dims{0, 0}, false, true, std::nullopt);
  return ops::reshape(means, Dims(squares.sizes()));
}

// ---- dropout ----

Dims featureDims(const Tensor& input) {
  FB_CHECK(input.dim() >= 2, Shape, "Feature dropout requires at least 2 dimensions in the input");
  Dims sizes(input.sizes().size(), 1);
  sizes[0] = input.size(0);
  sizes[1] = input.size(1);
  return sizes;
}

Tensor alphaDropped(const Tensor& input, const Tensor& kept, double p) {
  constexpr double alpha = 1.7580993408473766;  // minus SELU's value at minus infinity
  const double a = 1 / std::sqrt((alpha * alpha * p + 1) * (1 - p));
  const Tensor shift = ops::add(ops::mul(ops::sub(kept, Operand(Scalar(1.0))), Operand(Scalar(alpha * a))),
                                Operand(Scalar(alpha * a * p)));
  return ops::add(ops::mul(input, Operand(ops::mul(kept, Operand(Scalar(a))))), Operand(shift));
}

}  // namespace flambeau::support
