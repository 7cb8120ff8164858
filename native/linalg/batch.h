// The driver of the factorisations: for each matrix of a batch, copy it to column-major scratch, call LAPACK there,
// copy the results out and look at `info`. Kernels write only the call.
#pragma once
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "cpu/extern_common.h"
#include "linalg/lapack.h"

namespace flambeau::linalg {

/// A column-major matrix in scratch memory.
template <class T>
class Scratch {
 public:
  Scratch(int64_t rows, int64_t cols)
      : rows_(rows), data_(static_cast<size_t>(std::max<int64_t>(1, rows) * std::max<int64_t>(1, cols))) {}
  T* data() { return data_.data(); }
  Int ld() const { return static_cast<Int>(std::max<int64_t>(1, rows_)); }
  T& at(int64_t i, int64_t j) { return data_[static_cast<size_t>(i + j * ld())]; }
  /// Fills the upper left corner from a row-major [rows, cols].
  void load(const T* from, int64_t rows, int64_t cols) {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < cols; ++j) at(i, j) = from[i * cols + j];
  }
  /// Copies the upper left corner out, row-major.
  void store(T* to, int64_t rows, int64_t cols) {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < cols; ++j) to[i * cols + j] = at(i, j);
  }
  void fill(T value) { std::fill(data_.begin(), data_.end(), value); }

 private:
  int64_t rows_;
  std::vector<T> data_;
};

/// [..., m, n]: how many matrices, and their sizes; the elements are contiguous.
struct Batch {
  explicit Batch(const Tensor& t)
      : tensor(cpu::contiguousOf(t)),
        m(t.sizes()[static_cast<size_t>(t.dim()) - 2]),
        n(t.sizes()[static_cast<size_t>(t.dim()) - 1]) {
    lead = Dims(t.sizes().first(static_cast<size_t>(t.dim()) - 2));
    count = product(lead);
  }
  Tensor tensor;
  int64_t m, n, count = 1;
  Dims lead;
  int64_t k() const { return std::min(m, n); }
  template <class T>
  const T* at(int64_t i) const {
    return tensor.ptr<T>() + i * m * n;
  }
  /// A new tensor [..., tail].
  Tensor make(std::initializer_list<int64_t> tail, DType dtype) const {
    Dims sizes(lead);
    for (int64_t d : tail) sizes.push_back(d);
    return emptyTensor(sizes, dtype);
  }
  Tensor make(std::initializer_list<int64_t> tail) const { return make(tail, tensor.dtype()); }
};

/// Fails unless every extent fits Fortran's INTEGER.
inline Int toInt(int64_t n) {
  FB_CHECK(n <= std::numeric_limits<Int>::max(), Shape, "linalg: a matrix with a side of %lld is too large for LAPACK",
           static_cast<long long>(n));
  return static_cast<Int>(n);
}

/// Runs f(begin, end) over ranges of the batch in parallel; `work` is roughly the multiply-adds of one matrix.
template <class F>
void forEachRange(int64_t count, int64_t work, F&& f) {
  parallelFor(count, std::max<int64_t>(1, 20000 / std::max<int64_t>(1, work)), std::forward<F>(f));
}

/// Calls f(Tag<T>{}) for float32 and float64; other dtypes throw in PyTorch's words.
template <class F>
void dispatchReal(DType t, const char* op, F&& f) {
  requireLapack(op);
  try {
    if (t == DType::Float32) return f(cpu::Tag<float>{});
    if (t == DType::Float64) return f(cpu::Tag<double>{});
  } catch (const IllegalArgument& e) {
    // The sizes were checked before: what is left are scale factors that are not finite.
    throw Error(ErrorKind::Linalg,
                detail::formatMessage("%s: The algorithm failed to converge because the input matrix contained "
                                      "non-finite values (argument %d of LAPACK's %s).",
                                      op, e.argument, e.routine.c_str()));
  }
  throw Error(ErrorKind::Type,
              isFloating(t)
                  ? detail::formatMessage("%s: Low precision dtypes not supported. Got %s", op, scalarTypeName(t))
                  : detail::formatMessage("%s: Expected a floating point or complex tensor as input. Got %s", op,
                                          scalarTypeName(t)));
}

/// PyTorch's shape checks; `what` names the matrix ('A').
inline void checkMatrix(const Tensor& t, const char* op, const char* what = "A") {
  FB_CHECK(t.dim() >= 2, Shape, "%s: The input tensor %s must have at least 2 dimensions.", op, what);
}
inline void checkSquare(const Tensor& t, const char* op, const char* what = "A") {
  checkMatrix(t, op, what);
  FB_CHECK(t.size(-1) == t.size(-2), Shape,
           "%s: %s must be batches of square matrices, but they are %lld by %lld matrices", op, what,
           static_cast<long long>(t.size(-2)), static_cast<long long>(t.size(-1)));
}

/// A X = B (or X A = B): square matrices, right sides that fit, one batch shape, one dtype.
inline void checkSystem(const char* op, const Tensor& A, const Tensor& B, bool left) {
  checkSquare(A, op);
  const int64_t side = left ? -2 : -1;
  FB_CHECK(B.dim() == A.dim() && B.size(side) == A.size(-1) &&
               std::equal(A.sizes().begin(), A.sizes().end() - 2, B.sizes().begin()),
           Shape, "%s: Incompatible shapes of A and B for the equation %s (%s and %s)", op, left ? "AX = B" : "XA = B",
           shapeString(A.sizes()).c_str(), shapeString(B.sizes()).c_str());
  FB_CHECK(A.dtype() == B.dtype(), Type, "%s: Expected A and B to have the same dtype, but got %s and %s", op,
           scalarTypeName(A.dtype()), scalarTypeName(B.dtype()));
}

/// Throws LinAlgError for the first matrix whose info is positive: `message(info)` says why.
template <class F>
void checkInfo(const char* op, const Tensor& info, F&& message) {
  const int32_t* values = info.ptr<int32_t>();
  for (int64_t i = 0; i < info.numel(); ++i) {
    if (values[i] == 0) continue;
    FB_CHECK(values[i] > 0, Linalg,
             "%s: The algorithm failed to converge because the input matrix contained non-finite values.", op);
    const std::string where =
        info.dim() ? detail::formatMessage("(Batch element %lld): ", static_cast<long long>(i)) : "";
    throw Error(ErrorKind::Linalg, std::string(op) + ": " + where + message(static_cast<int>(values[i])));
  }
}

// PyTorch's words for what info says.
inline std::string singularInverse(int i) {
  return detail::formatMessage(
      "The diagonal element %d is zero, the inversion could not be completed because the input matrix is singular.", i);
}
inline std::string singularSystem(int) { return "The solver failed because the input matrix is singular."; }
inline std::string notPositiveDefinite(int i) {
  return detail::formatMessage(
      "The factorization could not be completed because the input is not positive-definite (the leading minor of order "
      "%d is not positive-definite).",
      i);
}
inline std::string noSvd(int i) {
  return detail::formatMessage(
      "The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated singular "
      "values (error code: %d).",
      i);
}
inline std::string noEigenvalues(int i) {
  return detail::formatMessage(
      "The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated "
      "eigenvalues (error code: %d).",
      i);
}
inline std::string zeroPivot(int i) {
  return detail::formatMessage(
      "U[%d,%d] is zero and using it on lu_solve would result in a division by zero. If you still want to perform the "
      "factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)",
      i, i);
}

}  // namespace flambeau::linalg
