// Pooling on raw planes: shared by the ops and by the prepared steps of graph programs.
#pragma once
#include <cstdint>

#include "flambeau/dtype.h"
#include "flambeau/small_vector.h"

namespace flambeau::cpu {

struct PoolSpec {
  int64_t planes = 0, inH = 0, inW = 0, outH = 0, outW = 0;
  int64_t kernelH = 1, kernelW = 1, strideH = 1, strideW = 1, padH = 0, padW = 0, dilationH = 1, dilationW = 1;
};

/// Checks and completes a 2-d pooling of `input` (3-d or 4-d); `name` is the op in PyTorch's words. Empty stride: the
/// kernel's.
PoolSpec poolSpec(const char* name, IntSpan input, IntSpan kernel, IntSpan stride, IntSpan padding, IntSpan dilation,
                  bool ceilMode);
/// Contiguous planes; indices are flat positions within a plane.
void maxPoolPlanes(const PoolSpec& s, DType dtype, const void* x, void* y, int64_t* indices);
/// dx (planes of inH x inW) = dy (planes of outH x outW) scattered to `indices`.
void maxPoolBackwardPlanes(DType dtype, int64_t planes, int64_t inH, int64_t inW, int64_t outH, int64_t outW,
                           const void* dy, const int64_t* indices, void* dx);

}  // namespace flambeau::cpu
