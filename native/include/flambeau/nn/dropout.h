// Dropout of elements and of whole channels.
#pragma once
#include "flambeau/functions.h"
#include "flambeau/nn/module.h"
#include "flambeau/nn/options.h"

namespace flambeau::nn {

struct DropoutOptions {
  DropoutOptions(double p = 0.5) : p_(p) {}
  FLAMBEAU_ARG(DropoutOptions, double, p);
  /// The result is written into the input.
  FLAMBEAU_ARG(DropoutOptions, bool, inplace) = false;
};

/// Dropout of some kind: acts while training.
template <Tensor (*Drop)(const Tensor&, double, bool)>
class DropoutNdImpl : public Module {
 public:
  explicit DropoutNdImpl(const DropoutOptions& o = {}) : options(o) {
    FB_CHECK(o.p() >= 0 && o.p() <= 1, Value, "dropout probability has to be between 0 and 1, but got %g", o.p());
  }
  Tensor forward(const Tensor& x) const {
    const Tensor y = Drop(x, options.p(), is_training());
    return options.inplace() && !y.is(x) ? ops::copy_(x, y) : y;
  }
  DropoutOptions options;
};

namespace functional {
/// Zeroes whole channels of [n, c, l] or [c, l].
Tensor dropout1d(const Tensor& x, double p = 0.5, bool training = true);
/// Zeroes whole channels of [n, c, h, w]; as in PyTorch, [n, c, l] counts as batched, too.
Tensor dropout2d(const Tensor& x, double p = 0.5, bool training = true);
/// Zeroes whole channels of [n, c, d, h, w] or [c, d, h, w].
Tensor dropout3d(const Tensor& x, double p = 0.5, bool training = true);
}  // namespace functional

using DropoutImpl = DropoutNdImpl<ops::dropout>;
using Dropout1dImpl = DropoutNdImpl<functional::dropout1d>;
using Dropout2dImpl = DropoutNdImpl<functional::dropout2d>;
using Dropout3dImpl = DropoutNdImpl<functional::dropout3d>;
using AlphaDropoutImpl = DropoutNdImpl<ops::alphaDropout>;
using FeatureAlphaDropoutImpl = DropoutNdImpl<ops::featureAlphaDropout>;
/// Zeroes elements with probability p, the others are scaled by 1 / (1 - p).
FLAMBEAU_MODULE(Dropout);
FLAMBEAU_MODULE(Dropout1d);
FLAMBEAU_MODULE(Dropout2d);
FLAMBEAU_MODULE(Dropout3d);
/// Dropout that keeps mean and variance, for SELU networks. Source: https://arxiv.org/abs/1706.02515
FLAMBEAU_MODULE(AlphaDropout);
/// AlphaDropout of whole channels.
FLAMBEAU_MODULE(FeatureAlphaDropout);

}  // namespace flambeau::nn
