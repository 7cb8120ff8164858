// Bodies about shapes: views, joining and splitting, and their derivatives.
#include <algorithm>

#include "nn/bodies.h"

namespace flambeau::support {

Dims inverseDims(const Dims& dims) {
  const int64_t n = static_cast<int64_t>(dims.size());
  Dims out(dims.size());
  for (int64_t i = 0; i < n; ++i) out[static_cast<size_t>(wrapDim(dims[static_cast<size_t>(i)], n))] = i;
  return out;
}

Tensor zerosLike(const Tensor& like, const Dims& sizes) { return ops::zeros(sizes, like.dtype()); }

namespace {
Tensor contiguousZeros(const Tensor& like, IntSpan sizes) { return ops::zeros(sizes, like.dtype()); }
}  // namespace

Tensor sliceBackward(const Tensor& grad, const Dims& sizes, int64_t dim, int64_t start, int64_t step) {
  const int64_t d = wrapDim(dim, static_cast<int64_t>(sizes.size()));
  const Dims strides = contiguousStrides(sizes);
  const int64_t extent = sizes[static_cast<size_t>(d)];
  if (start < 0) start += extent;
  start = std::clamp<int64_t>(start, 0, extent);
  Dims viewStrides = strides;
  viewStrides[static_cast<size_t>(d)] *= step;
  return ops::asStridedScatter(contiguousZeros(grad, sizes), grad, Dims(grad.sizes()), viewStrides,
                               start * strides[static_cast<size_t>(d)]);
}

Tensor diagonalBackward(const Tensor& grad, const Dims& sizes, int64_t offset, int64_t dim1, int64_t dim2) {
  const Tensor base = contiguousZeros(grad, sizes);
  Tensor d;
  {
    autograd::GradGuard off(false);
    d = ops::diagonal(base, offset, dim1, dim2);
  }
  return ops::asStridedScatter(base, grad, Dims(d.sizes()), Dims(d.strides()), d.storageOffset());
}

Tensor asStridedBackward(const Tensor& grad, const Tensor& self, const Dims& size, const Dims& stride,
                         std::optional<int64_t> offset) {
  // A gradient over the storage that `self` spans: positions read several times add up.
  const int64_t base = self.storageOffset();
  int64_t span = 1;
  auto reach = [&](IntSpan sizes, IntSpan strides, int64_t start) {
    int64_t last = start;
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (sizes[i] == 0) return;
      last += (sizes[i] - 1) * strides[i];
    }
    span = std::max(span, last + 1);
  };
  const int64_t start = offset.value_or(base);
  reach(self.sizes(), self.strides(), base);
  reach(size, stride, start);
  const Tensor positions = ops::arange(Scalar(int64_t{0}), Scalar(span), Scalar(int64_t{1}), DType::Int64);
  const Tensor where = ops::reshape(ops::asStrided(positions, size, stride, start), Dims{-1});
  const Tensor flat =
      ops::indexAdd(ops::zeros(Dims{span}, grad.dtype()), 0, where, ops::reshape(grad, Dims{-1}), Scalar(1));
  return ops::asStrided(flat, Dims(self.sizes()), Dims(self.strides()), base);
}

Tensor unfoldBackward(const Tensor& grad, const Dims& sizes, int64_t dimension, int64_t size, int64_t step) {
  const int64_t d = wrapDim(dimension, std::max<int64_t>(1, static_cast<int64_t>(sizes.size())));
  const Tensor positions = ops::arange(Scalar(int64_t{0}), Scalar(sizes.empty() ? 1 : sizes[static_cast<size_t>(d)]),
                                       Scalar(int64_t{1}), DType::Int64);
  const Tensor index = ops::reshape(ops::unfold(positions, 0, size, step), Dims{-1});
  // [.., windows, .., size] -> [.., windows * size, ..]
  if (sizes.empty()) return ops::sum(grad);
  Tensor g = ops::movedim(grad, Dims{-1}, Dims{d + 1});
  return ops::indexAdd(zerosLike(grad, sizes), d, index, ops::flatten(g, d, d + 1), Scalar(1));
}

Tensor asStridedZero(const Tensor& grad, const Dims& size, const Dims& stride, std::optional<int64_t> offset) {
  return ops::asStridedScatter(ops::contiguous(grad), ops::zeros(size, grad.dtype()), size, stride, offset);
}
Tensor asStridedOf(const Tensor& grad, const Dims& size, const Dims& stride, std::optional<int64_t> offset) {
  // Strides and offset count from the start of memory; a contiguous view may begin later.
  const Tensor whole = grad.isContiguous() && grad.storageOffset() == 0 ? grad : ops::clone(grad);
  return ops::asStrided(whole, size, stride, offset.value_or(0));
}

Tensor reshape(const Tensor& self, IntSpan shape) {
  const Dims sizes = inferSize(shape, self.numel());
  if (viewStrides(self.sizes(), self.strides(), sizes)) return ops::view(self, sizes);
  return ops::view(ops::clone(self), sizes);
}

Dims flattenedShape(const Dims& sizes, int64_t startDim, int64_t endDim) {
  const int64_t n = static_cast<int64_t>(sizes.size());
  if (n == 0) return Dims{1};
  const int64_t a = wrapDim(startDim, n), b = wrapDim(endDim, n);
  FB_CHECK(a <= b, Value, "flatten() has invalid args: start_dim cannot come after end_dim");
  Dims out;
  for (int64_t i = 0; i < a; ++i) out.push_back(sizes[static_cast<size_t>(i)]);
  int64_t joined = 1;
  for (int64_t i = a; i <= b; ++i) joined *= sizes[static_cast<size_t>(i)];
  out.push_back(joined);
  for (int64_t i = b + 1; i < n; ++i) out.push_back(sizes[static_cast<size_t>(i)]);
  return out;
}

Dims movedDims(int64_t ndim, IntSpan source, IntSpan destination) {
  FB_CHECK(source.size() == destination.size(), Value,
           "movedim: Invalid source or destination dims: source (%s dims) should contain the same number of dims as "
           "destination (%s dims)",
           shapeString(source).c_str(), shapeString(destination).c_str());
  if (ndim == 0) {
    for (int64_t d : source) wrapDim(d, 0);
    for (int64_t d : destination) wrapDim(d, 0);
    return {};
  }
  Dims order(static_cast<size_t>(ndim), -1);
  std::vector<bool> used(static_cast<size_t>(ndim), false);
  for (size_t i = 0; i < source.size(); ++i) {
    const int64_t s = wrapDim(source[i], ndim), d = wrapDim(destination[i], ndim);
    FB_CHECK(!used[static_cast<size_t>(s)], Value, "movedim: repeated dim in `source` (%s)",
             shapeString(source).c_str());
    FB_CHECK(order[static_cast<size_t>(d)] < 0, Value, "movedim: repeated dim in `destination` (%s)",
             shapeString(destination).c_str());
    order[static_cast<size_t>(d)] = s;
    used[static_cast<size_t>(s)] = true;
  }
  int64_t next = 0;
  for (auto& o : order) {
    if (o >= 0) continue;
    while (used[static_cast<size_t>(next)]) ++next;
    o = next++;
  }
  return order;
}

Dims lastDims(const Dims& sizes, int64_t count) {
  Dims out;
  for (size_t i = sizes.size() - static_cast<size_t>(count); i < sizes.size(); ++i) out.push_back(sizes[i]);
  return out;
}
Dims allButDims(int64_t ndim, int64_t keep) {
  Dims out;
  keep = wrapDim(keep, ndim);
  for (int64_t i = 0; i < ndim; ++i)
    if (i != keep) out.push_back(i);
  return out;
}

TensorList catBackwardList(const Tensor& grad, const std::vector<Dims>& shapes, int64_t dim) {
  TensorList out;
  const int64_t d = wrapDim(dim, grad.dim());
  int64_t at = 0;
  for (const Dims& s : shapes) {
    // PyTorch lets 1-d empty tensors of any rank take part in a cat.
    if (s.size() == 1 && s[0] == 0 && grad.dim() != 1) {
      out.push_back(ops::zeros(s, grad.dtype()));
      continue;
    }
    const int64_t n = s[static_cast<size_t>(d)];
    out.push_back(ops::narrow(grad, d, at, n));
    at += n;
  }
  return out;
}

Tensor indexPutZero(const Tensor& grad, const TensorList& indices) {
  return ops::indexPut(grad, indices, scalarTensor(Scalar(0.0), grad.dtype()), false);
}

Tensor maskedSelectBackward(const Tensor& grad, const Dims& sizes, const Tensor& mask) {
  const Dims shape = broadcastShapes(sizes, mask.sizes());
  const TensorList index{ops::expand(mask, shape)};
  return sumTo(ops::indexPut(ops::zeros(shape, grad.dtype()), index, grad, false), sizes);
}

}  // namespace flambeau::support

namespace flambeau::nn {

Tensor contiguous(const Tensor& self) { return self.isContiguous() ? self : ops::clone(self); }

Tensor sumToSize(const Tensor& self, IntSpan size) {
  const bool fits = size.size() <= self.sizes().size() && [&] {
    const size_t lead = self.sizes().size() - size.size();
    for (size_t i = 0; i < size.size(); ++i)
      if (size[i] != 1 && size[i] != self.sizes()[lead + i]) return false;
    return true;
  }();
  FB_CHECK(fits, Shape, "size {%s} is not expandable to size {%s}.", shapeString(size).c_str(),
           shapeString(self.sizes()).c_str());
  // Sums of integers are int64, as of `sum`; what keeps its sizes keeps its dtype, but for a scalar.
  const bool sums = size.empty() || !std::ranges::equal(size, self.sizes());
  const Tensor from = sums && !isFloating(self.dtype()) ? ops::toDtype(self, DType::Int64) : self;
  return autograd::sumTo(from, size);
}

}  // namespace flambeau::nn
