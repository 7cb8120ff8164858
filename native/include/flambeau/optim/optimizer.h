// What all optimizers share: groups of parameters with options of their own, state, checkpoints.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

#include "flambeau/nn/options.h"
#include "flambeau/tensor.h"

namespace flambeau::optim {

/// Sees every option of an optimizer under PyTorch's name.
class OptionVisitor {
 public:
  using Pair = std::tuple<double, double>;
  using OptionalPair = std::tuple<std::optional<double>, double>;
  virtual ~OptionVisitor() = default;
  virtual void operator()(const char* name, double& value) = 0;
  virtual void operator()(const char* name, bool& value) = 0;
  virtual void operator()(const char* name, int64_t& value) = 0;
  virtual void operator()(const char* name, Pair& value) = 0;
  virtual void operator()(const char* name, OptionalPair& value) = 0;
  virtual void operator()(const char* name, std::optional<int64_t>& value) = 0;
  virtual void operator()(const char* name, std::optional<std::string>& value) = 0;
};

/// The options of one optimizer; each group of parameters has its own.
class OptimizerOptions {
 public:
  virtual ~OptimizerOptions() = default;
  virtual std::unique_ptr<OptimizerOptions> clone() const = 0;
  virtual void visit(OptionVisitor& visitor) = 0;
  /// Throws Error(Value) with PyTorch's words for values out of range.
  virtual void check() const = 0;
  double get_lr();
  void set_lr(double lr);
  /// The momentum, which Adam's family calls its first beta; false where there is none.
  bool has_momentum();
  void set_momentum(double momentum);
};
/// Options that can be copied: struct MyOptions : OptionsOf<MyOptions>.
template <class Self>
class OptionsOf : public OptimizerOptions {
 public:
  std::unique_ptr<OptimizerOptions> clone() const override {
    return std::make_unique<Self>(static_cast<const Self&>(*this));
  }
};

/// Parameters with options of their own; without options they take those of the optimizer.
class OptimizerParamGroup {
 public:
  OptimizerParamGroup(TensorList params) : params_(std::move(params)) {}
  OptimizerParamGroup(TensorList params, std::unique_ptr<OptimizerOptions> options)
      : params_(std::move(params)), options_(std::move(options)) {}
  OptimizerParamGroup(const OptimizerParamGroup& other)
      : initial_lr(other.initial_lr),
        params_(other.params_),
        options_(other.options_ ? other.options_->clone() : nullptr) {}
  OptimizerParamGroup(OptimizerParamGroup&&) = default;
  OptimizerParamGroup& operator=(OptimizerParamGroup&&) = default;

  const TensorList& params() const { return params_; }
  bool has_options() const { return options_ != nullptr; }
  OptimizerOptions& options() { return *options_; }
  const OptimizerOptions& options() const { return *options_; }
  void set_options(std::unique_ptr<OptimizerOptions> options) { options_ = std::move(options); }
  /// Set by schedulers: the rate that theirs start from.
  std::optional<double> initial_lr;

 private:
  TensorList params_;
  std::unique_ptr<OptimizerOptions> options_;
};

/// What an optimizer remembers, under PyTorch's names. save() and load() exchange it with the TypeScript side.
using StateValue = std::variant<Tensor, double, TensorList, std::vector<double>>;
using ParamState = std::map<std::string, StateValue>;
using OptionValue = std::variant<std::monostate, bool, double, std::string, std::vector<std::optional<double>>>;
struct OptimizerStateDict {
  struct Group {
    std::map<std::string, OptionValue> options;
    std::vector<int64_t> params;
  };
  /// By the parameter's number: they are numbered in order over all groups.
  std::map<int64_t, ParamState> state;
  std::vector<Group> param_groups;
};

/// Parameters that are updated from their gradients. Parameters without a gradient are left alone.
class Optimizer {
 public:
  using LossClosure = std::function<Tensor()>;
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// One update. A closure is called first (with gradients on); its result is returned.
  virtual Tensor step(const LossClosure& closure = {});
  /// Gradients become undefined, or zeros.
  void zero_grad(bool set_to_none = true);
  /// Adds parameters to train. Throws Error(Value) for non-leaves and duplicates.
  void add_param_group(OptimizerParamGroup group);
  std::vector<OptimizerParamGroup>& param_groups() { return groups_; }
  const std::vector<OptimizerParamGroup>& param_groups() const { return groups_; }
  /// Options of groups that do not say otherwise.
  OptimizerOptions& defaults() { return *defaults_; }

  virtual OptimizerStateDict state_dict() const;
  /// Takes over options and copies of the state. Throws Error(Value) when the groups do not fit.
  virtual void load_state_dict(const OptimizerStateDict& dict);

 protected:
  Optimizer(std::vector<OptimizerParamGroup> groups, const OptimizerOptions& defaults);
  Optimizer(TensorList params, const OptimizerOptions& defaults);
  /// Changes parameters of one group; runs without gradients.
  virtual void update(OptimizerOptions& options, const TensorList& params, const TensorList& grads) = 0;
  ParamState& stateOf(const Tensor& p) { return state_[p.impl()]; }
  /// A state tensor of a parameter, filled with `start` when it is new; `sizes`: those of the parameter unless given.
  Tensor slot(const Tensor& p, const char* name, double start = 0, std::optional<IntSpan> sizes = {});
  TensorList slots(const TensorList& params, const char* name, double start = 0);
  /// Step counts: 0-d float32.
  TensorList stepCounts(const TensorList& params);
  /// Increases the counts and returns them.
  std::vector<double> advance(const TensorList& params);

 private:
  std::unique_ptr<OptimizerOptions> defaults_;
  std::vector<OptimizerParamGroup> groups_;
  std::unordered_map<const TensorImpl*, ParamState> state_;
};

}  // namespace flambeau::optim
