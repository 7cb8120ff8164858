// The matrix exponential by scaling and squaring: a Taylor polynomial of A / 2^s, squared s times. Computed in double
// for every dtype: the polynomial then has the dtype's accuracy whatever the norm is.
#include <cmath>

#include "cpu/gemm.h"
#include "extern_kernels.h"
#include "linalg/batch.h"

namespace flambeau::cpu {

using namespace linalg;

namespace {

using Matrix = std::vector<double>;

void multiply(const Matrix& a, const Matrix& b, Matrix& c, int64_t n) {
  GemmSpec s;
  s.dtype = DType::Float64;
  s.m = s.n = s.k = n;
  s.aRow = s.bRow = s.cRow = n;
  gemm(s, a.data(), b.data(), nullptr, c.data());
}

double norm1(const Matrix& a, int64_t n) {
  double norm = 0;
  for (int64_t c = 0; c < n; ++c) {
    double sum = 0;
    for (int64_t r = 0; r < n; ++r) sum += std::abs(a[static_cast<size_t>(r * n + c)]);
    norm = sum > norm || std::isnan(sum) ? sum : norm;
  }
  return norm;
}

// a becomes exp(a); x and y are scratch.
void exponential(Matrix& a, Matrix& x, Matrix& y, int64_t n) {
  const double norm = norm1(a, n);
  if (!std::isfinite(norm)) return std::fill(a.begin(), a.end(), std::nan(""));
  // Norm at most 1/2: degree 16 leaves 0.5^17 / 17! = 2e-20.
  const int squarings = norm > 0.5 ? static_cast<int>(std::ceil(std::log2(norm / 0.5))) : 0;
  for (double& v : a) v = std::ldexp(v, -squarings);
  constexpr int kDegree = 16;
  // Horner: x = I + a/1 (I + a/2 (I + ...)).
  std::fill(x.begin(), x.end(), 0.0);
  for (int64_t d = 0; d < n; ++d) x[static_cast<size_t>(d * n + d)] = 1;
  for (int k = kDegree; k >= 1; --k) {
    multiply(a, x, y, n);
    for (size_t i = 0; i < y.size(); ++i) x[i] = y[i] / k;
    for (int64_t d = 0; d < n; ++d) x[static_cast<size_t>(d * n + d)] += 1;
  }
  for (int s = 0; s < squarings; ++s) {
    multiply(x, x, y, n);
    std::swap(x, y);
  }
  std::swap(a, x);
}

}  // namespace

Tensor matrixExp(const Tensor& self) {
  FB_CHECK(isFloating(self.dtype()), Type,
           "linalg.matrix_exp: Expected a floating point or complex tensor as input. Got %s",
           scalarTypeName(self.dtype()));
  checkSquare(self, "linalg.matrix_exp");
  const Batch in(self);
  Tensor out = in.make({in.n, in.n});
  const int64_t n = in.n;
  dispatchFloat(self.dtype(), "matrix_exp", [&](auto tag) {
    using T = typename decltype(tag)::type;
    forEachRange(in.count, 20 * n * n * n, [&](int64_t begin, int64_t end) {
      Matrix a(static_cast<size_t>(n * n)), x(a.size()), y(a.size());
      for (int64_t i = begin; i < end; ++i) {
        const T* from = in.at<T>(i);
        for (size_t e = 0; e < a.size(); ++e) a[e] = static_cast<double>(static_cast<Compute<T>>(from[e]));
        exponential(a, x, y, n);
        T* to = out.ptr<T>() + i * n * n;
        for (size_t e = 0; e < a.size(); ++e) to[e] = static_cast<T>(static_cast<Compute<T>>(a[e]));
      }
    });
  });
  return out;
}

}  // namespace flambeau::cpu
