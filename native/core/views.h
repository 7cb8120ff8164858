// Geometry of the view ops: which sizes, strides and offset a view of `self` has. Nothing is allocated or recorded
// here; the generated view ops call these and wrap the result. Parameters follow the ops' schemas.
#pragma once
#include <optional>

#include "flambeau/tensor.h"

namespace flambeau {

struct Geometry {
  Dims sizes, strides;
  int64_t offset = 0;  // elements, from the start of the storage
};

/// Throws Error(Shape) when no strides can express it: "... Use .reshape(...) instead."
Geometry viewGeometry(const Tensor& self, IntSpan size);
Geometry permuteGeometry(const Tensor& self, IntSpan dims);
Geometry transposeGeometry(const Tensor& self, int64_t dim0, int64_t dim1);
Geometry tGeometry(const Tensor& self);
Geometry unsqueezeGeometry(const Tensor& self, int64_t dim);
/// No dims: all of size 1. Dims of another size stay.
Geometry squeezeGeometry(const Tensor& self, std::optional<IntSpan> dim = {});
/// -1 keeps a size.
Geometry expandGeometry(const Tensor& self, IntSpan size);
Geometry selectGeometry(const Tensor& self, int64_t dim, int64_t index);
/// Out-of-range ends are clamped, as in Python; the step must be positive.
Geometry sliceGeometry(const Tensor& self, int64_t dim = 0, std::optional<int64_t> start = {},
                       std::optional<int64_t> end = {}, int64_t step = 1);
Geometry narrowGeometry(const Tensor& self, int64_t dim, int64_t start, int64_t length);
/// Bounds are checked against the storage.
Geometry asStridedGeometry(const Tensor& self, IntSpan size, IntSpan stride, std::optional<int64_t> storageOffset = {});
Geometry diagonalGeometry(const Tensor& self, int64_t offset = 0, int64_t dim1 = 0, int64_t dim2 = 1);
Geometry detachGeometry(const Tensor& self);
Geometry aliasGeometry(const Tensor& self);
Geometry movedimGeometry(const Tensor& self, IntSpan source, IntSpan destination);
Geometry movedimGeometry(const Tensor& self, int64_t source, int64_t destination);
Geometry unfoldGeometry(const Tensor& self, int64_t dimension, int64_t size, int64_t step);

/// An alias of `self` with that geometry.
Tensor applyGeometry(const Tensor& self, Geometry g);

}  // namespace flambeau
