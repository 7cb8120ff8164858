// Normalisation layers.
#pragma once
#include <optional>

#include "flambeau/functions.h"
#include "flambeau/nn/init.h"
#include "flambeau/nn/module.h"
#include "flambeau/nn/options.h"

namespace flambeau::nn {

struct BatchNormOptions {
  BatchNormOptions(int64_t features) : num_features_(features) {}
  FLAMBEAU_ARG(BatchNormOptions, int64_t, num_features);
  FLAMBEAU_ARG(BatchNormOptions, double, eps) = 1e-5;
  /// Weight of the new batch in the running statistics; none: the plain average of all batches.
  FLAMBEAU_ARG(BatchNormOptions, std::optional<double>, momentum) = 0.1;
  FLAMBEAU_ARG(BatchNormOptions, bool, affine) = true;
  FLAMBEAU_ARG(BatchNormOptions, bool, track_running_stats) = true;
};
/// What normalisations with running statistics share: scale, shift, statistics under PyTorch's names.
class RunningNormImpl : public Module {
 public:
  void reset_running_stats();
  BatchNormOptions options;
  Tensor weight, bias, running_mean, running_var, num_batches_tracked;

 protected:
  explicit RunningNormImpl(const BatchNormOptions& options);
};
/// Normalises each channel (dimension 1) over the batch while training, by the running statistics else. Lo to Hi
/// dimensions.
template <int Lo, int Hi>
class BatchNormImpl : public RunningNormImpl {
 public:
  explicit BatchNormImpl(int64_t features) : BatchNormImpl(BatchNormOptions(features)) {}
  explicit BatchNormImpl(const BatchNormOptions& o) : RunningNormImpl(o) {}
  Tensor forward(const Tensor& x);
};
using BatchNorm1dImpl = BatchNormImpl<2, 3>;
using BatchNorm2dImpl = BatchNormImpl<4, 4>;
using BatchNorm3dImpl = BatchNormImpl<5, 5>;
extern template class BatchNormImpl<2, 3>;
extern template class BatchNormImpl<4, 4>;
extern template class BatchNormImpl<5, 5>;
FLAMBEAU_MODULE(BatchNorm1d);
FLAMBEAU_MODULE(BatchNorm2d);
FLAMBEAU_MODULE(BatchNorm3d);

struct InstanceNormOptions : BatchNormOptions {
  InstanceNormOptions(int64_t features) : BatchNormOptions(features) {
    affine(false);
    track_running_stats(false);
  }
  InstanceNormOptions(const BatchNormOptions& o) : BatchNormOptions(o) {}
};
/// Normalises each channel of each example by itself; an example has D + 1 dimensions, the batch may lack.
template <int D>
class InstanceNormImpl : public RunningNormImpl {
 public:
  explicit InstanceNormImpl(int64_t features) : InstanceNormImpl(InstanceNormOptions(features)) {}
  explicit InstanceNormImpl(const InstanceNormOptions& o) : RunningNormImpl(o) {}
  Tensor forward(const Tensor& x);
};
using InstanceNorm1dImpl = InstanceNormImpl<1>;
using InstanceNorm2dImpl = InstanceNormImpl<2>;
using InstanceNorm3dImpl = InstanceNormImpl<3>;
extern template class InstanceNormImpl<1>;
extern template class InstanceNormImpl<2>;
extern template class InstanceNormImpl<3>;
FLAMBEAU_MODULE(InstanceNorm1d);
FLAMBEAU_MODULE(InstanceNorm2d);
FLAMBEAU_MODULE(InstanceNorm3d);

struct LayerNormOptions {
  LayerNormOptions(IntList shape) : normalized_shape_(shape.span().begin(), shape.span().end()) {}
  FLAMBEAU_ARG(LayerNormOptions, std::vector<int64_t>, normalized_shape);
  FLAMBEAU_ARG(LayerNormOptions, double, eps) = 1e-5;
  FLAMBEAU_ARG(LayerNormOptions, bool, elementwise_affine) = true;
  FLAMBEAU_ARG(LayerNormOptions, bool, bias) = true;
};
/// Normalises the last dimensions, whose extents are `normalized_shape`.
class LayerNormImpl : public Module {
 public:
  explicit LayerNormImpl(IntList shape) : LayerNormImpl(LayerNormOptions(shape)) {}
  explicit LayerNormImpl(const LayerNormOptions& options);
  Tensor forward(const Tensor& x) const {
    return functional::layer_norm(x, options.normalized_shape(), weight, bias, options.eps());
  }
  LayerNormOptions options;
  Tensor weight, bias;
};
FLAMBEAU_MODULE(LayerNorm);

struct RMSNormOptions {
  RMSNormOptions(IntList shape) : normalized_shape_(shape.span().begin(), shape.span().end()) {}
  FLAMBEAU_ARG(RMSNormOptions, std::vector<int64_t>, normalized_shape);
  /// None: the dtype's smallest step at 1.
  FLAMBEAU_ARG(RMSNormOptions, std::optional<double>, eps);
  FLAMBEAU_ARG(RMSNormOptions, bool, elementwise_affine) = true;
};
/// Divides by the root of the mean square over the last dimensions. Source: https://arxiv.org/abs/1910.07467
class RMSNormImpl : public Module {
 public:
  explicit RMSNormImpl(IntList shape) : RMSNormImpl(RMSNormOptions(shape)) {}
  explicit RMSNormImpl(const RMSNormOptions& options);
  Tensor forward(const Tensor& x) const {
    return functional::rms_norm(x, options.normalized_shape(), weight, options.eps());
  }
  RMSNormOptions options;
  Tensor weight;
};
FLAMBEAU_MODULE(RMSNorm);

struct GroupNormOptions {
  GroupNormOptions(int64_t groups, int64_t channels) : num_groups_(groups), num_channels_(channels) {}
  FLAMBEAU_ARG(GroupNormOptions, int64_t, num_groups);
  FLAMBEAU_ARG(GroupNormOptions, int64_t, num_channels);
  FLAMBEAU_ARG(GroupNormOptions, double, eps) = 1e-5;
  FLAMBEAU_ARG(GroupNormOptions, bool, affine) = true;
};
/// Normalises groups of channels of each example. Source: https://arxiv.org/abs/1803.08494
class GroupNormImpl : public Module {
 public:
  GroupNormImpl(int64_t groups, int64_t channels) : GroupNormImpl(GroupNormOptions(groups, channels)) {}
  explicit GroupNormImpl(const GroupNormOptions& options);
  Tensor forward(const Tensor& x) const {
    return functional::group_norm(x, options.num_groups(), weight, bias, options.eps());
  }
  GroupNormOptions options;
  Tensor weight, bias;
};
FLAMBEAU_MODULE(GroupNorm);

struct LocalResponseNormOptions {
  LocalResponseNormOptions(int64_t size) : size_(size) {}
  FLAMBEAU_ARG(LocalResponseNormOptions, int64_t, size);
  FLAMBEAU_ARG(LocalResponseNormOptions, double, alpha) = 1e-4;
  FLAMBEAU_ARG(LocalResponseNormOptions, double, beta) = 0.75;
  FLAMBEAU_ARG(LocalResponseNormOptions, double, k) = 1;
};
/// x / (k + alpha * mean of squares of `size` channels around it)^beta, for [n, c, ...].
class LocalResponseNormImpl : public Module {
 public:
  explicit LocalResponseNormImpl(const LocalResponseNormOptions& o) : options(o) {}
  Tensor forward(const Tensor& x) const {
    return functional::local_response_norm(x, options.size(), options.alpha(), options.beta(), options.k());
  }
  LocalResponseNormOptions options;
};
FLAMBEAU_MODULE(LocalResponseNorm);

using CrossMapLRN2dOptions = LocalResponseNormOptions;
/// Lua Torch's form of local response normalisation, for [n, c, h, w]. As in PyTorch channel 0 never leaves the running
/// sum.
class CrossMapLRN2dImpl : public Module {
 public:
  explicit CrossMapLRN2dImpl(const CrossMapLRN2dOptions& o) : options(o) {}
  Tensor forward(const Tensor& x) const;
  CrossMapLRN2dOptions options;
};
FLAMBEAU_MODULE(CrossMapLRN2d);

}  // namespace flambeau::nn
