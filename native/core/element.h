// Single elements: half-precision bits, and reading or writing one element of any dtype. Not for loops that matter.
#pragma once
#include <cstdint>
#include <cstring>

#include "flambeau/dtype.h"
#include "flambeau/scalar.h"

// Never emitted as a shared function: the same header is compiled for several instruction sets, and the linker would
// keep one copy of it for all machines.
#define FB_ALWAYS_INLINE [[gnu::always_inline]] inline

namespace flambeau {

/// bfloat16 → float: exact.
FB_ALWAYS_INLINE float fromBFloat16(uint16_t h) { return __builtin_bit_cast(float, static_cast<uint32_t>(h) << 16); }
/// float → bfloat16, round to nearest even; NaN stays NaN.
FB_ALWAYS_INLINE uint16_t toBFloat16(float f) {
  uint32_t u = __builtin_bit_cast(uint32_t, f);
  if ((u & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(0x7fc0u);
  return static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

/// float16 → float: exact, subnormals included.
FB_ALWAYS_INLINE float fromFloat16(uint16_t h) {
  uint32_t w = static_cast<uint32_t>(h) << 16, sign = w & 0x80000000u, two = w + w;
  // Normal numbers: move exponent and mantissa into place and rescale; subnormals: through a float subtraction.
  float normal = __builtin_bit_cast(float, (two >> 4) + (0xe0u << 23)) * 0x1.0p-112f;
  float small = __builtin_bit_cast(float, (two >> 17) | (126u << 23)) - 0.5f;
  uint32_t bits = two < (1u << 27) ? __builtin_bit_cast(uint32_t, small) : __builtin_bit_cast(uint32_t, normal);
  return __builtin_bit_cast(float, sign | bits);
}
/// float → float16, round to nearest even; overflow gives infinity.
FB_ALWAYS_INLINE uint16_t toFloat16(float f) {
  float base = (__builtin_fabsf(f) * 0x1.0p+112f) * 0x1.0p-110f;
  uint32_t w = __builtin_bit_cast(uint32_t, f), two = w + w, sign = w & 0x80000000u;
  uint32_t bias = two & 0xff000000u;
  if (bias < 0x71000000u) bias = 0x71000000u;
  base = __builtin_bit_cast(float, (bias >> 1) + 0x07800000u) + base;
  uint32_t bits = __builtin_bit_cast(uint32_t, base);
  uint32_t nonSign = ((bits >> 13) & 0x7c00u) + (bits & 0x0fffu);
  return static_cast<uint16_t>((sign >> 16) | (two > 0xff000000u ? 0x7e00u : nonSign));
}

/// Reads one element as a host number.
Scalar loadScalar(const void* p, DType t);
/// Writes a number as an element, converting like PyTorch's fill_ (floats truncate, integers wrap).
void storeScalar(void* p, DType t, Scalar s);

}  // namespace flambeau
