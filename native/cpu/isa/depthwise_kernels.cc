// Depthwise convolution in tiles of a few rows: a register of pixels that has been read serves every row of the tile
// that sees it, so most of the work is multiply-adds.
#include "cpu/depthwise_kernels.h"

#include "cpu/isa/lanes.h"

namespace flambeau::cpu {
namespace {

using V = vec<float>;
constexpr int kWide = W<float>;

template <int R, int N>
FB_INLINE void begin(V (&acc)[R][N], const DepthwiseBlock& g) {
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < N; ++v) acc[r][v] = splat(g.bias);
}

template <int R, int N>
FB_INLINE void end(const V (&acc)[R][N], const DepthwiseBlock& g, int64_t row, int64_t column, Mask tail) {
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < N; ++v) {
      float* to = g.y + (row + r) * g.ldy + column + v * kWide;
      const V out = g.relu ? reluOf<float>(acc[r][v]) : acc[r][v];
      if (v == N - 1)
        storeMasked(to, out, tail);
      else
        store(to, out);
    }
}

template <int N>
FB_INLINE void pixels(V (&px)[N], const float* from, Mask tail) {
#pragma GCC unroll 8
  for (int v = 0; v < N; ++v) px[v] = v == N - 1 ? loadMasked(from + v * kWide, tail) : load(from + v * kWide);
}

// KH rows of taps, one below the other.
template <int KH, int R, int N>
FB_INLINE void tile(const DepthwiseBlock& g, int64_t row, int64_t column, Mask tail) {
  V acc[R][N];
  begin(acc, g);
  for (int64_t j = 0; j < g.kernelW; ++j) {
    const float* from = g.x + row * g.ldx + column + j * g.stepW;
#pragma GCC unroll 16
    for (int i = 0; i < R + KH - 1; ++i) {
      V px[N];
      pixels(px, from + i * g.ldx, tail);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        if (i < r || i - r >= KH) continue;
        const V w = splat(g.w[(i - r) * g.kernelW + j]);
#pragma GCC unroll 8
        for (int v = 0; v < N; ++v) acc[r][v] += w * px[v];
      }
    }
  }
  end(acc, g, row, column, tail);
}

// Any filter, tap by tap.
template <int R, int N>
FB_INLINE void anyTile(const DepthwiseBlock& g, int64_t row, int64_t column, Mask tail) {
  V acc[R][N];
  begin(acc, g);
  for (int64_t i = 0; i < g.kernelH; ++i)
    for (int64_t j = 0; j < g.kernelW; ++j) {
      const V w = splat(g.w[i * g.kernelW + j]);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        V px[N];
        pixels(px, g.x + (row + r + i * g.stepH) * g.ldx + column + j * g.stepW, tail);
#pragma GCC unroll 8
        for (int v = 0; v < N; ++v) acc[r][v] += w * px[v];
      }
    }
  end(acc, g, row, column, tail);
}

// R rows from end to end, while the R rows that come into sight next are fetched: a tile takes longer than the
// processor looks ahead, and prefetchers do not follow rows that are read a piece at a time.
template <int KH, int R>
__attribute__((noinline)) void rowsOf(const DepthwiseBlock& g, int64_t row) {
  const auto part = [&]<int N>(int64_t column, Mask tail) {
    if constexpr (KH > 0)
      tile<KH, R, N>(g, row, column, tail);
    else
      anyTile<R, N>(g, row, column, tail);
  };
  const float* next = g.x + (row + R + (g.kernelH - 1) * g.stepH) * g.ldx;
  int64_t column = 0;
  for (; column + 2 * kWide < g.columns; column += 2 * kWide) {
    for (int r = 0; r < R; ++r)
      for (int at = 0; at < 2 * kWide; at += 16) __builtin_prefetch(next + r * g.ldx + column + at);
    part.template operator()<2>(column, Mask(kWide));
  }
  const int rest = static_cast<int>(g.columns - column);
  if (rest > kWide)
    part.template operator()<2>(column, Mask(rest - kWide));
  else
    part.template operator()<1>(column, Mask(rest));
}

template <int KH>
void allRows(const DepthwiseBlock& g) {
  int64_t row = 0;
  for (; row + 4 <= g.rows; row += 4) rowsOf<KH, 4>(g, row);
  for (; row < g.rows; ++row) rowsOf<KH, 1>(g, row);
}

// A single row: more registers side by side.
void line(const DepthwiseBlock& g) {
  constexpr int N = 6;
  const Mask full(kWide);
  int64_t column = 0;
  for (; column + N * kWide <= g.columns; column += N * kWide) anyTile<1, N>(g, 0, column, full);
  for (; column < g.columns; column += kWide)
    anyTile<1, 1>(g, 0, column, column + kWide <= g.columns ? full : Mask(static_cast<int>(g.columns - column)));
}

void plane(const DepthwiseBlock& g) {
  if (g.rows == 1) return line(g);
  if (g.stepH == 1) {
    if (g.kernelH == 1) return allRows<1>(g);
    if (g.kernelH == 3) return allRows<3>(g);
    if (g.kernelH == 5) return allRows<5>(g);
    if (g.kernelH == 7) return allRows<7>(g);
  }
  allRows<0>(g);
}

}  // namespace

extern const DepthwiseKernels FB_ISA_NAME(depthwiseKernels);
const DepthwiseKernels FB_ISA_NAME(depthwiseKernels) = {plane};

}  // namespace flambeau::cpu
