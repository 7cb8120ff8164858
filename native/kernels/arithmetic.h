// clang-format off
// Selection, comparison, arithmetic, rounding and horizontal reductions of W-lane vectors: the second part of the prelude.
#ifndef FLAMBEAU_ARITHMETIC_H
#define FLAMBEAU_ARITHMETIC_H
//@section base
// ---- select and comparison ----
FB_FN f32v fb_select(maskv m, f32v a, f32v b) { return m ? a : b; }
FB_FN i32v fb_select(maskv m, i32v a, i32v b) { return m ? a : b; }
FB_FN f64v fb_select(maskv m, f64v a, f64v b) { return f64v{fb_widen_lo(m) ? a.lo : b.lo, fb_widen_hi(m) ? a.hi : b.hi}; }
FB_FN i64v fb_select(maskv m, i64v a, i64v b) { return i64v{fb_widen_lo(m) ? a.lo : b.lo, fb_widen_hi(m) ? a.hi : b.hi}; }
#define FB_COMPARE(NAME, OP)                                                                           \
  FB_FN maskv NAME(f32v a, f32v b) { return a OP b; }                                                  \
  FB_FN maskv NAME(i32v a, i32v b) { return a OP b; }                                                  \
  FB_FN maskv NAME(f64v a, f64v b) { return fb_narrow_mask(a.lo OP b.lo, a.hi OP b.hi); }              \
  FB_FN maskv NAME(i64v a, i64v b) { return fb_narrow_mask(a.lo OP b.lo, a.hi OP b.hi); }
FB_COMPARE(fb_lt, <) FB_COMPARE(fb_le, <=) FB_COMPARE(fb_gt, >) FB_COMPARE(fb_ge, >=) FB_COMPARE(fb_eq, ==) FB_COMPARE(fb_ne, !=)
FB_FN maskv fb_not(maskv a) { return ~a; }
FB_FN maskv fb_and(maskv a, maskv b) { return a & b; }
FB_FN maskv fb_or(maskv a, maskv b) { return a | b; }
FB_FN maskv fb_xor(maskv a, maskv b) { return a ^ b; }

// ---- arithmetic ----
#define FB_ARITH(NAME, OP)                                                              \
  FB_FN f32v NAME(f32v a, f32v b) { return a OP b; }                                    \
  FB_FN f64v NAME(f64v a, f64v b) { return f64v{a.lo OP b.lo, a.hi OP b.hi}; }
#define FB_ARITH_INT(NAME, OP)                                                          \
  FB_FN i32v NAME(i32v a, i32v b) { return (i32v)((fb_u32v)a OP (fb_u32v)b); }          \
  FB_FN i64v NAME(i64v a, i64v b) {                                                     \
    return i64v{(fb_i64h)((fb_u64h)a.lo OP (fb_u64h)b.lo), (fb_i64h)((fb_u64h)a.hi OP (fb_u64h)b.hi)}; \
  }
FB_ARITH(fb_add, +) FB_ARITH(fb_sub, -) FB_ARITH(fb_mul, *) FB_ARITH(fb_div, /)
FB_ARITH_INT(fb_add, +) FB_ARITH_INT(fb_sub, -) FB_ARITH_INT(fb_mul, *)
FB_ARITH_INT(fb_bitand, &) FB_ARITH_INT(fb_bitor, |) FB_ARITH_INT(fb_bitxor, ^)
FB_FN f32v fb_neg(f32v a) { return -a; }
FB_FN f64v fb_neg(f64v a) { return f64v{-a.lo, -a.hi}; }
FB_FN i32v fb_neg(i32v a) { return (i32v)(-(fb_u32v)a); }
FB_FN i64v fb_neg(i64v a) { return i64v{(fb_i64h)(-(fb_u64h)a.lo), (fb_i64h)(-(fb_u64h)a.hi)}; }
FB_FN i32v fb_bitnot(i32v a) { return ~a; }
FB_FN i64v fb_bitnot(i64v a) { return i64v{~a.lo, ~a.hi}; }
FB_FN f32v fb_abs(f32v a) { return (f32v)((i32v)a & 0x7fffffff); }
FB_FN f64v fb_abs(f64v a) { return f64v{(fb_f64h)((fb_i64h)a.lo & 0x7fffffffffffffffLL), (fb_f64h)((fb_i64h)a.hi & 0x7fffffffffffffffLL)}; }
FB_FN i32v fb_abs(i32v a) { return a < 0 ? fb_neg(a) : a; }
FB_FN i64v fb_abs(i64v a) { i64v n = fb_neg(a); return i64v{a.lo < 0 ? n.lo : a.lo, a.hi < 0 ? n.hi : a.hi}; }
FB_FN f32v fb_sign(f32v a) { return a != a ? a : fb_cvt_b_f32(a > 0.0f) - fb_cvt_b_f32(a < 0.0f); }
FB_FN i32v fb_sign(i32v a) { return (a < 0) - (a > 0); }
FB_FN i64v fb_sign(i64v a) { return i64v{(a.lo < 0) - (a.lo > 0), (a.hi < 0) - (a.hi > 0)}; }
FB_FN fb_f64h fb_sign1(fb_f64h a) { fb_i64h s = (a < 0.0) - (a > 0.0); return a != a ? a : __builtin_convertvector(s, fb_f64h); }
FB_FN f64v fb_sign(f64v a) { return f64v{fb_sign1(a.lo), fb_sign1(a.hi)}; }
FB_FN maskv fb_isnan(f32v a) { return a != a; }
FB_FN maskv fb_isnan(f64v a) { return fb_narrow_mask(a.lo != a.lo, a.hi != a.hi); }
FB_FN maskv fb_isnan(i32v) { return i32v{}; }
FB_FN maskv fb_isnan(i64v) { return i32v{}; }
FB_FN maskv fb_isfinite(f32v a) { return ((i32v)a & 0x7f800000) != 0x7f800000; }
FB_FN maskv fb_isfinite(f64v a) {
  const fb_i64 e = 0x7ff0000000000000LL;
  return fb_narrow_mask(((fb_i64h)a.lo & e) != e, ((fb_i64h)a.hi & e) != e);
}
FB_FN maskv fb_isfinite(i32v) { return i32v{} - 1; }
FB_FN maskv fb_isfinite(i64v) { return i32v{} - 1; }
// Plain `a > b ? a : b` is the machine's max: b when either is NaN. fb_max and fb_min give NaN whenever one is.
FB_FN f32v fb_maxq(f32v a, f32v b) {
#if defined(FB_AVX512)
  return __builtin_ia32_maxps512_mask(a, b, f32v{}, (unsigned short)-1, 4);
#elif defined(FB_AVX2)
  return __builtin_ia32_maxps256(a, b);
#elif defined(FB_SSE)
  return __builtin_ia32_maxps(a, b);
#else
  return a > b ? a : b;
#endif
}
FB_FN f32v fb_minq(f32v a, f32v b) {
#if defined(FB_AVX512)
  return __builtin_ia32_minps512_mask(a, b, f32v{}, (unsigned short)-1, 4);
#elif defined(FB_AVX2)
  return __builtin_ia32_minps256(a, b);
#elif defined(FB_SSE)
  return __builtin_ia32_minps(a, b);
#else
  return a < b ? a : b;
#endif
}
#if defined(FB_AVX512)
// Takes a where it is NaN and r elsewhere, in one instruction: 1 says so for both kinds of NaN in its table of kinds of operands.
FB_FN f32v fb_keep_nan(f32v a, f32v r) { return __builtin_ia32_fixupimmps512_mask(r, a, i32v{} + 0x11, 0, (unsigned short)-1, 4); }
#else
FB_FN f32v fb_keep_nan(f32v a, f32v r) { return a != a ? a : r; }
#endif
FB_FN f32v fb_max(f32v a, f32v b) { return fb_keep_nan(a, fb_maxq(a, b)); }
FB_FN f32v fb_min(f32v a, f32v b) { return fb_keep_nan(a, fb_minq(a, b)); }
FB_FN fb_f64h fb_max1(fb_f64h a, fb_f64h b) { fb_f64h m = a > b ? a : b; return a != a ? a : m; }
FB_FN fb_f64h fb_min1(fb_f64h a, fb_f64h b) { fb_f64h m = a < b ? a : b; return a != a ? a : m; }
FB_FN f64v fb_max(f64v a, f64v b) { return f64v{fb_max1(a.lo, b.lo), fb_max1(a.hi, b.hi)}; }
FB_FN f64v fb_min(f64v a, f64v b) { return f64v{fb_min1(a.lo, b.lo), fb_min1(a.hi, b.hi)}; }
FB_FN i32v fb_max(i32v a, i32v b) { return a > b ? a : b; }
FB_FN i32v fb_min(i32v a, i32v b) { return a < b ? a : b; }
FB_FN i64v fb_max(i64v a, i64v b) { return i64v{a.lo > b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi}; }
FB_FN i64v fb_min(i64v a, i64v b) { return i64v{a.lo < b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi}; }
FB_FN f32v fb_copysign(f32v a, f32v b) { return (f32v)(((i32v)a & 0x7fffffff) | ((i32v)b & (int)0x80000000)); }
FB_FN fb_f64h fb_copysign1(fb_f64h a, fb_f64h b) {
  const fb_i64 s = (fb_i64)1 << 63;
  return (fb_f64h)(((fb_i64h)a & ~s) | ((fb_i64h)b & s));
}
FB_FN f64v fb_copysign(f64v a, f64v b) { return f64v{fb_copysign1(a.lo, b.lo), fb_copysign1(a.hi, b.hi)}; }

#if defined(FB_AVX512)
#define FB_ROUND(NAME, MODE)                                                                                            \
  FB_FN f32v NAME(f32v a) { return __builtin_ia32_rndscaleps_mask(a, MODE, f32v{}, (unsigned short)-1, 4); }            \
  FB_FN fb_f64h NAME##1(fb_f64h a) { return __builtin_ia32_rndscalepd_mask(a, MODE, fb_f64h{}, (unsigned char)-1, 4); }
FB_FN f32v fb_sqrt(f32v a) { return __builtin_ia32_sqrtps512_mask(a, f32v{}, (unsigned short)-1, 4); }
FB_FN fb_f64h fb_sqrt1(fb_f64h a) { return __builtin_ia32_sqrtpd512_mask(a, fb_f64h{}, (unsigned char)-1, 4); }
FB_FN f32v fb_fma(f32v a, f32v b, f32v c) { return __builtin_ia32_vfmaddps512_mask(a, b, c, (unsigned short)-1, 4); }
FB_FN fb_f64h fb_fma1(fb_f64h a, fb_f64h b, fb_f64h c) { return __builtin_ia32_vfmaddpd512_mask(a, b, c, (unsigned char)-1, 4); }
#elif defined(FB_AVX2)
#define FB_ROUND(NAME, MODE)                                                       \
  FB_FN f32v NAME(f32v a) { return __builtin_ia32_roundps256(a, MODE); }           \
  FB_FN fb_f64h NAME##1(fb_f64h a) { return __builtin_ia32_roundpd256(a, MODE); }
FB_FN f32v fb_sqrt(f32v a) { return __builtin_ia32_sqrtps256(a); }
FB_FN fb_f64h fb_sqrt1(fb_f64h a) { return __builtin_ia32_sqrtpd256(a); }
FB_FN f32v fb_fma(f32v a, f32v b, f32v c) { return __builtin_ia32_vfmaddps256(a, b, c); }
FB_FN fb_f64h fb_fma1(fb_f64h a, fb_f64h b, fb_f64h c) { return __builtin_ia32_vfmaddpd256(a, b, c); }
#elif defined(FB_SSE)
#define FB_ROUND(NAME, MODE)                                                    \
  FB_FN f32v NAME(f32v a) { return __builtin_ia32_roundps(a, MODE); }           \
  FB_FN fb_f64h NAME##1(fb_f64h a) { return __builtin_ia32_roundpd(a, MODE); }
FB_FN f32v fb_sqrt(f32v a) { return __builtin_ia32_sqrtps(a); }
FB_FN fb_f64h fb_sqrt1(fb_f64h a) { return __builtin_ia32_sqrtpd(a); }
FB_FN f32v fb_fma(f32v a, f32v b, f32v c) { return a * b + c; }
FB_FN fb_f64h fb_fma1(fb_f64h a, fb_f64h b, fb_f64h c) { return a * b + c; }
#else
#define FB_ROUND_fb_round __builtin_rint
#define FB_ROUND_fb_floor __builtin_floor
#define FB_ROUND_fb_ceil __builtin_ceil
#define FB_ROUND_fb_trunc __builtin_trunc
#define FB_ROUND(NAME, MODE)                                                                                  \
  FB_FN f32v NAME(f32v a) { for (int i = 0; i < FB_W; i++) a[i] = (float)FB_ROUND_##NAME(a[i]); return a; }    \
  FB_FN fb_f64h NAME##1(fb_f64h a) { for (int i = 0; i < FB_H; i++) a[i] = FB_ROUND_##NAME(a[i]); return a; }
FB_FN f32v fb_sqrt(f32v a) { for (int i = 0; i < FB_W; i++) a[i] = __builtin_sqrtf(a[i]); return a; }
FB_FN fb_f64h fb_sqrt1(fb_f64h a) { for (int i = 0; i < FB_H; i++) a[i] = __builtin_sqrt(a[i]); return a; }
FB_FN f32v fb_fma(f32v a, f32v b, f32v c) { return a * b + c; }
FB_FN fb_f64h fb_fma1(fb_f64h a, fb_f64h b, fb_f64h c) { return a * b + c; }
#endif
FB_ROUND(fb_round, 8) FB_ROUND(fb_floor, 9) FB_ROUND(fb_ceil, 10) FB_ROUND(fb_trunc, 11)
#define FB_PAIR(NAME) FB_FN f64v NAME(f64v a) { return f64v{NAME##1(a.lo), NAME##1(a.hi)}; }
FB_PAIR(fb_round) FB_PAIR(fb_floor) FB_PAIR(fb_ceil) FB_PAIR(fb_trunc) FB_PAIR(fb_sqrt)
FB_FN f64v fb_fma(f64v a, f64v b, f64v c) { return f64v{fb_fma1(a.lo, b.lo, c.lo), fb_fma1(a.hi, b.hi, c.hi)}; }
FB_FN i32v fb_round(i32v a) { return a; }
FB_FN i32v fb_floor(i32v a) { return a; }
FB_FN i32v fb_ceil(i32v a) { return a; }
FB_FN i32v fb_trunc(i32v a) { return a; }
FB_FN i64v fb_round(i64v a) { return a; }
FB_FN i64v fb_floor(i64v a) { return a; }
FB_FN i64v fb_ceil(i64v a) { return a; }
FB_FN i64v fb_trunc(i64v a) { return a; }
FB_FN f32v fb_rsqrt(f32v a) { return 1.0f / fb_sqrt(a); }
FB_FN f64v fb_rsqrt(f64v a) { return f64v{1.0 / fb_sqrt1(a.lo), 1.0 / fb_sqrt1(a.hi)}; }

// ---- horizontal reductions ----
// Butterflies: the partner of lane i is lane i ^ k.
#define FB_HTREE(NAME, V, S, OP)                                                                        \
  FB_FN S NAME(V v) {                                                                                   \
    if (FB_W == 16) v = OP(v, __builtin_shuffle(v, fb_iota_i32() ^ 8));                                 \
    if (FB_W >= 8) v = OP(v, __builtin_shuffle(v, fb_iota_i32() ^ (FB_W >= 8 ? 4 : 0)));                \
    v = OP(v, __builtin_shuffle(v, fb_iota_i32() ^ 2));                                                 \
    v = OP(v, __builtin_shuffle(v, fb_iota_i32() ^ 1));                                                 \
    return v[0];                                                                                        \
  }
FB_HTREE(fb_hsum, f32v, float, fb_add) FB_HTREE(fb_hmax, f32v, float, fb_max) FB_HTREE(fb_hmin, f32v, float, fb_min)
FB_HTREE(fb_hprod, f32v, float, fb_mul)
FB_HTREE(fb_hsum, i32v, int, fb_add) FB_HTREE(fb_hmax, i32v, int, fb_max) FB_HTREE(fb_hmin, i32v, int, fb_min)
FB_HTREE(fb_hprod, i32v, int, fb_mul)
#define FB_HPAIR(NAME, V, S, OP)                                          \
  FB_FN S NAME(V v) {                                                     \
    for (int k = FB_H / 2; k >= 1; k /= 2) v = OP(v, fb_rotate(v, k));    \
    return OP(v, V{v.hi, v.lo}).lo[0];                                    \
  }
FB_FN f64v fb_rotate(f64v v, int k) {
  fb_i64h at;
  for (int i = 0; i < FB_H; i++) at[i] = i ^ k;
  return f64v{__builtin_shuffle(v.lo, at), __builtin_shuffle(v.hi, at)};
}
FB_FN i64v fb_rotate(i64v v, int k) {
  fb_i64h at;
  for (int i = 0; i < FB_H; i++) at[i] = i ^ k;
  return i64v{__builtin_shuffle(v.lo, at), __builtin_shuffle(v.hi, at)};
}
FB_HPAIR(fb_hsum, f64v, double, fb_add) FB_HPAIR(fb_hmax, f64v, double, fb_max) FB_HPAIR(fb_hmin, f64v, double, fb_min)
FB_HPAIR(fb_hprod, f64v, double, fb_mul)
FB_HPAIR(fb_hsum, i64v, fb_i64, fb_add) FB_HPAIR(fb_hmax, i64v, fb_i64, fb_max) FB_HPAIR(fb_hmin, i64v, fb_i64, fb_min)
FB_HPAIR(fb_hprod, i64v, fb_i64, fb_mul)
/// Lane i gets lane i ^ k.
FB_FN f32v fb_swap(f32v v, int k) { return __builtin_shuffle(v, fb_iota_i32() ^ k); }
FB_FN i32v fb_swap(i32v v, int k) { return __builtin_shuffle(v, fb_iota_i32() ^ k); }
FB_FN f64v fb_swap(f64v v, int k) { return k == FB_H ? f64v{v.hi, v.lo} : fb_rotate(v, k); }
FB_FN i64v fb_swap(i64v v, int k) { return k == FB_H ? i64v{v.hi, v.lo} : fb_rotate(v, k); }
FB_FN bool fb_hany(maskv v) { int s = 0; for (int i = 0; i < FB_W; i++) s |= v[i]; return s != 0; }
FB_FN bool fb_hall(maskv v) { int s = -1; for (int i = 0; i < FB_W; i++) s &= v[i]; return s != 0; }

// ---- lane by lane, through a scalar function ----
#define FB_LANES1(NAME, F, D)                                                                                     \
  FB_FN f32v NAME(f32v a) { for (int i = 0; i < FB_W; i++) a[i] = F(a[i]); return a; }                            \
  FB_LANES1_F64(NAME, D)
#define FB_LANES1_F64(NAME, D)                                                                                    \
  FB_FN f64v NAME(f64v a) {                                                                                       \
    for (int i = 0; i < FB_H; i++) a.lo[i] = D(a.lo[i]), a.hi[i] = D(a.hi[i]);                                    \
    return a;                                                                                                     \
  }
#define FB_LANES2(NAME, F, D)                                                                                     \
  FB_FN f32v NAME(f32v a, f32v b) { for (int i = 0; i < FB_W; i++) a[i] = F(a[i], b[i]); return a; }              \
  FB_LANES2_F64(NAME, D)
#define FB_LANES2_F64(NAME, D)                                                                                    \
  FB_FN f64v NAME(f64v a, f64v b) {                                                                               \
    for (int i = 0; i < FB_H; i++) a.lo[i] = D(a.lo[i], b.lo[i]), a.hi[i] = D(a.hi[i], b.hi[i]);                  \
    return a;                                                                                                     \
  }
FB_FN f32v fb_const(float x) { return fb_splat_f32(x); }
//@section end
#endif
