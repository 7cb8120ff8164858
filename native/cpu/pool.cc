// Max pooling of one to three dimensions: geometry in PyTorch's words, the kernel, its gradient.
// Source of the rules: aten/src/ATen/native/Pool.h, DilatedMaxPool2d.cpp, AdaptiveMaxPooling2d.cpp,
// FractionalMaxPool2d.cpp of PyTorch.
#include "cpu/pool.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <type_traits>

#include "cpu/extern_common.h"
#include "cpu/pool_kernels.h"
#include "cpu/pool_shapes.h"
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

// "kT: 1 kH: 2 kW: 3" of the last `nd` extents.
std::string labelled(const char* prefix, const Extents& e, size_t nd) {
  static const char* axes[] = {"T", "H", "W"};
  std::string text;
  for (size_t d = 3 - nd; d < 3; ++d)
    text += (text.empty() ? "" : " ") + std::string(prefix) + axes[d] + ": " + std::to_string(e[d]);
  return text;
}

std::string crossed(int64_t channels, const Extents& e, size_t nd) {
  std::string text = std::to_string(channels);
  for (size_t d = 3 - nd; d < 3; ++d) text += "x" + std::to_string(e[d]);
  return text;
}

bool positive(const Extents& e) { return e[0] > 0 && e[1] > 0 && e[2] > 0; }

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

// The columns whose windows are of one size and evenly spaced, most often all but those at the borders.
struct EvenColumns {
  size_t begin = 0, end = 0;
  int64_t stride = 1;
};
EvenColumns evenColumns(const std::vector<AxisWindow>& columns) {
  const auto length = [&](size_t i) { return columns[i].end - columns[i].begin; };
  EvenColumns best;
  for (size_t i = 0; i + 1 < columns.size();) {
    const int64_t stride = columns[i + 1].begin - columns[i].begin;
    size_t j = i + 1;
    while (j < columns.size() && length(j) == length(i) && columns[j].begin - columns[j - 1].begin == stride) ++j;
    if (stride > 0 && j - i > best.end - best.begin && j - i > 1) best = {i, j, stride};
    i = j - i > 1 ? j - 1 : i + 1;
  }
  return best;
}

template <class T>
void maxColumns(const Windows& w, const AxisWindow& d, const AxisWindow& h, size_t from, size_t to, const T* x, T* y,
                int64_t* index) {
  using C = Compute<T>;
  for (size_t column = from; column < to; ++column) {
    const AxisWindow& c = w.axis[2][column];
    C best =
        std::numeric_limits<C>::has_infinity ? -std::numeric_limits<C>::infinity() : std::numeric_limits<C>::lowest();
    int64_t at = (d.begin * w.in[1] + h.begin) * w.in[2] + c.begin;
    for (int64_t i = d.begin; i < d.end; i += w.step[0])
      for (int64_t j = h.begin; j < h.end; j += w.step[1]) {
        const int64_t row = (i * w.in[1] + j) * w.in[2];
        for (int64_t k = c.begin; k < c.end; k += w.step[2]) {
          const C v = static_cast<C>(x[row + k]);
          if (v > best || v != v) {
            best = v;
            at = row + k;
          }
        }
      }
    *y++ = static_cast<T>(best);
    *index++ = at;
  }
}

// Planes of float32: rows of evenly spaced windows go through the vector kernel.
void maxPlaneFloat(const Windows& w, const EvenColumns& even, const float* x, float* y, int64_t* index) {
  static thread_local std::vector<int32_t> taps;
  const size_t columns = w.axis[2].size();
  for (const AxisWindow& d : w.axis[0])
    for (const AxisWindow& h : w.axis[1]) {
      const AxisWindow& c = w.axis[2][even.begin];
      taps.clear();
      for (int64_t i = d.begin; i < d.end; i += w.step[0])
        for (int64_t j = h.begin; j < h.end; j += w.step[1])
          for (int64_t k = c.begin; k < c.end; k += w.step[2])
            taps.push_back(static_cast<int32_t>(((i - d.begin) * w.in[1] + (j - h.begin)) * w.in[2] + (k - c.begin)));
      const MaxRow row{static_cast<int64_t>(even.end - even.begin), even.stride,
                       static_cast<int32_t>((d.begin * w.in[1] + h.begin) * w.in[2] + c.begin), taps.data(),
                       static_cast<int64_t>(taps.size())};
      maxColumns(w, d, h, 0, even.begin, x, y, index);
      poolKernels().maxRow(row, x, y + even.begin, index + even.begin);
      maxColumns(w, d, h, even.end, columns, x, y + even.end, index + even.end);
      y += columns;
      index += columns;
    }
}

template <class T>
void maxPlane(const Windows& w, const EvenColumns& even, const T* x, T* y, int64_t* index) {
  if constexpr (std::is_same_v<T, float>)
    if (even.end > even.begin && volume(w.in) < (int64_t{1} << 31)) return maxPlaneFloat(w, even, x, y, index);
  const size_t columns = w.axis[2].size();
  for (const AxisWindow& d : w.axis[0])
    for (const AxisWindow& h : w.axis[1]) {
      maxColumns(w, d, h, 0, columns, x, y, index);
      y += columns;
      index += columns;
    }
}

int64_t windowWork(const Windows& w) {
  int64_t work = 1;
  for (const auto& axis : w.axis) {
    int64_t length = 0;
    for (const AxisWindow& a : axis) length += a.end - a.begin;
    work *= std::max<int64_t>(1, length);
  }
  return work;
}

}  // namespace

PoolSpec poolSpec(const char* name, IntSpan input, IntSpan kernel, IntSpan stride, IntSpan padding, IntSpan dilation,
                  bool ceilMode) {
  const size_t nd = kernel.size();
  static const char* words[] = {"one int", "two ints", "three ints"};
  const auto spread = [&](Extents& to, IntSpan v, const char* what) {
    FB_CHECK(v.size() == 1 || v.size() == nd, Shape, "%s: %s must either be a single int, or a tuple of %s", name, what,
             words[nd - 1]);
    for (size_t d = 0; d < nd; ++d) to[3 - nd + d] = v[v.size() == 1 ? 0 : d];
  };
  PoolSpec s;
  spread(s.kernel, kernel, "kernel_size");
  spread(s.stride, stride.empty() ? kernel : stride, "stride");
  spread(s.pad, padding, "padding");
  spread(s.dilation, dilation, "dilation");
  for (size_t d = 3 - nd; d < 3; ++d) {
    FB_CHECK(s.stride[d] != 0, Value, "stride should not be zero");
    FB_CHECK(s.pad[d] >= 0, Value, "pad must be non-negative, but got pad: %lld", static_cast<long long>(s.pad[d]));
    FB_CHECK(s.pad[d] <= s.kernel[d] / 2, Value,
             "pad should be at most half of kernel size, but got pad=%lld and kernel_size=%lld",
             static_cast<long long>(s.pad[d]), static_cast<long long>(s.kernel[d]));
  }
  FB_CHECK(positive(s.kernel), Value, "kernel size should be greater than zero, but got %s",
           labelled("k", s.kernel, nd).c_str());
  FB_CHECK(positive(s.stride), Value, "stride should be greater than zero, but got %s",
           labelled("d", s.stride, nd).c_str());
  FB_CHECK(positive(s.dilation), Value, "dilation should be greater than zero, but got %s",
           labelled("dilation", s.dilation, nd).c_str());
  s.planes = planesOf(name, input, nd);
  for (size_t d = 0; d < nd; ++d) {
    const size_t to = 3 - nd + d;
    s.in[to] = input[input.size() - nd + d];
    s.out[to] = pooledSize(s.in[to], s.kernel[to], s.pad[to], s.stride[to], s.dilation[to], ceilMode);
  }
  const int64_t channels = input[input.size() - nd - 1];
  FB_CHECK(positive(s.out), Shape, "Given input size: (%s). Calculated output size: (%s). Output size is too small",
           crossed(channels, s.in, nd).c_str(), crossed(channels, s.out, nd).c_str());
  return s;
}

Windows windowsOf(const PoolSpec& s) {
  Windows w;
  w.planes = s.planes;
  w.in = s.in;
  w.out = s.out;
  w.step = s.dilation;
  for (size_t d = 0; d < 3; ++d) {
    w.axis[d].clear();
    const int64_t reach = (s.kernel[d] - 1) * s.dilation[d] + 1;
    for (int64_t o = 0; o < s.out[d]; ++o) {
      int64_t begin = o * s.stride[d] - s.pad[d];
      const int64_t end = begin + reach, padded = std::min(end, s.in[d] + s.pad[d]) - begin;
      while (begin < 0) begin += s.dilation[d];
      w.axis[d].push_back({begin, std::min(end, s.in[d]), padded});
    }
  }
  return w;
}

void maxPlanes(const Windows& w, DType dtype, const char* op, const void* x, void* y, int64_t* indices) {
  const int64_t in = volume(w.in), out = volume(w.out), grain = std::max<int64_t>(1, kGrain / windowWork(w));
  const EvenColumns even = evenColumns(w.axis[2]);
  const auto body = [&](auto tag) {
    using T = typename decltype(tag)::type;
    parallelFor(w.planes, grain, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p)
        maxPlane(w, even, static_cast<const T*>(x) + p * in, static_cast<T*>(y) + p * out, indices + p * out);
    });
  };
  if (isFloating(dtype) || dtype == DType::Bool)
    dispatchFloat(dtype, op, body);
  else
    dispatchAll(dtype, [&](auto tag) {
      if constexpr (std::is_integral_v<typename decltype(tag)::type>) body(tag);
    });
}

void maxPoolPlanes(const PoolSpec& s, DType dtype, const void* x, void* y, int64_t* indices) {
  const int64_t in = volume(s.in), out = volume(s.out);
  const Extents two{1, 2, 2}, none{0, 0, 0}, one{1, 1, 1};
  const bool simple = dtype == DType::Float32 && s.kernel == two && s.stride == two && s.pad == none &&
                      s.dilation == one && s.in[0] == 1 && s.out[1] * 2 <= s.in[1] && s.out[2] * 2 <= s.in[2] &&
                      in < (int64_t{1} << 31);
  if (!simple) return maxPlanes(windowsOf(s), dtype, "max_pool", x, y, indices);
  parallelFor(s.planes, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, out)), [&](int64_t begin, int64_t end) {
    poolKernels().max(pool2x2(end - begin, in, s.in[2], s.out[1], s.out[2]), static_cast<const float*>(x) + begin * in,
                      static_cast<float*>(y) + begin * out, indices + begin * out);
  });
}

void maxPoolBackwardPlanes(DType dtype, int64_t planes, const Extents& in, const Extents& out, const void* dy,
                           const int64_t* indices, void* dx) {
  const int64_t inPixels = volume(in), outPixels = volume(out);
  // Windows of 2 x 2 side by side: dx is written once, in order, as long as every index lies in its window.
  const bool tiled = dtype == DType::Float32 && in[0] == 1 && in[1] == 2 * out[1] && in[2] == 2 * out[2] &&
                     out[2] % 4 == 0 && inPixels < (int64_t{1} << 31);
  dispatchFloat(dtype, "max_pool_backward", [&](auto tag) {
    using T = typename decltype(tag)::type;
    parallelFor(
        planes, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, outPixels)), [&](int64_t begin, int64_t end) {
          if constexpr (std::is_same_v<T, float>) {
            if (tiled && poolKernels().maxBackward(pool2x2(end - begin, inPixels, in[2], out[1], out[2]),
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
                       "max_pool_backward: index %lld is out of bounds for a plane of %lld elements",
                       static_cast<long long>(at[i]), static_cast<long long>(inPixels));
              accumulate(to[at[i]], g[i]);
            }
          }
        });
  });
}

namespace {
std::tuple<Tensor, Tensor> maxOverWindows(const Tensor& self, const Windows& w, size_t nd, const char* op) {
  const Dims sizes = pooledDims(self.sizes(), w.out, nd);
  Tensor out = emptyTensor(sizes, self.dtype(), self.device()), indices = emptyTensor(sizes, DType::Int64);
  const Tensor x = contiguousOf(self);
  maxPlanes(w, self.dtype(), op, x.data(), out.data(), indices.ptr<int64_t>());
  return {out, indices};
}
}  // namespace

std::tuple<Tensor, Tensor> maxPoolNd(const Tensor& self, IntSpan kernelSize, IntSpan stride, IntSpan padding,
                                     IntSpan dilation, bool ceilMode) {
  const size_t nd = kernelSize.size();
  FB_CHECK(nd >= 1 && nd <= 3, Shape, "max pooling takes one to three window sizes, got %zu", nd);
  const std::string name = "max_pool" + std::to_string(nd) + "d";
  const PoolSpec s = poolSpec(name.c_str(), self.sizes(), kernelSize, stride, padding, dilation, ceilMode);
  const Dims sizes = pooledDims(self.sizes(), s.out, nd);
  Tensor out = emptyTensor(sizes, self.dtype(), self.device()), indices = emptyTensor(sizes, DType::Int64);
  const Tensor x = contiguousOf(self);
  maxPoolPlanes(s, self.dtype(), x.data(), out.data(), indices.ptr<int64_t>());
  return {out, indices};
}

Tensor maxPoolNdBackward(const Tensor& gradOutput, const Tensor& indices, IntSpan inputSize, int64_t spatial) {
  const size_t nd = static_cast<size_t>(spatial);
  FB_CHECK(spatial >= 1 && spatial <= 3 && Dims(gradOutput.sizes()) == Dims(indices.sizes()) &&
               inputSize.size() == gradOutput.sizes().size() && inputSize.size() > nd,
           Shape, "max_pool_backward: gradient of shape %s does not fit indices of shape %s and input of shape %s",
           shapeString(gradOutput.sizes()).c_str(), shapeString(indices.sizes()).c_str(),
           shapeString(inputSize).c_str());
  FB_CHECK(indices.dtype() == DType::Int64, Type, "max_pool_backward: expected indices of type Long, but got %s",
           scalarTypeName(indices.dtype()));
  Tensor out = emptyTensor(inputSize, gradOutput.dtype(), gradOutput.device());
  const Tensor g = contiguousOf(gradOutput), ix = contiguousOf(indices);
  const Extents in = extentsOf(inputSize, nd), small = extentsOf(g.sizes(), nd);
  maxPoolBackwardPlanes(out.dtype(), volume(in) ? out.numel() / volume(in) : 0, in, small, g.data(), ix.ptr<int64_t>(),
                        out.data());
  return out;
}

std::tuple<Tensor, Tensor> adaptiveMaxPoolNd(const Tensor& self, IntSpan outputSize) {
  const std::string name = "adaptive_max_pool" + std::to_string(outputSize.size()) + "d";
  return maxOverWindows(self, adaptiveWindows(name.c_str(), self.sizes(), outputSize), outputSize.size(), name.c_str());
}

std::tuple<Tensor, Tensor> fractionalMaxPoolNd(const Tensor& self, IntSpan kernelSize, IntSpan outputSize,
                                               const Tensor& randomSamples) {
  // The windows start at random places that differ from plane to plane.
  const size_t nd = kernelSize.size();
  const std::string name = "fractional_max_pool" + std::to_string(nd) + "d";
  FB_CHECK(nd >= 1 && nd <= 3 && outputSize.size() == nd, Shape, "%s: output_size must have %zu values", name.c_str(),
           nd);
  const int64_t planes = planesOf(name.c_str(), self.sizes(), nd);
  const Extents in = extentsOf(self.sizes(), nd), out = extentsOf(outputSize, nd), kernel = extentsOf(kernelSize, nd);
  for (size_t d = 3 - nd; d < 3; ++d)
    FB_CHECK(kernel[d] > 0 && out[d] > 0 && out[d] + kernel[d] - 1 <= in[d], Value,
             "%s: out %lld is too large relative to input %lld with pool size %lld", name.c_str(),
             static_cast<long long>(out[d]), static_cast<long long>(in[d]), static_cast<long long>(kernel[d]));
  FB_CHECK(randomSamples.dtype() == self.dtype() && randomSamples.numel() >= planes * static_cast<int64_t>(nd), Type,
           "Expect _random_samples to have the same dtype as input and %zu values for each of %lld planes", nd,
           static_cast<long long>(planes));
  const Dims sizes = pooledDims(self.sizes(), out, nd);
  Tensor result = emptyTensor(sizes, self.dtype(), self.device()), indices = emptyTensor(sizes, DType::Int64);
  const Tensor x = contiguousOf(self), samples = contiguousOf(castOf(randomSamples, DType::Float64));
  const int64_t bytes = static_cast<int64_t>(itemSize(self.dtype()));
  // Where a window begins is computed in the dtype of the input: the last bit decides.
  const auto rounded = [single = self.dtype() != DType::Float64](double v) {
    return single ? static_cast<double>(static_cast<float>(v)) : v;
  };
  for (int64_t p = 0; p < planes; ++p) {
    Windows w;
    w.planes = 1;
    w.in = in;
    w.out = out;
    for (size_t d = 3 - nd; d < 3; ++d) {
      // PyTorch's samples run from the last axis to the first in planes, from the first to the last in volumes.
      const size_t place = nd == 3 ? d : 2 - d;
      const double u = samples.ptr<double>()[p * static_cast<int64_t>(nd) + static_cast<int64_t>(place)];
      w.axis[d].clear();
      const double alpha = out[d] > 1 ? rounded(double(in[d] - kernel[d]) / double(out[d] - 1)) : 0;
      for (int64_t o = 0; o < out[d]; ++o) {
        const int64_t begin = o == out[d] - 1 ? in[d] - kernel[d]
                                              : static_cast<int64_t>(rounded(rounded(double(o) + u) * alpha)) -
                                                    static_cast<int64_t>(rounded(u * alpha));
        w.axis[d].push_back({begin, begin + kernel[d], kernel[d]});
      }
    }
    maxPlanes(w, self.dtype(), name.c_str(), static_cast<const char*>(x.data()) + p * volume(in) * bytes,
              static_cast<char*>(result.data()) + p * volume(out) * bytes, indices.ptr<int64_t>() + p * volume(out));
  }
  return {result, indices};
}

}  // namespace flambeau::cpu
