// Modules and parameters in lists and dictionaries.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "flambeau/nn/module.h"

namespace flambeau::nn {

/// Submodules by number. It has no forward: the owner decides what to do with them.
class ModuleListImpl : public Module {
 public:
  ModuleListImpl() = default;
  template <class... Holders>
  requires(sizeof...(Holders) > 0) explicit ModuleListImpl(Holders... holders) { (push_back(std::move(holders)), ...); }
  template <class Holder>
  void push_back(Holder holder) {
    register_module(std::to_string(size()), holder);
    items_.push_back(holder.ptr());
  }
  size_t size() const { return items_.size(); }
  /// Throws Error(Index) beyond the end.
  const std::shared_ptr<Module>& at(size_t i) const {
    FB_CHECK(i < size(), Index, "index %zu is out of range (%zu modules)", i, size());
    return items_[i];
  }
  const std::shared_ptr<Module>& operator[](size_t i) const { return at(i); }
  /// The module as what it is. Throws Error(Value) for another class.
  template <class M>
  M& as(size_t i) const {
    auto* m = dynamic_cast<M*>(at(i).get());
    FB_CHECK(m != nullptr, Value, "module %zu is of another class", i);
    return *m;
  }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }

 private:
  std::vector<std::shared_ptr<Module>> items_;
};
FLAMBEAU_MODULE(ModuleList);

/// Submodules by name, in the order of their insertion.
class ModuleDictImpl : public Module {
 public:
  template <class Holder>
  void insert(const std::string& name, Holder holder) {
    register_module(name, holder);
  }
  size_t size() const { return named_children().size(); }
  bool contains(const std::string& name) const { return find(name) != nullptr; }
  /// Throws Error(Value) for a name that is not there.
  std::shared_ptr<Module> operator[](const std::string& name) const {
    auto m = find(name);
    FB_CHECK(m != nullptr, Value, "'%s' is not a member of this ModuleDict", name.c_str());
    return m;
  }
  /// The module as what it is. Throws Error(Value) for another class.
  template <class M>
  M& as(const std::string& name) const {
    auto* m = dynamic_cast<M*>((*this)[name].get());
    FB_CHECK(m != nullptr, Value, "module '%s' is of another class", name.c_str());
    return *m;
  }

 private:
  std::shared_ptr<Module> find(const std::string& name) const {
    for (const auto& [key, m] : named_children())
      if (key == name) return m;
    return nullptr;
  }
};
FLAMBEAU_MODULE(ModuleDict);

/// Parameters by number.
class ParameterListImpl : public Module {
 public:
  ParameterListImpl() = default;
  explicit ParameterListImpl(const TensorList& list) {
    for (const Tensor& t : list) append(t);
  }
  void append(const Tensor& t) {
    register_parameter(std::to_string(items_.size()), t, t.requires_grad());
    items_.push_back(t);
  }
  size_t size() const { return items_.size(); }
  const Tensor& operator[](size_t i) const {
    FB_CHECK(i < size(), Index, "index %zu is out of range (%zu parameters)", i, size());
    return items_[i];
  }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }

 private:
  TensorList items_;
};
FLAMBEAU_MODULE(ParameterList);

/// Parameters by name, in the order of their insertion.
class ParameterDictImpl : public Module {
 public:
  void insert(const std::string& name, const Tensor& t) { register_parameter(name, t, t.requires_grad()); }
  size_t size() const { return named_parameters(false).size(); }
  bool contains(const std::string& name) const { return find(name).defined(); }
  Tensor operator[](const std::string& name) const {
    Tensor t = find(name);
    FB_CHECK(t.defined(), Value, "'%s' is not a member of this ParameterDict", name.c_str());
    return t;
  }

 private:
  Tensor find(const std::string& name) const {
    for (const auto& [key, t] : named_parameters(false))
      if (key == name) return t;
    return {};
  }
};
FLAMBEAU_MODULE(ParameterDict);

}  // namespace flambeau::nn
