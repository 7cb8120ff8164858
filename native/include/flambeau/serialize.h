// Files: safetensors, the format that TypeScript's fb.save and fb.load use for the same extension.
#pragma once
#include <map>
#include <string>

#include "flambeau/nn/module.h"
#include "flambeau/optim/optimizer.h"

namespace flambeau {

/// Writes tensors under their names, and texts beside them. The file appears whole or not at all. Throws Error(File).
void save(const std::map<std::string, Tensor>& tensors, const std::string& path,
          const std::map<std::string, std::string>& metadata = {});
/// Reads all tensors of a file. Throws Error(File) for one that is missing or damaged.
std::map<std::string, Tensor> load(const std::string& path);

/// The state of a module, or into a module.
inline void save(const nn::Module& module, const std::string& path) { save(module.state_dict(), path); }
inline void load(nn::Module& module, const std::string& path) { module.load_state_dict(load(path)); }
template <class C>
void save(const nn::ModuleHolder<C>& module, const std::string& path) {
  save(*module, path);
}
template <class C>
void load(const nn::ModuleHolder<C>& module, const std::string& path) {
  load(*module, path);
}

/// The options and the state of an optimizer; fb.load gives the same as a state dict, fb.save of one is read here. Its
/// tensors are called state.NUMBER.NAME; the text `optimizer` is the rest as JSON. Throws Error(File).
void save(const optim::OptimizerStateDict& state, const std::string& path);
optim::OptimizerStateDict load_optimizer_state(const std::string& path);
inline void save(const optim::Optimizer& optimizer, const std::string& path) { save(optimizer.state_dict(), path); }
inline void load(optim::Optimizer& optimizer, const std::string& path) {
  optimizer.load_state_dict(load_optimizer_state(path));
}

}  // namespace flambeau
