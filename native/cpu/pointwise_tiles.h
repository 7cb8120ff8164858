// Pointwise kernels over operands whose fastest dimensions differ (`x.t() + x`): tile by tile, the ones that lie across
// are transposed into cache first, so that memory is read along its lines.
#pragma once
#include "cpu/kernel_abi.h"
#include "cpu/loop_nest.h"

namespace flambeau::cpu {

/// Runs `kernel` over the nest in tiles when some input lies across; false: nothing was done, rows serve as well.
bool runTiles(PointwiseKernel kernel, const LoopNest& nest, int outputs, const int64_t* itemBytes, const double* attrs);

}  // namespace flambeau::cpu
