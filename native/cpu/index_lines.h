// What gather and scatter share: checks of the index against the tensors it walks with, in PyTorch's words, and the
// walk over lines along the dimension that the index replaces.
#pragma once
#include <algorithm>

#include "cpu/extern_common.h"

namespace flambeau::cpu {

inline void checkIndexDtype(const Tensor& index, const char* op) {
  if (index.numel() == 0) return;  // PyTorch accepts an empty index of any dtype
  FB_CHECK(index.dtype() == DType::Int64, Type, "%s(): Expected dtype int64 for index", op);
}

// gather/scatter: index may be smaller than the others, except gather's `self` along dim.
inline void checkGatherShapes(const Tensor& self, int64_t dim, const Tensor& index, const Tensor* src, const char* op) {
  checkIndexDtype(index, op);
  if (index.numel() == 0) return;
  const int64_t nd = std::max<int64_t>(1, self.dim()), ni = std::max<int64_t>(1, index.dim());
  FB_CHECK(nd == ni, Shape, "Index tensor must have the same number of dimensions as %s tensor",
           src ? "self" : "input");
  if (src)
    FB_CHECK(std::max<int64_t>(1, src->dim()) == ni, Shape,
             "Index tensor must have the same number of dimensions as src tensor");
  for (int64_t d = 0; d < index.dim(); ++d) {
    const int64_t n = index.sizes()[d];
    const bool fits = d == dim || n <= (self.dim() ? self.sizes()[d] : 1);
    if (src)
      FB_CHECK(
          fits && n <= (src->dim() ? src->sizes()[d] : 1), Shape,
          "Expected index %s to be smaller than self %s apart from dimension %lld and to be smaller size than src %s",
          shapeString(index.sizes()).c_str(), shapeString(self.sizes()).c_str(), static_cast<long long>(dim),
          shapeString(src->sizes()).c_str());
    else
      FB_CHECK(fits, Shape,
               "Size does not match at dimension %lld expected index %s to be smaller than self %s apart from "
               "dimension %lld",
               static_cast<long long>(d), shapeString(index.sizes()).c_str(), shapeString(self.sizes()).c_str(),
               static_cast<long long>(dim));
  }
}

[[noreturn]] inline void outOfBounds(int64_t i, int64_t dim, int64_t n) {
  throw Error(ErrorKind::Index,
              detail::formatMessage("index %lld is out of bounds for dimension %lld with size %lld",
                                    static_cast<long long>(i), static_cast<long long>(dim), static_cast<long long>(n)));
}

// Strides of a tensor for walking an index of `nd` dims (a 0-d tensor walks as one of size one).
inline Dims walkStrides(const Tensor& t, int64_t nd) {
  if (t.dim() == nd) return Dims(t.strides());
  return Dims(static_cast<size_t>(nd), 0);
}

// Calls line(offsets of self-like, index, other, count) for each line along dim of the index.
template <class F>
void eachIndexLine(const Tensor& a, const Tensor& index, const Tensor& b, int64_t dim, F&& line) {
  const int64_t nd = index.dim();
  const Dims sa = walkStrides(a, nd), sb = walkStrides(b, nd), si(index.strides());
  if (nd == 0) {
    line(0, 0, 0, 1, 0, 0, 0);
    return;
  }
  const int64_t n = index.sizes()[dim];
  forEachLine<3>(index.sizes(), dim, {sa.span(), si.span(), sb.span()},
                 [&](const std::array<int64_t, 3>& at) { line(at[0], at[1], at[2], n, sa[dim], si[dim], sb[dim]); });
}

}  // namespace flambeau::cpu
