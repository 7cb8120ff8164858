// A loop nest over several operands of one broadcast shape: the dimensions sorted so that the innermost is the fastest
// one in memory, neighbours merged where all operands allow it. Pointwise kernels and copies run on it. Source of the
// ordering rule: aten/src/ATen/TensorIterator.cpp of PyTorch (reorder_dimensions).
#pragma once
#include <algorithm>
#include <cstdint>

#include "flambeau/tensor.h"

namespace flambeau::cpu {

struct LoopNest {
  static constexpr int kMaxDims = 64;
  static constexpr int kMaxOperands = 24;

  int operands = 0;
  int ndim = 0;
  int64_t numel = 1;
  // Dimension 0 is the outermost until reorder() and the innermost after it. Strides are in bytes.
  int64_t size[kMaxDims];
  int64_t stride[kMaxDims][kMaxOperands];
  char* base[kMaxOperands];
  int perm[kMaxDims];  // after reorder(): loop dimension → dimension of the shape

  /// Starts a nest over `shape`; throws Error(Value) beyond 64 dimensions.
  explicit LoopNest(IntSpan shape);
  /// Adds an operand that broadcasts to the shape; returns its number.
  int add(char* data, IntSpan sizes, IntSpan strides, int64_t itemBytes);
  /// Adds an operand whose memory is not chosen yet: it has no say in reorder(); setStrides() follows.
  int addUndecided();
  /// Sorts dimensions, fastest first.
  void reorder();
  /// Element strides, in dimensions of the shape, of a fresh tensor laid out in the loop order.
  Dims freshStrides() const;
  /// Fills in an undecided operand, after reorder().
  void decide(int operand, char* data, IntSpan strides, int64_t itemBytes);
  /// Drops dimensions of size 1 and merges neighbours.
  void coalesce();

  /// Calls f(ptrs, n) for the runs of the innermost dimension that make up [begin, end) of the nest.
  template <class F>
  void run(int64_t begin, int64_t end, F&& f) const {
    char* ptr[kMaxOperands];
    if (ndim <= 1) {
      for (int k = 0; k < operands; ++k) ptr[k] = base[k] + (ndim ? begin * stride[0][k] : 0);
      f(static_cast<char* const*>(ptr), end - begin);
      return;
    }
    int64_t index[kMaxDims];
    int64_t rest = begin;
    for (int k = 0; k < operands; ++k) ptr[k] = base[k];
    for (int d = 0; d < ndim; ++d) {
      index[d] = rest % size[d];
      rest /= size[d];
      for (int k = 0; k < operands; ++k) ptr[k] += index[d] * stride[d][k];
    }
    for (int64_t at = begin; at < end;) {
      int64_t n = std::min(size[0] - index[0], end - at);
      f(static_cast<char* const*>(ptr), n);
      at += n;
      if (at >= end) break;
      // Back to the start of the row, then one step in the next dimension that has one left.
      for (int k = 0; k < operands; ++k) ptr[k] -= index[0] * stride[0][k];
      index[0] = 0;
      for (int d = 1; d < ndim; ++d) {
        for (int k = 0; k < operands; ++k) ptr[k] += stride[d][k];
        if (++index[d] < size[d]) break;
        index[d] = 0;
        for (int k = 0; k < operands; ++k) ptr[k] -= size[d] * stride[d][k];
      }
    }
  }
};

/// Work per thread below which a second thread is not worth waking, in elements.
inline constexpr int64_t kGrain = 65536;

}  // namespace flambeau::cpu
