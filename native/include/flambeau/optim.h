// Optimizers, over the same step kernels as the TypeScript ones.
#pragma once
#include <unordered_map>

#include "flambeau/nn/modules.h"

namespace flambeau::optim {

/// Parameters that are updated from their gradients. Parameters without a gradient are left alone.
class Optimizer {
 public:
  explicit Optimizer(TensorList parameters);
  virtual ~Optimizer() = default;
  virtual void step() = 0;
  /// Gradients become undefined.
  void zero_grad();
  virtual double lr() const = 0;
  virtual void set_lr(double lr) = 0;
  const TensorList& parameters() const { return parameters_; }

 protected:
  /// Parameters with a gradient, and their gradients.
  std::pair<TensorList, TensorList> active() const;
  /// State tensors of the parameters, made of zeros at first.
  TensorList slots(const TensorList& parameters, size_t which);
  /// Step counts: 0-d float32.
  TensorList steps(const TensorList& parameters);

 private:
  struct State {
    std::vector<Tensor> slots;
    Tensor step;
  };
  TensorList parameters_;
  std::unordered_map<const TensorImpl*, State> state_;
};

struct SGDOptions {
  explicit SGDOptions(double lr) : lr_(lr) {}
  FLAMBEAU_ARG(SGDOptions, double, lr);
  FLAMBEAU_ARG(SGDOptions, double, momentum) = 0;
  FLAMBEAU_ARG(SGDOptions, double, weight_decay) = 0;
  FLAMBEAU_ARG(SGDOptions, bool, nesterov) = false;
};
class SGD : public Optimizer {
 public:
  SGD(TensorList parameters, const SGDOptions& options);
  SGD(TensorList parameters, double lr) : SGD(std::move(parameters), SGDOptions(lr)) {}
  void step() override;
  double lr() const override { return options_.lr(); }
  void set_lr(double lr) override { options_.lr(lr); }

 private:
  SGDOptions options_;
};

struct AdamOptions {
  explicit AdamOptions(double lr = 1e-3) : lr_(lr) {}
  FLAMBEAU_ARG(AdamOptions, double, lr);
  FLAMBEAU_ARG(AdamOptions, double, beta1) = 0.9;
  FLAMBEAU_ARG(AdamOptions, double, beta2) = 0.999;
  FLAMBEAU_ARG(AdamOptions, double, eps) = 1e-8;
  FLAMBEAU_ARG(AdamOptions, double, weight_decay) = 0;
};
/// Adam; AdamW decays the parameters instead of adding to the gradients (weight decay 0.01 unless given).
class Adam : public Optimizer {
 public:
  Adam(TensorList parameters, const AdamOptions& options = AdamOptions())
      : Adam(std::move(parameters), options, false) {}
  void step() override;
  double lr() const override { return options_.lr(); }
  void set_lr(double lr) override { options_.lr(lr); }

 protected:
  Adam(TensorList parameters, const AdamOptions& options, bool decoupled);

 private:
  AdamOptions options_;
  bool decoupled_;
};
class AdamW : public Adam {
 public:
  AdamW(TensorList parameters, const AdamOptions& options = AdamOptions().weight_decay(1e-2))
      : Adam(std::move(parameters), options, true) {}
};

/// RMSprop without momentum and centering.
struct RMSpropOptions {
  explicit RMSpropOptions(double lr = 1e-2) : lr_(lr) {}
  FLAMBEAU_ARG(RMSpropOptions, double, lr);
  FLAMBEAU_ARG(RMSpropOptions, double, alpha) = 0.99;
  FLAMBEAU_ARG(RMSpropOptions, double, eps) = 1e-8;
  FLAMBEAU_ARG(RMSpropOptions, double, weight_decay) = 0;
};
class RMSprop : public Optimizer {
 public:
  explicit RMSprop(TensorList parameters, const RMSpropOptions& options = RMSpropOptions());
  void step() override;
  double lr() const override { return options_.lr(); }
  void set_lr(double lr) override { options_.lr(lr); }

 private:
  RMSpropOptions options_;
};

}  // namespace flambeau::optim
