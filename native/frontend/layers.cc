// Layers and initialisation; draws follow PyTorch's order.
#include <algorithm>

#include "flambeau/autograd.h"
#include "flambeau/nn/modules.h"

namespace flambeau::nn {

namespace init {

std::pair<int64_t, int64_t> fan_in_and_fan_out(const Tensor& t) {
  FB_CHECK(t.dim() >= 2, Shape, "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions");
  const int64_t field = product(t.sizes().subspan(2));
  return {t.size(1) * field, t.size(0) * field};
}
Tensor uniform_(const Tensor& t, double low, double high) {
  const autograd::GradGuard noGrad(false);
  return ops::uniform_(t, low, high);
}
Tensor normal_(const Tensor& t, double mean, double std) {
  const autograd::GradGuard noGrad(false);
  return ops::normal_(t, mean, std);
}
Tensor constant_(const Tensor& t, double value) {
  const autograd::GradGuard noGrad(false);
  return ops::fill_(t, Scalar(value));
}
Tensor zeros_(const Tensor& t) { return constant_(t, 0); }
Tensor ones_(const Tensor& t) { return constant_(t, 1); }
Tensor kaiming_uniform_(const Tensor& t, double a) {
  if (t.numel() == 0) return t;
  const double bound =
      std::sqrt(3.0) * (std::sqrt(2 / (1 + a * a)) / std::sqrt(static_cast<double>(fan_in_and_fan_out(t).first)));
  return init::uniform_(t, -bound, bound);
}
Tensor xavier_uniform_(const Tensor& t, double gain) {
  const auto [in, out] = fan_in_and_fan_out(t);
  const double bound = std::sqrt(3.0) * (gain * std::sqrt(2.0 / static_cast<double>(in + out)));
  return init::uniform_(t, -bound, bound);
}

}  // namespace init

namespace {

Tensor parameter(IntSpan sizes) { return emptyTensor(sizes, defaultDType()); }
/// What Linear and the convolutions start from: He's bound with a = sqrt(5) for the weight, 1 / sqrt(fan in) for the
/// bias.
void resetWeights(const Tensor& weight, const Tensor& bias) {
  init::kaiming_uniform_(weight, std::sqrt(5.0));
  if (!bias.defined()) return;
  const int64_t fan = init::fan_in_and_fan_out(weight).first;
  const double bound = fan > 0 ? 1 / std::sqrt(static_cast<double>(fan)) : 0;
  init::uniform_(bias, -bound, bound);
}

}  // namespace

LinearImpl::LinearImpl(const LinearOptions& o) : options(o) {
  FB_CHECK(o.in_features() >= 0 && o.out_features() >= 0, Value,
           "Linear: the numbers of features must not be negative");
  weight = register_parameter("weight", parameter(Dims{o.out_features(), o.in_features()}));
  bias = register_parameter("bias", o.bias() ? parameter(Dims{o.out_features()}) : Tensor());
  resetWeights(weight, bias);
}

template <size_t D, bool Transposed>
ConvNdImpl<D, Transposed>::ConvNdImpl(const ConvOptions<D>& o) : options(o) {
  FB_CHECK(o.groups() > 0, Value, "groups must be a positive integer");
  FB_CHECK(o.in_channels() % o.groups() == 0, Value, "in_channels must be divisible by groups");
  FB_CHECK(o.out_channels() % o.groups() == 0, Value, "out_channels must be divisible by groups");
  Dims sizes = Transposed ? Dims{o.in_channels(), o.out_channels() / o.groups()}
                          : Dims{o.out_channels(), o.in_channels() / o.groups()};
  for (int64_t k : o.kernel_size()) sizes.push_back(k);
  weight = register_parameter("weight", parameter(sizes));
  bias = register_parameter("bias", o.bias() ? parameter(Dims{o.out_channels()}) : Tensor());
  resetWeights(weight, bias);
}
template <size_t D, bool Transposed>
Tensor ConvNdImpl<D, Transposed>::forward(const Tensor& x) const {
  const auto& o = options;
  const IntSpan stride = o.stride().span(), padding = o.padding().span(), dilation = o.dilation().span();
  if constexpr (Transposed) {
    const IntSpan more = o.output_padding().span();
    if constexpr (D == 1) return ops::convTranspose1d(x, weight, bias, stride, padding, more, o.groups(), dilation);
    if constexpr (D == 2) return ops::convTranspose2d(x, weight, bias, stride, padding, more, o.groups(), dilation);
    if constexpr (D == 3) return ops::convTranspose3d(x, weight, bias, stride, padding, more, o.groups(), dilation);
  } else {
    if constexpr (D == 1) return ops::conv1d(x, weight, bias, stride, padding, dilation, o.groups());
    if constexpr (D == 2) return ops::conv2d(x, weight, bias, stride, padding, dilation, o.groups());
    if constexpr (D == 3) return ops::conv3d(x, weight, bias, stride, padding, dilation, o.groups());
  }
}
template class ConvNdImpl<1, false>;
template class ConvNdImpl<2, false>;
template class ConvNdImpl<3, false>;
template class ConvNdImpl<1, true>;
template class ConvNdImpl<2, true>;
template class ConvNdImpl<3, true>;

template <int Lo, int Hi>
BatchNormImpl<Lo, Hi>::BatchNormImpl(const BatchNormOptions& o) : options(o) {
  const Dims n{o.num_features()};
  const auto filled = [&](double v) { return init::constant_(parameter(n), v); };
  weight = register_parameter("weight", o.affine() ? filled(1) : Tensor());
  bias = register_parameter("bias", o.affine() ? filled(0) : Tensor());
  const bool track = o.track_running_stats();
  running_mean = register_buffer("running_mean", track ? filled(0) : Tensor());
  running_var = register_buffer("running_var", track ? filled(1) : Tensor());
  num_batches_tracked =
      register_buffer("num_batches_tracked", track ? scalarTensor(Scalar(0), DType::Int64) : Tensor());
}
template <int Lo, int Hi>
Tensor BatchNormImpl<Lo, Hi>::forward(const Tensor& x) const {
  FB_CHECK(x.dim() >= Lo && x.dim() <= Hi, Value, "expected %d%s input (got %lldD input)", Hi,
           Lo == Hi ? "D" : "D or 2D", static_cast<long long>(x.dim()));
  const bool batch = is_training() || !running_mean.defined();
  if (is_training() && num_batches_tracked.defined()) {
    const autograd::GradGuard noGrad(false);
    ops::add_(num_batches_tracked, Operand(1));
  }
  return ops::batchNorm(x, weight, bias, running_mean, running_var, batch, options.momentum(), options.eps());
}
template class BatchNormImpl<2, 3>;
template class BatchNormImpl<4, 4>;
template class BatchNormImpl<5, 5>;

LayerNormImpl::LayerNormImpl(IntList normalized_shape, double eps, bool elementwise_affine)
    : shape_(normalized_shape.span()), eps_(eps) {
  weight = register_parameter("weight", elementwise_affine ? init::ones_(parameter(shape_)) : Tensor());
  bias = register_parameter("bias", elementwise_affine ? init::zeros_(parameter(shape_)) : Tensor());
}
GroupNormImpl::GroupNormImpl(int64_t num_groups, int64_t num_channels, double eps, bool affine)
    : groups_(num_groups), eps_(eps) {
  FB_CHECK(num_groups > 0 && num_channels % num_groups == 0, Value, "num_channels must be divisible by num_groups");
  weight = register_parameter("weight", affine ? init::ones_(parameter(Dims{num_channels})) : Tensor());
  bias = register_parameter("bias", affine ? init::zeros_(parameter(Dims{num_channels})) : Tensor());
}
EmbeddingImpl::EmbeddingImpl(int64_t num_embeddings, int64_t embedding_dim) {
  weight = register_parameter("weight", init::normal_(parameter(Dims{num_embeddings, embedding_dim})));
}
Tensor EmbeddingImpl::forward(const Tensor& indices) const { return ops::embedding(weight, indices); }

template <size_t D, bool Max>
Tensor PoolImpl<D, Max>::forward(const Tensor& x) const {
  const IntSpan kernel = kernel_.span(), stride = stride_.span(), padding = padding_.span();
  if constexpr (Max && D == 1) return ops::maxPool1d(x, kernel, stride, padding);
  if constexpr (Max && D == 2) return ops::maxPool2d(x, kernel, stride, padding);
  if constexpr (!Max && D == 1) return ops::avgPool1d(x, kernel, stride, padding);
  if constexpr (!Max && D == 2) return ops::avgPool2d(x, kernel, stride, padding);
}
template class PoolImpl<1, true>;
template class PoolImpl<2, true>;
template class PoolImpl<1, false>;
template class PoolImpl<2, false>;

}  // namespace flambeau::nn
