// Tensors from nothing (empty, full, arange, linspace, eye) and the triangles.
// arange and linspace repeat PyTorch 1.13's arithmetic bit for bit: its CPU kernels work on pairs of AVX2 registers,
// compute the first element of a register with a fused multiply-add and the others by adding multiples of the step.
// Source: aten/src/ATen/native/cpu/RangeFactoriesKernel.cpp and RangeFactories.cpp.
#include <algorithm>
#include <limits>

#include "cpu/extern_common.h"
#include "extern_kernels.h"

namespace flambeau::cpu {
namespace {

void checkSizes(IntSpan size) {
  for (int64_t s : size)
    FB_CHECK(s >= 0, Shape, "Trying to create tensor with negative dimension %lld: %s", static_cast<long long>(s),
             shapeString(size).c_str());
}

/// Elements whose arithmetic PyTorch rounds after every operation.
template <class T>
constexpr bool kNarrow = sizeof(T) == 2 && !std::is_integral_v<T>;

// Elements in one of PyTorch's AVX2 registers.
template <class T>
constexpr int64_t kLanes = 32 / static_cast<int64_t>(sizeof(T));

/// A number as an element of T holds it.
template <class T, class S>
S rounded(S v) {
  return static_cast<S>(static_cast<Compute<T>>(static_cast<T>(v)));
}

// Fills out[0, n) as PyTorch's vectorised nullary kernel does: first(i) gives an element at the head of a register or
// in the scalar tail, `step` separates the lanes (added by a fused multiply-add or not, as the compiler of PyTorch's
// wheels chose).
template <bool FusedLanes, class T, class S, class First>
void fillRange(T* out, int64_t n, S step, First&& first) {
  constexpr int64_t V = kLanes<T>;
  int64_t i = 0;
  for (; i + 2 * V <= n; i += 2 * V) {
    for (int64_t h = 0; h < 2; ++h) {
      const T base = static_cast<T>(first(i + h * V));
      T* p = out + i + h * V;
      p[0] = base;
      for (int64_t l = 1; l < V; ++l) {
        const S start = static_cast<S>(static_cast<Compute<T>>(base));
        if constexpr (FusedLanes) {
          p[l] = static_cast<T>(std::fma(static_cast<S>(l), step, start));
        } else {
          const S offset = kNarrow<T> ? rounded<T>(static_cast<S>(l) * step) : static_cast<S>(l) * step;
          p[l] = static_cast<T>(start + offset);
        }
      }
    }
  }
  for (; i < n; ++i) out[i] = static_cast<T>(first(i));
}

}  // namespace

Tensor empty(IntSpan size, std::optional<DType> dtype) {
  checkSizes(size);
  return emptyTensor(size, dtype.value_or(defaultDType()));
}

Tensor full(IntSpan size, Scalar fillValue, std::optional<DType> dtype) {
  checkSizes(size);
  const DType inferred = fillValue.isBool() ? DType::Bool : fillValue.isFloat() ? defaultDType() : DType::Int64;
  Tensor out = emptyTensor(size, dtype.value_or(inferred));
  fillWith(out, fillValue);
  return out;
}

Tensor arange(Scalar start, Scalar end, Scalar step, std::optional<DType> dtype) {
  const bool anyFloat = start.isFloat() || end.isFloat() || step.isFloat();
  const DType t = dtype.value_or(anyFloat ? defaultDType() : DType::Int64);
  const double s = start.toDouble(), e = end.toDouble(), d = step.toDouble();
  // Integers step by whole numbers, whatever was given.
  const double stride = isIntegral(t) ? std::trunc(d) : d;
  FB_CHECK(stride > 0 || stride < 0, Value, "step must be nonzero");
  FB_CHECK(std::isfinite(s) && std::isfinite(e), Value, "unsupported range: %g -> %g", s, e);
  FB_CHECK((d > 0 && e >= s) || (d < 0 && e <= s), Value, "upper bound and larger bound inconsistent with step sign");
  // int64 counts with its own bounds: exact differences, so that huge ones do not lose a step.
  double count;
  if (t == DType::Int64) {
    const __int128 span = static_cast<__int128>(end.toInt()) - start.toInt();
    count = std::ceil(static_cast<double>(span) / stride);
  } else {
    count = std::ceil((e - s) / d);
  }
  FB_CHECK(count >= 0 && count <= static_cast<double>(std::numeric_limits<int64_t>::max()), Value,
           "invalid size, possible overflow?");
  const int64_t n = static_cast<int64_t>(count);
  Tensor out = emptyTensor(Dims{n}, t);
  FB_CHECK(t != DType::Bool, Type, "\"arange_cpu\" not implemented for 'Bool'");
  dispatchAll(t, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_integral_v<T>) {
      T* p = out.ptr<T>();
      const uint64_t a = static_cast<uint64_t>(start.toInt()), b = static_cast<uint64_t>(step.toInt());
      for (int64_t i = 0; i < n; ++i) p[i] = static_cast<T>(a + b * static_cast<uint64_t>(i));
    } else if constexpr (!std::is_same_v<T, Bool8>) {
      // double accumulates float and double; float the halves (PyTorch's acc_type).
      using Acc = std::conditional_t<std::is_same_v<T, float> || std::is_same_v<T, double>, double, float>;
      const Acc sa = static_cast<Acc>(s), da = static_cast<Acc>(d);
      fillRange<true>(out.ptr<T>(), n, da,
                      [&](int64_t i) { return static_cast<Compute<T>>(std::fma(da, static_cast<Acc>(i), sa)); });
    }
  });
  return out;
}

Tensor linspace(Scalar start, Scalar end, int64_t steps, std::optional<DType> dtype) {
  const DType t = dtype.value_or(defaultDType());
  FB_CHECK(steps >= 0, Value, "number of steps must be non-negative");
  FB_CHECK(t != DType::Bool, Type, "\"linspace_cpu\" not implemented for 'Bool'");
  Tensor out = emptyTensor(Dims{steps}, t);
  if (steps == 0) return out;
  if (steps == 1) {
    fillWith(out, start);
    return out;
  }
  dispatchAll(t, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_same_v<T, Bool8>) {
      using S = std::conditional_t<std::is_integral_v<T>, double, Compute<T>>;
      const S a = static_cast<S>(fromScalar<T>(start)), b = static_cast<S>(fromScalar<T>(end));
      const int64_t halfway = steps / 2;
      // From both ends, so that the last element is exactly `end`.
      if constexpr (kNarrow<T>) {
        const S step = rounded<T>(rounded<T>(b - a) / rounded<T>(static_cast<S>(steps - 1)));
        const auto along = [&](int64_t i) { return rounded<T>(step * rounded<T>(static_cast<S>(i))); };
        fillRange<false>(out.ptr<T>(), steps, step,
                         [&](int64_t i) { return i < halfway ? a + along(i) : b - along(steps - i - 1); });
        return;
      }
      const S step = (b - a) / static_cast<S>(steps - 1);
      fillRange<false>(out.ptr<T>(), steps, step, [&](int64_t i) {
        return i < halfway ? std::fma(step, static_cast<S>(i), a) : std::fma(-step, static_cast<S>(steps - i - 1), b);
      });
    }
  });
  return out;
}

Tensor eye(int64_t n, std::optional<int64_t> m, std::optional<DType> dtype) {
  const int64_t cols = m.value_or(n);
  FB_CHECK(n >= 0, Value, "n must be greater or equal to 0, got %lld", static_cast<long long>(n));
  FB_CHECK(cols >= 0, Value, "m must be greater or equal to 0, got %lld", static_cast<long long>(cols));
  Tensor out = emptyTensor(Dims{n, cols}, dtype.value_or(defaultDType()));
  fillWith(out, Scalar(0));
  dispatchAll(out.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* p = out.ptr<T>();
    for (int64_t i = 0; i < std::min(n, cols); ++i) p[i * (cols + 1)] = fromScalar<T>(Scalar(1));
  });
  return out;
}

namespace {

Tensor triangle(const Tensor& self, int64_t diagonal, bool upper) {
  wrapDim(-2, self.dim());  // PyTorch's error for fewer than two dimensions
  Tensor out = cloneOf(self);
  const int64_t rows = self.size(-2), cols = self.size(-1);
  if (out.numel() == 0) return out;
  const int64_t batch = out.numel() / (rows * cols);
  const size_t width = itemSize(out.dtype());
  char* base = static_cast<char*>(out.data());
  parallelFor(batch * rows, std::max<int64_t>(1, 32768 / cols), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      // First column that triu keeps; tril keeps those before (edge + 1).
      const int64_t edge = std::clamp<int64_t>(r % rows + diagonal + (upper ? 0 : 1), 0, cols);
      char* row = base + static_cast<size_t>(r * cols) * width;
      if (upper)
        std::memset(row, 0, static_cast<size_t>(edge) * width);
      else
        std::memset(row + static_cast<size_t>(edge) * width, 0, static_cast<size_t>(cols - edge) * width);
    }
  });
  return out;
}

}  // namespace

namespace {

// Elements on and below the diagonal `offset` of a row x col matrix, whatever the sizes: they may be far beyond memory.
__int128 lowerCount(int64_t row, int64_t col, int64_t offset) {
  using Wide = __int128;
  const Wide first = std::clamp<Wide>(-Wide{offset}, 0, row);                  // rows before it have none,
  const Wide full = std::clamp<Wide>(Wide{col} - offset - 1, first, row);      // rows from it on all of theirs,
  const Wide sum = (first + offset + 1 + full + offset) * (full - first) / 2;  // each between one more than the last
  return sum + (row - full) * col;
}

Tensor triangleIndices(int64_t row, int64_t col, int64_t offset, bool upper, std::optional<DType> dtype) {
  FB_CHECK(row >= 0, Value, "row must be non-negative, got%lld", static_cast<long long>(row));
  FB_CHECK(col >= 0, Value, "col must be non-negative, got%lld", static_cast<long long>(col));
  FB_CHECK(offset > -(int64_t{1} << 62) && offset < (int64_t{1} << 62), Value, "offset is out of range, got %lld",
           static_cast<long long>(offset));
  const __int128 lower = lowerCount(row, col, upper ? offset - 1 : offset);
  const __int128 count = upper ? static_cast<__int128>(row) * col - lower : lower;
  FB_CHECK(count < (int64_t{1} << 58), Memory, "a triangle of a %lld x %lld matrix does not fit in memory",
           static_cast<long long>(row), static_cast<long long>(col));
  const int64_t n = static_cast<int64_t>(count);
  const Tensor out = emptyTensor(Dims{2, n}, DType::Int64);
  int64_t* p = out.ptr<int64_t>();
  // Ends with the last element: the rows without any before the first are skipped.
  int64_t r = upper ? 0 : std::clamp<int64_t>(-offset, 0, row);
  for (int64_t left = n; left > 0; ++r) {
    const int64_t begin = upper ? std::clamp<int64_t>(r + offset, 0, col) : 0;
    const int64_t end = upper ? col : std::clamp<int64_t>(r + offset + 1, 0, col);
    for (int64_t c = begin; c < end; ++c, ++p, --left) {
      p[0] = r;
      p[n] = c;
    }
  }
  return castOf(out, dtype.value_or(DType::Int64));
}

}  // namespace

Tensor trilIndices(int64_t row, int64_t col, int64_t offset, std::optional<DType> dtype) {
  return triangleIndices(row, col, offset, false, dtype);
}
Tensor triuIndices(int64_t row, int64_t col, int64_t offset, std::optional<DType> dtype) {
  return triangleIndices(row, col, offset, true, dtype);
}

Tensor tril(const Tensor& self, int64_t diagonal) { return triangle(self, diagonal, false); }
Tensor triu(const Tensor& self, int64_t diagonal) { return triangle(self, diagonal, true); }

}  // namespace flambeau::cpu
