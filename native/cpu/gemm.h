// The one door to matrix products. Behind it: oneDNN where it is present and wins, own kernels for everything else
// (tiny and skinny products, float64, integers, machines without oneDNN).
#pragma once
#include <memory>

#include "flambeau/dtype.h"
#include "flambeau/intrusive.h"

namespace flambeau::cpu {

/// C[b] (m x n, unit column step) = relu?(A[b] B[b] + C[b]? + bias?). Strides in elements; any may be 0 (broadcast) but
/// C's.
struct GemmSpec {
  DType dtype = DType::Float32;  // float32, float64, int32 or int64 (the integers wrap)
  bool bias = false;             // one per column
  bool relu = false;
  bool accumulate = false;
  int64_t batch = 1, m = 0, n = 0, k = 0;
  int64_t aRow = 0, aCol = 1, aBatch = 0;
  int64_t bRow = 0, bCol = 1, bBatch = 0;
  int64_t cRow = 0, cBatch = 0;
  bool operator==(const GemmSpec&) const = default;
};

/// A product whose way is decided and whose library primitive is built. Safe to run from several threads.
class GemmPlan : public RefCounted {
 public:
  virtual void run(const void* a, const void* b, const void* bias, void* c) const = 0;
  /// 'oneDNN' or 'own', for reports.
  virtual const char* via() const = 0;
  /// Floats of B in the form that the plan computes with; 0: it takes B as it lies. See ConvPlan.
  virtual int64_t packedFloats() const { return 0; }
  virtual void pack(const void* /*b*/, void* /*to*/) const {}
  virtual void runPacked(const void* a, const void* packed, const void* bias, void* c) const {
    run(a, packed, bias, c);
  }
};

/// Builds (or finds) the plan for a product under the present thread count.
Ref<GemmPlan> planGemm(const GemmSpec& spec);
/// A plan for a B that stays the same over many calls and is kept packed; null where the plan of planGemm is as fast.
/// Measured per shape and remembered for the process.
Ref<GemmPlan> planConstantGemm(const GemmSpec& spec);
/// The own loops with packed B. Null for what they do not take.
Ref<GemmPlan> planPackedGemm(const GemmSpec& spec);
/// Runs a product once; tiny ones go straight to the kernels, others through the cache of plans.
void gemm(const GemmSpec& spec, const void* a, const void* b, const void* bias, void* c);

/// The own kernels, any spec (fallback/gemm.cc).
void gemmPortable(const GemmSpec& spec, const void* a, const void* b, const void* bias, void* c);
/// True when oneDNN is compiled in and FLAMBEAU_NO_ONEDNN is not set.
bool oneDnnEnabled();
/// Null when oneDNN cannot take the spec (onednn/gemm.cc; null always when it is compiled out).
Ref<GemmPlan> planOneDnnGemm(const GemmSpec& spec);

}  // namespace flambeau::cpu
