// A convolution of images that the threads do not divide: each thread computes a range of the result's channels by a
// primitive of its own. The library would wake its own threads, which takes as long as a small convolution; ours look
// out for the next loop already.
#include <vector>

#include "cpu/conv.h"
#include "cpu/gemm.h"
#include "flambeau/parallel.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kBlock = 16;  // channels of the library's blocks

class SplitConv : public ConvPlan {
 public:
  /// Channels [first, first + spec.outChannels) of the result.
  struct Part {
    ConvSpec spec;
    int64_t first = 0, in = 0, weights = 0, packed = 0;  // where its operands begin
    Ref<ConvPlan> plan;
  };
  SplitConv(const ConvSpec& s, std::vector<Part> parts) : s_(s), parts_(std::move(parts)) {
    for (Part& p : parts_) {
      p.packed = packedFloats_;
      packedFloats_ += p.plan->packedFloats();
    }
    for (const Part& p : parts_)
      if (p.plan->packedFloats() == 0) packedFloats_ = 0;
  }

  const char* via() const override { return parts_[0].plan->via(); }
  int64_t packedFloats() const override { return packedFloats_; }
  void pack(const void* weights, void* to) const override {
    for (const Part& p : parts_)
      p.plan->pack(static_cast<const float*>(weights) + p.weights, static_cast<float*>(to) + p.packed);
  }
  void run(const void* a, const void* b, const void* bias, void* out) const override {
    each(a, bias, out, [&](const Part& p, const float* x, const float* add, float* y) {
      p.plan->run(x, static_cast<const float*>(b) + p.weights, add, y);
    });
  }
  void runPacked(const void* a, const void* packed, const void* bias, void* out) const override {
    if (packedFloats_ == 0) return run(a, packed, bias, out);
    each(a, bias, out, [&](const Part& p, const float* x, const float* add, float* y) {
      p.plan->runPacked(x, static_cast<const float*>(packed) + p.packed, add, y);
    });
  }

 private:
  template <class F>
  void each(const void* a, const void* bias, void* out, F&& compute) const {
    const float *x = static_cast<const float*>(a), *add = static_cast<const float*>(bias);
    float* y = static_cast<float*>(out);
    parallelFor(s_.batch * static_cast<int64_t>(parts_.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Part& p = parts_[static_cast<size_t>(i / s_.batch)];
        const int64_t image = i % s_.batch;
        compute(p, x + image * s_.channels * s_.inPixels() + p.in, add ? add + p.first : nullptr,
                y + (image * s_.outChannels + p.first) * s_.pixels());
      }
    });
  }

  ConvSpec s_;
  std::vector<Part> parts_;
  int64_t packedFloats_ = 0;
};

}  // namespace

Ref<ConvPlan> planSplitConv(const ConvSpec& s) {
  const int64_t threads = numThreads();
  if (s.kind != ConvSpec::Kind::Forward || s.dtype != DType::Float32 || !oneDnnEnabled() || threads < 2 ||
      s.batch % threads == 0 || s.batch == 0)
    return {};
  // Channels that stay together: a block, or a group.
  const int64_t in = s.channels / s.groups, outs = s.outChannels / s.groups;
  const bool depthwise = in == 1 && outs == 1;
  const int64_t unit = s.groups == 1 || depthwise ? kBlock : outs, units = (s.outChannels + unit - 1) / unit;
  if (unit != kBlock && (s.blockedIn || s.blockedOut)) return {};
  if (units < threads) return {};
  std::vector<SplitConv::Part> parts;
  for (int64_t t = 0; t < threads; ++t) {
    SplitConv::Part p;
    p.spec = s;
    p.spec.batch = 1;
    p.first = units * t / threads * unit;
    p.spec.outChannels = std::min(units * (t + 1) / threads * unit, s.outChannels) - p.first;
    if (s.groups > 1) {
      p.spec.groups = p.spec.outChannels / outs;
      p.spec.channels = p.spec.groups * in;
      p.in = p.first / outs * in * s.inPixels();
    }
    p.weights = p.first * s.depth();
    p.plan = planOneDnnConv(p.spec, 1);
    if (!p.plan) return {};
    parts.push_back(std::move(p));
  }
  return makeRef<SplitConv>(s, std::move(parts));
}

}  // namespace flambeau::cpu
