// Shape arithmetic: broadcasting, dimension wrapping, view strides.
#include <algorithm>

#include "flambeau/tensor.h"

namespace flambeau {

Dims contiguousStrides(IntSpan sizes) {
  Dims strides(sizes.size());
  uint64_t step = 1;  // unsigned: an empty tensor may have sizes whose product wraps
  for (size_t i = sizes.size(); i-- > 0;) {
    strides[i] = static_cast<int64_t>(step);
    step *= static_cast<uint64_t>(std::max<int64_t>(sizes[i], 1));
  }
  return strides;
}

int64_t product(IntSpan sizes) {
  uint64_t n = 1;  // unsigned for the same reason
  for (int64_t s : sizes) n *= static_cast<uint64_t>(s);
  return static_cast<int64_t>(n);
}

Dims broadcastShapes(IntSpan a, IntSpan b) {
  size_t na = a.size(), nb = b.size(), n = std::max(na, nb);
  Dims out(n);
  for (size_t i = n; i-- > 0;) {
    size_t fromEnd = n - 1 - i;
    int64_t sa = fromEnd < na ? a[na - 1 - fromEnd] : 1;
    int64_t sb = fromEnd < nb ? b[nb - 1 - fromEnd] : 1;
    FB_CHECK(sa == sb || sa == 1 || sb == 1, Shape,
             "The size of tensor a (%ld) must match the size of tensor b (%ld) at non-singleton dimension %zu",
             static_cast<long>(sa), static_cast<long>(sb), i);
    out[i] = sa == 1 ? sb : sa;
  }
  return out;
}

int64_t wrapDim(int64_t d, int64_t ndim) {
  int64_t range = std::max<int64_t>(ndim, 1);  // a 0-d tensor accepts 0 and -1
  FB_CHECK(d >= -range && d < range, Index,
           "Dimension out of range (expected to be in range of [%ld, %ld], but got %ld)", static_cast<long>(-range),
           static_cast<long>(range - 1), static_cast<long>(d));
  return d < 0 ? d + range : d;
}

Dims wrapDims(std::optional<IntSpan> dims, int64_t ndim) {
  Dims out;
  if (!dims || dims->empty()) {
    for (int64_t d = 0; d < ndim; ++d) out.push_back(d);
    return out;
  }
  for (int64_t d : *dims) {
    int64_t w = wrapDim(d, ndim);
    FB_CHECK(std::find(out.begin(), out.end(), w) == out.end(), Value,
             "dim %ld appears multiple times in the list of dims", static_cast<long>(w));
    out.push_back(w);
  }
  if (ndim == 0) out.clear();
  return out;
}

std::string shapeString(IntSpan sizes) {
  std::string s = "[";
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (i) s += ", ";
    s += std::to_string(sizes[i]);
  }
  return s + "]";
}

Dims inferSize(IntSpan shape, int64_t numel) {
  Dims out{shape};
  int64_t known = 1;
  bool overflow = false;
  std::optional<size_t> hole;
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i] == -1) {
      FB_CHECK(!hole, Shape, "only one dimension can be inferred");
      hole = i;
    } else {
      FB_CHECK(out[i] >= 0, Shape, "invalid shape dimension %ld", static_cast<long>(out[i]));
      overflow |= __builtin_mul_overflow(known, out[i], &known);
    }
  }
  bool fits = !overflow && (known == numel || (hole && known > 0 && numel % known == 0));
  FB_CHECK(fits, Shape, "shape '%s' is invalid for input of size %ld", shapeString(shape).c_str(),
           static_cast<long>(numel));
  if (hole) {
    FB_CHECK(known != 0, Shape,
             "cannot reshape tensor of 0 elements into shape %s because the unspecified dimension size -1 can be any "
             "value and is ambiguous",
             shapeString(shape).c_str());
    out[*hole] = numel / known;
  }
  return out;
}

std::optional<Dims> viewStrides(IntSpan sizes, IntSpan strides, IntSpan shape) {
  int64_t numel = product(sizes);
  if (numel == 0) {
    if (std::equal(sizes.begin(), sizes.end(), shape.begin(), shape.end())) return Dims{strides};
    return contiguousStrides(shape);
  }
  // Walk groups of old dimensions that are contiguous among themselves; each must be covered by whole new dimensions.
  Dims out(shape.size());
  if (sizes.empty()) {
    for (size_t i = 0; i < out.size(); ++i) out[i] = 1;
    return out;
  }
  int64_t viewDim = static_cast<int64_t>(shape.size()) - 1;
  int64_t chunkBase = strides.back(), tensorNumel = 1, viewNumel = 1;
  for (int64_t d = static_cast<int64_t>(sizes.size()) - 1; d >= 0; --d) {
    tensorNumel *= sizes[d];
    if (d == 0 || (sizes[d - 1] != 1 && strides[d - 1] != tensorNumel * chunkBase)) {
      while (viewDim >= 0 && (viewNumel < tensorNumel || shape[viewDim] == 1)) {
        out[viewDim] = viewNumel * chunkBase;
        viewNumel *= shape[viewDim];
        --viewDim;
      }
      if (viewNumel != tensorNumel) return std::nullopt;
      if (d > 0) {
        chunkBase = strides[d - 1];
        tensorNumel = 1;
        viewNumel = 1;
      }
    }
  }
  if (viewDim != -1) return std::nullopt;
  return out;
}

}  // namespace flambeau
