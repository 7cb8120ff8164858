// Copy and conversion loops, compiled once per instruction set; the compiler vectorises them.
#include "cpu/copy_kernels.h"

#include <cstring>
#include <type_traits>
#include <utility>

#include "core/element.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define FB_CAT2(a, b) a##_##b
#define FB_CAT(a, b) FB_CAT2(a, b)

namespace flambeau::cpu {
namespace {

// Tags instead of raw types: three dtypes are stored as 16 or 8 bit integers without being one.
struct Half {
  uint16_t bits;
};
struct BFloat {
  uint16_t bits;
};
struct Boolean {
  uint8_t bits;
};

template <int D>
struct TypeOf;
template <>
struct TypeOf<0> {
  using type = float;
};
template <>
struct TypeOf<1> {
  using type = double;
};
template <>
struct TypeOf<2> {
  using type = Half;
};
template <>
struct TypeOf<3> {
  using type = BFloat;
};
template <>
struct TypeOf<4> {
  using type = int8_t;
};
template <>
struct TypeOf<5> {
  using type = int16_t;
};
template <>
struct TypeOf<6> {
  using type = int32_t;
};
template <>
struct TypeOf<7> {
  using type = int64_t;
};
template <>
struct TypeOf<8> {
  using type = uint8_t;
};
template <>
struct TypeOf<9> {
  using type = Boolean;
};

// Storage to number: half types widen to float, bool to 0 or 1.
template <class T>
inline auto widen(T v) {
  if constexpr (std::is_same_v<T, Half>)
    return fromFloat16(v.bits);
  else if constexpr (std::is_same_v<T, BFloat>)
    return fromBFloat16(v.bits);
  else if constexpr (std::is_same_v<T, Boolean>)
    return static_cast<uint8_t>(v.bits != 0);
  else
    return v;
}

// Number to storage.
template <class T, class N>
inline T narrow(N n) {
  if constexpr (std::is_same_v<T, Half>)
    return {toFloat16(static_cast<float>(n))};
  else if constexpr (std::is_same_v<T, BFloat>)
    return {toBFloat16(static_cast<float>(n))};
  else if constexpr (std::is_same_v<T, Boolean>)
    return {static_cast<uint8_t>(n != 0)};
  else if constexpr (std::is_floating_point_v<N> && std::is_integral_v<T> && sizeof(T) < 4)
    return static_cast<T>(static_cast<int32_t>(n));  // small integers wrap, as PyTorch's do
  else
    return static_cast<T>(n);
}

template <class S, class D>
void convertContiguous(char* dstBytes, const char* srcBytes, int64_t n) {
  if constexpr (std::is_same_v<S, D> && !std::is_same_v<S, Boolean>) {
    std::memcpy(dstBytes, srcBytes, static_cast<size_t>(n) * sizeof(S));
  } else {
    auto* __restrict dst = reinterpret_cast<D*>(dstBytes);
    const auto* __restrict src = reinterpret_cast<const S*>(srcBytes);
    int64_t i = 0;
#if defined(__F16C__) && defined(__AVX2__)
    if constexpr (std::is_same_v<S, Half> && std::is_same_v<D, float>) {
      for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(src + i))));
    }
    if constexpr (std::is_same_v<S, float> && std::is_same_v<D, Half>) {
      for (; i + 8 <= n; i += 8)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(src + i), _MM_FROUND_TO_NEAREST_INT));
    }
#endif
    if constexpr (std::is_same_v<S, Boolean>) {
      // A choice between two constants: the compiler makes it a masked move.
      const D one = narrow<D>(1), zero = narrow<D>(0);
      for (; i < n; ++i) dst[i] = src[i].bits != 0 ? one : zero;
    } else {
      for (; i < n; ++i) dst[i] = narrow<D>(widen(src[i]));
    }
  }
}

template <class T>
void copyStrided(char* dst, int64_t dstStride, const char* src, int64_t srcStride, int64_t n) {
  constexpr int64_t item = sizeof(T);
  if (dstStride == item && srcStride == item) {
    std::memcpy(dst, src, static_cast<size_t>(n * item));
  } else if (srcStride == 0) {
    T v;
    std::memcpy(&v, src, sizeof v);
    if (dstStride == item) {
      auto* out = reinterpret_cast<T*>(dst);
      for (int64_t i = 0; i < n; ++i) out[i] = v;
    } else {
      for (int64_t i = 0; i < n; ++i) *reinterpret_cast<T*>(dst + i * dstStride) = v;
    }
  } else if (dstStride == item) {
    auto* out = reinterpret_cast<T*>(dst);
    for (int64_t i = 0; i < n; ++i) out[i] = *reinterpret_cast<const T*>(src + i * srcStride);
  } else {
    for (int64_t i = 0; i < n; ++i)
      *reinterpret_cast<T*>(dst + i * dstStride) = *reinterpret_cast<const T*>(src + i * srcStride);
  }
}

// A square block in registers, by log2(N) rounds of pairwise interleaving.
template <class T, int N>
inline void transposeBlock(char* dst, int64_t dstRow, const char* src, int64_t srcRow) {
  typedef T Vec __attribute__((vector_size(N * sizeof(T)), aligned(1)));
  using Mask = std::conditional_t<sizeof(T) == 8, int64_t, std::conditional_t<sizeof(T) == 4, int32_t, int16_t>>;
  typedef Mask MaskVec __attribute__((vector_size(N * sizeof(T))));
  typedef T Reg __attribute__((vector_size(N * sizeof(T))));
  Reg rows[N];
  for (int j = 0; j < N; ++j) rows[j] = *reinterpret_cast<const Vec*>(src + j * srcRow);
  MaskVec low{}, high{};
  for (int i = 0; i < N / 2; ++i) {
    low[2 * i] = static_cast<Mask>(i);
    low[2 * i + 1] = static_cast<Mask>(N + i);
    high[2 * i] = static_cast<Mask>(N / 2 + i);
    high[2 * i + 1] = static_cast<Mask>(N + N / 2 + i);
  }
  // Interleaving row i with row i + N/2, log2(N) times, transposes.
#pragma GCC unroll 8
  for (int round = 1; round < N; round *= 2) {
    Reg next[N];
#pragma GCC unroll 16
    for (int i = 0; i < N / 2; ++i) {
      next[2 * i] = __builtin_shuffle(rows[i], rows[i + N / 2], low);
      next[2 * i + 1] = __builtin_shuffle(rows[i], rows[i + N / 2], high);
    }
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) rows[i] = next[i];
  }
  for (int i = 0; i < N; ++i) *reinterpret_cast<Vec*>(dst + i * dstRow) = rows[i];
}

template <class T>
void transposeScalar(char* dst, int64_t dstRow, const char* src, int64_t srcRow, int64_t i0, int64_t i1, int64_t j0,
                     int64_t j1) {
  constexpr int64_t item = sizeof(T);
  for (int64_t i = i0; i < i1; ++i)
    for (int64_t j = j0; j < j1; ++j)
      *reinterpret_cast<T*>(dst + i * dstRow + j * item) = *reinterpret_cast<const T*>(src + j * srcRow + i * item);
}

template <class T>
void transposeTile(char* dst, int64_t dstRow, const char* src, int64_t srcRow, int64_t rows, int64_t cols) {
  constexpr int64_t item = sizeof(T);
#if defined(__AVX512F__)
  constexpr int N = sizeof(T) == 8 ? 8 : 16;  // a row of a block is a cache line
#else
  constexpr int N = sizeof(T) == 8 ? 4 : 8;
#endif
  int64_t fullRows = rows / N * N, fullCols = cols / N * N;
  if constexpr (sizeof(T) >= 2) {
    for (int64_t i = 0; i < fullRows; i += N)
      for (int64_t j = 0; j < fullCols; j += N)
        transposeBlock<T, N>(dst + i * dstRow + j * item, dstRow, src + j * srcRow + i * item, srcRow);
  } else {
    fullRows = fullCols = 0;
  }
  transposeScalar<T>(dst, dstRow, src, srcRow, 0, fullRows, fullCols, cols);
  transposeScalar<T>(dst, dstRow, src, srcRow, fullRows, rows, 0, cols);
}

void streamCopy(char* dst, const char* src, int64_t bytes) {
#if defined(__x86_64__)
#if defined(__AVX512F__)
  using V = __m512i;
  auto load = [](const char* p) { return _mm512_loadu_si512(p); };
  auto store = [](char* p, V v) { _mm512_stream_si512(reinterpret_cast<V*>(p), v); };
#elif defined(__AVX2__)
  using V = __m256i;
  auto load = [](const char* p) { return _mm256_loadu_si256(reinterpret_cast<const V*>(p)); };
  auto store = [](char* p, V v) { _mm256_stream_si256(reinterpret_cast<V*>(p), v); };
#else
  using V = __m128i;
  auto load = [](const char* p) { return _mm_loadu_si128(reinterpret_cast<const V*>(p)); };
  auto store = [](char* p, V v) { _mm_stream_si128(reinterpret_cast<V*>(p), v); };
#endif
  constexpr int64_t width = sizeof(V);
  // Non-temporal stores need alignment: copy up to it first.
  int64_t head = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(dst) & (width - 1));
  if (head > bytes) head = bytes;
  std::memcpy(dst, src, static_cast<size_t>(head));
  int64_t i = head;
  for (; i + 4 * width <= bytes; i += 4 * width) {
    V a = load(src + i), b = load(src + i + width), c = load(src + i + 2 * width), d = load(src + i + 3 * width);
    store(dst + i, a);
    store(dst + i + width, b);
    store(dst + i + 2 * width, c);
    store(dst + i + 3 * width, d);
  }
  _mm_sfence();
  std::memcpy(dst + i, src + i, static_cast<size_t>(bytes - i));
#else
  std::memcpy(dst, src, static_cast<size_t>(bytes));
#endif
}

template <int S, int... D>
constexpr void fillRow(CopyKernels& k, std::integer_sequence<int, D...>) {
  ((k.convert[S][D] = convertContiguous<typename TypeOf<S>::type, typename TypeOf<D>::type>), ...);
}
template <int... S>
constexpr CopyKernels makeKernels(std::integer_sequence<int, S...> all) {
  CopyKernels k{};
  (fillRow<S>(k, all), ...);
  k.strided[0] = copyStrided<uint8_t>;
  k.strided[1] = copyStrided<uint16_t>;
  k.strided[2] = copyStrided<uint32_t>;
  k.strided[3] = copyStrided<uint64_t>;
  k.transpose[0] = transposeTile<uint8_t>;
  k.transpose[1] = transposeTile<uint16_t>;
  k.transpose[2] = transposeTile<uint32_t>;
  k.transpose[3] = transposeTile<uint64_t>;
  k.stream = streamCopy;
  return k;
}

}  // namespace

extern const CopyKernels FB_CAT(copyKernels, FB_ISA);
constinit const CopyKernels FB_CAT(copyKernels, FB_ISA) = makeKernels(std::make_integer_sequence<int, kNumDTypes>{});

}  // namespace flambeau::cpu
