// Intra-op threads: a pool of our own for loops; libraries (oneDNN) use OpenMP with the same number of threads.
#pragma once
#include <cstdint>
#include <type_traits>

namespace flambeau {

int numThreads();
/// Throws Error(Value) unless n >= 1.
void setNumThreads(int n);
bool inParallelRegion();
/// Makes this thread's OpenMP settings match setNumThreads; called before every library call that runs parallel code.
void syncLibraryThreads();

using RangeFn = void (*)(void* ctx, int64_t begin, int64_t end);
/// Splits [0, n) into ranges of at least `grain`, a few per thread, in any order; runs inline when one range is enough
/// or when nested. An exception of any range is rethrown here.
void parallelFor(int64_t n, int64_t grain, RangeFn fn, void* ctx);

template <class F>
void parallelFor(int64_t n, int64_t grain, F&& f) {
  parallelFor(
      n, grain, [](void* ctx, int64_t b, int64_t e) { (*static_cast<std::remove_reference_t<F>*>(ctx))(b, e); }, &f);
}

}  // namespace flambeau
