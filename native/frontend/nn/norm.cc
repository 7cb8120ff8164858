// Normalisation layers.
#include "flambeau/nn/norm.h"

#include <cmath>
#include <cstdlib>

#include "flambeau/autograd.h"
#include "frontend/nn/layers.h"

namespace flambeau::nn {

RunningNormImpl::RunningNormImpl(const BatchNormOptions& o) : options(o) {
  const Dims n{o.num_features()};
  const bool track = o.track_running_stats();
  weight = register_parameter("weight", o.affine() ? init::ones_(parameter(n)) : Tensor());
  bias = register_parameter("bias", o.affine() ? init::zeros_(parameter(n)) : Tensor());
  running_mean = register_buffer("running_mean", track ? parameter(n) : Tensor());
  running_var = register_buffer("running_var", track ? parameter(n) : Tensor());
  num_batches_tracked =
      register_buffer("num_batches_tracked", track ? scalarTensor(Scalar(0), DType::Int64) : Tensor());
  reset_running_stats();
}
void RunningNormImpl::reset_running_stats() {
  if (!running_mean.defined()) return;
  const autograd::GradGuard noGrad(false);
  ops::zero_(running_mean);
  ops::fill_(running_var, Scalar(1.0));
  ops::zero_(num_batches_tracked);
}

template <int Lo, int Hi>
Tensor BatchNormImpl<Lo, Hi>::forward(const Tensor& x) {
  FB_CHECK(x.dim() >= Lo && x.dim() <= Hi, Shape, "expected %s%dD input (got %lldD input)", Lo == Hi ? "" : "2D or ",
           Hi, static_cast<long long>(x.dim()));
  double momentum = options.momentum().value_or(0);
  if (is_training() && num_batches_tracked.defined()) {
    const autograd::GradGuard noGrad(false);
    ops::add_(num_batches_tracked, Operand(1));
    if (!options.momentum()) momentum = 1.0 / static_cast<double>(num_batches_tracked.item<int64_t>());
  }
  const bool batch = is_training() || !running_mean.defined();
  FB_CHECK(!batch || x.numel() != x.size(1) || x.numel() == 0, Value,
           "Expected more than 1 value per channel when training, got input size torch.Size(%s)",
           shapeString(x.sizes()).c_str());
  return ops::batchNorm(x, weight, bias, running_mean, running_var, batch, momentum, options.eps());
}
template class BatchNormImpl<2, 3>;
template class BatchNormImpl<4, 4>;
template class BatchNormImpl<5, 5>;

template <int D>
Tensor InstanceNormImpl<D>::forward(const Tensor& x) {
  FB_CHECK(x.dim() == D + 1 || x.dim() == D + 2, Shape, "expected %dD or %dD input (got %lldD input)", D + 1, D + 2,
           static_cast<long long>(x.dim()));
  const bool batched = x.dim() == D + 2, own = is_training() || !options.track_running_stats();
  const Tensor in = batched ? x : ops::unsqueeze(x, 0);
  const int64_t n = options.num_features();
  FB_CHECK(in.size(1) == n || !(options.affine() || options.track_running_stats()), Value,
           "expected input's size at dim=%d to match num_features (%lld), but got: %lld.", batched ? 1 : 0,
           static_cast<long long>(n), static_cast<long long>(in.size(1)));
  FB_CHECK(!own || product(in.sizes().subspan(2)) != 1, Value,
           "Expected more than 1 spatial element when training, got input size torch.Size(%s)",
           shapeString(in.sizes()).c_str());
  const Tensor y = ops::instanceNorm(in, weight, bias, running_mean, running_var, own, options.momentum().value_or(0),
                                     options.eps());
  return batched ? y : y.squeeze(0);
}
template class InstanceNormImpl<1>;
template class InstanceNormImpl<2>;
template class InstanceNormImpl<3>;

LayerNormImpl::LayerNormImpl(const LayerNormOptions& o) : options(o) {
  const bool affine = o.elementwise_affine();
  weight = register_parameter("weight", affine ? init::ones_(parameter(o.normalized_shape())) : Tensor());
  bias = register_parameter("bias", affine && o.bias() ? init::zeros_(parameter(o.normalized_shape())) : Tensor());
}
RMSNormImpl::RMSNormImpl(const RMSNormOptions& o) : options(o) {
  weight =
      register_parameter("weight", o.elementwise_affine() ? init::ones_(parameter(o.normalized_shape())) : Tensor());
}
GroupNormImpl::GroupNormImpl(const GroupNormOptions& o) : options(o) {
  FB_CHECK(o.num_groups() > 0 && o.num_channels() % o.num_groups() == 0, Value,
           "num_channels must be divisible by num_groups");
  const Dims n{o.num_channels()};
  weight = register_parameter("weight", o.affine() ? init::ones_(parameter(n)) : Tensor());
  bias = register_parameter("bias", o.affine() ? init::zeros_(parameter(n)) : Tensor());
}

Tensor CrossMapLRN2dImpl::forward(const Tensor& x) const {
  FB_CHECK(x.dim() == 4, Value, "CrossMapLRN2d: Expected input to be 4D, got %lldD instead.",
           static_cast<long long>(x.dim()));
  const int64_t channels = x.size(1), reach = (options.size() + 1) / 2;
  Tensor window = emptyTensor(Dims{channels, channels}, DType::Float64);
  for (int64_t to = 0; to < channels; ++to)
    for (int64_t from = 0; from < channels; ++from)
      window.ptr<double>()[to * channels + from] =
          (std::llabs(to - from) < reach ? 1 : 0) + (from == 0 && to >= reach ? 1 : 0);
  const Tensor sums = ops::reshape(ops::matmul(window.to(x.dtype()), ops::flatten(ops::square(x), 2, -1)), x.sizes());
  const double alpha = options.alpha() / static_cast<double>(options.size());
  const Tensor scale = ops::add(ops::mul(sums, Operand(alpha)), Operand(options.k()));
  return ops::mul(x, ops::pow(scale, Operand(-options.beta())));
}

}  // namespace flambeau::nn
