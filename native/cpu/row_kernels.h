// The per-ISA loops of softmax and layer normalisation: one contiguous row at a time, while it lies in the cache.
#pragma once
#include <cstdint>

#include "cpu/isa.h"

namespace flambeau::cpu {

/// Rows of float32 or float64, all of the kernel's element type; `n` elements each. Sums are widened to double every
/// few thousand elements. `work`: null, or a row of scratch memory, which makes the result be written past the cache.
struct RowKernels {
  void (*softmax)(int64_t n, const char* x, char* work, char* y);
  void (*logSoftmax)(int64_t n, const char* x, char* y);
  void (*softmaxBackward)(int64_t n, const char* grad, const char* out, char* dx);
  void (*logSoftmaxBackward)(int64_t n, const char* grad, const char* out, char* dx);
  /// weight, bias: null for none.
  void (*layerNorm)(int64_t n, const char* x, const char* weight, const char* bias, double eps, bool stream, char* y);
  /// Null for what is not wanted; dweight and dbias are added to.
  void (*layerNormBackward)(int64_t n, const char* grad, const char* x, const char* weight, double eps, char* dx,
                            char* dweight, char* dbias);
  /// to[i] = the sum of from[i], from[n + i], ... (count of them), kept in double on the way.
  void (*sumRows)(int64_t n, int64_t count, const char* from, char* to);
};
FB_DECLARE_ISA(const RowKernels, rowKernelsF32);
FB_DECLARE_ISA(const RowKernels, rowKernelsF64);

}  // namespace flambeau::cpu
