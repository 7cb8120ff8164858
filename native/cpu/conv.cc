// Chooses between oneDNN and the own convolutions, and keeps the plans.
#include "cpu/conv.h"

#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "cpu/gemm.h"
#include "cpu/measured.h"
#include "cpu/plan_cache.h"
#include "flambeau/parallel.h"

namespace flambeau::cpu {
namespace {

struct Key {
  ConvSpec spec;
  int64_t threads;
  bool operator==(const Key&) const = default;
};
struct KeyHash {
  size_t operator()(const Key& k) const {
    const ConvSpec& s = k.spec;
    uint64_t h = static_cast<uint64_t>(s.kind) | (static_cast<uint64_t>(s.dtype) << 8) | (uint64_t{s.bias} << 16) |
                 (uint64_t{s.relu} << 17) | (uint64_t{s.blockedIn} << 18) | (uint64_t{s.blockedOut} << 19) |
                 (uint64_t{s.winograd} << 20);
    for (int64_t v : {s.batch, s.channels, s.outChannels, s.groups, k.threads})
      h = mixHash(h, static_cast<uint64_t>(v));
    for (const auto* a : {&s.in, &s.kernel, &s.out, &s.stride, &s.pad, &s.dilation})
      for (int64_t v : *a) h = mixHash(h, static_cast<uint64_t>(v));
    return h;
  }
};

// oneDNN's blocked layouts pad channels to 16 and reorder plain tensors on both sides: that pays for wide layers. The
// own loops win with few channels, as long as they read the image in place (unit stride, rows of whole chunks); see
// bench.
bool takesOneDnn(const ConvSpec& s) {
  if (s.dtype != DType::Float32 || !oneDnnEnabled() || s.work() < (int64_t{1} << 17)) return false;
  const int64_t in = s.channels / s.groups, out = s.outChannels / s.groups;
  const bool unit = s.stride[0] == 1 && s.stride[1] == 1 && s.stride[2] == 1, whole = unit && s.out[2] % 8 == 0;
  if (in >= 16 && out >= 16) return true;
  if (s.kind == ConvSpec::Kind::BackwardInput) return !unit || (in == 1 && out == 1);
  return !whole;
}

/// Multiply-adds from which the threads share an image: a few times what it takes to hand out a loop.
constexpr int64_t kSplitWork = int64_t{1} << 20;

bool winogradEnabled() {
  static const bool on = [] {
    const char* off = std::getenv("FLAMBEAU_NO_WINOGRAD");
    return !off || !*off || std::strcmp(off, "0") == 0;
  }();
  return on;
}

}  // namespace

bool winogradPays(const ConvSpec& s) {
  const auto flat = [](const std::array<int64_t, 3>& a, int64_t v) { return a[0] == 1 && a[1] == v && a[2] == v; };
  if (s.dtype != DType::Float32 || s.kind == ConvSpec::Kind::BackwardWeight || s.groups != 1 || s.in[0] != 1 ||
      s.pad[0] != 0 || !flat(s.kernel, 3) || !flat(s.stride, 1) || !flat(s.dilation, 1) || s.pad[1] > 1 ||
      s.pad[2] > 1 || s.channels % 16 || s.outChannels % 16)
    return false;
  if (!oneDnnEnabled() || !winogradEnabled()) return false;
  // In units of one multiply-add, as measured with oneDNN 2.6 on a machine of 200 GFLOP/s: filters are transformed in
  // each call, tiles on the way in and out.
  const auto* image = s.kind == ConvSpec::Kind::Forward ? &s.out : &s.in;
  const double tiles = static_cast<double>(s.batch * (((*image)[1] + 3) / 4) * (((*image)[2] + 3) / 4)),
               in = static_cast<double>(s.channels), out = static_cast<double>(s.outChannels);
  const double fast = in * out * (220 + 40 * tiles) + tiles * (in + out) * 120;
  return fast < 0.8 * static_cast<double>(s.work());
}

Ref<ConvPlan> planConv(const ConvSpec& spec) {
  static PlanCache<Key, ConvPlan, KeyHash> cache;
  return cache.find({spec, numThreads()}, [&]() -> Ref<ConvPlan> {
    if (spec.blockedIn || spec.blockedOut) {
      if (oneDnnEnabled()) {
        if (!spec.winograd && spec.work() >= kSplitWork)
          if (Ref<ConvPlan> plan = planSplitConv(spec)) return plan;
        if (Ref<ConvPlan> plan = planOneDnnConv(spec)) return plan;
      }
      return planUnblockedConv(spec);
    }
    if (oneDnnEnabled() && spec.work() >= (int64_t{1} << 17))
      if (Ref<ConvPlan> plan = planPointwiseConv(spec)) return plan;
    // Strided gradients of volumes: a fraction of the time that the library's own take.
    if (spec.kind == ConvSpec::Kind::BackwardInput && spec.in[0] > 1 &&
        spec.stride[0] * spec.stride[1] * spec.stride[2] > 1) {
      if (Ref<ConvPlan> plan = planWindowConv(spec)) return plan;
      if (Ref<ConvPlan> plan = planPackedConv(spec)) return plan;
    }
    // Shorter rows leave too many lanes of a register empty.
    if (spec.out[2] >= 12)
      if (Ref<ConvPlan> plan = planDepthwiseConv(spec)) return plan;
    if (takesOneDnn(spec))
      if (Ref<ConvPlan> plan = planOneDnnConv(spec)) return plan;
    return planOwnConv(spec);
  });
}

Ref<ConvPlan> planConstantConv(const ConvSpec& spec) {
  static PlanCache<Key, ConvPlan, KeyHash> cache;
  return cache.find({spec, numThreads()}, [&]() -> Ref<ConvPlan> {
    Ref<ConvPlan> usual = planConv(spec);
    // Who does without Winograd wants the sums of eager code.
    if (spec.work() < kMeasuredWork || !winogradEnabled()) return usual;
    const bool forward = spec.kind == ConvSpec::Kind::Forward;
    // Volumes and transposed images through windows where that pays, the rest over packed panels.
    Ref<ConvPlan> packed;
    if (!forward || spec.in[0] > 1) packed = planWindowConv(spec);
    if (!packed) packed = planPackedConv(spec);
    std::vector<Ref<ConvPlan>> plans{usual, packed, planSplitConv(spec)};
    if (spec.winograd) {
      // Filters that have been transformed are four times as large: with few pixels, reading them takes longer.
      ConvSpec direct = spec;
      direct.winograd = false;
      plans.push_back(planOneDnnConv(direct));
      plans.push_back(planSplitConv(direct));
    }
    const int64_t big = spec.batch * spec.channels * spec.inPixels(),
                  small = spec.batch * spec.outChannels * spec.pixels();
    return fastestPacked(std::move(plans), forward ? big : small, spec.outChannels * spec.depth(),
                         spec.bias ? spec.outChannels : 0, forward ? small : big);
  });
}

#if !FLAMBEAU_WITH_ONEDNN
Ref<ConvPlan> planOneDnnConv(const ConvSpec&, int) { return {}; }
#endif

}  // namespace flambeau::cpu
