// Reading by index along one dimension: gather, indexSelect; and cat. Writing by index: scatter.cc.
#include <algorithm>

#include "cpu/extern_common.h"
#include "cpu/index_lines.h"
#include "extern_kernels.h"

namespace flambeau::cpu {
Tensor cat(TensorSpan tensors, int64_t dim) {
  FB_CHECK(!tensors.empty(), Value, "torch.cat(): expected a non-empty list of Tensors");
  // Empty 1-d tensors are skipped whatever the others' shape: PyTorch's old habit.
  const auto skipped = [](const Tensor& t) { return t.dim() == 1 && t.numel() == 0; };
  const Tensor* first = nullptr;
  std::vector<Operand> operands;
  for (size_t i = 0; i < tensors.size(); ++i) {
    FB_CHECK(tensors[i].dim() > 0, Shape, "zero-dimensional tensor (at position %zu) cannot be concatenated", i);
    operands.emplace_back(tensors[i]);
    if (!first && !skipped(tensors[i])) first = &tensors[i];
  }
  const DType dtype = resultType(operands);
  if (!first) return emptyTensor(Dims{0}, dtype);
  dim = wrapDim(dim, first->dim());
  int64_t total = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& t = tensors[i];
    if (skipped(t)) continue;
    FB_CHECK(t.dim() == first->dim(), Shape, "Tensors must have same number of dimensions: got %lld and %lld",
             static_cast<long long>(first->dim()), static_cast<long long>(t.dim()));
    for (int64_t d = 0; d < t.dim(); ++d)
      FB_CHECK(d == dim || t.sizes()[d] == first->sizes()[d], Shape,
               "Sizes of tensors must match except in dimension %lld. Expected size %lld but got size %lld for tensor "
               "number %zu in the list.",
               static_cast<long long>(dim), static_cast<long long>(first->sizes()[d]),
               static_cast<long long>(t.sizes()[d]), i);
    total += t.sizes()[dim];
  }
  Tensor out = emptyTensor(withSize(first->sizes(), dim, total), dtype, first->device());
  if (out.numel() == 0) return out;
  // Rows that are contiguous in source and result are plain block copies.
  const int64_t inner = product(IntSpan(out.sizes()).subspan(static_cast<size_t>(dim) + 1)),
                outer = product(IntSpan(out.sizes()).first(static_cast<size_t>(dim)));
  const size_t width = itemSize(dtype);
  int64_t at = 0;
  for (const Tensor& t : tensors) {
    if (skipped(t)) continue;
    const int64_t n = t.sizes()[dim];
    if (t.isContiguous() && t.dtype() == dtype) {
      const size_t block = static_cast<size_t>(n * inner) * width;
      const char* src = static_cast<const char*>(t.data());
      char* dst = static_cast<char*>(out.data()) + static_cast<size_t>(at * inner) * width;
      const size_t step = static_cast<size_t>(total * inner) * width;
      if (block)
        parallelFor(outer, std::max<int64_t>(1, 65536 / static_cast<int64_t>(block)), [&](int64_t b, int64_t e) {
          for (int64_t o = b; o < e; ++o)
            std::memcpy(dst + static_cast<size_t>(o) * step, src + static_cast<size_t>(o) * block, block);
        });
    } else if (t.numel()) {
      copyInto(aliasTensor(out, Dims(t.sizes()), Dims(out.strides()), out.storageOffset() + at * out.strides()[dim]),
               t);
    }
    at += n;
  }
  return out;
}

Tensor gather(const Tensor& self, int64_t dim, const Tensor& index) {
  dim = wrapDim(dim, self.dim());
  checkGatherShapes(self, dim, index, nullptr, "gather");
  Tensor out = emptyTensor(index.sizes(), self.dtype(), self.device());
  if (out.numel() == 0) return out;
  const int64_t n = self.dim() ? self.sizes()[dim] : 1, step = self.dim() ? self.strides()[dim] : 0;
  dispatchWidth(self.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* s = self.ptr<T>();
    const int64_t* ix = index.ptr<int64_t>();
    T* o = out.ptr<T>();
    eachIndexLine(self, index, out, dim,
                  [&](int64_t sa, int64_t si, int64_t so, int64_t count, int64_t, int64_t di, int64_t dOut) {
                    for (int64_t i = 0; i < count; ++i) {
                      const int64_t k = ix[si + i * di];
                      if (k < 0 || k >= n) outOfBounds(k, dim, n);
                      o[so + i * dOut] = s[sa + k * step];
                    }
                  });
  });
  return out;
}

namespace {

// The index of indexSelect as contiguous int64, checked against n.
Tensor rowIndex(const Tensor& index, int64_t n, const char* op) {
  FB_CHECK(index.dim() <= 1, Shape, "%s(): Index is supposed to be a vector", op);
  FB_CHECK(index.dtype() == DType::Int64 || index.dtype() == DType::Int32, Type,
           "%s(): Expected dtype int32 or int64 for index", op);
  Tensor ix = contiguousOf(castOf(index, DType::Int64));
  const int64_t* p = ix.ptr<int64_t>();
  for (int64_t i = 0; i < ix.numel(); ++i) FB_CHECK(p[i] >= 0 && p[i] < n, Index, "index out of range in self");
  return ix;
}

}  // namespace

Tensor indexSelect(const Tensor& self, int64_t dim, const Tensor& index) {
  dim = wrapDim(dim, self.dim());
  const int64_t n = self.dim() ? self.sizes()[dim] : 1;
  const Tensor ix = rowIndex(index, n, "index_select");
  const int64_t count = ix.numel();
  Tensor out = emptyTensor(withSize(self.sizes(), dim, count), self.dtype(), self.device());
  if (self.dim() == 0)
    FB_CHECK(count == 1, Shape, "index_select(): Index to scalar can have only 1 value, got %lld value(s)",
             static_cast<long long>(count));
  if (out.numel() == 0) return out;
  const Tensor src = contiguousOf(self);
  const int64_t inner = self.dim() ? product(src.sizes().subspan(static_cast<size_t>(dim) + 1)) : 1,
                outer = out.numel() / (count * inner);
  const size_t block = static_cast<size_t>(inner) * itemSize(self.dtype());
  const int64_t* p = ix.ptr<int64_t>();
  const char* s = static_cast<const char*>(src.data());
  char* o = static_cast<char*>(out.data());
  parallelFor(outer * count, std::max<int64_t>(1, 65536 / static_cast<int64_t>(block)), [&](int64_t b, int64_t e) {
    for (int64_t r = b; r < e; ++r)
      std::memcpy(o + static_cast<size_t>(r) * block, s + static_cast<size_t>((r / count) * n + p[r % count]) * block,
                  block);
  });
  return out;
}

}  // namespace flambeau::cpu
