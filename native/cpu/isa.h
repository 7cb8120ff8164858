// Which instruction set the kernels of this process use. Generated tables come in up to three builds:
//   extern const PointwiseKernel add_baseline[kNumDTypes], add_avx2[...], add_avx512[...];
//   selectIsa(add_baseline, add_avx2, add_avx512)[dtype]
#pragma once

namespace flambeau::cpu {

enum Isa : int { kBaseline = 0, kAvx2 = 1, kAvx512 = 2 };

/// 0: baseline x86-64-v2 (or plain code elsewhere), 1: AVX2 (x86-64-v3), 2: AVX-512 (x86-64-v4). Constant for the
/// process; FLAMBEAU_ISA=baseline|avx2|avx512 lowers it (never above what the machine has).
int activeIsa();
const char* isaName(int isa);

#if defined(__x86_64__)
#define FB_MULTI_ISA 1
template <class T>
const T& selectIsa(const T& baseline, const T& avx2, const T& avx512) {
  int isa = activeIsa();
  return isa == kAvx512 ? avx512 : isa == kAvx2 ? avx2 : baseline;
}
#else
#define FB_MULTI_ISA 0
#endif
template <class T>
const T& selectIsa(const T& baseline) {
  return baseline;
}

}  // namespace flambeau::cpu

/// FB_SELECT_ISA(add) → the build of `add_<isa>` for this machine; on machines with one build, that one.
#if FB_MULTI_ISA
#define FB_SELECT_ISA(name) ::flambeau::cpu::selectIsa(name##_baseline, name##_avx2, name##_avx512)
#define FB_DECLARE_ISA(type, name) extern type name##_baseline, name##_avx2, name##_avx512
#else
#define FB_SELECT_ISA(name) ::flambeau::cpu::selectIsa(name##_baseline)
#define FB_DECLARE_ISA(type, name) extern type name##_baseline
#endif
