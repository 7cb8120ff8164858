// The per-ISA loops over packed panels, which products and convolutions share: rows in groups of `rows` neighbours per
// step of k, columns in panels of `columns` neighbours per step of k.
#pragma once
#include <cstdint>

#include "cpu/isa.h"

namespace flambeau::cpu {

/// C (m x n, n <= columns) = relu?(A B + C? + bias?). A: tiles of `rows` rows one after another, each [k][rows], the
/// last one [k][m % rows]. B: one panel, [k][columns].
struct PanelBlock {
  int64_t m, n, k;
  const float *a, *b;
  float* c;
  int64_t ldc;
  const float *rowBias, *columnBias;  // or null
  bool accumulate, relu;
};

/// Where one register of pixels lies in an image: lanes below `split` from `first` on, the others from `second` on.
/// split < 0: lane by lane at lanes[].
struct PixelRun {
  int64_t first, second;
  int32_t split, count;  // lanes from `count` on are zero
  const int64_t* lanes;
};

struct PanelKernels {
  int64_t rows, columns, lanes;
  void (*multiply)(const PanelBlock&);
  /// to[t][columns] = the pixels of `registers` runs, moved by offsets[t].
  void (*pixels)(const float* image, const int64_t* offsets, int64_t count, const PixelRun* runs, int64_t registers,
                 float* to);
  /// to[i * streams + s] = from[s * step + i] for i < n; streams from `whole` on have one element less.
  void (*interleave)(const float* from, int64_t step, int64_t streams, int64_t whole, int64_t n, float* to);
};
FB_DECLARE_ISA(const PanelKernels, panelKernels);

inline const PanelKernels& panelKernels() {
  static const PanelKernels& k = FB_SELECT_ISA(panelKernels);
  return k;
}

/// Steps of k in one go: a panel of so many stays near the first-level cache.
inline int64_t panelDepth(const PanelKernels& k) { return k.columns > 32 ? 192 : 320; }

}  // namespace flambeau::cpu
