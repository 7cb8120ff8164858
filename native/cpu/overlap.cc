// See overlap.h.
#include "cpu/overlap.h"

#include <algorithm>

namespace flambeau::cpu {

bool isNonOverlappingAndDense(const Tensor& t) {
  if (t.isContiguous()) return true;
  IntSpan sizes = t.sizes(), strides = t.strides();
  Dims order;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) return true;
    if (sizes[i] != 1) order.push_back(static_cast<int64_t>(i));
  }
  std::sort(order.begin(), order.end(),
            [&](int64_t a, int64_t b) { return strides[static_cast<size_t>(a)] < strides[static_cast<size_t>(b)]; });
  int64_t expected = 1;
  for (int64_t d : order) {
    if (strides[static_cast<size_t>(d)] != expected) return false;
    expected *= sizes[static_cast<size_t>(d)];
  }
  return true;
}

void checkNoInternalOverlap(const Tensor& t) {
  if (t.isContiguous()) return;
  bool repeats = false;
  for (size_t i = 0; i < t.sizes().size(); ++i) repeats |= t.sizes()[i] > 1 && t.strides()[i] == 0;
  FB_CHECK(!repeats || t.numel() == 0, Value,
           "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
           "Please clone() the "
           "tensor before performing the operation.");
}

void checkNoPartialOverlap(const Tensor& out, const Tensor& in) {
  if (out.is(in) || out.numel() == 0 || in.numel() == 0) return;
  if (!(out.impl()->storage == in.impl()->storage)) return;
  // Deciding it for tensors with gaps is hard; PyTorch lets those pass too.
  if (!isNonOverlappingAndDense(out) || !isNonOverlappingAndDense(in)) return;
  auto begin = [](const Tensor& t) { return static_cast<const char*>(t.data()); };
  const char *ob = begin(out), *oe = ob + out.nbytes(), *ib = begin(in), *ie = ib + in.nbytes();
  bool partial;
  if (ob == ib && oe == ie) {
    partial = !std::equal(out.strides().begin(), out.strides().end(), in.strides().begin(), in.strides().end());
  } else {
    partial = ob < ie && ib < oe;
  }
  FB_CHECK(!partial, Value,
           "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single "
           "memory location. Please "
           "clone() the tensor before performing the operation.");
}

}  // namespace flambeau::cpu
