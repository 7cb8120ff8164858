// The commonest pooling, 2 x 2 windows side by side: even and odd columns are separated in registers.
#include "cpu/pool_kernels.h"

#include "cpu/isa/lanes.h"

namespace flambeau::cpu {
namespace {

using V = vec<float>;
using I = vec<int32_t>;
constexpr int kLanes = W<float>;

FB_INLINE V evens(V a, V b) {
#if defined(FB_ISA_avx512)
  return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
#elif defined(FB_ISA_avx2)
  return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
#else
  return __builtin_shufflevector(a, b, 0, 2, 4, 6);
#endif
}
FB_INLINE V odds(V a, V b) {
#if defined(FB_ISA_avx512)
  return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
#elif defined(FB_ISA_avx2)
  return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
#else
  return __builtin_shufflevector(a, b, 1, 3, 5, 7);
#endif
}

// Keeps the later value when it is larger or NaN, as PyTorch's scan does.
FB_INLINE void take(V& best, I& at, V v, I where) {
  const I better = (v > best) | (v != v);
  best = better ? v : best;
  at = better ? where : at;
}

void max2x2(const float* x, int64_t width, int64_t outH, int64_t outW, float* y, int64_t* index) {
  I lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = 2 * i;
  const int32_t w = static_cast<int32_t>(width);
  for (int64_t row = 0; row < outH; ++row, x += 2 * width) {
    for (int64_t c = 0; c < outW; c += kLanes) {
      const int n = static_cast<int>(outW - c < kLanes ? outW - c : kLanes);
      const int first = 2 * n < kLanes ? 2 * n : kLanes, second = 2 * n - first;
      const float *top = x + 2 * c, *low = top + width;
      V a, b, d, e;
      if (n == kLanes) {
        a = load(top), b = load(top + kLanes), d = load(low), e = load(low + kLanes);
      } else {
        const Mask m1(first), m2(second);
        a = loadMasked(top, m1), d = loadMasked(low, m1);
        b = second ? loadMasked(top + kLanes, m2) : V{}, e = second ? loadMasked(low + kLanes, m2) : V{};
      }
      const I base = lane + static_cast<int32_t>(2 * row * width + 2 * c);
      V best = evens(a, b);
      I at = base;
      take(best, at, odds(a, b), base + 1);
      take(best, at, evens(d, e), base + w);
      take(best, at, odds(d, e), base + (w + 1));
      if (n == kLanes)
        store(y, best);
      else
        storeMasked(y, best, Mask(n));
      int32_t flat[kLanes];
      __builtin_memcpy(flat, &at, sizeof at);
      for (int i = 0; i < n; ++i) index[i] = flat[i];
      y += n;
      index += n;
    }
  }
}

}  // namespace

extern const PoolKernels FB_ISA_NAME(poolKernels);
const PoolKernels FB_ISA_NAME(poolKernels) = {max2x2};

}  // namespace flambeau::cpu
