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

// Positions are 64-bit outside, 32-bit in registers (a plane is smaller than 2^31). A value that does not fit becomes
// -1.
FB_INLINE void storeIndex(int64_t* p, I at, int n) {
  typedef int64_t wide __attribute__((vector_size(sizeof(I) * 2)));
  const wide v = __builtin_convertvector(at, wide);
  if (n == kLanes)
    __builtin_memcpy(p, &v, sizeof v);
  else
    for (int i = 0; i < n; ++i) p[i] = at[i];
}
FB_INLINE I loadIndex(const int64_t* p) {
#if defined(FB_ISA_avx512)
  // Saturating: what does not fit matches no window either.
  const __m256i lo = _mm512_cvtsepi64_epi32(_mm512_loadu_si512(p)),
                hi = _mm512_cvtsepi64_epi32(_mm512_loadu_si512(p + 8));
  return (I)_mm512_inserti64x4(_mm512_castsi256_si512(lo), hi, 1);
#else
  I v;
  for (int i = 0; i < kLanes; ++i) v[i] = p[i] >= 0 && p[i] <= 0x7fffffff ? static_cast<int32_t>(p[i]) : -1;
  return v;
#endif
}

// Keeps the later value when it is larger or NaN, as PyTorch's scan does.
FB_INLINE void take(V& best, I& at, V v, I where) {
  const I better = (v > best) | (v != v);
  best = better ? v : best;
  at = better ? where : at;
}

// Rows on their own: any width.
void maxRows(const Pool2x2& s, const float* x, float* y, int64_t* index) {
  I lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = 2 * i;
  const int64_t width = s.width;
  const int32_t w = static_cast<int32_t>(width);
  for (int64_t row = 0; row < s.outH; ++row, x += 2 * width) {
    for (int64_t c = 0; c < s.outW; c += kLanes) {
      const int n = static_cast<int>(s.outW - c < kLanes ? s.outW - c : kLanes);
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
      storeIndex(index, at, n);
      y += n;
      index += n;
    }
  }
}

constexpr int kGroups = kLanes / 4;  // groups of four windows (chunks of eight columns) per register

// Two registers of columns, whose chunks of eight lie where `at` says.
FB_INLINE void loadChunks(const float* x, const int32_t* at, V& a, V& b) {
#if defined(FB_ISA_avx512)
  const auto two = [&](int32_t p, int32_t q) {
    return (V)_mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(x + p)), _mm256_loadu_ps(x + q), 1);
  };
  a = two(at[0], at[1]);
  b = two(at[2], at[3]);
#elif defined(FB_ISA_avx2)
  a = load(x + at[0]);
  b = load(x + at[1]);
#else
  a = load(x + at[0]);
  b = load(x + at[0] + 4);
#endif
}
FB_INLINE void storeChunks(float* x, const int32_t* at, V a, V b) {
#if defined(FB_ISA_avx512)
  _mm256_storeu_ps(x + at[0], _mm512_castps512_ps256((__m512)a));
  _mm256_storeu_ps(x + at[1], _mm512_extractf32x8_ps((__m512)a, 1));
  _mm256_storeu_ps(x + at[2], _mm512_castps512_ps256((__m512)b));
  _mm256_storeu_ps(x + at[3], _mm512_extractf32x8_ps((__m512)b, 1));
#elif defined(FB_ISA_avx2)
  store(x + at[0], a);
  store(x + at[1], b);
#else
  store(x + at[0], a);
  store(x + at[0] + 4, b);
#endif
}

// Even and odd columns back in order.
FB_INLINE void interleave(V even, V odd, V& a, V& b) {
#if defined(FB_ISA_avx512)
  a = __builtin_shufflevector(even, odd, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  b = __builtin_shufflevector(even, odd, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#elif defined(FB_ISA_avx2)
  a = __builtin_shufflevector(even, odd, 0, 8, 1, 9, 2, 10, 3, 11);
  b = __builtin_shufflevector(even, odd, 4, 12, 5, 13, 6, 14, 7, 15);
#else
  a = __builtin_shufflevector(even, odd, 0, 4, 1, 5);
  b = __builtin_shufflevector(even, odd, 2, 6, 3, 7);
#endif
}

void max(const Pool2x2& s, const float* x, float* y, int64_t* index) {
  const int64_t windows = s.outH * s.outW, groups = windows / 4;
  for (int64_t p = 0; p < s.planes; ++p, x += s.inPixels, y += windows, index += windows) {
    if (!s.groups) {
      maxRows(s, x, y, index);
      continue;
    }
    const int32_t w = static_cast<int32_t>(s.width);
    int64_t g = 0;
    for (; g + kGroups <= groups; g += kGroups) {
      V a, b, d, e;
      loadChunks(x, s.groups + g, a, b);
      loadChunks(x + w, s.groups + g, d, e);
      const I base = load(s.windows + 4 * g);
      V best = evens(a, b);
      I at = base;
      take(best, at, odds(a, b), base + 1);
      take(best, at, evens(d, e), base + w);
      take(best, at, odds(d, e), base + (w + 1));
      store(y + 4 * g, best);
      storeIndex(index + 4 * g, at, kLanes);
    }
    for (int64_t i = 4 * g; i < windows; ++i) {
      const float* q = x + s.windows[i];
      const int32_t steps[4] = {0, 1, w, w + 1};
      float best = q[0];
      int32_t at = 0;
      for (int k = 1; k < 4; ++k)
        if (q[steps[k]] > best || q[steps[k]] != q[steps[k]]) best = q[steps[k]], at = steps[k];
      y[i] = best;
      index[i] = s.windows[i] + at;
    }
  }
}

// The first `n` elements, `stride` apart (`kStride` 0: any): nothing after the last of them is read.
template <int kStride>
FB_INLINE V strided(const float* x, int64_t stride, int n) {
  if constexpr (kStride == 1) return n == kLanes ? load(x) : loadMasked(x, Mask(n));
  if constexpr (kStride == 2) {
    const int reach = 2 * n - 1;
    if (reach <= kLanes) return evens(reach == kLanes ? load(x) : loadMasked(x, Mask(reach)), V{});
    return evens(load(x), loadMasked(x + kLanes, Mask(reach - kLanes)));
  }
  V v{};
  for (int i = 0; i < n; ++i) v[i] = x[i * stride];
  return v;
}
template <int kStride>
void maxRowOf(const MaxRow& r, const float* x, float* y, int64_t* index) {
  const float lowest = -__builtin_inff();
  const int32_t step = static_cast<int32_t>(r.stride);
  I lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = i * step;
  for (int64_t c = 0; c < r.count; c += kLanes) {
    const int n = static_cast<int>(r.count - c < kLanes ? r.count - c : kLanes);
    const int32_t base = r.first + static_cast<int32_t>(c) * step;
    const I start = lane + base;
    V best = splat(lowest);
    I at = start;
    for (int64_t t = 0; t < r.tapCount; ++t)
      take(best, at, strided<kStride>(x + base + r.taps[t], r.stride, n), start + r.taps[t]);
    if (n == kLanes)
      store(y + c, best);
    else
      storeMasked(y + c, best, Mask(n));
    storeIndex(index + c, at, n);
  }
}
void maxRow(const MaxRow& r, const float* x, float* y, int64_t* index) {
  if (r.stride == 1)
    maxRowOf<1>(r, x, y, index);
  else if (r.stride == 2)
    maxRowOf<2>(r, x, y, index);
  else
    maxRowOf<0>(r, x, y, index);
}

bool maxBackward(const Pool2x2& s, const float* dy, const int64_t* index, float* dx) {
  const int64_t windows = s.outH * s.outW, groups = windows / 4;
  const int32_t w = static_cast<int32_t>(s.width);
  I wrong = {};
  int64_t wrongTail = 0;
  for (int64_t p = 0; p < s.planes; ++p, dx += s.inPixels, dy += windows, index += windows) {
    int64_t g = 0;
    for (; g + kGroups <= groups; g += kGroups) {
      const V v = load(dy + 4 * g);
      const I from = loadIndex(index + 4 * g) - load(s.windows + 4 * g);
      const I q0 = from == 0, q1 = from == 1, q2 = from == w, q3 = from == w + 1;
      wrong |= ~(q0 | q1 | q2 | q3);
      V a, b;
      interleave(q0 ? v : V{}, q1 ? v : V{}, a, b);
      storeChunks(dx, s.groups + g, a, b);
      interleave(q2 ? v : V{}, q3 ? v : V{}, a, b);
      storeChunks(dx + w, s.groups + g, a, b);
    }
    for (int64_t i = 4 * g; i < windows; ++i) {
      float* q = dx + s.windows[i];
      const int64_t from = index[i] - s.windows[i];
      wrongTail |= from != 0 && from != 1 && from != w && from != w + 1;
      q[0] = from == 0 ? dy[i] : 0;
      q[1] = from == 1 ? dy[i] : 0;
      q[w] = from == w ? dy[i] : 0;
      q[w + 1] = from == w + 1 ? dy[i] : 0;
    }
  }
  for (int i = 0; i < kLanes; ++i) wrongTail |= wrong[i];
  return wrongTail == 0;
}

}  // namespace

extern const PoolKernels FB_ISA_NAME(poolKernels);
const PoolKernels FB_ISA_NAME(poolKernels) = {max, maxRow, maxBackward};

}  // namespace flambeau::cpu
