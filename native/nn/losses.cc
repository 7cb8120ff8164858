// Bodies of losses.
#include <cmath>

#include "flambeau/trace.h"
#include "nn/bodies.h"

namespace flambeau::support {

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
