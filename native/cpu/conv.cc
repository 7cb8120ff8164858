// Chooses between oneDNN and the own convolutions, and keeps the plans.
#include "cpu/conv.h"

#include "cpu/gemm.h"
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
                 (uint64_t{s.relu} << 17) | (uint64_t{s.blockedIn} << 18) | (uint64_t{s.blockedOut} << 19);
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

}  // namespace

Ref<ConvPlan> planConv(const ConvSpec& spec) {
  static PlanCache<Key, ConvPlan, KeyHash> cache;
  return cache.find({spec, numThreads()}, [&]() -> Ref<ConvPlan> {
    if (spec.blockedIn || spec.blockedOut) {
      if (oneDnnEnabled())
        if (Ref<ConvPlan> plan = planOneDnnConv(spec)) return plan;
      return planUnblockedConv(spec);
    }
    if (oneDnnEnabled() && spec.work() >= (int64_t{1} << 17))
      if (Ref<ConvPlan> plan = planPointwiseConv(spec)) return plan;
    if (takesOneDnn(spec))
      if (Ref<ConvPlan> plan = planOneDnnConv(spec)) return plan;
    return planOwnConv(spec);
  });
}

#if !FLAMBEAU_WITH_ONEDNN
Ref<ConvPlan> planOneDnnConv(const ConvSpec&) { return {}; }
#endif

}  // namespace flambeau::cpu
