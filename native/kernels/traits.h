// Storage types as the loops see them: how W elements of a dtype become a compute vector and back.
#pragma once
#include "kernels/prelude.h"

namespace flambeau::kernels::FB_ISA {

/// One trait struct per storage dtype, over the prelude's functions of the same suffix.
#define FB_TRAIT(NAME, VEC, BYTES)                                                                      \
  struct NAME {                                                                                         \
    using V = VEC;                                                                                      \
    static constexpr long long size = BYTES;                                                            \
    static inline V load(const char* p) { return fb_load_##NAME(p); }                                   \
    static inline V loadn(const char* p, long long n) { return fb_loadn_##NAME(p, n); }                 \
    static inline V loads(const char* p, long long s, long long n) { return fb_loads_##NAME(p, s, n); } \
    static inline void store(char* p, V v) { fb_store_##NAME(p, v); }                                   \
    static inline void storen(char* p, V v, long long n) { fb_storen_##NAME(p, v, n); }                 \
    static inline void stores(char* p, long long s, V v, long long n) { fb_stores_##NAME(p, s, v, n); } \
  };
FB_TRAIT(f32, f32v, 4)
FB_TRAIT(f64, f64v, 8)
FB_TRAIT(f16, f32v, 2)
FB_TRAIT(bf16, f32v, 2)
FB_TRAIT(i8, i32v, 1)
FB_TRAIT(i16, i32v, 2)
FB_TRAIT(i32, i32v, 4)
FB_TRAIT(i64, i64v, 8)
FB_TRAIT(u8, i32v, 1)
FB_TRAIT(b8, maskv, 1)
#undef FB_TRAIT

/// bool where arithmetic treats it as 0/1 (add is or, mul is and): computed as int32, stored as != 0.
struct b8i {
  using V = i32v;
  static constexpr long long size = 1;
  static inline V load(const char* p) { return fb_cvt_b_i32(fb_load_b8(p)); }
  static inline V loadn(const char* p, long long n) { return fb_cvt_b_i32(fb_loadn_b8(p, n)); }
  static inline V loads(const char* p, long long s, long long n) { return fb_cvt_b_i32(fb_loads_b8(p, s, n)); }
  static inline void store(char* p, V v) { fb_store_b8(p, fb_cvt_i32_b(v)); }
  static inline void storen(char* p, V v, long long n) { fb_storen_b8(p, fb_cvt_i32_b(v), n); }
  static inline void stores(char* p, long long s, V v, long long n) { fb_stores_b8(p, s, fb_cvt_i32_b(v), n); }
};

inline f32v splatAs(f32v, double x) { return fb_splat_f32((float)x); }
inline f64v splatAs(f64v, double x) { return fb_splat_f64(x); }
inline i32v splatAs(i32v, double x) { return fb_splat_i32((int)(long long)x); }
inline i64v splatAs(i64v, double x) { return fb_splat_i64((long long)x); }

}  // namespace flambeau::kernels::FB_ISA
