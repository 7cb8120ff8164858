// Reads safetensors files: what deployed models keep their weights in. Trusts nothing.
// Source of the format: https://huggingface.co/docs/safetensors
#pragma once
#include <map>
#include <span>
#include <string>

#include "flambeau/tensor.h"

namespace flambeau::runtime {

struct Safetensors {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

/// The tensors of a file, copied into memory of their own, and its texts. Throws Error(File) for anything that does not
/// fit together: a header beyond 100 MB or the end of the file, unknown dtypes, more than 64 dimensions, sizes that the
/// offsets contradict, overlaps, holes, bytes that belong to no tensor, names that occur twice, booleans other than 0
/// and 1. So no more memory is taken than the file itself has.
Safetensors readSafetensors(std::span<const std::byte> file);
/// The same from a path.
Safetensors readSafetensorsFile(const std::string& path);

}  // namespace flambeau::runtime
