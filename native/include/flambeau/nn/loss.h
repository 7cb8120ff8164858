// Losses and distances as modules. `reduction` joins the losses of the elements: 'mean', 'sum' or 'none'.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "flambeau/functions.h"
#include "flambeau/nn/module.h"
#include "flambeau/nn/options.h"

namespace flambeau::nn {

namespace detail {
/// Throws Error(Value) unless it is 'mean', 'sum' or 'none'.
void checkReduction(const std::string& reduction, bool batchmean = false);
}  // namespace detail

/// A loss of an input and a target.
#define FLAMBEAU_LOSS(Name, ...)                                                                             \
  class Name##Impl : public Module {                                                                         \
   public:                                                                                                   \
    explicit Name##Impl(const Name##Options& o = {}) : options(o) { detail::checkReduction(o.reduction()); } \
    Tensor forward(const Tensor& input, const Tensor& target) const { return __VA_ARGS__; }                  \
    Name##Options options;                                                                                   \
  };                                                                                                         \
  FLAMBEAU_MODULE(Name)

/// Settings of the losses that have a reduction only.
struct LossOptions {
  LossOptions(std::string reduction = "mean") : reduction_(std::move(reduction)) {}
  LossOptions(const char* reduction) : reduction_(reduction) {}
  FLAMBEAU_ARG(LossOptions, std::string, reduction);
};
using MSELossOptions = LossOptions;
using L1LossOptions = LossOptions;
using SoftMarginLossOptions = LossOptions;
using MultiLabelMarginLossOptions = LossOptions;
/// (input - target)^2.
FLAMBEAU_LOSS(MSELoss, ops::mseLoss(input, target, options.reduction()));
/// |input - target|.
FLAMBEAU_LOSS(L1Loss, ops::l1Loss(input, target, options.reduction()));
/// log(1 + exp(-target * input)) for targets 1 and -1.
FLAMBEAU_LOSS(SoftMarginLoss, ops::softMarginLoss(input, target, options.reduction()));
/// Margin loss for several classes per example: class indices, ended by -1.
FLAMBEAU_LOSS(MultiLabelMarginLoss, ops::multilabelMarginLoss(input, target, options.reduction()));

struct SmoothL1LossOptions {
  FLAMBEAU_ARG(SmoothL1LossOptions, std::string, reduction) = "mean";
  FLAMBEAU_ARG(SmoothL1LossOptions, double, beta) = 1;
};
/// Quadratic below beta, linear above.
FLAMBEAU_LOSS(SmoothL1Loss, ops::smoothL1Loss(input, target, options.reduction(), options.beta()));

struct HuberLossOptions {
  FLAMBEAU_ARG(HuberLossOptions, std::string, reduction) = "mean";
  FLAMBEAU_ARG(HuberLossOptions, double, delta) = 1;
};
/// Quadratic below delta, linear with slope delta above.
FLAMBEAU_LOSS(HuberLoss, ops::huberLoss(input, target, options.reduction(), options.delta()));

struct HingeEmbeddingLossOptions {
  FLAMBEAU_ARG(HingeEmbeddingLossOptions, double, margin) = 1;
  FLAMBEAU_ARG(HingeEmbeddingLossOptions, std::string, reduction) = "mean";
};
/// input where the target is 1, max(0, margin - input) where it is -1.
FLAMBEAU_LOSS(HingeEmbeddingLoss, ops::hingeEmbeddingLoss(input, target, options.margin(), options.reduction()));

struct PoissonNLLLossOptions {
  FLAMBEAU_ARG(PoissonNLLLossOptions, bool, log_input) = true;
  FLAMBEAU_ARG(PoissonNLLLossOptions, bool, full) = false;
  FLAMBEAU_ARG(PoissonNLLLossOptions, double, eps) = 1e-8;
  FLAMBEAU_ARG(PoissonNLLLossOptions, std::string, reduction) = "mean";
};
/// Negative log likelihood of counts under a Poisson distribution whose rate (or its logarithm) is the input.
FLAMBEAU_LOSS(PoissonNLLLoss, ops::poissonNllLoss(input, target, options.log_input(), options.full(), options.eps(),
                                                  options.reduction()));

struct KLDivLossOptions {
  FLAMBEAU_ARG(KLDivLossOptions, std::string, reduction) = "mean";  // or 'batchmean': the sum over the batch size
  FLAMBEAU_ARG(KLDivLossOptions, bool, log_target) = false;
};
/// Kullback-Leibler divergence of log probabilities from a target.
class KLDivLossImpl : public Module {
 public:
  explicit KLDivLossImpl(const KLDivLossOptions& o = {}) : options(o) { detail::checkReduction(o.reduction(), true); }
  Tensor forward(const Tensor& input, const Tensor& target) const {
    return ops::klDiv(input, target, options.reduction(), options.log_target());
  }
  KLDivLossOptions options;
};
FLAMBEAU_MODULE(KLDivLoss);

/// Losses with a factor per class or element, kept as the buffer `weight`.
#define FLAMBEAU_WEIGHTED_LOSS(Name, ...)                                                   \
  class Name##Impl : public Module {                                                        \
   public:                                                                                  \
    explicit Name##Impl(const Name##Options& o = {}) : options(o) {                         \
      detail::checkReduction(o.reduction());                                                \
      weight = register_buffer("weight", o.weight());                                       \
    }                                                                                       \
    Tensor forward(const Tensor& input, const Tensor& target) const { return __VA_ARGS__; } \
    Name##Options options;                                                                  \
    Tensor weight;                                                                          \
  };                                                                                        \
  FLAMBEAU_MODULE(Name)

struct CrossEntropyLossOptions {
  FLAMBEAU_ARG(CrossEntropyLossOptions, Tensor, weight);
  FLAMBEAU_ARG(CrossEntropyLossOptions, int64_t, ignore_index) = -100;
  FLAMBEAU_ARG(CrossEntropyLossOptions, std::string, reduction) = "mean";
  FLAMBEAU_ARG(CrossEntropyLossOptions, double, label_smoothing) = 0;
};
/// Softmax and negative log likelihood of logits [n, c, ...] against class indices or probabilities.
FLAMBEAU_WEIGHTED_LOSS(CrossEntropyLoss, ops::crossEntropy(input, target, weight, options.ignore_index(),
                                                           options.reduction(), options.label_smoothing()));

struct NLLLossOptions {
  FLAMBEAU_ARG(NLLLossOptions, Tensor, weight);
  FLAMBEAU_ARG(NLLLossOptions, int64_t, ignore_index) = -100;
  FLAMBEAU_ARG(NLLLossOptions, std::string, reduction) = "mean";
};
/// Negative log likelihood of log probabilities [n, c, ...] against class indices.
FLAMBEAU_WEIGHTED_LOSS(NLLLoss, ops::nllLoss(input, target, weight, options.ignore_index(), options.reduction()));

struct BCELossOptions {
  FLAMBEAU_ARG(BCELossOptions, Tensor, weight);
  FLAMBEAU_ARG(BCELossOptions, std::string, reduction) = "mean";
};
namespace detail {
/// Throws Error(Shape) for another size of the target, Error(Value) for an input that is no probability.
Tensor checkedBinaryCrossEntropy(const Tensor& input, const Tensor& target, const Tensor& weight,
                                 const std::string& reduction);
/// Throws Error(Shape) for another size of the target.
Tensor checkedBinaryCrossEntropyWithLogits(const Tensor& input, const Tensor& target, const Tensor& weight,
                                           const std::string& reduction, const Tensor& posWeight);
}  // namespace detail
/// Cross-entropy of probabilities.
FLAMBEAU_WEIGHTED_LOSS(BCELoss, detail::checkedBinaryCrossEntropy(input, target, weight, options.reduction()));

using MultiLabelSoftMarginLossOptions = BCELossOptions;
/// Cross-entropy of logits for several classes per example, averaged over the classes.
FLAMBEAU_WEIGHTED_LOSS(MultiLabelSoftMarginLoss,
                       ops::multilabelSoftMarginLoss(input, target, weight, options.reduction()));

struct MultiMarginLossOptions {
  FLAMBEAU_ARG(MultiMarginLossOptions, int64_t, p) = 1;  // or 2
  FLAMBEAU_ARG(MultiMarginLossOptions, double, margin) = 1;
  FLAMBEAU_ARG(MultiMarginLossOptions, Tensor, weight);
  FLAMBEAU_ARG(MultiMarginLossOptions, std::string, reduction) = "mean";
};
/// Margin loss of scores [n, c] against class indices, to the power p.
FLAMBEAU_WEIGHTED_LOSS(MultiMarginLoss,
                       ops::multiMarginLoss(input, target, options.p(), options.margin(), weight, options.reduction()));

struct BCEWithLogitsLossOptions {
  FLAMBEAU_ARG(BCEWithLogitsLossOptions, Tensor, weight);
  FLAMBEAU_ARG(BCEWithLogitsLossOptions, std::string, reduction) = "mean";
  /// A factor of the positive examples, per class.
  FLAMBEAU_ARG(BCEWithLogitsLossOptions, Tensor, pos_weight);
};
/// Cross-entropy of logits.
class BCEWithLogitsLossImpl : public Module {
 public:
  explicit BCEWithLogitsLossImpl(const BCEWithLogitsLossOptions& o = {}) : options(o) {
    detail::checkReduction(o.reduction());
    weight = register_buffer("weight", o.weight());
    pos_weight = register_buffer("pos_weight", o.pos_weight());
  }
  Tensor forward(const Tensor& input, const Tensor& target) const {
    return detail::checkedBinaryCrossEntropyWithLogits(input, target, weight, options.reduction(), pos_weight);
  }
  BCEWithLogitsLossOptions options;
  Tensor weight, pos_weight;
};
FLAMBEAU_MODULE(BCEWithLogitsLoss);

/// Losses of three tensors.
#define FLAMBEAU_TRIPLE_LOSS(Name, a, b, c, ...)                                                             \
  class Name##Impl : public Module {                                                                         \
   public:                                                                                                   \
    explicit Name##Impl(const Name##Options& o = {}) : options(o) { detail::checkReduction(o.reduction()); } \
    Tensor forward(const Tensor& a, const Tensor& b, const Tensor& c) const { return __VA_ARGS__; }          \
    Name##Options options;                                                                                   \
  };                                                                                                         \
  FLAMBEAU_MODULE(Name)

struct GaussianNLLLossOptions {
  FLAMBEAU_ARG(GaussianNLLLossOptions, bool, full) = false;
  FLAMBEAU_ARG(GaussianNLLLossOptions, double, eps) = 1e-6;
  FLAMBEAU_ARG(GaussianNLLLossOptions, std::string, reduction) = "mean";
};
/// Negative log likelihood of the target under normal distributions with mean `input` and the variance.
FLAMBEAU_TRIPLE_LOSS(GaussianNLLLoss, input, target, variance,
                     ops::gaussianNllLoss(input, target, variance, options.full(), options.eps(), options.reduction()));

struct CosineEmbeddingLossOptions {
  FLAMBEAU_ARG(CosineEmbeddingLossOptions, double, margin) = 0;
  FLAMBEAU_ARG(CosineEmbeddingLossOptions, std::string, reduction) = "mean";
};
/// 1 - cos(x1, x2) where the target is 1, max(0, cos - margin) where it is -1.
FLAMBEAU_TRIPLE_LOSS(CosineEmbeddingLoss, x1, x2, target,
                     ops::cosineEmbeddingLoss(x1, x2, target, options.margin(), options.reduction()));

using MarginRankingLossOptions = CosineEmbeddingLossOptions;
/// max(0, -target * (x1 - x2) + margin).
FLAMBEAU_TRIPLE_LOSS(MarginRankingLoss, x1, x2, target,
                     ops::marginRankingLoss(x1, x2, target, options.margin(), options.reduction()));

struct TripletMarginLossOptions {
  FLAMBEAU_ARG(TripletMarginLossOptions, double, margin) = 1;
  FLAMBEAU_ARG(TripletMarginLossOptions, double, p) = 2;
  FLAMBEAU_ARG(TripletMarginLossOptions, double, eps) = 1e-6;
  FLAMBEAU_ARG(TripletMarginLossOptions, bool, swap) = false;
  FLAMBEAU_ARG(TripletMarginLossOptions, std::string, reduction) = "mean";
};
/// max(0, |a - p| - |a - n| + margin) of anchors, positives and negatives.
FLAMBEAU_TRIPLE_LOSS(TripletMarginLoss, anchor, positive, negative,
                     ops::tripletMarginLoss(anchor, positive, negative, options.margin(), options.p(), options.eps(),
                                            options.swap(), options.reduction()));

struct TripletMarginWithDistanceLossOptions {
  using Distance = std::function<Tensor(const Tensor&, const Tensor&)>;
  /// The 2-norm of the difference unless given.
  FLAMBEAU_ARG(TripletMarginWithDistanceLossOptions, Distance, distance_function);
  FLAMBEAU_ARG(TripletMarginWithDistanceLossOptions, double, margin) = 1;
  FLAMBEAU_ARG(TripletMarginWithDistanceLossOptions, bool, swap) = false;
  FLAMBEAU_ARG(TripletMarginWithDistanceLossOptions, std::string, reduction) = "mean";
};
namespace functional {
Tensor triplet_margin_with_distance_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                                         const TripletMarginWithDistanceLossOptions& options = {});
}  // namespace functional
/// TripletMarginLoss with a distance of your own.
FLAMBEAU_TRIPLE_LOSS(TripletMarginWithDistanceLoss, anchor, positive, negative,
                     functional::triplet_margin_with_distance_loss(anchor, positive, negative, options));

struct CTCLossOptions {
  FLAMBEAU_ARG(CTCLossOptions, int64_t, blank) = 0;
  FLAMBEAU_ARG(CTCLossOptions, std::string, reduction) = "mean";
  FLAMBEAU_ARG(CTCLossOptions, bool, zero_infinity) = false;
};
/// Connectionist temporal classification: log probabilities [t, n, c] against label sequences.
class CTCLossImpl : public Module {
 public:
  explicit CTCLossImpl(const CTCLossOptions& o = {}) : options(o) { detail::checkReduction(o.reduction()); }
  Tensor forward(const Tensor& log_probs, const Tensor& targets, IntList input_lengths, IntList target_lengths) const {
    return ops::ctcLoss(log_probs, targets, input_lengths, target_lengths, options.blank(), options.reduction(),
                        options.zero_infinity());
  }
  CTCLossOptions options;
};
FLAMBEAU_MODULE(CTCLoss);

struct CosineSimilarityOptions {
  FLAMBEAU_ARG(CosineSimilarityOptions, int64_t, dim) = 1;
  FLAMBEAU_ARG(CosineSimilarityOptions, double, eps) = 1e-8;
};
/// x1 . x2 / (|x1| |x2|) along a dimension.
class CosineSimilarityImpl : public Module {
 public:
  explicit CosineSimilarityImpl(const CosineSimilarityOptions& o = {}) : options(o) {}
  Tensor forward(const Tensor& x1, const Tensor& x2) const {
    return ops::cosineSimilarity(x1, x2, options.dim(), options.eps());
  }
  CosineSimilarityOptions options;
};
FLAMBEAU_MODULE(CosineSimilarity);

struct PairwiseDistanceOptions {
  FLAMBEAU_ARG(PairwiseDistanceOptions, double, p) = 2;
  FLAMBEAU_ARG(PairwiseDistanceOptions, double, eps) = 1e-6;
  FLAMBEAU_ARG(PairwiseDistanceOptions, bool, keepdim) = false;
};
/// The p-norm of x1 - x2 + eps over the last dimension.
class PairwiseDistanceImpl : public Module {
 public:
  explicit PairwiseDistanceImpl(const PairwiseDistanceOptions& o = {}) : options(o) {}
  Tensor forward(const Tensor& x1, const Tensor& x2) const {
    return ops::pairwiseDistance(x1, x2, options.p(), options.eps(), options.keepdim());
  }
  PairwiseDistanceOptions options;
};
FLAMBEAU_MODULE(PairwiseDistance);

}  // namespace flambeau::nn
