// Convolutions in float32, one thread an element of the result.
#pragma once
#include "window.cuh"

namespace flambeau::cuda {

/// Taps of the kernel along one dimension that meet the input: from .. to, and where the first reads; later ones
/// `dilation` further.
struct Taps {
  int from, to, at;
};
__device__ inline Taps taps(const Window& w, int d, int o) {
  const int first = o * w.stride[d] - w.padding[d], step = w.dilation[d];
  const int left = w.in[d] - first;
  if (step == 1) return {max(-first, 0), min(w.kernel[d], left), max(first, 0)};
  const int from = first < 0 ? (-first + step - 1) / step : 0;
  return {from, left <= 0 ? 0 : min(w.kernel[d], (left + step - 1) / step), first + from * step};
}

/// WIDTH: the kernel's last extent, or 0 for any.
template <int WIDTH>
__global__ void direct(Window w, const float* a, const float* b, const float* bias, float* y) {
  const int ni = volume(w.in), no = volume(w.out), nk = volume(w.kernel), xg = w.xc / w.groups, yg = w.yc / w.groups;
  const int width = WIDTH > 0 ? WIDTH : w.kernel[2];
  for (int plane = blockIdx.y; plane < w.n * w.yc; plane += gridDim.y) {
    const int yc = plane % w.yc, n = plane / w.yc, g = yc / yg;
    for (int t = blockIdx.x * blockDim.x + threadIdx.x; t < no; t += gridDim.x * blockDim.x) {
      int o[3];
      split(t, w.out, o);
      const Taps p = taps(w, 0, o[0]), q = taps(w, 1, o[1]);
      const int last = o[2] * w.stride[2] - w.padding[2];
      float sum = bias ? bias[yc] : 0;
      for (int c = 0; c < xg; c++) {
        const float* x = a + (size_t)(n * w.xc + g * xg + c) * ni;
        const float* weight = b + (size_t)(yc * xg + c) * nk;
        for (int k0 = p.from, i0 = p.at; k0 < p.to; k0++, i0 += w.dilation[0])
          for (int k1 = q.from, i1 = q.at; k1 < q.to; k1++, i1 += w.dilation[1]) {
            const float* row = x + (i0 * w.in[1] + i1) * w.in[2];
            const float* by = weight + (k0 * w.kernel[1] + k1) * width;
#pragma unroll
            for (int k2 = 0; k2 < width; k2++) {
              const int i2 = last + k2 * w.dilation[2];
              if (i2 >= 0 && i2 < w.in[2]) sum = fmaf(row[i2], by[k2], sum);
            }
          }
      }
      y[(size_t)plane * no + t] = w.relu && sum <= 0 ? 0 : sum;
    }
  }
}
/// One input channel a group over images, neighbours in memory, the most common case: a thread computes kColumn results
/// below each other, so that it reads each element of the input once.
constexpr int kColumn = 4;
template <int K, int STRIDE>
__global__ void depthwise(Window w, const float* a, const float* b, const float* bias, float* y) {
  const int height = w.in[1], width = w.in[2], rows = w.out[1], columns = w.out[2], yg = w.yc / w.groups;
  for (int plane = blockIdx.y; plane < w.n * w.yc; plane += gridDim.y) {
    const int yc = plane % w.yc, n = plane / w.yc;
    const float* x = a + (size_t)(n * w.xc + yc / yg) * height * width;
    float weight[K][K];
#pragma unroll
    for (int i = 0; i < K; i++)
#pragma unroll
      for (int j = 0; j < K; j++) weight[i][j] = b[(yc * K + i) * K + j];
    const float start = bias ? bias[yc] : 0;
    const int strips = (rows + kColumn - 1) / kColumn * columns;
    for (int t = blockIdx.x * blockDim.x + threadIdx.x; t < strips; t += gridDim.x * blockDim.x) {
      const int column = t % columns, row = t / columns * kColumn;
      const int left = column * STRIDE - w.padding[2], top = row * STRIDE - w.padding[1];
      float sum[kColumn];
#pragma unroll
      for (int r = 0; r < kColumn; r++) sum[r] = start;
#pragma unroll
      for (int i = 0; i < (kColumn - 1) * STRIDE + K; i++) {
        float v[K];
        const bool inside = top + i >= 0 && top + i < height;
#pragma unroll
        for (int j = 0; j < K; j++)
          v[j] = inside && left + j >= 0 && left + j < width ? x[(top + i) * width + left + j] : 0;
#pragma unroll
        for (int r = 0; r < kColumn; r++) {
          const int k = i - r * STRIDE;
          if (k < 0 || k >= K) continue;
#pragma unroll
          for (int j = 0; j < K; j++) sum[r] = fmaf(v[j], weight[k][j], sum[r]);
        }
      }
#pragma unroll
      for (int r = 0; r < kColumn; r++)
        if (row + r < rows)
          y[(size_t)plane * rows * columns + (row + r) * columns + column] = w.relu && sum[r] <= 0 ? 0 : sum[r];
    }
  }
}
inline bool is_depthwise(const Window& w, int kernel, int stride) {
  bool all = w.kind == kConvolution && w.xc == w.groups;
  all = all && w.in[0] == 1 && w.out[0] == 1 && w.kernel[0] == 1 && w.padding[0] == 0;
  for (int d = 1; d < 3; d++) all = all && w.kernel[d] == kernel && w.stride[d] == stride && w.dilation[d] == 1;
  return all;
}
static __global__ void direct_transposed(Window w, const float* a, const float* b, const float* bias, float* y) {
  const int ni = volume(w.in), no = volume(w.out), nk = volume(w.kernel), xg = w.xc / w.groups, yg = w.yc / w.groups;
  for (int plane = blockIdx.y; plane < w.n * w.yc; plane += gridDim.y) {
    const int yc = plane % w.yc, n = plane / w.yc, g = yc / yg;
    for (int t = blockIdx.x * blockDim.x + threadIdx.x; t < no; t += gridDim.x * blockDim.x) {
      int o[3], k[3], i[3];
      split(t, w.out, o);
      float sum = bias ? bias[yc] : 0;
      for (k[0] = 0; k[0] < w.kernel[0]; k[0]++)
        for (k[1] = 0; k[1] < w.kernel[1]; k[1]++)
          for (k[2] = 0; k[2] < w.kernel[2]; k[2]++) {
            if (!reads_transposed(w, o, k, i)) continue;
            const float* x = a + (size_t)(n * w.xc + g * xg) * ni + flat(w.in, i);
            const float* weight = b + (size_t)(g * xg * yg + yc % yg) * nk + flat(w.kernel, k);
            for (int c = 0; c < xg; c++) sum = fmaf(x[(size_t)c * ni], weight[(size_t)c * yg * nk], sum);
          }
      y[(size_t)plane * no + t] = w.relu && sum <= 0 ? 0 : sum;
    }
  }
}
inline void launch_direct(const Window& w, const float* a, const float* b, const float* bias, float* y,
                          cudaStream_t stream) {
  const dim3 grid = planes_grid(w, volume(w.out));
  const dim3 strips = planes_grid(w, (w.out[1] + kColumn - 1) / kColumn * w.out[2]);
  if (is_depthwise(w, 3, 1))
    FLAMBEAU_LAUNCH((depthwise<3, 1>), strips, 256, stream, w, a, b, bias, y);
  else if (is_depthwise(w, 3, 2))
    FLAMBEAU_LAUNCH((depthwise<3, 2>), strips, 256, stream, w, a, b, bias, y);
  else if (is_depthwise(w, 5, 1))
    FLAMBEAU_LAUNCH((depthwise<5, 1>), strips, 256, stream, w, a, b, bias, y);
  else if (is_depthwise(w, 7, 1))
    FLAMBEAU_LAUNCH((depthwise<7, 1>), strips, 256, stream, w, a, b, bias, y);
  else if (w.kind == kTransposed)
    FLAMBEAU_LAUNCH(direct_transposed, grid, 256, stream, w, a, b, bias, y);
  else if (w.kernel[2] == 3)
    FLAMBEAU_LAUNCH(direct<3>, grid, 256, stream, w, a, b, bias, y);
  else if (w.kernel[2] == 5)
    FLAMBEAU_LAUNCH(direct<5>, grid, 256, stream, w, a, b, bias, y);
  else
    FLAMBEAU_LAUNCH(direct<0>, grid, 256, stream, w, a, b, bias, y);
}

}  // namespace flambeau::cuda
