// The per-ISA loops of pooling.
#pragma once
#include <cstdint>

#include "cpu/isa.h"

namespace flambeau::cpu {

/// 2 x 2 windows with stride 2 over planes of width `width` (outH rows of outW windows, no padding).
struct Pool2x2 {
  int64_t planes, width, inPixels, outH, outW;
  // For widths that are whole chunks of 8 (else null): offset of each group of four windows, and of each window.
  const int32_t* groups;
  const int32_t* windows;
};

/// A row of `count` windows that lie whole in the plane, `stride` elements apart.
struct MaxRow {
  int64_t count, stride;
  int32_t first;        // position of the first window's first element in the plane
  const int32_t* taps;  // where a window's elements lie, counted from its first
  int64_t tapCount;
};

struct PoolKernels {
  /// `index` gets flat positions in the plane.
  void (*max)(const Pool2x2& s, const float* x, float* y, int64_t* index);
  /// `index` gets flat positions in the plane `x`.
  void (*maxRow)(const MaxRow& r, const float* x, float* y, int64_t* index);
  /// dx of the same pooling, for planes that the windows cover (width = 2 outW, height = 2 outH). False when some index
  /// lies outside its window: then nothing can be said about dx. Needs the tables.
  bool (*maxBackward)(const Pool2x2& s, const float* dy, const int64_t* index, float* dx);
};
FB_DECLARE_ISA(const PoolKernels, poolKernels);

inline const PoolKernels& poolKernels() {
  static const PoolKernels& k = FB_SELECT_ISA(poolKernels);
  return k;
}

}  // namespace flambeau::cpu
