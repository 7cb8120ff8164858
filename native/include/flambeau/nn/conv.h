// Convolutions and their transposes in one to three dimensions.
#pragma once
#include <optional>
#include <string>

#include "flambeau/functions.h"
#include "flambeau/nn/init.h"
#include "flambeau/nn/module.h"
#include "flambeau/nn/options.h"

namespace flambeau::nn {

/// Zeros on both sides: a number per dimension, or 'same' (outputs as large as inputs), or 'valid' (none).
template <size_t D>
struct ConvPadding {
  ConvPadding(int one) : sizes(one) {}
  ConvPadding(int64_t one) : sizes(one) {}
  ConvPadding(std::initializer_list<int64_t> list) : sizes(list) {}
  ConvPadding(Extents<D> each) : sizes(each) {}
  ConvPadding(const char* name) : sizes(0), same(std::string_view(name) == "same") {
    FB_CHECK(same || std::string_view(name) == "valid", Value,
             "Invalid padding string '%s', should be one of 'valid', 'same'", name);
  }
  Extents<D> sizes;
  bool same = false;
};

template <size_t D>
struct ConvOptions {
  ConvOptions(int64_t in, int64_t out, Extents<D> kernel)
      : in_channels_(in), out_channels_(out), kernel_size_(kernel) {}
  FLAMBEAU_ARG(ConvOptions, int64_t, in_channels);
  FLAMBEAU_ARG(ConvOptions, int64_t, out_channels);
  FLAMBEAU_ARG(ConvOptions, Extents<D>, kernel_size);
  FLAMBEAU_ARG(ConvOptions, Extents<D>, stride) = 1;
  FLAMBEAU_ARG(ConvOptions, ConvPadding<D>, padding) = 0;
  FLAMBEAU_ARG(ConvOptions, Extents<D>, output_padding) = 0;  // transposed only
  FLAMBEAU_ARG(ConvOptions, Extents<D>, dilation) = 1;
  FLAMBEAU_ARG(ConvOptions, int64_t, groups) = 1;
  FLAMBEAU_ARG(ConvOptions, bool, bias) = true;
  /// 'zeros', 'reflect', 'replicate', 'circular'; the others than zeros are not for transposed ones.
  FLAMBEAU_ARG(ConvOptions, std::string, padding_mode) = "zeros";
};
using Conv1dOptions = ConvOptions<1>;
using Conv2dOptions = ConvOptions<2>;
using Conv3dOptions = ConvOptions<3>;
using ConvTranspose1dOptions = ConvOptions<1>;
using ConvTranspose2dOptions = ConvOptions<2>;
using ConvTranspose3dOptions = ConvOptions<3>;

/// Convolution [n, c, ...] to [n, o, ...] (n may lack), or its transpose.
template <size_t D, bool Transposed>
class ConvNdImpl : public Module {
 public:
  ConvNdImpl(int64_t in, int64_t out, Extents<D> kernel) : ConvNdImpl(ConvOptions<D>(in, out, kernel)) {}
  explicit ConvNdImpl(const ConvOptions<D>& options);
  Tensor forward(const Tensor& x) const;
  /// The transpose with an output of this size, spatial dimensions or all. Throws Error(Shape) for one that the input
  /// cannot give.
  Tensor forward(const Tensor& x, IntList output_size) const requires Transposed;
  ConvOptions<D> options;
  Tensor weight, bias;

 private:
  Tensor transposed(const Tensor& x, IntSpan output_padding) const;
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

}  // namespace flambeau::nn
