// Runs CUDA kernels on the CPU, to check results on machines without a GPU. The threads of a block are fibers that run
// one after the other and switch at barriers and shuffles, so that a missing barrier shows up as a wrong result,
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
#define __host__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(THREADS)
#define __shared__ static

struct fb_simt_dim {
  unsigned x = 0, y = 0, z = 0;
};
struct dim3 {
  unsigned x, y, z;
  dim3(unsigned a, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
inline fb_simt_dim threadIdx, blockIdx, blockDim, gridDim;

namespace fb_simt {

constexpr size_t kStack = 64 * 1024;
constexpr unsigned kWarp = 32;
struct Fiber {
  ucontext_t context;
  std::vector<char> stack;
  bool done = false;
};
/// Threads that wait for each other: everybody has arrived when `arrived` is a multiple of the members.
struct Barrier {
  unsigned long arrived = 0;
  unsigned members = 0;
};
inline ucontext_t scheduler;
inline std::vector<Fiber> fibers;
inline unsigned current;
inline bool progress;
inline const std::function<void()>* body;
inline Barrier whole;
inline std::vector<Barrier> warps;
/// What the lanes of each warp show each other; two slots, so that the next exchange does not disturb the last.
inline std::vector<unsigned long long> lanes[2];

inline void entry() {
  (*body)();
  fibers[current].done = true;
  progress = true;
  swapcontext(&fibers[current].context, &scheduler);
}
inline void yield() { swapcontext(&fibers[current].context, &scheduler); }
inline unsigned long wait(Barrier& b) {
  unsigned long turn = b.arrived++ / b.members;
  progress = true;
  while (b.arrived / b.members == turn) yield();
  progress = true;
  return turn;
}

/// One block: threads take turns, each up to its next barrier. Threads that wait for one that has left never go on.
inline void block(unsigned threads) {
  if (fibers.size() < threads) fibers.resize(threads);
  whole = {0, threads};
  warps.assign((threads + kWarp - 1) / kWarp, {0, kWarp});
  for (auto& l : lanes) l.assign(threads, 0);
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
  static unsigned round = 0;
  for (bool more = true; more;) {
    more = progress = false;
    // Odd rounds run backwards: results must not depend on the order of threads.
    round++;
    for (unsigned t = 0; t < threads; t++) {
      unsigned k = round % 2 ? threads - 1 - t : t;
      if (fibers[k].done) continue;
      current = k;
      threadIdx.x = k;
      swapcontext(&scheduler, &fibers[k].context);
      more |= !fibers[k].done;
    }
    if (more && !progress) {
      std::fprintf(stderr, "simt: threads wait at a barrier that others never reach\n");
      std::abort();
    }
  }
}

inline void launch(const std::function<void()>& kernel, dim3 grid, unsigned threads) {
  body = &kernel;
  gridDim = {grid.x, grid.y, grid.z};
  blockDim.x = threads;
  for (blockIdx.z = 0; blockIdx.z < grid.z; blockIdx.z++)
    for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++)
      for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++) block(threads);
}

}  // namespace fb_simt

inline void __syncthreads() { fb_simt::wait(fb_simt::whole); }
inline void __syncwarp() { fb_simt::wait(fb_simt::warps[threadIdx.x / fb_simt::kWarp]); }
template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  static_assert(sizeof(T) <= sizeof(unsigned long long));
  unsigned me = threadIdx.x, warp = me / fb_simt::kWarp;
  unsigned slot = fb_simt::warps[warp].arrived / fb_simt::kWarp % 2;
  std::memcpy(&fb_simt::lanes[slot][me], &value, sizeof(T));
  fb_simt::wait(fb_simt::warps[warp]);
  T other;
  std::memcpy(&other, &fb_simt::lanes[slot][me ^ (unsigned)mask], sizeof(T));
  return other;
}
template <class T>
T atomicAdd(T* p, T v) {
  T old = *p;
  *p = old + v;
  return old;
}

#define FB_BLOCK 64  // two warps
#define FB_WIDE 128
#define FB_LAUNCH(KERNEL, GRID, BLOCK, ...) \
  fb_simt::launch([&] { KERNEL(__VA_ARGS__); }, (unsigned)((GRID) > 3 ? 3 : (GRID)), BLOCK)
#define FB_COPY(TO, FROM, BYTES) std::memcpy(TO, FROM, (size_t)(BYTES))
