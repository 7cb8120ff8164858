// How a convolution reads its source: the taps along each dimension, and the box of pixels, padding included, in which
// every tap of every result lies.
#pragma once
#include <vector>

#include "cpu/conv.h"

namespace flambeau::cpu {

/// One dimension of a convolution seen from its results: result j = sum over taps of source[j * step + shift[tap]].
struct ConvAxis {
  int64_t count = 0, step = 1;
  std::vector<int64_t> taps, shifts;  // numbers of the taps that take part, and where each reads
};

/// A forward convolution has one axis in each dimension. A transposed one is a dense one of unit stride for every
/// remainder of a result's position by the stride, each with its share of the taps.
struct ConvBox {
  explicit ConvBox(const ConvSpec& spec);

  std::array<int64_t, 3> source, result;
  std::array<int64_t, 3> low{}, size{};  // padding in front, and extents of the box
  std::vector<ConvAxis> axes[3];

  int64_t sourcePixels() const { return source[0] * source[1] * source[2]; }
  int64_t resultPixels() const { return result[0] * result[1] * result[2]; }
  int64_t pixels() const { return size[0] * size[1] * size[2]; }
  /// Where the box holds the pixel that a tap with these shifts reads for the first result.
  int64_t at(int64_t z, int64_t y, int64_t x) const {
    return ((z + low[0]) * size[1] + y + low[1]) * size[2] + x + low[2];
  }
  /// Copies a plane of the source to its place in the box, zeros around it.
  void fill(const float* plane, float* box) const;
};

}  // namespace flambeau::cpu
