// Chooses between oneDNN and the own kernels, and keeps the plans.
#include "cpu/gemm.h"

#include <cstdlib>
#include <cstring>

#include "cpu/isa.h"
#include "cpu/measured.h"
#include "cpu/plan_cache.h"
#include "flambeau/parallel.h"

namespace flambeau::cpu {
namespace {

class OwnPlan : public GemmPlan {
 public:
  explicit OwnPlan(const GemmSpec& spec) : spec_(spec) {}
  void run(const void* a, const void* b, const void* bias, void* c) const override {
    gemmPortable(spec_, a, b, bias, c);
  }
  const char* via() const override { return "own"; }

 private:
  GemmSpec spec_;
};

// Below this many multiply-adds the own loops win or tie: a primitive call costs about a microsecond and packs its
// operands.
constexpr int64_t kTiny = int64_t{1} << 18;

int64_t workOf(const GemmSpec& s) { return s.batch * s.m * s.n * s.k; }

// Middling products of a turned A whose columns lie a multiple of 1 KiB apart (the gradients of a layer's weights):
// with AVX2 oneDNN reads A where it lies, and the rows fall onto each other in the first cache. 1024 x 512 x 256
// takes 6.5 ms there and 3.3 ms here, 256 x 512 x 1024 6.9 and 3.4; from 2^29 multiply-adds on it copies A as well, and
// is the equal.
bool collides(const GemmSpec& s) {
  return activeIsa() == kAvx2 && s.batch == 1 && s.aRow == 1 && s.aCol % 256 == 0 && workOf(s) < (int64_t{1} << 29);
}

bool takesOneDnn(const GemmSpec& s) {
  if (s.dtype != DType::Float32 || !oneDnnEnabled() || workOf(s) <= kTiny) return false;
  // Matrix-vector products are bound by memory: nothing to win.
  return s.m >= 4 && s.n >= 4 && s.k >= 4 && !collides(s);
}

struct Key {
  GemmSpec spec;
  int64_t threads;
  bool operator==(const Key&) const = default;
};
struct KeyHash {
  size_t operator()(const Key& k) const {
    const GemmSpec& s = k.spec;
    uint64_t h = static_cast<uint64_t>(s.dtype) | (uint64_t{s.bias} << 8) | (uint64_t{s.relu} << 9) |
                 (uint64_t{s.accumulate} << 10);
    for (int64_t v :
         {s.batch, s.m, s.n, s.k, s.aRow, s.aCol, s.aBatch, s.bRow, s.bCol, s.bBatch, s.cRow, s.cBatch, k.threads})
      h = mixHash(h, static_cast<uint64_t>(v));
    return h;
  }
};

}  // namespace

bool oneDnnEnabled() {
#if FLAMBEAU_WITH_ONEDNN
  static const bool on = [] {
    const char* off = std::getenv("FLAMBEAU_NO_ONEDNN");
    return !off || !*off || std::strcmp(off, "0") == 0;
  }();
  return on;
#else
  return false;
#endif
}

Ref<GemmPlan> planGemm(const GemmSpec& spec) {
  if (!takesOneDnn(spec)) return makeRef<OwnPlan>(spec);
  static PlanCache<Key, GemmPlan, KeyHash> cache;
  return cache.find({spec, numThreads()}, [&]() -> Ref<GemmPlan> {
    Ref<GemmPlan> plan = planOneDnnGemm(spec);
    return plan ? plan : Ref<GemmPlan>(makeRef<OwnPlan>(spec));
  });
}

Ref<GemmPlan> planConstantGemm(const GemmSpec& spec) {
  if (workOf(spec) < kMeasuredWork || spec.m < 4) return {};
  static PlanCache<Key, GemmPlan, KeyHash> cache;
  return cache.find({spec, numThreads()}, [&]() -> Ref<GemmPlan> {
    const Ref<GemmPlan> usual = planGemm(spec), packed = planPackedGemm(spec);
    if (!packed) return {};
    const Ref<GemmPlan> best = fastestPacked<GemmPlan>(
        {usual, packed}, (spec.batch - 1) * spec.aBatch + (spec.m - 1) * spec.aRow + (spec.k - 1) * spec.aCol + 1,
        (spec.k - 1) * spec.bRow + (spec.n - 1) * spec.bCol + 1, spec.bias ? spec.n : 0,
        (spec.batch - 1) * spec.cBatch + (spec.m - 1) * spec.cRow + spec.n);
    return best.get() == packed.get() ? packed : Ref<GemmPlan>();
  });
}

void gemm(const GemmSpec& spec, const void* a, const void* b, const void* bias, void* c) {
  if (!takesOneDnn(spec)) return gemmPortable(spec, a, b, bias, c);
  planGemm(spec)->run(a, b, bias, c);
}

#if !FLAMBEAU_WITH_ONEDNN
Ref<GemmPlan> planOneDnnGemm(const GemmSpec&) { return {}; }
#endif

}  // namespace flambeau::cpu
