// Reading and writing rows by index along one dimension: cat, gather, scatter, indexSelect, indexAdd.
#include <algorithm>

#include "cpu/extern_common.h"
#include "extern_kernels.h"

namespace flambeau::cpu {
namespace {

void checkIndexDtype(const Tensor& index, const char* op) {
  if (index.numel() == 0) return;  // PyTorch accepts an empty index of any dtype
  FB_CHECK(index.dtype() == DType::Int64, Type, "%s(): Expected dtype int64 for index", op);
}

// gather/scatter: index may be smaller than the others, except gather's `self` along dim.
void checkGatherShapes(const Tensor& self, int64_t dim, const Tensor& index, const Tensor* src, const char* op) {
  checkIndexDtype(index, op);
  if (index.numel() == 0) return;
  const int64_t nd = std::max<int64_t>(1, self.dim()), ni = std::max<int64_t>(1, index.dim());
  FB_CHECK(nd == ni, Shape, "Index tensor must have the same number of dimensions as %s tensor",
           src ? "self" : "input");
  if (src)
    FB_CHECK(std::max<int64_t>(1, src->dim()) == ni, Shape,
             "Index tensor must have the same number of dimensions as src tensor");
  for (int64_t d = 0; d < index.dim(); ++d) {
    const int64_t n = index.sizes()[d];
    const bool fits = d == dim || n <= (self.dim() ? self.sizes()[d] : 1);
    if (src)
      FB_CHECK(
          fits && n <= (src->dim() ? src->sizes()[d] : 1), Shape,
          "Expected index %s to be smaller than self %s apart from dimension %lld and to be smaller size than src %s",
          shapeString(index.sizes()).c_str(), shapeString(self.sizes()).c_str(), static_cast<long long>(dim),
          shapeString(src->sizes()).c_str());
    else
      FB_CHECK(fits, Shape,
               "Size does not match at dimension %lld expected index %s to be smaller than self %s apart from "
               "dimension %lld",
               static_cast<long long>(d), shapeString(index.sizes()).c_str(), shapeString(self.sizes()).c_str(),
               static_cast<long long>(dim));
  }
}

[[noreturn]] void outOfBounds(int64_t i, int64_t dim, int64_t n) {
  throw Error(ErrorKind::Index,
              detail::formatMessage("index %lld is out of bounds for dimension %lld with size %lld",
                                    static_cast<long long>(i), static_cast<long long>(dim), static_cast<long long>(n)));
}

// Strides of a tensor for walking an index of `nd` dims (a 0-d tensor walks as one of size one).
Dims walkStrides(const Tensor& t, int64_t nd) {
  if (t.dim() == nd) return Dims(t.strides());
  return Dims(static_cast<size_t>(nd), 0);
}

// Calls line(offsets of self-like, index, other, count) for each line along dim of the index.
template <class F>
void eachIndexLine(const Tensor& a, const Tensor& index, const Tensor& b, int64_t dim, F&& line) {
  const int64_t nd = index.dim();
  const Dims sa = walkStrides(a, nd), sb = walkStrides(b, nd), si(index.strides());
  if (nd == 0) {
    line(0, 0, 0, 1, 0, 0, 0);
    return;
  }
  const int64_t n = index.sizes()[dim];
  forEachLine<3>(index.sizes(), dim, {sa.span(), si.span(), sb.span()},
                 [&](const std::array<int64_t, 3>& at) { line(at[0], at[1], at[2], n, sa[dim], si[dim], sb[dim]); });
}

}  // namespace

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

// self[index] = / += src along dim, in place.
template <bool Add>
void scatterInto(const Tensor& out, int64_t dim, const Tensor& index, const Operand& src, const char* op) {
  dim = wrapDim(dim, out.dim());
  if (src.isTensor()) {
    FB_CHECK(src.tensor.dtype() == out.dtype(), Type, "%s(): Expected self.dtype to be equal to src.dtype", op);
    checkGatherShapes(out, dim, index, &src.tensor, op);
  } else {
    checkGatherShapes(out, dim, index, nullptr, op);
  }
  if (index.numel() == 0) return;
  const int64_t n = out.dim() ? out.sizes()[dim] : 1, step = out.dim() ? out.strides()[dim] : 0;
  const Tensor& from = src.isTensor() ? src.tensor : out;
  dispatchAll(out.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* o = out.ptr<T>();
    const int64_t* ix = index.ptr<int64_t>();
    const T* s = src.isTensor() ? src.tensor.ptr<T>() : nullptr;
    const T value = s ? T{} : fromScalar<T>(src.scalar);
    // Lines of out start where lines of the index do, with the coordinate along dim left to the index.
    eachIndexLine(out, index, from, dim,
                  [&](int64_t so, int64_t si, int64_t ss, int64_t count, int64_t, int64_t di, int64_t ds) {
                    for (int64_t i = 0; i < count; ++i) {
                      const int64_t k = ix[si + i * di];
                      if (k < 0 || k >= n) outOfBounds(k, dim, n);
                      const T v = s ? s[ss + i * ds] : value;
                      if constexpr (Add)
                        accumulate(o[so + k * step], v);
                      else
                        o[so + k * step] = v;
                    }
                  });
  });
}

}  // namespace

Tensor scatter(const Tensor& self, int64_t dim, const Tensor& index, const Operand& src) {
  Tensor out = cloneOf(self);
  scatterInto<false>(out, dim, index, src, "scatter");
  return out;
}

Tensor scatterAdd(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src) {
  Tensor out = cloneOf(self);
  scatterInto<true>(out, dim, index, src, "scatter");
  return out;
}

namespace {

// The index of indexSelect/indexAdd as contiguous int64, checked against n.
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

namespace {

void indexAddInto(const Tensor& out, int64_t dim, const Tensor& index, const Tensor& source, Scalar alpha) {
  dim = wrapDim(dim, out.dim());
  const int64_t n = out.dim() ? out.sizes()[dim] : 1;
  FB_CHECK(out.dtype() == source.dtype(), Type,
           "index_add_(): self (%s) and source (%s) must have the same scalar type", scalarTypeName(out.dtype()),
           scalarTypeName(source.dtype()));
  FB_CHECK(out.dim() == source.dim() || source.dim() == 0 || out.dim() == 0, Shape,
           "index_add_(): source and self must have the same number of dimensions");
  const int64_t count = source.dim() ? source.sizes()[std::min(dim, source.dim() - 1)] : 1;
  FB_CHECK(index.numel() == count, Shape,
           "index_add_(): Number of indices (%lld) should be equal to source.size(dim): (%lld), for dim: %lld",
           static_cast<long long>(index.numel()), static_cast<long long>(count), static_cast<long long>(dim));
  for (int64_t d = 0; d < source.dim() && d < out.dim(); ++d)
    FB_CHECK(d == dim || source.sizes()[d] == out.sizes()[d], Shape,
             "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = %s "
             "source.shape = %s",
             shapeString(out.sizes()).c_str(), shapeString(source.sizes()).c_str());
  const Tensor ix = rowIndex(index, n, "index_add_");
  const int64_t* p = ix.ptr<int64_t>();
  const Dims so = walkStrides(out, source.dim()), ss(source.strides());
  dispatchAll(out.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* o = out.ptr<T>();
    const T* s = source.ptr<T>();
    const bool plain = alpha.toDouble() == 1;
    const T factor = fromScalar<T>(alpha);
    const auto add = [&](T& a, T b) {
      if (plain)
        accumulate(a, b);
      else if constexpr (std::is_same_v<T, Bool8>)
        accumulate(a, Bool8(b.value && factor.value));
      else if constexpr (std::is_integral_v<T>)
        accumulate(a, static_cast<T>(static_cast<uint64_t>(b) * static_cast<uint64_t>(factor)));
      else
        accumulate(a, static_cast<T>(static_cast<Compute<T>>(b) * static_cast<Compute<T>>(factor)));
    };
    if (source.dim() == 0) {
      add(o[p[0] * (out.dim() ? out.strides()[dim] : 0)], s[0]);
      return;
    }
    forEachLine<2>(source.sizes(), dim, {so.span(), ss.span()}, [&](const std::array<int64_t, 2>& at) {
      for (int64_t i = 0; i < count; ++i) add(o[at[0] + p[i] * so[dim]], s[at[1] + i * ss[dim]]);
    });
  });
}

}  // namespace

Tensor indexAdd(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source, Scalar alpha) {
  Tensor out = cloneOf(self);
  indexAddInto(out, dim, index, source, alpha);
  return out;
}

}  // namespace flambeau::cpu
