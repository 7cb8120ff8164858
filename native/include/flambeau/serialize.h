// Files: safetensors, the format that TypeScript's fb.save and fb.load use for the same extension.
#pragma once
#include <map>
#include <string>

#include "flambeau/nn/module.h"

namespace flambeau {

/// Writes tensors under their names. Throws Error(File).
void save(const std::map<std::string, Tensor>& tensors, const std::string& path);
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
void load(nn::ModuleHolder<C>& module, const std::string& path) {
  load(*module, path);
}

}  // namespace flambeau
