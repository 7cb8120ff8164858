// Bodies of the ops that join tensors and take them apart.
// Source of rules and messages: aten/src/ATen/native/TensorShape.cpp and torch/functional.py of PyTorch.
#include <algorithm>

#include "core/promotion.h"
#include "flambeau/trace.h"
#include "nn/bodies.h"

namespace flambeau::nn {

TensorList splitWithSizes(const Tensor& self, IntSpan splitSizes, int64_t dim) {
  FB_CHECK(self.dim() > 0, Value, "split expects at least a 1-dimensional tensor");
  const int64_t d = wrapDim(dim, self.dim());
  TensorList out;
  int64_t at = 0;
  for (int64_t n : splitSizes) {
    FB_CHECK(n >= 0, Value,
             "split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes=%s",
             shapeString(splitSizes).c_str());
    at += n;
  }
  FB_CHECK(at == self.size(d), Value,
           "split_with_sizes expects split_sizes to sum exactly to %lld (input tensor's size at dimension %lld), but "
           "got split_sizes=%s",
           static_cast<long long>(self.size(d)), static_cast<long long>(d), shapeString(splitSizes).c_str());
  at = 0;
  for (int64_t n : splitSizes) {
    out.push_back(ops::narrow(self, d, at, n));
    at += n;
  }
  return out;
}

TensorList split(const Tensor& self, int64_t splitSize, int64_t dim) {
  FB_CHECK(self.dim() > 0, Value, "split expects at least a 1-dimensional tensor");
  FB_CHECK(splitSize >= 0, Value, "split expects split_size be non-negative, but got split_size=%lld",
           static_cast<long long>(splitSize));
  const int64_t n = self.size(dim);
  FB_CHECK(splitSize > 0 || n == 0, Value,
           "split_size can only be 0 if dimension size is 0, but got dimension size of %lld",
           static_cast<long long>(n));
  Dims sizes;
  for (int64_t at = 0; at < n; at += splitSize) sizes.push_back(std::min(splitSize, n - at));
  if (sizes.empty()) sizes.push_back(0);
  return splitWithSizes(self, sizes, dim);
}

namespace {
/// Most of them empty; a list of more fits into no memory.
constexpr int64_t kMostPieces = int64_t{1} << 24;
}  // namespace

TensorList chunk(const Tensor& self, int64_t chunks, int64_t dim) {
  FB_CHECK(self.dim() > 0, Value, "chunk expects at least a 1-dimensional tensor");
  FB_CHECK(chunks > 0, Value, "chunk expects `chunks` to be greater than 0, got: %lld", static_cast<long long>(chunks));
  const int64_t n = self.size(dim);
  if (n == 0) {
    // As many empty pieces as asked for, within reason.
    FB_CHECK(chunks <= kMostPieces, Value, "chunk: %lld empty pieces of shape %s are too many",
             static_cast<long long>(chunks), shapeString(self.sizes()).c_str());
    return splitWithSizes(self, Dims(static_cast<size_t>(chunks), 0), dim);
  }
  return split(self, n / chunks + (n % chunks != 0), dim);
}

TensorList unbind(const Tensor& self, int64_t dim) {
  FB_CHECK(self.dim() > 0, Index, "Dimension specified as %lld but tensor has no dimensions",
           static_cast<long long>(dim));
  TensorList out;
  for (int64_t i = 0; i < self.size(dim); ++i) out.push_back(ops::select(self, dim, i));
  return out;
}

Tensor stack(TensorSpan tensors, int64_t dim) {
  FB_CHECK(!tensors.empty(), Value, "stack expects a non-empty TensorList");
  TensorList rows;
  for (size_t i = 0; i < tensors.size(); ++i) {
    FB_CHECK(std::ranges::equal(tensors[i].sizes(), tensors[0].sizes()), Shape,
             "stack expects each tensor to be equal size, but got %s at entry 0 and %s at entry %zu",
             shapeString(tensors[0].sizes()).c_str(), shapeString(tensors[i].sizes()).c_str(), i);
    rows.push_back(ops::unsqueeze(tensors[i], dim));
  }
  return ops::cat(rows, wrapDim(dim, tensors[0].dim() + 1));
}

// ---- numpy's splits ----

TensorList tensorSplitIndices(const Tensor& self, IntSpan indices, int64_t dim) {
  FB_CHECK(self.dim() > 0, Shape,
           "tensor_split expected at least a 1-dimensional tensor, but got a tensor with %lld dims",
           static_cast<long long>(self.dim()));
  const int64_t d = wrapDim(dim, self.dim());
  TensorList out;
  int64_t start = 0;
  for (int64_t end : indices) {
    out.push_back(ops::slice(self, d, start, end, 1));
    start = end;
  }
  out.push_back(ops::slice(self, d, start, std::nullopt, 1));
  return out;
}

TensorList tensorSplit(const Tensor& self, int64_t sections, int64_t dim) {
  FB_CHECK(self.dim() > 0, Shape,
           "tensor_split expected at least a 1-dimensional tensor, but got a tensor with %lld dims",
           static_cast<long long>(self.dim()));
  const int64_t d = wrapDim(dim, self.dim());
  FB_CHECK(sections > 0, Value, "number of sections must be larger than 0, got %lld", static_cast<long long>(sections));
  FB_CHECK(sections <= kMostPieces, Value, "tensor_split: %lld pieces of shape %s are too many",
           static_cast<long long>(sections), shapeString(self.sizes()).c_str());
  const int64_t n = self.size(d), shortest = n / sections, longer = n % sections;
  TensorList out;
  int64_t at = 0;
  for (int64_t i = 0; i < sections; ++i) {
    const int64_t size = shortest + (i < longer ? 1 : 0);
    out.push_back(ops::slice(self, d, at, at + size, 1));
    at += size;
  }
  return out;
}

namespace {

// The numbers in an integer tensor, which a recording cannot know.
Dims numbersIn(const Tensor& t, const char* op) {
  if (trace::active()) trace::forbidHostRead(op);
  const Tensor list = ops::contiguous(ops::toDtype(t, DType::Int64));
  return Dims(IntSpan(list.ptr<int64_t>(), static_cast<size_t>(list.numel())));
}

}  // namespace

TensorList tensorSplitBy(const Tensor& self, const Tensor& indicesOrSections, int64_t dim) {
  FB_CHECK(indicesOrSections.dtype() == DType::Int64, Type,
           "tensor_split expected tensor_indices_or_sections to have dtype of long, but got %s",
           scalarTypeName(indicesOrSections.dtype()));
  FB_CHECK(
      indicesOrSections.dim() <= 1, Shape,
      "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, but got "
      "a tensor with %lld dims",
      static_cast<long long>(indicesOrSections.dim()));
  const Dims numbers = numbersIn(indicesOrSections, "tensor_split");
  return indicesOrSections.dim() == 0 ? tensorSplit(self, numbers[0], dim) : tensorSplitIndices(self, numbers, dim);
}

Tensor narrowAt(const Tensor& self, int64_t dim, const Tensor& start, int64_t length) {
  FB_CHECK(start.dim() == 0 && isIntegral(start.dtype()), Type, "start must be an 0-dim integral Tensor.");
  return ops::narrow(self, dim, numbersIn(start, "narrow")[0], length);
}

namespace {

// The dimension that hsplit, vsplit or dsplit cut; throws for tensors of too few dimensions.
int64_t splitDim(const Tensor& self, int64_t least, int64_t dim, const char* op) {
  FB_CHECK(self.dim() >= least, Shape,
           "torch.%s requires a tensor with at least %lld dimension, but got a tensor with %lld dimensions!", op,
           static_cast<long long>(least), static_cast<long long>(self.dim()));
  return dim;
}

TensorList equalSections(const Tensor& self, int64_t sections, int64_t dim, const char* op) {
  FB_CHECK(sections != 0 && self.size(dim) % sections == 0, Value,
           "torch.%s attempted to split along dimension %lld, but the size of the dimension %lld is not divisible by "
           "the split_size %lld!",
           op, static_cast<long long>(dim), static_cast<long long>(self.size(dim)), static_cast<long long>(sections));
  return tensorSplit(self, sections, dim);
}

}  // namespace

TensorList hsplit(const Tensor& self, int64_t sections) {
  return equalSections(self, sections, splitDim(self, 1, self.dim() == 1 ? 0 : 1, "hsplit"), "hsplit");
}
TensorList hsplitIndices(const Tensor& self, IntSpan indices) {
  return tensorSplitIndices(self, indices, splitDim(self, 1, self.dim() == 1 ? 0 : 1, "hsplit"));
}
TensorList vsplit(const Tensor& self, int64_t sections) {
  return equalSections(self, sections, splitDim(self, 2, 0, "vsplit"), "vsplit");
}
TensorList vsplitIndices(const Tensor& self, IntSpan indices) {
  return tensorSplitIndices(self, indices, splitDim(self, 2, 0, "vsplit"));
}
TensorList dsplit(const Tensor& self, int64_t sections) {
  return equalSections(self, sections, splitDim(self, 3, 2, "dsplit"), "dsplit");
}
TensorList dsplitIndices(const Tensor& self, IntSpan indices) {
  return tensorSplitIndices(self, indices, splitDim(self, 3, 2, "dsplit"));
}

// ---- numpy's stacks ----

namespace {

using Grow = Tensor (*)(const Tensor&);

TensorList grown(TensorSpan tensors, Grow grow, const char* op) {
  FB_CHECK(!tensors.empty(), Value, "%s expects a non-empty TensorList", op);
  TensorList out;
  for (const Tensor& t : tensors) out.push_back(grow(t));
  return out;
}

}  // namespace

Tensor hstack(TensorSpan tensors) {
  const TensorList rows = grown(tensors, ops::atleast1d, "hstack");
  return ops::cat(rows, rows[0].dim() == 1 ? 0 : 1);
}
Tensor vstack(TensorSpan tensors) { return ops::cat(grown(tensors, ops::atleast2d, "vstack"), 0); }
Tensor dstack(TensorSpan tensors) { return ops::cat(grown(tensors, ops::atleast3d, "dstack"), 2); }
Tensor columnStack(TensorSpan tensors) {
  const Grow column = [](const Tensor& t) { return t.dim() <= 1 ? ops::reshape(t, Dims{t.numel(), 1}) : t; };
  return hstack(grown(tensors, column, "column_stack"));
}

Tensor blockDiag(TensorSpan tensors) {
  std::vector<Operand> operands;
  int64_t cols = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    FB_CHECK(tensors[i].dim() <= 2, Shape,
             "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input %zu has %lld dimensions", i,
             static_cast<long long>(tensors[i].dim()));
    operands.emplace_back(tensors[i]);
    cols += tensors[i].dim() == 0 ? 1 : tensors[i].size(-1);
  }
  if (tensors.empty()) return ops::empty(Dims{1, 0}, defaultDType());
  const DType dtype = resultType(operands);
  // A row of blocks each: zeros left of the block and right of it.
  TensorList rows;
  int64_t at = 0;
  for (const Tensor& one : tensors) {
    const Tensor block = ops::toDtype(ops::atleast2d(one), dtype);
    const int64_t n = block.size(0), width = block.size(1);
    const Tensor parts[] = {ops::zeros(Dims{n, at}, dtype), block, ops::zeros(Dims{n, cols - at - width}, dtype)};
    rows.push_back(ops::cat(parts, 1));
    at += width;
  }
  return ops::cat(rows, 0);
}

// ---- grids ----

TensorList broadcastTensors(TensorSpan tensors) {
  Dims shape;
  for (const Tensor& one : tensors) shape = broadcastShapes(shape, one.sizes());
  TensorList out;
  for (const Tensor& one : tensors) out.push_back(ops::expand(one, shape));
  return out;
}

TensorList meshgrid(TensorSpan tensors, std::string_view indexing) {
  FB_CHECK(!tensors.empty(), Value, "meshgrid expects a non-empty TensorList");
  FB_CHECK(indexing == "ij" || indexing == "xy", Value,
           "torch.meshgrid: indexing must be one of \"xy\" or \"ij\", but received: %s", std::string(indexing).c_str());
  for (const Tensor& one : tensors) {
    FB_CHECK(one.dim() <= 1, Shape, "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: %lldD tensor",
             static_cast<long long>(one.dim()));
    FB_CHECK(one.dtype() == tensors[0].dtype(), Type, "torch.meshgrid expects all tensors to have the same dtype");
  }
  TensorList order(tensors.begin(), tensors.end());
  const bool swap = indexing == "xy" && order.size() >= 2;
  if (swap) std::swap(order[0], order[1]);
  Dims shape;
  for (const Tensor& one : order) shape.push_back(one.numel());
  TensorList grids;
  for (size_t d = 0; d < order.size(); ++d) {
    Dims own(order.size(), 1);
    own[d] = order[d].numel();
    grids.push_back(ops::expand(ops::reshape(order[d], own), shape));
  }
  if (swap) std::swap(grids[0], grids[1]);
  return grids;
}

Tensor cartesianProd(TensorSpan tensors) {
  FB_CHECK(!tensors.empty(), Value, "cartesian_prod expects a non-empty TensorList");
  for (const Tensor& one : tensors)
    FB_CHECK(one.dim() == 1, Shape, "Expect a 1D vector, but got shape %s", shapeString(one.sizes()).c_str());
  if (tensors.size() == 1) return tensors[0];
  TensorList columns;
  for (const Tensor& grid : meshgrid(tensors, "ij")) columns.push_back(ops::reshape(grid, Dims{-1}));
  return stack(columns, 1);
}

Tensor combinations(const Tensor& self, int64_t r, bool withReplacement) {
  FB_CHECK(self.dim() == 1, Shape, "Expect a 1D vector, but got shape %s", shapeString(self.sizes()).c_str());
  FB_CHECK(r >= 0, Value, "Expect a non-negative number, but got %lld", static_cast<long long>(r));
  if (r == 0) return ops::empty(Dims{0}, self.dtype());
  // The positions in lexicographic order, one row each, known without looking at the values.
  const int64_t n = self.numel();
  constexpr int64_t kMost = int64_t{1} << 31;
  const bool any = n > 0 && (withReplacement || r <= n);
  FB_CHECK(!any || r <= kMost, Value, "combinations: a row of %lld elements is too long", static_cast<long long>(r));
  std::vector<int64_t> rows, at(any ? static_cast<size_t>(r) : 0);
  for (size_t i = 0; i < at.size(); ++i) at[i] = withReplacement ? 0 : static_cast<int64_t>(i);
  const auto last = [&](int64_t i) { return withReplacement ? n - 1 : n - r + i; };
  for (bool more = any; more;) {
    FB_CHECK(static_cast<int64_t>(rows.size()) <= kMost - r, Value,
             "combinations: %lld elements taken %lld at a time are too many", static_cast<long long>(n),
             static_cast<long long>(r));
    rows.insert(rows.end(), at.begin(), at.end());
    int64_t i = r - 1;
    while (i >= 0 && at[static_cast<size_t>(i)] == last(i)) --i;
    more = i >= 0;
    if (!more) break;
    const int64_t next = ++at[static_cast<size_t>(i)];
    for (int64_t k = i + 1; k < r; ++k) at[static_cast<size_t>(k)] = withReplacement ? next : next + k - i;
  }
  const Tensor index = emptyTensor(Dims{static_cast<int64_t>(rows.size())}, DType::Int64);
  std::copy(rows.begin(), rows.end(), index.ptr<int64_t>());
  return ops::reshape(ops::indexSelect(self, 0, index), Dims{static_cast<int64_t>(rows.size()) / r, r});
}

}  // namespace flambeau::nn
