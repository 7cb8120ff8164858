// Reads safetensors files: what deployed models keep their weights in. Trusts nothing.
// Source of the format: https://huggingface.co/docs/safetensors
#pragma once
#include <map>
#include <span>
#include <string>

#include "flambeau/tensor.h"

namespace flambeau::runtime {

/// The tensors of a file, copied into memory of their own. Throws Error(File) for anything that does not fit together.
std::map<std::string, Tensor> readSafetensors(std::span<const std::byte> file);
/// The same from a path.
std::map<std::string, Tensor> readSafetensorsFile(const std::string& path);

}  // namespace flambeau::runtime
