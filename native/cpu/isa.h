// Which instruction set the kernels of this process use. Kernel tables come in up to three builds, NAME_baseline,
// NAME_avx2 and NAME_avx512.
#pragma once

namespace flambeau::cpu {

enum Isa : int { kBaseline = 0, kAvx2 = 1, kAvx512 = 2 };

/// 0: baseline x86-64-v2 (or plain code elsewhere), 1: AVX2 (x86-64-v3), 2: AVX-512 (x86-64-v4). Constant for the
/// process; FLAMBEAU_ISA=baseline|avx2|avx512 lowers it (never above what the machine has).
int activeIsa();
const char* isaName(int isa);

}  // namespace flambeau::cpu

// Which of them this build has besides the baseline: native/cmake/FlambeauKernels.cmake (FLAMBEAU_ISAS).
#ifndef FLAMBEAU_HAS_avx2
#define FLAMBEAU_HAS_avx2 0
#endif
#ifndef FLAMBEAU_HAS_avx512
#define FLAMBEAU_HAS_avx512 0
#endif

/// FB_DECLARE_ISA(const Kernel, add) declares the builds of `add_<isa>`; FB_SELECT_ISA(add) is the one for this
/// machine.
#define FB_DECLARE_ISA(type, name) extern type name##_baseline, name##_avx2, name##_avx512
#define FB_SELECT_ISA(name) (FB_SELECT_AVX512(name##_avx512) FB_SELECT_AVX2(name##_avx2) name##_baseline)
#if FLAMBEAU_HAS_avx512
#define FB_SELECT_AVX512(name) ::flambeau::cpu::activeIsa() == ::flambeau::cpu::kAvx512 ? name:
#else
#define FB_SELECT_AVX512(name)
#endif
#if FLAMBEAU_HAS_avx2
#define FB_SELECT_AVX2(name) ::flambeau::cpu::activeIsa() == ::flambeau::cpu::kAvx2 ? name:
#else
#define FB_SELECT_AVX2(name)
#endif
