// Direct convolution for few channels, where blocked library layouts would compute mostly padding. Output pixels fill
// the vector lanes; a register is two chunks of eight neighbouring pixels, so that narrow images keep all 16 lanes
// busy.
#include "cpu/conv_kernels.h"

#include "cpu/isa/lanes.h"

namespace flambeau::cpu {
namespace {

using V = vec<float>;
constexpr int kLanes = W<float>;
constexpr int kChunk = kLanes < 8 ? kLanes : 8;
constexpr int kPer = kLanes / kChunk;  // chunks per register

#if defined(FB_ISA_avx512)
constexpr int kRows = 6, kVecs = 4, kTaps = 4;
#else
constexpr int kRows = 6, kVecs = 2, kTaps = 2;
#endif

// A register of pixels: its chunks may lie anywhere.
FB_INLINE V loadPixels(const float* base, const int64_t* chunk) {
#if defined(FB_ISA_avx512)
  return (V)_mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(base + chunk[0])),
                               _mm256_loadu_ps(base + chunk[1]), 1);
#else
  return load(base + chunk[0]);
#endif
}
// The first `n` pixels (1..kLanes) of a register, zeros behind; reads nothing else.
FB_INLINE V loadSomePixels(const float* base, const int64_t* chunk, int n) {
#if defined(FB_ISA_avx512)
  const __m256 lo = n >= 8 ? _mm256_loadu_ps(base + chunk[0])
                           : _mm256_maskz_loadu_ps(static_cast<__mmask8>((1u << n) - 1), base + chunk[0]);
  const __m256 hi =
      n > 8 ? _mm256_maskz_loadu_ps(static_cast<__mmask8>((1u << (n - 8)) - 1), base + chunk[1]) : _mm256_setzero_ps();
  return (V)_mm512_insertf32x8(_mm512_castps256_ps512(lo), hi, 1);
#else
  return loadMasked(base + chunk[0], Mask(n));
#endif
}

template <int M, int N>
FB_INLINE void forwardTile(const ConvForwardBlock& g, const float* w, int64_t channel, const int64_t* chunks,
                           int64_t pixel, Mask tail) {
  V acc[M][N];
#pragma GCC unroll 8
  for (int r = 0; r < M; ++r) {
    const V start = splat(g.bias ? g.bias[channel + r] : 0.0f);
#pragma GCC unroll 4
    for (int v = 0; v < N; ++v) acc[r][v] = start;
  }
  int64_t at[N * kPer];
#pragma GCC unroll 8
  for (int i = 0; i < N * kPer; ++i) at[i] = chunks[i];
  const int64_t* taps = g.taps;
  const int64_t* end = taps + g.count;
  for (; taps != end; ++taps, w += kRows) {
    const float* base = g.x + *taps;
    V px[N];
#pragma GCC unroll 4
    for (int v = 0; v < N; ++v) px[v] = loadPixels(base, at + v * kPer);
#pragma GCC unroll 8
    for (int r = 0; r < M; ++r) {
      const V x = splat(w[r]);
#pragma GCC unroll 4
      for (int v = 0; v < N; ++v) acc[r][v] += x * px[v];
    }
  }
  float* y = g.y + channel * g.ldy + pixel;
#pragma GCC unroll 8
  for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < N; ++v) {
      const V out = g.relu ? reluOf<float>(acc[r][v]) : acc[r][v];
      if (v == N - 1)
        storeMasked(y + r * g.ldy + v * kLanes, out, tail);
      else
        store(y + r * g.ldy + v * kLanes, out);
    }
}

template <int N>
__attribute__((noinline)) void forwardStrip(const ConvForwardBlock& g, const int64_t* chunks, int64_t pixel,
                                            Mask tail) {
  const float* w = g.w;
  int64_t o = 0;
  for (; o + kRows <= g.channels; o += kRows, w += kRows * g.count) forwardTile<kRows, N>(g, w, o, chunks, pixel, tail);
  switch (g.channels - o) {
    case 5:
      return forwardTile<5, N>(g, w, o, chunks, pixel, tail);
    case 4:
      return forwardTile<4, N>(g, w, o, chunks, pixel, tail);
    case 3:
      return forwardTile<3, N>(g, w, o, chunks, pixel, tail);
    case 2:
      return forwardTile<2, N>(g, w, o, chunks, pixel, tail);
    case 1:
      return forwardTile<1, N>(g, w, o, chunks, pixel, tail);
    default:
      return;
  }
}

void forward(const ConvForwardBlock& g) {
  constexpr int step = kVecs * kPer;
  const Mask full(kLanes);
  int64_t q = 0;
  const int missing = static_cast<int>(kChunk - g.lastChunk);
  for (; q + step <= g.chunkCount; q += step)
    forwardStrip<kVecs>(g, g.chunks + q, q * kChunk, q + step == g.chunkCount ? Mask(kLanes - missing) : full);
  const int rest = static_cast<int>(g.chunkCount - q);
  if (rest <= 0) return;
  // The missing half of the last register repeats its first chunk; the mask drops it.
  int64_t at[step];
  for (int i = 0; i < step; ++i) at[i] = g.chunks[q + (i < rest ? i : rest - 1)];
  const int vecs = (rest + kPer - 1) / kPer;
  const Mask tail((rest - (vecs - 1) * kPer) * kChunk - missing);
  if (vecs == 1) return forwardStrip<1>(g, at, q * kChunk, tail);
  if (vecs == 2) return forwardStrip<2>(g, at, q * kChunk, tail);
  if constexpr (kVecs == 4) {
    if (vecs == 3) return forwardStrip<3>(g, at, q * kChunk, tail);
    forwardStrip<4>(g, at, q * kChunk, tail);
  }
}

// Registers of pixels over all images of a block, so that the hot loop has no inner image loop to set up.
struct PixelTable {
  static constexpr int kLimit = 256;
  int64_t count = 0;
  int64_t x[kLimit * kPer];  // chunk offsets
  int64_t dy[kLimit];
};

template <int M, int N>
__attribute__((noinline)) void weightTile(const ConvWeightBlock& g, const PixelTable& table, int rest, int64_t o,
                                          int64_t t) {
  V acc[M][N];
#pragma GCC unroll 8
  for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
    for (int c = 0; c < N; ++c) acc[r][c] = V{};
  const float* x[N];
#pragma GCC unroll 4
  for (int c = 0; c < N; ++c) x[c] = g.x + g.taps[t + c];
  const float* dyBase = g.dy + o * g.ldy;
  const int64_t ldy = g.ldy, *chunk = table.x;
  for (int64_t q = 0; q < table.count; ++q, chunk += kPer) {
    V px[N];
#pragma GCC unroll 4
    for (int c = 0; c < N; ++c) px[c] = loadPixels(x[c], chunk);
    const float* dy = dyBase + table.dy[q];
#pragma GCC unroll 8
    for (int r = 0; r < M; ++r) {
      const V d = load(dy + r * ldy);
#pragma GCC unroll 4
      for (int c = 0; c < N; ++c) acc[r][c] += d * px[c];
    }
  }
  if (rest) {
    const Mask tail(rest);
    const int64_t* last = g.chunks + g.chunkCount - (rest + kChunk - 1) / kChunk;
    for (int64_t n = 0; n < g.images; ++n) {
      const float* dy = dyBase + n * g.dyImage + (last - g.chunks) * kChunk;
      V px[N];
#pragma GCC unroll 4
      for (int c = 0; c < N; ++c) px[c] = loadSomePixels(x[c] + n * g.xImage, last, rest);
#pragma GCC unroll 8
      for (int r = 0; r < M; ++r) {
        const V d = loadMasked(dy + r * ldy, tail);
#pragma GCC unroll 4
        for (int c = 0; c < N; ++c) acc[r][c] += d * px[c];
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < M; ++r) {
    V four[4] = {};
    float sums[4];
#pragma GCC unroll 4
    for (int c = 0; c < N; ++c) four[c] = acc[r][c];
    sumLanes4(four, sums);
    float* to = g.dw + (o + r) * g.ldw + t;
#pragma GCC unroll 4
    for (int c = 0; c < N; ++c) to[c] += sums[c];
  }
}

template <int N>
void weightColumns(const ConvWeightBlock& g, const PixelTable& table, int rest, int64_t t) {
  int64_t o = g.channelBegin;
  for (; o + kRows <= g.channelEnd; o += kRows) weightTile<kRows, N>(g, table, rest, o, t);
  switch (g.channelEnd - o) {
    case 5:
      return weightTile<5, N>(g, table, rest, o, t);
    case 4:
      return weightTile<4, N>(g, table, rest, o, t);
    case 3:
      return weightTile<3, N>(g, table, rest, o, t);
    case 2:
      return weightTile<2, N>(g, table, rest, o, t);
    case 1:
      return weightTile<1, N>(g, table, rest, o, t);
    default:
      return;
  }
}

void weightTaps(const ConvWeightBlock& g, const PixelTable& table, int rest) {
  int64_t t = g.tapBegin;
  for (; t + kTaps <= g.tapEnd; t += kTaps) weightColumns<kTaps>(g, table, rest, t);
  if constexpr (kTaps == 4) {
    if (t + 2 <= g.tapEnd) {
      weightColumns<2>(g, table, rest, t);
      t += 2;
    }
  }
  for (; t < g.tapEnd; ++t) weightColumns<1>(g, table, rest, t);
}

void weight(const ConvWeightBlock& g) {
  const int64_t pixels = (g.chunkCount - 1) * kChunk + g.lastChunk, whole = pixels / kLanes;
  const int rest = static_cast<int>(pixels - whole * kLanes);
  PixelTable table;
  ConvWeightBlock part = g;
  const auto flush = [&](int64_t from, int64_t to, int tail) {
    part.images = to - from;
    part.x = g.x + from * g.xImage;
    part.dy = g.dy + from * g.dyImage;
    weightTaps(part, table, tail);
    table.count = 0;
  };
  // As many whole images as the table holds; a large image alone goes in pieces.
  const int64_t group = whole ? PixelTable::kLimit / whole : g.images;
  const int64_t perCall = group > 0 ? group : 1;
  for (int64_t n = 0; n < g.images; n += perCall) {
    const int64_t end = n + perCall < g.images ? n + perCall : g.images;
    for (int64_t i = n; i < end; ++i)
      for (int64_t q = 0; q < whole; ++q) {
        if (table.count == PixelTable::kLimit) flush(n, end, 0);
        for (int h = 0; h < kPer; ++h) table.x[table.count * kPer + h] = (i - n) * g.xImage + g.chunks[q * kPer + h];
        table.dy[table.count++] = (i - n) * g.dyImage + q * kLanes;
      }
    flush(n, end, rest);
  }
}

// Gather form of col2im: every row of dx is summed in registers over the taps that reach it. The masks of a tap column
// are the same for all rows.
constexpr int kMaxKernel = 16;

template <int K>  // kernel width, 0: any up to kMaxKernel
void foldColumns(const ConvFoldBlock& g, int64_t x0) {
  const int lanes = static_cast<int>(g.width - x0 < kLanes ? g.width - x0 : kLanes);
  const Mask out(lanes);
  const int64_t width = K ? K : g.kernelW;
  Mask masks[K ? K : kMaxKernel];
  int64_t shifts[K ? K : kMaxKernel];
  for (int64_t s = 0; s < width; ++s) {
    // Lane l takes column x0 + l + pad - s * dilation of the tap's plane, where there is one.
    const int64_t shift = x0 + g.padW - s * g.dilationW;
    int64_t first = shift < 0 ? -shift : 0, last = g.outW - shift < lanes ? g.outW - shift : lanes;
    if (first >= last) first = last = 0;
    masks[s] = maskRange(static_cast<int>(first), static_cast<int>(last));
    shifts[s] = first >= last ? 0 : s * g.ldc + shift;
  }
  for (int64_t y = 0; y < g.height; ++y) {
    V even = {}, odd = {};
    for (int64_t r = 0; r < g.kernelH; ++r) {
      const int64_t from = y + g.padH - r * g.dilationH;
      if (from < 0 || from >= g.outH) continue;
      const float* row = g.columns + r * width * g.ldc + from * g.outW;
      if constexpr (K > 0) {
#pragma GCC unroll 8
        for (int s = 0; s < K; ++s) {
          const V part = loadMasked(row + shifts[s], masks[s]);
          if (s & 1)
            odd += part;
          else
            even += part;
        }
      } else {
        for (int64_t s = 0; s < width; ++s) even += loadMasked(row + shifts[s], masks[s]);
      }
    }
    storeMasked(g.dx + y * g.width + x0, even + odd, out);
  }
}

void fold(const ConvFoldBlock& g) {
  for (int64_t x0 = 0; x0 < g.width; x0 += kLanes) {
    switch (g.kernelW) {
      case 1:
        foldColumns<1>(g, x0);
        break;
      case 3:
        foldColumns<3>(g, x0);
        break;
      case 5:
        foldColumns<5>(g, x0);
        break;
      case 7:
        foldColumns<7>(g, x0);
        break;
      default:
        foldColumns<0>(g, x0);
        break;
    }
  }
}

}  // namespace

extern const ConvKernels FB_ISA_NAME(convKernels);
const ConvKernels FB_ISA_NAME(convKernels) = {kChunk, kRows, kTaps, forward, weight, fold};

}  // namespace flambeau::cpu
