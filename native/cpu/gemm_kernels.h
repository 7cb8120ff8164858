// The per-ISA table of GEMM loops. No packing happens here: cpu/fallback/gemm.cc blocks and packs around them.
#pragma once
#include <cstdint>

#include "cpu/isa.h"

namespace flambeau::cpu {

/// C (m x n, row step ldc, unit column step) = op(A B [+ C] + bias). Strides in elements.
template <class T>
struct GemmBlock {
  int64_t m, n, k;
  const T* a;
  int64_t aRow, aCol;  // element (i, p) of A at a[i * aRow + p * aCol]
  const T* b;
  int64_t ldb;  // outer: row p of B at b + p * ldb.  dot: column j of B at b + j * ldb
  T* c;
  int64_t ldc;
  const T* bias;    // one per column, or null
  bool accumulate;  // add to what C holds
  bool relu;
};

template <class T>
struct GemmLoops {
  int64_t rows, columns;               // register tile of `outer`
  void (*outer)(const GemmBlock<T>&);  // B has unit column step
  void (*dot)(const GemmBlock<T>&);    // A and B both have unit steps along k
};

struct GemmKernels {
  GemmLoops<float> f32;
  GemmLoops<double> f64;
  GemmLoops<uint32_t> u32;
  GemmLoops<uint64_t> u64;
  /// dst[c * ldd + r] = src[r * lds + c] for a rows x cols block of floats.
  void (*transpose32)(const float* src, int64_t lds, int64_t rows, int64_t cols, float* dst, int64_t ldd);
  /// max(x, 0) in place, NaN stays NaN (oneDNN's own relu would turn it into 0).
  void (*relu32)(float* x, int64_t n);
};
FB_DECLARE_ISA(const GemmKernels, gemmKernels);

inline const GemmKernels& gemmKernels() {
  static const GemmKernels& k = FB_SELECT_ISA(gemmKernels);
  return k;
}
template <class T>
const GemmLoops<T>& gemmLoops();
template <>
inline const GemmLoops<float>& gemmLoops<float>() {
  return gemmKernels().f32;
}
template <>
inline const GemmLoops<double>& gemmLoops<double>() {
  return gemmKernels().f64;
}
template <>
inline const GemmLoops<uint32_t>& gemmLoops<uint32_t>() {
  return gemmKernels().u32;
}
template <>
inline const GemmLoops<uint64_t>& gemmLoops<uint64_t>() {
  return gemmKernels().u64;
}

}  // namespace flambeau::cpu
