// Register tiles over pixels that are read where they lie.
#include "cpu/window_kernels.h"

#include "cpu/isa/register_tile.h"

namespace flambeau::cpu {
namespace {

typedef int32_t Lanes __attribute__((vector_size(FB_VECTOR_BYTES)));

// Lanes 0 of both, lanes 1 of both, ...: `half` 0 begins with the first, 1 with the middle.
FB_INLINE vec<float> interleaved(vec<float> a, vec<float> b, int half) {
  Lanes pick;
  for (int l = 0; l < kWide; ++l) pick[l] = half * kWide / 2 + l / 2 + (l % 2) * kWide;
  return __builtin_shuffle(a, b, pick);
}

// One register of results. `single`: it is one stretch.
FB_INLINE void put(const WindowStore* at, const WindowStore* end, bool single, float* row, vec<float> x) {
  if (single) return storeMasked(row + at->to, x, maskRange(at->lo, at->hi));
  for (; at < end; ++at) storeMasked(row + at->to, x, maskRange(at->lo, at->hi));
}

template <int M, int N, int S>
FB_INLINE void finish(const WindowBlock& g, int64_t row, vec<float> (&acc)[S][M][N], bool single) {
#pragma GCC unroll 4
  for (int v = 0; v < N; ++v) {
    const WindowRegister& reg = g.registers[v];
    const WindowStore *first = g.stores + reg.first, *second = g.stores + reg.second, *end = g.stores + reg.end;
#pragma GCC unroll 8
    for (int r = 0; r < M; ++r) {
      float* to = g.out + (row + r) * g.rowStep;
#pragma GCC unroll 2
      for (int s = 0; s < S; ++s) {
        if (g.bias) acc[s][r][v] += splat(g.bias[row + r]);
        if (g.relu) acc[s][r][v] = reluOf<float>(acc[s][r][v]);
      }
      if constexpr (S == 1) {
        put(first, end, single, to, acc[0][r][v]);
      } else {
        put(first, second, single, to, interleaved(acc[0][r][v], acc[1][r][v], 0));
        put(second, end, single, to, interleaved(acc[0][r][v], acc[1][r][v], 1));
      }
    }
  }
}

template <int M, int N, int S>
FB_INLINE void tile(const WindowBlock& g, int64_t row) {
  vec<float> acc[S][M][N];
  const float* from[N];
  float* out = g.out + row * g.rowStep;
#pragma GCC unroll 4
  for (int v = 0; v < N; ++v) {
    from[v] = g.image + g.registers[v].at;
    const float* first = out + g.stores[g.registers[v].first].to;
#pragma GCC unroll 8
    for (int r = 0; r < M; ++r) __builtin_prefetch(first + r * g.rowStep, 1);
  }
#pragma GCC unroll 2
  for (int s = 0; s < S; ++s) {
#pragma GCC unroll 8
    for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < N; ++v) acc[s][r][v] = vec<float>{};
    const float* a = g.filters[s] + row * g.steps[s];
    const int64_t *at = g.offsets[s], *end = at + g.steps[s];
    for (; at < end; ++at, a += M) {
      vec<float> x[N];
#pragma GCC unroll 4
      for (int v = 0; v < N; ++v) x[v] = load(from[v] + *at);
#pragma GCC unroll 8
      for (int r = 0; r < M; ++r) {
        const vec<float> w = splat(a[r]);
#pragma GCC unroll 4
        for (int v = 0; v < N; ++v) acc[s][r][v] += w * x[v];
      }
    }
  }
  if (g.single)
    finish<M, N, S>(g, row, acc, true);
  else
    finish<M, N, S>(g, row, acc, false);
}

template <int N, int S>
__attribute__((noinline)) void strip(const WindowBlock& g) {
  const int64_t tiles = (g.rows + kRows - 1) / kRows;
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t row = g.rows * t / tiles;
    switch (g.rows * (t + 1) / tiles - row) {
      case 6:
        tile<6, N, S>(g, row);
        break;
      case 5:
        tile<5, N, S>(g, row);
        break;
      case 4:
        tile<4, N, S>(g, row);
        break;
      case 3:
        tile<3, N, S>(g, row);
        break;
      case 2:
        tile<2, N, S>(g, row);
        break;
      default:
        tile<1, N, S>(g, row);
    }
  }
}

void multiply(const WindowBlock& g) {
  if (g.streams == 2) {
    if constexpr (kVecs > 2)
      if (g.count == 2) return strip<2, 2>(g);
    return strip<1, 2>(g);
  }
  if constexpr (kVecs > 2) {
    if (g.count == 4) return strip<4, 1>(g);
    if (g.count == 3) return strip<3, 1>(g);
  }
  g.count == 2 ? strip<2, 1>(g) : strip<1, 1>(g);
}

}  // namespace

extern const WindowKernels FB_ISA_NAME(windowKernels);
const WindowKernels FB_ISA_NAME(windowKernels) = {kRows, kWide, kVecs, multiply};

}  // namespace flambeau::cpu
