// Weight initialisation with PyTorch's draws: one seed gives the same weights there, in TypeScript and here.
#pragma once
#include <string_view>
#include <utility>

#include "flambeau/tensor.h"

namespace flambeau::nn::init {

/// Inputs and outputs of one unit: extents of dimensions 1 and 0 times the kernel's size. Throws Error(Shape) below two
/// dimensions.
std::pair<int64_t, int64_t> fan_in_and_fan_out(const Tensor& t);
/// The factor that keeps variances through a nonlinearity: 'linear', 'conv1d', ..., 'sigmoid', 'tanh', 'relu',
/// 'leaky_relu' (with its slope), 'selu'. Throws Error(Value) for others.
double calculate_gain(std::string_view nonlinearity, double param = 0.01);

Tensor uniform_(const Tensor& t, double low = 0, double high = 1);
Tensor normal_(const Tensor& t, double mean = 0, double std = 1);
Tensor constant_(const Tensor& t, double value);
Tensor zeros_(const Tensor& t);
Tensor ones_(const Tensor& t);
/// The identity matrix.
Tensor eye_(const Tensor& t);
/// Convolution weights that pass their input through, per group.
Tensor dirac_(const Tensor& t, int64_t groups = 1);
/// He et al., 2015: U(-b, b) with b = gain sqrt(3 / fan); mode 'fan_in' or 'fan_out'.
Tensor kaiming_uniform_(const Tensor& t, double a = 0, std::string_view mode = "fan_in",
                        std::string_view nonlinearity = "leaky_relu");
/// He et al., 2015: N(0, gain^2 / fan).
Tensor kaiming_normal_(const Tensor& t, double a = 0, std::string_view mode = "fan_in",
                       std::string_view nonlinearity = "leaky_relu");
/// Glorot and Bengio, 2010: U(-b, b), b = gain sqrt(6 / (fan_in + fan_out)).
Tensor xavier_uniform_(const Tensor& t, double gain = 1);
/// Glorot and Bengio, 2010: N(0, gain^2 2 / (fan_in + fan_out)).
Tensor xavier_normal_(const Tensor& t, double gain = 1);
/// Normal numbers cut at a and b.
Tensor trunc_normal_(const Tensor& t, double mean = 0, double std = 1, double a = -2, double b = 2);
/// A (semi) orthogonal matrix times `gain`.
Tensor orthogonal_(const Tensor& t, double gain = 1);
/// Normal numbers, `sparsity` of each column zero.
Tensor sparse_(const Tensor& t, double sparsity, double std = 0.01);

/// While one lives, this thread's initialisations leave tensors as they are and draw nothing: for modules whose weights
/// are copied from another one.
class SkipGuard {
 public:
  SkipGuard();
  ~SkipGuard();
  SkipGuard(const SkipGuard&) = delete;
  SkipGuard& operator=(const SkipGuard&) = delete;
};

}  // namespace flambeau::nn::init
