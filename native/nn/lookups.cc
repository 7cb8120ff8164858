// Bodies of embeddings, and one-hot samples.
#include "flambeau/trace.h"
#include "nn/bodies.h"

namespace flambeau::support {

// ---- embeddings ----

namespace {

Tensor flatIndices(const Tensor& indices) {
  const Tensor flat = ops::reshape(indices, Dims{-1});
  return flat.dtype() == DType::Int64 ? flat : ops::toDtype(flat, DType::Int64);
}

}  // namespace

Tensor dividedByFrequency(const Tensor& grad, const Tensor& indices, int64_t count) {
  const Tensor flat = flatIndices(indices), one = ops::ones(Dims(flat.sizes()), grad.dtype());
  const Tensor uses = ops::indexAdd(ops::zeros(Dims{count}, grad.dtype()), 0, flat, one, Scalar(1));
  const Tensor perIndex = ops::reshape(ops::indexSelect(uses, 0, flat), Dims(indices.sizes()));
  return ops::div(grad, Operand(ops::unsqueeze(perIndex, -1)));
}

Tensor embeddingWithout(const Tensor& weight, const Tensor& indices, int64_t paddingIdx) {
  const Tensor rows = ops::embedding(weight, indices);
  if (paddingIdx < 0) return rows;
  const Tensor counts = ops::unsqueeze(ops::ne(indices, Operand(Scalar(paddingIdx))), -1);
  return ops::where(counts, Operand(rows), Operand(Scalar(0.0)));
}

Tensor renormRows(const Tensor& weight, const Tensor& indices, double maxNorm, double normType) {
  autograd::GradGuard off(false);
  const Tensor flat = flatIndices(indices);
  const Tensor rows = widened(ops::indexSelect(weight, 0, flat));
  const int64_t last[] = {1};
  const Tensor norms = ops::norm(rows, normType, IntSpan(last), true);
  const Tensor scale = ops::div(
      ops::onesLike(norms), Operand(ops::mul(ops::add(norms, Operand(Scalar(1e-7))), Operand(Scalar(1 / maxNorm)))));
  const Tensor scaled =
      ops::where(ops::gt(norms, Operand(Scalar(maxNorm))), Operand(ops::mul(rows, Operand(scale))), Operand(rows));
  // Equal indices write equal rows.
  const TensorList index{flat};
  ops::copy_(weight, ops::indexPut(weight, index, asDtypeOf(scaled, weight), false));
  return weight;
}

Tensor segmentMaxBackward(const Tensor& grad, const Tensor& indices, const Dims& sizes) {
  const Tensor given = ops::ge(indices, Operand(Scalar(int64_t{0})));
  const Tensor rows = ops::clamp(indices, Scalar(int64_t{0}), std::nullopt);
  const Tensor values = ops::where(given, Operand(grad), Operand(Scalar(0.0)));
  return ops::scatterAdd(zerosLike(grad, sizes), 0, rows, values);
}

Tensor embeddingBag(const Tensor& weight, const Tensor& indices, const Tensor& offsets, std::string_view mode,
                    const Tensor& perSampleWeights, bool includeLastOffset, int64_t paddingIdx, bool scaleGradByFreq) {
  FB_CHECK(mode == "sum" || mode == "mean" || mode == "max", Value, "mode has to be one of sum, mean or max");
  FB_CHECK(weight.dim() == 2, Shape, "'weight' must be 2-D");
  FB_CHECK(!perSampleWeights.defined() || mode == "sum", Value,
           "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' (got "
           "mode='%s'). Please open a feature request on GitHub.",
           std::string(mode).c_str());
  FB_CHECK(!perSampleWeights.defined() || std::ranges::equal(perSampleWeights.sizes(), indices.sizes()), Shape,
           "embedding_bag: If per_sample_weights (%s) is not None, then it must have the same shape as the input (%s)",
           shapeString(perSampleWeights.sizes()).c_str(), shapeString(indices.sizes()).c_str());
  FB_CHECK(indices.dim() == 1 || indices.dim() == 2, Shape,
           "input has to be 1D or 2D Tensor, but got Tensor of dimension %lld", static_cast<long long>(indices.dim()));
  FB_CHECK(indices.dim() == 1 ? offsets.defined() : !offsets.defined(), Value,
           indices.dim() == 1 ? "offsets has to be a 1D Tensor but got None"
                              : "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of "
                                "fixed length sequences. However, found offsets of type Tensor");
  FB_CHECK(!offsets.defined() || offsets.dim() == 1, Shape, "offsets has to be a 1D Tensor");
  FB_CHECK(!includeLastOffset || (offsets.defined() && offsets.numel() > 0), Value,
           "include_last_offset: number of offsets should be at least 1");
  const Tensor flat = flatIndices(indices);
  const int64_t length = flat.numel(), width = weight.size(1);
  const auto steps = [](int64_t n) {
    return ops::arange(Scalar(int64_t{0}), Scalar(n), Scalar(int64_t{1}), DType::Int64);
  };
  int64_t bags;
  Tensor bag;
  if (!offsets.defined()) {
    bags = indices.size(0);
    bag = ops::reshape(ops::expand(ops::unsqueeze(steps(bags), 1), Dims(indices.sizes())), Dims{-1});
  } else {
    // A one where each bag begins; the running sum numbers the bags.
    bags = offsets.numel() - (includeLastOffset ? 1 : 0);
    const Tensor begins = flatIndices(bags == offsets.numel() ? offsets : ops::narrow(offsets, 0, 0, bags));
    const Tensor marks = ops::indexAdd(ops::zeros(Dims{length + 1}, DType::Int64), 0, begins,
                                       ops::ones(Dims{bags}, DType::Int64), Scalar(1));
    bag = ops::sub(ops::narrow(ops::cumsum(marks, 0), 0, 0, length), Operand(Scalar(int64_t{1})));
  }
  Tensor counts;
  if (paddingIdx >= 0) counts = ops::ne(flat, Operand(Scalar(paddingIdx)));
  Tensor rows = widened(ops::embedding(weight, flat, paddingIdx, scaleGradByFreq));
  if (mode == "max") {
    const Tensor segments = counts.defined() ? ops::where(counts, Operand(bag), Operand(Scalar(int64_t{-1}))) : bag;
    return asDtypeOf(std::get<0>(ops::segmentMax(rows, segments, bags)), weight);
  }
  if (perSampleWeights.defined())
    rows = ops::mul(rows, Operand(ops::unsqueeze(ops::reshape(perSampleWeights, Dims{-1}), 1)));
  if (counts.defined()) rows = ops::where(ops::unsqueeze(counts, 1), Operand(rows), Operand(Scalar(0.0)));
  Tensor out = ops::indexAdd(ops::zeros(Dims{bags, width}, rows.dtype()), 0, bag, rows, Scalar(1));
  if (mode == "mean") {
    const Tensor ones = counts.defined() ? ops::toDtype(counts, rows.dtype()) : ops::ones(Dims{length}, rows.dtype());
    const Tensor sizes = ops::indexAdd(ops::zeros(Dims{bags}, rows.dtype()), 0, bag, ones, Scalar(1));
    out = ops::div(out, Operand(ops::unsqueeze(ops::clampMin(sizes, Operand(Scalar(1.0))), 1)));
  }
  return asDtypeOf(out, weight);
}

Tensor oneHot(const Tensor& self, int64_t numClasses) {
  FB_CHECK(self.dtype() == DType::Int64, Type, "one_hot is only applicable to index tensor, got %s.",
           std::string(dtypeName(self.dtype())).c_str());
  FB_CHECK(numClasses >= 1, Value,
           self.numel() == 0 ? "Can not infer total number of classes from empty tensor."
                             : "num_classes should be positive");
  if (!trace::active() && self.numel() > 0) {
    const Tensor flat = self.isContiguous() ? self : ops::contiguous(self);
    for (int64_t i = 0; i < flat.numel(); ++i) {
      FB_CHECK(flat.ptr<int64_t>()[i] >= 0, Value, "Class values must be non-negative.");
      FB_CHECK(flat.ptr<int64_t>()[i] < numClasses, Value, "Class values must be smaller than num_classes.");
    }
  }
  const Tensor classes = ops::arange(Scalar(int64_t{0}), Scalar(numClasses), Scalar(int64_t{1}), DType::Int64);
  return ops::toDtype(ops::eq(ops::unsqueeze(self, -1), Operand(classes)), DType::Int64);
}

Tensor straightThrough(const Tensor& soft, int64_t dim) {
  Tensor hard;
  {
    autograd::GradGuard off(false);
    const Tensor best = std::get<1>(ops::maxDim(soft, dim, true));
    hard = ops::sub(ops::scatter(ops::zerosLike(soft), dim, best, Operand(Scalar(1.0))), Operand(soft));
  }
  return ops::add(hard, Operand(soft));
}

}  // namespace flambeau::support
