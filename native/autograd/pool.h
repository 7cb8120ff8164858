// Small blocks for nodes and tensor metadata: freed ones are kept per thread and size class. Graphs are built and
// dropped by the thousand, and the garbage collector drops them in batches, which the system's allocator answers with
// costly merging.
#pragma once
#include <cstddef>

namespace flambeau::autograd {
void* takeBlock(size_t bytes);
void giveBlock(void* block, size_t bytes);
}  // namespace flambeau::autograd
