// clang-format off
// Scalar counterpart of prelude.h for CUDA kernels that are generated at run time: the same fb_ names, one element at a time.
// Behind native/cuda/abi.cuh self-contained under nvcc and NVRTC; the SIMT shim of the tests compiles it for the CPU. Build with -fmad=false, so that products
// and sums round separately as on the CPU.
// Unformatted: rows of one-line functions are read side by side, and section marks must stay at the margin.
#ifndef FLAMBEAU_CUDA_PRELUDE_H
#define FLAMBEAU_CUDA_PRELUDE_H
#define FB_D __device__ __forceinline__
#ifndef FB_BLOCK
#define FB_BLOCK 256  // threads of a block
#define FB_WIDE 1024  // the same where a block has one long row
#endif
typedef float fb_m_f32;
typedef double fb_m_f64;
typedef unsigned short fb_m_f16;
typedef unsigned short fb_m_bf16;
typedef signed char fb_m_i8;
typedef short fb_m_i16;
typedef int fb_m_i32;
typedef long long fb_m_i64;
typedef unsigned char fb_m_u8;
typedef unsigned char fb_m_b8;

FB_D unsigned fb_bits(float x) { union { float f; unsigned u; } v; v.f = x; return v.u; }
FB_D float fb_float(unsigned u) { union { float f; unsigned u; } v; v.u = u; return v.f; }
FB_D float fb_inf() { return fb_float(0x7f800000u); }
FB_D float fb_nan() { return fb_float(0x7fc00000u); }

// ---- storage ↔ compute ----
FB_D float fb_get_f32(const fb_m_f32* p, fb_int i) { return p[i]; }
FB_D double fb_get_f64(const fb_m_f64* p, fb_int i) { return p[i]; }
FB_D float fb_get_bf16(const fb_m_bf16* p, fb_int i) { return fb_float((unsigned)p[i] << 16); }
FB_D float fb_get_f16(const fb_m_f16* p, fb_int i) {
  unsigned h = p[i], sign = (h & 0x8000u) << 16, em = h & 0x7fffu;
  if (em >= 0x7c00u) return fb_float(sign | (em << 13) | 0x7f800000u);
  return fb_float(sign | fb_bits(fb_float(em << 13) * 5192296858534827628530496329220096.0f));
}
FB_D int fb_get_i8(const fb_m_i8* p, fb_int i) { return p[i]; }
FB_D int fb_get_i16(const fb_m_i16* p, fb_int i) { return p[i]; }
FB_D int fb_get_i32(const fb_m_i32* p, fb_int i) { return p[i]; }
FB_D fb_int fb_get_i64(const fb_m_i64* p, fb_int i) { return p[i]; }
FB_D int fb_get_u8(const fb_m_u8* p, fb_int i) { return p[i]; }
FB_D bool fb_get_b8(const fb_m_b8* p, fb_int i) { return p[i] != 0; }
FB_D void fb_put_f32(fb_m_f32* p, fb_int i, float v) { p[i] = v; }
FB_D void fb_put_f64(fb_m_f64* p, fb_int i, double v) { p[i] = v; }
FB_D void fb_put_bf16(fb_m_bf16* p, fb_int i, float v) {
  unsigned u = fb_bits(v);
  p[i] = v != v ? 0x7fc0 : (unsigned short)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}
FB_D void fb_put_f16(fb_m_f16* p, fb_int i, float v) {
  unsigned u = fb_bits(v), sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu, r;
  if (a > 0x7f800000u) r = 0x7e00u;
  else if (a >= 0x477ff000u) r = 0x7c00u;
  else if (a < 0x38800000u) r = fb_bits(fb_float(a) + 0.5f) - 0x3f000000u;
  else r = (a - 0x38000000u + 0xfffu + ((a >> 13) & 1u)) >> 13;
  p[i] = (unsigned short)(sign | r);
}
FB_D void fb_put_i8(fb_m_i8* p, fb_int i, int v) { p[i] = (signed char)v; }
FB_D void fb_put_i16(fb_m_i16* p, fb_int i, int v) { p[i] = (short)v; }
FB_D void fb_put_i32(fb_m_i32* p, fb_int i, int v) { p[i] = v; }
FB_D void fb_put_i64(fb_m_i64* p, fb_int i, fb_int v) { p[i] = v; }
FB_D void fb_put_u8(fb_m_u8* p, fb_int i, int v) { p[i] = (unsigned char)v; }
FB_D void fb_put_b8(fb_m_b8* p, fb_int i, bool v) { p[i] = v ? 1 : 0; }
FB_D fb_int fb_at(fb_int i, fb_int n, int code, int* error) {
  if ((unsigned long long)i < (unsigned long long)n) return i;
  *error = code;
  return 0;
}

// ---- neighbours: one access of up to sixteen bytes, or a few of them ----
template <class T, int N> struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) fb_pack { T v[N]; };
template <int N, class T> FB_D fb_pack<T, N> fb_load_pack(const T* p, fb_int i) { return *reinterpret_cast<const fb_pack<T, N>*>(p + i); }
template <int N, class T> FB_D void fb_store_pack(T* p, fb_int i, const fb_pack<T, N>& v) { *reinterpret_cast<fb_pack<T, N>*>(p + i) = v; }

// ---- tiles of a square of n × n: 8 × 8 of them at a time, each such block followed by its mirror image ----
__host__ __device__ inline fb_int fb_mirror_tiles(fb_int n) { return (n + 7) / 8 * ((n + 7) / 8) * 64; }
FB_D bool fb_mirror_tile(fb_int tile, fb_int n, fb_int* i, fb_int* j) {
  fb_int blocks = (n + 7) / 8, b = tile / 64, row = b, col = b;
  if (b >= blocks) {
    // Behind the diagonal: pairs (k, k + s), (k + s, k) for s = 1, 2, ... around the circle.
    fb_int pair = (b - blocks) / 2, s = pair / blocks + 1, k = pair % blocks, other = (k + s) % blocks;
    bool mirror = (b - blocks) % 2 != 0;
    row = mirror ? other : k, col = mirror ? k : other;
  }
  *i = row * 8 + tile % 64 / 8, *j = col * 8 + tile % 8;
  return *i < n && *j < n;
}

// ---- conversions and wraps ----
#define FB_CVT(FROM, T, TO, U) FB_D U fb_cvt_##FROM##_##TO(T v) { return (U)v; }
FB_CVT(f32, float, f64, double) FB_CVT(f32, float, i32, int) FB_CVT(f32, float, i64, fb_int)
FB_CVT(f64, double, f32, float) FB_CVT(f64, double, i32, int) FB_CVT(f64, double, i64, fb_int)
FB_CVT(i32, int, f32, float) FB_CVT(i32, int, f64, double) FB_CVT(i32, int, i64, fb_int)
FB_CVT(i64, fb_int, f32, float) FB_CVT(i64, fb_int, f64, double) FB_CVT(i64, fb_int, i32, int)
FB_CVT(b, bool, f32, float) FB_CVT(b, bool, f64, double) FB_CVT(b, bool, i32, int) FB_CVT(b, bool, i64, fb_int)
FB_D bool fb_cvt_f32_b(float v) { return v != 0; }
FB_D bool fb_cvt_f64_b(double v) { return v != 0; }
FB_D bool fb_cvt_i32_b(int v) { return v != 0; }
FB_D bool fb_cvt_i64_b(fb_int v) { return v != 0; }
FB_D int fb_wrap_i8(int v) { return (signed char)v; }
FB_D int fb_wrap_i16(int v) { return (short)v; }
FB_D int fb_wrap_u8(int v) { return (unsigned char)v; }

// ---- arithmetic ----
template <class T> FB_D T fb_select(bool c, T a, T b) { return c ? a : b; }
template <class T> FB_D T fb_add(T a, T b) { return a + b; }
template <class T> FB_D T fb_sub(T a, T b) { return a - b; }
template <class T> FB_D T fb_mul(T a, T b) { return a * b; }
template <class T> FB_D T fb_neg(T a) { return -a; }
template <class T> FB_D T fb_div(T a, T b) { return a / b; }
template <class T> FB_D bool fb_lt(T a, T b) { return a < b; }
template <class T> FB_D bool fb_le(T a, T b) { return a <= b; }
template <class T> FB_D bool fb_gt(T a, T b) { return a > b; }
template <class T> FB_D bool fb_ge(T a, T b) { return a >= b; }
template <class T> FB_D bool fb_eq(T a, T b) { return a == b; }
template <class T> FB_D bool fb_ne(T a, T b) { return a != b; }
FB_D bool fb_and(bool a, bool b) { return a && b; }
FB_D bool fb_or(bool a, bool b) { return a || b; }
FB_D bool fb_xor(bool a, bool b) { return a != b; }
FB_D bool fb_not(bool a) { return !a; }
template <class T> FB_D T fb_bitand(T a, T b) { return a & b; }
template <class T> FB_D T fb_bitor(T a, T b) { return a | b; }
template <class T> FB_D T fb_bitxor(T a, T b) { return a ^ b; }
template <class T> FB_D T fb_bitnot(T a) { return ~a; }
template <class T> FB_D T fb_shl(T a, T b) { return b < 0 || b > (T)(8 * sizeof(T) - 1) ? 0 : (T)((unsigned long long)a << b); }
template <class T> FB_D T fb_shr(T a, T b) { return a >> (b < 0 || b > (T)(8 * sizeof(T) - 1) ? (T)(8 * sizeof(T) - 1) : b); }
template <class T> FB_D T fb_max(T a, T b) { return a != a || a > b ? a : b; }
template <class T> FB_D T fb_min(T a, T b) { return a != a || a < b ? a : b; }
template <class T> FB_D T fb_sign(T a) { return a != a ? a : (T)((a > 0) - (a < 0)); }
FB_D int fb_abs(int a) { return a < 0 ? -a : a; }
FB_D fb_int fb_abs(fb_int a) { return a < 0 ? -a : a; }
template <class T> FB_D bool fb_isnan(T a) { return a != a; }
FB_D bool fb_isfinite(float a) { return (fb_bits(a) & 0x7f800000u) != 0x7f800000u; }
FB_D bool fb_isfinite(double a) { return a - a == 0; }
FB_D bool fb_isfinite(int) { return true; }
FB_D bool fb_isfinite(fb_int) { return true; }
#define FB_UNARY(NAME, F)                     \
  FB_D float fb_##NAME(float a) { return F##f(a); }  \
  FB_D double fb_##NAME(double a) { return F(a); }
#define FB_SECOND(NAME, F)                                         \
  FB_D float fb_##NAME(float a, float b) { return F##f(a, b); }    \
  FB_D double fb_##NAME(double a, double b) { return F(a, b); }
FB_UNARY(abs, fabs) FB_UNARY(floor, floor) FB_UNARY(ceil, ceil) FB_UNARY(trunc, trunc) FB_UNARY(round, rint) FB_UNARY(sqrt, sqrt)
FB_UNARY(exp, exp) FB_UNARY(exp2, exp2) FB_UNARY(expm1, expm1) FB_UNARY(log, log) FB_UNARY(log2, log2) FB_UNARY(log10, log10)
FB_UNARY(log1p, log1p) FB_UNARY(sin, sin) FB_UNARY(cos, cos) FB_UNARY(tan, tan) FB_UNARY(asin, asin) FB_UNARY(acos, acos)
FB_UNARY(atan, atan) FB_UNARY(sinh, sinh) FB_UNARY(cosh, cosh) FB_UNARY(tanh, tanh) FB_UNARY(asinh, asinh) FB_UNARY(acosh, acosh)
FB_UNARY(atanh, atanh) FB_UNARY(erf, erf) FB_UNARY(erfc, erfc) FB_UNARY(lgamma, lgamma)
FB_SECOND(atan2, atan2) FB_SECOND(fmod, fmod) FB_SECOND(pow, pow) FB_SECOND(nextafter, nextafter) FB_SECOND(hypot, hypot)
FB_SECOND(copysign, copysign)
FB_D float fb_rsqrt(float a) { return 1.0f / sqrtf(a); }
FB_D double fb_rsqrt(double a) { return 1.0 / sqrt(a); }
FB_D float fb_fma(float a, float b, float c) { return fmaf(a, b, c); }
FB_D double fb_fma(double a, double b, double c) { return fma(a, b, c); }
FB_D int fb_floor(int a) { return a; }
FB_D int fb_ceil(int a) { return a; }
FB_D int fb_round(int a) { return a; }
FB_D int fb_trunc(int a) { return a; }
FB_D fb_int fb_floor(fb_int a) { return a; }
FB_D fb_int fb_ceil(fb_int a) { return a; }
FB_D fb_int fb_round(fb_int a) { return a; }
FB_D fb_int fb_trunc(fb_int a) { return a; }
FB_D float fb_mod(float a, float b) { float r = fmodf(a, b); return r != 0 && (r < 0) != (b < 0) ? r + b : r; }
FB_D double fb_mod(double a, double b) { double r = fmod(a, b); return r != 0 && (r < 0) != (b < 0) ? r + b : r; }
FB_D float fb_idiv(float a, float b) { return truncf(a / b); }
FB_D double fb_idiv(double a, double b) { return trunc(a / b); }
template <class T> FB_D T fb_quotient(T a, T b) { return b == 0 ? 0 : b == -1 ? -a : a / b; }
template <class T> FB_D T fb_rest(T a, T b) { return b == 0 || b == -1 ? 0 : a % b; }
template <class T> FB_D T fb_modulo(T a, T b) { T r = fb_rest(a, b); return r != 0 && (r < 0) != (b < 0) ? r + b : r; }
template <class T> FB_D T fb_power(T a, T b) {
  if (b < 0) return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
  T r = 1;
  for (; b; b >>= 1, a *= a)
    if (b & 1) r *= a;
  return r;
}
FB_D int fb_idiv(int a, int b) { return fb_quotient(a, b); }
FB_D fb_int fb_idiv(fb_int a, fb_int b) { return fb_quotient(a, b); }
FB_D int fb_fmod(int a, int b) { return fb_rest(a, b); }
FB_D fb_int fb_fmod(fb_int a, fb_int b) { return fb_rest(a, b); }
FB_D int fb_mod(int a, int b) { return fb_modulo(a, b); }
FB_D fb_int fb_mod(fb_int a, fb_int b) { return fb_modulo(a, b); }
FB_D int fb_pow(int a, int b) { return fb_power(a, b); }
FB_D fb_int fb_pow(fb_int a, fb_int b) { return fb_power(a, b); }
FB_D double fb_digamma(double x) {
  double r = 0;
  if (x <= 0) {
    if (x == floor(x)) return x == 0 ? copysign((double)fb_inf(), -x) : (double)fb_nan();
    r = -3.14159265358979323846 / tan(3.14159265358979323846 * x);
    x = 1 - x;
  }
  for (; x < 10; x += 1) r -= 1 / x;
  double z = 1 / (x * x);
  return r + log(x) - 0.5 / x - z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132)))));
}
FB_D float fb_digamma(float x) { return (float)fb_digamma((double)x); }

// ---- what special.h is written in ----
typedef fb_int fb_i64;
FB_D fb_int fb_remainder(fb_int a, fb_int b) { return fb_rest(a, b); }
FB_D double fb_digamma_scalar(double x) { return fb_digamma(x); }
FB_D bool fb_isinf(double a) { return fabs(a) == (double)fb_inf(); }
#define FB_LANES1(NAME, F, D)                \
  FB_D float NAME(float a) { return F(a); }  \
  FB_D double NAME(double a) { return D(a); }
#define FB_LANES2(NAME, F, D)                            \
  FB_D float NAME(float a, float b) { return F(a, b); }  \
  FB_D double NAME(double a, double b) { return D(a, b); }
#define FB_LANES2_INT(NAME, F)                              \
  FB_D int NAME(int a, int b) { return (int)F(a, b); }      \
  FB_D fb_int NAME(fb_int a, fb_int b) { return F(a, b); }

// ---- the partner's value, k lanes away in the warp ----
template <class T> FB_D T fb_shuffle(T a, int k) { return __shfl_xor_sync(0xffffffffu, a, k); }
FB_D bool fb_shuffle(bool a, int k) { return __shfl_xor_sync(0xffffffffu, (int)a, k) != 0; }

// ---- Philox4x32-10, as in prelude.h ----
FB_D float fb_uniform(fb_int index, unsigned long long seed) {
  unsigned c0 = (unsigned)index, c1 = (unsigned)((unsigned long long)index >> 32), c2 = 0, c3 = 0;
  unsigned k0 = (unsigned)seed, k1 = (unsigned)(seed >> 32);
  for (int round = 0; round < 10; round++) {
    unsigned long long p = (unsigned long long)c0 * 0xD2511F53u, q = (unsigned long long)c2 * 0xCD9E8D57u;
    unsigned n0 = (unsigned)(q >> 32) ^ c1 ^ k0, n2 = (unsigned)(p >> 32) ^ c3 ^ k1;
    c1 = (unsigned)q, c3 = (unsigned)p, c0 = n0, c2 = n2;
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  return (float)(c0 >> 8) * (1.0f / 16777216.0f);
}
#endif
