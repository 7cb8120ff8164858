// Runs CUDA kernels on the CPU, to check results on machines without a GPU. The threads of a block are fibers that run
// one after the other and switch at __syncthreads(), so that a missing barrier shows up as a wrong result,
// deterministically. Test code only.
#pragma once
#include <ucontext.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static

struct fb_simt_dim {
  unsigned x = 0, y = 0, z = 0;
};
inline fb_simt_dim threadIdx, blockIdx, blockDim, gridDim;

namespace fb_simt {

constexpr size_t kStack = 64 * 1024;
struct Fiber {
  ucontext_t context;
  std::vector<char> stack;
  bool done = false;
};
inline ucontext_t scheduler;
inline std::vector<Fiber> fibers;
inline unsigned current;
inline const std::function<void()>* body;

inline void entry() {
  (*body)();
  fibers[current].done = true;
  swapcontext(&fibers[current].context, &scheduler);
}

/// One block: every thread runs up to the barrier, then every thread goes on.
inline void block(unsigned threads) {
  if (fibers.size() < threads) fibers.resize(threads);
  for (unsigned t = 0; t < threads; t++) {
    Fiber& f = fibers[t];
    f.stack.resize(kStack);
    f.done = false;
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = f.stack.data();
    f.context.uc_stack.ss_size = kStack;
    f.context.uc_link = nullptr;
    makecontext(&f.context, entry, 0);
  }
  for (bool more = true; more;) {
    more = false;
    unsigned done = 0;
    for (unsigned t = 0; t < threads; t++) {
      // Odd rounds run backwards: results must not depend on the order of threads.
      static unsigned round = 0;
      if (t == 0) round++;
      unsigned k = round % 2 ? threads - 1 - t : t;
      if (!fibers[k].done) {
        current = k;
        threadIdx.x = k;
        swapcontext(&scheduler, &fibers[k].context);
      }
      if (fibers[k].done)
        done++;
      else
        more = true;
    }
    if (done != 0 && done != threads) {
      std::fprintf(stderr, "simt: %u of %u threads left while others wait at a barrier\n", done, threads);
      std::abort();
    }
  }
}

inline void launch(const std::function<void()>& kernel, unsigned grid, unsigned threads) {
  body = &kernel;
  gridDim.x = grid;
  blockDim.x = threads;
  for (unsigned b = 0; b < grid; b++) {
    blockIdx.x = b;
    block(threads);
  }
}

}  // namespace fb_simt

inline void __syncthreads() { swapcontext(&fb_simt::fibers[fb_simt::current].context, &fb_simt::scheduler); }
template <class T>
T atomicAdd(T* p, T v) {
  T old = *p;
  *p = old + v;
  return old;
}

#define FB_BLOCK 32
#define FB_LAUNCH(KERNEL, GRID, ARGS) \
  fb_simt::launch([&] { KERNEL(ARGS); }, (unsigned)((GRID) > 3 ? 3 : (GRID)), FB_BLOCK)
#define FB_COPY(TO, FROM, BYTES) std::memcpy(TO, FROM, (size_t)(BYTES))
