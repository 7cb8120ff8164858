// Distinct elements: of a whole tensor, of runs of neighbours, of slices along a dimension.
#include <algorithm>
#include <numeric>
#include <tuple>

#include "cpu/order.h"
#include "extern_kernels.h"

namespace flambeau::cpu {
namespace {

using Triple = std::tuple<Tensor, Tensor, Tensor>;

Tensor countsOf(const std::vector<int64_t>& counts) {
  Tensor out = emptyTensor(Dims{static_cast<int64_t>(counts.size())}, DType::Int64);
  std::copy(counts.begin(), counts.end(), out.ptr<int64_t>());
  return out;
}

/// Distinct elements of `x` visited in `order`, neighbours in it compared. NaN equals nothing, itself neither.
template <class T>
Triple distinct(const Tensor& self, const T* x, const std::vector<int64_t>& order) {
  Tensor inverse = emptyTensor(self.sizes(), DType::Int64);
  auto* group = inverse.ptr<int64_t>();
  std::vector<T> values;
  std::vector<int64_t> counts;
  for (int64_t i : order) {
    if (values.empty() || values.back() != x[i]) {
      values.push_back(x[i]);
      counts.push_back(0);
    }
    ++counts.back();
    group[i] = static_cast<int64_t>(values.size()) - 1;
  }
  Tensor out = emptyTensor(Dims{static_cast<int64_t>(values.size())}, self.dtype());
  std::copy(values.begin(), values.end(), out.ptr<T>());
  return {out, inverse, countsOf(counts)};
}

std::vector<int64_t> positions(int64_t n) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

}  // namespace

Triple uniqueAll(const Tensor& self) {
  const Tensor in = contiguousOf(self);
  return dispatchAll(self.dtype(), [&](auto tag) -> Triple {
    using T = typename decltype(tag)::type;
    const T* x = in.ptr<T>();
    std::vector<int64_t> order = positions(in.numel());
    std::stable_sort(order.begin(), order.end(), [x](int64_t a, int64_t b) { return lessThan(x[a], x[b]); });
    return distinct(in, x, order);
  });
}

Triple uniqueRuns(const Tensor& self) {
  const Tensor in = contiguousOf(self);
  return dispatchAll(self.dtype(), [&](auto tag) -> Triple {
    using T = typename decltype(tag)::type;
    return distinct(in, in.ptr<T>(), positions(in.numel()));
  });
}

Triple uniqueDim(const Tensor& self, int64_t dim, bool consecutive) {
  dim = wrapDim(dim, self.dim());
  FB_CHECK(self.dim() > 0, Value, "unique_dim(): a dimension is needed, got a 0-d tensor");
  const int64_t n = self.size(dim);
  FB_CHECK(self.numel() > 0 || n == 0, Value,
           "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied");
  // Slices as rows of a matrix.
  Dims sizes(self.sizes()), strides(self.strides());
  std::rotate(sizes.begin(), sizes.begin() + dim, sizes.begin() + dim + 1);
  std::rotate(strides.begin(), strides.begin() + dim, strides.begin() + dim + 1);
  const Tensor rows = contiguousOf(aliasTensor(self, sizes, strides, self.storageOffset()));
  const int64_t width = n ? rows.numel() / n : 0;
  return dispatchAll(self.dtype(), [&](auto tag) -> Triple {
    using T = typename decltype(tag)::type;
    const T* x = rows.ptr<T>();
    std::vector<int64_t> order = positions(n);
    if (!consecutive)
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        return std::lexicographical_compare(x + a * width, x + (a + 1) * width, x + b * width, x + (b + 1) * width,
                                            lessThan<T>);
      });
    Tensor inverse = emptyTensor(Dims{n}, DType::Int64);
    std::vector<int64_t> first, counts;
    for (int64_t i : order) {
      if (first.empty() || !std::equal(x + i * width, x + (i + 1) * width, x + first.back() * width)) {
        first.push_back(i);
        counts.push_back(0);
      }
      ++counts.back();
      inverse.ptr<int64_t>()[i] = static_cast<int64_t>(first.size()) - 1;
    }
    sizes[0] = static_cast<int64_t>(first.size());
    Tensor out = emptyTensor(sizes, self.dtype());
    for (size_t k = 0; k < first.size(); ++k)
      std::copy_n(x + first[k] * width, width, out.ptr<T>() + static_cast<int64_t>(k) * width);
    // Back to the dimension's place: a view of the rows.
    Dims back(out.sizes()), steps(out.strides());
    std::rotate(back.begin(), back.begin() + 1, back.begin() + dim + 1);
    std::rotate(steps.begin(), steps.begin() + 1, steps.begin() + dim + 1);
    return {aliasTensor(out, back, steps, 0), inverse, countsOf(counts)};
  });
}

}  // namespace flambeau::cpu
