// Convolution as ops: geometry, PyTorch's messages, transposed convolution (which is the gradient of an ordinary one).
#include <algorithm>

#include "cpu/conv_call.h"
#include "cpu/extern_common.h"
#include "cpu/matmul.h"
#include "extern_kernels.h"

namespace flambeau::cpu {
namespace {

using Kind = ConvSpec::Kind;

using Geometry = ConvGeometry;

// One value stands for all spatial dimensions, as in PyTorch.
int64_t at(IntSpan v, size_t d, int64_t none) { return v.empty() ? none : v.size() == 1 ? v[0] : v[d]; }

void checkList(IntSpan v, size_t nd, const char* name) {
  FB_CHECK(v.size() == nd || v.size() == 1, Shape,
           "expected %s to be a single integer value or a list of %zu values to match the convolution dimensions, but "
           "got %s=%s",
           name, nd, name, shapeString(v).c_str());
}

size_t checkGeometry(IntSpan weight, const Geometry& g) {
  FB_CHECK(weight.size() >= 3 && weight.size() <= 5, Shape, "weight should have at least three dimensions");
  const size_t nd = weight.size() - 2;
  checkList(g.stride, nd, "stride");
  checkList(g.padding, nd, "padding");
  checkList(g.dilation, nd, "dilation");
  if (g.transposed) checkList(g.outputPadding, nd, "output_padding");
  FB_CHECK(g.groups > 0, Value, "non-positive groups is not supported");
  for (size_t d = 0; d < nd; ++d) {
    FB_CHECK(at(g.stride, d, 1) > 0, Value, "non-positive stride is not supported");
    FB_CHECK(at(g.padding, d, 0) >= 0, Value, "negative padding is not supported");
    FB_CHECK(at(g.dilation, d, 1) > 0, Value, "dilation should be greater than zero, but got %s",
             shapeString(g.dilation).c_str());
    if (g.transposed)
      FB_CHECK(at(g.outputPadding, d, 0) < std::max(at(g.stride, d, 1), at(g.dilation, d, 1)), Value,
               "output padding must be smaller than either stride or dilation, but got output_padding: %s stride: %s "
               "dilation: %s",
               shapeString(g.outputPadding).c_str(), shapeString(g.stride).c_str(), shapeString(g.dilation).c_str());
  }
  return nd;
}

// The correlation behind the op: `big` is what the kernel slides over, `small` what it gives (swapped when transposed).
ConvSpec specOf(Kind kind, IntSpan big, IntSpan small, IntSpan weight, const Geometry& g, DType dtype) {
  ConvSpec s;
  s.kind = kind;
  s.dtype = dtype;
  s.batch = big[0];
  s.channels = big[1];
  s.outChannels = small[1];
  s.groups = g.groups;
  const size_t nd = weight.size() - 2;
  for (size_t d = 0; d < nd; ++d) {
    const size_t to = 3 - nd + d;
    s.in[to] = big[2 + d];
    s.out[to] = small[2 + d];
    s.kernel[to] = weight[2 + d];
    s.stride[to] = at(g.stride, d, 1);
    s.pad[to] = at(g.padding, d, 0);
    s.dilation[to] = at(g.dilation, d, 1);
  }
  return s;
}

// Sizes of the result for an input and a weight; all of PyTorch's shape checks.
Dims outputSizes(IntSpan input, IntSpan weight, const Geometry& g) {
  const size_t nd = checkGeometry(weight, g);
  FB_CHECK(input.size() == nd + 2, Shape,
           "Expected %zuD (unbatched) or %zuD (batched) input to conv%s%zud, but got input of size: %s", nd + 1, nd + 2,
           g.transposed ? "_transpose" : "", nd, shapeString(input).c_str());
  const int64_t wanted = g.transposed ? weight[0] : weight[1] * g.groups;
  FB_CHECK(
      weight[0] % g.groups == 0, Shape,
      "Given groups=%lld, expected weight to be divisible by %lld at dimension 0, but got weight of size [%s] instead",
      static_cast<long long>(g.groups), static_cast<long long>(g.groups), shapeString(weight).c_str());
  FB_CHECK(input[1] == wanted, Shape,
           "Given %s=%lld, weight of size %s, expected input%s to have %lld channels, but got %lld channels instead",
           g.transposed ? "transposed" : "groups", static_cast<long long>(g.transposed ? 1 : g.groups),
           shapeString(weight).c_str(), shapeString(input).c_str(), static_cast<long long>(wanted),
           static_cast<long long>(input[1]));
  Dims out{input[0], g.transposed ? weight[1] * g.groups : weight[0]};
  std::string padded, kernel;
  bool fits = true;
  for (size_t d = 0; d < nd; ++d) {
    const int64_t s = at(g.stride, d, 1), p = at(g.padding, d, 0), dil = at(g.dilation, d, 1),
                  span = dil * (weight[2 + d] - 1) + 1;
    FB_CHECK(weight[2 + d] > 0, Shape, "kernel size should be greater than zero, but got %s",
             shapeString(weight.subspan(2)).c_str());
    if (g.transposed) {
      out.push_back((input[2 + d] - 1) * s - 2 * p + span + at(g.outputPadding, d, 0));
      FB_CHECK(out.back() >= 0, Shape, "Given input size per channel: %s. Calculated output size is too small",
               shapeString(input.subspan(2)).c_str());
    } else {
      padded += (d ? " x " : "") + std::to_string(input[2 + d] + 2 * p);
      kernel += (d ? " x " : "") + std::to_string(span);
      fits &= input[2 + d] + 2 * p >= span;
      out.push_back((input[2 + d] + 2 * p - span) / s + 1);
    }
  }
  FB_CHECK(fits, Shape,
           "Calculated padded input size per channel: (%s). Kernel size: (%s). Kernel size can't be greater than "
           "actual input size",
           padded.c_str(), kernel.c_str());
  return out;
}

void checkSameDtype(const Tensor& a, const Tensor& b) {
  FB_CHECK(a.dtype() == b.dtype(), Type, "expected scalar type %s but found %s", scalarTypeName(a.dtype()),
           scalarTypeName(b.dtype()));
}

Tensor runConv(const ConvCall& call, const Tensor& first, const Tensor& second, const Tensor& bias) {
  const ConvSpec& s = call.spec;
  const Tensor &a = call.swap ? second : first, &b = call.swap ? first : second;
  const DType dtype = first.dtype();
  const Dims& sizes = call.result;
  Tensor out = emptyTensor(sizes, dtype, a.device());
  if (out.numel() == 0) return out;
  const Tensor x = contiguousOf(castOf(a, s.dtype)), y = contiguousOf(castOf(b, s.dtype));
  const Tensor add = bias.defined() ? contiguousOf(castOf(bias, s.dtype)) : bias;
  const Tensor z = s.dtype == dtype ? out : emptyTensor(sizes, s.dtype);
  planConv(s)->run(x.data(), y.data(), add.defined() ? add.data() : nullptr, z.data());
  if (!z.is(out)) copyInto(out, z);
  return out;
}

// A missing batch dimension is added in front and taken away again.
Tensor batched(const Tensor& t) {
  Dims sizes(t.sizes()), strides(t.strides());
  sizes.insert(0, 1);
  strides.insert(0, t.numel());
  return aliasTensor(t, sizes, strides, t.storageOffset());
}
Tensor unbatched(const Tensor& t) {
  Dims sizes(t.sizes()), strides(t.strides());
  sizes.erase(0);
  strides.erase(0);
  return aliasTensor(t, sizes, strides, t.storageOffset());
}

void checkGradient(const Dims& expected, IntSpan got) {
  FB_CHECK(expected == Dims(got), Shape, "convolution backward: expected a gradient of shape %s, but got %s",
           shapeString(expected).c_str(), shapeString(got).c_str());
}

}  // namespace

ConvCall convolutionCall(IntSpan input, IntSpan weight, const ConvGeometry& g, DType dtype) {
  ConvCall c;
  c.result = outputSizes(input, weight, g);
  c.spec = g.transposed ? specOf(Kind::BackwardInput, c.result, input, weight, g, dtype)
                        : specOf(Kind::Forward, input, c.result, weight, g, dtype);
  return c;
}

ConvCall convolutionInputCall(IntSpan gradOutput, IntSpan weight, IntSpan inputSize, const ConvGeometry& g,
                              DType dtype) {
  ConvCall c;
  checkGradient(outputSizes(inputSize, weight, g), gradOutput);
  c.result = Dims(inputSize);
  c.spec = g.transposed ? specOf(Kind::Forward, gradOutput, inputSize, weight, g, dtype)
                        : specOf(Kind::BackwardInput, inputSize, gradOutput, weight, g, dtype);
  return c;
}

ConvCall convolutionWeightCall(IntSpan gradOutput, IntSpan input, IntSpan weightSize, const ConvGeometry& g,
                               DType dtype) {
  ConvCall c;
  checkGradient(outputSizes(input, weightSize, g), gradOutput);
  c.result = Dims(weightSize);
  c.swap = g.transposed;
  c.spec = g.transposed ? specOf(Kind::BackwardWeight, gradOutput, input, weightSize, g, dtype)
                        : specOf(Kind::BackwardWeight, input, gradOutput, weightSize, g, dtype);
  return c;
}

Tensor convolution(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, IntSpan padding,
                   IntSpan dilation, bool transposed, IntSpan outputPadding, int64_t groups) {
  if (input.dim() == weight.dim() - 1)
    return unbatched(
        convolution(batched(input), weight, bias, stride, padding, dilation, transposed, outputPadding, groups));
  const Geometry g{stride, padding, dilation, transposed, outputPadding, groups};
  ConvCall call = convolutionCall(input.sizes(), weight.sizes(), g, gemmDtype(input.dtype()));
  const Dims& sizes = call.result;
  checkSameDtype(input, weight);
  if (bias.defined()) {
    FB_CHECK(bias.dtype() == input.dtype(), Type, "Input type (%s) and bias type (%s) should be the same",
             std::string(dtypeName(input.dtype())).c_str(), std::string(dtypeName(bias.dtype())).c_str());
    FB_CHECK(bias.dim() == 1 && bias.sizes()[0] == sizes[1], Shape,
             "Given %sweight of size %s, expected bias to be 1-dimensional with %lld elements, but got bias of size %s "
             "instead",
             transposed ? "transposed=1, " : "", shapeString(weight.sizes()).c_str(), static_cast<long long>(sizes[1]),
             shapeString(bias.sizes()).c_str());
  }
  call.spec.bias = bias.defined() && !transposed;
  const Tensor out = runConv(call, input, weight, call.spec.bias ? bias : Tensor());
  if (!transposed) return out;
  if (!bias.defined() || out.numel() == 0) return out;
  const Tensor add = contiguousOf(bias);
  dispatchAll(out.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const int64_t plane = out.numel() / (sizes[0] * sizes[1]);
    T* o = out.ptr<T>();
    for (int64_t i = 0; i < sizes[0] * sizes[1]; ++i)
      for (int64_t j = 0; j < plane; ++j) accumulate(*o++, add.ptr<T>()[i % sizes[1]]);
  });
  return out;
}

Tensor convolutionBackwardInput(const Tensor& gradOutput, const Tensor& weight, IntSpan inputSize, IntSpan stride,
                                IntSpan padding, IntSpan dilation, bool transposed, IntSpan outputPadding,
                                int64_t groups) {
  if (static_cast<int64_t>(inputSize.size()) == weight.dim() - 1) {
    Dims sizes(inputSize);
    sizes.insert(0, 1);
    return unbatched(convolutionBackwardInput(batched(gradOutput), weight, sizes, stride, padding, dilation, transposed,
                                              outputPadding, groups));
  }
  checkSameDtype(gradOutput, weight);
  const Geometry g{stride, padding, dilation, transposed, outputPadding, groups};
  return runConv(convolutionInputCall(gradOutput.sizes(), weight.sizes(), inputSize, g, gemmDtype(gradOutput.dtype())),
                 gradOutput, weight, {});
}

Tensor convolutionBackwardWeight(const Tensor& gradOutput, const Tensor& input, IntSpan weightSize, IntSpan stride,
                                 IntSpan padding, IntSpan dilation, bool transposed, IntSpan outputPadding,
                                 int64_t groups) {
  if (input.dim() == static_cast<int64_t>(weightSize.size()) - 1)
    return convolutionBackwardWeight(batched(gradOutput), batched(input), weightSize, stride, padding, dilation,
                                     transposed, outputPadding, groups);
  checkSameDtype(gradOutput, input);
  const Geometry g{stride, padding, dilation, transposed, outputPadding, groups};
  return runConv(convolutionWeightCall(gradOutput.sizes(), input.sizes(), weightSize, g, gemmDtype(input.dtype())),
                 gradOutput, input, {});
}

}  // namespace flambeau::cpu
