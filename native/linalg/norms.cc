// Norms. 16-bit floats are computed in float32 and rounded once.
#include <cmath>
#include <limits>

#include "linalg/bodies.h"
#include "nn/bodies.h"

namespace flambeau {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Tensor restored(const Tensor& reduced, const Tensor& like, std::optional<IntSpan> dim, bool keepdim) {
  return support::expandReduced(reduced, Dims(like.sizes()), dim, keepdim);
}
std::optional<IntSpan> nonEmpty(std::optional<IntSpan> dim) { return dim && dim->empty() ? std::nullopt : dim; }
Tensor inDtype(const Tensor& t, DType dtype) { return t.dtype() == dtype ? t : ops::toDtype(t, dtype); }

/// The input of a norm in its dtype; checks both.
Tensor normInput(const Tensor& x, std::optional<DType> dtype, const char* op) {
  FB_CHECK(isFloating(x.dtype()), Type, "%s: Expected a floating point or complex tensor as input. Got %s", op,
           scalarTypeName(x.dtype()));
  if (!dtype) return x;
  FB_CHECK(isFloating(*dtype), Type, "%s: dtype should be floating point or complex. Got %s", op,
           scalarTypeName(*dtype));
  FB_CHECK(itemSize(*dtype) >= itemSize(x.dtype()), Type,
           "%s: the dtype of the input (%s) should be convertible without narrowing to the specified dtype (%s)", op,
           scalarTypeName(x.dtype()), scalarTypeName(*dtype));
  return inDtype(x, *dtype);
}

}  // namespace

namespace support {

Tensor vectorNormBackward(const Tensor& grad, const Tensor& x, double ord, std::optional<IntSpan> dims, bool keepdim,
                          const Tensor& out) {
  const auto dim = nonEmpty(dims);
  const Tensor self = inDtype(x, out.dtype());
  const Tensor g = restored(grad, self, dim, keepdim), norm = restored(out, self, dim, keepdim);
  if (ord == 0) return ops::zerosLike(self);
  if (ord == 1) return ops::mul(g, ops::sign(self));
  const auto zeroWhere = [](const Tensor& condition, const Tensor& t) {
    return ops::where(condition, Operand(Scalar(0.0)), Operand(t));
  };
  // Divided by a norm that is not zero: the derivatives of this formula have to be finite too.
  const Tensor atZero = ops::eq(norm, Scalar(0));
  const Tensor divisor = ops::maskedFill(norm, atZero, Scalar(1.0));
  if (ord == 2) return ops::mul(self, zeroWhere(atZero, ops::div(g, divisor)));
  if (std::isinf(ord)) {
    // Shared evenly among the elements that attain it.
    const Tensor attains = ops::eq(ops::abs(self), norm);
    const Tensor count = restored(ops::sum(attains, dim, keepdim), self, dim, keepdim);
    return zeroWhere(ops::logicalNot(attains), ops::mul(ops::sign(self), ops::div(g, count)));
  }
  const Tensor size = ops::abs(self), scale = zeroWhere(atZero, ops::div(g, ops::pow(divisor, Scalar(ord - 1))));
  if (ord > 2) return ops::mul(ops::mul(self, ops::pow(size, Scalar(ord - 2))), scale);
  const Tensor none = ops::eq(self, Scalar(0));
  const Tensor power = ops::pow(ops::maskedFill(size, none, Scalar(1.0)), Scalar(ord - 1));
  return ops::mul(scale, zeroWhere(none, ops::mul(ops::sign(self), power)));
}

}  // namespace support

namespace linalg {

Tensor vectorNorm(const Tensor& x, double ord, std::optional<IntSpan> dims, bool keepdim, std::optional<DType> dtype) {
  const Tensor given = normInput(x, dtype, "linalg.vector_norm");
  const auto dim = nonEmpty(dims);
  if (given.numel() == 0 && (ord < 0 || ord == kInfinity)) {
    bool empty = !dim.has_value();
    for (int64_t d : wrapDims(dim, given.dim())) empty |= given.size(d) == 0;
    FB_CHECK(!empty, Value,
             "linalg.vector_norm cannot compute the %s norm on %s because the operation does not have an identity",
             std::isinf(ord) ? (ord > 0 ? "infinity" : "negative infinity") : std::to_string(ord).c_str(),
             dim ? "an empty dimension" : "an empty tensor");
  }
  const Tensor self = support::widened(given);
  const auto sum = [&](const Tensor& t) { return ops::sum(t, dim, keepdim, self.dtype()); };
  const auto extreme = [&](bool largest) {
    const Dims over = wrapDims(dim, self.dim());
    return largest ? ops::amax(ops::abs(self), over, keepdim) : ops::amin(ops::abs(self), over, keepdim);
  };
  const Tensor norm = ord == kInfinity    ? extreme(true)
                      : ord == -kInfinity ? extreme(false)
                      : ord == 0          ? sum(ops::ne(self, Scalar(0)))
                      : ord == 1          ? sum(ops::abs(self))
                      : ord == 2          ? ops::sqrt(sum(ops::square(self)))
                                          : ops::pow(sum(ops::pow(ops::abs(self), Scalar(ord))), Scalar(1 / ord));
  return inDtype(norm, given.dtype());
}

namespace {

/// The two dimensions of a matrix norm, wrapped.
std::pair<int64_t, int64_t> matrixDims(const Tensor& A, IntSpan dim) {
  FB_CHECK(A.dim() >= 2, Shape, "linalg.matrix_norm: The input tensor A must have at least 2 dimensions.");
  FB_CHECK(dim.size() == 2, Value, "linalg.matrix_norm: dim must be a 2-tuple. Got %s", shapeString(dim).c_str());
  const int64_t a = wrapDim(dim[0], A.dim()), b = wrapDim(dim[1], A.dim());
  FB_CHECK(a != b, Value, "linalg.matrix_norm: dims must be different. Got (%lld, %lld)",
           static_cast<long long>(dim[0]), static_cast<long long>(dim[1]));
  return {a, b};
}

/// Singular values of the matrices in dimensions (a, b), along the last dimension.
Tensor singularValues(const Tensor& A, int64_t a, int64_t b) {
  return ops::linalgSvdvals(ops::movedim(A, Dims{a, b}, Dims{-2, -1}));
}
/// [batch] with the two dimensions back as 1 where they are kept.
Tensor withKept(Tensor t, int64_t a, int64_t b, bool keepdim) {
  if (!keepdim) return t;
  return ops::unsqueeze(ops::unsqueeze(t, std::min(a, b)), std::max(a, b));
}

}  // namespace

Tensor matrixNorm(const Tensor& A, double ord, IntSpan dim, bool keepdim, std::optional<DType> dtype) {
  const double size = std::abs(ord);
  FB_CHECK(size == 1 || size == 2 || size == kInfinity, Value, "linalg.matrix_norm: Order %g not supported.", ord);
  auto [a, b] = matrixDims(A, dim);
  const Tensor self = normInput(A, dtype, "linalg.matrix_norm");
  const auto extreme = [&](const Tensor& t, int64_t d) {
    return ord > 0 ? ops::amax(t, Dims{d}, keepdim) : ops::amin(t, Dims{d}, keepdim);
  };
  if (size == 2) {
    const Tensor S = singularValues(self, a, b);
    return withKept(ord > 0 ? ops::amax(S, Dims{-1}, false) : ops::amin(S, Dims{-1}, false), a, b, keepdim);
  }
  // Order 1: the largest sum of a column; infinity: of a row.
  if (size == kInfinity) std::swap(a, b);
  const Tensor sums = vectorNorm(self, 1, Dims{a}.span(), keepdim, std::nullopt);
  return extreme(sums, !keepdim && b > a ? b - 1 : b);
}

Tensor matrixNormNamed(const Tensor& A, std::string_view ord, IntSpan dim, bool keepdim, std::optional<DType> dtype) {
  FB_CHECK(ord == "fro" || ord == "nuc", Value, "linalg.matrix_norm: Order %s not supported.",
           std::string(ord).c_str());
  const auto [a, b] = matrixDims(A, dim);
  const Tensor self = normInput(A, dtype, "linalg.matrix_norm");
  if (ord == "fro") {
    const Dims both{a, b};
    return ops::linalgVectorNorm(self, 2, both.span(), keepdim);
  }
  return withKept(ops::sum(singularValues(self, a, b), Dims{-1}.span()), a, b, keepdim);
}

}  // namespace linalg
}  // namespace flambeau
