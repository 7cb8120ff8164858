// Singular values and eigenvalues of symmetric matrices.
#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "extern_kernels.h"
#include "linalg/batch.h"

namespace flambeau::cpu {

using namespace linalg;

namespace {

void setIdentity(const Tensor& t, int64_t n) {
  dispatchFloat(t.dtype(), "eye", [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* p = t.ptr<T>();
    for (int64_t at = 0; at < t.numel(); ++at) p[at] = T(at % (n * n) % (n + 1) == 0 ? 1.f : 0.f);
  });
}

/// LAPACK refuses NaN at once, but may never return from an infinite element.
template <class T>
bool isInfinite(const T* matrix, int64_t n) {
  bool infinite = false;
  for (int64_t i = 0; i < n; ++i) {
    if (std::isnan(matrix[i])) return false;
    infinite |= std::isinf(matrix[i]);
  }
  return infinite;
}

// U and Vh may be undefined: values only. All NaN for a matrix with an infinite element.
void singular(const char* op, const Batch& in, const Tensor& U, const Tensor& S, const Tensor& Vh) {
  const bool vectors = U.defined();
  const int64_t k = in.k(), ucols = vectors ? U.size(-1) : 0, vrows = vectors ? Vh.size(-2) : 0;
  Tensor info = in.make({}, DType::Int32);
  if (k == 0 && vectors) {
    setIdentity(U, in.m);
    setIdentity(Vh, in.n);
  }
  dispatchReal(in.tensor.dtype(), op, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (k == 0) return;
    const Int m = toInt(in.m), n = toInt(in.n);
    forEachRange(in.count, 8 * in.m * in.n * k, [&](int64_t begin, int64_t end) {
      Scratch<T> a(m, n), u(m, ucols), v(vrows, n);
      std::vector<T> space;
      std::vector<Int> ints(static_cast<size_t>(8 * k));
      const Int lda = a.ld(), ldu = u.ld(), ldv = v.ld();
      const char* job = !vectors ? "N" : ucols == in.m && vrows == in.n ? "A" : "S";
      for (int64_t i = begin; i < end; ++i) {
        if (isInfinite(in.at<T>(i), in.m * in.n)) {
          const T none = std::numeric_limits<T>::quiet_NaN();
          std::fill_n(S.ptr<T>() + i * k, k, none);
          if (vectors) std::fill_n(U.ptr<T>() + i * m * ucols, m * ucols, none);
          if (vectors) std::fill_n(Vh.ptr<T>() + i * vrows * n, vrows * n, none);
          info.ptr<Int>()[i] = 0;
          continue;
        }
        a.load(in.at<T>(i), m, n);
        withWorkspace(space, [&](T* work, Int size) {
          Routines<T>::gesdd(job, &m, &n, a.data(), &lda, S.ptr<T>() + i * k, u.data(), &ldu, v.data(), &ldv, work,
                             &size, ints.data(), info.ptr<Int>() + i, 1);
        });
        if (!vectors) continue;
        u.store(U.ptr<T>() + i * m * ucols, m, ucols);
        v.store(Vh.ptr<T>() + i * vrows * n, vrows, n);
      }
    });
    checkInfo(op, info, noSvd);
  });
}

void eigen(const Batch& in, bool lower, const Tensor& values, const Tensor& vectors) {
  const char* op = vectors.defined() ? "linalg.eigh" : "linalg.eigvalsh";
  Tensor info = in.make({}, DType::Int32);
  dispatchReal(in.tensor.dtype(), op, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Int n = toInt(in.n);
    forEachRange(in.count, 8 * in.n * in.n * in.n, [&](int64_t begin, int64_t end) {
      Scratch<T> a(n, n);
      std::vector<T> space;
      std::vector<Int> ints;
      const Int ld = a.ld();
      const char* job = vectors.defined() ? "V" : "N";
      for (int64_t i = begin; i < end; ++i) {
        a.load(in.at<T>(i), n, n);
        Int best = 0;
        const Int query = -1;
        withWorkspace(space, [&](T* work, Int size) {
          const Int intSize = size == -1 ? query : static_cast<Int>(ints.size());
          Routines<T>::syevd(job, lower ? "L" : "U", &n, a.data(), &ld, values.ptr<T>() + i * n, work, &size,
                             size == -1 ? &best : ints.data(), &intSize, info.ptr<Int>() + i, 1, 1);
          if (size == -1) ints.resize(static_cast<size_t>(std::max<Int>(1, best)));
        });
        if (vectors.defined()) a.store(vectors.ptr<T>() + i * n * n, n, n);
      }
    });
    checkInfo(op, info, noEigenvalues);
  });
}

bool readsLower(std::string_view uplo) {
  FB_CHECK(uplo == "L" || uplo == "U" || uplo == "l" || uplo == "u", Value,
           "Expected UPLO argument to be 'L' or 'U', but got %s", std::string(uplo).c_str());
  return uplo == "L" || uplo == "l";
}

void checkDriver(const char* op, std::optional<std::string_view> driver) {
  FB_CHECK(!driver, Value, "%s: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend.",
           op);
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor> linalgSvd(const Tensor& A, bool fullMatrices,
                                             std::optional<std::string_view> driver) {
  checkMatrix(A, "linalg.svd");
  checkDriver("linalg.svd", driver);
  const Batch in(A);
  const int64_t k = in.k();
  Tensor U = in.make({in.m, fullMatrices ? in.m : k}), S = in.make({k}), Vh = in.make({fullMatrices ? in.n : k, in.n});
  singular("linalg.svd", in, U, S, Vh);
  return {U, S, Vh};
}

Tensor linalgSvdvals(const Tensor& A, std::optional<std::string_view> driver) {
  checkMatrix(A, "linalg.svdvals");
  checkDriver("linalg.svdvals", driver);
  const Batch in(A);
  Tensor S = in.make({in.k()});
  singular("linalg.svdvals", in, {}, S, {});
  return S;
}

std::tuple<Tensor, Tensor> linalgEigh(const Tensor& A, std::string_view UPLO) {
  checkSquare(A, "linalg.eigh");
  const Batch in(A);
  Tensor values = in.make({in.n}), vectors = in.make({in.n, in.n});
  eigen(in, readsLower(UPLO), values, vectors);
  return {values, vectors};
}

Tensor linalgEigvalsh(const Tensor& A, std::string_view UPLO) {
  checkSquare(A, "linalg.eigvalsh");
  const Batch in(A);
  Tensor values = in.make({in.n});
  eigen(in, readsLower(UPLO), values, {});
  return values;
}

}  // namespace flambeau::cpu
