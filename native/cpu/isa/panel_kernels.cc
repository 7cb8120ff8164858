// Register tiles over packed panels. What C holds is added at the end: its lines are asked for before the sums begin,
// so that they arrive while the tile computes.
#include "cpu/panel_kernels.h"

#include "cpu/isa/register_tile.h"

namespace flambeau::cpu {
namespace {

constexpr int kColumns = kVecs * kWide;

template <int M, int N>
FB_INLINE void tile(const PanelBlock& g, int64_t i, Mask tail) {
  vec<float> acc[M][N];
  float* c = g.c + i * g.ldc;
#pragma GCC unroll 8
  for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < N; ++v) {
      acc[r][v] = vec<float>{};
      if (v % (64 / (4 * kWide)) == 0) __builtin_prefetch(c + r * g.ldc + v * kWide, 1);
    }
  const float* a = g.a + i * g.k;
  const float* b = g.b;
  for (int64_t p = 0; p < g.k; ++p) {
    vec<float> row[N];
#pragma GCC unroll 4
    for (int v = 0; v < N; ++v) row[v] = load(b + v * kWide);
#pragma GCC unroll 8
    for (int r = 0; r < M; ++r) {
      const vec<float> x = splat(a[r]);
#pragma GCC unroll 4
      for (int v = 0; v < N; ++v) acc[r][v] += x * row[v];
    }
    a += M;
    b += kColumns;
  }
#pragma GCC unroll 4
  for (int v = 0; v < N; ++v) {
    const bool last = v == N - 1;
    vec<float> add{};
    if (g.columnBias) add = last ? loadMasked(g.columnBias + v * kWide, tail) : load(g.columnBias + v * kWide);
#pragma GCC unroll 8
    for (int r = 0; r < M; ++r) {
      float* to = c + r * g.ldc + v * kWide;
      vec<float> sum = acc[r][v] + add;
      if (g.rowBias) sum += splat(g.rowBias[i + r]);
      if (g.accumulate) sum += last ? loadMasked(to, tail) : load(to);
      if (g.relu) sum = reluOf<float>(sum);
      if (last)
        storeMasked(to, sum, tail);
      else
        store(to, sum);
    }
  }
}

template <int N>
__attribute__((noinline)) void strip(const PanelBlock& g, Mask tail) {
  int64_t i = 0;
  for (; i + kRows <= g.m; i += kRows) tile<kRows, N>(g, i, tail);
  switch (g.m - i) {
    case 5:
      return tile<5, N>(g, i, tail);
    case 4:
      return tile<4, N>(g, i, tail);
    case 3:
      return tile<3, N>(g, i, tail);
    case 2:
      return tile<2, N>(g, i, tail);
    case 1:
      return tile<1, N>(g, i, tail);
    default:
      return;
  }
}

void multiply(const PanelBlock& g) {
  const int vecs = static_cast<int>((g.n + kWide - 1) / kWide);
  const Mask tail(static_cast<int>(g.n - (vecs - 1) * kWide));
  if (vecs == 1) return strip<1>(g, tail);
  if constexpr (kVecs > 2) {
    if (vecs == 3) return strip<3>(g, tail);
    if (vecs == 4) return strip<4>(g, tail);
  }
  strip<2>(g, tail);
}

void pixels(const float* image, const int64_t* offsets, int64_t count, const PixelRun* runs, int64_t registers,
            float* to) {
  for (int64_t v = 0; v < registers; ++v) {
    const PixelRun& run = runs[v];
    float* at = to + v * kWide;
    if (run.split < 0) {
      for (int64_t t = 0; t < count; ++t)
        for (int l = 0; l < kWide; ++l) at[t * kColumns + l] = l < run.count ? image[offsets[t] + run.lanes[l]] : 0.0f;
    } else if (run.split == kWide) {
      const float* from = image + run.first;
      for (int64_t t = 0; t < count; ++t) store(at + t * kColumns, load(from + offsets[t]));
    } else {
      // Masked lanes are zero in both halves: adding joins them.
      const Mask low = maskRange(0, run.split), high = maskRange(run.split, run.count);
      const float *first = image + run.first, *second = image + run.second - run.split;
      for (int64_t t = 0; t < count; ++t) {
        const vec<float> x = loadMasked(first + offsets[t], low), y = loadMasked(second + offsets[t], high);
        store(at + t * kColumns, x + y);
      }
    }
  }
}

void interleave(const float* from, int64_t step, int64_t streams, int64_t whole, int64_t n, float* to) {
  if (streams == 1) {
    __builtin_memcpy(to, from, static_cast<unsigned long>(n) * sizeof(float));
    return;
  }
  const int64_t both = whole < streams ? n - 1 : n;
  if (streams == 2) {
    const float* second = from + step;
    for (int64_t i = 0; i < both; ++i) {
      to[2 * i] = from[i];
      to[2 * i + 1] = second[i];
    }
  } else {
    for (int64_t s = 0; s < streams; ++s)
      for (int64_t i = 0; i < both; ++i) to[i * streams + s] = from[s * step + i];
  }
  if (both < n)
    for (int64_t s = 0; s < whole; ++s) to[both * streams + s] = from[s * step + both];
}

}  // namespace

extern const PanelKernels FB_ISA_NAME(panelKernels);
const PanelKernels FB_ISA_NAME(panelKernels) = {kRows, kColumns, kWide, multiply, pixels, interleave};

}  // namespace flambeau::cpu
