// Order and running sums along one dimension: sort, topk, cumsum. NaN counts as the largest value.
#include <algorithm>
#include <numeric>
#include <tuple>

#include "cpu/extern_common.h"
#include "extern_kernels.h"

namespace flambeau::cpu {
namespace {

template <class T>
bool isNan(T v) {
  if constexpr (std::is_integral_v<T> || std::is_same_v<T, Bool8>)
    return false;
  else
    return std::isnan(static_cast<Compute<T>>(v));
}
// Ascending, NaN last.
template <class T>
bool lessThan(T a, T b) {
  return (isNan(b) && !isNan(a)) || static_cast<Compute<T>>(a) < static_cast<Compute<T>>(b);
}

template <class T>
struct Entry {
  T value;
  int64_t index;
};

// Calls f(line entries, value out, index out, out step) for each line along dim.
template <class T, class F>
void eachLine(const Tensor& self, const Tensor& values, const Tensor& indices, int64_t dim, F&& f) {
  const int64_t n = self.dim() ? self.sizes()[dim] : 1;
  const T* s = self.ptr<T>();
  const int64_t ss = self.dim() ? self.strides()[dim] : 1, so = values.dim() ? values.strides()[dim] : 1;
  std::vector<Entry<T>> line(static_cast<size_t>(n));
  const auto one = [&](int64_t from, int64_t to) {
    for (int64_t i = 0; i < n; ++i) line[i] = {s[from + i * ss], i};
    f(line, values.ptr<T>() + to, indices.ptr<int64_t>() + to, so);
  };
  if (self.dim() == 0) return one(0, 0);
  forEachLine<2>(self.sizes(), dim, {self.strides(), values.strides()},
                 [&](const std::array<int64_t, 2>& at) { one(at[0], at[1]); });
}

}  // namespace

std::tuple<Tensor, Tensor> sort(const Tensor& self, int64_t dim, bool descending, bool stable) {
  dim = wrapDim(dim, self.dim());
  Tensor values = emptyTensor(self.sizes(), self.dtype(), self.device()),
         indices = emptyTensor(self.sizes(), DType::Int64);
  if (self.numel() == 0) return {values, indices};
  dispatchAll(self.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    eachLine<T>(self, values, indices, dim, [&](std::vector<Entry<T>>& line, T* v, int64_t* ix, int64_t step) {
      // Always stable, as PyTorch's CPU sort is.
      if (descending)
        std::stable_sort(line.begin(), line.end(),
                         [](const Entry<T>& a, const Entry<T>& b) { return lessThan(b.value, a.value); });
      else
        std::stable_sort(line.begin(), line.end(),
                         [](const Entry<T>& a, const Entry<T>& b) { return lessThan(a.value, b.value); });
      for (size_t i = 0; i < line.size(); ++i) {
        v[static_cast<int64_t>(i) * step] = line[i].value;
        ix[static_cast<int64_t>(i) * step] = line[i].index;
      }
    });
  });
  return {values, indices};
}

std::tuple<Tensor, Tensor> topk(const Tensor& self, int64_t k, int64_t dim, bool largest, bool sorted) {
  dim = wrapDim(dim, self.dim());
  const int64_t n = self.dim() ? self.sizes()[dim] : 1;
  FB_CHECK(k >= 0 && k <= n, Index, "selected index k out of range");
  const Dims sizes = withSize(self.sizes(), dim, k);
  Tensor values = emptyTensor(sizes, self.dtype(), self.device()), indices = emptyTensor(sizes, DType::Int64);
  if (values.numel() == 0) return {values, indices};
  dispatchAll(self.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    eachLine<T>(self, values, indices, dim, [&](std::vector<Entry<T>>& line, T* v, int64_t* ix, int64_t step) {
      const auto before = [largest](const Entry<T>& a, const Entry<T>& b) {
        if (largest ? lessThan(b.value, a.value) : lessThan(a.value, b.value)) return true;
        if (largest ? lessThan(a.value, b.value) : lessThan(b.value, a.value)) return false;
        return a.index < b.index;  // a defined order for equal values
      };
      std::partial_sort(line.begin(), line.begin() + k, line.end(), before);
      for (int64_t i = 0; i < k; ++i) {
        v[i * step] = line[i].value;
        ix[i * step] = line[i].index;
      }
    });
  });
  return {values, indices};
}

Tensor cumsum(const Tensor& self, int64_t dim, std::optional<DType> dtype) {
  dim = wrapDim(dim, self.dim());
  const DType out = dtype.value_or(isFloating(self.dtype()) ? self.dtype() : DType::Int64);
  const Tensor in = castOf(self, out);
  Tensor result = emptyTensor(self.sizes(), out, self.device());
  if (result.numel() == 0) return result;
  dispatchAll(out, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* s = in.ptr<T>();
    T* o = result.ptr<T>();
    const int64_t n = in.dim() ? in.sizes()[dim] : 1, ss = in.dim() ? in.strides()[dim] : 1,
                  so = in.dim() ? result.strides()[dim] : 1;
    const auto one = [&](int64_t from, int64_t to) {
      if constexpr (std::is_integral_v<T> || std::is_same_v<T, Bool8>) {
        uint64_t sum = 0;
        for (int64_t i = 0; i < n; ++i)
          o[to + i * so] = fromScalar<T>(Scalar(static_cast<int64_t>(sum += static_cast<uint64_t>(s[from + i * ss]))));
      } else {
        Wide<T> sum = 0;
        for (int64_t i = 0; i < n; ++i)
          o[to + i * so] = static_cast<T>(
              static_cast<Compute<T>>(sum += static_cast<Wide<T>>(static_cast<Compute<T>>(s[from + i * ss]))));
      }
    };
    if (in.dim() == 0) return one(0, 0);
    forEachLine<2>(in.sizes(), dim, {in.strides(), result.strides()},
                   [&](const std::array<int64_t, 2>& at) { one(at[0], at[1]); });
  });
  return result;
}

}  // namespace flambeau::cpu
