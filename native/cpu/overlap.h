// Checks before writing into memory that other operands may read. Source: aten/src/ATen/MemoryOverlap.cpp of PyTorch.
#pragma once
#include "flambeau/tensor.h"

namespace flambeau::cpu {

/// Throws when two elements of `t` share memory (an expanded tensor): "unsupported operation: more than one element
/// ...".
void checkNoInternalOverlap(const Tensor& t);
/// Throws when `out` and `in` share some memory without being the very same elements.
void checkNoPartialOverlap(const Tensor& out, const Tensor& in);
/// Dense without gaps or repeats, in whatever dimension order.
bool isNonOverlappingAndDense(const Tensor& t);

}  // namespace flambeau::cpu
