// clang-format off
// The part of the prelude that only generated programs use: division by a row's value, transposed reads. Like the vector prelude it includes nothing and
// is cut into sections.
#ifndef FLAMBEAU_PROGRAMS_H
#define FLAMBEAU_PROGRAMS_H
//@section division needs base
/// 1 / b for fb_div_by: NaN where the shortcut is not exact.
FB_FN f32v fb_div_prepare(f32v b) {
  const f32v a = fb_abs(b);
  return a > 0x1p-90f && a < 0x1p90f ? 1.0f / b : fb_const(__builtin_nanf(""));
}
/// a / b with r = fb_div_prepare(b): a product, and its error put right; less than a division's time. Where the error is zero, infinite or
/// NaN the product stands: it is exact and has the sign of zero, or is beyond all numbers. Unusual divisors are divided by; like all that
/// depends on r alone, the test goes out of the loop.
FB_FN f32v fb_div_by(f32v a, f32v b, f32v r) {
#if defined(FB_AVX512) || defined(FB_AVX2)
  const f32v q = a * r, error = fb_fma(-q, b, a);
#if defined(FB_AVX512)
  if (__builtin_expect(__builtin_ia32_cmpps512_mask(r, r, 3, (unsigned short)-1, 4) != 0, 0)) return a / b;
  // The error's zeros, infinities and NaNs become the zero whose product with r is -0, which changes no sum.
  const i32v zero = r < 0.0f ? i32v{} + 0x00880888 : i32v{} + 0x00770777;
  return fb_fma(__builtin_ia32_fixupimmps512_mask(error, error, zero, 0, (unsigned short)-1, 4), r, q);
#else
  if (__builtin_expect(__builtin_ia32_movmskps256((f32v)(r != r)) != 0, 0)) return a / b;
  const f32v size = fb_abs(error);
  return __builtin_ia32_blendvps256(q, fb_fma(error, r, q), (f32v)((size > f32v{}) & (size < fb_const(__builtin_inff()))));
#endif
#else
  (void)r;
  return a / b;
#endif
}
//@section underflow needs exp
#if defined(FB_AVX512)
alignas(64) static const float fb_exp_sixteenths[16] = {
    1.0f, 1.04427378f, 1.09050773f, 1.13878863f, 1.18920712f, 1.24185781f, 1.29683955f, 1.35425555f, 1.41421356f,
    1.47682615f, 1.54221083f, 1.61049033f, 1.68179283f, 1.75625216f, 1.83400809f, 1.91520656f};
/// e^a that computes nothing where the result is zero (masked scores, -infinity): a product that underflows takes the processor a hundred
/// cycles. 2^(j/16) is looked up in a register, so that the polynomial is of degree three: within 1.1 ulp.
FB_FN f32v fb_exp_or_zero(f32v a) {
  const f32v x = fb_minq(fb_const(89.0f), a);  // NaN passes: it is the second operand
  const f32v t = fb_fma(x, fb_const(1.44269504f), fb_const(786432.0f));  // rounds to sixteenths; the low bits are j
  const f32v n = t - 786432.0f;
  f32v f = fb_fma(n, fb_const(-6.93145752e-1f), x);
  f = fb_fma(n, fb_const(-1.42860677e-6f), f);
  const f32v power = __builtin_shuffle(fb_load_f32(fb_exp_sixteenths), (i32v)t);
  const f32v q = fb_fma(fb_fma(fb_const(0.16666667f), f, fb_const(0.5f)), f * f, f);
  // by 2^floor(n), but in lanes with a < -104, which are zero: whatever was computed for them is not used
  const auto some = __builtin_ia32_cmpps512_mask(a, fb_const(-104.0f), 21, (unsigned short)-1, 4);
  return __builtin_ia32_scalefps512_mask(fb_fma(power, q, power), n, f32v{}, some, 4);
}
#else
/// e^a that computes nothing where the result is zero (masked scores, -infinity): a product that underflows takes the processor a hundred
/// cycles.
FB_FN f32v fb_exp_or_zero(f32v a) {
  const maskv none = a < fb_const(-104.0f);
  const f32v r = fb_exp(none ? f32v{} : a);
  return none ? f32v{} : r;
}
#endif
//@section tiny needs base
/// Whether results below 2^-126, and operands, count as zero on this thread (and on those that help it). The emitter asks for it where
/// values are gradients that an optimizer uses up.
FB_FN void fb_flush_tiny(int on) {
#if defined(__SSE__)
  unsigned mode = __builtin_ia32_stmxcsr();
  mode = on ? mode | 0x8040u : mode & ~0x8040u;
  __asm__ volatile("ldmxcsr %0" : : "m"(mode) : "memory");
#else
  (void)on;
#endif
}
//@section steps needs base
/// The first n elements of p[0], p[S], p[2S], ... for S = 2 or 4, from whole registers; nothing after the last of them is read.
template <int S>
FB_FN f32v fb_load_step_f32(const float* p, fb_i64 n) {
  const i32v even = fb_iota_i32() * 2;
  const fb_i64 reach = S * (n - 1) + 1;
  f32v r[S];
  for (int k = 0; k < S; k++) {
    const fb_i64 left = reach - k * FB_W;
    r[k] = left >= FB_W ? fb_load_f32(p + k * FB_W) : left > 0 ? fb_loadn_f32(p + k * FB_W, left) : f32v{};
  }
  for (int width = S; width > 1; width /= 2)
    for (int k = 0; k < width / 2; k++) r[k] = __builtin_shuffle(r[2 * k], r[2 * k + 1], even);
  return r[0];
}
//@section tiles needs base
FB_FN fb_i64 fb_smaller(fb_i64 a, fb_i64 b) { return a < b ? a : b; }
// Pairs of elements, and pairs of pairs, of two vectors within their 128-bit lanes; and their even and odd lanes. Written out, so that
// each is one instruction without an index register.
#if FB_W == 16
#define FB_LOW_1 {0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29}
#define FB_HIGH_1 {2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31}
#define FB_LOW_2 {0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29}
#define FB_HIGH_2 {2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31}
#define FB_EVEN_LANES {0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27}
#define FB_ODD_LANES {4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31}
#elif FB_W == 8
#define FB_LOW_1 {0, 8, 1, 9, 4, 12, 5, 13}
#define FB_HIGH_1 {2, 10, 3, 11, 6, 14, 7, 15}
#define FB_LOW_2 {0, 1, 8, 9, 4, 5, 12, 13}
#define FB_HIGH_2 {2, 3, 10, 11, 6, 7, 14, 15}
#define FB_EVEN_LANES {0, 1, 2, 3, 8, 9, 10, 11}
#define FB_ODD_LANES {4, 5, 6, 7, 12, 13, 14, 15}
#else
#define FB_LOW_1 {0, 4, 1, 5}
#define FB_HIGH_1 {2, 6, 3, 7}
#define FB_LOW_2 {0, 1, 4, 5}
#define FB_HIGH_2 {2, 3, 6, 7}
#endif
/// Vectors l and l + w of each 2w: a macro, because a loop over w is not unrolled and would keep them in memory.
#define FB_MIX_LANES(to, from, w) \
  for (int l = 0; l < FB_W; l += 2 * w) \
    for (int k = 0; k < w; k++) { \
      to[l + k] = __builtin_shuffle(from[l + k], from[l + k + w], (i32v)FB_EVEN_LANES); \
      to[l + k + w] = __builtin_shuffle(from[l + k], from[l + k + w], (i32v)FB_ODD_LANES); \
    }
/// FB_W x FB_W elements of 4 bytes: to[q * wide + l] = from[l * step + q], by exchanges of ever larger blocks in registers.
FB_FN void fb_transpose_block(float* to, fb_i64 wide, const float* from, fb_i64 step) {
  f32v r[FB_W], t[FB_W];
  for (int l = 0; l < FB_W; l++) r[l] = fb_load_f32(from + l * step);
  for (int l = 0; l < FB_W; l += 2) {
    t[l] = __builtin_shuffle(r[l], r[l + 1], (i32v)FB_LOW_1);
    t[l + 1] = __builtin_shuffle(r[l], r[l + 1], (i32v)FB_HIGH_1);
  }
  for (int l = 0; l < FB_W; l += 4)
    for (int k = 0; k < 2; k++) {
      r[l + 2 * k] = __builtin_shuffle(t[l + k], t[l + k + 2], (i32v)FB_LOW_2);
      r[l + 2 * k + 1] = __builtin_shuffle(t[l + k], t[l + k + 2], (i32v)FB_HIGH_2);
    }
#if FB_W == 16
  FB_MIX_LANES(t, r, 4)
  FB_MIX_LANES(r, t, 8)
  for (int q = 0; q < FB_W; q++) fb_store_f32(to + q * wide, r[q]);
#elif FB_W == 8
  FB_MIX_LANES(t, r, 4)
  for (int q = 0; q < FB_W; q++) fb_store_f32(to + q * wide, t[q]);
#else
  for (int q = 0; q < FB_W; q++) fb_store_f32(to + q * wide, r[q]);
#endif
}
/// tile[q * wide + l] = from[l * step + q] for l < width, q < height. FB_W rows of the source at a time: more of them, a power of two
/// apart, would push each other out of the cache before the rest of their lines is used.
template <class T>
FB_FN void fb_transpose(T* tile, fb_i64 wide, const T* from, fb_i64 step, fb_i64 width, fb_i64 height) {
  fb_i64 l = 0;
  if constexpr (sizeof(T) == 4) {
    for (; l + FB_W <= width; l += FB_W) {
      fb_i64 q = 0;
      for (; q + FB_W <= height; q += FB_W)
        fb_transpose_block((float*)(tile + q * wide + l), wide, (const float*)(from + l * step + q), step);
      for (int k = 0; k < FB_W; k++)
        for (fb_i64 p = q; p < height; p++) tile[p * wide + l + k] = from[(l + k) * step + p];
    }
  }
  for (; l < width; l++)
    for (fb_i64 q = 0; q < height; q++) tile[q * wide + l] = from[l * step + q];
}
//@section end
#endif
