// AdaptiveLogSoftmaxWithLoss.
#include "flambeau/nn/adaptive_softmax.h"

#include <algorithm>
#include <cmath>

#include "flambeau/autograd.h"
#include "frontend/nn/layers.h"

namespace flambeau::nn {

namespace {

Tensor indices(const std::vector<int64_t>& values) {
  Tensor t = emptyTensor(Dims{static_cast<int64_t>(values.size())}, DType::Int64);
  std::copy(values.begin(), values.end(), t.ptr<int64_t>());
  return t;
}
/// Element `index[i]` of each row i.
Tensor pick(const Tensor& rows, const Tensor& index) {
  return ops::gather(rows, 1, ops::unsqueeze(index, 1)).squeeze(1);
}

}  // namespace

AdaptiveLogSoftmaxWithLossImpl::AdaptiveLogSoftmaxWithLossImpl(const AdaptiveLogSoftmaxWithLossOptions& o)
    : options(o), cutoffs_(o.cutoffs()) {
  bool rising = !cutoffs_.empty();
  for (size_t i = 0; i < cutoffs_.size(); ++i)
    rising = rising && cutoffs_[i] > (i > 0 ? cutoffs_[i - 1] : 0) && cutoffs_[i] <= o.n_classes() - 1;
  FB_CHECK(
      rising, Value,
      "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each value is "
      "between 1 and n_classes-1");
  cutoffs_.push_back(o.n_classes());
  const int64_t clusters = static_cast<int64_t>(cutoffs_.size()) - 1;
  head = register_module("head", Linear(LinearOptions(o.in_features(), cutoffs_[0] + clusters).bias(o.head_bias())));
  tail = ModuleList();
  for (int64_t i = 0; i < clusters; ++i) {
    const double width = static_cast<double>(o.in_features()) / std::pow(o.div_value(), static_cast<double>(i + 1));
    const int64_t hidden = static_cast<int64_t>(std::floor(width));
    const int64_t size = cutoffs_[static_cast<size_t>(i + 1)] - cutoffs_[static_cast<size_t>(i)];
    const Linear down(LinearOptions(o.in_features(), hidden).bias(false));
    tail->push_back(Sequential(down, Linear(LinearOptions(hidden, size).bias(false))));
  }
  register_module("tail", tail);
}

std::vector<std::vector<int64_t>> AdaptiveLogSoftmaxWithLossImpl::rowsByCluster(
    const std::vector<int64_t>& labels) const {
  std::vector<std::vector<int64_t>> out(cutoffs_.size());
  for (size_t row = 0; row < labels.size(); ++row) {
    FB_CHECK(labels[row] >= 0 && labels[row] < options.n_classes(), Index,
             "Target values should be in [0, %lld], but %lld was found",
             static_cast<long long>(options.n_classes() - 1), static_cast<long long>(labels[row]));
    const auto at = std::ranges::upper_bound(cutoffs_, labels[row]) - cutoffs_.begin();
    out[static_cast<size_t>(at)].push_back(static_cast<int64_t>(row));
  }
  return out;
}

ASMoutput AdaptiveLogSoftmaxWithLossImpl::forward(const Tensor& input, const Tensor& target) const {
  FB_CHECK(target.dim() <= 1, Shape, "0D or 1D target tensor expected, multi-target not supported");
  FB_CHECK(input.dim() == target.dim() + 1, Shape,
           "%lldD target tensor expects %lldD input tensors, but found inputs with size %s.",
           static_cast<long long>(target.dim()), static_cast<long long>(target.dim() + 1),
           shapeString(input.sizes()).c_str());
  const bool single = target.dim() == 0;
  const Tensor x = single ? ops::unsqueeze(input, 0) : input, t = single ? ops::unsqueeze(target, 0) : target;
  FB_CHECK(x.size(0) == t.size(0), Shape, "Input and target should have the same size in the batch dimension.");
  const Tensor dense = ops::contiguous(t.to(DType::Int64));
  const std::vector<int64_t> labels(dense.ptr<int64_t>(), dense.ptr<int64_t>() + dense.numel());
  // Rows of the input by cluster, so that each cluster's layers see their own rows only.
  const auto clusters = rowsByCluster(labels);
  std::vector<int64_t> inHead(labels.size(), 0);
  std::vector<std::pair<Tensor, Tensor>> parts;
  for (size_t c = 0; c < clusters.size(); ++c) {
    for (const int64_t row : clusters[c])
      inHead[static_cast<size_t>(row)] =
          c == 0 ? labels[static_cast<size_t>(row)] : cutoffs_[0] + static_cast<int64_t>(c) - 1;
    if (c == 0 || clusters[c].empty()) continue;
    const Tensor rows = indices(clusters[c]);
    std::vector<int64_t> within;
    for (const int64_t row : clusters[c]) within.push_back(labels[static_cast<size_t>(row)] - cutoffs_[c - 1]);
    const Tensor own = tail->as<SequentialImpl>(c - 1).forward(ops::indexSelect(x, 0, rows));
    parts.emplace_back(rows, pick(ops::logSoftmax(own, 1), indices(within)));
  }
  Tensor output = pick(ops::logSoftmax(head(x), 1), indices(inHead));
  for (const auto& [rows, logProbability] : parts)
    output = ops::add(output, ops::indexAdd(ops::zeros(Dims{x.size(0)}, output.dtype()), 0, rows, logProbability));
  return {single ? output.squeeze(0) : output, ops::mean(ops::neg(output))};
}

Tensor AdaptiveLogSoftmaxWithLossImpl::log_prob(const Tensor& input) const {
  const Tensor top = ops::logSoftmax(head(input), 1);
  TensorList parts{ops::narrow(top, 1, 0, cutoffs_[0])};
  for (size_t c = 0; c < tail->size(); ++c)
    parts.push_back(ops::add(ops::logSoftmax(tail->as<SequentialImpl>(c).forward(input), 1),
                             ops::narrow(top, 1, cutoffs_[0] + static_cast<int64_t>(c), 1)));
  return ops::cat(parts, 1);
}
Tensor AdaptiveLogSoftmaxWithLossImpl::predict(const Tensor& input) const {
  const autograd::GradGuard noGrad(false);
  return ops::argmax(log_prob(input), 1);
}

}  // namespace flambeau::nn
