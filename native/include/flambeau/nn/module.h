// Modules: named parameters, buffers and submodules, and handles to them. The design is libtorch's: a module is a class
// NAMEImpl, its handle NAME is a shared pointer that is called like a function.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "flambeau/tensor.h"

namespace flambeau::nn {

template <class Contained>
class ModuleHolder;

class Module {
 public:
  virtual ~Module() = default;

  /// Names a leaf that is trained. Throws Error(Value) for a name that is taken, empty or has a dot.
  Tensor register_parameter(const std::string& name, Tensor value, bool requires_grad = true);
  /// Names a tensor that is saved but not trained. An undefined one may be registered.
  Tensor register_buffer(const std::string& name, Tensor value);
  template <class M>
  std::shared_ptr<M> register_module(const std::string& name, std::shared_ptr<M> module) {
    addChild(name, module);
    return module;
  }
  template <class Holder>
  requires requires(const Holder& h) { typename Holder::Impl; }
  Holder register_module(const std::string& name, Holder holder) {
    addChild(name, holder.ptr());
    return holder;
  }

  using Named = std::vector<std::pair<std::string, Tensor>>;
  /// Parameters in the order of their registration, submodules after the module's own; each tensor once.
  Named named_parameters(bool recurse = true) const;
  Named named_buffers(bool recurse = true) const;
  TensorList parameters(bool recurse = true) const;
  TensorList buffers(bool recurse = true) const;
  std::vector<std::pair<std::string, std::shared_ptr<Module>>> named_children() const { return children_; }

  /// Training mode of this module and all below it.
  virtual void train(bool on = true);
  void eval() { train(false); }
  bool is_training() const { return training_; }
  /// Gradients become undefined.
  void zero_grad();
  /// Calls `f` for every submodule, then for this one.
  void apply(const std::function<void(Module&)>& f);

  /// Parameters and buffers under their names: what save() writes. They share memory with the module.
  std::map<std::string, Tensor> state_dict() const;
  /// Copies values in. Throws Error(Value) naming every missing and unexpected key (unless not `strict`) and every
  /// shape that differs.
  void load_state_dict(const std::map<std::string, Tensor>& state, bool strict = true);

 private:
  void addChild(const std::string& name, std::shared_ptr<Module> module);
  void checkName(const std::string& name) const;
  void collect(const std::string& prefix, bool recurse, bool parameters, Named& out) const;

  Named parameters_, buffers_;
  std::vector<std::pair<std::string, std::shared_ptr<Module>>> children_;
  bool training_ = true;
};

/// A handle: copies share the module.
template <class Contained>
class ModuleHolder {
 public:
  using Impl = Contained;
  /// Makes the module from its constructor's arguments; `nullptr` leaves the handle empty.
  template <class... Args, class = std::enable_if_t<std::is_constructible_v<Contained, Args...>>>
  explicit ModuleHolder(Args&&... args) : impl_(std::make_shared<Contained>(std::forward<Args>(args)...)) {}
  ModuleHolder(std::nullptr_t) {}
  ModuleHolder(std::shared_ptr<Contained> impl) : impl_(std::move(impl)) {}

  const std::shared_ptr<Contained>& ptr() const { return impl_; }
  bool is_empty() const { return impl_ == nullptr; }
  Contained* operator->() const { return get(); }
  Contained& operator*() const { return *get(); }
  template <class... Args>
  auto operator()(Args&&... args) const {
    return get()->forward(std::forward<Args>(args)...);
  }

 private:
  Contained* get() const {
    FB_CHECK(impl_ != nullptr, Value, "Accessing empty ModuleHolder");
    return impl_.get();
  }
  std::shared_ptr<Contained> impl_;
};

/// class Name, the handle of NameImpl.
#define FLAMBEAU_MODULE(Name)                                    \
  class Name : public ::flambeau::nn::ModuleHolder<Name##Impl> { \
   public:                                                       \
    using ModuleHolder<Name##Impl>::ModuleHolder;                \
  }

/// Modules one after the other.
class SequentialImpl : public Module {
 public:
  SequentialImpl() = default;
  template <class... Holders>
  requires(sizeof...(Holders) > 0) explicit SequentialImpl(Holders... holders) { (push_back(std::move(holders)), ...); }
  template <class Holder>
  void push_back(Holder holder) {
    const auto module = register_module(std::to_string(steps_.size()), holder);
    steps_.push_back([module](const Tensor& x) { return module(x); });
  }
  Tensor forward(const Tensor& x) const;
  size_t size() const { return steps_.size(); }

 private:
  std::vector<std::function<Tensor(const Tensor&)>> steps_;
};
FLAMBEAU_MODULE(Sequential);

}  // namespace flambeau::nn
