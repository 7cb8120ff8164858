// Rows and vectors of a register tile: 24 accumulators with 32 registers, 12 with 16.
#pragma once
#include "cpu/isa/lanes.h"

namespace flambeau::cpu {
namespace {

constexpr int kRows = 6;
#if defined(FB_ISA_avx512)
constexpr int kVecs = 4;
#else
constexpr int kVecs = 2;
#endif
constexpr int kWide = W<float>;

}  // namespace
}  // namespace flambeau::cpu
