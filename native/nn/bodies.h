// Helpers that op bodies and derivative formulas call (`h.NAME` in codegen/ops): what the declaration language cannot
// say. All are built from declared ops, so they are differentiable and traceable themselves.
#pragma once
#include <string_view>

#include "flambeau/autograd.h"
#include "flambeau/ops.h"
#include "flambeau/tensor.h"
#include "nn/shape_bodies.h"

namespace flambeau::support {

using autograd::sumTo;
inline std::string text(const std::optional<std::string_view>& s) { return s ? std::string(*s) : "None"; }

// ---- arithmetic ----
bool isFloatResult(const Tensor& self, const Operand& other);
/// An integer divisor; throws "ZeroDivisionError" where it is (or holds) zero and values can be read.
Operand checkedDivisor(const Operand& other);
Tensor boolToInt(const Tensor& self);
inline bool isBool(const Tensor& self) { return self.dtype() == DType::Bool; }
inline bool isFloat(const Tensor& self) { return isFloating(self.dtype()); }
/// 10^n, exact where float64 has it.
double powerOfTen(int64_t n);
/// The largest finite number of a floating dtype.
double largest(const Tensor& self);
/// The dtype in which two operands meet.
DType commonDType(const Operand& a, const Operand& b);
/// The operand in float64.
Operand doubleValue(const Operand& a);
/// Integers and bool as the default floating dtype.
Tensor floated(const Tensor& t);
/// Tolerances must not be negative.
void checkTolerances(double rtol, double atol);
/// maskedFill's value in self's dtype.
Operand fillValue(const Tensor& self, const Operand& value);

/// A number in a message: 0.5, 2.
std::string text(const Scalar& s);
std::string text(double v);
std::string typeName(const Tensor& t);
/// Half the extent of dim, which must be even.
int64_t halfCount(const Tensor& self, int64_t dim);
/// prelu's weight, made to broadcast along the channels.
Tensor preluWeight(const Tensor& self, const Tensor& weight);

/// Sum of lgamma(self - j / 2) for j < p, and pi's part.
Tensor mvlgamma(const Tensor& self, int64_t p);

// ---- reductions ----
/// Undoes a reduction: keepdim restored, then expanded to `sizes`.
Tensor expandReduced(const Tensor& grad, const Dims& sizes, std::optional<IntSpan> dim, bool keepdim);
/// Number of elements that were reduced into one.
int64_t reducedCount(const Dims& sizes, std::optional<IntSpan> dim);
Tensor prodBackward(const Tensor& grad, const Tensor& self, std::optional<int64_t> dim, bool keepdim);
/// amax/amin: the gradient shared evenly among equal extremes.
Tensor extremeBackward(const Tensor& grad, const Tensor& self, const Dims& dim, bool keepdim, const Tensor& out);
/// max(), median(): the gradient of one element of all, shared evenly among those equal to it (NaN equal to NaN).
Tensor evenlyShared(const Tensor& grad, const Tensor& self, const Tensor& out);
/// max(dim), sort, topk: the gradient goes to the elements that `indices` name.
Tensor selectBackward(const Tensor& grad, const Dims& sizes, int64_t dim, bool keepdim, const Tensor& indices);
Tensor varBackward(const Tensor& grad, const Tensor& self, std::optional<IntSpan> dim, bool keepdim,
                   int64_t correction);
Tensor logsumexp(const Tensor& self, IntSpan dim, bool keepdim);
Tensor norm(const Tensor& self, double p, std::optional<IntSpan> dim, bool keepdim, std::optional<DType> dtype);
Tensor normBackward(const Tensor& grad, const Tensor& self, double p, std::optional<IntSpan> dim, bool keepdim,
                    const Tensor& out);
/// aminmax: the dimension as a list, empty for all; checks for empty tensors.
Dims optionalDims(const Tensor& self, std::optional<int64_t> dim, const char* op);
/// `dim` as a list, empty for all.
Dims optionalAxes(std::optional<IntSpan> dim);

// ---- statistics ----
Tensor quantile(const Tensor& self, const Operand& q, std::optional<int64_t> dim, bool keepdim,
                std::string_view interpolation, bool ignoreNan);
Tensor cov(const Tensor& self, int64_t correction, const Tensor& fweights, const Tensor& aweights);
/// y[i] + y[i + 1] along dim.
Tensor neighbourSum(const Tensor& y, int64_t dim);
/// x[i + 1] - x[i] along y's dim; a 1-d x is laid along it.
Tensor sampleSteps(const Tensor& x, const Tensor& y, int64_t dim, const char* op);

// ---- scans and differences ----
Tensor cdistGradient(const Tensor& grad, const Tensor& x1, const Tensor& x2, double p, const Tensor& distances);
Tensor cumprodBackward(const Tensor& grad, const Tensor& self, int64_t dim, const Tensor& out);
Tensor logcumsumexpBackward(const Tensor& grad, const Tensor& self, int64_t dim, const Tensor& out);
Tensor reverseLogcumsumexpBackward(const Tensor& grad, const Tensor& self, int64_t dim, const Tensor& out);
Tensor diff(const Tensor& self, int64_t n, int64_t dim, const Tensor& prepend, const Tensor& append);

// ---- masked reductions ----
/// self where mask (broadcast to it) is true, `value` elsewhere; no mask: self.
Tensor masked(const Tensor& self, const Tensor& mask, const Operand& value);
/// The dtype's smallest and largest value: infinite for floats.
Operand lowestValue(const Tensor& self);
Operand highestValue(const Tensor& self);
/// What an element outside the mask counts as in a p-norm.
Operand normIdentityValue(double p);
Tensor castTo(const Tensor& t, std::optional<DType> dtype);
DType orOwnDType(const Tensor& t, std::optional<DType> dtype);
/// Number of selected elements over dim.
Tensor maskTotal(const Tensor& self, const Tensor& mask, std::optional<IntSpan> dim, bool keepdim);
/// Product over any dimensions.
Tensor prodOver(const Tensor& self, std::optional<IntSpan> dim, bool keepdim, std::optional<DType> dtype);
Tensor maskedNormalize(const Tensor& self, double p, int64_t dim, double eps, std::optional<DType> dtype,
                       const Tensor& mask);
Tensor maskedVar(const Tensor& self, std::optional<IntSpan> dim, bool unbiased, bool keepdim,
                 std::optional<DType> dtype, const Tensor& mask);
Tensor maskedStd(const Tensor& self, std::optional<IntSpan> dim, bool unbiased, bool keepdim,
                 std::optional<DType> dtype, const Tensor& mask);
Tensor logaddexp(const Tensor& a, const Tensor& b);

// ---- views ----
Dims inverseDims(const Dims& dims);
/// Zeros of `sizes` with grad at indices start, start + step, ... of dim.
Tensor sliceBackward(const Tensor& grad, const Dims& sizes, int64_t dim, int64_t start, int64_t step);
Tensor diagonalBackward(const Tensor& grad, const Dims& sizes, int64_t offset, int64_t dim1, int64_t dim2);
Tensor asStridedBackward(const Tensor& grad, const Tensor& self, const Dims& size, const Dims& stride,
                         std::optional<int64_t> offset);
Tensor unfoldBackward(const Tensor& grad, const Dims& sizes, int64_t dimension, int64_t size, int64_t step);
Tensor asStridedZero(const Tensor& grad, const Dims& size, const Dims& stride, std::optional<int64_t> offset);
Tensor asStridedOf(const Tensor& grad, const Dims& size, const Dims& stride, std::optional<int64_t> offset);
Tensor reshape(const Tensor& self, IntSpan shape);
Dims flattenedShape(const Dims& sizes, int64_t startDim, int64_t endDim);
Dims movedDims(int64_t ndim, IntSpan source, IntSpan destination);
Dims lastDims(const Dims& sizes, int64_t count);
/// All dimensions but `keep`.
Dims allButDims(int64_t ndim, int64_t keep);

// ---- matrix products ----
Tensor matmulBackwardSelf(const Tensor& grad, const Dims& sizes, const Tensor& other);
Tensor matmulBackwardOther(const Tensor& grad, const Tensor& self, const Dims& sizes);
/// [..., n] as [rows, n].
Tensor flattenRows(const Tensor& t);

// ---- convolution and pooling ----
/// One number stands for all `spatial` dimensions.
Dims windowDims(IntSpan given, int64_t spatial, const char* op, const char* what);
Tensor conv(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, IntSpan padding,
            IntSpan dilation, int64_t groups, int64_t spatial);
Tensor convTransposed(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, IntSpan padding,
                      IntSpan outputPadding, int64_t groups, IntSpan dilation, int64_t spatial);
std::tuple<Tensor, Tensor> maxPool(const Tensor& self, IntSpan kernelSize, std::optional<IntSpan> stride,
                                   IntSpan padding, IntSpan dilation, bool ceilMode, int64_t spatial);
Tensor avgPool(const Tensor& self, IntSpan kernelSize, std::optional<IntSpan> stride, IntSpan padding, bool ceilMode,
               bool countIncludePad, int64_t spatial, std::optional<int64_t> divisorOverride = std::nullopt);
/// From the mean of x^p over windows to their p-norm.
Tensor rootOfMean(const Tensor& mean, double p, IntSpan kernelSize, int64_t spatial);
/// Per plane of the last `spatial` dimensions: t[indices].
Tensor gatherPlanes(const Tensor& t, const Tensor& indices, int64_t spatial);
Tensor maxUnpool(const Tensor& self, const Tensor& indices, IntSpan outputSize);

// ---- images ----
Dims negatedDims(IntSpan dims);
/// Modes 'reflect', 'replicate', 'circular': index_select with a map of indices per dimension.
Tensor padByIndex(const Tensor& input, IntSpan pad, std::string_view mode, std::optional<double> value);
/// Weighted sums of gathers: one per combination of the taps of each dimension.
Tensor gridSample(const Tensor& input, const Tensor& grid, std::string_view mode, std::string_view padding,
                  bool alignCorners);
Tensor affineGrid(const Tensor& theta, IntSpan size, bool alignCorners);
Tensor pixelShuffle(const Tensor& self, int64_t factor);
Tensor pixelUnshuffle(const Tensor& self, int64_t factor);
Tensor channelShuffle(const Tensor& self, int64_t groups);

// ---- indexing ----
TensorList catBackwardList(const Tensor& grad, const std::vector<Dims>& shapes, int64_t dim);
Tensor zerosLike(const Tensor& like, const Dims& sizes);
Tensor indexPutZero(const Tensor& grad, const TensorList& indices);
Tensor maskedSelectBackward(const Tensor& grad, const Dims& sizes, const Tensor& mask);

// ---- normalisation ----
/// float32 for the 16-bit floats (statistics need the digits), else the tensor itself; and back.
Tensor widened(const Tensor& t);
Tensor asDtypeOf(const Tensor& t, const Tensor& like);
/// Converts to `dtype` when given; integers are an error in PyTorch's words.
Tensor asFloat(const Tensor& t, std::optional<DType> dtype, const char* op);
/// amax along dim, kept; works for empty tensors; not differentiated (its gradient cancels).
Tensor rowMax(const Tensor& t, int64_t dim);
/// The dimensions of normalizedShape; weight and bias must have that shape.
Dims normalizedDims(const Tensor& input, IntSpan normalizedShape, const Tensor& weight, const Tensor& bias);
/// x * weight + bias, each optional.
Tensor affine(const Tensor& x, const Tensor& weight, const Tensor& bias);
Tensor channelAffine(const Tensor& x, const Tensor& weight, const Tensor& bias);
Dims groupedShape(const Tensor& input, int64_t groups);
/// [1, c, 1, ...] for an input [n, c, ...].
Dims channelShape(const Tensor& input, const char* op);
/// All dimensions after batch and channels.
Dims spatialDims(const Tensor& input, const char* op);
int64_t perChannelCount(const Tensor& input);
int64_t perInstanceCount(const Tensor& input);
void checkRunning(const Tensor& input, const Tensor& runningMean, const Tensor& runningVar);
/// Blends batch statistics over `count` elements into the running ones; the variance becomes the unbiased one.
void updateRunning(const Tensor& runningMean, const Tensor& mean, const Tensor& runningVar, const Tensor& variance,
                   double momentum, int64_t count);
/// eps, or the epsilon of the dtype.
Operand epsilonValue(std::optional<double> eps, const Tensor& like);
/// Means over `size` neighbouring channels, zeros beyond the ends.
Tensor neighbourMeans(const Tensor& squares, int64_t size);
/// [n, c, 1, ...].
Dims featureDims(const Tensor& input);
Tensor alphaDropped(const Tensor& input, const Tensor& kept, double p);

// ---- embeddings and attention ----
Tensor dividedByFrequency(const Tensor& grad, const Tensor& indices, int64_t count);
/// embedding with zeros at paddingIdx.
Tensor embeddingWithout(const Tensor& weight, const Tensor& indices, int64_t paddingIdx);
Tensor renormRows(const Tensor& weight, const Tensor& indices, double maxNorm, double normType);
Tensor segmentMaxBackward(const Tensor& grad, const Tensor& indices, const Dims& sizes);
Tensor embeddingBag(const Tensor& weight, const Tensor& indices, const Tensor& offsets, std::string_view mode,
                    const Tensor& perSampleWeights, bool includeLastOffset, int64_t paddingIdx, bool scaleGradByFreq);
Tensor oneHot(const Tensor& self, int64_t numClasses);
/// softmax(query key^T scale + mask); mask: bool, numbers or none. Rows that see nothing: zeros with `zeroUnseen`, else
/// NaN.
Tensor attentionWeights(const Tensor& query, const Tensor& key, const Tensor& mask, bool isCausal,
                        std::optional<double> scale = std::nullopt, bool zeroUnseen = false);
Tensor scaledDotProductAttention(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& mask,
                                 double dropoutP, bool isCausal, std::optional<double> scale, bool enableGqa);
/// By query, key and value of attentionForward: in tiles, or over the matrix of weights where they are to be
/// differentiated again.
TensorList attentionGradientsList(const Tensor& gradOut, const Tensor& gradLogsumexp, const Tensor& query,
                                  const Tensor& key, const Tensor& value, const Tensor& mask, bool isCausal,
                                  double scale, bool zeroUnseen, const Tensor& out, const Tensor& logsumexp);
/// One-hot vectors of the largest elements, with soft's gradient.
Tensor straightThrough(const Tensor& soft, int64_t dim);

// ---- losses ----
Tensor reduceLoss(const Tensor& loss, std::string_view reduction);
/// The same with poissonNllLoss's words, and with klDiv's 'batchmean'.
Tensor reducePlain(const Tensor& loss, std::string_view reduction);
Tensor reduceBatch(const Tensor& loss, std::string_view reduction);
Tensor weighted(const Tensor& loss, const Tensor& weight);
Tensor nll(const Tensor& input, const Tensor& target, const Tensor& weight, int64_t ignoreIndex,
           std::string_view reduction);
Tensor crossEntropy(const Tensor& input, const Tensor& target, const Tensor& weight, int64_t ignoreIndex,
                    std::string_view reduction, double labelSmoothing);
Tensor gaussianNll(const Tensor& input, const Tensor& target, const Tensor& variance, bool full, double eps,
                   std::string_view reduction);
Tensor multiMargin(const Tensor& input, const Tensor& target, int64_t p, double margin, const Tensor& weight,
                   std::string_view reduction);
Tensor multilabelMargin(const Tensor& input, const Tensor& target, std::string_view reduction);
Tensor ctcLoss(const Tensor& logProbs, const Tensor& targets, IntSpan inputLengths, IntSpan targetLengths,
               int64_t blank, std::string_view reduction, bool zeroInfinity);

// ---- distances ----
Tensor cosineSimilarity(const Tensor& x1, const Tensor& x2, int64_t dim, double eps);
Tensor cdist(const Tensor& x1, const Tensor& x2, double p, std::optional<std::string_view> computeMode);
Tensor pdist(const Tensor& self, double p);

}  // namespace flambeau::support

namespace flambeau::nn {

Tensor contiguous(const Tensor& self);
Tensor sumToSize(const Tensor& self, IntSpan size);
Tensor histogramCounts(const Tensor& self, TensorSpan edges, const Tensor& weight, bool density);
Tensor equalEdges(const Tensor& self, int64_t bins, std::span<const double> range);
TensorList gradient(const Tensor& self, std::span<const double> spacing, std::optional<IntSpan> dim, int64_t edgeOrder);
TensorList gradientAt(const Tensor& self, TensorSpan spacing, std::optional<IntSpan> dim, int64_t edgeOrder);

}  // namespace flambeau::nn
