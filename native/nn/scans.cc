// Derivatives of scans; differences and gradients of samples.
#include <array>

#include "nn/bodies.h"

namespace flambeau::support {

namespace {
/// Gradient of cumprod as a matrix of products that leave one factor out: exact at zeros and in all its derivatives.
Tensor cumprodByMatrix(const Tensor& grad, const Tensor& self, int64_t dim) {
  const Tensor rows = ops::movedim(self, Dims{dim}, Dims{-1}), g = ops::movedim(grad, Dims{dim}, Dims{-1});
  const int64_t n = rows.size(-1);
  Dims wide(rows.sizes());
  wide.insert(wide.size() - 1, n);
  const Tensor eye = ops::toDtype(ops::eye(n), DType::Bool);
  // [..., j, k]: the product of elements up to k without j; zero where k comes before j.
  const Tensor others =
      ops::triu(ops::cumprod(ops::maskedFill(ops::expand(ops::unsqueeze(rows, -2), wide), eye, Scalar(1)), -1));
  const int64_t last[] = {-1};
  return ops::movedim(ops::sum(ops::mul(others, ops::unsqueeze(g, -2)), IntSpan(last, 1)), Dims{-1}, Dims{dim});
}
}  // namespace

Tensor cumprodBackward(const Tensor& grad, const Tensor& self, int64_t dim, const Tensor& out) {
  if (self.dim() == 0 || self.numel() == 0) return grad;
  const int64_t d = wrapDim(dim, self.dim());
  if (autograd::gradEnabled() && (grad.requiresGrad() || self.requiresGrad())) return cumprodByMatrix(grad, self, d);
  // Linear time: before the first zero by division; the first zero by the products with it taken as one; zero after it.
  const Tensor zero = ops::eq(self, Scalar(0)), seen = ops::cumsum(zero, d);
  const Tensor first = ops::logicalAnd(zero, ops::eq(seen, Scalar(1)));
  const Tensor without = ops::cumprod(ops::maskedFill(self, first, Scalar(1)), d);
  const Tensor atZero = ops::reverseCumsum(ops::mul(grad, without), d);
  const Tensor before =
      ops::trueDivide(ops::reverseCumsum(ops::mul(grad, out), d), ops::maskedFill(self, zero, Scalar(1)));
  return ops::where(first, atZero, ops::maskedFill(before, ops::gt(seen, Scalar(0)), Scalar(0)));
}

namespace {
/// sum over k of grad_k exp(self_j - out_k), the positive and the negative gradients apart, without overflow.
template <class Scan>
Tensor logScanBackward(const Tensor& grad, const Tensor& self, const Tensor& out, Scan scan) {
  const auto part = [&](const Tensor& g) {
    const Tensor positive = ops::gt(g, Scalar(0));
    const Tensor logs = ops::sub(ops::log(ops::where(positive, g, Scalar(1.0))), out);
    const Tensor lowest =
        Tensor(ops::maskedFill(logs, ops::logicalNot(positive), Scalar(-std::numeric_limits<double>::infinity())));
    return ops::exp(ops::add(scan(lowest), self));
  };
  return ops::sub(part(grad), part(ops::neg(grad)));
}
}  // namespace

Tensor logcumsumexpBackward(const Tensor& grad, const Tensor& self, int64_t dim, const Tensor& out) {
  if (self.dim() == 0 || self.numel() == 0) return grad;
  return logScanBackward(grad, self, out, [&](const Tensor& t) { return ops::reverseLogcumsumexp(t, dim); });
}
Tensor reverseLogcumsumexpBackward(const Tensor& grad, const Tensor& self, int64_t dim, const Tensor& out) {
  if (self.dim() == 0 || self.numel() == 0) return grad;
  // Elements of -Infinity (what the derivative of logcumsumexp leaves out) get none.
  const Tensor g = logScanBackward(grad, self, out, [&](const Tensor& t) { return ops::logcumsumexp(t, dim); });
  return ops::maskedFill(g, ops::eq(self, Scalar(-std::numeric_limits<double>::infinity())), Scalar(0));
}

Tensor diff(const Tensor& self, int64_t n, int64_t dim, const Tensor& prepend, const Tensor& append) {
  FB_CHECK(self.dim() > 0, Value, "diff expects input to be at least one-dimensional");
  FB_CHECK(n >= 0, Value, "order must be non-negative but got %lld", static_cast<long long>(n));
  const int64_t d = wrapDim(dim, self.dim());
  if (n == 0) return self;
  TensorList parts;
  for (const Tensor* t : {&prepend, &self, &append})
    if (t->defined()) parts.push_back(*t);
  Tensor out = parts.size() > 1 ? ops::cat(parts, d) : self;
  for (int64_t k = 0; k < n && out.size(d) > 0; ++k) {
    const int64_t m = out.size(d) - 1;
    const Tensor next = ops::narrow(out, d, 1, m), here = ops::narrow(out, d, 0, m);
    out = out.dtype() == DType::Bool ? ops::logicalXor(next, here) : ops::sub(next, here);
  }
  return out;
}

}  // namespace flambeau::support

namespace flambeau::nn {
namespace {

/// The dimensions of a gradient, checked; `spacings`: how many were given.
Dims gradientDims(const Tensor& self, std::optional<IntSpan> dim, size_t spacings, bool coordinates,
                  int64_t edgeOrder) {
  const Dims dims = wrapDims(dim, self.dim());
  FB_CHECK(edgeOrder == 1 || edgeOrder == 2, Value, "torch.gradient only supports edge_order=1 and edge_order=2.");
  const bool one = !coordinates && (spacings == 0 || (spacings == 1 && !dim));
  FB_CHECK(one || spacings == dims.size() || (spacings == 1 && dims.size() == 1), Value,
           "torch.gradient expected spacing to be unspecified, a scalar or it's spacing and dim arguments to have the "
           "same length, but got a spacing argument of length %zu and a dim argument of length %zu.",
           spacings, dims.size());
  for (int64_t d : dims)
    FB_CHECK(self.size(d) >= edgeOrder + 1, Value,
             "torch.gradient expected each dimension size to be at least edge_order+1");
  return dims;
}

using Weights = std::array<Tensor, 3>;

/// a x[i] + b x[i + 1] + c x[i + 2].
Tensor threePoints(const Tensor& x, int64_t d, int64_t from, int64_t n, const Weights& w) {
  Tensor out;
  for (int64_t k = 0; k < 3; ++k) {
    const Tensor term = ops::mul(ops::narrow(x, d, from + k, n), w[static_cast<size_t>(k)]);
    out = out.defined() ? ops::add(out, term) : term;
  }
  return out;
}

Tensor join(const Tensor& left, const Tensor& middle, const Tensor& right, int64_t d) {
  return ops::cat(TensorList{left, middle, right}, d);
}

Tensor evenGradient(const Tensor& x, int64_t d, double h, int64_t edgeOrder) {
  const int64_t n = x.size(d);
  const auto at = [&](int64_t i, int64_t m = 1) { return ops::narrow(x, d, i, m); };
  const auto slope = [&](int64_t a, int64_t b) { return ops::trueDivide(ops::sub(at(b), at(a)), Scalar(h)); };
  const Tensor middle = ops::trueDivide(ops::sub(at(2, n - 2), at(0, n - 2)), Scalar(2 * h));
  if (edgeOrder == 1) return join(slope(0, 1), middle, slope(n - 2, n - 1), d);
  const auto edge = [&](int64_t a, int64_t b, int64_t c, double sign) {
    const Tensor sum =
        ops::add(ops::add(ops::mul(at(a), Scalar(-1.5)), ops::mul(at(b), Scalar(2.0))), ops::mul(at(c), Scalar(-0.5)));
    return ops::trueDivide(sum, Scalar(sign * h));
  };
  return join(edge(0, 1, 2, 1), middle, edge(n - 1, n - 2, n - 3, -1), d);
}

Tensor unevenGradient(const Tensor& x, int64_t d, const Tensor& coordinates, int64_t edgeOrder) {
  const int64_t n = x.size(d);
  FB_CHECK(coordinates.dim() == 1 && coordinates.size(0) == n, Value,
           "torch.gradient expected the coordinates of dimension %lld to be 1-d with %lld elements, got %s",
           static_cast<long long>(d), static_cast<long long>(n), shapeString(coordinates.sizes()).c_str());
  Dims along(static_cast<size_t>(x.dim()), 1);
  along[static_cast<size_t>(d)] = n - 1;
  const Tensor steps =
      ops::reshape(ops::sub(ops::narrow(coordinates, 0, 1, n - 1), ops::narrow(coordinates, 0, 0, n - 1)), along);
  const auto step = [&](int64_t i, int64_t m = 1) { return ops::narrow(steps, d, i, m); };
  const auto slope = [&](int64_t i) {
    return ops::trueDivide(ops::sub(ops::narrow(x, d, i + 1, 1), ops::narrow(x, d, i, 1)), step(i));
  };
  // The derivative of the parabola through three points: at the middle one, the first, the last.
  const auto weights = [](const Tensor& p, const Tensor& q, int place) -> Weights {
    const Tensor sum = ops::add(p, q), pq = ops::mul(p, q), ps = ops::mul(p, sum), qs = ops::mul(q, sum);
    const auto over = [](const Tensor& a, const Tensor& b) { return ops::trueDivide(a, b); };
    if (place == 1) return {over(ops::neg(q), ps), over(ops::sub(q, p), pq), over(p, qs)};
    if (place == 0) return {over(ops::neg(ops::add(sum, p)), ps), over(sum, pq), over(ops::neg(p), qs)};
    return {over(q, ps), over(ops::neg(sum), pq), over(ops::add(sum, q), qs)};
  };
  const Tensor middle = n > 2 ? threePoints(x, d, 0, n - 2, weights(step(0, n - 2), step(1, n - 2), 1))
                              : ops::toDtype(ops::narrow(x, d, 0, 0), slope(0).dtype());
  if (edgeOrder == 1) return join(slope(0), middle, slope(n - 2), d);
  return join(threePoints(x, d, 0, 1, weights(step(0), step(1), 0)), middle,
              threePoints(x, d, n - 3, 1, weights(step(n - 3), step(n - 2), 2)), d);
}

}  // namespace

TensorList gradient(const Tensor& self, std::span<const double> spacing, std::optional<IntSpan> dim,
                    int64_t edgeOrder) {
  const Dims dims = gradientDims(self, dim, spacing.size(), false, edgeOrder);
  TensorList out;
  for (size_t i = 0; i < dims.size(); ++i)
    out.push_back(evenGradient(self, dims[i], spacing.empty() ? 1.0 : spacing[spacing.size() == 1 ? 0 : i], edgeOrder));
  return out;
}
TensorList gradientAt(const Tensor& self, TensorSpan spacing, std::optional<IntSpan> dim, int64_t edgeOrder) {
  const Dims dims = gradientDims(self, dim, spacing.size(), true, edgeOrder);
  TensorList out;
  for (size_t i = 0; i < dims.size(); ++i) out.push_back(unevenGradient(self, dims[i], spacing[i], edgeOrder));
  return out;
}

}  // namespace flambeau::nn
