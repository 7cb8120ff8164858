// What the prepared steps of graph programs share with the matrix ops.
#pragma once
#include <array>
#include <vector>

#include "cpu/gemm.h"
#include "flambeau/small_vector.h"

namespace flambeau::cpu {

/// The dtype a product of `t` is computed in; throws for bool.
DType gemmDtype(DType t);

/// A matmul as calls of one GemmSpec: call i reads A and B at the element offsets `offsets[i]`, C moves on by batch * m
/// * n.
struct ProductCalls {
  GemmSpec spec;
  std::vector<std::array<int64_t, 2>> offsets;
};
/// Operands of at least two dimensions whose batch dimensions broadcast; `dtype` is one that GemmSpec takes.
/// Neighbouring batch dimensions (and batch with rows, when B has no batch) are merged where the strides allow.
ProductCalls describeProduct(IntSpan aSizes, IntSpan aStrides, IntSpan bSizes, IntSpan bStrides, DType dtype);

}  // namespace flambeau::cpu
