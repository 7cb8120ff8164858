// Advanced indexing: `index` and `indexPut` with PyTorch's rules (null entries, masks, broadcasting, negative indices),
// and the mask ops that share its parts.
// Source: aten/src/ATen/native/TensorAdvancedIndexing.cpp and IndexingUtils.h of PyTorch.
#include <algorithm>

#include "cpu/extern_common.h"
#include "extern_kernels.h"

namespace flambeau::cpu {

Tensor nonzero(const Tensor& self) {
  const Tensor t = contiguousOf(self);
  const int64_t nd = t.dim(), n = t.numel();
  std::vector<int64_t> hits;
  dispatchAll(t.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* p = t.ptr<T>();
    for (int64_t i = 0; i < n; ++i)
      if (static_cast<Compute<T>>(p[i]) != Compute<T>(0)) hits.push_back(i);
  });
  Tensor out = emptyTensor(Dims{static_cast<int64_t>(hits.size()), nd}, DType::Int64);
  int64_t* o = out.ptr<int64_t>();
  for (int64_t flat : hits) {
    for (int64_t d = nd - 1; d >= 0; --d) {
      o[d] = flat % t.sizes()[d];
      flat /= t.sizes()[d];
    }
    o += nd;
  }
  return out;
}

namespace {

// What an index list comes to: byte-free element offsets for the indexed part, and the dims left around it.
struct IndexPlan {
  Dims resultSizes;                 // before + index shape + after
  Dims beforeSizes, beforeStrides;  // dims of self in front of the indexed ones
  Dims afterSizes, afterStrides;
  std::vector<int64_t> offsets;  // one per position of the broadcast index
};

Tensor broadcastTo(const Tensor& t, IntSpan sizes) {
  Dims strides(sizes.size(), 0);
  const size_t lead = sizes.size() - t.sizes().size();
  for (size_t d = 0; d < t.sizes().size(); ++d)
    if (t.sizes()[d] != 1) strides[lead + d] = t.strides()[d];
  return aliasTensor(t, Dims(sizes), strides, t.storageOffset());
}

// Masks become one index tensor per dimension they cover.
std::vector<Tensor> expandMasks(const Tensor& self, TensorSpan indices) {
  std::vector<Tensor> out;
  for (const Tensor& t : indices) {
    if (!t.defined()) {
      out.emplace_back();
      continue;
    }
    const DType dt = t.dtype();
    FB_CHECK(dt == DType::Int64 || dt == DType::Int32 || dt == DType::Bool || dt == DType::UInt8, Type,
             "tensors used as indices must be long, byte or bool tensors");
    if (dt != DType::Bool && dt != DType::UInt8) {
      out.push_back(castOf(t, DType::Int64));
      continue;
    }
    for (int64_t j = 0; j < t.dim(); ++j) {
      const int64_t d = static_cast<int64_t>(out.size()) + j;
      FB_CHECK(d < self.dim(), Index, "too many indices for tensor of dimension %lld",
               static_cast<long long>(self.dim()));
      FB_CHECK(t.sizes()[j] == self.sizes()[d], Index,
               "The shape of the mask %s at index %lld does not match the shape of the indexed tensor %s at index %lld",
               shapeString(t.sizes()).c_str(), static_cast<long long>(j), shapeString(self.sizes()).c_str(),
               static_cast<long long>(d));
    }
    const Tensor nz = nonzero(t);
    if (t.dim() == 0) {  // a 0-d mask adds a dimension of size 0 or 1 in front of the rest: handled by the caller
      out.push_back(t);
      continue;
    }
    for (int64_t j = 0; j < t.dim(); ++j) out.push_back(aliasTensor(nz, Dims{nz.size(0)}, Dims{t.dim()}, j));
  }
  return out;
}

IndexPlan planIndex(const Tensor& self, TensorSpan given) {
  const std::vector<Tensor> indices = expandMasks(self, given);
  FB_CHECK(static_cast<int64_t>(indices.size()) <= self.dim(), Index,
           "too many indices for tensor of dimension %lld (got %zu)", static_cast<long long>(self.dim()),
           indices.size());
  Dims shape;
  std::string shapes;
  int64_t first = -1, last = -1, count = 0;
  for (size_t d = 0; d < indices.size(); ++d)
    if (indices[d].defined()) shapes += (shapes.empty() ? "" : ", ") + shapeString(indices[d].sizes());
  for (size_t d = 0; d < indices.size(); ++d) {
    if (!indices[d].defined()) continue;
    try {
      shape = count ? broadcastShapes(shape, indices[d].sizes()) : Dims(indices[d].sizes());
    } catch (const Error&) {
      throw Error(ErrorKind::Index,
                  "shape mismatch: indexing tensors could not be broadcast together with shapes " + shapes);
    }
    if (first < 0) first = static_cast<int64_t>(d);
    last = static_cast<int64_t>(d);
    ++count;
  }
  IndexPlan plan;
  const bool adjacent = count > 0 && last - first + 1 == count;
  for (int64_t d = 0; d < self.dim(); ++d) {
    if (d < static_cast<int64_t>(indices.size()) && indices[d].defined()) continue;
    const bool before = count == 0 || (adjacent && d < first);
    (before ? plan.beforeSizes : plan.afterSizes).push_back(self.sizes()[d]);
    (before ? plan.beforeStrides : plan.afterStrides).push_back(self.strides()[d]);
  }
  plan.resultSizes = plan.beforeSizes;
  for (int64_t s : shape) plan.resultSizes.push_back(s);
  for (int64_t s : plan.afterSizes) plan.resultSizes.push_back(s);
  plan.offsets.assign(static_cast<size_t>(product(shape)), 0);
  // Bounds are only meaningful when something is read: PyTorch lets empty results pass, except over empty dimensions.
  for (size_t d = 0; d < indices.size(); ++d) {
    if (!indices[d].defined()) continue;
    const Tensor ix = broadcastTo(indices[d], shape);
    const int64_t n = self.sizes()[d], step = self.strides()[d];
    const int64_t* p = ix.ptr<int64_t>();
    size_t at = 0;
    forEachLine<1>(shape, -1, {ix.strides()}, [&](const std::array<int64_t, 1>& where) {
      int64_t k = p[where[0]];
      FB_CHECK(k >= -n && k < n, Index, "index %lld is out of bounds for dimension %zu with size %lld",
               static_cast<long long>(k), d, static_cast<long long>(n));
      plan.offsets[at++] += (k < 0 ? k + n : k) * step;
    });
  }
  return plan;
}

// A 0-d mask in the list: x[mask] of shape [0 or 1, ...x.shape]. Rewrites (self, list) to an ordinary case.
bool zeroDimMask(const Tensor& self, TensorSpan indices, Tensor& viewed, std::vector<Tensor>& list) {
  bool any = false;
  Dims sizes, strides;
  size_t d = 0;
  for (const Tensor& t : indices) {
    if (t.defined() && t.dim() == 0 && (t.dtype() == DType::Bool || t.dtype() == DType::UInt8)) {
      any = true;
      const bool on = *t.ptr<uint8_t>() != 0;
      Tensor ix = emptyTensor(Dims{on ? 1 : 0}, DType::Int64);
      if (on) *ix.ptr<int64_t>() = 0;
      sizes.push_back(1);
      strides.push_back(0);
      list.push_back(ix);
      continue;
    }
    const int64_t covers = t.defined() && (t.dtype() == DType::Bool || t.dtype() == DType::UInt8) ? t.dim() : 1;
    for (int64_t j = 0; j < covers && d < self.sizes().size(); ++j, ++d) {
      sizes.push_back(self.sizes()[d]);
      strides.push_back(self.strides()[d]);
    }
    list.push_back(t);
  }
  if (!any) return false;
  for (; d < self.sizes().size(); ++d) {
    sizes.push_back(self.sizes()[d]);
    strides.push_back(self.strides()[d]);
  }
  viewed = aliasTensor(self, sizes, strides, self.storageOffset());
  return true;
}

void indexPutInto(const Tensor& self, TensorSpan indices, const Tensor& values, bool accumulateValues) {
  Tensor viewed;
  std::vector<Tensor> list;
  if (zeroDimMask(self, indices, viewed, list)) return indexPutInto(viewed, list, values, accumulateValues);
  FB_CHECK(
      values.dtype() == self.dtype(), Type,
      "Index put requires the source and destination dtypes match, got %s for the destination and %s for the source.",
      scalarTypeName(self.dtype()), scalarTypeName(values.dtype()));
  const IndexPlan plan = planIndex(self, indices);
  // Leading ones of the values may go beyond the result's rank, as in any broadcast.
  Dims vs(values.sizes()), vst(values.strides());
  while (vs.size() > plan.resultSizes.size() && vs[0] == 1) {
    vs.erase(0);
    vst.erase(0);
  }
  bool fits = vs.size() <= plan.resultSizes.size();
  for (size_t d = 0; fits && d < vs.size(); ++d) {
    const int64_t want = plan.resultSizes[plan.resultSizes.size() - vs.size() + d];
    fits = vs[d] == want || vs[d] == 1;
  }
  FB_CHECK(fits, Shape, "shape mismatch: value tensor of shape %s cannot be broadcast to indexing result of shape %s",
           shapeString(values.sizes()).c_str(), shapeString(plan.resultSizes).c_str());
  if (product(plan.resultSizes) == 0) return;
  const Tensor v = broadcastTo(aliasTensor(values, vs, vst, values.storageOffset()), plan.resultSizes);
  const size_t nb = plan.beforeSizes.size(), na = plan.afterSizes.size();
  const IntSpan vStrides = v.strides();
  const size_t ni = vStrides.size() - nb - na;
  // Offsets of the values for the index part.
  std::vector<int64_t> valueOffsets;
  valueOffsets.reserve(plan.offsets.size());
  forEachLine<1>(IntSpan(plan.resultSizes).subspan(nb, ni), -1, {vStrides.subspan(nb, ni)},
                 [&](const std::array<int64_t, 1>& at) { valueOffsets.push_back(at[0]); });
  dispatchAll(self.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* o = self.ptr<T>();
    const T* s = v.ptr<T>();
    forEachLine<2>(plan.beforeSizes, -1, {plan.beforeStrides.span(), vStrides.first(nb)},
                   [&](const std::array<int64_t, 2>& b) {
                     for (size_t i = 0; i < plan.offsets.size(); ++i)
                       forEachLine<2>(plan.afterSizes, -1, {plan.afterStrides.span(), vStrides.last(na)},
                                      [&](const std::array<int64_t, 2>& a) {
                                        T& to = o[b[0] + plan.offsets[i] + a[0]];
                                        const T from = s[b[1] + valueOffsets[i] + a[1]];
                                        if (accumulateValues)
                                          accumulate(to, from);
                                        else
                                          to = from;
                                      });
                   });
  });
}

}  // namespace

Tensor index(const Tensor& self, TensorSpan indices) {
  Tensor viewed;
  std::vector<Tensor> list;
  if (zeroDimMask(self, indices, viewed, list)) return index(viewed, list);
  const IndexPlan plan = planIndex(self, indices);
  Tensor out = emptyTensor(plan.resultSizes, self.dtype(), self.device());
  if (out.numel() == 0) return out;
  const int64_t afterCount = product(plan.afterSizes);
  const Dims packed = contiguousStrides(plan.afterSizes);
  bool block = true;  // the dims behind the index lie densely in self: one memcpy each
  for (size_t d = 0; d < packed.size(); ++d) block &= plan.afterSizes[d] == 1 || packed[d] == plan.afterStrides[d];
  dispatchWidth(self.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* s = self.ptr<T>();
    T* o = out.ptr<T>();
    forEachLine<1>(plan.beforeSizes, -1, {plan.beforeStrides.span()}, [&](const std::array<int64_t, 1>& b) {
      for (int64_t offset : plan.offsets) {
        const T* from = s + b[0] + offset;
        if (afterCount == 1) {
          *o++ = *from;
        } else if (block) {
          std::memcpy(o, from, static_cast<size_t>(afterCount) * sizeof(T));
          o += afterCount;
        } else {
          forEachLine<1>(plan.afterSizes, -1, {plan.afterStrides.span()},
                         [&](const std::array<int64_t, 1>& a) { *o++ = from[a[0]]; });
        }
      }
    });
  });
  return out;
}

Tensor indexPut(const Tensor& self, TensorSpan indices, const Tensor& values, bool accumulateValues) {
  Tensor out = cloneOf(self);
  indexPutInto(out, indices, values, accumulateValues);
  return out;
}

Tensor repeatInterleaveIndices(const Tensor& repeats, std::optional<int64_t> outputSize) {
  FB_CHECK(repeats.dim() == 1, Shape, "repeat_interleave only accept 1D vector as repeat");
  FB_CHECK(repeats.dtype() == DType::Int64 || repeats.dtype() == DType::Int32, Type,
           "repeats has to be Long or Int tensor");
  const Tensor counts = contiguousOf(castOf(repeats, DType::Int64));
  const int64_t* p = counts.ptr<int64_t>();
  int64_t total = 0;
  for (int64_t i = 0; i < counts.numel(); ++i) {
    FB_CHECK(p[i] >= 0, Value, "repeats can not be negative");
    FB_CHECK(!__builtin_add_overflow(total, p[i], &total), Value, "repeat_interleave: the result is too large");
  }
  FB_CHECK(!outputSize || *outputSize == total, Value, "allocated size does not match required size");
  Tensor out = emptyTensor(Dims{total}, DType::Int64);
  int64_t* o = out.ptr<int64_t>();
  for (int64_t i = 0; i < counts.numel(); ++i) o = std::fill_n(o, p[i], i);
  return out;
}

Tensor maskedSelect(const Tensor& self, const Tensor& mask) {
  FB_CHECK(mask.dtype() == DType::Bool || mask.dtype() == DType::UInt8, Type,
           "masked_select: expected BoolTensor or ByteTensor for mask");
  const Dims shape = broadcastShapes(self.sizes(), mask.sizes());
  const Tensor m = broadcastTo(mask, shape), s = broadcastTo(self, shape);
  std::vector<int64_t> hits;
  const uint8_t* p = m.ptr<uint8_t>();
  forEachLine<2>(shape, -1, {m.strides(), s.strides()}, [&](const std::array<int64_t, 2>& at) {
    if (p[at[0]]) hits.push_back(at[1]);
  });
  Tensor out = emptyTensor(Dims{static_cast<int64_t>(hits.size())}, self.dtype(), self.device());
  dispatchWidth(self.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = s.ptr<T>();
    T* o = out.ptr<T>();
    for (int64_t h : hits) *o++ = from[h];
  });
  return out;
}

}  // namespace flambeau::cpu
