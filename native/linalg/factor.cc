// Triangular and orthogonal factorisations: Cholesky, LU, LDL, QR and the reflectors it is stored in.
#include <tuple>

#include "extern_kernels.h"
#include "linalg/batch.h"

namespace flambeau::cpu {

using namespace linalg;

std::tuple<Tensor, Tensor> linalgCholeskyEx(const Tensor& A, bool upper, bool checkErrors) {
  const char* op = "linalg.cholesky";
  checkSquare(A, op);
  const Batch in(A);
  Tensor L = in.make({in.n, in.n}), info = in.make({}, DType::Int32);
  copyInto(L, in.tensor);
  dispatchReal(A.dtype(), op, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Int n = toInt(in.n), ld = std::max<Int>(1, n);
    forEachRange(in.count, n * n * n / 3, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        // Row-major lower is column-major upper, and the matrix is symmetric: LAPACK works in the result itself.
        T* a = L.ptr<T>() + i * n * n;
        Routines<T>::potrf(upper ? "L" : "U", &n, a, &ld, info.ptr<Int>() + i, 1);
        for (int64_t r = 0; r < n; ++r)
          for (int64_t c = 0; c < n; ++c)
            if (upper ? c < r : c > r) a[r * n + c] = 0;
      }
    });
  });
  if (checkErrors) checkInfo(op, info, notPositiveDefinite);
  return {L, info};
}

std::tuple<Tensor, Tensor, Tensor> linalgLuFactorEx(const Tensor& A, bool pivot, bool checkErrors) {
  const char* op = "linalg.lu_factor";
  checkMatrix(A, op);
  FB_CHECK(pivot, Value, "linalg.lu_factor: LU without pivoting is not implemented on the CPU");
  const Batch in(A);
  Tensor LU = in.make({in.m, in.n}), pivots = in.make({in.k()}, DType::Int32), info = in.make({}, DType::Int32);
  dispatchReal(A.dtype(), op, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Int m = toInt(in.m), n = toInt(in.n);
    forEachRange(in.count, in.m * in.n * in.k(), [&](int64_t begin, int64_t end) {
      Scratch<T> a(m, n);
      const Int ld = a.ld();
      for (int64_t i = begin; i < end; ++i) {
        a.load(in.at<T>(i), m, n);
        Routines<T>::getrf(&m, &n, a.data(), &ld, pivots.ptr<Int>() + i * in.k(), info.ptr<Int>() + i);
        a.store(LU.ptr<T>() + i * m * n, m, n);
      }
    });
  });
  if (checkErrors) checkInfo(op, info, zeroPivot);
  return {LU, pivots, info};
}

Tensor luPermutation(const Tensor& pivots, int64_t rows, DType dtype) {
  FB_CHECK(pivots.dtype() == DType::Int32, Type,
           "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype. Note: this function "
           "is intended to be used with the output produced by torch.linalg.lu_factor");
  const Tensor p = contiguousOf(pivots);
  const int64_t k = p.size(-1), count = k ? p.numel() / k : product(p.sizes().first(static_cast<size_t>(p.dim()) - 1));
  FB_CHECK(k <= rows, Shape, "torch.lu_unpack: LU_pivots are more (%lld) than the rows (%lld)",
           static_cast<long long>(k), static_cast<long long>(rows));
  Dims sizes(p.sizes());
  sizes.pop_back();
  sizes.push_back(rows);
  sizes.push_back(rows);
  Tensor out = emptyTensor(sizes, dtype);
  dispatchFloat(dtype, "lu_unpack", [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::vector<int64_t> order(static_cast<size_t>(rows));
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t r = 0; r < rows; ++r) order[static_cast<size_t>(r)] = r;
      for (int64_t r = 0; r < k; ++r) {
        const int64_t with = int64_t{p.ptr<int32_t>()[i * k + r]} - 1;
        FB_CHECK(with >= 0 && with < rows, Index,
                 "torch.lu_unpack: Expected LU_pivots to hold values between 1 and %lld, got %lld",
                 static_cast<long long>(rows), static_cast<long long>(with + 1));
        std::swap(order[static_cast<size_t>(r)], order[static_cast<size_t>(with)]);
      }
      T* to = out.ptr<T>() + i * rows * rows;
      std::fill(to, to + rows * rows, T(0.f));
      for (int64_t r = 0; r < rows; ++r) to[order[static_cast<size_t>(r)] * rows + r] = T(1.f);
    }
  });
  return out;
}

std::tuple<Tensor, Tensor, Tensor> linalgLdlFactorEx(const Tensor& self, bool, bool checkErrors) {
  const char* op = "torch.linalg.ldl_factor_ex";
  checkSquare(self, op);
  const Batch in(self);
  Tensor LD = in.make({in.n, in.n}), pivots = in.make({in.n}, DType::Int32), info = in.make({}, DType::Int32);
  dispatchReal(self.dtype(), op, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Int n = toInt(in.n);
    forEachRange(in.count, in.n * in.n * in.n / 3, [&](int64_t begin, int64_t end) {
      Scratch<T> a(n, n);
      std::vector<T> space;
      const Int ld = a.ld();
      for (int64_t i = begin; i < end; ++i) {
        a.load(in.at<T>(i), n, n);
        withWorkspace(space, [&](T* work, Int size) {
          Routines<T>::sytrf("L", &n, a.data(), &ld, pivots.ptr<Int>() + i * n, work, &size, info.ptr<Int>() + i, 1);
        });
        for (int64_t r = 0; r < n; ++r)
          for (int64_t c = r + 1; c < n; ++c) a.at(r, c) = 0;
        a.store(LD.ptr<T>() + i * n * n, n, n);
      }
    });
  });
  if (checkErrors)
    checkInfo(op, info, [](int i) {
      return detail::formatMessage("D[%d,%d] is zero: the factorization exists, but solving with it divides by zero.",
                                   i, i);
    });
  return {LD, pivots, info};
}

namespace {
/// LAPACK swaps the rows that the pivots name, unchecked: -n to n without 0, and a 2x2 block has two negative ones.
void checkPivots(const char* op, const Tensor& pivots, int64_t n) {
  const int32_t* p = pivots.ptr<int32_t>();
  for (int64_t i = 0; i < pivots.numel(); ++i) {
    FB_CHECK(p[i] != 0 && p[i] >= -n && p[i] <= n, Index, "%s: Expected pivots between 1 and %lld, got %d", op,
             static_cast<long long>(n), p[i]);
    if (p[i] > 0) continue;
    FB_CHECK(i % n + 1 < n && p[i + 1] < 0, Value, "%s: pivots %d has no partner in its 2x2 block", op, p[i]);
    FB_CHECK(p[i + 1] >= -n, Index, "%s: Expected pivots between 1 and %lld, got %d", op, static_cast<long long>(n),
             p[i + 1]);
    ++i;
  }
}
}  // namespace

Tensor ldlSolveSystems(const Tensor& LD, const Tensor& pivots, const Tensor& B) {
  const char* op = "torch.linalg.ldl_solve";
  FB_CHECK(pivots.dtype() == DType::Int32, Type,
           "torch.linalg.ldl_solve: Expected pivots to be integers (int32). Got %s", scalarTypeName(pivots.dtype()));
  checkSystem(op, LD, B, true);
  FB_CHECK(
      pivots.dim() == LD.dim() - 1 && std::equal(pivots.sizes().begin(), pivots.sizes().end(), LD.sizes().begin()),
      Shape,
      "torch.linalg.ldl_solve: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots %s for LD %s",
      shapeString(pivots.sizes()).c_str(), shapeString(LD.sizes()).c_str());
  const Batch in(LD), rhs(B);
  const Tensor p = contiguousOf(pivots);
  checkPivots(op, p, in.n);
  Tensor out = rhs.make({rhs.m, rhs.n});
  dispatchReal(LD.dtype(), op, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Int n = toInt(in.n), cols = toInt(rhs.n);
    forEachRange(in.count, in.n * in.n * rhs.n, [&](int64_t begin, int64_t end) {
      Scratch<T> a(n, n), b(n, cols);
      const Int ld = a.ld(), ldb = b.ld();
      Int info = 0;
      for (int64_t i = begin; i < end; ++i) {
        a.load(in.at<T>(i), n, n);
        b.load(rhs.at<T>(i), n, cols);
        Routines<T>::sytrs("L", &n, &cols, a.data(), &ld, p.ptr<Int>() + i * n, b.data(), &ldb, &info, 1);
        b.store(out.ptr<T>() + i * n * cols, n, cols);
      }
    });
  });
  return out;
}

std::tuple<Tensor, Tensor> geqrf(const Tensor& self) {
  const char* op = "torch.geqrf";
  FB_CHECK(self.dim() >= 2, Shape, "torch.geqrf: input must have at least 2 dimensions.");
  const Batch in(self);
  Tensor a = in.make({in.m, in.n}), tau = in.make({in.k()});
  dispatchReal(self.dtype(), op, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Int m = toInt(in.m), n = toInt(in.n);
    forEachRange(in.count, in.m * in.n * in.k(), [&](int64_t begin, int64_t end) {
      Scratch<T> q(m, n);
      std::vector<T> space;
      const Int ld = q.ld();
      Int info = 0;
      for (int64_t i = begin; i < end; ++i) {
        q.load(in.at<T>(i), m, n);
        withWorkspace(space, [&](T* work, Int size) {
          Routines<T>::geqrf(&m, &n, q.data(), &ld, tau.ptr<T>() + i * in.k(), work, &size, &info);
        });
        q.store(a.ptr<T>() + i * m * n, m, n);
      }
    });
  });
  return {a, tau};
}

Tensor reflectorProduct(const Tensor& A, const Tensor& tau) {
  checkMatrix(A, "linalg.householder_product");
  FB_CHECK(A.size(-2) >= A.size(-1), Shape,
           "torch.linalg.householder_product: input.shape[-2] must be greater than or equal to input.shape[-1]");
  FB_CHECK(tau.dim() == A.dim() - 1 && A.size(-1) >= tau.size(-1), Shape,
           "torch.linalg.householder_product: input.shape[-1] must be greater than or equal to tau.shape[-1]");
  FB_CHECK(std::equal(tau.sizes().begin(), tau.sizes().end() - 1, A.sizes().begin()) && tau.dtype() == A.dtype(), Shape,
           "torch.linalg.householder_product: tau %s of dtype %s does not fit the matrices %s of dtype %s",
           shapeString(tau.sizes()).c_str(), scalarTypeName(tau.dtype()), shapeString(A.sizes()).c_str(),
           scalarTypeName(A.dtype()));
  const Batch in(A);
  const Tensor t = contiguousOf(tau);
  const int64_t reflectors = t.size(-1);
  Tensor out = in.make({in.m, in.n});
  dispatchReal(A.dtype(), "linalg.householder_product", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Int m = toInt(in.m), n = toInt(in.n), k = toInt(reflectors);
    forEachRange(in.count, in.m * in.n * reflectors, [&](int64_t begin, int64_t end) {
      Scratch<T> q(m, n);
      std::vector<T> space;
      const Int ld = q.ld();
      Int info = 0;
      for (int64_t i = begin; i < end; ++i) {
        q.load(in.at<T>(i), m, n);
        withWorkspace(space, [&](T* work, Int size) {
          Routines<T>::orgqr(&m, &n, &k, q.data(), &ld, t.ptr<T>() + i * k, work, &size, &info);
        });
        q.store(out.ptr<T>() + i * m * n, m, n);
      }
    });
  });
  return out;
}

Tensor ormqr(const Tensor& self, const Tensor& tau, const Tensor& other, bool left, bool transpose) {
  const char* op = "torch.ormqr";
  FB_CHECK(self.dim() >= 2, Shape, "torch.ormqr: input must have at least 2 dimensions.");
  FB_CHECK(other.dim() >= 2, Shape, "torch.ormqr: other must have at least 2 dimensions.");
  const int64_t side = left ? -2 : -1;
  FB_CHECK(tau.dim() >= 1 && tau.size(-1) <= self.size(-1), Shape,
           "torch.ormqr: tau.shape[-1] must be less than or equal to input.shape[-1]");
  FB_CHECK(other.size(side) >= tau.size(-1), Shape,
           "torch.ormqr: other.shape[%lld] must be greater than or equal to tau.shape[-1]",
           static_cast<long long>(side));
  FB_CHECK(other.size(side) == self.size(-2), Shape, "torch.ormqr: other.shape[%lld] must be equal to input.shape[-2]",
           static_cast<long long>(side));
  FB_CHECK(self.dim() - tau.dim() == 1 && self.dim() == other.dim(), Shape,
           "torch.ormqr: Expected tau to have one dimension less than input, and other as many as input, but got "
           "input.ndim equal to %lld, tau.ndim equal to %lld and other.ndim equal to %lld",
           static_cast<long long>(self.dim()), static_cast<long long>(tau.dim()), static_cast<long long>(other.dim()));
  const Batch in(self), c(other);
  FB_CHECK(in.lead == c.lead && in.lead == Dims(tau.sizes().first(static_cast<size_t>(tau.dim()) - 1)), Shape,
           "torch.ormqr: Expected batch dimensions of input, tau and other to be equal, but got %s, %s and %s",
           shapeString(self.sizes()).c_str(), shapeString(tau.sizes()).c_str(), shapeString(other.sizes()).c_str());
  FB_CHECK(self.dtype() == tau.dtype() && self.dtype() == other.dtype(), Type,
           "torch.ormqr: Expected input, tau and other to have the same dtype, but got %s, %s and %s",
           scalarTypeName(self.dtype()), scalarTypeName(tau.dtype()), scalarTypeName(other.dtype()));
  const Tensor t = contiguousOf(tau);
  const int64_t reflectors = t.size(-1);
  Tensor out = c.make({c.m, c.n});
  dispatchReal(self.dtype(), op, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Int m = toInt(c.m), n = toInt(c.n), k = toInt(reflectors);
    forEachRange(c.count, c.m * c.n * reflectors, [&](int64_t begin, int64_t end) {
      Scratch<T> q(in.m, in.n), to(m, n);
      std::vector<T> space;
      const Int ld = q.ld(), ldc = to.ld();
      Int info = 0;
      for (int64_t i = begin; i < end; ++i) {
        q.load(in.at<T>(i), in.m, in.n);
        to.load(c.at<T>(i), m, n);
        withWorkspace(space, [&](T* work, Int size) {
          Routines<T>::ormqr(left ? "L" : "R", transpose ? "T" : "N", &m, &n, &k, q.data(), &ld, t.ptr<T>() + i * k,
                             to.data(), &ldc, work, &size, &info, 1, 1);
        });
        to.store(out.ptr<T>() + i * m * n, m, n);
      }
    });
  });
  return out;
}

std::tuple<Tensor, Tensor> linalgQr(const Tensor& A, std::string_view mode) {
  const char* op = "linalg.qr";
  checkMatrix(A, op);
  FB_CHECK(mode == "reduced" || mode == "complete" || mode == "r", Value,
           "qr received unrecognized mode '%s' but expected one of 'reduced' (default), 'r', or 'complete'",
           std::string(mode).c_str());
  const Batch in(A);
  const int64_t k = in.k(), columns = mode == "complete" ? in.m : k;
  const bool wantsQ = mode != "r";
  Tensor Q = wantsQ ? in.make({in.m, columns}) : emptyTensor(Dims{0}, A.dtype()), R = in.make({columns, in.n});
  dispatchReal(A.dtype(), op, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Int m = toInt(in.m), n = toInt(in.n), reflectors = toInt(k), cols = toInt(columns);
    forEachRange(in.count, in.m * in.n * k, [&](int64_t begin, int64_t end) {
      Scratch<T> q(m, std::max(n, cols));
      std::vector<T> space, tau(static_cast<size_t>(std::max<int64_t>(1, k)));
      const Int ld = q.ld();
      Int info = 0;
      for (int64_t i = begin; i < end; ++i) {
        q.load(in.at<T>(i), m, n);
        withWorkspace(space, [&](T* work, Int size) {
          Routines<T>::geqrf(&m, &n, q.data(), &ld, tau.data(), work, &size, &info);
        });
        T* r = R.ptr<T>() + i * columns * n;
        for (int64_t row = 0; row < columns; ++row)
          for (int64_t col = 0; col < n; ++col) r[row * n + col] = col < row ? T(0) : q.at(row, col);
        if (!wantsQ) continue;
        withWorkspace(space, [&](T* work, Int size) {
          Routines<T>::orgqr(&m, &cols, &reflectors, q.data(), &ld, tau.data(), work, &size, &info);
        });
        q.store(Q.ptr<T>() + i * m * columns, m, columns);
      }
    });
  });
  return {Q, R};
}

}  // namespace flambeau::cpu
