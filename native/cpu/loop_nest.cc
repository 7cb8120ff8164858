// See loop_nest.h.
#include "cpu/loop_nest.h"

namespace flambeau::cpu {

LoopNest::LoopNest(IntSpan shape) {
  FB_CHECK(shape.size() <= kMaxDims, Value, "tensors of more than %d dimensions are not supported, got %zu", kMaxDims,
           shape.size());
  ndim = static_cast<int>(shape.size());
  for (int d = 0; d < ndim; ++d) {
    size[d] = shape[static_cast<size_t>(d)];
    numel *= size[d];
  }
}

int LoopNest::add(char* data, IntSpan sizes, IntSpan strides, int64_t itemBytes) {
  FB_CHECK(operands < kMaxOperands, Internal, "more than %d operands in one kernel", kMaxOperands);
  int k = operands++;
  base[k] = data;
  int lead = ndim - static_cast<int>(sizes.size());
  for (int d = 0; d < ndim; ++d) {
    size_t own = static_cast<size_t>(d - lead);
    bool broadcast = d < lead || (sizes[own] == 1 && size[d] != 1);
    stride[d][k] = broadcast ? 0 : strides[own] * itemBytes;
  }
  return k;
}

int LoopNest::addUndecided() {
  FB_CHECK(operands < kMaxOperands, Internal, "more than %d operands in one kernel", kMaxOperands);
  int k = operands++;
  base[k] = nullptr;
  for (int d = 0; d < ndim; ++d) stride[d][k] = 0;  // 0 abstains in reorder()
  return k;
}

void LoopNest::reorder() {
  // 1: a must be outside b; -1: it must not; 0: nobody minds. The first operand with an opinion decides.
  auto compare = [this](int a, int b) {
    for (int k = 0; k < operands; ++k) {
      int64_t sa = stride[a][k], sb = stride[b][k];
      if (sa == 0 || sb == 0) continue;
      if (sa != sb) return sa < sb ? -1 : 1;
      if (size[a] > size[b]) return 1;
    }
    return 0;
  };
  for (int d = 0; d < ndim; ++d) perm[d] = ndim - 1 - d;
  for (int i = 1; i < ndim; ++i) {
    int at = i;
    for (int j = i - 1; j >= 0; --j) {
      int c = compare(perm[j], perm[at]);
      if (c > 0) {
        std::swap(perm[j], perm[at]);
        at = j;
      } else if (c < 0) {
        break;
      }
    }
  }
  // Already in order and reversed only: the usual case, done in place.
  bool reversed = true;
  for (int d = 0; d < ndim; ++d) reversed &= perm[d] == ndim - 1 - d;
  if (reversed) {
    for (int d = 0; d < ndim / 2; ++d) {
      int e = ndim - 1 - d;
      std::swap(size[d], size[e]);
      for (int k = 0; k < operands; ++k) std::swap(stride[d][k], stride[e][k]);
    }
    return;
  }
  int64_t oldSize[kMaxDims];
  for (int d = 0; d < ndim; ++d) oldSize[d] = size[d];
  for (int d = 0; d < ndim; ++d) size[d] = oldSize[perm[d]];
  for (int k = 0; k < operands; ++k) {
    int64_t old[kMaxDims];
    for (int d = 0; d < ndim; ++d) old[d] = stride[d][k];
    for (int d = 0; d < ndim; ++d) stride[d][k] = old[perm[d]];
  }
}

Dims LoopNest::freshStrides() const {
  Dims strides(static_cast<size_t>(ndim));
  int64_t step = 1;
  for (int d = 0; d < ndim; ++d) {
    strides[static_cast<size_t>(perm[d])] = step;
    step *= std::max<int64_t>(size[d], 1);
  }
  return strides;
}

void LoopNest::decide(int operand, char* data, IntSpan strides, int64_t itemBytes) {
  base[operand] = data;
  for (int d = 0; d < ndim; ++d) stride[d][operand] = strides[static_cast<size_t>(perm[d])] * itemBytes;
}

void LoopNest::coalesce() {
  int out = 0;
  for (int d = 0; d < ndim; ++d) {
    if (size[d] == 1) continue;
    bool merge = out > 0;
    for (int k = 0; merge && k < operands; ++k) merge = stride[d][k] == stride[out - 1][k] * size[out - 1];
    if (merge) {
      size[out - 1] *= size[d];
      continue;
    }
    if (out != d) {
      size[out] = size[d];
      for (int k = 0; k < operands; ++k) stride[out][k] = stride[d][k];
    }
    ++out;
  }
  ndim = out;
}

}  // namespace flambeau::cpu
