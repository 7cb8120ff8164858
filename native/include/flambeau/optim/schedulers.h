// Learning-rate schedules. Each step() moves on by one epoch and writes the rate of every group.
// Source: torch.optim.lr_scheduler.
#pragma once
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "flambeau/optim/optimizer.h"

namespace flambeau::optim {

/// Base class: subclasses give the rates of `last_epoch`.
class LRScheduler {
 public:
  virtual ~LRScheduler() = default;
  /// Moves on by one epoch.
  virtual void step();
  /// Moves to a given epoch: by the closed formula where there is one.
  virtual void step(double epoch);
  const std::vector<double>& get_last_lr() const { return last_lr_; }
  double last_epoch() const { return last_epoch_; }

 protected:
  using Rates = std::vector<double>;
  /// `last_epoch`: the epoch to go on from, -1: the start. Throws Error(Value) when groups lack the rate to go on from.
  explicit LRScheduler(Optimizer& optimizer, double last_epoch = -1);
  /// Rates at the present epoch; `current` are those of the groups now.
  virtual Rates rates(const Rates& current) = 0;
  /// Rates from the base rates alone, where there is such a formula.
  virtual std::optional<Rates> closedForm() { return std::nullopt; }
  /// Called by constructors of subclasses when their fields are set, and by schedules made of others.
  void start();
  void set(const Rates& rates);
  Rates current() const;
  /// The base rates times a factor each.
  Rates scaled(double factor) const;

  Optimizer& optimizer_;
  Rates base_lrs_, last_lr_;
  double last_epoch_;
  int64_t step_count_ = 0;
  friend class SequentialLR;
  friend class ChainedScheduler;
};

/// lr * gamma every `step_size` epochs.
class StepLR : public LRScheduler {
 public:
  StepLR(Optimizer& optimizer, int64_t step_size, double gamma = 0.1, double last_epoch = -1);

 protected:
  Rates rates(const Rates& current) override;
  std::optional<Rates> closedForm() override;

 private:
  int64_t step_size_;
  double gamma_;
};

/// lr * gamma at each milestone.
class MultiStepLR : public LRScheduler {
 public:
  MultiStepLR(Optimizer& optimizer, std::vector<int64_t> milestones, double gamma = 0.1, double last_epoch = -1);

 protected:
  Rates rates(const Rates& current) override;
  std::optional<Rates> closedForm() override;

 private:
  std::vector<int64_t> milestones_;
  double gamma_;
};

/// The base rate times `factor` for `total_iters` epochs, then the base rate.
class ConstantLR : public LRScheduler {
 public:
  explicit ConstantLR(Optimizer& optimizer, double factor = 1.0 / 3, int64_t total_iters = 5, double last_epoch = -1);

 protected:
  Rates rates(const Rates& current) override;
  std::optional<Rates> closedForm() override;

 private:
  double factor_;
  int64_t total_iters_;
};

/// The base rate times a factor that goes from `start_factor` to `end_factor` in `total_iters` epochs.
class LinearLR : public LRScheduler {
 public:
  explicit LinearLR(Optimizer& optimizer, double start_factor = 1.0 / 3, double end_factor = 1, int64_t total_iters = 5,
                    double last_epoch = -1);

 protected:
  Rates rates(const Rates& current) override;
  std::optional<Rates> closedForm() override;

 private:
  double start_, end_;
  int64_t total_iters_;
};

/// lr * gamma each epoch.
class ExponentialLR : public LRScheduler {
 public:
  ExponentialLR(Optimizer& optimizer, double gamma, double last_epoch = -1);

 protected:
  Rates rates(const Rates& current) override;
  std::optional<Rates> closedForm() override;

 private:
  double gamma_;
};

/// The base rate times (1 - t / total_iters)^power; 0 after `total_iters` epochs.
class PolynomialLR : public LRScheduler {
 public:
  explicit PolynomialLR(Optimizer& optimizer, int64_t total_iters = 5, double power = 1, double last_epoch = -1);

 protected:
  Rates rates(const Rates& current) override;
  std::optional<Rates> closedForm() override;

 private:
  int64_t total_iters_;
  double power_;
};

/// Half a cosine from the base rate to `eta_min` over `t_max` epochs.
class CosineAnnealingLR : public LRScheduler {
 public:
  CosineAnnealingLR(Optimizer& optimizer, double t_max, double eta_min = 0, double last_epoch = -1);

 protected:
  Rates rates(const Rates& current) override;
  std::optional<Rates> closedForm() override;

 private:
  double t_max_, eta_min_;
};

/// Half cosines from the base rate to `eta_min`, again and again: the first takes `t_0` epochs, each next one `t_mult`
/// times as many. The epoch of step(epoch) may be a fraction.
class CosineAnnealingWarmRestarts : public LRScheduler {
 public:
  CosineAnnealingWarmRestarts(Optimizer& optimizer, int64_t t_0, int64_t t_mult = 1, double eta_min = 0,
                              double last_epoch = -1);
  void step() override;
  void step(double epoch) override;

 protected:
  Rates rates(const Rates& current) override;

 private:
  int64_t t_0_, t_mult_;
  double eta_min_, t_i_, t_cur_;
};

using LrLambda = std::function<double(int64_t epoch)>;
/// The base rate times a function of the epoch: one for all groups, or one per group.
class LambdaLR : public LRScheduler {
 public:
  LambdaLR(Optimizer& optimizer, LrLambda lambda, double last_epoch = -1);
  LambdaLR(Optimizer& optimizer, std::vector<LrLambda> lambdas, double last_epoch = -1);

 protected:
  Rates rates(const Rates& current) override;

 private:
  std::vector<LrLambda> lambdas_;
};
/// The present rate times a function of the epoch.
class MultiplicativeLR : public LRScheduler {
 public:
  MultiplicativeLR(Optimizer& optimizer, LrLambda lambda, double last_epoch = -1);
  MultiplicativeLR(Optimizer& optimizer, std::vector<LrLambda> lambdas, double last_epoch = -1);

 protected:
  Rates rates(const Rates& current) override;

 private:
  std::vector<LrLambda> lambdas_;
};

struct OneCycleLROptions {
  /// `total_steps`: of the whole training.
  OneCycleLROptions(double max_lr, int64_t total_steps) : max_lr_{max_lr}, total_steps_(total_steps) {}
  FLAMBEAU_ARG(OneCycleLROptions, std::vector<double>, max_lr);  // one for all groups, or one each
  FLAMBEAU_ARG(OneCycleLROptions, int64_t, total_steps);
  /// Part of the cycle in which the rate grows.
  FLAMBEAU_ARG(OneCycleLROptions, double, pct_start) = 0.3;
  FLAMBEAU_ARG(OneCycleLROptions, std::string, anneal_strategy) = "cos";  // or 'linear'
  FLAMBEAU_ARG(OneCycleLROptions, bool, cycle_momentum) = true;
  FLAMBEAU_ARG(OneCycleLROptions, double, base_momentum) = 0.85;
  FLAMBEAU_ARG(OneCycleLROptions, double, max_momentum) = 0.95;
  /// The first rate is max_lr / div_factor, the last one the first / final_div_factor.
  FLAMBEAU_ARG(OneCycleLROptions, double, div_factor) = 25;
  FLAMBEAU_ARG(OneCycleLROptions, double, final_div_factor) = 1e4;
  FLAMBEAU_ARG(OneCycleLROptions, bool, three_phase) = false;
};
/// One cycle over the whole training: up to `max_lr`, then down to almost nothing; step() after each batch.
class OneCycleLR : public LRScheduler {
 public:
  OneCycleLR(Optimizer& optimizer, const OneCycleLROptions& options);

 protected:
  Rates rates(const Rates& current) override;

 private:
  struct Phase {
    double end;
    int lr[2];  // from and to: 0 the first rate, 1 the largest, 2 the last
    double momentum[2];
  };
  OneCycleLROptions options_;
  std::vector<double> max_lrs_;
  std::vector<Phase> phases_;
};

struct CyclicLROptions {
  CyclicLROptions(double base_lr, double max_lr) : base_lr_{base_lr}, max_lr_{max_lr} {}
  FLAMBEAU_ARG(CyclicLROptions, std::vector<double>, base_lr);  // one for all groups, or one each
  FLAMBEAU_ARG(CyclicLROptions, std::vector<double>, max_lr);
  FLAMBEAU_ARG(CyclicLROptions, int64_t, step_size_up) = 2000;
  FLAMBEAU_ARG(CyclicLROptions, std::optional<int64_t>, step_size_down);
  FLAMBEAU_ARG(CyclicLROptions, std::string, mode) = "triangular";  // 'triangular2', 'exp_range'
  FLAMBEAU_ARG(CyclicLROptions, double, gamma) = 1;
  FLAMBEAU_ARG(CyclicLROptions, bool, cycle_momentum) = true;
  FLAMBEAU_ARG(CyclicLROptions, double, base_momentum) = 0.8;
  FLAMBEAU_ARG(CyclicLROptions, double, max_momentum) = 0.9;
};
/// Triangles between two rates, of equal or shrinking height; step() after each batch.
class CyclicLR : public LRScheduler {
 public:
  CyclicLR(Optimizer& optimizer, const CyclicLROptions& options);

 protected:
  Rates rates(const Rates& current) override;

 private:
  CyclicLROptions options_;
  std::vector<double> max_lrs_;
  double total_, ratio_;
};

/// One schedule after another: `milestones` are the epochs at which the next one begins.
class SequentialLR : public LRScheduler {
 public:
  SequentialLR(Optimizer& optimizer, std::vector<std::shared_ptr<LRScheduler>> schedulers,
               std::vector<int64_t> milestones);
  void step() override;

 protected:
  Rates rates(const Rates& current) override { return current; }

 private:
  std::vector<std::shared_ptr<LRScheduler>> schedulers_;
  std::vector<int64_t> milestones_;
};

/// Several schedules at once: each changes the rate that the one before it left.
class ChainedScheduler : public LRScheduler {
 public:
  explicit ChainedScheduler(std::vector<std::shared_ptr<LRScheduler>> schedulers);
  void step() override;

 protected:
  Rates rates(const Rates& current) override { return current; }

 private:
  std::vector<std::shared_ptr<LRScheduler>> schedulers_;
};

struct ReduceLROnPlateauOptions {
  FLAMBEAU_ARG(ReduceLROnPlateauOptions, std::string, mode) = "min";  // or 'max'
  FLAMBEAU_ARG(ReduceLROnPlateauOptions, double, factor) = 0.1;
  /// Epochs without improvement that are let pass.
  FLAMBEAU_ARG(ReduceLROnPlateauOptions, int64_t, patience) = 10;
  /// What counts as an improvement.
  FLAMBEAU_ARG(ReduceLROnPlateauOptions, double, threshold) = 1e-4;
  FLAMBEAU_ARG(ReduceLROnPlateauOptions, std::string, threshold_mode) = "rel";  // or 'abs'
  /// Epochs after a reduction in which nothing is counted.
  FLAMBEAU_ARG(ReduceLROnPlateauOptions, int64_t, cooldown) = 0;
  FLAMBEAU_ARG(ReduceLROnPlateauOptions, double, min_lr) = 0;
  /// Reductions smaller than this are left out.
  FLAMBEAU_ARG(ReduceLROnPlateauOptions, double, eps) = 1e-8;
};
/// lr * factor when a metric has stopped improving: step(validation_loss) after each epoch.
class ReduceLROnPlateau {
 public:
  explicit ReduceLROnPlateau(Optimizer& optimizer, const ReduceLROnPlateauOptions& options = {});
  void step(double metric);

 private:
  bool better(double metric) const;
  Optimizer& optimizer_;
  ReduceLROnPlateauOptions options_;
  double best_;
  int64_t bad_ = 0, cooling_ = 0;
};

}  // namespace flambeau::optim
