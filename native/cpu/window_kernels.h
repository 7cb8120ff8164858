// The per-ISA loop of convolutions that read their pixels where they lie: a register holds neighbouring positions of a
// padded image, and one step of the sum is the same register further on in the image.
#pragma once
#include <cstdint>

#include "cpu/isa.h"

namespace flambeau::cpu {

/// Lanes lo..hi of a register of results go to row[to + lo] and on.
struct WindowStore {
  int64_t to;
  int32_t lo, hi;
};
/// Where a register of positions lies in the image, and its stores: first..second for the lower half of the interleaved
/// streams (or the only one), second..end for the upper half.
struct WindowRegister {
  int64_t at;
  int32_t first, second, end;
};

/// Results of `rows` filters at up to `registers` registers of positions. Two streams are two sums for each position,
/// whose results are neighbours.
struct WindowBlock {
  const float* image;
  const WindowRegister* registers;
  const WindowStore* stores;
  int64_t count;  // of registers, at most columns / lanes / streams
  int64_t rows, streams;
  const float* filters[2];    // tiles of rows, see windowTile; each [step][rows of the tile]
  const int64_t* offsets[2];  // of every step in the image
  int64_t steps[2];
  float* out;
  int64_t rowStep;
  const float* bias;  // one per row, or null
  bool relu;
  bool single;  // every half of every register is one store
};

struct WindowKernels {
  int64_t rows, lanes, registers;  // of a tile; two streams have half as many registers
  void (*multiply)(const WindowBlock&);
};
FB_DECLARE_ISA(const WindowKernels, windowKernels);

inline const WindowKernels& windowKernels() {
  static const WindowKernels& k = FB_SELECT_ISA(windowKernels);
  return k;
}

}  // namespace flambeau::cpu
