// One element of each line by its rank or frequency: kthvalue, median, mode.
#include <algorithm>
#include <tuple>

#include "cpu/order.h"
#include "extern_kernels.h"

namespace flambeau::cpu {
namespace {

using Pair = std::tuple<Tensor, Tensor>;

/// Removes the selected dimension unless it is kept.
Pair reduced(Tensor values, Tensor indices, int64_t dim, bool keepdim) {
  if (keepdim || values.dim() == 0) return {values, indices};
  Dims sizes(values.sizes());
  sizes.erase(static_cast<size_t>(dim));
  return {aliasTensor(values, sizes, contiguousStrides(sizes), 0),
          aliasTensor(indices, sizes, contiguousStrides(sizes), 0)};
}

/// pick(line) gives the entry that stands for the line.
template <class Pick>
Pair selectLines(const Tensor& self, int64_t dim, bool keepdim, const char* op, Pick&& pick) {
  dim = wrapDim(dim, self.dim());
  FB_CHECK(self.dim() == 0 || self.size(dim) > 0, Index, "%s(): Expected reduction dim %lld to have non-zero size.", op,
           static_cast<long long>(dim));
  const Dims sizes = withSize(self.sizes(), dim, 1);
  Tensor values = emptyTensor(sizes, self.dtype(), self.device()), indices = emptyTensor(sizes, DType::Int64);
  if (values.numel() > 0)
    dispatchAll(self.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      eachLine<T>(self, values, indices, dim, [&](std::vector<Entry<T>>& line, T* v, int64_t* ix, int64_t) {
        const Entry<T> chosen = pick(line);
        *v = chosen.value;
        *ix = chosen.index;
      });
    });
  return reduced(values, indices, dim, keepdim);
}

template <class T>
Entry<T> ranked(std::vector<Entry<T>>& line, int64_t rank) {
  std::nth_element(line.begin(), line.begin() + rank, line.end(), entryBefore<T>);
  return line[static_cast<size_t>(rank)];
}

}  // namespace

Pair kthvalue(const Tensor& self, int64_t k, int64_t dim, bool keepdim) {
  const int64_t d = wrapDim(dim, self.dim()), n = self.dim() ? self.size(d) : 1;
  FB_CHECK(k >= 1 && k <= n, Value, "kthvalue(): selected number k out of range for dimension %lld",
           static_cast<long long>(d));
  return selectLines(self, dim, keepdim, "kthvalue", [k](auto& line) { return ranked(line, k - 1); });
}

Pair medianDim(const Tensor& self, int64_t dim, bool keepdim) {
  return selectLines(self, dim, keepdim, "median", [](auto& line) {
    for (const auto& e : line)
      if (isNan(e.value)) return e;
    return ranked(line, (static_cast<int64_t>(line.size()) - 1) / 2);
  });
}

Pair nanmedianDim(const Tensor& self, int64_t dim, bool keepdim) {
  return selectLines(self, dim, keepdim, "nanmedian", [](auto& line) {
    int64_t n = 0;
    for (const auto& e : line) n += !isNan(e.value);
    return ranked(line, std::max<int64_t>(n - 1, 0) / 2);
  });
}

Pair mode(const Tensor& self, int64_t dim, bool keepdim) {
  return selectLines(self, dim, keepdim, "mode", [](auto& line) {
    // By value only, and the last of a run below: the position that PyTorch's kernel gives with the same library's
    // sort.
    std::sort(line.begin(), line.end(), [](const auto& a, const auto& b) { return lessThan(a.value, b.value); });
    size_t best = 0, most = 0;
    for (size_t begin = 0; begin < line.size();) {
      size_t end = begin + 1;
      while (end < line.size() && line[end].value == line[begin].value) ++end;
      if (end - begin > most) {
        most = end - begin;
        best = end - 1;
      }
      begin = end;
    }
    return line[best];
  });
}

}  // namespace flambeau::cpu
