// Softmax over many classes, frequent ones first.
#pragma once
#include <vector>

#include "flambeau/nn/container.h"
#include "flambeau/nn/linear.h"

namespace flambeau::nn {

struct AdaptiveLogSoftmaxWithLossOptions {
  AdaptiveLogSoftmaxWithLossOptions(int64_t in_features, int64_t n_classes, std::vector<int64_t> cutoffs)
      : in_features_(in_features), n_classes_(n_classes), cutoffs_(std::move(cutoffs)) {}
  FLAMBEAU_ARG(AdaptiveLogSoftmaxWithLossOptions, int64_t, in_features);
  FLAMBEAU_ARG(AdaptiveLogSoftmaxWithLossOptions, int64_t, n_classes);
  FLAMBEAU_ARG(AdaptiveLogSoftmaxWithLossOptions, std::vector<int64_t>, cutoffs);
  /// The projection of cluster i has in_features / div_value^(i + 1) features.
  FLAMBEAU_ARG(AdaptiveLogSoftmaxWithLossOptions, double, div_value) = 4;
  FLAMBEAU_ARG(AdaptiveLogSoftmaxWithLossOptions, bool, head_bias) = false;
};
/// Log probability of each example's target, and the mean loss.
struct ASMoutput {
  Tensor output, loss;
};
/// A softmax whose classes are split at `cutoffs` into a head and clusters. Source: https://arxiv.org/abs/1609.04309
class AdaptiveLogSoftmaxWithLossImpl : public Module {
 public:
  AdaptiveLogSoftmaxWithLossImpl(int64_t in_features, int64_t n_classes, std::vector<int64_t> cutoffs)
      : AdaptiveLogSoftmaxWithLossImpl(AdaptiveLogSoftmaxWithLossOptions(in_features, n_classes, std::move(cutoffs))) {}
  explicit AdaptiveLogSoftmaxWithLossImpl(const AdaptiveLogSoftmaxWithLossOptions& options);
  /// Input [n, in] (or [in]) and targets [n] (or []). Throws Error(Index) for targets that are no classes.
  ASMoutput forward(const Tensor& input, const Tensor& target) const;
  /// Log probabilities of all classes, [n, n_classes].
  Tensor log_prob(const Tensor& input) const;
  /// The most likely class of each row.
  Tensor predict(const Tensor& input) const;
  AdaptiveLogSoftmaxWithLossOptions options;
  Linear head = nullptr;
  ModuleList tail = nullptr;

 private:
  std::vector<std::vector<int64_t>> rowsByCluster(const std::vector<int64_t>& labels) const;
  std::vector<int64_t> cutoffs_;
};
FLAMBEAU_MODULE(AdaptiveLogSoftmaxWithLoss);

}  // namespace flambeau::nn
