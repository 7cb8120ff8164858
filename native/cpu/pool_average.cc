// Average pooling of one to three dimensions, plain and adaptive, and its gradient.
// Source of the rules: aten/src/ATen/native/AveragePool2d.cpp, AdaptiveAveragePooling.cpp of PyTorch.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "cpu/extern_common.h"
#include "cpu/pool_shapes.h"
#include "extern_kernels.h"

namespace flambeau::cpu {

Extents extentsOf(IntSpan sizes, size_t nd) {
  Extents e{1, 1, 1};
  for (size_t d = 0; d < nd; ++d) e[3 - nd + d] = sizes[sizes.size() - nd + d];
  return e;
}

Dims pooledDims(IntSpan input, const Extents& out, size_t nd) {
  Dims sizes(input);
  for (size_t d = 0; d < nd; ++d) sizes[sizes.size() - nd + d] = out[3 - nd + d];
  return sizes;
}

int64_t planesOf(const char* name, IntSpan input, size_t nd) {
  const size_t rank = input.size();
  FB_CHECK(rank == nd + 1 || rank == nd + 2, Shape,
           "%s: Expected %zuD or %zuD (batch mode) tensor with optional 0 dim batch size for input, but got:%s", name,
           nd + 1, nd + 2, shapeString(input).c_str());
  for (size_t d = rank - nd - 1; d < rank; ++d)
    FB_CHECK(input[d] > 0, Shape,
             "%s: Expected %zuD or %zuD (batch mode) tensor with optional 0 dim batch size for input, but got:%s", name,
             nd + 1, nd + 2, shapeString(input).c_str());
  return input[rank - nd - 1] * (rank == nd + 2 ? input[0] : 1);
}

Windows adaptiveWindows(const char* name, IntSpan input, IntSpan outputSize) {
  const size_t nd = outputSize.size(), rank = input.size();
  FB_CHECK(nd >= 1 && nd <= 3 && (rank == nd + 1 || rank == nd + 2), Shape,
           "%s(): Expected %zuD or %zuD tensor, but got %s", name, nd + 1, nd + 2, shapeString(input).c_str());
  for (size_t d = 0; d < nd; ++d) {
    FB_CHECK(outputSize[d] >= 0, Value,
             "%s: elements of output_size must be greater than or equal to 0 but received %s", name,
             shapeString(outputSize).c_str());
    // Windows are kept axis by axis.
    FB_CHECK(outputSize[d] < int64_t{1} << 31, Value, "%s: elements of output_size must be below 2^31 but received %s",
             name, shapeString(outputSize).c_str());
    FB_CHECK(input[rank - nd + d] > 0, Shape,
             "%s(): Expected input to have non-zero size for non-batch dimensions, but input has sizes %s with "
             "dimension %zu being empty",
             name, shapeString(input).c_str(), rank - nd + d);
  }
  Windows w;
  w.in = extentsOf(input, nd);
  w.out = extentsOf(outputSize, nd);
  w.planes = input[rank - nd - 1] * (rank == nd + 2 ? input[0] : 1);
  for (size_t d = 3 - nd; d < 3; ++d) {
    w.axis[d].clear();
    for (int64_t o = 0; o < w.out[d]; ++o) {
      const int64_t begin = o * w.in[d] / w.out[d], end = ((o + 1) * w.in[d] + w.out[d] - 1) / w.out[d];
      w.axis[d].push_back({begin, end, end - begin});
    }
  }
  return w;
}

namespace {

constexpr int64_t kGrain = 1 << 16;

// Calls f(plane row, begin and end of the last axis) for each run of elements in a window.
template <class F>
void eachRun(const Windows& w, const AxisWindow& d, const AxisWindow& h, F&& f) {
  for (int64_t i = d.begin; i < d.end; ++i)
    for (int64_t j = h.begin; j < h.end; ++j) f((i * w.in[1] + j) * w.in[2]);
}

// Walks the windows of a plane in output order: f(d, h, c, what the sum is divided by).
template <class F>
void eachWindow(const Windows& w, bool countPad, std::optional<int64_t> divisor, F&& f) {
  const auto inside = [](const AxisWindow& a) { return std::max<int64_t>(0, a.end - a.begin); };
  for (const AxisWindow& d : w.axis[0])
    for (const AxisWindow& h : w.axis[1])
      for (const AxisWindow& c : w.axis[2])
        f(d, h, c, divisor ? *divisor : countPad ? d.padded * h.padded * c.padded : inside(d) * inside(h) * inside(c));
}

// Integers wrap around.
template <class C>
C plus(C a, C b) {
  if constexpr (std::is_integral_v<C>)
    return static_cast<C>(static_cast<std::make_unsigned_t<C>>(a) + static_cast<std::make_unsigned_t<C>>(b));
  else
    return a + b;
}
template <class C>
C quotient(C sum, int64_t count) {
  if constexpr (std::is_integral_v<C>)
    if (count == -1) return static_cast<C>(0 - static_cast<std::make_unsigned_t<C>>(sum));
  return sum / static_cast<C>(count);
}

int64_t grainOf(const Windows& w) { return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, volume(w.in))); }

// One plane: the rows of a line of windows are added up first, so that most additions are of neighbours.
template <class T, class C>
void averagePlane(const Windows& w, bool countPad, std::optional<int64_t> divisor, const T* in, C* row, T* out) {
  const int64_t width = w.in[2];
  const auto inside = [](const AxisWindow& a) { return std::max<int64_t>(0, a.end - a.begin); };
  for (const AxisWindow& d : w.axis[0])
    for (const AxisWindow& h : w.axis[1]) {
      std::fill_n(row, width, C(0));
      eachRun(w, d, h, [&](int64_t at) {
        const T* from = in + at;
#pragma omp simd
        for (int64_t k = 0; k < width; ++k) row[k] = plus(row[k], static_cast<C>(from[k]));
      });
      const int64_t rows = inside(d) * inside(h), padded = d.padded * h.padded;
      for (const AxisWindow& c : w.axis[2]) {
        C sum = 0;
        for (int64_t k = c.begin; k < c.end; ++k) sum = plus(sum, row[k]);
        const int64_t taps = rows * inside(c), count = divisor ? *divisor : countPad ? padded * c.padded : taps;
        *out++ = static_cast<T>(taps == 0 ? C(0) : quotient(sum, count));
      }
    }
}

Tensor average(const Tensor& self, const Windows& w, size_t nd, const char* op, bool countPad,
               std::optional<int64_t> divisor) {
  Tensor out = emptyTensor(pooledDims(self.sizes(), w.out, nd), self.dtype(), self.device());
  const Tensor x = contiguousOf(self);
  const auto body = [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Compute<T>;
    parallelFor(w.planes, grainOf(w), [&](int64_t begin, int64_t end) {
      std::vector<C> row(static_cast<size_t>(w.in[2]));
      for (int64_t p = begin; p < end; ++p)
        averagePlane(w, countPad, divisor, x.ptr<T>() + p * volume(w.in), row.data(), out.ptr<T>() + p * volume(w.out));
    });
  };
  if (self.dtype() == DType::Int64)
    body(Tag<int64_t>{});
  else
    dispatchFloat(self.dtype(), op, body);
  return out;
}

Tensor averageBackward(const Tensor& gradOutput, IntSpan inputSize, const Windows& w, size_t nd, const char* op,
                       bool countPad, std::optional<int64_t> divisor) {
  FB_CHECK(Dims(gradOutput.sizes()) == pooledDims(inputSize, w.out, nd), Shape,
           "%s_backward: expected a gradient of shape %s, but got %s", op,
           shapeString(pooledDims(inputSize, w.out, nd)).c_str(), shapeString(gradOutput.sizes()).c_str());
  Tensor out = emptyTensor(inputSize, gradOutput.dtype(), gradOutput.device());
  fillWith(out, Scalar(0));
  const Tensor g = contiguousOf(gradOutput);
  dispatchFloat(out.dtype(), op, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Compute<T>;
    parallelFor(w.planes, grainOf(w), [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        T* o = out.ptr<T>() + p * volume(w.in);
        const T* in = g.ptr<T>() + p * volume(w.out);
        eachWindow(w, countPad, divisor, [&](const auto& d, const auto& h, const auto& c, int64_t count) {
          const T part = static_cast<T>(static_cast<C>(*in++) / static_cast<C>(count));
          eachRun(w, d, h, [&](int64_t row) {
            for (int64_t k = c.begin; k < c.end; ++k) accumulate(o[row + k], part);
          });
        });
      }
    });
  });
  return out;
}

struct Average {
  std::string name;
  Windows windows;
};
Average plainAverage(IntSpan input, IntSpan kernel, IntSpan stride, IntSpan padding, bool ceilMode,
                     std::optional<int64_t> divisor) {
  FB_CHECK(kernel.size() >= 1 && kernel.size() <= 3, Shape, "average pooling takes one to three window sizes, got %zu",
           kernel.size());
  FB_CHECK(!divisor || *divisor != 0, Value, "divisor must be not zero");
  constexpr int64_t one[1] = {1};
  Average a;
  a.name = "avg_pool" + std::to_string(kernel.size()) + "d";
  a.windows = windowsOf(poolSpec(a.name.c_str(), input, kernel, stride, padding, one, ceilMode));
  return a;
}
std::string adaptiveName(size_t nd) { return "adaptive_avg_pool" + std::to_string(nd) + "d"; }

}  // namespace

Tensor avgPoolNd(const Tensor& self, IntSpan kernelSize, IntSpan stride, IntSpan padding, bool ceilMode,
                 bool countIncludePad, std::optional<int64_t> divisorOverride) {
  const Average a = plainAverage(self.sizes(), kernelSize, stride, padding, ceilMode, divisorOverride);
  return average(self, a.windows, kernelSize.size(), a.name.c_str(), countIncludePad, divisorOverride);
}

Tensor avgPoolNdBackward(const Tensor& gradOutput, IntSpan inputSize, IntSpan kernelSize, IntSpan stride,
                         IntSpan padding, bool ceilMode, bool countIncludePad, std::optional<int64_t> divisorOverride) {
  const Average a = plainAverage(inputSize, kernelSize, stride, padding, ceilMode, divisorOverride);
  return averageBackward(gradOutput, inputSize, a.windows, kernelSize.size(), a.name.c_str(), countIncludePad,
                         divisorOverride);
}

Tensor adaptiveAvgPoolNd(const Tensor& self, IntSpan outputSize) {
  const size_t nd = outputSize.size();
  const std::string name = adaptiveName(nd);
  return average(self, adaptiveWindows(name.c_str(), self.sizes(), outputSize), nd, name.c_str(), false, std::nullopt);
}

Tensor adaptiveAvgPoolNdBackward(const Tensor& gradOutput, IntSpan inputSize, int64_t spatial) {
  FB_CHECK(spatial >= 1 && spatial <= 3 && gradOutput.dim() > spatial, Shape,
           "adaptive_avg_pool_backward(): a gradient of shape %s has no %lld pooled dimensions",
           shapeString(gradOutput.sizes()).c_str(), static_cast<long long>(spatial));
  const size_t nd = static_cast<size_t>(spatial);
  const std::string name = adaptiveName(nd);
  return averageBackward(gradOutput, inputSize, adaptiveWindows(name.c_str(), inputSize, gradOutput.sizes().last(nd)),
                         nd, name.c_str(), false, std::nullopt);
}

}  // namespace flambeau::cpu
