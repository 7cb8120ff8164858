// The per-ISA loops of depthwise convolution: one plane with one filter, unit stride.
#pragma once
#include <cstdint>

#include "cpu/isa.h"

namespace flambeau::cpu {

/// y[r][c] = relu?(bias + sum over i, j of w[i * kernelW + j] * x[(r + i * stepH) * ldx + c + j * stepW]).
struct DepthwiseBlock {
  const float* x;
  int64_t ldx;
  int64_t rows, columns;
  const float* w;
  int64_t kernelH, kernelW, stepH, stepW;
  float bias;
  bool relu;
  float* y;
  int64_t ldy;
};

struct DepthwiseKernels {
  void (*plane)(const DepthwiseBlock&);
};
FB_DECLARE_ISA(const DepthwiseKernels, depthwiseKernels);

inline const DepthwiseKernels& depthwiseKernels() {
  static const DepthwiseKernels& k = FB_SELECT_ISA(depthwiseKernels);
  return k;
}

}  // namespace flambeau::cpu
