// Linear systems, inverses and determinants, all from one LU factorisation a matrix; triangular systems.
#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "extern_kernels.h"
#include "linalg/batch.h"

namespace flambeau::cpu {

using namespace linalg;

std::tuple<Tensor, Tensor> solveSystems(const Tensor& A, const Tensor& B, bool checkErrors) {
  const char* op = "linalg.solve";
  checkSystem(op, A, B, true);
  const Batch in(A), rhs(B);
  Tensor X = rhs.make({rhs.m, rhs.n}), info = in.make({}, DType::Int32);
  dispatchReal(A.dtype(), op, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Int n = toInt(in.n), cols = toInt(rhs.n);
    forEachRange(in.count, in.n * in.n * (in.n + rhs.n), [&](int64_t begin, int64_t end) {
      Scratch<T> a(n, n), b(n, cols);
      std::vector<Int> pivots(static_cast<size_t>(n));
      const Int ld = a.ld(), ldb = b.ld();
      Int none = 0;
      for (int64_t i = begin; i < end; ++i) {
        Int& status = info.ptr<Int>()[i];
        a.load(in.at<T>(i), n, n);
        b.load(rhs.at<T>(i), n, cols);
        Routines<T>::getrf(&n, &n, a.data(), &ld, pivots.data(), &status);
        // A zero pivot divides by zero, as in PyTorch where errors are not checked.
        if (n > 0) Routines<T>::getrs("N", &n, &cols, a.data(), &ld, pivots.data(), b.data(), &ldb, &none, 1);
        b.store(X.ptr<T>() + i * n * cols, n, cols);
      }
    });
  });
  if (checkErrors) checkInfo(op, info, singularSystem);
  return {X, info};
}

std::tuple<Tensor, Tensor> linalgInvEx(const Tensor& A, bool checkErrors) {
  const char* op = "linalg.inv";
  checkSquare(A, op);
  const Batch in(A);
  Tensor inverse = in.make({in.n, in.n}), info = in.make({}, DType::Int32);
  dispatchReal(A.dtype(), op, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Int n = toInt(in.n);
    forEachRange(in.count, 2 * in.n * in.n * in.n, [&](int64_t begin, int64_t end) {
      Scratch<T> a(n, n), b(n, n);
      std::vector<Int> pivots(static_cast<size_t>(n));
      const Int ld = a.ld();
      Int none = 0;
      for (int64_t i = begin; i < end; ++i) {
        a.load(in.at<T>(i), n, n);
        Routines<T>::getrf(&n, &n, a.data(), &ld, pivots.data(), info.ptr<Int>() + i);
        b.fill(0);
        for (int64_t d = 0; d < n; ++d) b.at(d, d) = 1;
        if (n > 0) Routines<T>::getrs("N", &n, &n, a.data(), &ld, pivots.data(), b.data(), &ld, &none, 1);
        b.store(inverse.ptr<T>() + i * n * n, n, n);
      }
    });
  });
  if (checkErrors) checkInfo(op, info, singularInverse);
  return {inverse, info};
}

namespace {

// Calls f(i, LU diagonal as a function, sign of the permutation) for every matrix.
template <class F>
void eachLu(const Batch& in, const char* op, F&& f) {
  dispatchReal(in.tensor.dtype(), op, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Int n = toInt(in.n);
    forEachRange(in.count, in.n * in.n * in.n, [&](int64_t begin, int64_t end) {
      Scratch<T> a(n, n);
      std::vector<Int> pivots(static_cast<size_t>(n));
      const Int ld = a.ld();
      Int info = 0;
      for (int64_t i = begin; i < end; ++i) {
        a.load(in.at<T>(i), n, n);
        Routines<T>::getrf(&n, &n, a.data(), &ld, pivots.data(), &info);
        int sign = 1;
        for (Int d = 0; d < n; ++d)
          if (pivots[static_cast<size_t>(d)] != d + 1) sign = -sign;
        f(tag, i, a, sign);
      }
    });
  });
}

}  // namespace

Tensor linalgDet(const Tensor& A) {
  checkSquare(A, "linalg.det");
  const Batch in(A);
  Tensor out = in.make({});
  eachLu(in, "linalg.det", [&](auto tag, int64_t i, auto& lu, int sign) {
    using T = typename decltype(tag)::type;
    T det = static_cast<T>(sign);
    for (int64_t d = 0; d < in.n; ++d) det *= lu.at(d, d);
    out.ptr<T>()[i] = det;
  });
  return out;
}

std::tuple<Tensor, Tensor> linalgSlogdet(const Tensor& A) {
  checkSquare(A, "linalg.slogdet");
  const Batch in(A);
  Tensor sign = in.make({}), logabsdet = in.make({});
  eachLu(in, "linalg.slogdet", [&](auto tag, int64_t i, auto& lu, int s) {
    using T = typename decltype(tag)::type;
    T sum = 0, side = static_cast<T>(s);
    for (int64_t d = 0; d < in.n; ++d) {
      const T v = lu.at(d, d);
      sum += std::log(std::abs(v));
      side *= v > 0 ? T(1) : v < 0 ? T(-1) : v;  // zero and NaN go through
    }
    sign.ptr<T>()[i] = side;
    logabsdet.ptr<T>()[i] = sum;
  });
  return {sign, logabsdet};
}

namespace {

/// A matrix as U diag(s) V; `sign` is det(U) det(V).
template <class T>
struct SignedSvd {
  explicit SignedSvd(Int n)
      : n(n), a(n, n), u(n, n), v(n, n), lu(n, n), s(static_cast<size_t>(n)), ints(static_cast<size_t>(8 * n)) {}

  /// False for a matrix with elements that are not finite: LAPACK does not return from some of them.
  bool factor(const T* matrix) {
    for (int64_t i = 0; i < int64_t{n} * n; ++i)
      if (!std::isfinite(matrix[i])) return false;
    a.load(matrix, n, n);
    const Int ld = a.ld();
    Int info = 0;
    withWorkspace(space, [&](T* work, Int size) {
      Routines<T>::gesdd("A", &n, &n, a.data(), &ld, s.data(), u.data(), &ld, v.data(), &ld, work, &size, ints.data(),
                         &info, 1);
    });
    sign = signOf(u) * signOf(v);
    return info == 0;
  }
  /// The product of the singular values but two (or one, twice).
  T others(Int i, Int j) const {
    T product = sign;
    for (Int k = 0; k < n; ++k)
      if (k != i && k != j) product *= s[static_cast<size_t>(k)];
    return product;
  }

  Int n;
  Scratch<T> a, u, v, lu;
  std::vector<T> space, s;
  std::vector<Int> ints;
  T sign = 1;

 private:
  /// The determinant of an orthogonal matrix, from the signs of an LU factorisation.
  T signOf(Scratch<T>& q) {
    for (int64_t r = 0; r < n; ++r)
      for (int64_t c = 0; c < n; ++c) lu.at(r, c) = q.at(r, c);
    const Int ld = lu.ld();
    Int info = 0;
    Routines<T>::getrf(&n, &n, lu.data(), &ld, ints.data(), &info);
    bool odd = false;
    for (Int d = 0; d < n; ++d) odd ^= (ints[static_cast<size_t>(d)] != d + 1) ^ (lu.at(d, d) < 0);
    return odd ? T(-1) : T(1);
  }
};

/// Calls f(tag, matrix's number, its factors, where its result goes); NaN for matrices that have no factors.
template <class F>
Tensor eachSignedSvd(const Batch& in, F&& f) {
  Tensor out = in.make({in.n, in.n});
  dispatchReal(in.tensor.dtype(), "linalg.det", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Int n = toInt(in.n);
    if (n == 0) return;
    forEachRange(in.count, 12 * in.n * in.n * in.n, [&](int64_t begin, int64_t end) {
      SignedSvd<T> factors(n);
      for (int64_t i = begin; i < end; ++i) {
        T* to = out.ptr<T>() + i * n * n;
        const bool fine = factors.factor(in.at<T>(i));
        std::fill(to, to + n * n, fine ? T(0) : std::numeric_limits<T>::quiet_NaN());
        if (fine) f(tag, i, factors, to);
      }
    });
  });
  return out;
}

}  // namespace

Tensor detCofactors(const Tensor& A) {
  checkSquare(A, "linalg.det");
  // U diag(product of the other singular values) Vh: defined for singular matrices too.
  return eachSignedSvd(Batch(A), [](auto, int64_t, auto& svd, auto* to) {
    const Int n = svd.n;
    for (Int d = 0; d < n; ++d) {
      const auto others = svd.others(d, d);
      for (Int r = 0; r < n; ++r)
        for (Int c = 0; c < n; ++c) to[r * n + c] += svd.u.at(r, d) * others * svd.v.at(d, c);
    }
  });
}

Tensor detCofactorsAlong(const Tensor& direction, const Tensor& A) {
  checkSquare(A, "linalg.det");
  FB_CHECK(direction.dtype() == A.dtype() && std::ranges::equal(direction.sizes(), A.sizes()), Shape,
           "detCofactorsAlong: expected a direction of A's shape and dtype");
  const Batch given(direction);
  // Of diag(s) along E: sum over j of E[j][j] P(i, j) on the diagonal and -E[j][i] P(i, j) beside it, with P(i, j) the
  // product of the other singular values; U and Vh turn directions and results.
  return eachSignedSvd(Batch(A), [&](auto tag, int64_t i, auto& svd, auto* to) {
    using T = typename decltype(tag)::type;
    const Int n = svd.n;
    const T* d = given.at<T>(i);
    std::vector<T> turned(static_cast<size_t>(n) * n), half(static_cast<size_t>(n) * n),
        change(static_cast<size_t>(n) * n, T(0));
    const auto at = [n](std::vector<T>& m, Int r, Int c) -> T& { return m[static_cast<size_t>(r) * n + c]; };
    for (Int r = 0; r < n; ++r)
      for (Int c = 0; c < n; ++c)
        for (Int k = 0; k < n; ++k) at(half, r, c) += svd.u.at(k, r) * d[k * n + c];
    for (Int r = 0; r < n; ++r)
      for (Int c = 0; c < n; ++c)
        for (Int k = 0; k < n; ++k) at(turned, r, c) += at(half, r, k) * svd.v.at(c, k);
    for (Int r = 0; r < n; ++r)
      for (Int c = 0; c < n; ++c) {
        if (r == c) continue;
        const T others = svd.others(r, c);
        at(change, r, r) += at(turned, c, c) * others;
        at(change, r, c) -= at(turned, c, r) * others;
      }
    std::fill(half.begin(), half.end(), T(0));
    for (Int r = 0; r < n; ++r)
      for (Int c = 0; c < n; ++c)
        for (Int k = 0; k < n; ++k) at(half, r, c) += svd.u.at(r, k) * at(change, k, c);
    for (Int r = 0; r < n; ++r)
      for (Int c = 0; c < n; ++c)
        for (Int k = 0; k < n; ++k) to[r * n + c] += at(half, r, k) * svd.v.at(k, c);
  });
}

Tensor solveTriangular(const Tensor& A, const Tensor& B, bool upper, bool left, bool unitriangular) {
  const char* op = "linalg.solve_triangular";
  checkSystem(op, A, B, left);
  const Batch in(A), rhs(B);
  Tensor X = rhs.make({rhs.m, rhs.n});
  copyInto(X, rhs.tensor);
  dispatchReal(A.dtype(), op, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (rhs.m == 0 || rhs.n == 0) return;
    // Row-major memory is the transposed matrix in column-major: A X = B is X^T A^T = B^T there, so nothing is moved.
    const Int m = toInt(rhs.m), n = toInt(rhs.n), lda = toInt(std::max<int64_t>(1, in.n));
    const T one = 1;
    forEachRange(in.count, in.n * rhs.m * rhs.n, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        Routines<T>::trsm(left ? "R" : "L", upper ? "L" : "U", "N", unitriangular ? "U" : "N", &n, &m, &one,
                          in.at<T>(i), &lda, X.ptr<T>() + i * rhs.m * rhs.n, &n, 1, 1, 1, 1);
    });
  });
  return X;
}

}  // namespace flambeau::cpu
