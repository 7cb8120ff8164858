// clang-format off
// W-lane vectors: types, conversions, 16-bit floats, loads and stores. The first part of the prelude (prelude.h says what holds for all).
// One lane count for all types (FB_W): 16 with AVX-512, 8 with AVX2, 4 otherwise; 64-bit types are pairs of half vectors.
#ifndef FLAMBEAU_VECTORS_H
#define FLAMBEAU_VECTORS_H
//@section base
#ifndef FB_W
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define FB_W 16
#elif defined(__AVX2__) && defined(__FMA__)
#define FB_W 8
#else
#define FB_W 4
#endif
#endif
#if FB_W == 16 && defined(__AVX512F__)
#define FB_AVX512 1
#elif FB_W == 8 && defined(__AVX2__)
#define FB_AVX2 1
#elif FB_W == 4 && defined(__SSE4_1__)
#define FB_SSE 1
#endif
#define FB_FN static inline __attribute__((always_inline, unused))
#define FB_H (FB_W / 2)

typedef long long fb_i64;
typedef unsigned int fb_u32;
typedef unsigned short fb_u16;
typedef float f32v __attribute__((vector_size(FB_W * 4)));
typedef int i32v __attribute__((vector_size(FB_W * 4)));
typedef fb_u32 fb_u32v __attribute__((vector_size(FB_W * 4)));
typedef i32v maskv;  // 0 / -1 in each lane: a bool value
typedef double fb_f64h __attribute__((vector_size(FB_W * 4)));
typedef fb_i64 fb_i64h __attribute__((vector_size(FB_W * 4)));
typedef unsigned long long fb_u64h __attribute__((vector_size(FB_W * 4)));
typedef float fb_f32h __attribute__((vector_size(FB_W * 2)));
typedef int fb_i32h __attribute__((vector_size(FB_W * 2)));
typedef fb_u16 fb_u16v __attribute__((vector_size(FB_W * 2)));
typedef short fb_i16v __attribute__((vector_size(FB_W * 2)));
typedef signed char fb_i8v __attribute__((vector_size(FB_W)));
typedef unsigned char fb_u8v __attribute__((vector_size(FB_W)));
struct f64v {
  fb_f64h lo, hi;
  double operator[](int i) const { return i < FB_H ? lo[i] : hi[i - FB_H]; }
};
struct i64v {
  fb_i64h lo, hi;
  fb_i64 operator[](int i) const { return i < FB_H ? lo[i] : hi[i - FB_H]; }
};
// Memory forms: any alignment, may alias anything.
typedef f32v fb_f32m __attribute__((aligned(1), may_alias));
typedef i32v fb_i32m __attribute__((aligned(1), may_alias));
typedef fb_f64h fb_f64m __attribute__((aligned(1), may_alias));
typedef fb_i64h fb_i64m __attribute__((aligned(1), may_alias));
typedef fb_u16v fb_u16m __attribute__((aligned(1), may_alias));
typedef fb_i8v fb_i8m __attribute__((aligned(1), may_alias));
typedef fb_u8v fb_u8m __attribute__((aligned(1), may_alias));

#if FB_W == 16
#define FB_LANES 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
#define FB_LO 0, 1, 2, 3, 4, 5, 6, 7
#define FB_HI 8, 9, 10, 11, 12, 13, 14, 15
#elif FB_W == 8
#define FB_LANES 0, 1, 2, 3, 4, 5, 6, 7
#define FB_LO 0, 1, 2, 3
#define FB_HI 4, 5, 6, 7
#else
#define FB_LANES 0, 1, 2, 3
#define FB_LO 0, 1
#define FB_HI 2, 3
#endif

// Minus zero, not plus: 0 + -0 is 0.
FB_FN f32v fb_splat_f32(float x) { return x - f32v{}; }
FB_FN i32v fb_splat_i32(int x) { return i32v{} + x; }
FB_FN maskv fb_splat_b(bool x) { return i32v{} - (int)x; }
FB_FN f64v fb_splat_f64(double x) { return f64v{x - fb_f64h{}, x - fb_f64h{}}; }
FB_FN i64v fb_splat_i64(fb_i64 x) { return i64v{fb_i64h{} + x, fb_i64h{} + x}; }
FB_FN i32v fb_iota_i32() { return i32v{FB_LANES}; }

// Halves of a W-lane vector of 32-bit elements, and back.
FB_FN fb_f32h fb_lo(f32v v) { return __builtin_shufflevector(v, v, FB_LO); }
FB_FN fb_f32h fb_hi(f32v v) { return __builtin_shufflevector(v, v, FB_HI); }
FB_FN fb_i32h fb_lo(i32v v) { return __builtin_shufflevector(v, v, FB_LO); }
FB_FN fb_i32h fb_hi(i32v v) { return __builtin_shufflevector(v, v, FB_HI); }
FB_FN f32v fb_join(fb_f32h a, fb_f32h b) { return __builtin_shufflevector(a, b, FB_LANES); }
FB_FN i32v fb_join(fb_i32h a, fb_i32h b) { return __builtin_shufflevector(a, b, FB_LANES); }
FB_FN i32v fb_bits(f32v v) { return (i32v)v; }
FB_FN f32v fb_float(i32v v) { return (f32v)v; }
FB_FN maskv fb_narrow_mask(fb_i64h a, fb_i64h b) {
  return fb_join(__builtin_convertvector(a, fb_i32h), __builtin_convertvector(b, fb_i32h));
}
FB_FN fb_i64h fb_widen_lo(maskv m) { return __builtin_convertvector(fb_lo(m), fb_i64h); }
FB_FN fb_i64h fb_widen_hi(maskv m) { return __builtin_convertvector(fb_hi(m), fb_i64h); }

// ---- conversions; float to int truncates; b is 1 or 0 ----
FB_FN f32v fb_cvt_i32_f32(i32v v) { return __builtin_convertvector(v, f32v); }
FB_FN f32v fb_cvt_f64_f32(f64v v) {
  return fb_join(__builtin_convertvector(v.lo, fb_f32h), __builtin_convertvector(v.hi, fb_f32h));
}
FB_FN f32v fb_cvt_i64_f32(i64v v) {
  return fb_join(__builtin_convertvector(v.lo, fb_f32h), __builtin_convertvector(v.hi, fb_f32h));
}
FB_FN f32v fb_cvt_b_f32(maskv v) { return (f32v)(v & (i32v)fb_splat_f32(1.0f)); }
FB_FN f64v fb_cvt_f32_f64(f32v v) {
  return f64v{__builtin_convertvector(fb_lo(v), fb_f64h), __builtin_convertvector(fb_hi(v), fb_f64h)};
}
FB_FN f64v fb_cvt_i32_f64(i32v v) {
  return f64v{__builtin_convertvector(fb_lo(v), fb_f64h), __builtin_convertvector(fb_hi(v), fb_f64h)};
}
FB_FN f64v fb_cvt_i64_f64(i64v v) { return f64v{__builtin_convertvector(v.lo, fb_f64h), __builtin_convertvector(v.hi, fb_f64h)}; }
FB_FN f64v fb_cvt_b_f64(maskv v) { return fb_cvt_i32_f64(-v); }
FB_FN i32v fb_cvt_f32_i32(f32v v) { return __builtin_convertvector(v, i32v); }
FB_FN i32v fb_cvt_f64_i32(f64v v) {
  return fb_join(__builtin_convertvector(v.lo, fb_i32h), __builtin_convertvector(v.hi, fb_i32h));
}
FB_FN i32v fb_cvt_i64_i32(i64v v) {
  return fb_join(__builtin_convertvector(v.lo, fb_i32h), __builtin_convertvector(v.hi, fb_i32h));
}
FB_FN i32v fb_cvt_b_i32(maskv v) { return -v; }
FB_FN i64v fb_cvt_i32_i64(i32v v) {
  return i64v{__builtin_convertvector(fb_lo(v), fb_i64h), __builtin_convertvector(fb_hi(v), fb_i64h)};
}
FB_FN i64v fb_cvt_f32_i64(f32v v) {
  return i64v{__builtin_convertvector(fb_lo(v), fb_i64h), __builtin_convertvector(fb_hi(v), fb_i64h)};
}
FB_FN i64v fb_cvt_f64_i64(f64v v) { return i64v{__builtin_convertvector(v.lo, fb_i64h), __builtin_convertvector(v.hi, fb_i64h)}; }
FB_FN i64v fb_cvt_b_i64(maskv v) { return fb_cvt_i32_i64(-v); }
FB_FN maskv fb_cvt_f32_b(f32v v) { return v != 0.0f; }
FB_FN maskv fb_cvt_i32_b(i32v v) { return v != 0; }
FB_FN maskv fb_cvt_f64_b(f64v v) { return fb_narrow_mask(v.lo != 0.0, v.hi != 0.0); }
FB_FN maskv fb_cvt_i64_b(i64v v) { return fb_narrow_mask(v.lo != 0, v.hi != 0); }
FB_FN i32v fb_wrap_i8(i32v v) { return (v << 24) >> 24; }
FB_FN i32v fb_wrap_i16(i32v v) { return (v << 16) >> 16; }
FB_FN i32v fb_wrap_u8(i32v v) { return v & 255; }

// ---- float16 and bfloat16, round to nearest even ----
FB_FN f32v fb_f32_from_bf16(fb_u16v h) { return (f32v)(__builtin_convertvector(h, i32v) << 16); }
FB_FN fb_u16v fb_bf16_from_f32(f32v v) {
  i32v u = (i32v)v;
  i32v r = (i32v)((fb_u32v)(u + 0x7fff + ((u >> 16) & 1)) >> 16);
  r = (v != v) ? i32v{} + 0x7fc0 : r;
  return __builtin_convertvector(r, fb_u16v);
}
#if defined(FB_AVX512)
FB_FN f32v fb_f32_from_f16(fb_u16v h) { return (f32v)__builtin_ia32_vcvtph2ps512_mask((fb_i16v)h, f32v{}, (unsigned short)-1, 4); }
FB_FN fb_u16v fb_f16_from_f32(f32v v) { return (fb_u16v)__builtin_ia32_vcvtps2ph512_mask(v, 0, (fb_i16v){}, (unsigned short)-1); }
#elif defined(FB_AVX2) && defined(__F16C__)
FB_FN f32v fb_f32_from_f16(fb_u16v h) { return __builtin_ia32_vcvtph2ps256((fb_i16v)h); }
FB_FN fb_u16v fb_f16_from_f32(f32v v) { return (fb_u16v)__builtin_ia32_vcvtps2ph256(v, 0); }
#else
FB_FN f32v fb_f32_from_f16(fb_u16v h) {
  i32v x = __builtin_convertvector(h, i32v);
  i32v sign = (x & 0x8000) << 16, em = x & 0x7fff;
  f32v normal = (f32v)(em << 13) * 0x1p112f;             // also right for subnormals
  i32v infnan = (em << 13) | 0x7f800000;
  return (f32v)(sign | (em >= 0x7c00 ? infnan : (i32v)normal));
}
FB_FN fb_u16v fb_f16_from_f32(f32v v) {
  i32v u = (i32v)v, sign = (i32v)((fb_u32v)u >> 16) & 0x8000, a = u & 0x7fffffff;
  i32v sub = (i32v)((f32v)a + 0.5f) - 0x3f000000;        // the adder rounds at the place of the smallest half
  i32v nor = (a - 0x38000000 + 0xfff + ((a >> 13) & 1)) >> 13;
  i32v r = a < 0x38800000 ? sub : nor;
  r = a >= 0x477ff000 ? i32v{} + 0x7c00 : r;
  r = a > 0x7f800000 ? i32v{} + 0x7e00 : r;
  return __builtin_convertvector(r | sign, fb_u16v);
}
#endif

// ---- loads and stores ----
FB_FN f32v fb_load_f32(const void* p) { return *(const fb_f32m*)p; }
FB_FN f64v fb_load_f64(const void* p) { return f64v{((const fb_f64m*)p)[0], ((const fb_f64m*)p)[1]}; }
FB_FN f32v fb_load_f16(const void* p) { return fb_f32_from_f16(*(const fb_u16m*)p); }
FB_FN f32v fb_load_bf16(const void* p) { return fb_f32_from_bf16(*(const fb_u16m*)p); }
FB_FN i32v fb_load_i8(const void* p) { return __builtin_convertvector((fb_i8v)*(const fb_i8m*)p, i32v); }
FB_FN i32v fb_load_i16(const void* p) { return __builtin_convertvector((fb_i16v)*(const fb_u16m*)p, i32v); }
FB_FN i32v fb_load_i32(const void* p) { return *(const fb_i32m*)p; }
FB_FN i64v fb_load_i64(const void* p) { return i64v{((const fb_i64m*)p)[0], ((const fb_i64m*)p)[1]}; }
FB_FN i32v fb_load_u8(const void* p) { return __builtin_convertvector((fb_u8v)*(const fb_u8m*)p, i32v); }
FB_FN maskv fb_load_b8(const void* p) { return fb_load_u8(p) != 0; }
FB_FN void fb_store_f32(void* p, f32v v) { *(fb_f32m*)p = v; }
FB_FN void fb_store_f64(void* p, f64v v) { ((fb_f64m*)p)[0] = v.lo, ((fb_f64m*)p)[1] = v.hi; }
FB_FN void fb_store_f16(void* p, f32v v) { *(fb_u16m*)p = fb_f16_from_f32(v); }
FB_FN void fb_store_bf16(void* p, f32v v) { *(fb_u16m*)p = fb_bf16_from_f32(v); }
FB_FN void fb_store_i8(void* p, i32v v) { *(fb_i8m*)p = __builtin_convertvector(v, fb_i8v); }
FB_FN void fb_store_i16(void* p, i32v v) { *(fb_u16m*)p = __builtin_convertvector(v, fb_u16v); }
FB_FN void fb_store_i32(void* p, i32v v) { *(fb_i32m*)p = v; }
FB_FN void fb_store_i64(void* p, i64v v) { ((fb_i64m*)p)[0] = v.lo, ((fb_i64m*)p)[1] = v.hi; }
FB_FN void fb_store_u8(void* p, i32v v) { *(fb_u8m*)p = __builtin_convertvector(v, fb_u8v); }
FB_FN void fb_store_b8(void* p, maskv v) { fb_store_u8(p, -v); }

// The first n < W lanes. Elsewhere a copy through a zeroed buffer: the other lanes read as zero.
#define FB_LOADN(T, V, BYTES)                                     \
  FB_FN V fb_loadn_##T(const void* p, fb_i64 n) {                 \
    char t[FB_W * BYTES] = {};                                    \
    for (fb_i64 i = 0; i < n; i++) __builtin_memcpy(t + i * BYTES, (const char*)p + i * BYTES, BYTES); \
    return fb_load_##T(t);                                        \
  }
#define FB_STOREN(T, V, BYTES)                                    \
  FB_FN void fb_storen_##T(void* p, V v, fb_i64 n) {              \
    char t[FB_W * BYTES];                                         \
    fb_store_##T(t, v);                                           \
    for (fb_i64 i = 0; i < n; i++) __builtin_memcpy((char*)p + i * BYTES, t + i * BYTES, BYTES); \
  }
// Byte step `s` between elements, n <= W of them.
#define FB_STRIDED(T, V, BYTES)                                   \
  FB_FN V fb_loads_##T(const void* p, fb_i64 s, fb_i64 n) {       \
    char t[FB_W * BYTES] = {};                                    \
    for (fb_i64 i = 0; i < n; i++) __builtin_memcpy(t + i * BYTES, (const char*)p + i * s, BYTES); \
    return fb_load_##T(t);                                        \
  }                                                               \
  FB_FN void fb_stores_##T(void* p, fb_i64 s, V v, fb_i64 n) {    \
    char t[FB_W * BYTES];                                         \
    fb_store_##T(t, v);                                           \
    for (fb_i64 i = 0; i < n; i++) __builtin_memcpy((char*)p + i * s, t + i * BYTES, BYTES); \
  }
#if defined(FB_AVX512)
FB_FN unsigned short fb_first(fb_i64 n) { return (unsigned short)((1u << n) - 1); }
FB_FN f32v fb_loadn_f32(const void* p, fb_i64 n) { return __builtin_ia32_loadups512_mask((const float*)p, f32v{}, fb_first(n)); }
FB_FN void fb_storen_f32(void* p, f32v v, fb_i64 n) { __builtin_ia32_storeups512_mask((float*)p, v, fb_first(n)); }
FB_FN i32v fb_loadn_i32(const void* p, fb_i64 n) { return __builtin_ia32_loaddqusi512_mask((const int*)p, i32v{}, fb_first(n)); }
FB_FN void fb_storen_i32(void* p, i32v v, fb_i64 n) { __builtin_ia32_storedqusi512_mask((int*)p, v, fb_first(n)); }
FB_FN f64v fb_loadn_f64(const void* p, fb_i64 n) {
  return f64v{__builtin_ia32_loadupd512_mask((const double*)p, fb_f64h{}, (unsigned char)fb_first(n)),
              __builtin_ia32_loadupd512_mask((const double*)p + 8, fb_f64h{}, (unsigned char)(fb_first(n) >> 8))};
}
FB_FN void fb_storen_f64(void* p, f64v v, fb_i64 n) {
  __builtin_ia32_storeupd512_mask((double*)p, v.lo, (unsigned char)fb_first(n));
  __builtin_ia32_storeupd512_mask((double*)p + 8, v.hi, (unsigned char)(fb_first(n) >> 8));
}
FB_FN i64v fb_loadn_i64(const void* p, fb_i64 n) {
  return i64v{__builtin_ia32_loaddqudi512_mask((const fb_i64*)p, fb_i64h{}, (unsigned char)fb_first(n)),
              __builtin_ia32_loaddqudi512_mask((const fb_i64*)p + 8, fb_i64h{}, (unsigned char)(fb_first(n) >> 8))};
}
FB_FN void fb_storen_i64(void* p, i64v v, fb_i64 n) {
  __builtin_ia32_storedqudi512_mask((fb_i64*)p, v.lo, (unsigned char)fb_first(n));
  __builtin_ia32_storedqudi512_mask((fb_i64*)p + 8, v.hi, (unsigned char)(fb_first(n) >> 8));
}
#else
#if defined(FB_AVX2)
FB_FN i32v fb_first(fb_i64 n) { return fb_iota_i32() < (int)n; }
FB_FN f32v fb_loadn_f32(const void* p, fb_i64 n) { return __builtin_ia32_maskloadps256((const f32v*)p, fb_first(n)); }
FB_FN void fb_storen_f32(void* p, f32v v, fb_i64 n) { __builtin_ia32_maskstoreps256((f32v*)p, fb_first(n), v); }
FB_FN i32v fb_loadn_i32(const void* p, fb_i64 n) { return __builtin_ia32_maskloadd256((const i32v*)p, fb_first(n)); }
FB_FN void fb_storen_i32(void* p, i32v v, fb_i64 n) { __builtin_ia32_maskstored256((i32v*)p, fb_first(n), v); }
#else
FB_LOADN(f32, f32v, 4) FB_STOREN(f32, f32v, 4) FB_LOADN(i32, i32v, 4) FB_STOREN(i32, i32v, 4)
#endif
FB_LOADN(f64, f64v, 8) FB_STOREN(f64, f64v, 8) FB_LOADN(i64, i64v, 8) FB_STOREN(i64, i64v, 8)
#endif
FB_LOADN(f16, f32v, 2) FB_STOREN(f16, f32v, 2) FB_LOADN(bf16, f32v, 2) FB_STOREN(bf16, f32v, 2)
FB_LOADN(i8, i32v, 1) FB_STOREN(i8, i32v, 1) FB_LOADN(i16, i32v, 2) FB_STOREN(i16, i32v, 2)
FB_LOADN(u8, i32v, 1) FB_STOREN(u8, i32v, 1) FB_LOADN(b8, maskv, 1) FB_STOREN(b8, maskv, 1)
FB_STRIDED(f32, f32v, 4) FB_STRIDED(f64, f64v, 8) FB_STRIDED(f16, f32v, 2) FB_STRIDED(bf16, f32v, 2) FB_STRIDED(i8, i32v, 1)
FB_STRIDED(i16, i32v, 2) FB_STRIDED(i32, i32v, 4) FB_STRIDED(i64, i64v, 8) FB_STRIDED(u8, i32v, 1) FB_STRIDED(b8, maskv, 1)

/// Non-temporal store; p must be aligned to the vector (4 * W bytes).
FB_FN void fb_stream_f32(void* p, f32v v) {
#if defined(FB_AVX512)
  __builtin_ia32_movntps512((float*)p, v);
#elif defined(FB_AVX2)
  __builtin_ia32_movntps256((float*)p, v);
#elif defined(FB_SSE)
  __builtin_ia32_movntps((float*)p, v);
#else
  fb_store_f32(p, v);
#endif
}
/// Orders non-temporal stores before what follows.
FB_FN void fb_stream_fence() {
#if defined(FB_AVX512) || defined(FB_AVX2) || defined(FB_SSE)
  __builtin_ia32_sfence();
#endif
}
//@section end
#endif
