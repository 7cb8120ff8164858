// Bodies of linalg's composites and the helpers of its formulas (`h.NAME` in codegen/ops), built from declared ops.
#pragma once
#include <optional>
#include <string_view>
#include <tuple>

#include "core/promotion.h"
#include "flambeau/autograd.h"
#include "flambeau/ops.h"
#include "flambeau/tensor.h"

namespace flambeau::support {

inline bool isFloating(const Tensor& t) { return flambeau::isFloating(t.dtype()); }
/// Whether a right-hand side is a (batch of) vector(s): 1-d, or of A's shape without its last dimension.
bool isVectorSide(const Tensor& A, const Tensor& B);

// ---- products ----
/// beta * self + alpha * product with self broadcast to the product; integer dtypes take the numbers' whole parts.
Tensor blend(const Tensor& self, Scalar beta, const Tensor& product, Scalar alpha);
/// The dimension torch.cross works along: `dim`, or the first of size 3.
int64_t crossDimIndex(const Tensor& self, const Tensor& other, std::optional<int64_t> dim);

// ---- matrices ----
/// A itself; throws unless it is a batch of square matrices. `op`: PyTorch's name of the caller.
Tensor checkedSquare(const Tensor& A, std::string_view op);
/// A and B of A X = B (left) or X A = B, checked, with their batch dimensions broadcast against each other.
TensorList systemList(const Tensor& A, const Tensor& B, bool left, std::string_view op);
/// t [..., n], or [..., n, m] (expandedLike2), expanded to the batch of `matrices`.
Tensor expandedLike(const Tensor& t, const Tensor& matrices);
Tensor expandedLike2(const Tensor& t, const Tensor& matrices);
/// The last two dimensions swapped.
inline Tensor mT(const Tensor& t) { return ops::transpose(t, -2, -1); }
/// [..., n] on the diagonals of [..., n, n].
Tensor diagMatrix(const Tensor& d);
/// The identity, [n, n], in t's dtype.
Tensor identityLike(const Tensor& t, int64_t n);
/// Zeros [batch of t, rows, cols].
Tensor zeroMatrix(const Tensor& t, int64_t rows, int64_t cols);
/// One number a matrix, [...], as [..., 1, 1].
inline Tensor perMatrix(const Tensor& t) { return ops::unsqueeze(ops::unsqueeze(t, -1), -1); }
/// A part of the last two dimensions.
Tensor block(const Tensor& t, int64_t row, int64_t rows, int64_t col, int64_t cols);
Operand notANumberValue();
/// A 0-d float64 tensor.
Tensor doubleTensor(double value);
/// Throws where linalg.qr has no derivative.
void checkQrDerivative(const Dims& sizes, std::string_view mode);
/// max(atol, rtol * largest of S) a matrix, [..., 1]; both may be undefined.
Tensor rankTolerance(const Tensor& S, const Tensor& A, const Tensor& atol, const Tensor& rtol);
/// The inverse, infinite everywhere where the matrix is singular.
Tensor inverseOrInfinity(const Tensor& A);
Tensor vectorNormBackward(const Tensor& grad, const Tensor& x, double ord, std::optional<IntSpan> dims, bool keepdim,
                          const Tensor& out);

}  // namespace flambeau::support

namespace flambeau::linalg {

Tensor tensordot(const Tensor& self, const Tensor& other, IntSpan selfDims, IntSpan otherDims);
Tensor kron(const Tensor& self, const Tensor& other);
Tensor einsum(std::string_view equation, TensorSpan operands);
Tensor multiDot(TensorSpan tensors);
Tensor matrixPower(const Tensor& self, int64_t n);
Tensor cross(const Tensor& self, const Tensor& other, int64_t dim);
Tensor bilinear(const Tensor& input1, const Tensor& input2, const Tensor& weight, const Tensor& bias);
std::tuple<Tensor, Tensor, Tensor> luUnpack(const Tensor& LU, const Tensor& pivots, bool unpackData, bool unpackPivots);
Tensor householderProduct(const Tensor& A, const Tensor& tau);
std::tuple<Tensor, Tensor, Tensor, Tensor> lstsq(const Tensor& self, const Tensor& B, std::optional<double> rcond,
                                                 std::optional<std::string_view> driver);
Tensor tensorinv(const Tensor& self, int64_t ind);
Tensor tensorsolve(const Tensor& self, const Tensor& B, std::optional<IntSpan> dims);
Tensor vander(const Tensor& x, std::optional<int64_t> N);
Tensor vectorNorm(const Tensor& x, double ord, std::optional<IntSpan> dims, bool keepdim, std::optional<DType> dtype);
Tensor matrixNorm(const Tensor& A, double ord, IntSpan dim, bool keepdim, std::optional<DType> dtype);
Tensor matrixNormNamed(const Tensor& A, std::string_view ord, IntSpan dim, bool keepdim, std::optional<DType> dtype);

}  // namespace flambeau::linalg
