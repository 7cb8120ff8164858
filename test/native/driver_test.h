// Helpers of the driver tests: tensors of every dtype and layout, and naive element access to compare with.
#pragma once
#include <cstdint>

#include "check.h"
#include "core/element.h"
#include "core/views.h"
#include "flambeau/tensor.h"

namespace flambeau::testing {

struct Random {
  uint64_t state = 88172645463325252ull;
  uint64_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
  }
  int64_t below(int64_t n) { return static_cast<int64_t>(next() % static_cast<uint64_t>(n)); }
};

inline int64_t offsetOf(const Tensor& t, int64_t i) {
  int64_t offset = 0;
  for (size_t d = t.sizes().size(); d-- > 0;) {
    offset += i % t.sizes()[d] * t.strides()[d];
    i /= t.sizes()[d];
  }
  return offset;
}
inline char* address(const Tensor& t, int64_t i) {
  return t.ptr<char>() + offsetOf(t, i) * static_cast<int64_t>(itemSize(t.dtype()));
}
/// Element i in row-major order.
inline double at(const Tensor& t, int64_t i) { return loadScalar(address(t, i), t.dtype()).toDouble(); }
/// Element of `t` that index i of the broadcast `shape` reads.
inline double atBroadcast(const Tensor& t, IntSpan shape, int64_t i) {
  int64_t offset = 0;
  for (size_t d = shape.size(); d-- > 0;) {
    int64_t index = i % shape[d];
    i /= shape[d];
    size_t lead = shape.size() - t.sizes().size();
    if (d >= lead && t.sizes()[d - lead] != 1) offset += index * t.strides()[d - lead];
  }
  return loadScalar(t.ptr<char>() + offset * static_cast<int64_t>(itemSize(t.dtype())), t.dtype()).toDouble();
}

/// Small whole numbers: exact in every dtype.
inline void fillSmall(const Tensor& t, Random& rng) {
  for (int64_t i = 0; i < t.numel(); ++i)
    storeScalar(address(t, i), t.dtype(), Scalar(rng.below(t.dtype() == DType::Bool ? 2 : 6)));
}

/// A tensor of that shape in one of several layouts: contiguous, permuted, sliced with steps, offset, expanded.
inline Tensor randomLayout(Dims shape, DType dtype, Random& rng, bool mayExpand = true) {
  Tensor t;
  size_t n = shape.size();
  switch (rng.below(n == 0 ? 1 : 5)) {
    case 0:
    default:
      t = emptyTensor(shape, dtype);
      break;
    case 1: {  // permuted memory order
      Dims order;
      for (size_t d = 0; d < n; ++d) order.push_back(static_cast<int64_t>(d));
      for (size_t d = n; d-- > 1;)
        std::swap(order[d], order[static_cast<size_t>(rng.below(static_cast<int64_t>(d) + 1))]);
      Dims permuted(n), back(n);
      for (size_t d = 0; d < n; ++d) {
        permuted[d] = shape[static_cast<size_t>(order[d])];
        back[static_cast<size_t>(order[d])] = static_cast<int64_t>(d);
      }
      Tensor base = emptyTensor(permuted, dtype);
      t = applyGeometry(base, permuteGeometry(base, back));
      break;
    }
    case 2: {  // every second element of a larger one
      Dims larger = shape;
      size_t d = static_cast<size_t>(rng.below(static_cast<int64_t>(n)));
      larger[d] = shape[d] * 2 + 1;
      Tensor base = emptyTensor(larger, dtype);
      t = applyGeometry(base, sliceGeometry(base, static_cast<int64_t>(d), 1, 1 + shape[d] * 2, 2));
      break;
    }
    case 3: {  // a window: rows with gaps
      Dims larger = shape;
      larger[n - 1] += 3;
      Tensor base = emptyTensor(larger, dtype);
      t = applyGeometry(base, narrowGeometry(base, -1, 2, shape[n - 1]));
      break;
    }
    case 4: {
      if (!mayExpand) {
        t = emptyTensor(shape, dtype);
        break;
      }
      Dims smaller = shape;
      size_t d = static_cast<size_t>(rng.below(static_cast<int64_t>(n)));
      if (smaller[d] > 0) smaller[d] = 1;
      Tensor base = emptyTensor(smaller, dtype);
      t = applyGeometry(base, expandGeometry(base, shape));
      break;
    }
  }
  fillSmall(t, rng);
  return t;
}

inline Dims randomShape(Random& rng, int64_t maxDims = 4, int64_t maxSize = 9) {
  Dims shape;
  int64_t n = rng.below(maxDims + 1);
  for (int64_t d = 0; d < n; ++d) shape.push_back(rng.below(12) == 0 ? rng.below(2) * 70 : 1 + rng.below(maxSize));
  return shape;
}

}  // namespace flambeau::testing
