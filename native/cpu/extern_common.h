// What the hand-written kernels share: element types, dispatch on dtype, walking strided lines, accumulation.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "core/promotion.h"
#include "cpu/drivers.h"
#include "flambeau/parallel.h"
#include "flambeau/tensor.h"

namespace flambeau::cpu {

/// bfloat16 as stored; conversions round to nearest even and keep NaN quiet.
struct BFloat16 {
  uint16_t bits = 0;
  BFloat16() = default;
  BFloat16(float f) {
    uint32_t u;
    std::memcpy(&u, &f, 4);
    bits = std::isnan(f) ? 0x7fc0 : static_cast<uint16_t>((u + 0x7fff + ((u >> 16) & 1)) >> 16);
  }
  operator float() const {
    uint32_t u = static_cast<uint32_t>(bits) << 16;
    float f;
    std::memcpy(&f, &u, 4);
    return f;
  }
};
/// A bool element: one byte, 0 or 1. Adding is "or".
struct Bool8 {
  uint8_t value = 0;
  Bool8() = default;
  template <class T>
  requires std::is_arithmetic_v<T> Bool8(T v) : value(v != T{}) {}
  operator bool() const { return value != 0; }
};
using Half = _Float16;

template <class T>
struct Tag {
  using type = T;
};

/// Calls f(Tag<T>{}) for the element type of `t`.
template <class F>
decltype(auto) dispatchAll(DType t, F&& f) {
  switch (t) {
    case DType::Float32:
      return f(Tag<float>{});
    case DType::Float64:
      return f(Tag<double>{});
    case DType::Float16:
      return f(Tag<Half>{});
    case DType::BFloat16:
      return f(Tag<BFloat16>{});
    case DType::Int8:
      return f(Tag<int8_t>{});
    case DType::Int16:
      return f(Tag<int16_t>{});
    case DType::Int32:
      return f(Tag<int32_t>{});
    case DType::Int64:
      return f(Tag<int64_t>{});
    case DType::UInt8:
      return f(Tag<uint8_t>{});
    case DType::Bool:
      return f(Tag<Bool8>{});
  }
  throw Error(ErrorKind::Internal, "unknown dtype");
}
/// The same for floating types only; `op` names the caller in PyTorch's error.
template <class F>
decltype(auto) dispatchFloat(DType t, const char* op, F&& f) {
  switch (t) {
    case DType::Float32:
      return f(Tag<float>{});
    case DType::Float64:
      return f(Tag<double>{});
    case DType::Float16:
      return f(Tag<Half>{});
    case DType::BFloat16:
      return f(Tag<BFloat16>{});
    default:
      break;
  }
  throw Error(ErrorKind::Type, detail::formatMessage("\"%s\" not implemented for '%s'", op, scalarTypeName(t)));
}
/// Pure moves only care for the width of an element.
template <class F>
decltype(auto) dispatchWidth(DType t, F&& f) {
  switch (itemSize(t)) {
    case 1:
      return f(Tag<uint8_t>{});
    case 2:
      return f(Tag<uint16_t>{});
    case 4:
      return f(Tag<uint32_t>{});
    default:
      return f(Tag<uint64_t>{});
  }
}

/// The type sums of T are kept in where PyTorch keeps them wide (cumsum, pooling): double, float for halves, int64.
template <class T>
using Wide =
    std::conditional_t<std::is_same_v<T, float> || std::is_same_v<T, double>, double,
                       std::conditional_t<std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>, float, int64_t>>;
/// The type arithmetic on T happens in: float for halves, else T itself.
template <class T>
using Compute = std::conditional_t<std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>, float, T>;

/// a += b with the dtype's own rules: integers wrap, bool is "or", halves round once.
template <class T>
inline void accumulate(T& a, T b) {
  if constexpr (std::is_same_v<T, Bool8>) {
    a.value |= b.value;
  } else if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;
    a = static_cast<T>(static_cast<U>(static_cast<U>(a) + static_cast<U>(b)));
  } else if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    a += b;
  } else {
    a = T(static_cast<float>(a) + static_cast<float>(b));
  }
}

/// Converts a host number to an element (saturation is the caller's business).
template <class T>
inline T fromScalar(Scalar s) {
  if constexpr (std::is_same_v<T, Bool8>) {
    return Bool8(s.toBool());
  } else if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(s.toInt());
  } else {
    return static_cast<T>(static_cast<Compute<T>>(s.toDouble()));
  }
}

/// The same tensor when contiguous, else a contiguous copy. Below autograd and trace.
inline Tensor contiguousOf(const Tensor& t) {
  if (t.isContiguous()) return t;
  Tensor out = emptyTensor(t.sizes(), t.dtype(), t.device());
  copyInto(out, t);
  return out;
}
inline Tensor cloneOf(const Tensor& t) {
  Tensor out = emptyTensor(t.sizes(), t.dtype(), t.device());
  copyInto(out, t);
  return out;
}
inline Tensor castOf(const Tensor& t, DType dtype) {
  if (t.dtype() == dtype) return t;
  Tensor out = emptyTensor(t.sizes(), dtype, t.device());
  copyInto(out, t);
  return out;
}

/// Walks every position of `sizes` with dimension `skip` left out (-1: none), carrying one element offset per operand.
template <size_t N, class F>
void forEachLine(IntSpan sizes, int64_t skip, const std::array<IntSpan, N>& strides, F&& f) {
  const int64_t nd = static_cast<int64_t>(sizes.size());
  for (int64_t d = 0; d < nd; ++d)
    if (d != skip && sizes[d] == 0) return;
  Dims index(sizes.size(), 0);
  std::array<int64_t, N> at{};
  for (;;) {
    f(at);
    int64_t d = nd - 1;
    for (; d >= 0; --d) {
      if (d == skip) continue;
      for (size_t k = 0; k < N; ++k) at[k] += strides[k][d];
      if (++index[d] < sizes[d]) break;
      for (size_t k = 0; k < N; ++k) at[k] -= strides[k][d] * sizes[d];
      index[d] = 0;
    }
    if (d < 0) return;
  }
}

/// Sizes with one dimension replaced.
inline Dims withSize(IntSpan sizes, int64_t dim, int64_t n) {
  Dims out(sizes);
  if (!out.empty()) out[dim] = n;
  return out;
}

}  // namespace flambeau::cpu
