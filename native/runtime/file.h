// Whole files into memory, for readers that trust nothing.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace flambeau::runtime {

/// The bytes of a regular file. Throws Error(File) for one that is missing, no regular file (a folder, a device, a
/// pipe), or cannot be read to its end; Error(Memory) where there is not enough for it.
std::vector<std::byte> readFile(const std::string& path);

}  // namespace flambeau::runtime
