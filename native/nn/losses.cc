// Bodies of normalisations and losses.
#include <cmath>

#include "flambeau/trace.h"
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

Dims trailingDims(const Tensor& input, IntSpan normalizedShape, const char* op) {
  const size_t n = normalizedShape.size(), rank = input.sizes().size();
  FB_CHECK(n >= 1, Value,
           "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
           "normalized_shape = %s",
           shapeString(normalizedShape).c_str());
  FB_CHECK(n <= rank &&
               std::equal(normalizedShape.begin(), normalizedShape.end(), input.sizes().end() - static_cast<long>(n)),
           Shape, "%s: Given normalized_shape=%s, expected input with shape [*, %s, but got input of size %s", op,
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
  return Dims{input.size(0), groups, -1};
}

void updateRunning(const Tensor& runningMean, const Tensor& mean, const Tensor& runningVar, const Tensor& variance,
                   double momentum, const Tensor& input) {
  const double n = static_cast<double>(input.numel() / std::max<int64_t>(1, input.size(1)));
  FB_CHECK(n > 1, Value, "Expected more than 1 value per channel when training, got input size %s",
           shapeString(input.sizes()).c_str());
  autograd::GradGuard off(false);
  auto blend = [&](const Tensor& running, const Tensor& value) {
    if (!running.defined()) return;
    ops::mul_(running, Scalar(1 - momentum));
    ops::add_(running, ops::reshape(value, Dims{-1}), Scalar(momentum));
  };
  blend(runningMean, mean);
  if (runningVar.defined()) blend(runningVar, ops::mul(variance, Scalar(n / (n - 1))));
}

// ---- losses ----

Tensor reduceLoss(const Tensor& loss, std::string_view reduction) {
  if (reduction == "none") return loss;
  if (reduction == "mean") return ops::mean(loss);
  FB_CHECK(reduction == "sum", Value, "%.*s is not a valid value for reduction", static_cast<int>(reduction.size()),
           reduction.data());
  return ops::sum(loss);
}
Tensor weighted(const Tensor& loss, const Tensor& weight) { return weight.defined() ? ops::mul(loss, weight) : loss; }

namespace {

/// What both target styles share: the classes' dimension and checks in PyTorch's words.
int64_t classDim(const Tensor& input) { return input.dim() == 1 ? 0 : 1; }

void checkTarget(const Tensor& input, const Tensor& target) {
  FB_CHECK(target.dtype() == DType::Int64 || target.dtype() == DType::UInt8, Type,
           "expected scalar type Long but found %s", std::string(dtypeName(target.dtype())).c_str());
  Dims expected(input.sizes());
  expected.erase(static_cast<size_t>(classDim(input)));
  FB_CHECK(input.dim() == 1 || input.size(0) == (target.dim() ? target.size(0) : 0), Value,
           "Expected input batch_size (%lld) to match target batch_size (%lld).", static_cast<long long>(input.size(0)),
           static_cast<long long>(target.dim() ? target.size(0) : 0));
  FB_CHECK(std::ranges::equal(expected.span(), target.sizes()), Shape, "Expected target size %s, got %s",
           shapeString(expected).c_str(), shapeString(target.sizes()).c_str());
}

/// Class numbers are data: out-of-range ones are an error where values can be read (gather checks them inside a graph).
void checkClasses(const Tensor& input, const Tensor& target, int64_t ignoreIndex) {
  if (trace::active() || target.dtype() != DType::Int64) return;
  const int64_t classes = input.size(classDim(input));
  const Tensor flat = target.isContiguous() ? target : ops::contiguous(target);
  for (int64_t i = 0; i < flat.numel(); ++i) {
    const int64_t c = flat.ptr<int64_t>()[i];
    FB_CHECK(c == ignoreIndex || (c >= 0 && c < classes), Index, "Target %lld is out of bounds.",
             static_cast<long long>(c));
  }
}

/// weight[target], 0 where the target is ignored: [target's shape].
Tensor targetWeights(const Tensor& input, const Tensor& safe, const Tensor& weight, const Tensor& kept) {
  Tensor w = ops::toDtype(kept, input.dtype());
  if (weight.defined()) {
    FB_CHECK(
        weight.numel() == input.size(classDim(input)), Value,
        "weight tensor should be defined either for all %lld classes or no classes but got weight tensor of shape: %s",
        static_cast<long long>(input.size(classDim(input))), shapeString(weight.sizes()).c_str());
    w = ops::mul(w, ops::reshape(ops::indexSelect(weight, 0, ops::reshape(safe, Dims{-1})), Dims(safe.sizes())));
  }
  return w;
}

}  // namespace

Tensor nll(const Tensor& input, const Tensor& target, const Tensor& weight, int64_t ignoreIndex,
           std::string_view reduction) {
  FB_CHECK(input.dim() >= 1, Value, "Expected 1 or more dimensions (got %lld)", static_cast<long long>(input.dim()));
  checkTarget(input, target);
  checkClasses(input, target, ignoreIndex);
  const int64_t d = classDim(input);
  const Tensor index = target.dtype() == DType::Int64 ? target : ops::toDtype(target, DType::Int64);
  // Without class weights and with the default ignoreIndex outside the classes, the mask still must hold: -100 is legal
  // in targets.
  const Tensor kept = ops::ne(index, Scalar(ignoreIndex));
  const Tensor safe = ops::where(kept, index, Scalar(int64_t{0}));
  const Tensor picked = ops::squeeze(ops::gather(input, d, ops::unsqueeze(safe, d)), Dims{d});
  const Tensor w = targetWeights(input, safe, weight, kept);
  const Tensor loss = ops::where(kept, ops::neg(ops::mul(picked, w)), Scalar(0.0));
  if (reduction == "mean") return ops::trueDivide(ops::sum(loss), ops::sum(w));
  return reduceLoss(loss, reduction);
}

Tensor crossEntropy(const Tensor& input, const Tensor& target, const Tensor& weight, int64_t ignoreIndex,
                    std::string_view reduction, double smoothing) {
  FB_CHECK(smoothing >= 0 && smoothing <= 1, Value, "label_smoothing must be between 0.0 and 1.0. Got: %g", smoothing);
  FB_CHECK(input.dim() >= 1, Value, "Expected 1 or more dimensions (got %lld)", static_cast<long long>(input.dim()));
  const int64_t d = classDim(input);
  const double classes = static_cast<double>(input.size(d));
  const bool probabilities = std::ranges::equal(input.sizes(), target.sizes()) && isFloating(target.dtype());
  if (!probabilities)
    FB_CHECK(!isFloating(target.dtype()), Type, "expected scalar type Long but found %s",
             std::string(dtypeName(target.dtype())).c_str());
  const Tensor logp = ops::logSoftmax(input, d);
  Dims channel(input.sizes().size(), 1);
  channel[static_cast<size_t>(d)] = -1;
  auto byClass = [&](const Tensor& x) { return weight.defined() ? ops::mul(x, ops::reshape(weight, channel)) : x; };
  if (probabilities) {
    Tensor t = target;
    if (smoothing > 0) t = ops::add(ops::mul(t, Scalar(1 - smoothing)), Scalar(smoothing / classes));
    const Tensor loss = ops::neg(ops::sum(byClass(ops::mul(logp, t)), Dims{d}));
    if (reduction == "mean")
      return ops::trueDivide(ops::sum(loss), Scalar(static_cast<double>(std::max<int64_t>(1, loss.numel()))));
    return reduceLoss(loss, reduction);
  }
  const Tensor hard = ops::nllLoss(logp, target, weight, ignoreIndex, reduction);
  if (smoothing == 0) return hard;
  const Tensor index = target.dtype() == DType::Int64 ? target : ops::toDtype(target, DType::Int64);
  const Tensor kept = ops::ne(index, Scalar(ignoreIndex));
  const Tensor safe = ops::where(kept, index, Scalar(int64_t{0}));
  Tensor smooth = ops::where(kept, ops::neg(ops::sum(byClass(logp), Dims{d})), Scalar(0.0));
  if (reduction == "mean")
    smooth = ops::trueDivide(ops::sum(smooth), ops::sum(targetWeights(input, safe, weight, kept)));
  else
    smooth = reduceLoss(smooth, reduction);
  return ops::add(ops::mul(hard, Scalar(1 - smoothing)), ops::mul(smooth, Scalar(smoothing / classes)));
}

}  // namespace flambeau::support
