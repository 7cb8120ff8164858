// Convolutions: weights, padding beyond equal zeros on both sides, sizes of transposed ones.
#include "flambeau/nn/conv.h"

#include "frontend/nn/layers.h"

namespace flambeau::nn {

template <size_t D, bool Transposed>
ConvNdImpl<D, Transposed>::ConvNdImpl(const ConvOptions<D>& o) : options(o) {
  FB_CHECK(o.groups() > 0, Value, "groups must be a positive integer");
  FB_CHECK(o.in_channels() % o.groups() == 0, Value, "in_channels must be divisible by groups");
  FB_CHECK(o.out_channels() % o.groups() == 0, Value, "out_channels must be divisible by groups");
  const std::string& mode = o.padding_mode();
  FB_CHECK(mode == "zeros" || mode == "reflect" || mode == "replicate" || mode == "circular", Value,
           "padding_mode must be one of 'zeros', 'reflect', 'replicate', 'circular', but got padding_mode='%s'",
           mode.c_str());
  if (Transposed)
    FB_CHECK(mode == "zeros" && !o.padding().same, Value,
             "Only \"zeros\" padding mode is supported for ConvTranspose%zud", D);
  for (const int64_t s : o.stride())
    FB_CHECK(!o.padding().same || s == 1, Value, "padding='same' is not supported for strided convolutions");
  Dims sizes = Transposed ? Dims{o.in_channels(), o.out_channels() / o.groups()}
                          : Dims{o.out_channels(), o.in_channels() / o.groups()};
  for (const int64_t k : o.kernel_size()) sizes.push_back(k);
  weight = register_parameter("weight", parameter(sizes));
  bias = register_parameter("bias", o.bias() ? parameter(Dims{o.out_channels()}) : Tensor());
  resetWeights(weight, bias);
}

namespace {

/// [before, after] of each dimension; the odd one out of 'same' goes behind, as in PyTorch.
template <size_t D>
std::array<std::pair<int64_t, int64_t>, D> sides(const ConvOptions<D>& o) {
  std::array<std::pair<int64_t, int64_t>, D> out;
  for (size_t d = 0; d < D; ++d) {
    const int64_t p = o.padding().sizes[d], total = o.dilation()[d] * (o.kernel_size()[d] - 1);
    out[d] = o.padding().same ? std::pair(total / 2, total - total / 2) : std::pair(p, p);
  }
  return out;
}

}  // namespace

template <size_t D, bool Transposed>
Tensor ConvNdImpl<D, Transposed>::forward(const Tensor& x) const {
  const auto& o = options;
  if constexpr (Transposed)
    return transposed(x, o.output_padding().span());
  else {
    const auto pads = sides(o);
    bool first = o.padding_mode() != "zeros";
    for (const auto& [before, after] : pads) first = first || before != after;
    // Equal zeros on both sides are the op's own business; everything else is added to the input first.
    Dims own, lastFirst;
    for (size_t d = 0; d < D; ++d) {
      own.push_back(first ? 0 : pads[d].first);
      lastFirst.push_back(pads[D - 1 - d].first);
      lastFirst.push_back(pads[D - 1 - d].second);
    }
    const bool any = first && std::ranges::any_of(lastFirst, [](int64_t p) { return p != 0; });
    const std::string_view mode = o.padding_mode() == "zeros" ? "constant" : std::string_view(o.padding_mode());
    const Tensor in = any ? ops::pad(x, lastFirst, mode, std::nullopt) : x;
    const IntSpan stride = o.stride().span(), dilation = o.dilation().span();
    if constexpr (D == 1) return ops::conv1d(in, weight, bias, stride, own, dilation, o.groups());
    if constexpr (D == 2) return ops::conv2d(in, weight, bias, stride, own, dilation, o.groups());
    if constexpr (D == 3) return ops::conv3d(in, weight, bias, stride, own, dilation, o.groups());
  }
}

template <size_t D, bool Transposed>
Tensor ConvNdImpl<D, Transposed>::forward(const Tensor& x, IntList output_size) const requires Transposed {
  const auto& o = options;
  const IntSpan all = output_size.span();
  FB_CHECK(x.dim() == D + 1 || x.dim() == D + 2, Shape, "ConvTranspose%zuD: got input of shape %s", D,
           shapeString(x.sizes()).c_str());
  const size_t before = static_cast<size_t>(x.dim()) - D;
  const IntSpan wanted = all.size() == D + before ? all.subspan(before) : all;
  FB_CHECK(wanted.size() == D, Shape,
           "ConvTranspose%zuD: for %lldD input, output_size must have %zu or %zu elements (got %zu)", D,
           static_cast<long long>(x.dim()), D, D + before, all.size());
  Dims least, most, pads;
  bool fits = true;
  for (size_t d = 0; d < D; ++d) {
    least.push_back((x.sizes()[before + d] - 1) * o.stride()[d] - 2 * o.padding().sizes[d] +
                    o.dilation()[d] * (o.kernel_size()[d] - 1) + 1);
    most.push_back(least[d] + o.stride()[d] - 1);
    pads.push_back(wanted[d] - least[d]);
    fits = fits && wanted[d] >= least[d] && wanted[d] <= most[d];
  }
  FB_CHECK(fits, Shape, "requested an output size of %s, but valid sizes range from %s to %s (for an input of %s)",
           shapeString(wanted).c_str(), shapeString(least).c_str(), shapeString(most).c_str(),
           shapeString(x.sizes().subspan(before)).c_str());
  return transposed(x, pads);
}

template <size_t D, bool Transposed>
Tensor ConvNdImpl<D, Transposed>::transposed(const Tensor& x, IntSpan more) const {
  const auto& o = options;
  const IntSpan stride = o.stride().span(), padding = o.padding().sizes.span(), dilation = o.dilation().span();
  if constexpr (D == 1) return ops::convTranspose1d(x, weight, bias, stride, padding, more, o.groups(), dilation);
  if constexpr (D == 2) return ops::convTranspose2d(x, weight, bias, stride, padding, more, o.groups(), dilation);
  if constexpr (D == 3) return ops::convTranspose3d(x, weight, bias, stride, padding, more, o.groups(), dilation);
}

template class ConvNdImpl<1, false>;
template class ConvNdImpl<2, false>;
template class ConvNdImpl<3, false>;
template class ConvNdImpl<1, true>;
template class ConvNdImpl<2, true>;
template class ConvNdImpl<3, true>;

}  // namespace flambeau::nn
