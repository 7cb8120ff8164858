// What kernels about order share: comparison with NaN as the largest value, lines along one dimension with positions.
#pragma once
#include <cmath>
#include <vector>

#include "cpu/extern_common.h"

namespace flambeau::cpu {

template <class T>
bool isNan(T v) {
  if constexpr (std::is_integral_v<T> || std::is_same_v<T, Bool8>)
    return false;
  else
    return std::isnan(static_cast<Compute<T>>(v));
}
/// Ascending, NaN last.
template <class T>
bool lessThan(T a, T b) {
  return (isNan(b) && !isNan(a)) || static_cast<Compute<T>>(a) < static_cast<Compute<T>>(b);
}
/// Equal in that order.
template <class T>
bool sameOrder(T a, T b) {
  return !lessThan(a, b) && !lessThan(b, a);
}

template <class T>
struct Entry {
  T value;
  int64_t index;
};
/// Ascending by value, then by position.
template <class T>
bool entryBefore(const Entry<T>& a, const Entry<T>& b) {
  if (lessThan(a.value, b.value)) return true;
  return !lessThan(b.value, a.value) && a.index < b.index;
}

/// Calls f(line entries, value out, index out, out step) for each line along dim. The outputs have self's shape but for
/// dim.
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

}  // namespace flambeau::cpu
