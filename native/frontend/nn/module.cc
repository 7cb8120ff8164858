// Modules: registration, traversal, state.
#include "flambeau/nn/module.h"

#include <algorithm>
#include <set>

#include "flambeau/autograd.h"
#include "flambeau/ops.h"

namespace flambeau::nn {

void Module::checkName(const std::string& name) const {
  FB_CHECK(!name.empty(), Value, "a name of a module must not be empty");
  FB_CHECK(name.find('.') == std::string::npos, Value, "a name of a module must not contain a dot (got '%s')",
           name.c_str());
  const auto taken = [&](const auto& list) {
    return std::any_of(list.begin(), list.end(), [&](const auto& entry) { return entry.first == name; });
  };
  FB_CHECK(!taken(parameters_) && !taken(buffers_) && !taken(children_), Value, "the name '%s' is already taken",
           name.c_str());
}

Tensor Module::register_parameter(const std::string& name, Tensor value, bool requires_grad) {
  checkName(name);
  if (value.defined()) value.setRequiresGrad(requires_grad);
  parameters_.emplace_back(name, value);
  return value;
}
Tensor Module::register_buffer(const std::string& name, Tensor value) {
  checkName(name);
  buffers_.emplace_back(name, value);
  return value;
}
void Module::addChild(const std::string& name, std::shared_ptr<Module> module) {
  checkName(name);
  FB_CHECK(module != nullptr, Value, "the submodule '%s' is empty", name.c_str());
  children_.emplace_back(name, std::move(module));
}

void Module::collect(const std::string& prefix, bool recurse, bool parameters, Named& out) const {
  for (const auto& [name, t] : parameters ? parameters_ : buffers_) {
    const bool known = std::any_of(out.begin(), out.end(), [&t = t](const auto& entry) { return entry.second.is(t); });
    if (t.defined() && !known) out.emplace_back(prefix + name, t);
  }
  if (!recurse) return;
  for (const auto& [name, child] : children_) child->collect(prefix + name + ".", true, parameters, out);
}
Module::Named Module::named_parameters(bool recurse) const {
  Named out;
  collect("", recurse, true, out);
  return out;
}
Module::Named Module::named_buffers(bool recurse) const {
  Named out;
  collect("", recurse, false, out);
  return out;
}
namespace {
TensorList tensorsOf(const Module::Named& named) {
  TensorList out;
  for (const auto& entry : named) out.push_back(entry.second);
  return out;
}
}  // namespace
TensorList Module::parameters(bool recurse) const { return tensorsOf(named_parameters(recurse)); }
TensorList Module::buffers(bool recurse) const { return tensorsOf(named_buffers(recurse)); }

void Module::train(bool on) {
  training_ = on;
  for (const auto& child : children_) child.second->train(on);
}
void Module::zero_grad() {
  for (const Tensor& p : parameters())
    if (p.grad().defined()) p.setGrad(Tensor());
}
void Module::apply(const std::function<void(Module&)>& f) {
  for (const auto& child : children_) child.second->apply(f);
  f(*this);
}

std::map<std::string, Tensor> Module::state_dict() const {
  std::map<std::string, Tensor> out;
  for (const auto& [name, t] : named_parameters()) out.emplace(name, ops::detach(t));
  for (const auto& [name, t] : named_buffers()) out.emplace(name, t);
  return out;
}

void Module::load_state_dict(const std::map<std::string, Tensor>& state, bool strict) {
  Named own = named_parameters();
  for (const auto& entry : named_buffers()) own.push_back(entry);
  std::string problems;
  std::set<std::string> known;
  for (const auto& [name, t] : own) {
    known.insert(name);
    const auto found = state.find(name);
    if (found == state.end()) {
      if (strict) problems += "\n\tMissing key: '" + name + "'";
    } else if (!std::ranges::equal(found->second.sizes(), t.sizes())) {
      problems += "\n\tsize mismatch for " + name + ": the file has " + shapeString(found->second.sizes()) +
                  ", the module " + shapeString(t.sizes());
    }
  }
  if (strict)
    for (const auto& entry : state)
      if (!known.contains(entry.first)) problems += "\n\tUnexpected key: '" + entry.first + "'";
  FB_CHECK(problems.empty(), Value, "Error(s) in loading state_dict:%s", problems.c_str());
  const autograd::GradGuard noGrad(false);
  for (const auto& [name, t] : own)
    if (const auto found = state.find(name); found != state.end()) ops::copy_(ops::detach(t), found->second);
}

Tensor SequentialImpl::forward(const Tensor& x) const {
  FB_CHECK(!steps_.empty(), Value, "Cannot call forward() on an empty Sequential");
  Tensor y = x;
  for (const auto& step : steps_) y = step(y);
  return y;
}

}  // namespace flambeau::nn
