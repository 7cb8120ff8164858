// Layers that rearrange or resample.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "flambeau/functions.h"
#include "flambeau/nn/module.h"
#include "flambeau/nn/options.h"

namespace flambeau::nn {

struct FlattenOptions {
  FLAMBEAU_ARG(FlattenOptions, int64_t, start_dim) = 1;
  FLAMBEAU_ARG(FlattenOptions, int64_t, end_dim) = -1;
};
/// Joins the dimensions from `start_dim` to `end_dim`.
class FlattenImpl : public Module {
 public:
  explicit FlattenImpl(int64_t start = 1, int64_t end = -1) : options(FlattenOptions().start_dim(start).end_dim(end)) {}
  explicit FlattenImpl(const FlattenOptions& o) : options(o) {}
  Tensor forward(const Tensor& x) const { return x.flatten(options.start_dim(), options.end_dim()); }
  FlattenOptions options;
};
FLAMBEAU_MODULE(Flatten);

struct UnflattenOptions {
  UnflattenOptions(int64_t dim, std::vector<int64_t> sizes) : dim_(dim), sizes_(std::move(sizes)) {}
  FLAMBEAU_ARG(UnflattenOptions, int64_t, dim);
  FLAMBEAU_ARG(UnflattenOptions, std::vector<int64_t>, sizes);
};
/// Splits dimension `dim` into several; one size may be -1.
class UnflattenImpl : public Module {
 public:
  UnflattenImpl(int64_t dim, std::vector<int64_t> sizes) : UnflattenImpl(UnflattenOptions(dim, std::move(sizes))) {}
  explicit UnflattenImpl(const UnflattenOptions& options);
  Tensor forward(const Tensor& x) const;
  UnflattenOptions options;
};
FLAMBEAU_MODULE(Unflatten);

struct UnfoldOptions {
  UnfoldOptions(Extents<2> kernel) : kernel_size_(kernel) {}
  FLAMBEAU_ARG(UnfoldOptions, Extents<2>, kernel_size);
  FLAMBEAU_ARG(UnfoldOptions, Extents<2>, dilation) = 1;
  FLAMBEAU_ARG(UnfoldOptions, Extents<2>, padding) = 0;
  FLAMBEAU_ARG(UnfoldOptions, Extents<2>, stride) = 1;
};
/// The windows of [n, c, h, w] as columns: [n, c * kernel, windows].
class UnfoldImpl : public Module {
 public:
  explicit UnfoldImpl(Extents<2> kernel) : options(kernel) {}
  explicit UnfoldImpl(const UnfoldOptions& o) : options(o) {}
  Tensor forward(const Tensor& x) const;
  UnfoldOptions options;
};
FLAMBEAU_MODULE(Unfold);

struct FoldOptions {
  FoldOptions(Extents<2> output_size, Extents<2> kernel) : output_size_(output_size), kernel_size_(kernel) {}
  FLAMBEAU_ARG(FoldOptions, Extents<2>, output_size);
  FLAMBEAU_ARG(FoldOptions, Extents<2>, kernel_size);
  FLAMBEAU_ARG(FoldOptions, Extents<2>, dilation) = 1;
  FLAMBEAU_ARG(FoldOptions, Extents<2>, padding) = 0;
  FLAMBEAU_ARG(FoldOptions, Extents<2>, stride) = 1;
};
/// Adds columns [n, c * kernel, windows] up to images [n, c, output_size]: the transpose of Unfold.
class FoldImpl : public Module {
 public:
  FoldImpl(Extents<2> output_size, Extents<2> kernel) : options(output_size, kernel) {}
  explicit FoldImpl(const FoldOptions& o) : options(o) {}
  Tensor forward(const Tensor& x) const;
  FoldOptions options;
};
FLAMBEAU_MODULE(Fold);

/// Layers whose one setting is a number.
#define FLAMBEAU_NUMBERED(Name, op, argument)                                        \
  struct Name##Options {                                                             \
    Name##Options(int64_t argument) : argument##_(argument) {}                       \
    FLAMBEAU_ARG(Name##Options, int64_t, argument);                                  \
  };                                                                                 \
  class Name##Impl : public Module {                                                 \
   public:                                                                           \
    explicit Name##Impl(const Name##Options& o) : options(o) {}                      \
    Tensor forward(const Tensor& x) const { return ops::op(x, options.argument()); } \
    Name##Options options;                                                           \
  };                                                                                 \
  FLAMBEAU_MODULE(Name)
/// [..., c r^2, h, w] to [..., c, h r, w r]. Source: https://arxiv.org/abs/1609.05158
FLAMBEAU_NUMBERED(PixelShuffle, pixelShuffle, upscale_factor);
/// The way back of PixelShuffle.
FLAMBEAU_NUMBERED(PixelUnshuffle, pixelUnshuffle, downscale_factor);
/// Mixes the channels of [n, c, ...] between groups. Source: https://arxiv.org/abs/1707.01083
FLAMBEAU_NUMBERED(ChannelShuffle, channelShuffle, groups);

struct UpsampleOptions {
  /// Size of the output, or its ratio to the input's; one number stands for all dimensions.
  FLAMBEAU_ARG(UpsampleOptions, std::vector<int64_t>, size);
  FLAMBEAU_ARG(UpsampleOptions, std::vector<double>, scale_factor);
  /// 'nearest', 'nearest-exact', 'linear', 'bilinear', 'trilinear', 'bicubic', 'area'.
  FLAMBEAU_ARG(UpsampleOptions, std::string, mode) = "nearest";
  /// The corner pixels of input and output lie on each other; not for 'nearest' and 'area'.
  FLAMBEAU_ARG(UpsampleOptions, std::optional<bool>, align_corners);
  /// Use the ratio of the rounded sizes instead of scale_factor.
  FLAMBEAU_ARG(UpsampleOptions, bool, recompute_scale_factor) = false;
  /// Wider windows when shrinking; 'bilinear' and 'bicubic' only.
  FLAMBEAU_ARG(UpsampleOptions, bool, antialias) = false;
};

namespace functional {
using InterpolateFuncOptions = UpsampleOptions;
/// [n, c, ...] at another size. Throws Error(Value), Error(Shape) with PyTorch's words for settings that do not fit.
Tensor interpolate(const Tensor& x, const InterpolateFuncOptions& options);
}  // namespace functional

/// Resamples [n, c, ...] to a size or by a factor.
class UpsampleImpl : public Module {
 public:
  explicit UpsampleImpl(const UpsampleOptions& o) : options(o) {}
  Tensor forward(const Tensor& x) const { return functional::interpolate(x, options); }
  UpsampleOptions options;
};
FLAMBEAU_MODULE(Upsample);
/// Upsample of images that repeats pixels.
class UpsamplingNearest2dImpl : public UpsampleImpl {
 public:
  explicit UpsamplingNearest2dImpl(UpsampleOptions o) : UpsampleImpl(o.mode("nearest")) {}
};
FLAMBEAU_MODULE(UpsamplingNearest2d);
/// Upsample of images by linear interpolation, corners on corners.
class UpsamplingBilinear2dImpl : public UpsampleImpl {
 public:
  explicit UpsamplingBilinear2dImpl(UpsampleOptions o) : UpsampleImpl(o.mode("bilinear").align_corners(true)) {}
};
FLAMBEAU_MODULE(UpsamplingBilinear2d);

}  // namespace flambeau::nn
