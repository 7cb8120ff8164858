// Activations as modules.
#pragma once
#include <string>

#include "flambeau/functions.h"
#include "flambeau/nn/init.h"
#include "flambeau/nn/module.h"
#include "flambeau/nn/options.h"

namespace flambeau::nn {

/// Activations without settings.
#define FLAMBEAU_ACTIVATION(Name, ...)                            \
  class Name##Impl : public Module {                              \
   public:                                                        \
    Tensor forward(const Tensor& x) const { return __VA_ARGS__; } \
  };                                                              \
  FLAMBEAU_MODULE(Name)
FLAMBEAU_ACTIVATION(Tanh, x.tanh());
FLAMBEAU_ACTIVATION(Sigmoid, x.sigmoid());
FLAMBEAU_ACTIVATION(LogSigmoid, ops::logsigmoid(x));
FLAMBEAU_ACTIVATION(Softsign, ops::softsign(x));
FLAMBEAU_ACTIVATION(Tanhshrink, ops::tanhshrink(x));

/// Activations with settings.
#define FLAMBEAU_ACTIVATION_WITH(Name, ...)                          \
  class Name##Impl : public Module {                                 \
   public:                                                           \
    explicit Name##Impl(const Name##Options& o = {}) : options(o) {} \
    Tensor forward(const Tensor& x) const { return __VA_ARGS__; }    \
    Name##Options options;                                           \
  };                                                                 \
  FLAMBEAU_MODULE(Name)

/// Settings of the activations that have `inplace` only: the result is written into the input.
struct InplaceOptions {
  InplaceOptions(bool inplace = false) : inplace_(inplace) {}
  FLAMBEAU_ARG(InplaceOptions, bool, inplace);
};
#define FLAMBEAU_ACTIVATION_INPLACE(Name, op) \
  using Name##Options = InplaceOptions;       \
  FLAMBEAU_ACTIVATION_WITH(Name, options.inplace() ? ops::op##_(x) : ops::op(x))
FLAMBEAU_ACTIVATION_INPLACE(ReLU, relu);
FLAMBEAU_ACTIVATION_INPLACE(ReLU6, relu6);
FLAMBEAU_ACTIVATION_INPLACE(SiLU, silu);
FLAMBEAU_ACTIVATION_INPLACE(Mish, mish);
FLAMBEAU_ACTIVATION_INPLACE(SELU, selu);
FLAMBEAU_ACTIVATION_INPLACE(Hardswish, hardswish);
FLAMBEAU_ACTIVATION_INPLACE(Hardsigmoid, hardsigmoid);

struct GELUOptions {
  FLAMBEAU_ARG(GELUOptions, std::string, approximate) = "none";  // or 'tanh'
};
/// x * Phi(x).
FLAMBEAU_ACTIVATION_WITH(GELU, ops::gelu(x, options.approximate()));

struct ELUOptions {
  ELUOptions(double alpha = 1) : alpha_(alpha) {}
  FLAMBEAU_ARG(ELUOptions, double, alpha);
  FLAMBEAU_ARG(ELUOptions, bool, inplace) = false;
};
/// x or alpha * (e^x - 1).
FLAMBEAU_ACTIVATION_WITH(ELU, options.inplace() ? ops::elu_(x, options.alpha()) : ops::elu(x, options.alpha()));

using CELUOptions = ELUOptions;
/// max(0, x) + min(0, alpha (e^(x / alpha) - 1)).
FLAMBEAU_ACTIVATION_WITH(CELU, options.inplace() ? ops::celu_(x, options.alpha()) : ops::celu(x, options.alpha()));

struct LeakyReLUOptions {
  LeakyReLUOptions(double slope = 0.01) : negative_slope_(slope) {}
  FLAMBEAU_ARG(LeakyReLUOptions, double, negative_slope);
  FLAMBEAU_ARG(LeakyReLUOptions, bool, inplace) = false;
};
/// x or negative_slope * x.
FLAMBEAU_ACTIVATION_WITH(LeakyReLU, options.inplace() ? ops::leakyRelu_(x, options.negative_slope())
                                                      : ops::leakyRelu(x, options.negative_slope()));

struct RReLUOptions {
  FLAMBEAU_ARG(RReLUOptions, double, lower) = 1.0 / 8;
  FLAMBEAU_ARG(RReLUOptions, double, upper) = 1.0 / 3;
};
/// x, or x times a slope between `lower` and `upper`: random while training, their mean else.
FLAMBEAU_ACTIVATION_WITH(RReLU, ops::rrelu(x, options.lower(), options.upper(), is_training()));

struct HardtanhOptions {
  FLAMBEAU_ARG(HardtanhOptions, double, min_val) = -1;
  FLAMBEAU_ARG(HardtanhOptions, double, max_val) = 1;
  FLAMBEAU_ARG(HardtanhOptions, bool, inplace) = false;
};
/// x kept between two values.
FLAMBEAU_ACTIVATION_WITH(Hardtanh, options.inplace() ? ops::hardtanh_(x, options.min_val(), options.max_val())
                                                     : ops::hardtanh(x, options.min_val(), options.max_val()));

struct SoftplusOptions {
  FLAMBEAU_ARG(SoftplusOptions, double, beta) = 1;
  FLAMBEAU_ARG(SoftplusOptions, double, threshold) = 20;
};
/// log(1 + e^(beta x)) / beta, linear above the threshold.
FLAMBEAU_ACTIVATION_WITH(Softplus, ops::softplus(x, options.beta(), options.threshold()));

struct HardshrinkOptions {
  HardshrinkOptions(double lambda = 0.5) : lambda_(lambda) {}
  FLAMBEAU_ARG(HardshrinkOptions, double, lambda);
};
/// x where |x| > lambda, else 0.
FLAMBEAU_ACTIVATION_WITH(Hardshrink, ops::hardshrink(x, options.lambda()));
using SoftshrinkOptions = HardshrinkOptions;
/// x moved towards 0 by lambda, 0 where it would cross.
FLAMBEAU_ACTIVATION_WITH(Softshrink, ops::softshrink(x, options.lambda()));

struct GLUOptions {
  GLUOptions(int64_t dim = -1) : dim_(dim) {}
  FLAMBEAU_ARG(GLUOptions, int64_t, dim);
};
/// The first half along `dim` times the sigmoid of the second.
FLAMBEAU_ACTIVATION_WITH(GLU, ops::glu(x, options.dim()));

struct ThresholdOptions {
  ThresholdOptions(double threshold, double value) : threshold_(threshold), value_(value) {}
  FLAMBEAU_ARG(ThresholdOptions, double, threshold);
  FLAMBEAU_ARG(ThresholdOptions, double, value);
  FLAMBEAU_ARG(ThresholdOptions, bool, inplace) = false;
};
/// x above the threshold, else `value`.
class ThresholdImpl : public Module {
 public:
  ThresholdImpl(double threshold, double value) : ThresholdImpl(ThresholdOptions(threshold, value)) {}
  explicit ThresholdImpl(const ThresholdOptions& o) : options(o) {}
  Tensor forward(const Tensor& x) const {
    return options.inplace() ? ops::threshold_(x, options.threshold(), options.value())
                             : ops::threshold(x, options.threshold(), options.value());
  }
  ThresholdOptions options;
};
FLAMBEAU_MODULE(Threshold);

struct PReLUOptions {
  FLAMBEAU_ARG(PReLUOptions, int64_t, num_parameters) = 1;
  FLAMBEAU_ARG(PReLUOptions, double, init) = 0.25;
};
/// x, or a learned slope times x: one slope, or one per channel.
class PReLUImpl : public Module {
 public:
  explicit PReLUImpl(const PReLUOptions& options = {});
  Tensor forward(const Tensor& x) const { return ops::prelu(x, weight); }
  PReLUOptions options;
  Tensor weight;
};
FLAMBEAU_MODULE(PReLU);

/// Softmax and its relatives along a dimension.
struct SoftmaxOptions {
  SoftmaxOptions(int64_t dim) : dim_(dim) {}
  FLAMBEAU_ARG(SoftmaxOptions, int64_t, dim);
};
#define FLAMBEAU_SOFTMAX(Name, op)                                              \
  class Name##Impl : public Module {                                            \
   public:                                                                      \
    explicit Name##Impl(const SoftmaxOptions& o) : options(o) {}                \
    Tensor forward(const Tensor& x) const { return ops::op(x, options.dim()); } \
    SoftmaxOptions options;                                                     \
  };                                                                            \
  FLAMBEAU_MODULE(Name)
FLAMBEAU_SOFTMAX(Softmax, softmax);
FLAMBEAU_SOFTMAX(LogSoftmax, logSoftmax);
FLAMBEAU_SOFTMAX(Softmin, softmin);
using LogSoftmaxOptions = SoftmaxOptions;
using SoftminOptions = SoftmaxOptions;
/// Softmax over the channels of [n, c, h, w] or [c, h, w].
class Softmax2dImpl : public Module {
 public:
  Tensor forward(const Tensor& x) const {
    FB_CHECK(x.dim() == 3 || x.dim() == 4, Shape, "Softmax2d requires a 3D or 4D tensor as input, got %lldD",
             static_cast<long long>(x.dim()));
    return ops::softmax(x, -3);
  }
};
FLAMBEAU_MODULE(Softmax2d);

}  // namespace flambeau::nn
