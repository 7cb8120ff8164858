// Helpers of linalg's formulas, and composite bodies whose shapes need arithmetic.
#include "linalg/bodies.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "nn/bodies.h"

namespace flambeau::support {
namespace {

using std::string;

Dims leadOf(const Tensor& t, int64_t trailing) {
  return Dims(t.sizes().first(static_cast<size_t>(t.dim() - trailing)));
}
Dims joined(const Dims& lead, std::initializer_list<int64_t> tail) {
  Dims out(lead);
  for (int64_t d : tail) out.push_back(d);
  return out;
}
/// t with its last `trailing` dimensions kept and the others expanded to `lead`.
Tensor expandedTo(const Tensor& t, const Dims& lead, int64_t trailing) {
  Dims sizes(lead);
  for (int64_t d = trailing; d > 0; --d) sizes.push_back(t.size(-d));
  return sizes == Dims(t.sizes()) ? t : ops::expand(t, sizes);
}
double epsilonOf(DType t) {
  return t == DType::Float64 ? std::numeric_limits<double>::epsilon() : std::numeric_limits<float>::epsilon();
}

}  // namespace

bool isVectorSide(const Tensor& A, const Tensor& B) {
  if (B.dim() == 1) return true;
  return A.dim() - 1 == B.dim() && leadOf(A, 1) == Dims(B.sizes());
}

Tensor checkedSquare(const Tensor& A, std::string_view op) {
  FB_CHECK(A.dim() >= 2, Shape, "%s: The input tensor A must have at least 2 dimensions.", string(op).c_str());
  FB_CHECK(A.size(-1) == A.size(-2), Shape,
           "%s: A must be batches of square matrices, but they are %lld by %lld matrices", string(op).c_str(),
           static_cast<long long>(A.size(-2)), static_cast<long long>(A.size(-1)));
  return A;
}

TensorList systemList(const Tensor& A, const Tensor& B, bool left, std::string_view op) {
  const string name(op);
  checkedSquare(A, op);
  FB_CHECK(B.dim() >= 2, Shape, "%s: The input tensor B must have at least 2 dimensions.", name.c_str());
  FB_CHECK(A.dtype() == B.dtype(), Type,
           "%s: Expected b and A to have the same dtype, but found b of type %s and A of type %s instead.",
           name.c_str(), scalarTypeName(B.dtype()), scalarTypeName(A.dtype()));
  const int64_t rows = B.size(-2), cols = B.size(-1), n = A.size(-1);
  FB_CHECK((left ? rows : cols) == n, Shape,
           "%s: Incompatible shapes of A and B for the equation %s (%lldx%lld and %lldx%lld)", name.c_str(),
           left ? "AX = B" : "XA = B", static_cast<long long>(left ? n : rows), static_cast<long long>(left ? n : cols),
           static_cast<long long>(left ? rows : n), static_cast<long long>(left ? cols : n));
  const Dims lead = broadcastShapes(leadOf(A, 2), leadOf(B, 2));
  return {expandedTo(A, lead, 2), expandedTo(B, lead, 2)};
}

Tensor expandedLike(const Tensor& t, const Tensor& matrices) { return expandedTo(t, leadOf(matrices, 2), 1); }
Tensor expandedLike2(const Tensor& t, const Tensor& matrices) { return expandedTo(t, leadOf(matrices, 2), 2); }

Tensor diagMatrix(const Tensor& d) {
  Dims sizes(d.sizes());
  sizes.push_back(d.size(-1));
  return diagonalBackward(d, sizes, 0, -2, -1);
}
Tensor identityLike(const Tensor& t, int64_t n) { return ops::eye(n, std::nullopt, t.dtype()); }
Tensor zeroMatrix(const Tensor& t, int64_t rows, int64_t cols) {
  return ops::zeros(joined(leadOf(t, 2), {rows, cols}), t.dtype());
}
Tensor block(const Tensor& t, int64_t row, int64_t rows, int64_t col, int64_t cols) {
  return ops::narrow(ops::narrow(t, -2, row, rows), -1, col, cols);
}
Operand notANumberValue() { return Operand(Scalar(std::numeric_limits<double>::quiet_NaN())); }
Tensor doubleTensor(double value) { return ops::full(IntSpan(), Scalar(value), DType::Float64); }

void checkQrDerivative(const Dims& sizes, std::string_view mode) {
  FB_CHECK(mode != "r", Autograd,
           "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use linalg.qr(A, "
           "mode='reduced') if you are going to be using backpropagation");
  const size_t n = sizes.size();
  FB_CHECK(mode != "complete" || sizes[n - 2] <= sizes[n - 1], Autograd,
           "The QR decomposition is not differentiable when mode='complete' and nrows > ncols");
}

Tensor rankTolerance(const Tensor& S, const Tensor& A, const Tensor& atol, const Tensor& rtol) {
  const int64_t sides = std::max(A.size(-2), A.size(-1));
  if (S.size(-1) == 0) return ops::zeros(joined(leadOf(S, 1), {1}), S.dtype());
  const auto tensor = [&](double v) { return ops::full(IntSpan(), Scalar(v), S.dtype()); };
  const double byDefault = epsilonOf(S.dtype()) * static_cast<double>(sides);
  for (const Tensor& t : {atol, rtol})
    if (t.defined())
      FB_CHECK(flambeau::isFloating(t.dtype()) || isIntegral(t.dtype()), Type,
               "linalg.matrix_rank: atol and rtol must be real numbers, got %s", scalarTypeName(t.dtype()));
  // An absolute tolerance above zero switches the default relative one off.
  const Tensor relative = rtol.defined() ? rtol
                          : atol.defined()
                              ? ops::where(ops::gt(atol, Scalar(0)), Operand(tensor(0)), Operand(tensor(byDefault)))
                              : tensor(byDefault);
  const Tensor absolute = atol.defined() ? atol : tensor(0);
  const Tensor largest = ops::amax(S, Dims{-1}, true);
  return ops::maximum(ops::unsqueeze(absolute, -1), ops::mul(ops::unsqueeze(relative, -1), largest));
}

Tensor inverseOrInfinity(const Tensor& A) {
  checkedSquare(A, "linalg.cond");
  const auto [inverse, info] = ops::linalgInvEx(A);
  const Tensor singular = ops::ne(perMatrix(info), Scalar(0));
  return ops::where(singular, Operand(Scalar(std::numeric_limits<double>::infinity())), Operand(inverse));
}

}  // namespace flambeau::support

namespace flambeau::linalg {

using support::mT;

std::tuple<Tensor, Tensor, Tensor> luUnpack(const Tensor& LU, const Tensor& pivots, bool unpackData,
                                            bool unpackPivots) {
  FB_CHECK(LU.dim() >= 2, Shape, "torch.lu_unpack: LU_data must have at least 2 dimensions.");
  FB_CHECK(
      !unpackPivots || pivots.dtype() == DType::Int32, Type,
      "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\nNote: this function "
      "is intended to be used with the output produced by torch.linalg.lu_factor");
  const int64_t m = LU.size(-2), n = LU.size(-1), k = std::min(m, n);
  const Tensor empty = ops::empty(Dims{0}, LU.dtype());
  Tensor P = empty, L = empty, U = empty;
  if (unpackData) {
    L = ops::add(ops::tril(ops::narrow(LU, -1, 0, k), -1), ops::eye(m, k, LU.dtype()));
    U = ops::triu(ops::narrow(LU, -2, 0, k));
  }
  if (unpackPivots) P = ops::luPermutation(pivots, m, LU.dtype());
  return {P, L, U};
}

Tensor householderProduct(const Tensor& A, const Tensor& tau) {
  FB_CHECK(A.dim() >= 2, Shape, "torch.linalg.householder_product: input must have at least 2 dimensions.");
  FB_CHECK(A.size(-2) >= A.size(-1), Shape,
           "torch.linalg.householder_product: input.shape[-2] must be greater than or equal to input.shape[-1]");
  FB_CHECK(tau.dim() == A.dim() - 1, Shape,
           "torch.linalg.householder_product: Expected tau to have one dimension less than input, but got tau.ndim "
           "equal to %lld and input.ndim is equal to %lld",
           static_cast<long long>(tau.dim()), static_cast<long long>(A.dim()));
  FB_CHECK(A.size(-1) >= tau.size(-1), Shape,
           "torch.linalg.householder_product: input.shape[-1] must be greater than or equal to tau.shape[-1]");
  FB_CHECK(
      std::equal(tau.sizes().begin(), tau.sizes().end() - 1, A.sizes().begin()), Shape,
      "torch.linalg.householder_product: Expected batch dimensions of tau to be equal to input.shape[:-2], but got "
      "%s and %s",
      shapeString(tau.sizes()).c_str(), shapeString(A.sizes()).c_str());
  FB_CHECK(tau.dtype() == A.dtype(), Type,
           "torch.linalg.householder_product: tau dtype %s does not match input dtype %s", scalarTypeName(tau.dtype()),
           scalarTypeName(A.dtype()));
  if (!autograd::anyRequiresGrad(A, tau)) return ops::reflectorProduct(A, tau);
  // Q = H_1 (H_2 (... I)): the last reflector first.
  const int64_t m = A.size(-2), n = A.size(-1);
  const Tensor V = ops::add(ops::tril(A, -1), ops::eye(m, n, A.dtype()));
  Dims sizes(A.sizes());
  Tensor Q = ops::expand(ops::eye(m, n, A.dtype()), sizes);
  for (int64_t i = tau.size(-1) - 1; i >= 0; --i) {
    const Tensor v = ops::narrow(V, -1, i, 1);
    const Tensor scale = ops::unsqueeze(ops::narrow(tau, -1, i, 1), -1);
    Q = ops::sub(Q, ops::mul(ops::matmul(v, ops::matmul(mT(v), Q)), scale));
  }
  return Q;
}

std::tuple<Tensor, Tensor, Tensor, Tensor> lstsq(const Tensor& self, const Tensor& B, std::optional<double> rcond,
                                                 std::optional<std::string_view> driver) {
  FB_CHECK(self.dim() >= 2, Shape, "torch.linalg.lstsq: input must have at least 2 dimensions.");
  FB_CHECK(B.dim() >= 1, Shape, "torch.linalg.lstsq: other must have at least 1 dimension.");
  const int64_t difference = self.dim() - B.dim();
  FB_CHECK(
      difference >= 0 && difference <= 1, Shape,
      "torch.linalg.lstsq: input.dim() must be greater or equal to other.dim() and (input.dim() - other.dim()) <= 1");
  FB_CHECK(self.dtype() == B.dtype(), Type,
           "torch.linalg.lstsq: Expected input and other to have the same dtype, but got input's dtype %s and other's "
           "dtype %s",
           scalarTypeName(self.dtype()), scalarTypeName(B.dtype()));
  const bool vector = support::isVectorSide(self, B);
  const Tensor rhs = vector ? ops::unsqueeze(B, -1) : B;
  FB_CHECK(rhs.size(-2) == self.size(-2), Shape, "torch.linalg.lstsq: input.size(-2) should match other.size(%s)",
           vector ? "-1" : "-2");
  const Dims lead = broadcastShapes(self.sizes().first(static_cast<size_t>(self.dim() - 2)),
                                    rhs.sizes().first(static_cast<size_t>(rhs.dim() - 2)));
  Dims left(lead), right(lead);
  for (int64_t d : {-2, -1}) {
    left.push_back(self.size(d));
    right.push_back(rhs.size(d));
  }
  auto [X, residuals, rank, S] =
      ops::lstsqSystems(ops::expand(self, left), ops::expand(rhs, right), rcond, driver.value_or("gelsy"));
  return {vector ? ops::squeeze(X, Dims{-1}) : X, residuals, rank, S};
}

Tensor tensorinv(const Tensor& self, int64_t ind) {
  FB_CHECK(ind > 0, Value, "Expected a strictly positive integer for 'ind'");
  const size_t cut = std::min(static_cast<size_t>(ind), self.sizes().size());
  const Dims first(self.sizes().first(cut)), second(self.sizes().subspan(cut));
  const int64_t rows = product(first), cols = product(second);
  FB_CHECK(rows == cols, Shape,
           "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got %lld != "
           "%lld",
           static_cast<long long>(cols), static_cast<long long>(rows));
  Dims sizes(second);
  for (int64_t d : first) sizes.push_back(d);
  return ops::reshape(ops::linalgInv(ops::reshape(self, Dims{cols, rows})), sizes);
}

Tensor tensorsolve(const Tensor& self, const Tensor& B, std::optional<IntSpan> dims) {
  Tensor a = self;
  if (dims) {
    Dims to;
    for (size_t i = 0; i < dims->size(); ++i)
      to.push_back(static_cast<int64_t>(i) - static_cast<int64_t>(dims->size()));
    a = ops::movedim(self, *dims, to);
  }
  FB_CHECK(a.dim() >= B.dim(), Shape, "tensorsolve: A has %lld dimensions and B %lld: A needs at least as many",
           static_cast<long long>(a.dim()), static_cast<long long>(B.dim()));
  const Dims sizes(a.sizes().subspan(static_cast<size_t>(B.dim())));
  const int64_t n = product(sizes), m = B.numel();
  FB_CHECK(
      n == m && a.numel() == n * m, Shape,
      "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but "
      "got %lld != %lld",
      static_cast<long long>(n), static_cast<long long>(m));
  return ops::reshape(ops::linalgSolve(ops::reshape(a, Dims{m, n}), ops::reshape(B, Dims{m})), sizes);
}

Tensor vander(const Tensor& x, std::optional<int64_t> N) {
  const DType dtype = flambeau::isFloating(x.dtype()) ? x.dtype() : DType::Int64;
  FB_CHECK(x.dtype() != DType::Bool, Type, "Input dtype must be a floating point or integer tensor, got Bool.");
  const Tensor base = x.dtype() == dtype ? x : ops::toDtype(x, dtype);
  const Tensor rows = x.dim() == 0 ? ops::unsqueeze(base, 0) : base;
  const int64_t n = N.value_or(rows.size(-1));
  FB_CHECK(n > 1, Value, "N must be greater than 1.");
  // A tensor for every power: more would take the memory before the result does.
  FB_CHECK(n <= int64_t{1} << 20, Value, "linalg.vander: N must be at most 2^20, but got %lld",
           static_cast<long long>(n));
  TensorList powers{ops::onesLike(rows)};
  for (int64_t i = 1; i < n; ++i) powers.push_back(i == 1 ? rows : ops::mul(powers.back(), rows));
  return ops::stack(powers, -1);
}

}  // namespace flambeau::linalg
