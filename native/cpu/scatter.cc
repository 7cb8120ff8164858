// The one kernel that writes by index: `scatter`, `scatterAdd` and `scatterReduce` differ only in how a value joins
// what is there. indexAdd, indexCopy, indexFill, indexReduce and segmentReduce are made of it (native/nn/indexing.cc).
// Source: aten/src/ATen/native/cpu/ScatterGatherKernel.cpp of PyTorch.
#include <algorithm>
#include <limits>

#include "cpu/extern_common.h"
#include "cpu/index_lines.h"
#include "extern_kernels.h"

namespace flambeau::cpu {
namespace {

enum class Join { Assign, Sum, Prod, Mean, Max, Min };

template <class T, class F>
void combine(T& a, T b, F&& f) {
  if constexpr (std::is_same_v<T, Bool8>)
    a = Bool8(f(a.value, b.value));
  else
    a = static_cast<T>(f(static_cast<Compute<T>>(a), static_cast<Compute<T>>(b)));
}

/// a = a J b with the dtype's own rules: integers wrap, NaN wins over any number.
template <Join J, class T>
void join(T& a, T b) {
  if constexpr (J == Join::Assign) {
    a = b;
  } else if constexpr (J == Join::Sum || J == Join::Mean) {
    accumulate(a, b);
  } else if constexpr (J == Join::Prod) {
    if constexpr (std::is_integral_v<T>)
      a = static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
    else
      combine(a, b, [](auto x, auto y) { return x * y; });
  } else {
    combine(a, b, [](auto x, auto y) {
      if (y != y) return y;  // NaN
      return (J == Join::Max ? x < y : y < x) ? y : x;
    });
  }
}

/// What leaves any value as it is.
template <class T>
T identityOf(Join j) {
  using Limits = std::numeric_limits<std::conditional_t<std::is_same_v<T, Bool8>, bool, Compute<T>>>;
  const auto number = [](auto v) { return static_cast<T>(static_cast<Compute<T>>(v)); };
  switch (j) {
    case Join::Prod:
      return fromScalar<T>(Scalar(int64_t{1}));
    case Join::Max:
      if constexpr (std::is_same_v<T, Bool8>) return Bool8(false);
      return Limits::has_infinity ? number(-Limits::infinity()) : number(Limits::lowest());
    case Join::Min:
      if constexpr (std::is_same_v<T, Bool8>) return Bool8(true);
      return Limits::has_infinity ? number(Limits::infinity()) : number(Limits::max());
    default:
      return T{};
  }
}

/// Calls f(element of out, offset of the value in src) for each entry of the index.
template <class T, class F>
void eachTarget(const Tensor& out, int64_t dim, const Tensor& index, const Tensor& src, F&& f) {
  const int64_t n = out.dim() ? out.sizes()[dim] : 1, step = out.dim() ? out.strides()[dim] : 0;
  T* o = out.ptr<T>();
  const int64_t* ix = index.ptr<int64_t>();
  eachIndexLine(out, index, src, dim,
                [&](int64_t so, int64_t si, int64_t ss, int64_t count, int64_t, int64_t di, int64_t ds) {
                  for (int64_t i = 0; i < count; ++i) {
                    const int64_t k = ix[si + i * di];
                    if (k < 0 || k >= n) outOfBounds(k, dim, n);
                    f(o[so + k * step], ss + i * ds);
                  }
                });
}

template <class T>
void divideByCounts(const Tensor& out, int64_t dim, const Tensor& index, bool includeSelf) {
  std::vector<int64_t> counts(static_cast<size_t>(out.numel()), includeSelf ? 1 : 0);
  T* o = out.ptr<T>();
  eachTarget<T>(out, dim, index, index, [&](T& to, int64_t) { ++counts[static_cast<size_t>(&to - o)]; });
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] <= 1) continue;
    if constexpr (std::is_integral_v<T>) {
      const int64_t v = static_cast<int64_t>(o[i]), c = counts[i];
      o[i] = static_cast<T>(v / c - (v % c < 0 ? 1 : 0));  // rounded down, as PyTorch does
    } else if constexpr (!std::is_same_v<T, Bool8>) {
      o[i] = static_cast<T>(static_cast<Compute<T>>(o[i]) / static_cast<Compute<T>>(counts[i]));
    }
  }
}

template <Join J, class T>
void joinAll(const Tensor& out, int64_t dim, const Tensor& index, const Operand& src) {
  if (!src.isTensor()) {
    const T value = fromScalar<T>(src.scalar);
    eachTarget<T>(out, dim, index, index, [&](T& to, int64_t) { join<J>(to, value); });
    return;
  }
  const T* s = src.tensor.ptr<T>();
  eachTarget<T>(out, dim, index, src.tensor, [&](T& to, int64_t at) { join<J>(to, s[at]); });
}

/// `out` (contiguous, fresh) with src joined to it at index along dim.
Tensor scatterInto(const Tensor& out, int64_t dim, const Tensor& index, const Operand& src, Join how, bool includeSelf,
                   const char* op) {
  dim = wrapDim(dim, out.dim());
  if (src.isTensor()) {
    checkIndexDtype(index, op);
    FB_CHECK(src.tensor.dtype() == out.dtype(), Type, "%s(): Expected self.dtype to be equal to src.dtype", op);
  }
  checkGatherShapes(out, dim, index, src.isTensor() ? &src.tensor : nullptr, op);
  if (index.numel() == 0) return out;
  dispatchAll(out.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (!includeSelf) {
      const T start = identityOf<T>(how);
      eachTarget<T>(out, dim, index, index, [&](T& to, int64_t) { to = start; });
    }
    switch (how) {
      case Join::Assign:
        return joinAll<Join::Assign, T>(out, dim, index, src);
      case Join::Sum:
        return joinAll<Join::Sum, T>(out, dim, index, src);
      case Join::Prod:
        return joinAll<Join::Prod, T>(out, dim, index, src);
      case Join::Max:
        return joinAll<Join::Max, T>(out, dim, index, src);
      case Join::Min:
        return joinAll<Join::Min, T>(out, dim, index, src);
      case Join::Mean:
        joinAll<Join::Sum, T>(out, dim, index, src);
        return divideByCounts<T>(out, dim, index, includeSelf);
    }
  });
  return out;
}

}  // namespace

Tensor scatter(const Tensor& self, int64_t dim, const Tensor& index, const Operand& src) {
  return scatterInto(cloneOf(self), dim, index, src, Join::Assign, true, "scatter");
}

Tensor scatterAdd(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src) {
  return scatterInto(cloneOf(self), dim, index, src, Join::Sum, true, "scatter");
}

Tensor scatterReduce(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src, std::string_view reduce,
                     bool includeSelf) {
  const std::pair<std::string_view, Join> names[] = {
      {"sum", Join::Sum}, {"prod", Join::Prod}, {"mean", Join::Mean}, {"amax", Join::Max}, {"amin", Join::Min}};
  for (const auto& [name, how] : names)
    if (name == reduce) return scatterInto(cloneOf(self), dim, index, src, how, includeSelf, "scatter");
  throw Error(ErrorKind::Value,
              "reduce argument must be either sum, prod, mean, amax or amin, got " + std::string(reduce) + ".");
}

}  // namespace flambeau::cpu
