// Copies, fills and conversions as ops; the work is copyInto and fillWith of the drivers.
#include <algorithm>

#include "cpu/extern_common.h"
#include "extern_kernels.h"

namespace flambeau::cpu {

const Tensor& copy_(const Tensor& self, const Tensor& src) {
  if (!self.is(src)) {
    copyInto(self, src);
    self.bumpVersion();
  }
  return self;
}

const Tensor& fill_(const Tensor& self, Scalar value) {
  fillWith(self, value);
  self.bumpVersion();
  return self;
}

const Tensor& zero_(const Tensor& self) { return fill_(self, Scalar(0)); }

Tensor clone(const Tensor& self) { return cloneOf(self); }

Tensor flip(const Tensor& self, IntSpan dims) {
  // Read through negative strides, which exist only here.
  Dims strides(self.strides());
  int64_t offset = self.storageOffset();
  for (int64_t d : wrapDims(dims.empty() ? std::nullopt : std::optional<IntSpan>(dims), self.dim())) {
    if (dims.empty() || self.numel() == 0) break;
    offset += (self.size(d) - 1) * strides[static_cast<size_t>(d)];
    strides[static_cast<size_t>(d)] *= -1;
  }
  Tensor out = emptyTensor(self.sizes(), self.dtype(), self.device());
  if (out.numel() > 0) copyInto(out, aliasTensor(self, Dims(self.sizes()), strides, offset));
  return out;
}

Tensor toDtype(const Tensor& self, DType dtype) { return castOf(self, dtype); }

Tensor asStridedScatter(const Tensor& self, const Tensor& src, IntSpan size, IntSpan stride,
                        std::optional<int64_t> storageOffset) {
  FB_CHECK(size.size() == stride.size(), Shape, "mismatch in length of strides and shape");
  FB_CHECK(src.dim() == static_cast<int64_t>(size.size()) && std::equal(size.begin(), size.end(), src.sizes().begin()),
           Shape, "expected src to have a size equal to the slice of self. src size = %s, slice size = %s",
           shapeString(src.sizes()).c_str(), shapeString(size).c_str());
  Tensor out = cloneOf(self);
  const int64_t offset = storageOffset.value_or(0);
  int64_t last = offset;
  for (size_t d = 0; d < size.size(); ++d) {
    if (size[d] == 0) return out;
    FB_CHECK(stride[d] >= 0, Value, "as_strided: Negative strides are not supported");
    last += (size[d] - 1) * stride[d];
  }
  FB_CHECK(offset >= 0 && last < out.numel(), Shape,
           "setStorage: sizes %s, strides %s, storage offset %lld are out of bounds for storage of size %lld",
           shapeString(size).c_str(), shapeString(stride).c_str(), static_cast<long long>(offset),
           static_cast<long long>(out.numel()));
  copyInto(aliasTensor(out, Dims(size), Dims(stride), offset), src);
  return out;
}

}  // namespace flambeau::cpu
