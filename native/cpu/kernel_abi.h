// The interface between the per-ISA kernel objects (generated bodies) and the drivers that walk shapes.
#pragma once
#include <cstdint>

#include "flambeau/dtype.h"

namespace flambeau::cpu {

/// Pointwise inner loop over n elements. `ptr`: outputs first, then inputs; `stride`: byte steps in the same order
/// (0: the same element throughout). Inputs have the kernel's compute dtype; `attr`: scalar attributes as double.
using PointwiseKernel = void (*)(char* const* ptr, const int64_t* stride, int64_t n, const double* attr);

/// Result dtype rules (codegen/model.ts lists the same names).
enum class DTypeRule : uint8_t {
  Same,         // promote; the result has the common dtype
  IntToFloat,   // promote; integers and bool become the default float
  Bool,         // compute in the common dtype, give bool
  FloatOnly,    // as Same, error for integers and bool
  NumericOnly,  // as Same, error for bool
  IntegralOnly  // as Same, error for floats (bitwise)
};

/// One pointwise op: everything the driver needs. Tables are indexed by compute dtype; null: not supported (error).
struct PointwiseSpec {
  const char* name;
  DTypeRule rule;
  uint8_t inputs, outputs, attrs;
  uint8_t boolInputs;                  // bit i: input i is a condition, taken as bool and left out of promotion
  PointwiseKernel kernel[kNumDTypes];  // for the instruction set of this machine, filled when the library loads
};

/// Reduces n elements (byte step `stride`) into `state` (the op's accumulator struct, kept by the driver as opaque
/// bytes). `index`: position of the first element along the reduced dimension (argmax and kin).
using ReduceInner = void (*)(void* state, const char* in, int64_t stride, int64_t n, int64_t index, const double* attr);
/// Reduces along the outer dimension: for `width` neighbouring columns (element step `colStride` bytes), n rows of step
/// `rowStride`.
using ReduceOuter = void (*)(void* states, const char* in, int64_t colStride, int64_t width, int64_t rowStride,
                             int64_t n, int64_t index, const double* attr);
using ReduceInit = void (*)(void* states, int64_t count);
using ReduceCombine = void (*)(void* into, const void* from, int64_t count);
/// Writes the results of `count` states; out[k] / step[k] one per output.
using ReduceFinish = void (*)(const void* states, int64_t count, char* const* out, const int64_t* step, int64_t n,
                              const double* attr);

struct ReductionKernels {
  ReduceInner inner = nullptr;
  ReduceOuter outer = nullptr;
  ReduceInit init = nullptr;
  ReduceCombine combine = nullptr;
  ReduceFinish finish = nullptr;
  uint32_t stateBytes = 0;
};

enum class ReduceRule : uint8_t {
  Same,        // amax, amin
  IntToInt64,  // sum, prod: integers and bool become int64; `dtype` overrides (the input is converted first)
  FloatOnly,   // mean, var
  Bool,        // any, all
  Index        // argmax, argmin: int64
};

struct ReductionSpec {
  const char* name;
  ReduceRule rule;
  uint8_t outputs;      // 1 or 2 (max with indices)
  bool indexOutput[2];  // that output is int64
  bool identity;        // false: an empty reduction is an error (amax)
  ReductionKernels kernels[kNumDTypes];
};

/// Running values of `n` elements (byte step `step`) of `width` neighbouring lines (byte step `line`); outputs
/// likewise, one pointer and pair of steps each.
using ScanKernel = void (*)(const char* in, int64_t step, int64_t line, char* const* out, const int64_t* outStep,
                            const int64_t* outLine, int64_t n, int64_t width);

struct ScanSpec {
  const char* name;
  ReduceRule rule;  // Same, IntToInt64 or FloatOnly
  uint8_t outputs;  // 1 or 2 (cummax with indices)
  bool indices;     // the second output is int64
  bool reverse;     // from the last element to the first
  ScanKernel kernel[kNumDTypes];
};

}  // namespace flambeau::cpu
