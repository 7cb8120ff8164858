// Bodies of convolution and pooling: one number for all dimensions, unbatched inputs.
#include "core/promotion.h"
#include "nn/bodies.h"

namespace flambeau::support {

Dims windowDims(IntSpan given, int64_t spatial, const char* op, const char* what) {
  if (given.size() == 1) return Dims(static_cast<size_t>(spatial), given[0]);
  static const char* words[] = {"one int", "two ints", "three ints"};
  FB_CHECK(static_cast<int64_t>(given.size()) == spatial, Shape,
           "%s: %s must either be a single int, or a tuple of %s, but got %s", op, what, words[spatial - 1],
           shapeString(given).c_str());
  return Dims(given);
}

namespace {

Dims strideOf(std::optional<IntSpan> stride, const Dims& kernel, const std::string& op) {
  if (!stride || stride->empty()) return kernel;
  return windowDims(*stride, static_cast<int64_t>(kernel.size()), op.c_str(), "stride");
}

Tensor withBatch(const Tensor& input, const Tensor& weight, int64_t spatial, const std::string& op, bool& unbatched) {
  unbatched = input.dim() == spatial + 1;
  FB_CHECK(unbatched || input.dim() == spatial + 2, Shape,
           "Expected %lldD (unbatched) or %lldD (batched) input to %s, but got input of size: %s",
           static_cast<long long>(spatial + 1), static_cast<long long>(spatial + 2), op.c_str(),
           shapeString(input.sizes()).c_str());
  FB_CHECK(weight.dim() == spatial + 2, Shape, "Expected %lld-dimensional weight for %s, but got weight of size: %s",
           static_cast<long long>(spatial + 2), op.c_str(), shapeString(weight.sizes()).c_str());
  return unbatched ? ops::unsqueeze(input, 0) : input;
}

Dims spread(IntSpan given, int64_t spatial, const std::string& op, const char* what) {
  if (given.size() == 1) return Dims(static_cast<size_t>(spatial), given[0]);
  FB_CHECK(static_cast<int64_t>(given.size()) == spatial, Value,
           "%s: expected %s to be a single integer value or a list of %lld values, but got %s", op.c_str(), what,
           static_cast<long long>(spatial), shapeString(given).c_str());
  return Dims(given);
}

}  // namespace

Tensor conv(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, IntSpan padding,
            IntSpan dilation, int64_t groups, int64_t spatial) {
  const std::string op = "conv" + std::to_string(spatial) + "d";
  bool unbatched = false;
  const Tensor x = withBatch(input, weight, spatial, op, unbatched);
  const Tensor out =
      ops::convolution(x, weight, bias, spread(stride, spatial, op, "stride"), spread(padding, spatial, op, "padding"),
                       spread(dilation, spatial, op, "dilation"), false, Dims(static_cast<size_t>(spatial), 0), groups);
  return unbatched ? ops::squeeze(out, Dims{0}) : out;
}

Tensor convTransposed(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, IntSpan padding,
                      IntSpan outputPadding, int64_t groups, IntSpan dilation, int64_t spatial) {
  const std::string op = "conv_transpose" + std::to_string(spatial) + "d";
  bool unbatched = false;
  const Tensor x = withBatch(input, weight, spatial, op, unbatched);
  const Tensor out = ops::convolution(
      x, weight, bias, spread(stride, spatial, op, "stride"), spread(padding, spatial, op, "padding"),
      spread(dilation, spatial, op, "dilation"), true, spread(outputPadding, spatial, op, "output_padding"), groups);
  return unbatched ? ops::squeeze(out, Dims{0}) : out;
}

std::tuple<Tensor, Tensor> maxPool(const Tensor& self, IntSpan kernelSize, std::optional<IntSpan> stride,
                                   IntSpan padding, IntSpan dilation, bool ceilMode, int64_t spatial) {
  const std::string op = "max_pool" + std::to_string(spatial) + "d";
  const Dims kernel = windowDims(kernelSize, spatial, op.c_str(), "kernel_size");
  return ops::maxPoolNd(self, kernel, strideOf(stride, kernel, op), windowDims(padding, spatial, op.c_str(), "padding"),
                        windowDims(dilation, spatial, op.c_str(), "dilation"), ceilMode);
}

Tensor avgPool(const Tensor& self, IntSpan kernelSize, std::optional<IntSpan> stride, IntSpan padding, bool ceilMode,
               bool countIncludePad, int64_t spatial, std::optional<int64_t> divisorOverride) {
  const std::string op = "avg_pool" + std::to_string(spatial) + "d";
  const Dims kernel = windowDims(kernelSize, spatial, op.c_str(), "kernel_size");
  return ops::avgPoolNd(self, kernel, strideOf(stride, kernel, op), windowDims(padding, spatial, op.c_str(), "padding"),
                        ceilMode, countIncludePad, divisorOverride);
}

Tensor rootOfMean(const Tensor& mean, double p, IntSpan kernelSize, int64_t spatial) {
  const int64_t count = product(windowDims(kernelSize, spatial, "lp_pool", "kernel_size"));
  const Tensor sums = ops::mul(ops::mul(ops::sign(mean), ops::relu(ops::abs(mean))), Scalar(count));
  return ops::pow(sums, Scalar(1 / p));
}

Tensor gatherPlanes(const Tensor& t, const Tensor& indices, int64_t spatial) {
  const Tensor flat = ops::gather(ops::flatten(t, -spatial, -1), -1, ops::flatten(indices, -spatial, -1));
  return ops::reshape(flat, Dims(indices.sizes()));
}

Tensor maxUnpool(const Tensor& self, const Tensor& indices, IntSpan outputSize) {
  const int64_t spatial = static_cast<int64_t>(outputSize.size()), rank = self.dim();
  FB_CHECK(indices.dtype() == DType::Int64, Type, "elements in indices should be type int64 but got: %s",
           scalarTypeName(indices.dtype()));
  FB_CHECK(rank == spatial + 1 || rank == spatial + 2, Shape,
           "Input to max_unpooling%lldd should be a %lldd or %lldd Tensor, but got a tensor with dim %lld",
           static_cast<long long>(spatial), static_cast<long long>(spatial + 1), static_cast<long long>(spatial + 2),
           static_cast<long long>(rank));
  FB_CHECK(
      std::ranges::equal(self.sizes(), indices.sizes()), Shape,
      "Expected shape of indices to be same as that of the input tensor (%s) but got indices tensor with shape: %s",
      shapeString(self.sizes()).c_str(), shapeString(indices.sizes()).c_str());
  Dims flat, sizes;
  for (int64_t d = 0; d < rank - spatial; ++d) flat.push_back(self.size(d));
  sizes = flat;
  for (int64_t n : outputSize) sizes.push_back(n);
  flat.push_back(product(outputSize));
  const Tensor out = ops::scatter(ops::zeros(flat, self.dtype()), -1, ops::flatten(indices, -spatial, -1),
                                  Operand(ops::flatten(self, -spatial, -1)));
  return ops::reshape(out, sizes);
}

}  // namespace flambeau::support
