// The per-ISA loops of pooling.
#pragma once
#include <cstdint>

#include "cpu/isa.h"

namespace flambeau::cpu {

struct PoolKernels {
  /// Max over 2 x 2 windows with stride 2 of one plane, no padding. `index` gets flat positions in the plane.
  void (*max2x2)(const float* x, int64_t width, int64_t outH, int64_t outW, float* y, int64_t* index);
};
FB_DECLARE_ISA(const PoolKernels, poolKernels);

inline const PoolKernels& poolKernels() {
  static const PoolKernels& k = FB_SELECT_ISA(poolKernels);
  return k;
}

}  // namespace flambeau::cpu
