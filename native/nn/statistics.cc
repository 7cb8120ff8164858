// Bodies of statistics: norms, quantiles, covariance, histograms.
#include <cmath>
#include <limits>

#include "flambeau/trace.h"
#include "nn/bodies.h"

namespace flambeau::support {

namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// grad or out of a reduction at its input's rank.
Tensor atRank(const Tensor& t, const Tensor& self, std::optional<IntSpan> dim, bool keepdim) {
  if (keepdim || self.dim() == 0) return t;
  Dims kept(self.sizes());
  for (int64_t d : wrapDims(dim, self.dim())) kept[static_cast<size_t>(d)] = 1;
  return ops::reshape(t, kept);
}
}  // namespace

Tensor norm(const Tensor& given, double p, std::optional<IntSpan> dim, bool keepdim, std::optional<DType> dtype) {
  FB_CHECK(isFloating(dtype.value_or(given.dtype())), Type,
           "norm(): input dtype should be either floating point or complex. Got %s instead.",
           std::string(dtypeName(dtype.value_or(given.dtype()))).c_str());
  const Tensor cast = castTo(given, dtype);
  const Tensor self = widened(cast);  // the 16-bit floats are rounded once, at the end
  const Dims all = wrapDims(dim, self.dim());
  const auto raw = [&]() -> Tensor {
    if (p == 2) return ops::sqrt(ops::sum(ops::mul(self, self), dim, keepdim));
    const Tensor a = ops::abs(self);
    if (p == 1) return ops::sum(a, dim, keepdim);
    if (p == kInfinity) return ops::amax(a, all, keepdim);
    if (p == -kInfinity) return ops::amin(a, all, keepdim);
    if (p == 0) return ops::sum(ops::toDtype(ops::ne(self, Scalar(0)), self.dtype()), dim, keepdim);
    return ops::pow(ops::sum(ops::pow(a, Scalar(p)), dim, keepdim), Scalar(1.0 / p));
  };
  return asDtypeOf(raw(), cast);
}

Tensor normBackward(const Tensor& grad, const Tensor& self, double p, std::optional<IntSpan> dim, bool keepdim,
                    const Tensor& out) {
  const Tensor g = asDtypeOf(atRank(grad, self, dim, keepdim), self),
               n = asDtypeOf(atRank(out, self, dim, keepdim), self);
  // Divided by a norm that is not zero: the derivatives of this formula have to be finite too.
  const Tensor atZero = ops::eq(n, Scalar(0));
  const auto perNorm = [&](double power) {
    const Tensor divisor = ops::maskedFill(n, atZero, Scalar(1));
    return ops::maskedFill(ops::trueDivide(g, power == 1 ? divisor : ops::pow(divisor, Scalar(power))), atZero,
                           Scalar(0));
  };
  const Tensor sign = ops::sign(self);
  if (p == 0) return ops::zerosLike(self);
  if (p == 1) return ops::mul(sign, g);
  if (p == 2) return ops::mul(self, perNorm(1));
  const Tensor a = ops::abs(self);
  if (std::isinf(p)) {
    const Tensor hit = ops::toDtype(ops::logicalOr(ops::eq(a, n), ops::isnan(a)), self.dtype());
    return ops::mul(ops::mul(sign, hit), ops::trueDivide(g, ops::sum(hit, dim, true)));
  }
  if (p > 2) return ops::mul(ops::mul(self, ops::pow(a, Scalar(p - 2))), perNorm(p - 1));
  const Tensor none = ops::eq(self, Scalar(0));
  const Tensor power = ops::pow(ops::maskedFill(a, none, Scalar(1)), Scalar(p - 1));
  return ops::mul(ops::maskedFill(ops::mul(sign, power), none, Scalar(0)), perNorm(p - 1));
}

Tensor quantile(const Tensor& self, const Operand& given, std::optional<int64_t> dim, bool keepdim,
                std::string_view interpolation, bool ignoreNan) {
  FB_CHECK(self.dtype() == DType::Float32 || self.dtype() == DType::Float64, Type,
           "quantile() input tensor must be either float or double dtype");
  FB_CHECK(self.numel() > 0, Value, "quantile() input tensor must be non-empty");
  const bool linear = interpolation == "linear", lower = interpolation == "lower", higher = interpolation == "higher",
             midpoint = interpolation == "midpoint", nearest = interpolation == "nearest";
  FB_CHECK(linear || lower || higher || midpoint || nearest, Value,
           "quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, but got %s",
           std::string(interpolation).c_str());
  if (!given.isTensor()) {
    const double q = given.scalar.toDouble();
    FB_CHECK(q >= 0 && q <= 1, Value, "quantile() q must be in the range [0, 1] but got %g", q);
  }
  const Tensor q = given.isTensor() ? given.tensor : ops::full(IntSpan(), given.scalar, self.dtype());
  FB_CHECK(q.dim() <= 1, Value, "quantile() q must be a scalar or 1D tensor");
  FB_CHECK(q.dtype() == self.dtype(), Type, "quantile() q tensor must be same dtype as the input tensor");

  // Rows to reduce, sorted, along the last dimension.
  const int64_t d = dim ? wrapDim(*dim, self.dim()) : 0;
  Tensor rows = !dim                  ? ops::reshape(self, Dims{-1})
                : self.dim() == 0     ? ops::reshape(self, Dims{1})
                : d == self.dim() - 1 ? self
                                      : ops::transpose(ops::unsqueeze(self, -1), d, -1);
  const bool hole = dim && self.dim() > 0 && d != self.dim() - 1;  // a 1 stands where dim was
  rows = std::get<0>(ops::sort(rows, -1));
  const int64_t n = rows.size(-1);

  // Ranks: [..., q] per row.
  const Tensor isNan = ops::isnan(rows);
  Tensor ranks;
  if (ignoreNan) {
    const int64_t last[] = {-1};
    const Tensor count = ops::toDtype(ops::sum(ops::logicalNot(isNan), IntSpan(last, 1), true), self.dtype());
    ranks = ops::clampMin(ops::mul(ops::sub(count, Scalar(1)), ops::reshape(q, Dims{-1})), Scalar(0));
  } else {
    ranks = ops::mul(ops::reshape(q, Dims{-1}), Scalar(n - 1));
    Dims per(rows.sizes());
    per.back() = ranks.size(-1);
    ranks = ops::expand(ranks, per);
    // A row with NaN has it last: all its quantiles are taken from there.
    ranks = ops::maskedFill(ranks, ops::narrow(isNan, -1, n - 1, 1), Scalar(static_cast<double>(n - 1)));
  }
  if (lower) ranks = ops::floor(ranks);
  if (higher) ranks = ops::ceil(ranks);
  if (nearest) ranks = ops::round(ranks);
  const Tensor below = ops::toDtype(ranks, DType::Int64);
  Tensor out = ops::gather(rows, -1, below);
  if (linear || midpoint) {
    const Tensor above = ops::gather(rows, -1, ops::toDtype(ops::ceil(ranks), DType::Int64));
    const Tensor weight = midpoint ? ops::fullLike(ranks, Scalar(0.5)) : ops::sub(ranks, ops::floor(ranks));
    out = ops::lerp(out, above, weight);
  }

  // The quantiles' dimension comes first, or goes.
  if (hole) out = ops::squeeze(ops::transpose(out, d, -1), Dims{-1});
  const int64_t at = !dim || self.dim() == 0 ? 0 : d;
  Dims kept = keepdim ? Dims(static_cast<size_t>(self.dim()), 1) : Dims{};
  if (hole || (dim && self.dim() > 0)) {
    kept = Dims(self.sizes());
    if (keepdim)
      kept[static_cast<size_t>(at)] = 1;
    else
      kept.erase(static_cast<size_t>(at));
  }
  if (q.dim() == 0) return ops::reshape(out, kept);
  Tensor first = ops::movedim(out, Dims{at}, Dims{0});
  Dims shape{q.size(0)};
  for (int64_t s : kept) shape.push_back(s);
  return ops::reshape(first, shape);
}

Tensor cov(const Tensor& self, int64_t correction, const Tensor& fweights, const Tensor& aweights) {
  FB_CHECK(self.dim() <= 2, Value,
           "cov(): expected input to have two or fewer dimensions but got an input with %lld dimensions",
           static_cast<long long>(self.dim()));
  FB_CHECK(self.dtype() != DType::Bool, Type, "cov(): bool dtype is not supported for input");
  Tensor in = self.dim() < 2 ? ops::reshape(self, Dims{1, -1}) : self;
  const int64_t n = in.size(1);
  const auto check = [&](const Tensor& w, const char* name, bool integral) {
    FB_CHECK(w.dim() <= 1, Value, "cov(): expected %s to have one or fewer dimensions but got %s with %lld dimensions",
             name, name, static_cast<long long>(w.dim()));
    FB_CHECK((!isFloating(w.dtype()) && w.dtype() != DType::Bool) == integral, Type,
             "cov(): expected %s to have %s dtype but got %s with %s dtype", name,
             integral ? "integral" : "floating point", name, std::string(dtypeName(w.dtype())).c_str());
    FB_CHECK(w.numel() == n, Value,
             "cov(): expected %s to have the same numel as there are observations in the input but got %lld != %lld",
             name, static_cast<long long>(w.numel()), static_cast<long long>(n));
    if (trace::active() || n == 0) return;
    autograd::GradGuard off(false);
    FB_CHECK(*ops::all(ops::ge(w, Scalar(0))).ptr<bool>(), Value, "cov(): %s cannot be negative", name);
  };
  Tensor w;
  if (fweights.defined()) {
    check(fweights, "fweights", true);
    w = ops::reshape(fweights, Dims{-1});
  }
  if (aweights.defined()) {
    check(aweights, "aweights", false);
    const Tensor a = ops::reshape(aweights, Dims{-1});
    w = w.defined() ? ops::mul(w, a) : a;
  }
  const int64_t rows[] = {1};
  const Tensor weighted = w.defined() ? ops::mul(in, w) : in;
  const Tensor total = w.defined() ? ops::sum(w) : Tensor();
  const Tensor sums = ops::sum(weighted, IntSpan(rows, 1), true);
  in = ops::sub(in, w.defined() ? ops::trueDivide(sums, total) : ops::trueDivide(sums, Scalar(n)));
  const Tensor left = w.defined() ? ops::mul(in, w) : in;
  const Tensor c = ops::mm(in, ops::t(left.dtype() == in.dtype() ? left : ops::toDtype(left, in.dtype())));
  Tensor out;
  if (!w.defined()) {
    out = ops::trueDivide(c, Scalar(std::max<int64_t>(n - correction, 0)));
  } else {
    const Tensor spread = aweights.defined() && correction != 0
                              ? ops::trueDivide(ops::mul(ops::sum(ops::mul(w, aweights)), Scalar(correction)), total)
                              : scalarTensor(Scalar(correction));
    out = ops::trueDivide(c, ops::clampMin(ops::sub(total, spread), Scalar(0)));
  }
  return ops::squeeze(out, std::nullopt);
}

Tensor neighbourSum(const Tensor& y, int64_t dim) {
  const int64_t d = wrapDim(dim, y.dim()), n = y.size(d);
  if (n < 1) return y;
  return ops::add(ops::narrow(y, d, 1, n - 1), ops::narrow(y, d, 0, n - 1));
}

Tensor sampleSteps(const Tensor& x, const Tensor& y, int64_t dim, const char* op) {
  const int64_t d = wrapDim(dim, y.dim());
  Tensor at = x;
  if (x.dim() == 1) {
    FB_CHECK(x.size(0) == y.size(d), Value, "%s: There must be one `x` value for each sample point", op);
    Dims along(static_cast<size_t>(y.dim()), 1);
    along[static_cast<size_t>(d)] = x.size(0);
    at = ops::reshape(x, along);
  } else {
    while (at.dim() < y.dim()) at = ops::unsqueeze(at, 0);
  }
  const int64_t n = at.size(d);
  if (n < 1) return at;
  return ops::sub(ops::narrow(at, d, 1, n - 1), ops::narrow(at, d, 0, n - 1));
}

}  // namespace flambeau::support

namespace flambeau::nn {

Tensor equalEdges(const Tensor& self, int64_t bins, std::span<const double> range) {
  FB_CHECK(bins > 0, Value, "torch.histogramdd(): bins %lld for dimension 0 is invalid: must be positive",
           static_cast<long long>(bins));
  Tensor lo = ops::full(IntSpan(), Scalar(0.0), self.dtype()), hi = ops::full(IntSpan(), Scalar(1.0), self.dtype());
  if (!range.empty()) {
    FB_CHECK(range.size() == 2 && range[0] <= range[1], Value,
             "torch.histogramdd(): range must be [min, max] with min <= max");
    lo = ops::full(IntSpan(), Scalar(range[0]), self.dtype());
    hi = ops::full(IntSpan(), Scalar(range[1]), self.dtype());
  } else if (self.numel() > 0) {
    lo = ops::amin(ops::detach(self));
    hi = ops::amax(ops::detach(self));
  }
  const Tensor flat = ops::eq(lo, hi);  // all elements equal: a range of one around them
  lo = ops::where(flat, ops::sub(lo, Scalar(0.5)), lo);
  hi = ops::where(flat, ops::add(hi, Scalar(0.5)), hi);
  // From both ends, as linspace counts: the edges are the range's ends exactly.
  const Tensor i = ops::arange(Scalar(0), Scalar(bins + 1), Scalar(1), self.dtype());
  const Tensor step = ops::trueDivide(ops::sub(hi, lo), Scalar(bins));
  const Tensor up = ops::add(lo, ops::mul(step, i)), down = ops::sub(hi, ops::mul(step, ops::rsub(i, Scalar(bins))));
  return ops::where(ops::lt(i, Scalar((bins + 1) / 2)), up, down);
}

Tensor histogramCounts(const Tensor& self, TensorSpan edges, const Tensor& weight, bool density) {
  FB_CHECK(isFloating(self.dtype()), Type, "\"histogram_cpu\" not implemented for '%s'",
           std::string(dtypeName(self.dtype())).c_str());
  FB_CHECK(self.dim() == 2 && self.size(1) == static_cast<int64_t>(edges.size()), Value,
           "torch.histogramdd(): expected %lld sequences of bin edges for points of %lld dimensions",
           static_cast<long long>(self.size(1)), static_cast<long long>(self.size(1)));
  const int64_t n = self.size(0);
  Tensor flat = ops::zeros(Dims{n}, DType::Int64), inside = ops::ones(Dims{n}, DType::Bool);
  Dims shape;
  for (size_t d = 0; d < edges.size(); ++d) {
    const Tensor e = ops::contiguous(edges[d]), x = ops::contiguous(ops::select(self, 1, static_cast<int64_t>(d)));
    FB_CHECK(e.dim() == 1 && e.numel() > 1, Value, "torch.histogramdd(): bin edges must be 1-d and at least two");
    const int64_t bins = e.numel() - 1;
    Tensor bin = ops::sub(ops::searchsorted(e, x, false, true), Scalar(1));
    bin = ops::sub(
        bin, ops::toDtype(ops::eq(x, ops::select(e, 0, bins)), DType::Int64));  // the last edge belongs to the last bin
    // Between the outer edges, and (should edges not be in order) in a bin at all.
    for (const Tensor& ok : {ops::ge(x, ops::select(e, 0, 0)), ops::le(x, ops::select(e, 0, bins)),
                             ops::ge(bin, Scalar(0)), ops::lt(bin, Scalar(bins))})
      inside = ops::logicalAnd(inside, ok);
    flat = ops::add(ops::mul(flat, Scalar(bins)), bin);
    shape.push_back(bins);
  }
  const Tensor amounts = weight.defined() ? ops::reshape(weight, Dims{-1}) : ops::ones(Dims{n}, self.dtype());
  FB_CHECK(amounts.numel() == n, Value,
           "torch.histogramdd(): if weight tensor is provided it should have the same shape "
           "as the input tensor excluding its innermost dimension");
  Tensor out = ops::scatterAdd(ops::zeros(Dims{product(shape)}, self.dtype()), 0, ops::where(inside, flat, Scalar(0)),
                               ops::where(inside, amounts, Scalar(0.0)));
  out = ops::reshape(out, shape);
  if (!density) return out;
  out = ops::trueDivide(out, ops::sum(out));
  for (size_t d = 0; d < edges.size(); ++d) {
    const int64_t bins = shape[d];
    Dims along(shape.size(), 1);
    along[d] = bins;
    const Tensor widths = ops::sub(ops::narrow(edges[d], 0, 1, bins), ops::narrow(edges[d], 0, 0, bins));
    out = ops::trueDivide(out, ops::reshape(widths, along));
  }
  return out;
}

}  // namespace flambeau::nn
