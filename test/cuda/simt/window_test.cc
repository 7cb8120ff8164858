// The window kernels of native/cuda through the SIMT shim, against loops in double precision that follow the
// definitions. Prints "ok".
#include "simt.h"

#include <algorithm>
#include <string>

using std::max;
using std::min;
using cudaStream_t = void*;
inline void cudaMemsetAsync(void* p, int v, size_t n, cudaStream_t) { std::memset(p, v, n); }
#define FLAMBEAU_LAUNCH(KERNEL, GRID, THREADS, STREAM, ...) \
  ((void)(STREAM), fb_simt::launch([&] { KERNEL(__VA_ARGS__); }, GRID, THREADS))
#include "../../../native/cuda/windows.cuh"

using namespace flambeau::cuda;

namespace {

int failures = 0;

float wave(size_t i, int seed) { return (float)std::sin(0.7 * (double)i + seed) * (1 + (float)(i % 5)); }
std::vector<float> filled(size_t n, int seed) {
  std::vector<float> v(n);
  for (size_t i = 0; i < n; i++) v[i] = wave(i, seed);
  return v;
}
void compare(const std::string& what, const std::vector<float>& got, const std::vector<double>& want) {
  double scale = 1, worst = 0;
  for (double x : want) scale = std::max(scale, std::fabs(x));
  for (size_t i = 0; i < want.size(); i++) worst = std::max(worst, std::fabs(got[i] - want[i]));
  if (worst <= 1e-5 * scale) return;
  std::printf("%s: off by %g of %g\n", what.c_str(), worst, scale);
  failures++;
}

/// Calls f(image, channel of y, channel of x, flat o, flat k, flat i) wherever a window of the forward convolution
/// meets its input.
template <class F>
void meet(const Window& w, const int* in, const int* out, F f) {
  const int xg = w.xc / w.groups, yg = w.yc / w.groups;
  for (int n = 0; n < w.n; n++)
    for (int yc = 0; yc < w.yc; yc++)
      for (int c = 0; c < xg; c++)
        for (int o = 0; o < volume(out); o++)
          for (int k = 0; k < volume(w.kernel); k++) {
            int at[3], place[3], i[3];
            split(o, out, at), split(k, w.kernel, place);
            bool inside = true;
            for (int d = 0; d < 3; d++) {
              i[d] = at[d] * w.stride[d] - w.padding[d] + place[d] * w.dilation[d];
              inside = inside && i[d] >= 0 && i[d] < in[d];
            }
            if (inside) f(n, yc, yc / yg * xg + c, c, o, k, flat(in, i));
          }
}

void convolution(const std::string& name, Window w) {
  const int ni = volume(w.in), no = volume(w.out), nk = volume(w.kernel), xg = w.xc / w.groups;
  const auto x = filled((size_t)w.n * w.xc * ni, 1), k = filled((size_t)w.yc * xg * nk, 2),
             bias = filled((size_t)w.yc, 3), grad = filled((size_t)w.n * w.yc * no, 4);
  std::vector<double> y((size_t)w.n * w.yc * no), gx(x.size()), gk(k.size());
  meet(w, w.in, w.out, [&](int n, int yc, int xc, int c, int o, int q, int i) {
    const size_t at = ((size_t)n * w.xc + xc) * ni + i, to = ((size_t)n * w.yc + yc) * no + o,
                 weight = ((size_t)yc * xg + c) * nk + q;
    y[to] += (double)x[at] * k[weight], gx[at] += (double)grad[to] * k[weight], gk[weight] += (double)grad[to] * x[at];
  });
  for (size_t i = 0; i < y.size(); i++) y[i] = std::max(0.0, y[i] + bias[i / no % w.yc]);
  std::vector<float> workspace(1 << 16), gy(y.size()), ggx(x.size()), ggk(k.size());
  auto run = [&](Window v, Kernels kernels, std::initializer_list<const void*> buffers) {
    std::vector<void*> list;
    for (const void* b : buffers) list.push_back(const_cast<void*>(b));
    if (int code = run_window(v, kernels, list.data(), workspace.data(), workspace.size() * sizeof(float), nullptr))
      std::printf("%s: code %d\n", name.c_str(), code), failures++;
  };
  for (Kernels kernels : {kDirect, kTiles}) {
    const std::string how = name + (kernels == kDirect ? ", direct" : ", tiles");
    w.kind = kConvolution, w.bias = w.relu = 1;
    run(w, kernels, {x.data(), k.data(), bias.data(), gy.data()});
    compare(how, gy, y);
    w.bias = w.relu = 0;
    Window back = w;
    back.kind = kTransposed;
    std::swap(back.xc, back.yc);
    for (int d = 0; d < 3; d++) std::swap(back.in[d], back.out[d]);
    run(back, kernels, {grad.data(), k.data(), ggx.data()});
    compare(how + ", gradient of the input", ggx, gx);
  }
  w.kind = kWeightGradient;
  run(w, kTiles, {grad.data(), x.data(), ggk.data()});
  compare(name + ", gradient of the weight", ggk, gk);
}

void pooling(const std::string& name, Window w) {
  w.kind = kMaxPool;
  const int ni = volume(w.in), no = volume(w.out);
  const auto x = filled((size_t)w.n * w.xc * ni, 5), grad = filled((size_t)w.n * w.yc * no, 6);
  std::vector<double> y(grad.size(), -1e30), gx(x.size());
  std::vector<long long> from(grad.size()), where(grad.size());
  Window each = w;
  each.groups = w.xc;
  meet(each, w.in, w.out, [&](int n, int c, int, int, int o, int, int i) {
    const size_t to = ((size_t)n * w.yc + c) * no + o;
    if (x[((size_t)n * w.xc + c) * ni + i] > y[to]) y[to] = x[((size_t)n * w.xc + c) * ni + i], from[to] = i;
  });
  for (size_t i = 0; i < grad.size(); i++) gx[i / no * ni + from[i]] += grad[i];
  std::vector<float> gy(y.size()), ggx(x.size(), 9);
  void* forward[] = {(void*)x.data(), gy.data(), where.data()};
  run_window(w, kDirect, forward, nullptr, 0, nullptr);
  compare(name, gy, y);
  w.kind = kMaxPoolBackward;
  void* backward[] = {(void*)grad.data(), where.data(), ggx.data()};
  run_window(w, kDirect, backward, nullptr, 0, nullptr);
  compare(name + ", gradient", ggx, gx);
}

/// Means and their gradients; `w.padded` and `w.divisor` as in PyTorch's avg_pool.
void means(const std::string& name, Window w) {
  w.kind = kAveragePool;
  const int ni = volume(w.in), no = volume(w.out);
  const auto x = filled((size_t)w.n * w.xc * ni, 7), grad = filled((size_t)w.n * w.yc * no, 8);
  std::vector<double> y(grad.size()), gx(x.size());
  std::vector<int> count(grad.size());
  Window each = w;
  each.groups = w.xc;
  meet(each, w.in, w.out, [&](int n, int c, int, int, int o, int, int) { count[((size_t)n * w.yc + c) * no + o]++; });
  if (w.padded)
    for (size_t i = 0; i < count.size(); i++) {
      int at[3], all = 1;
      split((int)(i % (size_t)no), w.out, at);
      // The padding counts, what a rounded up size adds beyond it does not.
      for (int d = 0; d < 3; d++)
        all *= min(at[d] * w.stride[d] - w.padding[d] + w.kernel[d], w.in[d] + w.padding[d]) -
               (at[d] * w.stride[d] - w.padding[d]);
      count[i] = all;
    }
  if (w.divisor) count.assign(count.size(), w.divisor);
  meet(each, w.in, w.out, [&](int n, int c, int, int, int o, int, int i) {
    const size_t to = ((size_t)n * w.yc + c) * no + o, from = ((size_t)n * w.xc + c) * ni + i;
    y[to] += (double)x[from] / count[to], gx[from] += (double)grad[to] / count[to];
  });
  std::vector<float> gy(y.size()), ggx(x.size(), 9);
  void* forward[] = {(void*)x.data(), gy.data()};
  run_window(w, kDirect, forward, nullptr, 0, nullptr);
  compare(name, gy, y);
  w.kind = kAveragePoolBackward;
  void* backward[] = {(void*)grad.data(), ggx.data()};
  run_window(w, kDirect, backward, nullptr, 0, nullptr);
  compare(name + ", gradient", ggx, gx);
}

}  // namespace

int main() {
  // kind, bias, relu, tf32, padded, divisor, n, groups, xc, yc, in, out, kernel, stride, padding, dilation
  convolution("3 x 3",
              {0, 0, 0, 0, 0, 0, 2, 1, 9, 70, {1, 7, 6}, {1, 7, 6}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, {1, 1, 1}});
  convolution("stride, dilation",
              {0, 0, 0, 0, 0, 0, 2, 1, 8, 10, {1, 13, 12}, {1, 5, 4}, {1, 3, 3}, {1, 2, 3}, {0, 0, 1}, {1, 2, 2}});
  convolution("groups",
              {0, 0, 0, 0, 0, 0, 3, 2, 16, 20, {1, 5, 5}, {1, 5, 5}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, {1, 1, 1}});
  convolution("depthwise",
              {0, 0, 0, 0, 0, 0, 2, 6, 6, 6, {1, 6, 5}, {1, 6, 5}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, {1, 1, 1}});
  for (int k : {3, 5, 7})
    for (int stride : {1, 2}) {
      const int out = (9 + 2 - k) / stride + 1;
      convolution("depthwise, two results a channel", {0,
                                                       0,
                                                       0,
                                                       0,
                                                       0,
                                                       0,
                                                       2,
                                                       3,
                                                       3,
                                                       6,
                                                       {1, 9, 9},
                                                       {1, out, out},
                                                       {1, k, k},
                                                       {1, stride, stride},
                                                       {0, 1, 1},
                                                       {1, 1, 1}});
    }
  convolution("three dimensions",
              {0, 0, 0, 0, 0, 0, 2, 1, 4, 12, {5, 4, 6}, {3, 2, 5}, {3, 3, 2}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}});
  convolution("long sum of a weight",
              {0, 0, 0, 0, 0, 0, 4, 1, 2, 9, {1, 24, 24}, {1, 22, 22}, {1, 3, 3}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}});
  pooling("pool", {3, 0, 0, 0, 0, 0, 2, 1, 3, 3, {1, 8, 6}, {1, 4, 3}, {1, 2, 2}, {1, 2, 2}, {0, 0, 0}, {1, 1, 1}});
  pooling("overlapping pool",
          {3, 0, 0, 0, 0, 0, 2, 1, 3, 3, {1, 7, 7}, {1, 4, 4}, {1, 3, 3}, {1, 2, 2}, {0, 1, 1}, {1, 1, 1}});
  const Window mean = {5, 0, 0, 0, 1, 0, 2, 1, 3, 3, {1, 8, 7}, {1, 5, 4}, {1, 3, 3}, {1, 2, 2}, {0, 1, 1}, {1, 1, 1}};
  means("mean, padding counts", mean);
  Window inner = mean;
  inner.padded = 0;
  means("mean, padding does not count", inner);
  inner.divisor = 5;
  means("mean, divisor", inner);
  means("mean, three dimensions",
        {5, 0, 0, 0, 0, 0, 2, 1, 2, 2, {4, 5, 6}, {2, 3, 6}, {2, 2, 1}, {2, 2, 1}, {0, 1, 0}, {1, 1, 1}});
  if (failures == 0) std::printf("ok\n");
  return failures;
}
