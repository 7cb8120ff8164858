// Pooling layers: the ops of each number of dimensions, sizes of the way back.
#include "flambeau/nn/pooling.h"

#include "frontend/nn/layers.h"

namespace flambeau::nn {

template <size_t D>
Tensor MaxPoolImpl<D>::forward(const Tensor& x) const {
  const auto& o = options;
  const IntSpan kernel = o.kernel_size().span(), stride = o.stride().span(), padding = o.padding().span(),
                dilation = o.dilation().span();
  if constexpr (D == 1) return ops::maxPool1d(x, kernel, stride, padding, dilation, o.ceil_mode());
  if constexpr (D == 2) return ops::maxPool2d(x, kernel, stride, padding, dilation, o.ceil_mode());
  if constexpr (D == 3) return ops::maxPool3d(x, kernel, stride, padding, dilation, o.ceil_mode());
}
template <size_t D>
std::tuple<Tensor, Tensor> MaxPoolImpl<D>::forward_with_indices(const Tensor& x) const {
  const auto& o = options;
  const IntSpan kernel = o.kernel_size().span(), stride = o.stride().span(), padding = o.padding().span(),
                dilation = o.dilation().span();
  if constexpr (D == 1) return ops::maxPool1dWithIndices(x, kernel, stride, padding, dilation, o.ceil_mode());
  if constexpr (D == 2) return ops::maxPool2dWithIndices(x, kernel, stride, padding, dilation, o.ceil_mode());
  if constexpr (D == 3) return ops::maxPool3dWithIndices(x, kernel, stride, padding, dilation, o.ceil_mode());
}
template class MaxPoolImpl<1>;
template class MaxPoolImpl<2>;
template class MaxPoolImpl<3>;

template <size_t D>
Tensor MaxUnpoolImpl<D>::forward(const Tensor& x, const Tensor& indices, OptionalIntList output_size) const {
  const auto& o = options;
  FB_CHECK(x.dim() == D + 1 || x.dim() == D + 2, Shape, "MaxUnpool%zud: got input of shape %s", D,
           shapeString(x.sizes()).c_str());
  const IntSpan spatial = x.sizes().last(D);
  Dims size;
  for (size_t d = 0; d < D; ++d)
    size.push_back((spatial[d] - 1) * o.stride()[d] + o.kernel_size()[d] - 2 * o.padding()[d]);
  if (const auto given = output_size.value()) {
    const IntSpan wanted = given->size() == D + 1 || given->size() == D + 2 ? given->last(D) : *given;
    FB_CHECK(wanted.size() == D, Value,
             "output_size should be a sequence containing %zu or %zu elements, but it has a length of '%zu'", D, D + 2,
             given->size());
    for (size_t d = 0; d < D; ++d)
      FB_CHECK(size[d] - o.stride()[d] < wanted[d] && wanted[d] < size[d] + o.stride()[d], Value,
               "invalid output_size \"%s\" (dim %zu must be between %lld and %lld)", shapeString(wanted).c_str(), d,
               static_cast<long long>(size[d] - o.stride()[d]), static_cast<long long>(size[d] + o.stride()[d]));
    size = Dims(wanted);
  }
  return ops::maxUnpool(x, indices, size);
}
template class MaxUnpoolImpl<1>;
template class MaxUnpoolImpl<2>;
template class MaxUnpoolImpl<3>;

template <size_t D>
Tensor AvgPoolImpl<D>::forward(const Tensor& x) const {
  const auto& o = options;
  const IntSpan kernel = o.kernel_size().span(), stride = o.stride().span(), padding = o.padding().span();
  const bool ceil = o.ceil_mode(), pad = o.count_include_pad();
  if constexpr (D == 1) return ops::avgPool1d(x, kernel, stride, padding, ceil, pad);
  if constexpr (D == 2) return ops::avgPool2d(x, kernel, stride, padding, ceil, pad, o.divisor_override());
  if constexpr (D == 3) return ops::avgPool3d(x, kernel, stride, padding, ceil, pad, o.divisor_override());
}
template class AvgPoolImpl<1>;
template class AvgPoolImpl<2>;
template class AvgPoolImpl<3>;

namespace {

template <size_t D>
Dims wantedSize(const char* name, const Tensor& x, const AdaptiveSize<D>& size) {
  FB_CHECK(x.dim() == D + 1 || x.dim() == D + 2, Shape, "%s%zud: Expected %zuD or %zuD tensor, but got %s", name, D,
           D + 1, D + 2, shapeString(x.sizes()).c_str());
  Dims out;
  for (size_t d = 0; d < D; ++d) out.push_back(size[d].value_or(x.sizes().last(D)[d]));
  return out;
}

}  // namespace

template <size_t D>
Tensor AdaptiveAvgPoolImpl<D>::forward(const Tensor& x) const {
  const Dims size = wantedSize<D>("adaptive_avg_pool", x, options.output_size());
  if constexpr (D == 1) return ops::adaptiveAvgPool1d(x, size);
  if constexpr (D == 2) return ops::adaptiveAvgPool2d(x, size);
  if constexpr (D == 3) return ops::adaptiveAvgPool3d(x, size);
}
template <size_t D>
std::tuple<Tensor, Tensor> AdaptiveMaxPoolImpl<D>::forward_with_indices(const Tensor& x) const {
  const Dims size = wantedSize<D>("adaptive_max_pool", x, options.output_size());
  if constexpr (D == 1) return ops::adaptiveMaxPool1d(x, size);
  if constexpr (D == 2) return ops::adaptiveMaxPool2d(x, size);
  if constexpr (D == 3) return ops::adaptiveMaxPool3d(x, size);
}
template class AdaptiveAvgPoolImpl<1>;
template class AdaptiveAvgPoolImpl<2>;
template class AdaptiveAvgPoolImpl<3>;
template class AdaptiveMaxPoolImpl<1>;
template class AdaptiveMaxPoolImpl<2>;
template class AdaptiveMaxPoolImpl<3>;

template <size_t D>
Tensor LPPoolImpl<D>::forward(const Tensor& x) const {
  const auto& o = options;
  const IntSpan kernel = o.kernel_size().span(), stride = o.stride().span();
  if constexpr (D == 1) return ops::lpPool1d(x, o.norm_type(), kernel, stride, o.ceil_mode());
  if constexpr (D == 2) return ops::lpPool2d(x, o.norm_type(), kernel, stride, o.ceil_mode());
}
template class LPPoolImpl<1>;
template class LPPoolImpl<2>;

template <size_t D>
FractionalMaxPoolImpl<D>::FractionalMaxPoolImpl(const FractionalMaxPoolOptions<D>& o) : options(o) {
  FB_CHECK(o.output_size() || o.output_ratio(), Value,
           "FractionalMaxPool%zud requires specifying either an output size, or a pooling ratio", D);
  FB_CHECK(!o.output_size() || !o.output_ratio(), Value, "only one of output_size and output_ratio may be specified");
  if (!o.output_ratio()) return;
  for (const double r : *o.output_ratio())
    FB_CHECK(r > 0 && r < 1, Value, "output_ratio must be between 0 and 1 (got %g)", r);
}
template <size_t D>
std::tuple<Tensor, Tensor> FractionalMaxPoolImpl<D>::forward_with_indices(const Tensor& x) const {
  const auto& o = options;
  FB_CHECK(x.dim() == D + 1 || x.dim() == D + 2, Shape, "FractionalMaxPool%zud: got input of shape %s", D,
           shapeString(x.sizes()).c_str());
  Dims size;
  for (size_t d = 0; d < D; ++d)
    size.push_back(o.output_size()
                       ? (*o.output_size())[d]
                       : static_cast<int64_t>(static_cast<double>(x.sizes().last(D)[d]) * (*o.output_ratio())[d]));
  const bool batched = x.dim() == D + 2;
  Tensor samples = o._random_samples();
  if (!samples.defined()) {
    samples = emptyTensor(Dims{batched ? x.size(0) : 1, x.size(batched ? 1 : 0), static_cast<int64_t>(D)}, x.dtype());
    ops::uniform_(samples);
  }
  return ops::fractionalMaxPoolNd(x, o.kernel_size().span(), size, samples);
}
template class FractionalMaxPoolImpl<2>;
template class FractionalMaxPoolImpl<3>;

}  // namespace flambeau::nn
