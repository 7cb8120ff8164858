// Pooling: the largest, mean or p-norm of windows, windows by output size, random windows, and the way back.
#pragma once
#include <optional>
#include <tuple>

#include "flambeau/functions.h"
#include "flambeau/nn/module.h"
#include "flambeau/nn/options.h"

namespace flambeau::nn {

template <size_t D>
struct MaxPoolOptions {
  MaxPoolOptions(Extents<D> kernel) : kernel_size_(kernel), stride_(kernel) {}
  FLAMBEAU_ARG(MaxPoolOptions, Extents<D>, kernel_size);
  FLAMBEAU_ARG(MaxPoolOptions, Extents<D>, stride);  // the kernel's size unless given
  FLAMBEAU_ARG(MaxPoolOptions, Extents<D>, padding) = 0;
  FLAMBEAU_ARG(MaxPoolOptions, Extents<D>, dilation) = 1;
  /// Round sizes up: windows may begin inside and end outside.
  FLAMBEAU_ARG(MaxPoolOptions, bool, ceil_mode) = false;
};
using MaxPool1dOptions = MaxPoolOptions<1>;
using MaxPool2dOptions = MaxPoolOptions<2>;
using MaxPool3dOptions = MaxPoolOptions<3>;
/// Largest value of each window of [n, c, ...] or [c, ...].
template <size_t D>
class MaxPoolImpl : public Module {
 public:
  explicit MaxPoolImpl(Extents<D> kernel) : MaxPoolImpl(MaxPoolOptions<D>(kernel)) {}
  explicit MaxPoolImpl(const MaxPoolOptions<D>& o) : options(o) {}
  Tensor forward(const Tensor& x) const;
  /// Also where the largest elements are: flat positions in the input's plane, int64.
  std::tuple<Tensor, Tensor> forward_with_indices(const Tensor& x) const;
  MaxPoolOptions<D> options;
};
using MaxPool1dImpl = MaxPoolImpl<1>;
using MaxPool2dImpl = MaxPoolImpl<2>;
using MaxPool3dImpl = MaxPoolImpl<3>;
extern template class MaxPoolImpl<1>;
extern template class MaxPoolImpl<2>;
extern template class MaxPoolImpl<3>;
FLAMBEAU_MODULE(MaxPool1d);
FLAMBEAU_MODULE(MaxPool2d);
FLAMBEAU_MODULE(MaxPool3d);

template <size_t D>
struct MaxUnpoolOptions {
  MaxUnpoolOptions(Extents<D> kernel) : kernel_size_(kernel), stride_(kernel) {}
  FLAMBEAU_ARG(MaxUnpoolOptions, Extents<D>, kernel_size);
  FLAMBEAU_ARG(MaxUnpoolOptions, Extents<D>, stride);
  FLAMBEAU_ARG(MaxUnpoolOptions, Extents<D>, padding) = 0;
};
using MaxUnpool1dOptions = MaxUnpoolOptions<1>;
using MaxUnpool2dOptions = MaxUnpoolOptions<2>;
using MaxUnpool3dOptions = MaxUnpoolOptions<3>;
/// Puts values back to where MaxPool found them, zeros elsewhere.
template <size_t D>
class MaxUnpoolImpl : public Module {
 public:
  explicit MaxUnpoolImpl(Extents<D> kernel) : MaxUnpoolImpl(MaxUnpoolOptions<D>(kernel)) {}
  explicit MaxUnpoolImpl(const MaxUnpoolOptions<D>& o) : options(o) {}
  /// `output_size`: the size of what was pooled, spatial dimensions or all; the smallest possible one unless given.
  /// Throws Error(Value) for an impossible one.
  Tensor forward(const Tensor& x, const Tensor& indices, OptionalIntList output_size = std::nullopt) const;
  MaxUnpoolOptions<D> options;
};
using MaxUnpool1dImpl = MaxUnpoolImpl<1>;
using MaxUnpool2dImpl = MaxUnpoolImpl<2>;
using MaxUnpool3dImpl = MaxUnpoolImpl<3>;
extern template class MaxUnpoolImpl<1>;
extern template class MaxUnpoolImpl<2>;
extern template class MaxUnpoolImpl<3>;
FLAMBEAU_MODULE(MaxUnpool1d);
FLAMBEAU_MODULE(MaxUnpool2d);
FLAMBEAU_MODULE(MaxUnpool3d);

template <size_t D>
struct AvgPoolOptions {
  AvgPoolOptions(Extents<D> kernel) : kernel_size_(kernel), stride_(kernel) {}
  FLAMBEAU_ARG(AvgPoolOptions, Extents<D>, kernel_size);
  FLAMBEAU_ARG(AvgPoolOptions, Extents<D>, stride);
  FLAMBEAU_ARG(AvgPoolOptions, Extents<D>, padding) = 0;
  FLAMBEAU_ARG(AvgPoolOptions, bool, ceil_mode) = false;
  /// Zeros of the padding count in the mean.
  FLAMBEAU_ARG(AvgPoolOptions, bool, count_include_pad) = true;
  /// What sums are divided by instead of the number of elements; not in one dimension.
  FLAMBEAU_ARG(AvgPoolOptions, std::optional<int64_t>, divisor_override);
};
using AvgPool1dOptions = AvgPoolOptions<1>;
using AvgPool2dOptions = AvgPoolOptions<2>;
using AvgPool3dOptions = AvgPoolOptions<3>;
/// Mean of each window of [n, c, ...] or [c, ...].
template <size_t D>
class AvgPoolImpl : public Module {
 public:
  explicit AvgPoolImpl(Extents<D> kernel) : AvgPoolImpl(AvgPoolOptions<D>(kernel)) {}
  explicit AvgPoolImpl(const AvgPoolOptions<D>& o) : options(o) {}
  Tensor forward(const Tensor& x) const;
  AvgPoolOptions<D> options;
};
using AvgPool1dImpl = AvgPoolImpl<1>;
using AvgPool2dImpl = AvgPoolImpl<2>;
using AvgPool3dImpl = AvgPoolImpl<3>;
extern template class AvgPoolImpl<1>;
extern template class AvgPoolImpl<2>;
extern template class AvgPoolImpl<3>;
FLAMBEAU_MODULE(AvgPool1d);
FLAMBEAU_MODULE(AvgPool2d);
FLAMBEAU_MODULE(AvgPool3d);

/// Output sizes; none keeps the input's.
template <size_t D>
using AdaptiveSize = Spread<std::optional<int64_t>, D>;
template <size_t D>
struct AdaptivePoolOptions {
  AdaptivePoolOptions(AdaptiveSize<D> size) : output_size_(size) {}
  FLAMBEAU_ARG(AdaptivePoolOptions, AdaptiveSize<D>, output_size);
};
/// Means over windows chosen so that the output has `output_size`.
template <size_t D>
class AdaptiveAvgPoolImpl : public Module {
 public:
  explicit AdaptiveAvgPoolImpl(AdaptiveSize<D> size) : options(size) {}
  explicit AdaptiveAvgPoolImpl(const AdaptivePoolOptions<D>& o) : options(o) {}
  Tensor forward(const Tensor& x) const;
  AdaptivePoolOptions<D> options;
};
/// Largest values of windows chosen so that the output has `output_size`.
template <size_t D>
class AdaptiveMaxPoolImpl : public Module {
 public:
  explicit AdaptiveMaxPoolImpl(AdaptiveSize<D> size) : options(size) {}
  explicit AdaptiveMaxPoolImpl(const AdaptivePoolOptions<D>& o) : options(o) {}
  Tensor forward(const Tensor& x) const { return std::get<0>(forward_with_indices(x)); }
  std::tuple<Tensor, Tensor> forward_with_indices(const Tensor& x) const;
  AdaptivePoolOptions<D> options;
};
using AdaptiveAvgPool1dImpl = AdaptiveAvgPoolImpl<1>;
using AdaptiveAvgPool2dImpl = AdaptiveAvgPoolImpl<2>;
using AdaptiveAvgPool3dImpl = AdaptiveAvgPoolImpl<3>;
using AdaptiveMaxPool1dImpl = AdaptiveMaxPoolImpl<1>;
using AdaptiveMaxPool2dImpl = AdaptiveMaxPoolImpl<2>;
using AdaptiveMaxPool3dImpl = AdaptiveMaxPoolImpl<3>;
extern template class AdaptiveAvgPoolImpl<1>;
extern template class AdaptiveAvgPoolImpl<2>;
extern template class AdaptiveAvgPoolImpl<3>;
extern template class AdaptiveMaxPoolImpl<1>;
extern template class AdaptiveMaxPoolImpl<2>;
extern template class AdaptiveMaxPoolImpl<3>;
FLAMBEAU_MODULE(AdaptiveAvgPool1d);
FLAMBEAU_MODULE(AdaptiveAvgPool2d);
FLAMBEAU_MODULE(AdaptiveAvgPool3d);
FLAMBEAU_MODULE(AdaptiveMaxPool1d);
FLAMBEAU_MODULE(AdaptiveMaxPool2d);
FLAMBEAU_MODULE(AdaptiveMaxPool3d);

template <size_t D>
struct LPPoolOptions {
  LPPoolOptions(double norm_type, Extents<D> kernel) : norm_type_(norm_type), kernel_size_(kernel), stride_(kernel) {}
  FLAMBEAU_ARG(LPPoolOptions, double, norm_type);
  FLAMBEAU_ARG(LPPoolOptions, Extents<D>, kernel_size);
  FLAMBEAU_ARG(LPPoolOptions, Extents<D>, stride);
  FLAMBEAU_ARG(LPPoolOptions, bool, ceil_mode) = false;
};
using LPPool1dOptions = LPPoolOptions<1>;
using LPPool2dOptions = LPPoolOptions<2>;
/// (sum of x^p)^(1/p) over each window of [n, c, ...] or [c, ...].
template <size_t D>
class LPPoolImpl : public Module {
 public:
  LPPoolImpl(double norm_type, Extents<D> kernel) : LPPoolImpl(LPPoolOptions<D>(norm_type, kernel)) {}
  explicit LPPoolImpl(const LPPoolOptions<D>& o) : options(o) {}
  Tensor forward(const Tensor& x) const;
  LPPoolOptions<D> options;
};
using LPPool1dImpl = LPPoolImpl<1>;
using LPPool2dImpl = LPPoolImpl<2>;
extern template class LPPoolImpl<1>;
extern template class LPPoolImpl<2>;
FLAMBEAU_MODULE(LPPool1d);
FLAMBEAU_MODULE(LPPool2d);

template <size_t D>
using Ratios = Spread<double, D>;
template <size_t D>
struct FractionalMaxPoolOptions {
  FractionalMaxPoolOptions(Extents<D> kernel) : kernel_size_(kernel) {}
  FLAMBEAU_ARG(FractionalMaxPoolOptions, Extents<D>, kernel_size);
  /// The output's size, or its share of the input's, in (0, 1).
  FLAMBEAU_ARG(FractionalMaxPoolOptions, std::optional<Extents<D>>, output_size);
  FLAMBEAU_ARG(FractionalMaxPoolOptions, std::optional<Ratios<D>>, output_ratio);
  /// Where the windows start, [n, c, D] of [0, 1); drawn in each call when undefined.
  FLAMBEAU_ARG(FractionalMaxPoolOptions, Tensor, _random_samples);
};
using FractionalMaxPool2dOptions = FractionalMaxPoolOptions<2>;
using FractionalMaxPool3dOptions = FractionalMaxPoolOptions<3>;
/// Largest value of each of randomly placed windows. Source: https://arxiv.org/abs/1412.6071
template <size_t D>
class FractionalMaxPoolImpl : public Module {
 public:
  explicit FractionalMaxPoolImpl(const FractionalMaxPoolOptions<D>& options);
  Tensor forward(const Tensor& x) const { return std::get<0>(forward_with_indices(x)); }
  std::tuple<Tensor, Tensor> forward_with_indices(const Tensor& x) const;
  FractionalMaxPoolOptions<D> options;
};
using FractionalMaxPool2dImpl = FractionalMaxPoolImpl<2>;
using FractionalMaxPool3dImpl = FractionalMaxPoolImpl<3>;
extern template class FractionalMaxPoolImpl<2>;
extern template class FractionalMaxPoolImpl<3>;
FLAMBEAU_MODULE(FractionalMaxPool2d);
FLAMBEAU_MODULE(FractionalMaxPool3d);

}  // namespace flambeau::nn
