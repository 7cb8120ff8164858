// Intra-op threads. Our own loops run on a small pool of our own; oneDNN keeps OpenMP, waiting passively (whoever loads
// the library sets OMP_WAIT_POLICY and GOMP_SPINCOUNT: libgomp reads them once).
//
// Why not OpenMP for both: its barriers wait for every thread of the team, so a helper that the system has not
// scheduled yet (another process keeps its core busy) holds up a loop that is already done. Here the caller takes
// pieces itself and only waits for pieces that a helper has really begun; a helper that comes late finds nothing and
// goes back to sleep. Sleep it does soon, too: spinning for milliseconds as OpenMP's threads do is the other's core.
#include "flambeau/parallel.h"

#include <omp.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "flambeau/error.h"

namespace flambeau {
namespace {

std::atomic<int> threads{0};
thread_local int libraryThreads = 0;
thread_local bool insideParallelFor = false;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// How this thread treats tiny numbers and rounds: the caller's way holds for the pieces that helpers take.
inline unsigned floatMode() {
#if defined(__x86_64__)
  return __builtin_ia32_stmxcsr() & ~0x3fu;  // without the flags of what has happened
#else
  return 0;
#endif
}
inline void setFloatMode(unsigned mode) {
#if defined(__x86_64__)
  asm volatile("ldmxcsr %0" : : "m"(mode) : "memory");
#endif
}

/// How long a helper looks out for the next loop before it sleeps: waking it takes 40 microseconds. Longer would take a
/// core from others.
constexpr std::chrono::microseconds kLookOut{60};
/// How long it does not, once the system has taken its core away.
constexpr std::chrono::milliseconds kCrowded{50};

/// One loop at a time; others that come meanwhile run inline.
class Pool {
 public:
  /// Runs fn over [0, n) in `pieces` pieces on up to `helpers` helpers and the caller. False: the pool is taken.
  bool run(int64_t n, int64_t pieces, int helpers, RangeFn fn, void* ctx) {
    std::unique_lock<std::mutex> owner(owner_, std::try_to_lock);
    if (!owner) return false;
    n_ = n;
    pieces_ = pieces;
    fn_ = fn;
    ctx_ = ctx;
    mode_ = floatMode();
    next_.store(0, std::memory_order_relaxed);
    error_ = nullptr;
    failed_.store(false, std::memory_order_relaxed);
    wake(helpers);
    work();
    // Closed first, then counted: a helper enters before it looks (see help), so either it sees the loop closed or is
    // seen here.
    open_.store(false, std::memory_order_seq_cst);
    for (int spins = 0; inside_.load(std::memory_order_seq_cst) != 0; ++spins) {
      if (spins < 1000) {
        pause();
      } else {
        std::this_thread::yield();
      }
    }
    if (error_) std::rethrow_exception(error_);
    return true;
  }

 private:
  void wake(int helpers) {
    bool enough;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      open_.store(true, std::memory_order_seq_cst);
      const uint64_t generation = (call_.load(std::memory_order_relaxed) >> kWantedBits) + 1;
      call_.store(generation << kWantedBits | static_cast<uint64_t>(helpers), std::memory_order_seq_cst);
      try {
        while (started_ < helpers) {
          // Detached: helpers sleep until the process ends.
          std::thread([this] { help(); }).detach();
          ++started_;
        }
      } catch (const std::system_error&) {
        // No more threads to be had: those there are, and the caller, do the work.
      }
      enough = started_ - asleep_ >= helpers;
    }
    if (enough) return;  // those that are awake look out for it
    if (helpers == 1) {
      condition_.notify_one();
    } else {
      condition_.notify_all();
    }
  }

  /// Joins the loop that was called for last, unless this helper has or enough others did.
  bool claim(uint64_t& seen) {
    uint64_t call = call_.load(std::memory_order_seq_cst);
    while (call >> kWantedBits != seen && (call & kWantedMask) != 0) {
      if (call_.compare_exchange_weak(call, call - 1)) {
        seen = call >> kWantedBits;
        return true;
      }
    }
    return false;
  }
  /// Whether the system has taken this helper's core away of late. Then others want it, and a helper that has used up
  /// its share of it by looking out is stopped in the middle of a piece, for which the caller must wait.
  static bool crowded(std::chrono::steady_clock::time_point now) {
#ifdef RUSAGE_THREAD
    thread_local long before = 0;
    thread_local std::chrono::steady_clock::time_point until;
    rusage used;
    if (getrusage(RUSAGE_THREAD, &used) == 0 && used.ru_nivcsw != before) {
      before = used.ru_nivcsw;
      until = now + kCrowded;
    }
    return now < until;
#else
    return false;
#endif
  }
  /// The next loop often follows at once, and a sleeping thread takes as long to wake as a small loop to run.
  bool lookOut(uint64_t& seen) {
    const auto now = std::chrono::steady_clock::now();
    if (crowded(now)) return false;
    const auto until = now + kLookOut;
    do {
      for (int i = 0; i < 16; ++i) {
        if (claim(seen)) return true;
        pause();
      }
    } while (std::chrono::steady_clock::now() < until);
    return false;
  }

  void help() {
    insideParallelFor = true;
    omp_set_num_threads(1);
    uint64_t seen = 0;
    for (;;) {
      if (!lookOut(seen)) {
        std::unique_lock<std::mutex> lock(mutex_);
        ++asleep_;
        condition_.wait(lock, [&] { return claim(seen); });
        --asleep_;
      }
      inside_.fetch_add(1, std::memory_order_seq_cst);
      if (open_.load(std::memory_order_seq_cst)) {
        if (mode_ != floatMode()) setFloatMode(mode_);
        work();
      }
      inside_.fetch_sub(1, std::memory_order_seq_cst);
    }
  }

  void work() {
    for (;;) {
      int64_t i = next_.fetch_add(1, std::memory_order_relaxed);
      if (i >= pieces_ || failed_.load(std::memory_order_relaxed)) return;
      try {
        fn_(ctx_, begin(i), begin(i + 1));
      } catch (...) {
        if (!failed_.exchange(true)) error_ = std::current_exception();
      }
    }
  }
  /// Start of piece i: sizes differ by at most one, without overflow.
  int64_t begin(int64_t i) const { return n_ / pieces_ * i + std::min(i, n_ % pieces_); }

  std::mutex owner_;
  // The loop being run; written while it is closed and nobody is inside.
  int64_t n_ = 0, pieces_ = 0;
  RangeFn fn_ = nullptr;
  void* ctx_ = nullptr;
  unsigned mode_ = 0;
  std::exception_ptr error_;
  std::atomic<bool> failed_{false};
  alignas(64) std::atomic<int64_t> next_{0};
  alignas(64) std::atomic<bool> open_{false};
  std::atomic<int> inside_{0};
  // Sleeping and waking. `call_`: how many loops there have been, and how many helpers may still join the last one, so
  // that fewer do after setNumThreads was lowered.
  static constexpr int kWantedBits = 16;
  static constexpr uint64_t kWantedMask = (1u << kWantedBits) - 1;
  alignas(64) std::atomic<uint64_t> call_{0};
  std::mutex mutex_;
  std::condition_variable condition_;
  int started_ = 0, asleep_ = 0;
};

Pool& pool() {
  static Pool* p = new Pool();  // never destroyed: helpers sleep in it until the end
  return *p;
}

/// Pieces per thread: enough that a slow helper costs little, few enough that taking one is nothing.
constexpr int64_t kPiecesPerThread = 4;

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
  // A library call inside a piece of a loop must not start threads of its own.
  int n = insideParallelFor ? 1 : numThreads();
  if (libraryThreads == n) return;
  omp_set_num_threads(n);
  libraryThreads = n;
}

void parallelFor(int64_t n, int64_t grain, RangeFn fn, void* ctx) {
  if (n <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  int64_t limit = n / grain, count = numThreads();
  if (limit <= 1 || count <= 1 || inParallelRegion()) {
    fn(ctx, 0, n);
    return;
  }
  insideParallelFor = true;
  struct Reset {
    ~Reset() { insideParallelFor = false; }
  } reset;
  int helpers = static_cast<int>(std::min<int64_t>({count, limit, int64_t{1} << 15})) - 1;
  if (!pool().run(n, std::min(limit, count * kPiecesPerThread), helpers, fn, ctx)) fn(ctx, 0, n);
}

}  // namespace flambeau
