// See views.h. Source of rules and messages: aten/src/ATen/native/TensorShape.cpp of PyTorch.
#include "core/views.h"

#include <algorithm>

namespace flambeau {
namespace {

using std::optional;

long L(int64_t v) { return static_cast<long>(v); }

Geometry same(const Tensor& self) { return {Dims(self.sizes()), Dims(self.strides()), self.storageOffset()}; }

}  // namespace

Tensor applyGeometry(const Tensor& self, Geometry g) {
  return aliasTensor(self, std::move(g.sizes), std::move(g.strides), g.offset);
}

Geometry viewGeometry(const Tensor& self, IntSpan size) {
  Dims sizes = inferSize(size, self.numel());
  optional<Dims> strides = viewStrides(self.sizes(), self.strides(), sizes);
  FB_CHECK(strides.has_value(), Shape,
           "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
           "contiguous "
           "subspaces). Use .reshape(...) instead.");
  return {std::move(sizes), std::move(*strides), self.storageOffset()};
}

Geometry permuteGeometry(const Tensor& self, IntSpan dims) {
  FB_CHECK(static_cast<int64_t>(dims.size()) == self.dim(), Shape,
           "permute(): number of dimensions in the tensor input does not match the length of the desired ordering of "
           "dimensions i.e. "
           "input.dim() = %ld is not equal to len(dims) = %zu",
           L(self.dim()), dims.size());
  Geometry g{Dims(dims.size()), Dims(dims.size()), self.storageOffset()};
  Dims seen(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) {
    auto d = static_cast<size_t>(wrapDim(dims[i], self.dim()));
    FB_CHECK(!seen[d], Value, "permute(): duplicate dims are not allowed.");
    seen[d] = 1;
    g.sizes[i] = self.sizes()[d];
    g.strides[i] = self.strides()[d];
  }
  return g;
}

Geometry transposeGeometry(const Tensor& self, int64_t dim0, int64_t dim1) {
  Geometry g = same(self);
  int64_t a = wrapDim(dim0, self.dim()), b = wrapDim(dim1, self.dim());
  if (a != b) {
    std::swap(g.sizes[static_cast<size_t>(a)], g.sizes[static_cast<size_t>(b)]);
    std::swap(g.strides[static_cast<size_t>(a)], g.strides[static_cast<size_t>(b)]);
  }
  return g;
}

Geometry tGeometry(const Tensor& self) {
  FB_CHECK(self.dim() <= 2, Shape, "t() expects a tensor with <= 2 dimensions, but self is %ldD", L(self.dim()));
  return self.dim() < 2 ? same(self) : transposeGeometry(self, 0, 1);
}

Geometry unsqueezeGeometry(const Tensor& self, int64_t dim) {
  auto d = static_cast<size_t>(wrapDim(dim, self.dim() + 1));
  Geometry g = same(self);
  int64_t stride = d < g.sizes.size() ? g.sizes[d] * g.strides[d] : 1;
  g.sizes.insert(d, 1);
  g.strides.insert(d, stride);
  return g;
}

Geometry squeezeGeometry(const Tensor& self, optional<IntSpan> dim) {
  // Unlike reductions, an empty list squeezes nothing.
  Dims chosen(self.sizes().size(), dim ? 0 : 1);
  if (dim)
    for (int64_t d : *dim) {
      auto w = static_cast<size_t>(wrapDim(d, self.dim()));
      if (self.dim() == 0) continue;
      FB_CHECK(!chosen[w], Value, "dim %zu appears multiple times in the list of dims", w);
      chosen[w] = 1;
    }
  Geometry g;
  g.offset = self.storageOffset();
  for (size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i] && self.sizes()[i] == 1) continue;
    g.sizes.push_back(self.sizes()[i]);
    g.strides.push_back(self.strides()[i]);
  }
  return g;
}

Geometry expandGeometry(const Tensor& self, IntSpan size) {
  IntSpan from = self.sizes(), fromStrides = self.strides();
  FB_CHECK(size.size() >= from.size(), Shape,
           "expand(%s tensor of shape %s, size=%s): the number of sizes provided (%zu) must be greater or equal to the "
           "number of "
           "dimensions in the tensor (%zu)",
           dtypeName(self.dtype()).data(), shapeString(from).c_str(), shapeString(size).c_str(), size.size(),
           from.size());
  Geometry g{Dims(size), Dims(size.size()), self.storageOffset()};
  size_t lead = size.size() - from.size();
  for (size_t i = size.size(); i-- > 0;) {
    if (i < lead) {
      FB_CHECK(size[i] >= 0, Shape,
               "The expanded size of the tensor (%ld) isn't allowed in a leading, non-existing dimension %zu",
               L(size[i]), i);
      g.strides[i] = 0;
      continue;
    }
    int64_t have = from[i - lead];
    int64_t want = size[i] == -1 ? have : size[i];
    if (have == want) {
      g.strides[i] = fromStrides[i - lead];
    } else {
      FB_CHECK(have == 1 && want >= 0, Shape,
               "The expanded size of the tensor (%ld) must match the existing size (%ld) at non-singleton dimension "
               "%zu.  Target sizes: "
               "%s.  Tensor sizes: %s",
               L(want), L(have), i, shapeString(size).c_str(), shapeString(from).c_str());
      g.strides[i] = 0;
    }
    g.sizes[i] = want;
  }
  return g;
}

Geometry selectGeometry(const Tensor& self, int64_t dim, int64_t index) {
  FB_CHECK(self.dim() > 0, Index, "select() cannot be applied to a 0-dim tensor.");
  auto d = static_cast<size_t>(wrapDim(dim, self.dim()));
  Geometry g = same(self);
  int64_t n = g.sizes[d];
  FB_CHECK(index >= -n && index < n, Index, "select(): index %ld out of range for tensor of size %s at dimension %zu",
           L(index), shapeString(self.sizes()).c_str(), d);
  g.offset += (index < 0 ? index + n : index) * g.strides[d];
  g.sizes.erase(d);
  g.strides.erase(d);
  return g;
}

Geometry sliceGeometry(const Tensor& self, int64_t dim, optional<int64_t> start, optional<int64_t> end, int64_t step) {
  FB_CHECK(self.dim() > 0, Index, "slice() cannot be applied to a 0-dim tensor.");
  auto d = static_cast<size_t>(wrapDim(dim, self.dim()));
  FB_CHECK(step > 0, Value, "slice step must be positive");
  Geometry g = same(self);
  int64_t n = g.sizes[d];
  int64_t b = start.value_or(0), e = end.value_or(n);
  if (b < 0) b += n;
  if (e < 0) e += n;
  b = std::clamp<int64_t>(b, 0, n);
  e = std::clamp<int64_t>(e, b, n);
  g.offset += b * g.strides[d];
  g.sizes[d] = (e - b) / step + ((e - b) % step != 0);
  // With at most one element left the stride is never used: a huge step may not fit, and need not.
  int64_t stepped;
  if (!__builtin_mul_overflow(g.strides[d], step, &stepped)) g.strides[d] = stepped;
  return g;
}

Geometry narrowGeometry(const Tensor& self, int64_t dim, int64_t start, int64_t length) {
  FB_CHECK(self.dim() > 0, Index, "narrow() cannot be applied to a 0-dim tensor.");
  FB_CHECK(length >= 0, Value, "narrow(): length must be non-negative.");
  auto d = static_cast<size_t>(wrapDim(dim, self.dim()));
  int64_t n = self.sizes()[d];
  FB_CHECK(start >= -n && start <= n, Index, "start out of range (expected to be in range of [%ld, %ld], but got %ld)",
           L(-n), L(n), L(start));
  if (start < 0) start += n;
  FB_CHECK(length <= n - start, Index, "start (%ld) + length (%ld) exceeds dimension size (%ld).", L(start), L(length),
           L(n));
  return sliceGeometry(self, dim, start, start + length, 1);
}

Geometry asStridedGeometry(const Tensor& self, IntSpan size, IntSpan stride, optional<int64_t> storageOffset) {
  FB_CHECK(size.size() == stride.size(), Shape, "mismatch in length of strides and shape");
  int64_t offset = storageOffset.value_or(self.storageOffset());
  FB_CHECK(offset >= 0, Value, "Tensor: invalid storage offset %ld", L(offset));
  int64_t last = offset;
  bool overflow = false, empty = false;
  for (size_t i = 0; i < size.size(); ++i) {
    FB_CHECK(stride[i] >= 0, Value, "as_strided: Negative strides are not supported at the moment, got strides: %s",
             shapeString(stride).c_str());
    FB_CHECK(size[i] >= 0, Value, "Trying to create tensor with negative dimension %ld: %s", L(size[i]),
             shapeString(size).c_str());
    empty |= size[i] == 0;
    int64_t reach = 0;
    if (size[i] > 1)
      overflow |= __builtin_mul_overflow(size[i] - 1, stride[i], &reach) || __builtin_add_overflow(last, reach, &last);
  }
  auto item = static_cast<int64_t>(itemSize(self.dtype()));
  int64_t bytes = 0;
  if (!empty) overflow |= __builtin_add_overflow(last, 1, &last) || __builtin_mul_overflow(last, item, &bytes);
  // The element count must be representable too: expanded strides can make it larger than the storage.
  int64_t numel = 1;
  for (int64_t s : size) overflow |= !empty && __builtin_mul_overflow(numel, s, &numel);
  FB_CHECK(!overflow && static_cast<uint64_t>(bytes) <= self.impl()->storage->nbytes(), Index,
           "setStorage: sizes %s, strides %s, storage offset %ld, and itemsize %ld requiring a storage size of %ld are "
           "out of bounds for "
           "storage of size %zu",
           shapeString(size).c_str(), shapeString(stride).c_str(), L(offset), L(item), overflow ? -1L : L(bytes),
           self.impl()->storage->nbytes());
  return {Dims(size), Dims(stride), offset};
}

Geometry diagonalGeometry(const Tensor& self, int64_t offset, int64_t dim1, int64_t dim2) {
  auto a = static_cast<size_t>(wrapDim(dim1, self.dim())), b = static_cast<size_t>(wrapDim(dim2, self.dim()));
  FB_CHECK(a != b, Value, "diagonal dimensions cannot be identical %ld, %ld", L(dim1), L(dim2));
  Geometry g = same(self);
  int64_t na = g.sizes[a], nb = g.sizes[b], sa = g.strides[a], sb = g.strides[b];
  // Compared without subtracting from an extreme offset.
  int64_t length =
      offset >= 0 ? (offset >= nb ? 0 : std::min(na, nb - offset)) : (offset <= -na ? 0 : std::min(na + offset, nb));
  length = std::max<int64_t>(length, 0);
  if (length > 0) g.offset += offset >= 0 ? offset * sb : -offset * sa;
  g.sizes.erase(std::max(a, b));
  g.strides.erase(std::max(a, b));
  g.sizes.erase(std::min(a, b));
  g.strides.erase(std::min(a, b));
  g.sizes.push_back(length);
  g.strides.push_back(sa + sb);
  return g;
}

Geometry detachGeometry(const Tensor& self) { return same(self); }
Geometry aliasGeometry(const Tensor& self) { return same(self); }

Geometry movedimGeometry(const Tensor& self, IntSpan source, IntSpan destination) {
  FB_CHECK(source.size() == destination.size(), Shape,
           "movedim: Invalid source or destination dims: source (%s dims) should contain the same number of dims as "
           "destination (%s dims)",
           shapeString(source).c_str(), shapeString(destination).c_str());
  int64_t n = self.dim();
  Dims order(static_cast<size_t>(n), -1), taken(static_cast<size_t>(n));
  if (n == 0) {
    for (int64_t d : source) wrapDim(d, 0);
    for (int64_t d : destination) wrapDim(d, 0);
    return same(self);
  }
  for (size_t i = 0; i < source.size(); ++i) {
    auto s = static_cast<size_t>(wrapDim(source[i], n)), d = static_cast<size_t>(wrapDim(destination[i], n));
    FB_CHECK(!taken[s], Value, "movedim: repeated dim in `source` (%s)", shapeString(source).c_str());
    FB_CHECK(order[d] < 0, Value, "movedim: repeated dim in `destination` (%s)", shapeString(destination).c_str());
    taken[s] = 1;
    order[d] = static_cast<int64_t>(s);
  }
  size_t next = 0;
  for (size_t d = 0; d < order.size(); ++d) {
    if (order[d] >= 0) continue;
    while (taken[next]) ++next;
    order[d] = static_cast<int64_t>(next++);
  }
  return permuteGeometry(self, order);
}

Geometry movedimGeometry(const Tensor& self, int64_t source, int64_t destination) {
  return movedimGeometry(self, IntSpan(&source, 1), IntSpan(&destination, 1));
}

Geometry unfoldGeometry(const Tensor& self, int64_t dimension, int64_t size, int64_t step) {
  auto d = static_cast<size_t>(wrapDim(dimension, self.dim()));
  int64_t n = self.dim() == 0 ? 1 : self.sizes()[d];
  FB_CHECK(size >= 0, Value, "size is %ld but must be >= 0", L(size));
  FB_CHECK(size <= n, Value, "maximum size for tensor at dimension %zu is %ld but size is %ld", d, L(n), L(size));
  FB_CHECK(step > 0, Value, "step is %ld but must be > 0", L(step));
  Geometry g = same(self);
  g.sizes.push_back(size);
  g.strides.push_back(self.dim() == 0 ? 1 : self.strides()[d]);
  if (self.dim() > 0) {
    g.sizes[d] = (n - size) / step + 1;
    g.strides[d] = g.sizes[d] > 1 ? step * self.strides()[d] : self.strides()[d];
  }
  return g;
}

}  // namespace flambeau
