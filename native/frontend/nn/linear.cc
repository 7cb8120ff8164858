// Linear and bilinear layers.
#include "flambeau/nn/linear.h"

#include <cmath>

#include "frontend/nn/layers.h"

namespace flambeau::nn {

void resetWeights(const Tensor& weight, const Tensor& bias) {
  init::kaiming_uniform_(weight, std::sqrt(5.0));
  if (!bias.defined()) return;
  const int64_t fan = init::fan_in_and_fan_out(weight).first;
  const double bound = fan > 0 ? 1 / std::sqrt(static_cast<double>(fan)) : 0;
  init::uniform_(bias, -bound, bound);
}

LinearImpl::LinearImpl(const LinearOptions& o) : options(o) {
  FB_CHECK(o.in_features() >= 0 && o.out_features() >= 0, Value,
           "Linear: the numbers of features must not be negative");
  weight = register_parameter("weight", parameter(Dims{o.out_features(), o.in_features()}));
  bias = register_parameter("bias", o.bias() ? parameter(Dims{o.out_features()}) : Tensor());
  resetWeights(weight, bias);
}

BilinearImpl::BilinearImpl(const BilinearOptions& o) : options(o) {
  FB_CHECK(o.in1_features() > 0 && o.in2_features() >= 0 && o.out_features() >= 0, Value,
           "Bilinear: the numbers of features must not be negative, that of the first input not zero");
  weight = register_parameter("weight", parameter(Dims{o.out_features(), o.in1_features(), o.in2_features()}));
  bias = register_parameter("bias", o.bias() ? parameter(Dims{o.out_features()}) : Tensor());
  const double bound = 1 / std::sqrt(static_cast<double>(o.in1_features()));
  init::uniform_(weight, -bound, bound);
  if (bias.defined()) init::uniform_(bias, -bound, bound);
}
Tensor BilinearImpl::forward(const Tensor& x1, const Tensor& x2) const {
  const int64_t n1 = options.in1_features(), n2 = options.in2_features(), out = options.out_features();
  const auto check = [](int which, const Tensor& x, int64_t wanted) {
    const int64_t got = x.dim() > 0 ? x.size(-1) : 1;
    FB_CHECK(x.dim() > 0 && got == wanted, Shape,
             "bilinear(): input%d size does not match weight size: got %lld but expected %lld", which,
             static_cast<long long>(got), static_cast<long long>(wanted));
  };
  check(1, x1, n1);
  check(2, x2, n2);
  // x1 A for all outputs is one product; x2 then takes part element by element.
  const Tensor left = ops::matmul(x1, ops::reshape(ops::permute(weight, Dims{1, 0, 2}), Dims{n1, out * n2}));
  Dims sizes(x1.sizes().first(x1.sizes().size() - 1));
  sizes.push_back(out);
  sizes.push_back(n2);
  const Tensor y = ops::sum(ops::mul(ops::reshape(left, sizes), ops::unsqueeze(x2, -2)), Dims{-1}.span());
  return bias.defined() ? ops::add(y, bias) : y;
}

}  // namespace flambeau::nn
