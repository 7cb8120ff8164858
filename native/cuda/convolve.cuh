// Convolutions and their gradients on the GPU: the fastest of our own kernels (window.cuh) and cuDNN's algorithms.
#pragma once
#include <array>
#include <memory>
#include <string>

#include "blas.cuh"
#include "cudnn.cuh"
#include "windows.cuh"

namespace flambeau::cuda {

/// y (+ bias of its channel, relu) in place; `planes` images of a channel. A NaN stays one.
static __global__ void finish_planes(float* y, const float* bias, int channels, int plane, int planes, bool relu) {
  for (int p = blockIdx.y; p < planes; p += gridDim.y) {
    const float b = bias ? bias[p % channels] : 0;
    float* to = y + (size_t)p * plane;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < plane; i += gridDim.x * blockDim.x) {
      const float v = to[i] + b;
      to[i] = relu && v <= 0 ? 0 : v;
    }
  }
}

/// y (+ bias of its channel, relu), after a library that has computed y.
inline void finish_result(const Window& w, const float* bias, float* y, cudaStream_t stream) {
  if (bias == nullptr && !w.relu) return;
  const int plane = volume(w.out), planes = w.n * w.yc;
  const dim3 grid((unsigned)std::min((plane + 255) / 256, 64), (unsigned)std::min(planes, 65535));
  finish_planes<<<grid, 256, 0, stream>>>(y, bias, w.yc, plane, planes, w.relu != 0);
}

/// What cuDNN knows of one convolution. Made once, in the first run.
class CudnnConvolution {
 public:
  explicit CudnnConvolution(const Window& w) : w_(w) {
    const Cudnn& c = Cudnn::get();
    if (c.handle == nullptr) return;
    // A transposed convolution is the gradient of one whose input is its result.
    const bool turned = w.kind == kTransposed;
    const bool flat = w.in[0] == 1 && w.out[0] == 1 && w.kernel[0] == 1 && w.padding[0] == 0;
    const int first = flat ? 1 : 0, dims = 5 - first;
    auto tensor = [&](Object* to, int n, int channels, const int* space) {
      std::array<int, 5> size = {n, channels}, stride{};
      for (int d = first; d < 3; d++) size[(size_t)(2 + d - first)] = space[d];
      int step = 1;
      for (int d = dims; d-- > 0;) stride[(size_t)d] = step, step *= size[(size_t)d];
      check(c.createTensor(to));
      if (works_) check(c.setTensor(*to, Cudnn::kFloat, dims, size.data(), stride.data()));
    };
    tensor(&x_, w.n, w.xc, w.in);
    tensor(&y_, w.n, w.yc, w.out);
    constexpr int kOnes[] = {1, 1, 1};
    tensor(&bias_, 1, w.yc, kOnes);
    std::array<int, 5> size = {turned ? w.xc : w.yc, (turned ? w.yc : w.xc) / w.groups};
    for (int d = first; d < 3; d++) size[(size_t)(2 + d - first)] = w.kernel[d];
    check(c.createFilter(&filter_));
    if (works_) check(c.setFilter(filter_, Cudnn::kFloat, Cudnn::kNchw, dims, size.data()));
    check(c.createConvolution(&convolution_));
    if (works_)
      check(c.setConvolution(convolution_, dims - 2, w.padding + first, w.stride + first, w.dilation + first,
                             Cudnn::kCrossCorrelation, Cudnn::kFloat));
    if (works_) check(c.setGroups(convolution_, w.groups));
    if (works_) check(c.setMath(convolution_, w.tf32 ? Cudnn::kTf32Math : Cudnn::kFloat32Math));
    check(c.createActivation(&activation_));
    constexpr int kPropagateNan = 1;
    if (works_) check(c.setActivation(activation_, w.relu ? Cudnn::kRelu : Cudnn::kIdentity, kPropagateNan, 0));
    if (w.relu && !w.bias && cudaMalloc(&zeros_, (size_t)w.yc * sizeof(float)) == cudaSuccess)
      cudaMemset(zeros_, 0, (size_t)w.yc * sizeof(float));
  }
  CudnnConvolution(const CudnnConvolution&) = delete;
  CudnnConvolution& operator=(const CudnnConvolution&) = delete;
  ~CudnnConvolution() {
    const Cudnn& c = Cudnn::get();
    for (Object t : {x_, y_, bias_})
      if (t) c.destroyTensor(t);
    if (filter_) c.destroyFilter(filter_);
    if (convolution_) c.destroyConvolution(convolution_);
    if (activation_) c.destroyActivation(activation_);
    cudaFree(zeros_);
  }

  /// How many ways there are: algorithms, and with an epilogue the same with cuDNN's own epilogue.
  int ways() const {
    if (Cudnn::get().handle == nullptr || !works_) return 0;
    if (w_.kind == kConvolution) return w_.bias || w_.relu ? 2 * algorithms() : algorithms();
    return algorithms();
  }

  /// Result 0, or kNotThisWay.
  int run(int way, const float* a, const float* b, const float* bias, float* y, void* space, size_t bytes,
          cudaStream_t stream) const {
    const Cudnn& c = Cudnn::get();
    std::lock_guard<std::mutex> turn(c.turn());
    const float one = 1, zero = 0;
    size_t need = 0;
    auto fits = [&](Cudnn::Status s) { return s == 0 && need <= bytes; };
    if (c.setStream(c.handle, stream) != 0) return kNotThisWay;
    bool ended = false;
    if (w_.kind == kConvolution) {
      const int algo = Cudnn::kForward[way % algorithms()];
      ended = way >= algorithms();
      const float* added = bias ? bias : static_cast<const float*>(zeros_);
      if (!fits(c.forwardBytes(c.handle, x_, filter_, convolution_, y_, algo, &need))) return kNotThisWay;
      const Cudnn::Status s =
          ended ? (added == nullptr ? 1
                                    : c.forwardEnded(c.handle, &one, x_, a, filter_, b, convolution_, algo, space, need,
                                                     &zero, y_, y, bias_, added, activation_, y_, y))
                : c.forward(c.handle, &one, x_, a, filter_, b, convolution_, algo, space, need, &zero, y_, y);
      if (s != 0) return kNotThisWay;
    } else if (w_.kind == kTransposed) {
      const int algo = Cudnn::kBackwardData[way];
      if (!fits(c.dataBytes(c.handle, filter_, x_, convolution_, y_, algo, &need)) ||
          c.data(c.handle, &one, filter_, b, x_, a, convolution_, algo, space, need, &zero, y_, y) != 0)
        return kNotThisWay;
    } else {
      // `a` is the gradient of the result, `b` the input.
      const int algo = Cudnn::kBackwardFilter[way];
      if (!fits(c.filterBytes(c.handle, x_, y_, convolution_, filter_, algo, &need)) ||
          c.filter(c.handle, &one, x_, b, y_, a, convolution_, algo, space, need, &zero, filter_, y) != 0)
        return kNotThisWay;
    }
    if (!ended) finish_result(w_, bias, y, stream);
    return 0;
  }

 private:
  using Object = Cudnn::Object;
  /// Who takes TF32 takes transforms as well.
  int algorithms() const {
    if (w_.kind == kConvolution) return w_.tf32 ? (int)std::size(Cudnn::kForward) : Cudnn::kExactForward;
    if (!w_.tf32) return Cudnn::kExactBackward;
    return (int)(w_.kind == kTransposed ? std::size(Cudnn::kBackwardData) : std::size(Cudnn::kBackwardFilter));
  }
  void check(Cudnn::Status s) { works_ = works_ && s == 0; }

  const Window w_;
  Object x_ = nullptr, y_ = nullptr, bias_ = nullptr, filter_ = nullptr, convolution_ = nullptr, activation_ = nullptr;
  void* zeros_ = nullptr;
  bool works_ = true;
};

/// A kernel of one element that visits each position once is a matrix, multiplied with every image.
inline bool is_product(const Window& w) {
  bool all = w.groups == 1 && w.kind <= kTransposed;
  for (int d = 0; d < 3; d++) all = all && w.kernel[d] == 1 && w.stride[d] == 1 && w.padding[d] == 0;
  return all;
}
inline Product product_of(const Window& w) {
  Product p{};
  p.type = CUDA_R_32F, p.tf32 = w.tf32 != 0;
  p.m = w.yc, p.n = volume(w.out), p.k = w.xc;
  p.a_row = w.kind == kTransposed ? 1 : w.xc, p.a_col = w.kind == kTransposed ? w.yc : 1;
  p.b_row = p.n, p.b_col = 1;
  p.batch = {{w.n, 0, p.k * p.n}};
  return p;
}

/// A window step and how it is done best.
struct WindowStep {
  Window w{};
  /// 0: our own kernels that are likely better, 1: the others, 2: a matrix product, from 3 on cuDNN's ways; -1: not
  /// measured yet.
  int way = -1;
  enum : int { kOwn, kOther, kProduct, kLibrary };
  Product product{};
  std::unique_ptr<CudnnConvolution> library;
};

/// As run_window.
inline int run_window_step(const Launch& l, WindowStep& s, void* const* buffers) {
  const Window& w = s.w;
  auto own = [&](Kernels k) { return run_window(w, k, buffers, l.workspace, l.workspace_bytes, l.stream); };
  if (w.kind > kWeightGradient) return own(kDirect);
  const bool empty = w.n == 0 || w.yc == 0 || w.xc == 0 || volume(w.in) == 0 || volume(w.out) == 0;
  auto run = [&](int way) {
    if (way == WindowStep::kOwn) return own(likely(w));
    if (way == WindowStep::kOther && w.kind != kWeightGradient) return own(likely(w) == kDirect ? kTiles : kDirect);
    auto at = [&](int k) { return static_cast<float*>(buffers[k]); };
    const float* bias = w.bias ? at(2) : nullptr;
    float* y = at(w.bias ? 3 : 2);
    if (way >= WindowStep::kLibrary)
      return s.library->run(way - WindowStep::kLibrary, at(0), at(1), bias, y, l.workspace, l.workspace_bytes,
                            l.stream);
    if (way != WindowStep::kProduct || !is_product(w)) return kNotThisWay;
    void* operands[] = {at(1), at(0), y};
    const int code = run_product(l, s.product, operands);
    if (code == 0) finish_result(w, bias, y, l.stream);
    return code;
  };
  if (empty) return run(WindowStep::kOwn);
  if (s.way >= 0) return run(s.way);
  if (!s.library) s.library = std::make_unique<CudnnConvolution>(w), s.product = product_of(w);
  bool measured;
  const int best = std::max(0, fastest(l, WindowStep::kLibrary + s.library->ways(), WindowStep::kOwn, measured, run));
  if (measured) s.way = best;
  return run(best);
}

}  // namespace flambeau::cuda
