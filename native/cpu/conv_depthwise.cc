// Depthwise convolutions of unit stride: every plane with its own filter, read where it lies, or in a padded copy that
// stays in the cache. A library that computes in blocks of channels converts whole images on the way in and out, which
// takes longer than the few multiply-adds between.
#include <algorithm>

#include "cpu/conv_box.h"
#include "cpu/depthwise_kernels.h"
#include "cpu/scratch.h"
#include "flambeau/parallel.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kParallelWork = 1 << 19;  // multiply-adds worth a task: most of the time is memory's

class DepthwiseConv : public ConvPlan {
 public:
  explicit DepthwiseConv(const ConvSpec& s) : s_(s), box_(s), boxed_(box_.size != s.in) {}
  const char* via() const override { return "own, depthwise"; }

  void run(const void* a, const void* b, const void* bias, void* out) const override {
    const float *x = static_cast<const float*>(a), *w = static_cast<const float*>(b);
    const float* add = static_cast<const float*>(bias);
    float* y = static_cast<float*>(out);
    // Planes of results that see one plane of the input.
    const int64_t each = s_.outChannels / s_.groups, planes = s_.batch * s_.groups, taps = s_.taps();
    parallelFor(
        planes, std::max<int64_t>(1, kParallelWork / std::max<int64_t>(1, each * taps * s_.pixels())),
        [&](int64_t begin, int64_t end) {
          static thread_local Scratch work;
          float* box = boxed_ ? work.get<float>(box_.pixels()) : nullptr;
          for (int64_t p = begin; p < end; ++p) {
            const float* plane = x + p * s_.inPixels();
            if (boxed_) {
              box_.fill(plane, box);
              plane = box;
            }
            for (int64_t k = 0; k < each; ++k) {
              const int64_t channel = p % s_.groups * each + k;
              depthwiseKernels().plane({plane, box_.size[2], s_.out[1], s_.out[2], w + channel * taps, s_.kernel[1],
                                        s_.kernel[2], s_.dilation[1], s_.dilation[2], add ? add[channel] : 0.0f,
                                        s_.relu, y + (p * each + k) * s_.pixels(), s_.out[2]});
            }
          }
        });
  }

 private:
  ConvSpec s_;
  ConvBox box_;
  bool boxed_;
};

}  // namespace

Ref<ConvPlan> planDepthwiseConv(const ConvSpec& s) {
  if (s.dtype != DType::Float32 || s.kind != ConvSpec::Kind::Forward || s.blockedIn || s.blockedOut) return {};
  const bool unit = s.stride == std::array<int64_t, 3>{1, 1, 1}, flat = s.in[0] == 1 && s.kernel[0] == 1 && !s.pad[0];
  if (s.channels != s.groups || !unit || !flat || s.pixels() == 0) return {};
  return makeRef<DepthwiseConv>(s);
}

}  // namespace flambeau::cpu
