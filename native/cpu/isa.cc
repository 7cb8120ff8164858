// Picks the instruction set once, when first asked (that is, while the library's kernel tables are filled).
#include "cpu/isa.h"

#include <cstdlib>
#include <string_view>

namespace flambeau::cpu {
namespace {

int detect() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  // What -march=x86-64-v3 and -v4 let the compiler use; the operating system's support for the registers is included.
  bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
            __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("f16c") && __builtin_cpu_supports("lzcnt") &&
            __builtin_cpu_supports("movbe");
  bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl");
  return v4 ? kAvx512 : v3 ? kAvx2 : kBaseline;
#else
  return kBaseline;
#endif
}

int choose() {
  int best = detect(), wanted = best;
  if (const char* name = std::getenv("FLAMBEAU_ISA")) {
    std::string_view s = name;
    if (s == "baseline") wanted = kBaseline;
    if (s == "avx2") wanted = kAvx2;
    if (s == "avx512") wanted = kAvx512;
  }
  if (!FLAMBEAU_HAS_avx512 && best > kAvx2) best = kAvx2;
  if (!FLAMBEAU_HAS_avx2 && best == kAvx2) best = kBaseline;
  return wanted < best ? wanted : best;
}

}  // namespace

int activeIsa() {
  static const int isa = choose();
  return isa;
}

const char* isaName(int isa) { return isa == kAvx512 ? "avx512" : isa == kAvx2 ? "avx2" : "baseline"; }

}  // namespace flambeau::cpu
