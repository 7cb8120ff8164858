// Bodies and helpers of the shape, join and index ops (codegen/ops/views.ts, join.ts, rearrange.ts, index.ts): loops
// over dimensions and lists, argument checks in PyTorch's words. All are built from declared ops.
#pragma once
#include <optional>
#include <string_view>

#include "flambeau/ops.h"
#include "flambeau/tensor.h"

namespace flambeau::support {

// ---- views and rearranging ----
Dims unflattenedShape(const Dims& sizes, int64_t dim, IntSpan parts);
/// The two dimensions of a rotation, checked and not negative.
Dims rotationDims(const Dims& sizes, IntSpan dims);
/// `dims` with ones in front, one entry per dimension at least.
Dims tileDims(const Dims& sizes, IntSpan dims);
/// Shape of diagEmbed's result; checks the dimensions.
Dims diagEmbedShape(const Dims& sizes, int64_t offset, int64_t dim1, int64_t dim2);
/// `view` after a check that src has its shape: selectScatter and its like do not broadcast.
Tensor sameShapeView(const Tensor& view, const Tensor& src);

/// i * span / n for the places i of a window of that length; checks the length and the dtype.
Tensor windowPlaces(int64_t length, bool periodic, std::optional<DType> dtype, double span, const char* op);

// ---- writing by index ----
/// How many values meet in each element of a scatterReduce mean; elements that none reaches count one.
Tensor scatterCounts(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src, bool includeSelf);
/// Gradient of src for a product: grad * out / src, with zeros among the factors taken apart.
Tensor scatterProdBackward(const Tensor& grad, const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src,
                           bool includeSelf, const Tensor& out);
/// amax/amin: grad over the number of equal extremes that it is shared among, in self's shape.
Tensor scatterShared(const Tensor& grad, const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src,
                     bool includeSelf, const Tensor& out);
/// The part of src that an index of `sizes` reads, and the gradient of that part in src's shape.
Tensor corner(const Tensor& src, const Dims& sizes);
Tensor cornerBackward(const Tensor& grad, const Dims& sizes);

}  // namespace flambeau::support

namespace flambeau::nn {

// ---- joining and taking apart ----
TensorList split(const Tensor& self, int64_t splitSize, int64_t dim);
TensorList splitWithSizes(const Tensor& self, IntSpan splitSizes, int64_t dim);
TensorList chunk(const Tensor& self, int64_t chunks, int64_t dim);
TensorList unbind(const Tensor& self, int64_t dim);
TensorList tensorSplit(const Tensor& self, int64_t sections, int64_t dim);
TensorList tensorSplitIndices(const Tensor& self, IntSpan indices, int64_t dim);
TensorList tensorSplitBy(const Tensor& self, const Tensor& indicesOrSections, int64_t dim);
Tensor narrowAt(const Tensor& self, int64_t dim, const Tensor& start, int64_t length);
TensorList hsplit(const Tensor& self, int64_t sections);
TensorList hsplitIndices(const Tensor& self, IntSpan indices);
TensorList vsplit(const Tensor& self, int64_t sections);
TensorList vsplitIndices(const Tensor& self, IntSpan indices);
TensorList dsplit(const Tensor& self, int64_t sections);
TensorList dsplitIndices(const Tensor& self, IntSpan indices);
Tensor stack(TensorSpan tensors, int64_t dim);
Tensor hstack(TensorSpan tensors);
Tensor vstack(TensorSpan tensors);
Tensor dstack(TensorSpan tensors);
Tensor columnStack(TensorSpan tensors);
Tensor blockDiag(TensorSpan tensors);
TensorList broadcastTensors(TensorSpan tensors);
TensorList meshgrid(TensorSpan tensors, std::string_view indexing);
Tensor cartesianProd(TensorSpan tensors);
Tensor combinations(const Tensor& self, int64_t r, bool withReplacement);

// ---- rearranging ----
Tensor roll(const Tensor& self, IntSpan shifts, IntSpan dims);
Tensor fftshift(const Tensor& self, std::optional<IntSpan> dim);
Tensor ifftshift(const Tensor& self, std::optional<IntSpan> dim);
Tensor repeat(const Tensor& self, IntSpan repeats);
Tensor repeatInterleave(const Tensor& self, int64_t repeats, std::optional<int64_t> dim,
                        std::optional<int64_t> outputSize);
Tensor repeatInterleaveTensor(const Tensor& self, const Tensor& repeats, std::optional<int64_t> dim,
                              std::optional<int64_t> outputSize);
Tensor vander(const Tensor& x, std::optional<int64_t> N, bool increasing);
const Tensor& fillDiagonal_(const Tensor& self, Scalar fillValue, bool wrap);

// ---- reading and writing by index ----
Tensor take(const Tensor& self, const Tensor& index);
Tensor takeAlongDim(const Tensor& self, const Tensor& indices, std::optional<int64_t> dim);
TensorList unravelIndex(const Tensor& indices, IntSpan shape);
Tensor put(const Tensor& self, const Tensor& index, const Tensor& source, bool accumulate);
Tensor indexAdd(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source, Scalar alpha);
Tensor indexCopy(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source);
Tensor indexFill(const Tensor& self, int64_t dim, const Tensor& index, const Operand& value);
Tensor indexReduce(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source, std::string_view reduce,
                   bool includeSelf);
Tensor scatterJoin(const Tensor& self, int64_t dim, const Tensor& index, const Operand& src, std::string_view reduce);
Tensor maskedScatter(const Tensor& self, const Tensor& mask, const Tensor& source);
Tensor segmentReduce(const Tensor& data, std::string_view reduce, const Tensor& lengths, const Tensor& indices,
                     const Tensor& offsets, int64_t axis, bool unsafe, std::optional<Scalar> initial);

}  // namespace flambeau::nn
