// Groups of parameters, state, checkpoints.
#include "flambeau/optim/optimizer.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "flambeau/autograd.h"
#include "flambeau/ops.h"

namespace flambeau::optim {

namespace {

/// Ignores every option; readers and writers of some override what they look at.
class Visitor : public OptionVisitor {
 public:
  void operator()(const char*, double&) override {}
  void operator()(const char*, bool&) override {}
  void operator()(const char*, int64_t&) override {}
  void operator()(const char*, Pair&) override {}
  void operator()(const char*, OptionalPair&) override {}
  void operator()(const char*, std::optional<int64_t>&) override {}
  void operator()(const char*, std::optional<std::string>&) override {}
};

/// Finds the learning rate and the momentum.
class Finder : public Visitor {
 public:
  using Visitor::operator();
  explicit Finder(OptimizerOptions& options) { options.visit(*this); }
  void operator()(const char* name, double& value) override {
    if (std::string_view(name) == "lr") lr = &value;
    if (std::string_view(name) == "momentum") momentum = &value;
  }
  void operator()(const char* name, Pair& value) override {
    if (std::string_view(name) == "betas") momentum = &std::get<0>(value);
  }
  double* lr = nullptr;
  double* momentum = nullptr;
};

class Writer : public OptionVisitor {
 public:
  void operator()(const char* name, double& v) override { out[name] = v; }
  void operator()(const char* name, bool& v) override { out[name] = v; }
  void operator()(const char* name, int64_t& v) override { out[name] = static_cast<double>(v); }
  void operator()(const char* name, Pair& v) override {
    out[name] = std::vector<std::optional<double>>{std::get<0>(v), std::get<1>(v)};
  }
  void operator()(const char* name, OptionalPair& v) override {
    out[name] = std::vector<std::optional<double>>{std::get<0>(v), std::get<1>(v)};
  }
  void operator()(const char* name, std::optional<int64_t>& v) override {
    out[name] = v ? OptionValue(static_cast<double>(*v)) : OptionValue();
  }
  void operator()(const char* name, std::optional<std::string>& v) override {
    out[name] = v ? OptionValue(*v) : OptionValue();
  }
  std::map<std::string, OptionValue> out;
};

/// Takes over the options that are there; others of the file (PyTorch's foreach, fused, ...) have no meaning here.
class Reader : public OptionVisitor {
 public:
  explicit Reader(const std::map<std::string, OptionValue>& from) : from_(from) {}
  void operator()(const char* name, double& v) override {
    if (const auto* x = get<double>(name)) v = *x;
  }
  void operator()(const char* name, bool& v) override {
    if (const auto* x = get<bool>(name)) v = *x;
  }
  void operator()(const char* name, int64_t& v) override {
    if (const auto* x = get<double>(name)) v = static_cast<int64_t>(*x);
  }
  void operator()(const char* name, Pair& v) override {
    if (const auto* x = pair(name)) v = {number(name, (*x)[0]), number(name, (*x)[1])};
  }
  void operator()(const char* name, OptionalPair& v) override {
    if (const auto* x = pair(name)) v = {(*x)[0], number(name, (*x)[1])};
  }
  void operator()(const char* name, std::optional<int64_t>& v) override {
    if (isNone(name))
      v.reset();
    else if (const auto* x = get<double>(name))
      v = static_cast<int64_t>(*x);
  }
  void operator()(const char* name, std::optional<std::string>& v) override {
    if (isNone(name))
      v.reset();
    else if (const auto* x = get<std::string>(name))
      v = *x;
  }

 private:
  using Pairs = std::vector<std::optional<double>>;
  template <class T>
  const T* get(const char* name) const {
    const auto found = from_.find(name);
    if (found == from_.end()) return nullptr;
    const T* value = std::get_if<T>(&found->second);
    FB_CHECK(value != nullptr, Value, "loaded state dict: the option '%s' is of another kind", name);
    return value;
  }
  const Pairs* pair(const char* name) const {
    const auto* list = get<Pairs>(name);
    FB_CHECK(list == nullptr || list->size() == 2, Value, "loaded state dict: '%s' is not two numbers", name);
    return list;
  }
  static double number(const char* name, const std::optional<double>& v) {
    FB_CHECK(v, Value, "loaded state dict: '%s' holds no number", name);
    return *v;
  }
  bool isNone(const char* name) const {
    const auto found = from_.find(name);
    return found != from_.end() && std::holds_alternative<std::monostate>(found->second);
  }
  const std::map<std::string, OptionValue>& from_;
};

}  // namespace

double OptimizerOptions::get_lr() { return *Finder(*this).lr; }
void OptimizerOptions::set_lr(double lr) { *Finder(*this).lr = lr; }
bool OptimizerOptions::has_momentum() { return Finder(*this).momentum != nullptr; }
void OptimizerOptions::set_momentum(double momentum) {
  if (double* at = Finder(*this).momentum) *at = momentum;
}

Optimizer::Optimizer(std::vector<OptimizerParamGroup> groups, const OptimizerOptions& defaults)
    : defaults_(defaults.clone()) {
  defaults.check();
  FB_CHECK(!groups.empty(), Value, "optimizer got an empty parameter list");
  for (auto& group : groups) add_param_group(std::move(group));
}
Optimizer::Optimizer(TensorList params, const OptimizerOptions& defaults) : defaults_(defaults.clone()) {
  defaults.check();
  FB_CHECK(!params.empty(), Value, "optimizer got an empty parameter list");
  add_param_group(OptimizerParamGroup(std::move(params)));
}

void Optimizer::add_param_group(OptimizerParamGroup group) {
  if (!group.has_options()) group.set_options(defaults_->clone());
  group.options().check();
  std::set<const TensorImpl*> own, known;
  for (const auto& g : groups_)
    for (const Tensor& p : g.params()) known.insert(p.impl());
  for (const Tensor& p : group.params()) {
    FB_CHECK(p.defined() && p.isLeaf(), Value, "can't optimize a non-leaf Tensor");
    FB_CHECK(own.insert(p.impl()).second, Value, "some parameters appear more than once in a parameter group");
    FB_CHECK(!known.contains(p.impl()), Value, "some parameters appear in more than one parameter group");
  }
  groups_.push_back(std::move(group));
}

Tensor Optimizer::step(const LossClosure& closure) {
  Tensor loss;
  if (closure) {
    const autograd::GradGuard grad(true);
    loss = closure();
  }
  const autograd::GradGuard noGrad(false);
  for (auto& group : groups_) {
    TensorList params, grads;
    for (const Tensor& p : group.params()) {
      const Tensor g = p.grad();
      if (!g.defined()) continue;
      params.push_back(p);
      grads.push_back(g);
    }
    if (!params.empty()) update(group.options(), params, grads);
  }
  return loss;
}
void Optimizer::zero_grad(bool set_to_none) {
  for (const auto& group : groups_)
    for (Tensor p : group.params()) {
      const Tensor g = p.grad();
      if (!g.defined()) continue;
      if (set_to_none)
        p.setGrad(Tensor());
      else
        ops::zero_(ops::detach(g));
    }
}

Tensor Optimizer::slot(const Tensor& p, const char* name, double start, std::optional<IntSpan> sizes) {
  StateValue& value = state_[p.impl()][name];
  Tensor& t = std::get<Tensor>(value);
  if (!t.defined()) t = ops::full(sizes.value_or(p.sizes()), Scalar(start), p.dtype());
  return t;
}
TensorList Optimizer::slots(const TensorList& params, const char* name, double start) {
  TensorList out;
  for (const Tensor& p : params) out.push_back(slot(p, name, start));
  return out;
}
TensorList Optimizer::stepCounts(const TensorList& params) {
  TensorList out;
  for (const Tensor& p : params) {
    Tensor& t = std::get<Tensor>(state_[p.impl()]["step"]);
    if (!t.defined()) t = scalarTensor(Scalar(0.0), DType::Float32);
    out.push_back(t);
  }
  return out;
}
std::vector<double> Optimizer::advance(const TensorList& params) {
  std::vector<double> out;
  for (const Tensor& t : stepCounts(params)) {
    ops::add_(t, Operand(1));
    out.push_back(t.item<double>());
  }
  return out;
}

OptimizerStateDict Optimizer::state_dict() const {
  OptimizerStateDict out;
  int64_t number = 0;
  for (const auto& group : groups_) {
    Writer writer;
    const_cast<OptimizerOptions&>(group.options()).visit(writer);
    if (group.initial_lr) writer.out["initial_lr"] = *group.initial_lr;
    OptimizerStateDict::Group g{std::move(writer.out), {}};
    for (const Tensor& p : group.params()) {
      if (const auto found = state_.find(p.impl()); found != state_.end()) out.state[number] = found->second;
      g.params.push_back(number++);
    }
    out.param_groups.push_back(std::move(g));
  }
  return out;
}

void Optimizer::load_state_dict(const OptimizerStateDict& dict) {
  FB_CHECK(dict.param_groups.size() == groups_.size(), Value,
           "loaded state dict has a different number of parameter groups");
  std::map<int64_t, Tensor> byNumber;
  for (size_t i = 0; i < groups_.size(); ++i) {
    const auto& params = dict.param_groups[i].params;
    FB_CHECK(params.size() == groups_[i].params().size(), Value,
             "loaded state dict contains a parameter group that doesn't match the size of optimizer's group");
    for (size_t k = 0; k < params.size(); ++k) byNumber[params[k]] = groups_[i].params()[k];
  }
  // Everything is checked before anything changes.
  std::unordered_map<const TensorImpl*, ParamState> state;
  for (const auto& [number, values] : dict.state) {
    const auto found = byNumber.find(number);
    FB_CHECK(found != byNumber.end(), Value, "loaded state dict has a state for parameter %lld, which no group has",
             static_cast<long long>(number));
    const Tensor& p = found->second;
    ParamState own;
    for (const auto& [name, value] : values) {
      const auto* t = std::get_if<Tensor>(&value);
      if (t == nullptr) {
        own[name] = value;
        continue;
      }
      // Adafactor's rows and columns have extents of 1.
      bool fits = t->dim() == 0 || t->dim() == p.dim();
      for (int64_t d = 0; d < t->dim() && fits; ++d) fits = t->size(d) == p.size(d) || t->size(d) == 1;
      FB_CHECK(fits, Value, "loaded state dict: '%s' of parameter %lld has shape %s, the parameter %s", name.c_str(),
               static_cast<long long>(number), shapeString(t->sizes()).c_str(), shapeString(p.sizes()).c_str());
      own[name] = ops::clone(ops::detach(*t)).to(name == "step" ? DType::Float32 : p.dtype());
    }
    state.emplace(p.impl(), std::move(own));
  }
  std::vector<std::unique_ptr<OptimizerOptions>> options;
  for (size_t i = 0; i < groups_.size(); ++i) {
    options.push_back(groups_[i].options().clone());
    Reader reader(dict.param_groups[i].options);
    options.back()->visit(reader);
    options.back()->check();
  }
  for (size_t i = 0; i < groups_.size(); ++i) {
    groups_[i].set_options(std::move(options[i]));
    const auto& from = dict.param_groups[i].options;
    if (const auto found = from.find("initial_lr"); found != from.end())
      if (const auto* lr = std::get_if<double>(&found->second)) groups_[i].initial_lr = *lr;
  }
  state_ = std::move(state);
}

}  // namespace flambeau::optim
