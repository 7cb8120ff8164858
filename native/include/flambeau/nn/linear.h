// Linear and bilinear maps.
#pragma once
#include "flambeau/functions.h"
#include "flambeau/nn/init.h"
#include "flambeau/nn/module.h"
#include "flambeau/nn/options.h"

namespace flambeau::nn {

struct LinearOptions {
  LinearOptions(int64_t in, int64_t out) : in_features_(in), out_features_(out) {}
  FLAMBEAU_ARG(LinearOptions, int64_t, in_features);
  FLAMBEAU_ARG(LinearOptions, int64_t, out_features);
  FLAMBEAU_ARG(LinearOptions, bool, bias) = true;
};
/// x W^T + b over the last dimension: [..., in] to [..., out].
class LinearImpl : public Module {
 public:
  LinearImpl(int64_t in, int64_t out) : LinearImpl(LinearOptions(in, out)) {}
  explicit LinearImpl(const LinearOptions& options);
  Tensor forward(const Tensor& x) const { return functional::linear(x, weight, bias); }
  LinearOptions options;
  Tensor weight, bias;
};
FLAMBEAU_MODULE(Linear);

struct BilinearOptions {
  BilinearOptions(int64_t in1, int64_t in2, int64_t out) : in1_features_(in1), in2_features_(in2), out_features_(out) {}
  FLAMBEAU_ARG(BilinearOptions, int64_t, in1_features);
  FLAMBEAU_ARG(BilinearOptions, int64_t, in2_features);
  FLAMBEAU_ARG(BilinearOptions, int64_t, out_features);
  FLAMBEAU_ARG(BilinearOptions, bool, bias) = true;
};
/// y = x1^T A x2 + b over the last dimensions: [..., in1] and [..., in2] to [..., out].
class BilinearImpl : public Module {
 public:
  BilinearImpl(int64_t in1, int64_t in2, int64_t out) : BilinearImpl(BilinearOptions(in1, in2, out)) {}
  explicit BilinearImpl(const BilinearOptions& options);
  Tensor forward(const Tensor& x1, const Tensor& x2) const;
  BilinearOptions options;
  Tensor weight, bias;
};
FLAMBEAU_MODULE(Bilinear);

/// Returns its input.
class IdentityImpl : public Module {
 public:
  Tensor forward(const Tensor& x) const { return x; }
};
FLAMBEAU_MODULE(Identity);

}  // namespace flambeau::nn
