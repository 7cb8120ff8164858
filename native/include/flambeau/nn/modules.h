// Layers, losses and initialisation. Weights are drawn as PyTorch draws them: one seed gives the same network there, in
// TypeScript and here.
#pragma once
#include <array>
#include <cmath>

#include "flambeau/functions.h"
#include "flambeau/nn/module.h"

namespace flambeau::nn {

/// A named option: sets with an argument, reads without.
#define FLAMBEAU_ARG(Self, T, name)         \
  Self& name(T value) {                     \
    name##_ = std::move(value);             \
    return *this;                           \
  }                                         \
  const T& name() const { return name##_; } \
  T name##_

namespace init {
/// Inputs and outputs of one unit: extents of dimensions 1 and 0 times the kernel's size.
std::pair<int64_t, int64_t> fan_in_and_fan_out(const Tensor& t);
Tensor uniform_(const Tensor& t, double low = 0, double high = 1);
Tensor normal_(const Tensor& t, double mean = 0, double std = 1);
Tensor constant_(const Tensor& t, double value);
Tensor zeros_(const Tensor& t);
Tensor ones_(const Tensor& t);
/// He et al., 2015: U(-b, b), b = sqrt(6 / ((1 + a^2) fan_in)).
Tensor kaiming_uniform_(const Tensor& t, double a = 0);
/// Glorot and Bengio, 2010: U(-b, b), b = gain sqrt(6 / (fan_in + fan_out)).
Tensor xavier_uniform_(const Tensor& t, double gain = 1);
}  // namespace init

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

/// Sizes in D dimensions: one number stands for all.
template <size_t D>
struct Extents : std::array<int64_t, D> {
  Extents(int64_t one) { this->fill(one); }
  Extents(int one) : Extents(int64_t{one}) {}
  Extents(std::initializer_list<int64_t> list) {
    FB_CHECK(list.size() == D, Value, "expected %zu numbers, got %zu", D, list.size());
    std::copy(list.begin(), list.end(), this->begin());
  }
  IntSpan span() const { return {this->data(), D}; }
};

template <size_t D>
struct ConvOptions {
  ConvOptions(int64_t in, int64_t out, Extents<D> kernel)
      : in_channels_(in), out_channels_(out), kernel_size_(kernel) {}
  FLAMBEAU_ARG(ConvOptions, int64_t, in_channels);
  FLAMBEAU_ARG(ConvOptions, int64_t, out_channels);
  FLAMBEAU_ARG(ConvOptions, Extents<D>, kernel_size);
  FLAMBEAU_ARG(ConvOptions, Extents<D>, stride) = 1;
  FLAMBEAU_ARG(ConvOptions, Extents<D>, padding) = 0;
  FLAMBEAU_ARG(ConvOptions, Extents<D>, output_padding) = 0;  // transposed only
  FLAMBEAU_ARG(ConvOptions, Extents<D>, dilation) = 1;
  FLAMBEAU_ARG(ConvOptions, int64_t, groups) = 1;
  FLAMBEAU_ARG(ConvOptions, bool, bias) = true;
};
using Conv1dOptions = ConvOptions<1>;
using Conv2dOptions = ConvOptions<2>;
using Conv3dOptions = ConvOptions<3>;

/// Convolution [n, c, ...] to [n, o, ...], or its transpose.
template <size_t D, bool Transposed>
class ConvNdImpl : public Module {
 public:
  ConvNdImpl(int64_t in, int64_t out, Extents<D> kernel) : ConvNdImpl(ConvOptions<D>(in, out, kernel)) {}
  explicit ConvNdImpl(const ConvOptions<D>& options);
  Tensor forward(const Tensor& x) const;
  ConvOptions<D> options;
  Tensor weight, bias;
};
using Conv1dImpl = ConvNdImpl<1, false>;
using Conv2dImpl = ConvNdImpl<2, false>;
using Conv3dImpl = ConvNdImpl<3, false>;
using ConvTranspose1dImpl = ConvNdImpl<1, true>;
using ConvTranspose2dImpl = ConvNdImpl<2, true>;
using ConvTranspose3dImpl = ConvNdImpl<3, true>;
extern template class ConvNdImpl<1, false>;
extern template class ConvNdImpl<2, false>;
extern template class ConvNdImpl<3, false>;
extern template class ConvNdImpl<1, true>;
extern template class ConvNdImpl<2, true>;
extern template class ConvNdImpl<3, true>;
FLAMBEAU_MODULE(Conv1d);
FLAMBEAU_MODULE(Conv2d);
FLAMBEAU_MODULE(Conv3d);
FLAMBEAU_MODULE(ConvTranspose1d);
FLAMBEAU_MODULE(ConvTranspose2d);
FLAMBEAU_MODULE(ConvTranspose3d);

struct BatchNormOptions {
  BatchNormOptions(int64_t features) : num_features_(features) {}
  FLAMBEAU_ARG(BatchNormOptions, int64_t, num_features);
  FLAMBEAU_ARG(BatchNormOptions, double, eps) = 1e-5;
  FLAMBEAU_ARG(BatchNormOptions, double, momentum) = 0.1;
  FLAMBEAU_ARG(BatchNormOptions, bool, affine) = true;
  FLAMBEAU_ARG(BatchNormOptions, bool, track_running_stats) = true;
};
/// Normalises each channel (dimension 1) over the batch while training, by the running statistics else. Lo to Hi
/// dimensions.
template <int Lo, int Hi>
class BatchNormImpl : public Module {
 public:
  explicit BatchNormImpl(int64_t features) : BatchNormImpl(BatchNormOptions(features)) {}
  explicit BatchNormImpl(const BatchNormOptions& options);
  Tensor forward(const Tensor& x) const;
  BatchNormOptions options;
  Tensor weight, bias, running_mean, running_var, num_batches_tracked;
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

/// Normalises the last dimensions, whose extents are `normalized_shape`.
class LayerNormImpl : public Module {
 public:
  explicit LayerNormImpl(IntList normalized_shape, double eps = 1e-5, bool elementwise_affine = true);
  Tensor forward(const Tensor& x) const { return functional::layer_norm(x, shape_.span(), weight, bias, eps_); }
  Tensor weight, bias;

 private:
  Dims shape_;
  double eps_;
};
FLAMBEAU_MODULE(LayerNorm);

/// Normalises groups of channels.
class GroupNormImpl : public Module {
 public:
  GroupNormImpl(int64_t num_groups, int64_t num_channels, double eps = 1e-5, bool affine = true);
  Tensor forward(const Tensor& x) const { return functional::group_norm(x, groups_, weight, bias, eps_); }
  Tensor weight, bias;

 private:
  int64_t groups_;
  double eps_;
};
FLAMBEAU_MODULE(GroupNorm);

/// Rows of a table: indices [...] to [..., dim].
class EmbeddingImpl : public Module {
 public:
  EmbeddingImpl(int64_t num_embeddings, int64_t embedding_dim);
  Tensor forward(const Tensor& indices) const;
  Tensor weight;
};
FLAMBEAU_MODULE(Embedding);

/// Zeros with probability p while training, the others scaled by 1 / (1 - p).
class DropoutImpl : public Module {
 public:
  explicit DropoutImpl(double p = 0.5) : p_(p) {}
  Tensor forward(const Tensor& x) const { return functional::dropout(x, p_, is_training()); }

 private:
  double p_;
};
FLAMBEAU_MODULE(Dropout);

/// Joins the dimensions from `start` to `end`.
class FlattenImpl : public Module {
 public:
  explicit FlattenImpl(int64_t start = 1, int64_t end = -1) : start_(start), end_(end) {}
  Tensor forward(const Tensor& x) const { return x.flatten(start_, end_); }

 private:
  int64_t start_, end_;
};
FLAMBEAU_MODULE(Flatten);

/// Pooling over windows of D dimensions; the stride is the window's size unless given.
template <size_t D, bool Max>
class PoolImpl : public Module {
 public:
  explicit PoolImpl(Extents<D> kernel) : PoolImpl(kernel, kernel) {}
  PoolImpl(Extents<D> kernel, Extents<D> stride, Extents<D> padding = 0)
      : kernel_(kernel), stride_(stride), padding_(padding) {}
  Tensor forward(const Tensor& x) const;

 private:
  Extents<D> kernel_, stride_, padding_;
};
using MaxPool1dImpl = PoolImpl<1, true>;
using MaxPool2dImpl = PoolImpl<2, true>;
using AvgPool1dImpl = PoolImpl<1, false>;
using AvgPool2dImpl = PoolImpl<2, false>;
extern template class PoolImpl<1, true>;
extern template class PoolImpl<2, true>;
extern template class PoolImpl<1, false>;
extern template class PoolImpl<2, false>;
FLAMBEAU_MODULE(MaxPool1d);
FLAMBEAU_MODULE(MaxPool2d);
FLAMBEAU_MODULE(AvgPool1d);
FLAMBEAU_MODULE(AvgPool2d);

/// Modules without state.
#define FLAMBEAU_ACTIVATION(Name, ...)                            \
  class Name##Impl : public Module {                              \
   public:                                                        \
    Tensor forward(const Tensor& x) const { return __VA_ARGS__; } \
  };                                                              \
  FLAMBEAU_MODULE(Name)
FLAMBEAU_ACTIVATION(Identity, x);
FLAMBEAU_ACTIVATION(ReLU, functional::relu(x));
FLAMBEAU_ACTIVATION(GELU, functional::gelu(x));
FLAMBEAU_ACTIVATION(SiLU, functional::silu(x));
FLAMBEAU_ACTIVATION(Tanh, x.tanh());
FLAMBEAU_ACTIVATION(Sigmoid, x.sigmoid());
FLAMBEAU_ACTIVATION(ELU, functional::elu(x));
FLAMBEAU_ACTIVATION(Mish, functional::mish(x));
FLAMBEAU_ACTIVATION(Hardswish, functional::hardswish(x));
FLAMBEAU_ACTIVATION(Softplus, functional::softplus(x));

class SoftmaxImpl : public Module {
 public:
  explicit SoftmaxImpl(int64_t dim) : dim_(dim) {}
  Tensor forward(const Tensor& x) const { return ops::softmax(x, dim_); }

 private:
  int64_t dim_;
};
FLAMBEAU_MODULE(Softmax);
class LogSoftmaxImpl : public Module {
 public:
  explicit LogSoftmaxImpl(int64_t dim) : dim_(dim) {}
  Tensor forward(const Tensor& x) const { return ops::logSoftmax(x, dim_); }

 private:
  int64_t dim_;
};
FLAMBEAU_MODULE(LogSoftmax);

/// Losses with the mean over all elements.
#define FLAMBEAU_LOSS(Name, ...)                                                            \
  class Name##Impl : public Module {                                                        \
   public:                                                                                  \
    Tensor forward(const Tensor& input, const Tensor& target) const { return __VA_ARGS__; } \
  };                                                                                        \
  FLAMBEAU_MODULE(Name)
FLAMBEAU_LOSS(MSELoss, functional::mse_loss(input, target));
FLAMBEAU_LOSS(L1Loss, functional::l1_loss(input, target));
FLAMBEAU_LOSS(CrossEntropyLoss, functional::cross_entropy(input, target));
FLAMBEAU_LOSS(NLLLoss, functional::nll_loss(input, target));
FLAMBEAU_LOSS(BCEWithLogitsLoss, functional::binary_cross_entropy_with_logits(input, target));
FLAMBEAU_LOSS(SmoothL1Loss, functional::smooth_l1_loss(input, target));

}  // namespace flambeau::nn
