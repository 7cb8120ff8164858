// Intra-op threads on OpenMP. libgomp's pool is shared with oneDNN; passive waiting is set by whoever loads the library
// (OMP_WAIT_POLICY, GOMP_SPINCOUNT: read once by libgomp), because spinning threads ruin a shared machine.
#include "flambeau/parallel.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <exception>

#include "flambeau/error.h"

namespace flambeau {
namespace {

std::atomic<int> threads{0};
thread_local int libraryThreads = 0;
thread_local bool insideParallelFor = false;

}  // namespace

int numThreads() {
  int n = threads.load(std::memory_order_relaxed);
  if (n == 0) {
    n = std::max(1, omp_get_max_threads());
    threads.store(n, std::memory_order_relaxed);
  }
  return n;
}

void setNumThreads(int n) {
  FB_CHECK(n >= 1, Value, "set_num_threads expects a positive integer, got %d", n);
  threads.store(n, std::memory_order_relaxed);
  syncLibraryThreads();
}

bool inParallelRegion() { return insideParallelFor || omp_in_parallel(); }

void syncLibraryThreads() {
  int n = numThreads();
  if (libraryThreads == n) return;
  omp_set_num_threads(n);
  libraryThreads = n;
}

void parallelFor(int64_t n, int64_t grain, RangeFn fn, void* ctx) {
  if (n <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  int64_t wanted = n <= grain ? 1 : std::min<int64_t>(numThreads(), n / grain);
  if (wanted <= 1 || inParallelRegion()) {
    fn(ctx, 0, n);
    return;
  }
  std::exception_ptr error;
  std::atomic<bool> failed{false};
#pragma omp parallel num_threads(static_cast<int>(wanted))
  {
    // The runtime may give fewer threads than asked for: split by what it gave.
    int64_t team = omp_get_num_threads(), id = omp_get_thread_num();
    int64_t begin = n * id / team, end = n * (id + 1) / team;
    if (begin < end && !failed.load(std::memory_order_relaxed)) {
      insideParallelFor = true;
      try {
        fn(ctx, begin, end);
      } catch (...) {
        if (!failed.exchange(true)) error = std::current_exception();
      }
      insideParallelFor = false;
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace flambeau
