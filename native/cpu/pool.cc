// 2-d pooling: max with indices, average, adaptive average, and their gradients.
// Source of the rules: aten/src/ATen/native/Pool.h, DilatedMaxPool2d.cpp, AveragePool2d.cpp, AdaptiveAveragePooling.cpp
// of PyTorch.
#include "cpu/pool.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "cpu/extern_common.h"
#include "cpu/pool_kernels.h"
#include "extern_kernels.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kGrain = 1 << 16;  // window elements worth a thread

int64_t pooledSize(int64_t in, int64_t kernel, int64_t pad, int64_t stride, int64_t dilation, bool ceilMode) {
  const int64_t room = in + 2 * pad - dilation * (kernel - 1) - 1 + (ceilMode ? stride - 1 : 0);
  int64_t out = (room >= 0 ? room / stride : -((-room + stride - 1) / stride)) + 1;
  // The last window must start inside the image or its left border.
  if (ceilMode && (out - 1) * stride >= in + pad) --out;
  return out;
}

Dims outSizes(IntSpan input, int64_t h, int64_t w) {
  Dims out(input);
  out[out.size() - 2] = h;
  out[out.size() - 1] = w;
  return out;
}

template <class T>
void maxPlane(const PoolSpec& s, const T* x, T* y, int64_t* index) {
  using C = Compute<T>;
  for (int64_t oh = 0; oh < s.outH; ++oh)
    for (int64_t ow = 0; ow < s.outW; ++ow) {
      int64_t h0 = oh * s.strideH - s.padH, w0 = ow * s.strideW - s.padW;
      const int64_t h1 = std::min(h0 + (s.kernelH - 1) * s.dilationH + 1, s.inH),
                    w1 = std::min(w0 + (s.kernelW - 1) * s.dilationW + 1, s.inW);
      while (h0 < 0) h0 += s.dilationH;
      while (w0 < 0) w0 += s.dilationW;
      int64_t at = h0 * s.inW + w0;
      C best = -std::numeric_limits<C>::infinity();
      for (int64_t h = h0; h < h1; h += s.dilationH)
        for (int64_t w = w0; w < w1; w += s.dilationW) {
          const C v = static_cast<C>(x[h * s.inW + w]);
          if (v > best || std::isnan(v)) {
            best = v;
            at = h * s.inW + w;
          }
        }
      *y++ = static_cast<T>(best);
      *index++ = at;
    }
}

// The tables of Pool2x2, when rows are whole chunks: kept per thread for the geometry seen last.
struct PoolTables {
  int64_t width = -1, outH = -1, outW = -1;
  std::vector<int32_t> groups, windows;
};
Pool2x2 pool2x2(int64_t planes, int64_t inPixels, int64_t width, int64_t outH, int64_t outW) {
  Pool2x2 s{planes, width, inPixels, outH, outW, nullptr, nullptr};
  if (outW % 4 != 0) return s;
  static thread_local PoolTables t;
  if (t.width != width || t.outH != outH || t.outW != outW) {
    t = {width, outH, outW, {}, {}};
    for (int64_t r = 0; r < outH; ++r)
      for (int64_t c = 0; c < outW; ++c) {
        t.windows.push_back(static_cast<int32_t>(2 * r * width + 2 * c));
        if (c % 4 == 0) t.groups.push_back(t.windows.back());
      }
  }
  s.groups = t.groups.data();
  s.windows = t.windows.data();
  return s;
}

}  // namespace

PoolSpec poolSpec(const char* name, IntSpan input, IntSpan kernel, IntSpan stride, IntSpan padding, IntSpan dilation,
                  bool ceilMode) {
  const auto two = [&](IntSpan v, const char* what) {
    FB_CHECK(v.size() == 1 || v.size() == 2, Shape, "%s: %s must either be a single int, or a tuple of two ints", name,
             what);
  };
  two(kernel, "kernel_size");
  if (!stride.empty()) two(stride, "stride");
  two(padding, "padding");
  two(dilation, "dilation");
  PoolSpec s;
  s.kernelH = kernel[0], s.kernelW = kernel.back();
  s.strideH = stride.empty() ? s.kernelH : stride[0], s.strideW = stride.empty() ? s.kernelW : stride.back();
  s.padH = padding[0], s.padW = padding.back();
  s.dilationH = dilation[0], s.dilationW = dilation.back();
  FB_CHECK(s.strideH != 0 && s.strideW != 0, Value, "stride should not be zero");
  FB_CHECK(s.kernelH > 0 && s.kernelW > 0, Value, "kernel size should be greater than zero, but got kH: %lld kW: %lld",
           static_cast<long long>(s.kernelH), static_cast<long long>(s.kernelW));
  FB_CHECK(s.strideH > 0 && s.strideW > 0, Value, "stride should be greater than zero, but got dH: %lld dW: %lld",
           static_cast<long long>(s.strideH), static_cast<long long>(s.strideW));
  FB_CHECK(s.dilationH > 0 && s.dilationW > 0, Value,
           "dilation should be greater than zero, but got dilationH: %lld dilationW: %lld",
           static_cast<long long>(s.dilationH), static_cast<long long>(s.dilationW));
  FB_CHECK(input.size() == 3 || input.size() == 4, Shape, "non-empty 3D or 4D (batch mode) tensor expected for input");
  bool filled = true;
  for (size_t d = input.size() - 3; d < input.size(); ++d) filled &= input[d] > 0;
  FB_CHECK(filled, Shape, "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:%s",
           shapeString(input).c_str());
  s.inH = input[input.size() - 2], s.inW = input[input.size() - 1];
  const auto pads = [&](int64_t pad, int64_t k) {
    FB_CHECK(pad >= 0, Value, "pad must be non-negative, but got pad: %lld", static_cast<long long>(pad));
    FB_CHECK(pad <= k / 2, Value, "pad should be at most half of kernel size, but got pad=%lld and kernel_size=%lld",
             static_cast<long long>(pad), static_cast<long long>(k));
  };
  pads(s.padH, s.kernelH);
  pads(s.padW, s.kernelW);
  s.outH = pooledSize(s.inH, s.kernelH, s.padH, s.strideH, s.dilationH, ceilMode);
  s.outW = pooledSize(s.inW, s.kernelW, s.padW, s.strideW, s.dilationW, ceilMode);
  const int64_t channels = input[input.size() - 3];
  FB_CHECK(s.outH >= 1 && s.outW >= 1, Shape,
           "Given input size: (%lldx%lldx%lld). Calculated output size: (%lldx%lldx%lld). Output size is too small",
           static_cast<long long>(channels), static_cast<long long>(s.inH), static_cast<long long>(s.inW),
           static_cast<long long>(channels), static_cast<long long>(s.outH), static_cast<long long>(s.outW));
  s.planes = channels * (input.size() == 4 ? input[0] : 1);
  return s;
}

void maxPoolPlanes(const PoolSpec& s, DType dtype, const void* x, void* y, int64_t* indices) {
  const int64_t in = s.inH * s.inW, out = s.outH * s.outW;
  const bool simple = dtype == DType::Float32 && s.kernelH == 2 && s.kernelW == 2 && s.strideH == 2 && s.strideW == 2 &&
                      !s.padH && !s.padW && s.dilationH == 1 && s.dilationW == 1 && s.outH * 2 <= s.inH &&
                      s.outW * 2 <= s.inW && in < (int64_t{1} << 31);
  const int64_t grain =
      std::max<int64_t>(1, (simple ? 4 * kGrain : kGrain) / std::max<int64_t>(1, out * s.kernelH * s.kernelW));
  dispatchFloat(dtype, "max_pool2d", [&](auto tag) {
    using T = typename decltype(tag)::type;
    parallelFor(s.planes, grain, [&](int64_t begin, int64_t end) {
      const T* from = static_cast<const T*>(x) + begin * in;
      T* to = static_cast<T*>(y) + begin * out;
      if constexpr (std::is_same_v<T, float>)
        if (simple)
          return poolKernels().max(pool2x2(end - begin, in, s.inW, s.outH, s.outW), from, to, indices + begin * out);
      for (int64_t p = begin; p < end; ++p, from += in, to += out) maxPlane(s, from, to, indices + p * out);
    });
  });
}

void maxPoolBackwardPlanes(DType dtype, int64_t planes, int64_t inH, int64_t inW, int64_t outH, int64_t outW,
                           const void* dy, const int64_t* indices, void* dx) {
  const int64_t inPixels = inH * inW, outPixels = outH * outW;
  // Windows of 2 x 2 side by side: dx is written once, in order, as long as every index lies in its window.
  const bool tiled =
      dtype == DType::Float32 && inH == 2 * outH && inW == 2 * outW && outW % 4 == 0 && inPixels < (int64_t{1} << 31);
  dispatchFloat(dtype, "max_pool2d", [&](auto tag) {
    using T = typename decltype(tag)::type;
    parallelFor(
        planes, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, outPixels)), [&](int64_t begin, int64_t end) {
          if constexpr (std::is_same_v<T, float>) {
            if (tiled && poolKernels().maxBackward(pool2x2(end - begin, inPixels, inW, outH, outW),
                                                   static_cast<const T*>(dy) + begin * outPixels,
                                                   indices + begin * outPixels, static_cast<T*>(dx) + begin * inPixels))
              return;
          }
          for (int64_t p = begin; p < end; ++p) {
            T* to = static_cast<T*>(dx) + p * inPixels;
            const T* g = static_cast<const T*>(dy) + p * outPixels;
            const int64_t* at = indices + p * outPixels;
            std::memset(static_cast<void*>(to), 0, static_cast<size_t>(inPixels) * sizeof(T));
            for (int64_t i = 0; i < outPixels; ++i) {
              FB_CHECK(at[i] >= 0 && at[i] < inPixels, Index,
                       "max_pool2d_backward: index %lld is out of bounds for a plane of %lld elements",
                       static_cast<long long>(at[i]), static_cast<long long>(inPixels));
              accumulate(to[at[i]], g[i]);
            }
          }
        });
  });
}

std::tuple<Tensor, Tensor> maxPool2dWithIndices(const Tensor& self, IntSpan kernelSize, IntSpan stride, IntSpan padding,
                                                IntSpan dilation, bool ceilMode) {
  const PoolSpec s = poolSpec("max_pool2d", self.sizes(), kernelSize, stride, padding, dilation, ceilMode);
  const Dims sizes = outSizes(self.sizes(), s.outH, s.outW);
  Tensor out = emptyTensor(sizes, self.dtype(), self.device()), indices = emptyTensor(sizes, DType::Int64);
  const Tensor x = contiguousOf(self);
  maxPoolPlanes(s, self.dtype(), x.data(), out.data(), indices.ptr<int64_t>());
  return {out, indices};
}

Tensor maxPool2dBackward(const Tensor& gradOutput, const Tensor& indices, IntSpan inputSize) {
  FB_CHECK(Dims(gradOutput.sizes()) == Dims(indices.sizes()) && inputSize.size() == gradOutput.sizes().size() &&
               inputSize.size() >= 3,
           Shape, "max_pool2d_backward: gradient of shape %s does not fit indices of shape %s and input of shape %s",
           shapeString(gradOutput.sizes()).c_str(), shapeString(indices.sizes()).c_str(),
           shapeString(inputSize).c_str());
  FB_CHECK(indices.dtype() == DType::Int64, Type, "max_pool2d_backward: expected indices of type Long, but got %s",
           scalarTypeName(indices.dtype()));
  Tensor out = emptyTensor(inputSize, gradOutput.dtype(), gradOutput.device());
  const Tensor g = contiguousOf(gradOutput), ix = contiguousOf(indices);
  const size_t nd = inputSize.size();
  const int64_t pixels = inputSize[nd - 1] * inputSize[nd - 2];
  maxPoolBackwardPlanes(out.dtype(), pixels ? out.numel() / pixels : 0, inputSize[nd - 2], inputSize[nd - 1],
                        g.sizes()[nd - 2], g.sizes()[nd - 1], g.data(), ix.ptr<int64_t>(), out.data());
  return out;
}

namespace {

struct Window {
  int64_t h0, h1, w0, w1;
  int64_t divisor;
};

Window averageWindow(const PoolSpec& s, int64_t oh, int64_t ow, bool countIncludePad, std::optional<int64_t> divisor) {
  Window v;
  v.h0 = oh * s.strideH - s.padH;
  v.w0 = ow * s.strideW - s.padW;
  v.h1 = std::min(v.h0 + s.kernelH, s.inH + s.padH);
  v.w1 = std::min(v.w0 + s.kernelW, s.inW + s.padW);
  const int64_t padded = (v.h1 - v.h0) * (v.w1 - v.w0);
  v.h0 = std::max<int64_t>(v.h0, 0);
  v.w0 = std::max<int64_t>(v.w0, 0);
  v.h1 = std::min(v.h1, s.inH);
  v.w1 = std::min(v.w1, s.inW);
  v.divisor = divisor ? *divisor : countIncludePad ? padded : (v.h1 - v.h0) * (v.w1 - v.w0);
  return v;
}

PoolSpec averageSpec(IntSpan input, IntSpan kernel, IntSpan stride, IntSpan padding, bool ceilMode,
                     std::optional<int64_t> divisor) {
  FB_CHECK(!divisor || *divisor != 0, Value, "divisor must be not zero");
  constexpr int64_t one[1] = {1};
  return poolSpec("avg_pool2d", input, kernel, stride, padding, one, ceilMode);
}

// Averages over windows given by `window(oh, ow)`; the same walk serves plain and adaptive pooling.
template <class F>
Tensor averageForward(const Tensor& self, const PoolSpec& s, const char* op, F&& window) {
  Tensor out = emptyTensor(outSizes(self.sizes(), s.outH, s.outW), self.dtype(), self.device());
  const Tensor x = contiguousOf(self);
  const auto body = [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_same_v<T, Bool8>) {
      using C = Compute<T>;
      parallelFor(s.planes, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, s.inH * s.inW)),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t p = begin; p < end; ++p) {
                      const T* in = x.ptr<T>() + p * s.inH * s.inW;
                      T* o = out.ptr<T>() + p * s.outH * s.outW;
                      for (int64_t oh = 0; oh < s.outH; ++oh)
                        for (int64_t ow = 0; ow < s.outW; ++ow) {
                          const Window v = window(oh, ow);
                          C sum = 0;
                          for (int64_t h = v.h0; h < v.h1; ++h)
                            for (int64_t w = v.w0; w < v.w1; ++w) sum += static_cast<C>(in[h * s.inW + w]);
                          *o++ = static_cast<T>(v.h0 < v.h1 && v.w0 < v.w1 ? sum / static_cast<C>(v.divisor) : C(0));
                        }
                    }
                  });
    }
  };
  if (self.dtype() == DType::Int64)
    body(Tag<int64_t>{});
  else
    dispatchFloat(self.dtype(), op, body);
  return out;
}

template <class F>
Tensor averageBackward(const Tensor& gradOutput, IntSpan inputSize, const PoolSpec& s, const char* op, F&& window) {
  FB_CHECK(Dims(gradOutput.sizes()) == outSizes(inputSize, s.outH, s.outW), Shape,
           "%s_backward: expected a gradient of shape %s, but got %s", op,
           shapeString(outSizes(inputSize, s.outH, s.outW)).c_str(), shapeString(gradOutput.sizes()).c_str());
  Tensor out = emptyTensor(inputSize, gradOutput.dtype(), gradOutput.device());
  fillWith(out, Scalar(0));
  const Tensor g = contiguousOf(gradOutput);
  dispatchFloat(out.dtype(), op, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Compute<T>;
    parallelFor(s.planes, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, s.inH * s.inW)),
                [&](int64_t begin, int64_t end) {
                  for (int64_t p = begin; p < end; ++p) {
                    T* o = out.ptr<T>() + p * s.inH * s.inW;
                    const T* in = g.ptr<T>() + p * s.outH * s.outW;
                    for (int64_t oh = 0; oh < s.outH; ++oh)
                      for (int64_t ow = 0; ow < s.outW; ++ow) {
                        const Window v = window(oh, ow);
                        const T part = static_cast<T>(static_cast<C>(*in++) / static_cast<C>(v.divisor));
                        for (int64_t h = v.h0; h < v.h1; ++h)
                          for (int64_t w = v.w0; w < v.w1; ++w) accumulate(o[h * s.inW + w], part);
                      }
                  }
                });
  });
  return out;
}

PoolSpec adaptiveSpec(IntSpan input, IntSpan output) {
  FB_CHECK(input.size() == 3 || input.size() == 4, Shape, "adaptive_avg_pool2d(): Expected 3D or 4D tensor, but got %s",
           shapeString(input).c_str());
  FB_CHECK(output.size() == 1 || output.size() == 2, Shape, "adaptive_avg_pool2d: output_size must be 2");
  FB_CHECK(output[0] >= 0 && output.back() >= 0, Value,
           "adaptive_avg_pool2d: elements of output_size must be greater than or equal to 0 but received {%lld, %lld}",
           static_cast<long long>(output[0]), static_cast<long long>(output.back()));
  for (size_t d = input.size() - 2; d < input.size(); ++d)
    FB_CHECK(input[d] > 0, Shape,
             "adaptive_avg_pool2d(): Expected input to have non-zero size for non-batch dimensions, but input has "
             "sizes %s with dimension %zu being empty",
             shapeString(input).c_str(), d);
  PoolSpec s;
  s.inH = input[input.size() - 2], s.inW = input[input.size() - 1];
  s.outH = output[0], s.outW = output.back();
  s.planes = input[input.size() - 3] * (input.size() == 4 ? input[0] : 1);
  return s;
}

Window adaptiveWindow(const PoolSpec& s, int64_t oh, int64_t ow) {
  Window v;
  v.h0 = oh * s.inH / s.outH;
  v.h1 = ((oh + 1) * s.inH + s.outH - 1) / s.outH;
  v.w0 = ow * s.inW / s.outW;
  v.w1 = ((ow + 1) * s.inW + s.outW - 1) / s.outW;
  v.divisor = (v.h1 - v.h0) * (v.w1 - v.w0);
  return v;
}

}  // namespace

Tensor avgPool2d(const Tensor& self, IntSpan kernelSize, IntSpan stride, IntSpan padding, bool ceilMode,
                 bool countIncludePad, std::optional<int64_t> divisorOverride) {
  const PoolSpec s = averageSpec(self.sizes(), kernelSize, stride, padding, ceilMode, divisorOverride);
  return averageForward(self, s, "avg_pool2d",
                        [&](int64_t h, int64_t w) { return averageWindow(s, h, w, countIncludePad, divisorOverride); });
}

Tensor avgPool2dBackward(const Tensor& gradOutput, IntSpan inputSize, IntSpan kernelSize, IntSpan stride,
                         IntSpan padding, bool ceilMode, bool countIncludePad, std::optional<int64_t> divisorOverride) {
  const PoolSpec s = averageSpec(inputSize, kernelSize, stride, padding, ceilMode, divisorOverride);
  return averageBackward(gradOutput, inputSize, s, "avg_pool2d", [&](int64_t h, int64_t w) {
    return averageWindow(s, h, w, countIncludePad, divisorOverride);
  });
}

Tensor adaptiveAvgPool2d(const Tensor& self, IntSpan outputSize) {
  const PoolSpec s = adaptiveSpec(self.sizes(), outputSize);
  return averageForward(self, s, "adaptive_avg_pool2d", [&](int64_t h, int64_t w) { return adaptiveWindow(s, h, w); });
}

Tensor adaptiveAvgPool2dBackward(const Tensor& gradOutput, IntSpan inputSize) {
  FB_CHECK(gradOutput.dim() == 3 || gradOutput.dim() == 4, Shape,
           "adaptive_avg_pool2d_backward(): Expected 3D or 4D tensor, but got %s",
           shapeString(gradOutput.sizes()).c_str());
  const PoolSpec s = adaptiveSpec(inputSize, gradOutput.sizes().last(2));
  return averageBackward(gradOutput, inputSize, s, "adaptive_avg_pool2d",
                         [&](int64_t h, int64_t w) { return adaptiveWindow(s, h, w); });
}

}  // namespace flambeau::cpu
