// The axes of a convolution, and its box of pixels.
#include "cpu/conv_box.h"

#include <algorithm>

namespace flambeau::cpu {
namespace {

ConvAxis alongForward(const ConvSpec& s, int d) {
  ConvAxis a;
  a.count = s.out[d];
  a.step = s.stride[d];
  for (int64_t t = 0; t < s.kernel[d]; ++t) {
    a.taps.push_back(t);
    a.shifts.push_back(t * s.dilation[d] - s.pad[d]);
  }
  return a;
}

std::vector<ConvAxis> alongTransposed(const ConvSpec& s, int d) {
  const int64_t stride = s.stride[d];
  std::vector<ConvAxis> list;
  for (int64_t r = 0; r < stride; ++r) {
    ConvAxis a;
    a.count = s.in[d] > r ? (s.in[d] - r + stride - 1) / stride : 0;
    for (int64_t t = 0; t < s.kernel[d]; ++t) {
      const int64_t at = r + s.pad[d] - t * s.dilation[d];
      if (at % stride != 0) continue;
      a.taps.push_back(t);
      a.shifts.push_back(at / stride);
    }
    list.push_back(std::move(a));
  }
  // Results of neighbouring remainders are written together: the last one of some of them does not exist.
  if (d == 2)
    for (ConvAxis& a : list) a.count = list[0].count;
  return list;
}

}  // namespace

ConvBox::ConvBox(const ConvSpec& s) {
  const bool forward = s.kind == ConvSpec::Kind::Forward;
  source = forward ? s.in : s.out;
  result = forward ? s.out : s.in;
  for (int d = 0; d < 3; ++d) {
    axes[d] = forward ? std::vector<ConvAxis>{alongForward(s, d)} : alongTransposed(s, d);
    int64_t before = 0, behind = 0;
    for (const ConvAxis& a : axes[d])
      for (int64_t shift : a.shifts) {
        before = std::min(before, shift);
        behind = std::max(behind, shift + (a.count - 1) * a.step + 1 - source[d]);
      }
    low[d] = -before;
    size[d] = source[d] - before + behind;
  }
}

void ConvBox::fill(const float* plane, float* box) const {
  const int64_t row = source[2], wide = size[2], left = std::min(low[2], wide), right = wide - left - row;
  const auto clear = [](float* at, int64_t n) { std::fill_n(at, n, 0.0f); };
  clear(box, low[0] * size[1] * wide);
  box += low[0] * size[1] * wide;
  for (int64_t z = 0; z < source[0]; ++z) {
    clear(box, low[1] * wide);
    box += low[1] * wide;
    for (int64_t y = 0; y < source[1]; ++y, box += wide, plane += row) {
      clear(box, left);
      std::copy_n(plane, row, box + left);
      clear(box + left + row, right);
    }
    const int64_t below = (size[1] - low[1] - source[1]) * wide;
    clear(box, below);
    box += below;
  }
  clear(box, (size[0] - low[0] - source[0]) * size[1] * wide);
}

}  // namespace flambeau::cpu
