// Bodies of the ops that read and write by index (codegen/ops/index.ts): the checks of each in PyTorch's words, then
// gather, scatter or index. Their derivatives are those of the parts.
// Source of rules and messages: aten/src/ATen/native/TensorAdvancedIndexing.cpp and SegmentReduce.cpp of PyTorch.
#include <algorithm>
#include <cmath>

#include "core/promotion.h"
#include "nn/bodies.h"

namespace flambeau::support {

Tensor corner(const Tensor& src, const Dims& sizes) {
  Tensor out = src;
  for (int64_t d = 0; d < src.dim(); ++d)
    if (out.size(d) != sizes[static_cast<size_t>(d)]) out = ops::narrow(out, d, 0, sizes[static_cast<size_t>(d)]);
  return out;
}

Tensor cornerBackward(const Tensor& grad, const Dims& sizes) {
  if (std::ranges::equal(grad.sizes(), sizes)) return grad;
  return ops::asStridedScatter(ops::zeros(sizes, grad.dtype()), grad, Dims(grad.sizes()), contiguousStrides(sizes), 0);
}

namespace {
Tensor zeroOr(bool one, const Tensor& like) {
  return ops::full(Dims(like.sizes()), Scalar(one ? 1.0 : 0.0), like.dtype());
}
}  // namespace

Tensor scatterCounts(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src, bool includeSelf) {
  const Tensor hits = ops::scatterAdd(zeroOr(includeSelf, self), dim, index, zeroOr(true, src));
  return ops::clampMin(hits, Operand(Scalar(1.0)));
}

Tensor scatterProdBackward(const Tensor& grad, const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src,
                           bool includeSelf, const Tensor& out) {
  const Tensor part = corner(src, Dims(index.sizes()));
  const Tensor zero = ops::eq(part, Operand(Scalar(0.0)));
  const Tensor zeros =
      ops::gather(ops::scatterAdd(zeroOr(false, self), dim, index, ops::toDtype(zero, self.dtype())), dim, index);
  // A factor that is the only zero of its product: the product of the others, computed with a one in its place.
  const Tensor only = ops::logicalAnd(zero, ops::eq(zeros, Operand(Scalar(1.0))));
  const Tensor others =
      ops::scatterReduce(self, dim, index, ops::maskedFill(part, only, Operand(Scalar(1.0))), "prod", includeSelf);
  const Tensor usual =
      ops::div(ops::gather(ops::mul(grad, out), dim, index), ops::maskedFill(part, zero, Operand(Scalar(1.0))));
  return cornerBackward(ops::where(only, ops::gather(ops::mul(grad, others), dim, index), usual), Dims(src.sizes()));
}

Tensor scatterShared(const Tensor& grad, const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src,
                     bool includeSelf, const Tensor& out) {
  const Tensor hits = ops::eq(corner(src, Dims(index.sizes())), ops::gather(out, dim, index));
  Tensor count = zeroOr(false, self);
  if (includeSelf) count = ops::toDtype(ops::eq(self, out), self.dtype());
  count = ops::scatterAdd(count, dim, index, ops::toDtype(hits, self.dtype()));
  return ops::div(grad, ops::clampMin(count, Operand(Scalar(1.0))));
}

}  // namespace flambeau::support

namespace flambeau::nn {
namespace {

long long L(int64_t v) { return static_cast<long long>(v); }

void checkLong(const Tensor& index, const char* op, bool intToo = false) {
  FB_CHECK(index.dtype() == DType::Int64 || (intToo && index.dtype() == DType::Int32), Type,
           "%s(): Expected a long tensor for index, but got %s", op, scalarTypeName(index.dtype()));
}

Tensor asLong(const Tensor& index) { return index.dtype() == DType::Int64 ? index : ops::toDtype(index, DType::Int64); }

/// Values of a 1-d index within [-n, n) or [0, n); `text` is the message, with the value first.
template <class F>
void checkRange(const Tensor& index, int64_t n, bool negative, F&& fail) {
  const Tensor ix = asLong(index);
  const int64_t* p = ix.ptr<int64_t>();
  const int64_t step = ix.dim() ? ix.stride(0) : 0;
  for (int64_t i = 0; i < ix.numel(); ++i) {
    const int64_t k = p[i * step];
    if (k >= n || k < (negative ? -n : 0)) fail(k);
  }
}

/// A 1-d (or 0-d) index along `dim`, expanded over `sizes`: what scatter and gather take.
Tensor alongRows(const Tensor& index, int64_t dim, IntSpan sizes) {
  Dims own(sizes.size(), 1);
  if (!sizes.empty()) own[static_cast<size_t>(dim)] = index.numel();
  return ops::expand(ops::reshape(asLong(index), own), sizes);
}

Dims withExtent(IntSpan sizes, int64_t dim, int64_t n) {
  Dims out(sizes);
  if (!out.empty()) out[static_cast<size_t>(dim)] = n;
  return out;
}

/// Checks shared by indexAdd, indexCopy and indexReduce; returns the index over source's sizes.
Tensor rowsIndex(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source, const char* op) {
  FB_CHECK(index.dim() <= 1, Shape, "%s(): Index should have dimension 1 or 0 (got %lld)", op, L(index.dim()));
  FB_CHECK(self.dtype() == source.dtype(), Type,
           "%s(): self and source expected to have the same dtype, but got (self) %s and (source) %s", op,
           scalarTypeName(self.dtype()), scalarTypeName(source.dtype()));
  FB_CHECK(source.dim() > 0 || index.numel() == 1, Shape,
           "%s(): When source is scalar, index should have one element (got %lld)", op, L(index.numel()));
  FB_CHECK(source.dim() == self.dim() || source.dim() == 0 || self.dim() == 0, Shape,
           "%s(): When source and destination are not scalars, their dimensionality must match. Source dimensionality "
           "(%lld), destination dimensionality (%lld)",
           op, L(source.dim()), L(self.dim()));
  const int64_t count = source.dim() ? source.size(std::min(dim, source.dim() - 1)) : 1;
  FB_CHECK(index.numel() == count, Shape,
           "%s(): Number of indices (%lld) should be equal to source.size(dim): (%lld), for dim: %lld", op,
           L(index.numel()), L(count), L(dim));
  for (int64_t d = 0; d < std::min(source.dim(), self.dim()); ++d)
    FB_CHECK(d == dim || source.size(d) == self.size(d), Shape,
             "%s(): Source/destination tensor must have same slice shapes. Destination slice shape: %s at dimension "
             "%lld and source slice shape: %s at dimension %lld.",
             op, shapeString(self.sizes()).c_str(), L(dim), shapeString(source.sizes()).c_str(), L(dim));
  const int64_t n = self.dim() ? self.size(dim) : 1;
  checkRange(index, n, false, [&](int64_t k) {
    FB_CHECK(std::string_view(op) != "index_add_", Index, "index out of range in self");
    FB_CHECK(false, Index, "%s(): index %lld is out of bounds for dimension %lld with size %lld", op, L(k), L(dim),
             L(n));
  });
  return alongRows(index, dim, source.sizes());
}

}  // namespace

Tensor take(const Tensor& self, const Tensor& index) {
  checkLong(index, "take");
  const int64_t n = self.numel();
  FB_CHECK(n > 0 || index.numel() == 0, Index, "take(): tried to take from an empty tensor");
  const Tensor flat = ops::reshape(index, Dims{-1});
  checkRange(flat, n, true, [&](int64_t k) {
    FB_CHECK(false, Index, "out of range: tried to access index %lld on a tensor of %lld elements.", L(k), L(n));
  });
  const TensorList list{index};
  return ops::index(ops::reshape(self, Dims{-1}), list);
}

TensorList unravelIndex(const Tensor& indices, IntSpan shape) {
  FB_CHECK(!isFloating(indices.dtype()) && indices.dtype() != DType::Bool, Type,
           "unravel_index(): expected 'indices' to be integer dtype, but got torch.%s",
           std::string(dtypeName(indices.dtype())).c_str());
  for (int64_t s : shape)
    FB_CHECK(s >= 0, Value, "unravel_index() cannot have negative values, but got %s", shapeString(shape).c_str());
  const Dims steps = contiguousStrides(shape);
  TensorList out;
  for (size_t d = 0; d < shape.size(); ++d) {
    const Tensor whole = ops::floorDivide(indices, Operand(Scalar(std::max<int64_t>(steps[d], 1))));
    out.push_back(ops::remainder(whole, Operand(Scalar(std::max<int64_t>(shape[d], 1)))));
  }
  return out;
}

Tensor put(const Tensor& self, const Tensor& index, const Tensor& source, bool accumulate) {
  checkLong(index, "put_");
  FB_CHECK(self.dtype() == source.dtype(), Type,
           "put_(): self and source expected to have the same dtype, but got self.dtype = %s and source.dtype = %s",
           scalarTypeName(self.dtype()), scalarTypeName(source.dtype()));
  FB_CHECK(source.numel() == index.numel(), Shape,
           "put_(): Expected source and index to have the same number of elements, but got source.numel() = %lld, "
           "index.numel() = %lld",
           L(source.numel()), L(index.numel()));
  const int64_t n = self.numel();
  FB_CHECK(n > 0 || index.numel() == 0, Index, "put_(): Tried to put elements into an empty tensor");
  const TensorList list{ops::reshape(index, Dims{-1})};
  checkRange(list[0], n, true, [&](int64_t k) {
    FB_CHECK(false, Index, "out of range: tried to access index %lld on a tensor of %lld elements.", L(k), L(n));
  });
  const Tensor out = ops::indexPut(ops::reshape(self, Dims{-1}), list, ops::reshape(source, Dims{-1}), accumulate);
  return ops::reshape(out, Dims(self.sizes()));
}

Tensor takeAlongDim(const Tensor& self, const Tensor& indices, std::optional<int64_t> dim) {
  FB_CHECK(indices.dtype() == DType::Int64, Type, "torch.take_along_dim(): dtype of indices should be Long but got %s",
           scalarTypeName(indices.dtype()));
  if (!dim) return ops::gather(ops::reshape(self, Dims{-1}), 0, ops::reshape(indices, Dims{-1}));
  FB_CHECK(self.dim() == indices.dim(), Shape,
           "torch.take_along_dim(): input and indices should have the same number of dimensions, but got %lld "
           "dimensions for input, and %lld dimensions for indices",
           L(self.dim()), L(indices.dim()));
  const int64_t d = wrapDim(*dim, self.dim());
  if (self.dim() == 0) return ops::gather(self, 0, indices);
  const Dims shape = broadcastShapes(withExtent(self.sizes(), d, 1), withExtent(indices.sizes(), d, 1));
  return ops::gather(ops::expand(self, withExtent(shape, d, self.size(d))), d,
                     ops::expand(indices, withExtent(shape, d, indices.size(d))));
}

Tensor indexAdd(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source, Scalar alpha) {
  dim = wrapDim(dim, self.dim());
  FB_CHECK(index.dtype() == DType::Int64 || index.dtype() == DType::Int32, Type,
           "index_add_(): Expected dtype int32/int64 for index");
  FB_CHECK(index.dim() <= 1, Shape, "index_add_(): Index is supposed to be a vector, but got dim: %lld with type: %s",
           L(index.dim()), scalarTypeName(index.dtype()));
  FB_CHECK(self.dtype() == source.dtype(), Type,
           "index_add_(): self (%s) and source (%s) must have the same scalar type", scalarTypeName(self.dtype()),
           scalarTypeName(source.dtype()));
  const Tensor rows = rowsIndex(self, dim, index, source, "index_add_");
  const bool plain = alpha.live < 0 && alpha.toDouble() == 1;
  return ops::scatterAdd(self, dim, rows, plain ? source : ops::toDtype(ops::mul(source, alpha), source.dtype()));
}

Tensor indexCopy(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source) {
  dim = wrapDim(dim, self.dim());
  checkLong(index, "index_copy_");
  return ops::scatter(self, dim, rowsIndex(self, dim, index, source, "index_copy_"), source);
}

Tensor indexReduce(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source, std::string_view reduce,
                   bool includeSelf) {
  dim = wrapDim(dim, self.dim());
  FB_CHECK(reduce == "prod" || reduce == "mean" || reduce == "amax" || reduce == "amin", Value,
           "reduce argument must be either prod, mean, amax or amin, got %s.", std::string(reduce).c_str());
  checkLong(index, "index_reduce", true);
  return ops::scatterReduce(self, dim, rowsIndex(self, dim, index, source, "index_reduce"), source, reduce,
                            includeSelf);
}

Tensor indexFill(const Tensor& self, int64_t dim, const Tensor& index, const Operand& value) {
  dim = wrapDim(dim, self.dim());
  FB_CHECK(index.dtype() == DType::Int64, Index, "index_fill_(): Expected dtype int64 for index.");
  FB_CHECK(index.dim() <= 1, Shape, "Index has to be a vector/scalar");
  FB_CHECK(!value.isTensor() || value.tensor.dim() == 0, Shape,
           "index_fill_ only supports a 0-dimensional value tensor, but got tensor with %lld dimension(s).",
           L(value.isTensor() ? value.tensor.dim() : 0));
  const int64_t n = self.dim() ? self.size(dim) : 1;
  bool negative = false;
  checkRange(index, n, true, [&](int64_t k) {
    FB_CHECK(false, Index, "index %lld is out of bounds for dimension %lld with size %lld", L(k), L(dim), L(n));
  });
  checkRange(index, n, false, [&](int64_t) { negative = true; });
  const Tensor wrapped = negative ? ops::where(ops::lt(index, Operand(Scalar(int64_t{0}))),
                                               ops::add(index, Operand(Scalar(n)), Scalar(1)), index)
                                  : index;
  const Dims sizes = withExtent(self.sizes(), dim, index.numel());
  const Tensor rows = alongRows(wrapped, dim, sizes);
  if (!value.isTensor()) return ops::scatter(self, dim, rows, value);
  return ops::scatter(self, dim, rows, ops::expand(ops::toDtype(value.tensor, self.dtype()), sizes));
}

Tensor scatterJoin(const Tensor& self, int64_t dim, const Tensor& index, const Operand& src, std::string_view reduce) {
  FB_CHECK(reduce == "add" || reduce == "multiply", Value, "reduce argument must be either add or multiply.");
  const Tensor values = src.isTensor() ? src.tensor : ops::full(Dims(index.sizes()), src.scalar, self.dtype());
  if (reduce == "add") return ops::scatterAdd(self, dim, index, values);
  return ops::scatterReduce(self, dim, index, values, "prod", true);
}

Tensor maskedScatter(const Tensor& self, const Tensor& mask, const Tensor& source) {
  FB_CHECK(self.dtype() == source.dtype(), Type,
           "masked_scatter: expected self and source to have same dtypes but got %s and %s",
           scalarTypeName(self.dtype()), scalarTypeName(source.dtype()));
  FB_CHECK(mask.dtype() == DType::Bool || mask.dtype() == DType::UInt8, Type,
           "masked_scatter_ expects mask dtype to be bool or uint8, but got %s", scalarTypeName(mask.dtype()));
  const Dims shape = broadcastShapes(self.sizes(), mask.sizes());
  const Tensor on = ops::expand(ops::toDtype(mask, DType::Bool), shape);
  // The k-th true element takes source's k-th: its rank among the true ones is where to read.
  const Tensor rank = ops::cumsum(ops::reshape(on, Dims{-1}), 0);
  const int64_t n = rank.numel();
  const int64_t wanted = n == 0 ? 0 : ops::select(rank, 0, n - 1).ptr<int64_t>()[0];
  FB_CHECK(wanted <= source.numel(), Value,
           "masked_scatter: expected self and source to have same number of elements: "
           "Number of elements of source < number of ones in mask");
  if (source.numel() == 0 || n == 0) return ops::clone(ops::expand(self, shape));
  const Tensor at = ops::clamp(ops::sub(rank, Operand(Scalar(int64_t{1})), Scalar(1)), Scalar(int64_t{0}),
                               Scalar(source.numel() - 1));
  const Tensor values = ops::reshape(ops::gather(ops::reshape(source, Dims{-1}), 0, at), shape);
  return ops::where(on, values, self);
}

Tensor segmentReduce(const Tensor& data, std::string_view reduce, const Tensor& lengths, const Tensor& indices,
                     const Tensor& offsets, int64_t axis, bool unsafe, std::optional<Scalar> initial) {
  const std::pair<std::string_view, std::string_view> names[] = {
      {"sum", "sum"}, {"mean", "sum"}, {"prod", "prod"}, {"max", "amax"}, {"min", "amin"}};
  std::string_view how;
  for (const auto& [name, scatter] : names)
    if (name == reduce) how = scatter;
  FB_CHECK(!how.empty(), Value, "Unsupported reduction %s: expected sum, mean, prod, max or min",
           std::string(reduce).c_str());
  FB_CHECK(!indices.defined(), Value, "segment_reduce(): indices based reduction is not supported yet.");
  FB_CHECK(lengths.defined() || offsets.defined(), Value,
           "segment_reduce(): Either lengths or offsets must be defined.");
  FB_CHECK(data.dim() > 0 && data.numel() > 0, Shape, "segment_reduce(): data must not be empty");
  const int64_t d = wrapDim(axis, data.dim());
  const Tensor given = asLong(lengths.defined() ? lengths : offsets);
  FB_CHECK(given.dim() == d + 1, Shape,
           "segment_reduce(): Expected axis to be the last dimension of lengths but got %lld.", L(d));
  // Where each segment ends, along the last dimension.
  const Tensor ends = lengths.defined() ? ops::cumsum(given, d) : ops::slice(given, d, 1, std::nullopt, 1);
  const Tensor counts =
      lengths.defined() ? given : ops::sub(ends, ops::slice(given, d, 0, given.size(d) - 1, 1), Scalar(1));
  const int64_t segments = ends.size(d), n = data.size(d);
  if (!unsafe && lengths.defined()) {
    const Tensor flat = ops::contiguous(given), last = ops::contiguous(ends);
    for (int64_t i = 0; i < flat.numel(); ++i)
      FB_CHECK(flat.ptr<int64_t>()[i] >= 0, Value, "lengths contains negative value!");
    const auto check = [&](int64_t sum) {
      FB_CHECK(sum == n, Value,
               "segment_reduce(): Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1) when "
               "!unsafe.");
    };
    if (segments == 0) check(0);
    for (int64_t i = segments - 1; segments > 0 && i < last.numel(); i += segments) check(last.ptr<int64_t>()[i]);
  }
  // A position belongs to the segment whose number is the count of ends at or before it.
  const Tensor places = ops::arange(Scalar(int64_t{0}), Scalar(n), Scalar(int64_t{1}), DType::Int64);
  const Tensor before = ops::ge(ops::unsqueeze(places, 1), Operand(ops::unsqueeze(ends, d)));
  Tensor segment = ops::sum(before, Dims{-1}, false, DType::Int64);
  for (int64_t k = d + 1; k < data.dim(); ++k) segment = ops::unsqueeze(segment, -1);
  // Positions behind the last end (lengths that do not reach the end of data) go to a segment that is dropped.
  const Dims sizes = withExtent(data.sizes(), d, segments + 1);
  const double inf = std::numeric_limits<double>::infinity();
  const double start = initial            ? initial->toDouble()
                       : reduce == "prod" ? 1
                       : reduce == "max"  ? -inf
                       : reduce == "min"  ? inf
                                          : 0;
  Tensor out = ops::scatterReduce(ops::full(sizes, Scalar(start), data.dtype()), d,
                                  ops::expand(segment, Dims(data.sizes())), data, how, true);
  out = ops::narrow(out, d, 0, segments);
  if (reduce != "mean") return out;
  Tensor count = ops::toDtype(counts, data.dtype());
  for (int64_t k = d + 1; k < data.dim(); ++k) count = ops::unsqueeze(count, -1);
  // An empty segment has its start for a mean, or none.
  const Tensor mean = ops::div(out, ops::clampMin(count, Operand(Scalar(1.0))));
  if (initial) return mean;
  return ops::maskedFill(mean, ops::eq(count, Operand(Scalar(0.0))), Operand(Scalar(std::nan(""))));
}

}  // namespace flambeau::nn
