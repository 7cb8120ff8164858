// Unfolding images into columns and back, for the cases that the direct loops do not read in place.
#pragma once
#include <algorithm>
#include <cstring>

#include "cpu/conv.h"

namespace flambeau::cpu {

/// columns[(t - tapBegin) * ld + q - begin] = x[tap t of output pixel q], zero outside the image, for pixels [begin,
/// end). Taps count channel-major over the channels of `x` (one group).
template <class T>
void unfold(const ConvSpec& s, const T* x, int64_t tapBegin, int64_t tapEnd, int64_t begin, int64_t end, T* columns,
            int64_t ld) {
  const int64_t ow = s.out[2], oh = s.out[1], iw = s.in[2], ih = s.in[1];
  for (int64_t t = tapBegin; t < tapEnd; ++t) {
    const int64_t kw = t % s.kernel[2], kh = t / s.kernel[2] % s.kernel[1],
                  kd = t / (s.kernel[2] * s.kernel[1]) % s.kernel[0];
    const T* plane = x + t / s.taps() * s.inPixels();
    T* to = columns + (t - tapBegin) * ld;
    // Columns x of the output whose source lies inside the row: [first, last).
    const int64_t shift = kw * s.dilation[2] - s.pad[2], step = s.stride[2];
    const int64_t first = shift >= 0 ? 0 : std::min(ow, (-shift + step - 1) / step);
    const int64_t last = iw - shift <= 0 ? first : std::clamp<int64_t>((iw - shift + step - 1) / step, first, ow);
    for (int64_t q = begin; q < end;) {
      const int64_t row = q / ow, x0 = q % ow, x1 = std::min(ow, x0 + end - q);
      const int64_t y = row % oh * s.stride[1] + kh * s.dilation[1] - s.pad[1],
                    z = row / oh * s.stride[0] + kd * s.dilation[0] - s.pad[0];
      if (y < 0 || y >= ih || z < 0 || z >= s.in[0]) {
        std::memset(to, 0, static_cast<size_t>(x1 - x0) * sizeof(T));
      } else {
        const T* from = plane + (z * ih + y) * iw;
        const int64_t a = std::clamp(first, x0, x1), b = std::clamp(last, a, x1);
        for (int64_t c = x0; c < a; ++c) to[c - x0] = T(0);
        if (step == 1) {
          if (b > a) std::memcpy(to + (a - x0), from + (a + shift), static_cast<size_t>(b - a) * sizeof(T));
        } else
          for (int64_t c = a; c < b; ++c) to[c - x0] = from[c * step + shift];
        for (int64_t c = b; c < x1; ++c) to[c - x0] = T(0);
      }
      to += x1 - x0;
      q += x1 - x0;
    }
  }
}

/// Adds columns (taps of one channel x all output pixels, row step ld) into the image plane dx, which must hold its
/// start values.
template <class T>
void foldAdd(const ConvSpec& s, const T* columns, int64_t ld, T* dx) {
  const int64_t ow = s.out[2], oh = s.out[1], iw = s.in[2], ih = s.in[1];
  for (int64_t t = 0; t < s.taps(); ++t) {
    const int64_t kw = t % s.kernel[2], kh = t / s.kernel[2] % s.kernel[1], kd = t / (s.kernel[2] * s.kernel[1]);
    const int64_t shift = kw * s.dilation[2] - s.pad[2], step = s.stride[2];
    const int64_t first = shift >= 0 ? 0 : std::min(ow, (-shift + step - 1) / step);
    const int64_t last = iw - shift <= 0 ? first : std::clamp<int64_t>((iw - shift + step - 1) / step, first, ow);
    const T* from = columns + t * ld;
    for (int64_t row = 0; row < s.out[0] * oh; ++row, from += ow) {
      const int64_t y = row % oh * s.stride[1] + kh * s.dilation[1] - s.pad[1],
                    z = row / oh * s.stride[0] + kd * s.dilation[0] - s.pad[0];
      if (y < 0 || y >= ih || z < 0 || z >= s.in[0]) continue;
      T* to = dx + (z * ih + y) * iw;
      for (int64_t c = first; c < last; ++c) to[c * step + shift] = static_cast<T>(to[c * step + shift] + from[c]);
    }
  }
}

}  // namespace flambeau::cpu
