// Initialisation; draws follow PyTorch's order. Source: torch/nn/init.py.
#include "flambeau/nn/init.h"

#include <algorithm>
#include <cmath>

#include "flambeau/autograd.h"
#include "flambeau/ops.h"

namespace flambeau::nn::init {

namespace {

thread_local int skipping = 0;

/// Writes into a tensor without recording it.
template <class F>
Tensor write(const Tensor& t, F body) {
  if (skipping > 0) return t;
  const autograd::GradGuard noGrad(false);
  body();
  return t;
}
double kaimingStd(const Tensor& t, double a, std::string_view mode, std::string_view nonlinearity) {
  FB_CHECK(mode == "fan_in" || mode == "fan_out", Value,
           "Mode %s not supported, please use one of ['fan_in', 'fan_out']", std::string(mode).c_str());
  const auto [in, out] = fan_in_and_fan_out(t);
  return calculate_gain(nonlinearity, a) / std::sqrt(static_cast<double>(mode == "fan_in" ? in : out));
}
double normalCdf(double x) { return (1 + std::erf(x / std::sqrt(2.0))) / 2; }
/// Values in row-major order.
Tensor fillFrom(const Tensor& t, const std::vector<double>& values) {
  return write(t, [&] {
    const Tensor from = emptyTensor(t.sizes(), DType::Float64);
    std::copy(values.begin(), values.end(), from.ptr<double>());
    ops::copy_(t, from);
  });
}

}  // namespace

SkipGuard::SkipGuard() { ++skipping; }
SkipGuard::~SkipGuard() { --skipping; }

std::pair<int64_t, int64_t> fan_in_and_fan_out(const Tensor& t) {
  FB_CHECK(t.dim() >= 2, Shape, "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions");
  const int64_t field = product(t.sizes().subspan(2));
  return {t.size(1) * field, t.size(0) * field};
}
double calculate_gain(std::string_view nonlinearity, double param) {
  if (nonlinearity == "linear" || nonlinearity == "conv1d" || nonlinearity == "conv2d" || nonlinearity == "conv3d" ||
      nonlinearity == "sigmoid")
    return 1;
  if (nonlinearity == "tanh") return 5.0 / 3;
  if (nonlinearity == "relu") return std::sqrt(2.0);
  if (nonlinearity == "leaky_relu") return std::sqrt(2 / (1 + param * param));
  if (nonlinearity == "selu") return 0.75;
  throw Error(ErrorKind::Value, "Unsupported nonlinearity " + std::string(nonlinearity));
}

Tensor uniform_(const Tensor& t, double low, double high) {
  return write(t, [&] { ops::uniform_(t, low, high); });
}
Tensor normal_(const Tensor& t, double mean, double std) {
  return write(t, [&] { ops::normal_(t, mean, std); });
}
Tensor constant_(const Tensor& t, double value) {
  return write(t, [&] { ops::fill_(t, Scalar(value)); });
}
Tensor zeros_(const Tensor& t) { return constant_(t, 0); }
Tensor ones_(const Tensor& t) { return constant_(t, 1); }

Tensor eye_(const Tensor& t) {
  FB_CHECK(t.dim() == 2, Shape, "Only tensors with 2 dimensions are supported");
  return write(t, [&] { ops::copy_(t, ops::eye(t.size(0), t.size(1), t.dtype())); });
}
Tensor dirac_(const Tensor& t, int64_t groups) {
  FB_CHECK(t.dim() >= 3 && t.dim() <= 5, Shape, "Only tensors with 3, 4, or 5 dimensions are supported");
  const int64_t out = t.size(0), inner = t.size(1);
  FB_CHECK(groups > 0 && out % groups == 0, Value, "dim 0 must be divisible by groups");
  int64_t center = 0;
  for (const int64_t s : t.sizes().subspan(2)) center = center * s + s / 2;
  const int64_t field = product(t.sizes().subspan(2)), each = out / groups;
  std::vector<double> values(static_cast<size_t>(t.numel()), 0.0);
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t d = 0; d < std::min(each, inner); ++d)
      values[static_cast<size_t>(((g * each + d) * inner + d) * field + center)] = 1;
  return fillFrom(t, values);
}

Tensor kaiming_uniform_(const Tensor& t, double a, std::string_view mode, std::string_view nonlinearity) {
  if (t.numel() == 0) return t;
  const double bound = std::sqrt(3.0) * kaimingStd(t, a, mode, nonlinearity);
  return init::uniform_(t, -bound, bound);
}
Tensor kaiming_normal_(const Tensor& t, double a, std::string_view mode, std::string_view nonlinearity) {
  if (t.numel() == 0) return t;
  return init::normal_(t, 0, kaimingStd(t, a, mode, nonlinearity));
}
Tensor xavier_uniform_(const Tensor& t, double gain) {
  const auto [in, out] = fan_in_and_fan_out(t);
  const double bound = std::sqrt(3.0) * (gain * std::sqrt(2.0 / static_cast<double>(in + out)));
  return init::uniform_(t, -bound, bound);
}
Tensor xavier_normal_(const Tensor& t, double gain) {
  const auto [in, out] = fan_in_and_fan_out(t);
  return init::normal_(t, 0, gain * std::sqrt(2.0 / static_cast<double>(in + out)));
}

Tensor trunc_normal_(const Tensor& t, double mean, double std, double a, double b) {
  const double l = normalCdf((a - mean) / std), u = normalCdf((b - mean) / std);
  return write(t, [&] {
    ops::uniform_(t, 2 * l - 1, 2 * u - 1);
    ops::erfinv_(t);
    ops::mul_(t, Operand(std * std::sqrt(2.0)));
    ops::add_(t, Operand(mean));
    ops::copy_(t, ops::clamp(t, Operand(a), Operand(b)));
  });
}
Tensor orthogonal_(const Tensor& t, double gain) {
  FB_CHECK(t.dim() >= 2, Shape, "Only tensors with 2 or more dimensions are supported");
  if (t.numel() == 0) return t;
  return write(t, [&] {
    const int64_t rows = t.size(0), cols = t.numel() / rows;
    const Tensor draw = emptyTensor(Dims{rows, cols}, t.dtype());
    ops::normal_(draw, 0, 1);
    const bool tall = rows >= cols;
    const auto [q, r] = ops::linalgQr(tall ? draw : ops::transpose(draw, 0, 1), "reduced");
    // The signs that make the decomposition unique, and the matrix uniformly distributed.
    const Tensor unique = ops::mul(q, ops::sign(ops::diagonal(r)));
    ops::copy_(t, ops::reshape(tall ? unique : ops::transpose(unique, 0, 1), t.sizes()));
    ops::mul_(t, Operand(gain));
  });
}
Tensor sparse_(const Tensor& t, double sparsity, double std) {
  FB_CHECK(t.dim() == 2, Shape, "Only tensors with 2 dimensions are supported");
  if (skipping > 0) return t;
  init::normal_(t, 0, std);
  const int64_t rows = t.size(0), zeros = static_cast<int64_t>(std::ceil(sparsity * static_cast<double>(rows)));
  return write(t, [&] {
    for (int64_t c = 0; c < t.size(1); ++c) {
      const Tensor order = ops::randperm(rows);
      for (int64_t i = 0; i < std::min(zeros, rows); ++i)
        ops::fill_(ops::select(ops::select(t, 1, c), 0, order.ptr<int64_t>()[i]), Scalar(0.0));
    }
  });
}

}  // namespace flambeau::nn::init
