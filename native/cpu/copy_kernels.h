// Inner loops of copies and conversions, built per instruction set (cpu/isa/copy_kernels.cc).
#pragma once
#include <cstdint>

#include "cpu/isa.h"
#include "flambeau/dtype.h"

namespace flambeau::cpu {

struct CopyKernels {
  /// Contiguous conversion of n elements, [source dtype][destination dtype]. Floats truncate to integers, integers
  /// wrap, bool is "not zero" (NaN is true).
  void (*convert[kNumDTypes][kNumDTypes])(char* dst, const char* src, int64_t n);
  /// n elements of 1 << k bytes, any byte strides (source stride 0: a fill).
  void (*strided[4])(char* dst, int64_t dstStride, const char* src, int64_t srcStride, int64_t n);
  /// dst[i * dstRow + j] = src[j * srcRow + i] for i < rows, j < cols; row strides in bytes, elements of 1 << k bytes.
  void (*transpose[4])(char* dst, int64_t dstRow, const char* src, int64_t srcRow, int64_t rows, int64_t cols);
  /// memcpy with non-temporal stores, for destinations that will not be in cache anyway.
  void (*stream)(char* dst, const char* src, int64_t bytes);
};
FB_DECLARE_ISA(const CopyKernels, copyKernels);

inline const CopyKernels& copyKernels() {
  static const CopyKernels& kernels = FB_SELECT_ISA(copyKernels);
  return kernels;
}

/// log2 of the element size.
constexpr int itemLog(DType t) { return itemSize(t) == 8 ? 3 : itemSize(t) == 4 ? 2 : itemSize(t) == 2 ? 1 : 0; }

/// Elements per block when a conversion is interleaved with a kernel.
inline constexpr int64_t kBlock = 256;

/// Copies n elements between any two dtypes and byte strides, through blocks on the stack when something is strided.
void convertStrided(char* dst, DType dstType, int64_t dstStride, const char* src, DType srcType, int64_t srcStride,
                    int64_t n);

}  // namespace flambeau::cpu
