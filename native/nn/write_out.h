// out=: a result in a tensor that the caller gives.
#pragma once
#include "flambeau/tensor.h"

namespace flambeau::nn {

/// Copies `result` into `out`, which gets its shape; true when elements that were there went lost by that (a warning in
/// PyTorch). `exact`: the dtypes must be equal; else the result must be castable. Throws in PyTorch's words for another
/// dtype, for tensors that require grad, and for memory that is written twice.
bool writeOut(const char* op, const Tensor& out, const Tensor& result, bool exact);

}  // namespace flambeau::nn
