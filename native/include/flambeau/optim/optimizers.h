// The optimizers of torch.optim, over the same step kernels as the TypeScript ones.
#pragma once
#include "flambeau/optim/optimizer.h"

namespace flambeau::optim {

struct SGDOptions : OptionsOf<SGDOptions> {
  SGDOptions(double lr) : lr_(lr) {}
  FLAMBEAU_ARG(SGDOptions, double, lr);
  FLAMBEAU_ARG(SGDOptions, double, momentum) = 0;
  FLAMBEAU_ARG(SGDOptions, double, dampening) = 0;
  FLAMBEAU_ARG(SGDOptions, double, weight_decay) = 0;
  FLAMBEAU_ARG(SGDOptions, bool, nesterov) = false;
  /// Climb instead of descend.
  FLAMBEAU_ARG(SGDOptions, bool, maximize) = false;
  void visit(OptionVisitor& v) override;
  void check() const override;
};
/// p -= lr * b with b = momentum * b + (1 - dampening) * (grad + weight_decay * p).
class SGD : public Optimizer {
 public:
  SGD(std::vector<OptimizerParamGroup> groups, const SGDOptions& o) : Optimizer(std::move(groups), o) {}
  SGD(TensorList params, const SGDOptions& o) : Optimizer(std::move(params), o) {}

 protected:
  void update(OptimizerOptions& options, const TensorList& params, const TensorList& grads) override;
};

/// An optimizer that has a default for every option.
#define FLAMBEAU_OPTIMIZER(Name)                                                                        \
  class Name : public Optimizer {                                                                       \
   public:                                                                                              \
    explicit Name(std::vector<OptimizerParamGroup> groups, const Name##Options& o = {})                 \
        : Optimizer(std::move(groups), o) {}                                                            \
    explicit Name(TensorList params, const Name##Options& o = {}) : Optimizer(std::move(params), o) {}  \
                                                                                                        \
   protected:                                                                                           \
    void update(OptimizerOptions& options, const TensorList& params, const TensorList& grads) override; \
  }

using Betas = OptionVisitor::Pair;
/// What the options of Adam's family share: the rate, the decays of the running means, eps.
#define FLAMBEAU_ADAM_OPTIONS(Self, rate)               \
  Self(double lr = rate) : lr_(lr) {}                   \
  FLAMBEAU_ARG(Self, double, lr);                       \
  FLAMBEAU_ARG(Self, Betas, betas) = Betas(0.9, 0.999); \
  FLAMBEAU_ARG(Self, double, eps) = 1e-8;               \
  FLAMBEAU_ARG(Self, bool, maximize) = false;           \
  void visit(OptionVisitor& v) override;                \
  void check() const override

struct AdamOptions : OptionsOf<AdamOptions> {
  FLAMBEAU_ADAM_OPTIONS(AdamOptions, 1e-3);
  FLAMBEAU_ARG(AdamOptions, double, weight_decay) = 0;
  /// Divide by the largest running mean of squares seen so far.
  FLAMBEAU_ARG(AdamOptions, bool, amsgrad) = false;
};
/// p -= lr * m / (sqrt(v) + eps) with bias-corrected running means m of the gradient and v of its square.
FLAMBEAU_OPTIMIZER(Adam);

struct AdamWOptions : OptionsOf<AdamWOptions> {
  FLAMBEAU_ADAM_OPTIONS(AdamWOptions, 1e-3);
  FLAMBEAU_ARG(AdamWOptions, double, weight_decay) = 1e-2;
  FLAMBEAU_ARG(AdamWOptions, bool, amsgrad) = false;
};
/// Adam with the weight decay applied to the parameters instead of the gradients.
FLAMBEAU_OPTIMIZER(AdamW);

struct AdamaxOptions : OptionsOf<AdamaxOptions> {
  FLAMBEAU_ADAM_OPTIONS(AdamaxOptions, 2e-3);
  FLAMBEAU_ARG(AdamaxOptions, double, weight_decay) = 0;
};
/// Adam with the infinity norm of past gradients in place of the root of their mean square.
FLAMBEAU_OPTIMIZER(Adamax);

struct NAdamOptions : OptionsOf<NAdamOptions> {
  FLAMBEAU_ADAM_OPTIONS(NAdamOptions, 2e-3);
  FLAMBEAU_ARG(NAdamOptions, double, weight_decay) = 0;
  /// How fast the momentum reaches its full value.
  FLAMBEAU_ARG(NAdamOptions, double, momentum_decay) = 4e-3;
  /// Weight decay on the parameters, as AdamW has it.
  FLAMBEAU_ARG(NAdamOptions, bool, decoupled_weight_decay) = false;
};
/// Adam with Nesterov's look ahead and a momentum that grows.
FLAMBEAU_OPTIMIZER(NAdam);

struct RAdamOptions : OptionsOf<RAdamOptions> {
  FLAMBEAU_ADAM_OPTIONS(RAdamOptions, 1e-3);
  FLAMBEAU_ARG(RAdamOptions, double, weight_decay) = 0;
  FLAMBEAU_ARG(RAdamOptions, bool, decoupled_weight_decay) = false;
};
/// Adam whose adaptive rate is rectified: in the first steps, while its variance is not tractable, plain momentum.
FLAMBEAU_OPTIMIZER(RAdam);

struct SparseAdamOptions : OptionsOf<SparseAdamOptions> {
  FLAMBEAU_ADAM_OPTIONS(SparseAdamOptions, 1e-3);
};
/// Adam for gradients that are mostly zeros: where the gradient is 0, parameter and running means stay as they are.
FLAMBEAU_OPTIMIZER(SparseAdam);

struct AdagradOptions : OptionsOf<AdagradOptions> {
  AdagradOptions(double lr = 1e-2) : lr_(lr) {}
  FLAMBEAU_ARG(AdagradOptions, double, lr);
  FLAMBEAU_ARG(AdagradOptions, double, lr_decay) = 0;
  FLAMBEAU_ARG(AdagradOptions, double, weight_decay) = 0;
  /// What the sums of squares start from.
  FLAMBEAU_ARG(AdagradOptions, double, initial_accumulator_value) = 0;
  FLAMBEAU_ARG(AdagradOptions, double, eps) = 1e-10;
  FLAMBEAU_ARG(AdagradOptions, bool, maximize) = false;
  void visit(OptionVisitor& v) override;
  void check() const override;
};
/// p -= lr' * grad / (sqrt(sum of grad^2) + eps) with lr' = lr / (1 + (step - 1) * lr_decay).
FLAMBEAU_OPTIMIZER(Adagrad);

struct AdadeltaOptions : OptionsOf<AdadeltaOptions> {
  AdadeltaOptions(double lr = 1) : lr_(lr) {}
  FLAMBEAU_ARG(AdadeltaOptions, double, lr);
  /// Decay of the running means.
  FLAMBEAU_ARG(AdadeltaOptions, double, rho) = 0.9;
  FLAMBEAU_ARG(AdadeltaOptions, double, eps) = 1e-6;
  FLAMBEAU_ARG(AdadeltaOptions, double, weight_decay) = 0;
  FLAMBEAU_ARG(AdadeltaOptions, bool, maximize) = false;
  void visit(OptionVisitor& v) override;
  void check() const override;
};
/// Steps in the units of the parameters: the root mean square of past updates over that of past gradients.
FLAMBEAU_OPTIMIZER(Adadelta);

struct RpropOptions : OptionsOf<RpropOptions> {
  RpropOptions(double lr = 1e-2) : lr_(lr) {}
  FLAMBEAU_ARG(RpropOptions, double, lr);
  /// Factors of the step sizes after a change of sign, and without one.
  FLAMBEAU_ARG(RpropOptions, Betas, etas) = Betas(0.5, 1.2);
  /// Smallest and largest step.
  FLAMBEAU_ARG(RpropOptions, Betas, step_sizes) = Betas(1e-6, 50);
  FLAMBEAU_ARG(RpropOptions, bool, maximize) = false;
  void visit(OptionVisitor& v) override;
  void check() const override;
};
/// Resilient propagation: only the signs of gradients count. For full batches.
FLAMBEAU_OPTIMIZER(Rprop);

struct ASGDOptions : OptionsOf<ASGDOptions> {
  ASGDOptions(double lr = 1e-2) : lr_(lr) {}
  FLAMBEAU_ARG(ASGDOptions, double, lr);
  /// Decay of the parameters.
  FLAMBEAU_ARG(ASGDOptions, double, lambd) = 1e-4;
  /// Power of the decay of the rate.
  FLAMBEAU_ARG(ASGDOptions, double, alpha) = 0.75;
  /// Step at which averaging begins.
  FLAMBEAU_ARG(ASGDOptions, double, t0) = 1e6;
  FLAMBEAU_ARG(ASGDOptions, double, weight_decay) = 0;
  FLAMBEAU_ARG(ASGDOptions, bool, maximize) = false;
  void visit(OptionVisitor& v) override;
  void check() const override;
};
/// Averaged stochastic gradient descent: the state `ax` is the average of the parameter.
FLAMBEAU_OPTIMIZER(ASGD);

struct RMSpropOptions : OptionsOf<RMSpropOptions> {
  RMSpropOptions(double lr = 1e-2) : lr_(lr) {}
  FLAMBEAU_ARG(RMSpropOptions, double, lr);
  /// Decay of the running mean of squared gradients.
  FLAMBEAU_ARG(RMSpropOptions, double, alpha) = 0.99;
  FLAMBEAU_ARG(RMSpropOptions, double, eps) = 1e-8;
  FLAMBEAU_ARG(RMSpropOptions, double, weight_decay) = 0;
  FLAMBEAU_ARG(RMSpropOptions, double, momentum) = 0;
  /// Divide by an estimate of the variance: the mean of squares minus the square of the mean.
  FLAMBEAU_ARG(RMSpropOptions, bool, centered) = false;
  FLAMBEAU_ARG(RMSpropOptions, bool, maximize) = false;
  void visit(OptionVisitor& v) override;
  void check() const override;
};
/// p -= lr * grad / (sqrt(v) + eps) with v = alpha * v + (1 - alpha) * grad^2.
FLAMBEAU_OPTIMIZER(RMSprop);

struct AdafactorOptions : OptionsOf<AdafactorOptions> {
  AdafactorOptions(double lr = 1e-2) : lr_(lr) {}
  FLAMBEAU_ARG(AdafactorOptions, double, lr);
  /// Power of the step count in the decay of the second moments.
  FLAMBEAU_ARG(AdafactorOptions, double, beta2_decay) = -0.8;
  /// Least square of gradients (none: that of the dtype's eps), least scale of parameters.
  FLAMBEAU_ARG(AdafactorOptions, OptionVisitor::OptionalPair, eps) = OptionVisitor::OptionalPair(std::nullopt, 1e-3);
  /// Bound of an update's root mean square.
  FLAMBEAU_ARG(AdafactorOptions, double, d) = 1;
  FLAMBEAU_ARG(AdafactorOptions, double, weight_decay) = 0;
  FLAMBEAU_ARG(AdafactorOptions, bool, maximize) = false;
  void visit(OptionVisitor& v) override;
  void check() const override;
};
/// Adam's adaptive rates for little memory: relative step sizes, second moments of matrices as one row and one column.
/// Source: https://arxiv.org/abs/1804.04235
FLAMBEAU_OPTIMIZER(Adafactor);

struct LBFGSOptions : OptionsOf<LBFGSOptions> {
  LBFGSOptions(double lr = 1) : lr_(lr) {}
  FLAMBEAU_ARG(LBFGSOptions, double, lr);
  /// Iterations of one step.
  FLAMBEAU_ARG(LBFGSOptions, int64_t, max_iter) = 20;
  /// Evaluations of the closure in one step; none: max_iter * 5 / 4.
  FLAMBEAU_ARG(LBFGSOptions, std::optional<int64_t>, max_eval);
  /// Stop when no component of the gradient is larger.
  FLAMBEAU_ARG(LBFGSOptions, double, tolerance_grad) = 1e-7;
  /// Stop when neither value nor parameters change more.
  FLAMBEAU_ARG(LBFGSOptions, double, tolerance_change) = 1e-9;
  /// Pairs of vectors that are kept.
  FLAMBEAU_ARG(LBFGSOptions, int64_t, history_size) = 100;
  FLAMBEAU_ARG(LBFGSOptions, std::optional<std::string>, line_search_fn);  // 'strong_wolfe'
  void visit(OptionVisitor& v) override;
  void check() const override;
};
/// Quasi-Newton steps for full batches: step(closure) needs a closure that clears gradients, calls backward and returns
/// the loss. One group of parameters.
class LBFGS : public Optimizer {
 public:
  explicit LBFGS(TensorList params, const LBFGSOptions& o = {}) : Optimizer(std::move(params), o) {}
  Tensor step(const LossClosure& closure = {}) override;
  OptimizerStateDict state_dict() const override;
  void load_state_dict(const OptimizerStateDict& dict) override;

 protected:
  void update(OptimizerOptions& options, const TensorList& params, const TensorList& grads) override;

 private:
  struct Memory {
    int64_t evaluations = 0, iterations = 0;
    Tensor direction, previousGrad;
    double t = 1, diagonal = 1, previousLoss = 0;
    TensorList changes, steps;  // of gradients and of parameters
    std::vector<double> ro;
  };
  Tensor nextDirection(const Tensor& grad, int64_t history);
  Tensor flatGradient() const;
  void move(double t, const Tensor& direction) const;
  Memory memory_;
};

}  // namespace flambeau::optim
