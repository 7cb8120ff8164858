// Least squares by LAPACK's four drivers.
#include <cmath>
#include <tuple>

#include "extern_kernels.h"
#include "linalg/batch.h"

namespace flambeau::cpu {

using namespace linalg;

namespace {

enum class Driver { Gels, Gelsy, Gelsd, Gelss };

Driver driverOf(std::string_view name) {
  if (name == "gels") return Driver::Gels;
  if (name == "gelsy") return Driver::Gelsy;
  if (name == "gelsd") return Driver::Gelsd;
  if (name == "gelss") return Driver::Gelss;
  throw Error(ErrorKind::Value, "torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)");
}

/// Buffers of one thread.
template <class T>
struct Space {
  std::vector<T> work, values;
  std::vector<Int> ints;
};

template <class T>
void runDriver(Driver driver, Int m, Int n, Int cols, T rcond, Scratch<T>& a, Scratch<T>& b, Space<T>& space, Int* rank,
               Int* info) {
  const Int lda = a.ld(), ldb = b.ld();
  T* s = space.values.data();
  if (driver == Driver::Gelsy) std::fill(space.ints.begin(), space.ints.end(), 0);
  Int intsNeeded = 0;
  withWorkspace(space.work, [&](T* work, Int size) {
    switch (driver) {
      case Driver::Gels:
        Routines<T>::gels("N", &m, &n, &cols, a.data(), &lda, b.data(), &ldb, work, &size, info, 1);
        break;
      case Driver::Gelsy:
        Routines<T>::gelsy(&m, &n, &cols, a.data(), &lda, b.data(), &ldb, space.ints.data(), &rcond, rank, work, &size,
                           info);
        break;
      case Driver::Gelsd:
        // The query also says how many integers are needed.
        Routines<T>::gelsd(&m, &n, &cols, a.data(), &lda, b.data(), &ldb, s, &rcond, rank, work, &size,
                           size == -1 ? &intsNeeded : space.ints.data(), info);
        if (size == -1 && space.ints.size() < static_cast<size_t>(intsNeeded))
          space.ints.resize(static_cast<size_t>(intsNeeded));
        break;
      case Driver::Gelss:
        Routines<T>::gelss(&m, &n, &cols, a.data(), &lda, b.data(), &ldb, s, &rcond, rank, work, &size, info);
        break;
    }
  });
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor, Tensor> lstsqSystems(const Tensor& A, const Tensor& B, std::optional<double> rcond,
                                                        std::string_view driver) {
  const Driver by = driverOf(driver);
  checkMatrix(A, "torch.linalg.lstsq", "input");
  FB_CHECK(B.dim() == A.dim() && std::equal(A.sizes().begin(), A.sizes().end() - 1, B.sizes().begin()) &&
               A.dtype() == B.dtype(),
           Shape, "torch.linalg.lstsq: other %s of dtype %s does not fit input %s of dtype %s",
           shapeString(B.sizes()).c_str(), scalarTypeName(B.dtype()), shapeString(A.sizes()).c_str(),
           scalarTypeName(A.dtype()));
  const Batch in(A), rhs(B);
  const int64_t k = in.k();
  const bool ranks = by != Driver::Gels, values = by == Driver::Gelsd || by == Driver::Gelss;
  Tensor X = rhs.make({in.n, rhs.n}), residuals = rhs.make({rhs.n}), info = in.make({}, DType::Int32);
  Tensor rank = ranks ? in.make({}, DType::Int64) : emptyTensor(Dims{0}, DType::Int64);
  Tensor S = values ? in.make({k}) : emptyTensor(Dims{0}, A.dtype());
  bool full = true;
  dispatchReal(A.dtype(), "torch.linalg.lstsq", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Int m = toInt(in.m), n = toInt(in.n), cols = toInt(rhs.n);
    const T tolerance =
        static_cast<T>(rcond.value_or(std::numeric_limits<T>::epsilon() * static_cast<double>(std::max(in.m, in.n))));
    forEachRange(in.count, in.m * in.n * (k + rhs.n), [&](int64_t begin, int64_t end) {
      Scratch<T> a(m, n), b(std::max(m, n), cols);
      Space<T> space;
      space.values.resize(static_cast<size_t>(std::max<int64_t>(1, k)));
      space.ints.resize(static_cast<size_t>(std::max<int64_t>(1, in.n)));
      for (int64_t i = begin; i < end; ++i) {
        a.load(in.at<T>(i), m, n);
        b.fill(0);
        b.load(rhs.at<T>(i), m, cols);
        Int found = 0;
        runDriver(by, m, n, cols, tolerance, a, b, space, &found, info.ptr<Int>() + i);
        b.store(X.ptr<T>() + i * n * cols, n, cols);
        if (ranks) rank.ptr<int64_t>()[i] = found;
        if (values) std::copy_n(space.values.begin(), k, S.ptr<T>() + i * k);
        // Rows below the solution hold what is left over.
        for (int64_t c = 0; c < cols; ++c) {
          T sum = 0;
          for (int64_t r = n; r < m; ++r) sum += b.at(r, c) * b.at(r, c);
          residuals.ptr<T>()[i * cols + c] = sum;
        }
      }
    });
    checkInfo("torch.linalg.lstsq", info, [](int code) {
      return detail::formatMessage(
          "The least squares solution could not be computed because the input matrix does not have full rank (error "
          "code: %d).",
          code);
    });
  });
  if (ranks)
    for (int64_t i = 0; i < rank.numel(); ++i) full &= rank.ptr<int64_t>()[i] == in.n;
  if (in.m <= in.n || by == Driver::Gelsy || !full) residuals = emptyTensor(Dims{0}, A.dtype());
  return {X, residuals, rank, S};
}

}  // namespace flambeau::cpu
