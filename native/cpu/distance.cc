// Distances of all rows of one matrix to all rows of another, and their gradient.
#include <algorithm>
#include <cmath>

#include "cpu/extern_common.h"
#include "cpu/loop_nest.h"
#include "extern_kernels.h"

namespace flambeau::cpu {
namespace {

/// Sums of differences in double: norms of long rows keep their digits.
template <class C>
double distance(const C* a, const C* b, int64_t m, double p) {
  double sum = 0;
  if (p == 2) {
    for (int64_t k = 0; k < m; ++k) {
      const double d = static_cast<double>(a[k]) - static_cast<double>(b[k]);
      sum += d * d;
    }
    return std::sqrt(sum);
  }
  for (int64_t k = 0; k < m; ++k) {
    const double d = std::fabs(static_cast<double>(a[k]) - static_cast<double>(b[k]));
    if (p == 1)
      sum += d;
    else if (p == 0)
      sum += d != 0;
    else if (std::isinf(p))
      sum = d > sum || std::isnan(d) ? d : sum;
    else
      sum += std::pow(d, p);
  }
  return p == 0 || p == 1 || std::isinf(p) ? sum : std::pow(sum, 1 / p);
}

/// d distance / d difference, without the factor that the gradient of the distance is. `largest`: this difference is
/// the maximum that the distance is when p is infinite.
double slope(double diff, double dist, double p, bool largest) {
  const double sign = diff > 0 ? 1 : diff < 0 ? -1 : 0;
  if (p == 0 || dist == 0) return 0;
  if (p == 1) return sign;
  if (p == 2) return diff / dist;
  if (std::isinf(p)) return largest ? sign : 0;
  if (diff == 0 && p < 1) return 0;
  return sign * std::pow(std::fabs(diff) / dist, p - 1);
}

struct Shape {
  int64_t batch, p, r, m;
};
Shape shapeOf(const Tensor& x1, const Tensor& x2) {
  const bool fit = x1.dim() >= 2 && x1.dim() == x2.dim() && x1.size(-1) == x2.size(-1) &&
                   std::equal(x1.sizes().begin(), x1.sizes().end() - 2, x2.sizes().begin());
  FB_CHECK(fit, Shape, "cdist: expected rows of one length in batches of one shape, but got %s and %s",
           shapeString(x1.sizes()).c_str(), shapeString(x2.sizes()).c_str());
  FB_CHECK(x1.dtype() == x2.dtype(), Type, "cdist: expected operands of one dtype, but got %s and %s",
           scalarTypeName(x1.dtype()), scalarTypeName(x2.dtype()));
  const int64_t p = x1.size(-2), r = x2.size(-2), m = x1.size(-1);
  return {product(x1.sizes().first(x1.sizes().size() - 2)), p, r, m};
}

}  // namespace

Tensor cdistForward(const Tensor& x1, const Tensor& x2, double p) {
  const Tensor a = contiguousOf(x1), b = contiguousOf(x2);
  const Shape s = shapeOf(a, b);
  Dims sizes(a.sizes());
  sizes[sizes.size() - 1] = s.r;
  Tensor out = emptyTensor(sizes, a.dtype());
  dispatchFloat(a.dtype(), "cdist", [&](auto tag) {
    using T = typename decltype(tag)::type;
    parallelFor(s.batch * s.p, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, s.r * s.m)),
                [&](int64_t from, int64_t to) {
                  for (int64_t i = from; i < to; ++i)
                    for (int64_t j = 0; j < s.r; ++j)
                      out.ptr<T>()[i * s.r + j] = static_cast<T>(static_cast<Compute<T>>(
                          distance(a.ptr<T>() + i * s.m, b.ptr<T>() + (i / s.p * s.r + j) * s.m, s.m, p)));
                });
  });
  return out;
}

Tensor cdistBackward(const Tensor& grad, const Tensor& x1, const Tensor& x2, double p, const Tensor& distances) {
  const Tensor a = contiguousOf(x1), b = contiguousOf(x2), g = contiguousOf(grad), d = contiguousOf(distances);
  const Shape s = shapeOf(a, b);
  for (const Tensor& t : {g, d}) {
    Dims sizes(a.sizes());
    sizes[sizes.size() - 1] = s.r;
    FB_CHECK(Dims(t.sizes()) == sizes && t.dtype() == a.dtype(), Shape,
             "cdist_backward: expected a gradient and distances of shape %s and dtype %s, but got %s and %s",
             shapeString(sizes).c_str(), scalarTypeName(a.dtype()), shapeString(t.sizes()).c_str(),
             scalarTypeName(t.dtype()));
  }
  Tensor out = emptyTensor(a.sizes(), a.dtype());
  dispatchFloat(a.dtype(), "cdist_backward", [&](auto tag) {
    using T = typename decltype(tag)::type;
    parallelFor(s.batch * s.p, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, s.r * s.m)),
                [&](int64_t from, int64_t to) {
                  for (int64_t i = from; i < to; ++i)
                    for (int64_t k = 0; k < s.m; ++k) {
                      double sum = 0;
                      for (int64_t j = 0; j < s.r; ++j) {
                        const double diff = static_cast<double>(a.ptr<T>()[i * s.m + k]) -
                                            static_cast<double>(b.ptr<T>()[(i / s.p * s.r + j) * s.m + k]);
                        const double factor = static_cast<double>(g.ptr<T>()[i * s.r + j]);
                        const T dist = d.ptr<T>()[i * s.r + j];
                        const T size = static_cast<T>(static_cast<Compute<T>>(std::fabs(diff)));
                        sum += factor * slope(diff, static_cast<double>(dist), p, size == dist);
                      }
                      out.ptr<T>()[i * s.m + k] = static_cast<T>(static_cast<Compute<T>>(sum));
                    }
                });
  });
  return out;
}

}  // namespace flambeau::cpu
