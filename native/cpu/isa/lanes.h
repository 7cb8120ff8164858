// GCC vectors of the full register width of the instruction set this file is compiled for, with masked tails.
// Included only by files of cpu/isa, which are compiled once per instruction set. No standard headers with inline
// functions here: the linker would keep one copy of them, perhaps the AVX-512 one.
#pragma once
#include <stdint.h>
#if defined(__x86_64__)
// GCC 12's own header: values left undefined on purpose (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>
#endif

#if defined(FB_ISA_avx512)
#define FB_VECTOR_BYTES 64
#elif defined(FB_ISA_avx2)
#define FB_VECTOR_BYTES 32
#else
#define FB_VECTOR_BYTES 16
#endif
#define FB_JOIN2(a, b) a##_##b
#define FB_JOIN(a, b) FB_JOIN2(a, b)
/// FB_ISA_NAME(table) → table_avx512 and so on.
#define FB_ISA_NAME(name) FB_JOIN(name, FB_ISA)
#define FB_INLINE inline __attribute__((always_inline))

namespace flambeau::cpu {
namespace {

template <class T>
struct VecOf {
  typedef T type __attribute__((vector_size(FB_VECTOR_BYTES)));
  typedef T loose __attribute__((vector_size(FB_VECTOR_BYTES), aligned(alignof(T)), may_alias));
  static constexpr int lanes = FB_VECTOR_BYTES / static_cast<int>(sizeof(T));
};
template <class T>
using vec = typename VecOf<T>::type;
template <class T>
constexpr int W = VecOf<T>::lanes;

template <class T>
FB_INLINE vec<T> load(const T* p) {
  return *reinterpret_cast<const typename VecOf<T>::loose*>(p);
}
template <class T>
FB_INLINE void store(T* p, vec<T> v) {
  *reinterpret_cast<typename VecOf<T>::loose*>(p) = v;
}
template <class T>
FB_INLINE vec<T> splat(T x) {
  return x - vec<T>{};
}

// The first n lanes of a register (n in 1..W).
#if defined(FB_ISA_avx512)
struct Mask {
  __mmask16 m;
  explicit Mask(int n) : m(static_cast<__mmask16>((1u << n) - 1)) {}
  Mask() : m(0) {}
};
template <class T>
FB_INLINE vec<T> loadMasked(const T* p, Mask k) {
  if constexpr (sizeof(T) == 4)
    return (vec<T>)_mm512_maskz_loadu_epi32(k.m, p);
  else
    return (vec<T>)_mm512_maskz_loadu_epi64(static_cast<__mmask8>(k.m), p);
}
template <class T>
FB_INLINE void storeMasked(T* p, vec<T> v, Mask k) {
  if constexpr (sizeof(T) == 4)
    _mm512_mask_storeu_epi32(p, k.m, (__m512i)v);
  else
    _mm512_mask_storeu_epi64(p, static_cast<__mmask8>(k.m), (__m512i)v);
}
/// Lanes first..last-1.
FB_INLINE Mask maskRange(int first, int last) {
  Mask k;
  k.m = first >= last ? 0 : static_cast<__mmask16>(((1u << last) - 1) & ~((1u << first) - 1));
  return k;
}
#elif defined(FB_ISA_avx2)
struct Mask {
  __m256i m;
  int n = 0;
  Mask() : m(_mm256_setzero_si256()) {}
  explicit Mask(int count) : n(count) {
    m = _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};
FB_INLINE __m256i wideMask(Mask k) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(k.n), _mm256_setr_epi64x(0, 1, 2, 3));
}
template <class T>
FB_INLINE vec<T> loadMasked(const T* p, Mask k) {
  if constexpr (sizeof(T) == 4)
    return (vec<T>)_mm256_maskload_epi32(reinterpret_cast<const int*>(p), k.m);
  else
    return (vec<T>)_mm256_maskload_epi64(reinterpret_cast<const long long*>(p), wideMask(k));
}
template <class T>
FB_INLINE void storeMasked(T* p, vec<T> v, Mask k) {
  // A masked store takes AMD's processors a dozen cycles, whatever the mask.
  if (k.n == W<T>) return store(p, v);
  if constexpr (sizeof(T) == 4)
    _mm256_maskstore_epi32(reinterpret_cast<int*>(p), k.m, (__m256i)v);
  else
    _mm256_maskstore_epi64(reinterpret_cast<long long*>(p), wideMask(k), (__m256i)v);
}
FB_INLINE Mask maskRange(int first, int last) {
  Mask k;
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  k.m = _mm256_and_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(last), lane),
                         _mm256_cmpgt_epi32(lane, _mm256_set1_epi32(first - 1)));
  return k;
}
#else
struct Mask {
  int first = 0, last = 0;
  Mask() = default;
  explicit Mask(int n) : last(n) {}
};
template <class T>
FB_INLINE vec<T> loadMasked(const T* p, Mask k) {
  vec<T> v = {};
  for (int i = 0; i < W<T>; ++i)
    if (i >= k.first && i < k.last) v[i] = p[i];
  return v;
}
template <class T>
FB_INLINE void storeMasked(T* p, vec<T> v, Mask k) {
  for (int i = 0; i < W<T>; ++i)
    if (i >= k.first && i < k.last) p[i] = v[i];
}
FB_INLINE Mask maskRange(int first, int last) {
  Mask k;
  k.first = first;
  k.last = last;
  return k;
}
#endif

template <class T>
FB_INLINE vec<T> reluOf(vec<T> v) {
  // NaN stays NaN, as in max(x, 0) of PyTorch.
  return v < vec<T>{} ? vec<T>{} : v;
}

template <class T>
FB_INLINE T sumLanes(vec<T> v) {
  T lanes[W<T>];
  __builtin_memcpy(lanes, &v, sizeof v);
  for (int step = W<T> / 2; step; step /= 2)
    for (int i = 0; i < step; ++i) lanes[i] += lanes[i + step];
  return lanes[0];
}

// out[j] = sum of the lanes of a[j], for four float registers at once.
FB_INLINE void sumLanes4(const vec<float>* a, float* out) {
  typedef float f4 __attribute__((vector_size(16)));
#if defined(FB_ISA_avx512)
  const auto pair = [](__m512 x, __m512 y) {
    return _mm512_add_ps(_mm512_unpacklo_ps(x, y), _mm512_unpackhi_ps(x, y));
  };
  const __m512d lo = _mm512_castps_pd(pair((__m512)a[0], (__m512)a[1])),
                hi = _mm512_castps_pd(pair((__m512)a[2], (__m512)a[3]));
  const __m512 s =
      _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(lo, hi)), _mm512_castpd_ps(_mm512_unpackhi_pd(lo, hi)));
  const __m256 h = _mm256_add_ps(_mm512_castps512_ps256(s), _mm512_extractf32x8_ps(s, 1));
  const f4 r = (f4)_mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
#elif defined(FB_ISA_avx2)
  const auto pair = [](__m256 x, __m256 y) {
    return _mm256_add_ps(_mm256_unpacklo_ps(x, y), _mm256_unpackhi_ps(x, y));
  };
  const __m256d lo = _mm256_castps_pd(pair((__m256)a[0], (__m256)a[1])),
                hi = _mm256_castps_pd(pair((__m256)a[2], (__m256)a[3]));
  const __m256 h =
      _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(lo, hi)), _mm256_castpd_ps(_mm256_unpackhi_pd(lo, hi)));
  const f4 r = (f4)_mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
#else
  const f4 r = {sumLanes<float>(a[0]), sumLanes<float>(a[1]), sumLanes<float>(a[2]), sumLanes<float>(a[3])};
#endif
  __builtin_memcpy(out, &r, sizeof r);
}

}  // namespace
}  // namespace flambeau::cpu
