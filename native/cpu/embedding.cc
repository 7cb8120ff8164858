// Rows of a table by index, their gradient, and the largest rows of segments.
#include <limits>
#include <tuple>

#include "cpu/extern_common.h"
#include "extern_kernels.h"

namespace flambeau::cpu {

Tensor embedding(const Tensor& weight, const Tensor& indices, int64_t, bool) {
  FB_CHECK(weight.dim() == 2, Shape, "'weight' must be 2-D");
  FB_CHECK(indices.dtype() == DType::Int64 || indices.dtype() == DType::Int32, Type,
           "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got %s "
           "instead (while checking arguments for embedding)",
           scalarTypeName(indices.dtype()));
  Dims sizes(indices.sizes());
  sizes.push_back(weight.size(1));
  const int64_t count = indices.numel();
  const Tensor flat = contiguousOf(indices);
  const Tensor rows = indexSelect(weight, 0, aliasTensor(flat, Dims{count}, Dims{1}, flat.storageOffset()));
  return aliasTensor(rows, sizes, contiguousStrides(sizes), rows.storageOffset());
}

Tensor embeddingBackward(const Tensor& gradOutput, const Tensor& indices, int64_t numWeights, int64_t paddingIdx) {
  const int64_t width = gradOutput.size(-1), count = indices.numel();
  FB_CHECK(gradOutput.numel() == count * width, Shape,
           "embedding_backward: gradient of shape %s does not fit indices of shape %s",
           shapeString(gradOutput.sizes()).c_str(), shapeString(indices.sizes()).c_str());
  Tensor out = emptyTensor(Dims{numWeights, width}, gradOutput.dtype(), gradOutput.device());
  fillWith(out, Scalar(0));
  const Tensor g = contiguousOf(gradOutput), ix = contiguousOf(castOf(indices, DType::Int64));
  const int64_t* p = ix.ptr<int64_t>();
  dispatchAll(out.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    // Threads own bands of columns, so that equal indices never race and the order of additions is fixed.
    parallelFor(width, std::max<int64_t>(16, 32768 / std::max<int64_t>(1, count)), [&](int64_t b, int64_t e) {
      for (int64_t i = 0; i < count; ++i) {
        const int64_t k = p[i];
        if (k == paddingIdx) continue;
        if (k < 0 || k >= numWeights) throw Error(ErrorKind::Index, "index out of range in self");
        T* o = out.ptr<T>() + k * width;
        const T* s = g.ptr<T>() + i * width;
        for (int64_t c = b; c < e; ++c) accumulate(o[c], s[c]);
      }
    });
  });
  return out;
}

std::tuple<Tensor, Tensor> segmentMax(const Tensor& self, const Tensor& segments, int64_t count) {
  FB_CHECK(
      self.dim() == 2 && segments.dim() == 1 && segments.size(0) == self.size(0) && segments.dtype() == DType::Int64,
      Shape, "segment_max: expected rows [n, d] and int64 segments [n], got %s and %s",
      shapeString(self.sizes()).c_str(), shapeString(segments.sizes()).c_str());
  const int64_t rows = self.size(0), width = self.size(1);
  Tensor out = emptyTensor(Dims{count, width}, self.dtype(), self.device()),
         indices = emptyTensor(Dims{count, width}, DType::Int64);
  fillWith(out, Scalar(0));
  fillWith(indices, Scalar(-1));
  const Tensor x = contiguousOf(self), s = contiguousOf(segments);
  dispatchFloat(self.dtype(), "segment_max", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Compute<T>;
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t k = s.ptr<int64_t>()[i];
      if (k < 0) continue;
      FB_CHECK(k < count, Index, "segment_max: segment %lld is out of bounds for %lld segments",
               static_cast<long long>(k), static_cast<long long>(count));
      const T* from = x.ptr<T>() + i * width;
      T* to = out.ptr<T>() + k * width;
      int64_t* at = indices.ptr<int64_t>() + k * width;
      for (int64_t c = 0; c < width; ++c) {
        const C v = static_cast<C>(from[c]), best = static_cast<C>(to[c]);
        if (at[c] >= 0 && !(v > best) && !(v != v && best == best)) continue;
        to[c] = from[c];
        at[c] = i;
      }
    }
  });
  return {out, indices};
}

}  // namespace flambeau::cpu
