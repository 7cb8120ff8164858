// Order along one dimension: sort, topk. NaN counts as the largest value.
#include <algorithm>
#include <numeric>
#include <tuple>

#include "cpu/order.h"
#include "extern_kernels.h"

namespace flambeau::cpu {

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

}  // namespace flambeau::cpu
