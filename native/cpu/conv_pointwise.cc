// Convolutions with a kernel of one element: products of matrices. oneDNN's convolution would reorder the images to its
// blocked layout and back, which takes longer than the product.
#include <algorithm>

#include "cpu/conv.h"
#include "cpu/gemm.h"
#include "cpu/gemm_kernels.h"
#include "flambeau/parallel.h"

namespace flambeau::cpu {
namespace {

class PointwiseConv : public ConvPlan {
 public:
  PointwiseConv(const ConvSpec& s, Ref<GemmPlan> first, Ref<GemmPlan> rest)
      : s_(s), first_(std::move(first)), rest_(std::move(rest)) {}

  void run(const void* a, const void* b, const void* bias, void* out) const override {
    if (s_.kind == ConvSpec::Kind::BackwardWeight) {
      const float *dy = static_cast<const float*>(a), *x = static_cast<const float*>(b);
      for (int64_t n = 0; n < s_.batch; ++n)
        (n == 0 ? first_ : rest_)
            ->run(dy + n * s_.outChannels * s_.pixels(), x + n * s_.channels * s_.pixels(), nullptr, out);
      return;
    }
    float* y = static_cast<float*>(out);
    const int64_t rows = s_.batch * s_.outChannels, grain = std::max<int64_t>(1, (1 << 15) / s_.pixels());
    if (s_.bias) {  // one per row of the product: the sums start from it
      const float* each = static_cast<const float*>(bias);
      parallelFor(rows, grain, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) std::fill_n(y + r * s_.pixels(), s_.pixels(), each[r % s_.outChannels]);
      });
    }
    if (s_.groups == 1)
      first_->run(b, a, nullptr, out);
    else  // one product a group, image by image
      for (int64_t n = 0; n < s_.batch; ++n)
        first_->run(b, static_cast<const float*>(a) + n * s_.channels * s_.pixels(), nullptr,
                    y + n * s_.outChannels * s_.pixels());
    if (s_.relu)
      parallelFor(rows * s_.pixels(), 1 << 17,
                  [&](int64_t begin, int64_t end) { gemmKernels().relu32(y + begin, end - begin); });
  }
  const char* via() const override { return first_->via(); }

 private:
  ConvSpec s_;
  Ref<GemmPlan> first_, rest_;
};

}  // namespace

Ref<ConvPlan> planPointwiseConv(const ConvSpec& s) {
  const auto all = [](const std::array<int64_t, 3>& list, int64_t value) {
    return std::all_of(list.begin(), list.end(), [&](int64_t v) { return v == value; });
  };
  if (s.dtype != DType::Float32 || !all(s.kernel, 1) || !all(s.stride, 1) || !all(s.pad, 0)) return {};
  const int64_t in = s.channels / s.groups, outs = s.outChannels / s.groups;
  // oneDNN's convolutions know groups of whole blocks of 16 channels.
  if (s.groups != 1 && (s.kind != ConvSpec::Kind::Forward || in < 8 || outs < 8)) return {};
  const int64_t pixels = s.pixels();
  GemmSpec g;
  g.n = pixels;
  g.cRow = pixels;
  if (s.kind == ConvSpec::Kind::BackwardWeight) {
    // dw (out, in) = the sum over the images of dy (out, pixels) x (in, pixels) transposed.
    g.m = s.outChannels, g.n = s.channels, g.k = pixels;
    g.aRow = pixels, g.bRow = 1, g.bCol = pixels, g.cRow = s.channels;
    GemmSpec more = g;
    more.accumulate = true;
    return makeRef<PointwiseConv>(s, planGemm(g), planGemm(more));
  }
  if (s.groups != 1) {
    g.batch = s.groups;
    g.m = outs, g.k = in;
    g.aRow = in, g.aBatch = outs * in;
    g.bRow = pixels, g.bBatch = in * pixels, g.cBatch = outs * pixels;
    g.accumulate = s.bias;
    return makeRef<PointwiseConv>(s, planGemm(g), Ref<GemmPlan>());
  }
  const bool forward = s.kind == ConvSpec::Kind::Forward;
  g.batch = s.batch;
  g.m = forward ? s.outChannels : s.channels;
  g.k = forward ? s.channels : s.outChannels;
  g.aRow = forward ? s.channels : 1;
  g.aCol = forward ? 1 : s.channels;
  g.bRow = pixels, g.bBatch = g.k * pixels, g.cBatch = g.m * pixels;
  g.accumulate = s.bias;
  return makeRef<PointwiseConv>(s, planGemm(g), Ref<GemmPlan>());
}

}  // namespace flambeau::cpu
