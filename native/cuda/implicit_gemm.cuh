// Convolutions and their gradients in float32 as matrix products whose second operand is read through the window.
#pragma once
#include "window.cuh"

namespace flambeau::cuda {

// y[M, N] = a[M, K] b[K, N] for each group.

constexpr int kTile = 64, kDepth = 16, kThreads = 256;
/// What M, N and K stand for: convolutions: channels of a group's result, positions of the batch, channels and kernel
/// of its input; weight gradients: channels of the result, channels and kernel, positions of the batch.
struct Sizes {
  int m, n, k;
};
__host__ __device__ inline Sizes sizes_of(const Window& w) {
  const int xg = w.xc / w.groups, yg = w.yc / w.groups, nk = volume(w.kernel), no = volume(w.out);
  return w.kind == kWeightGradient ? Sizes{yg, xg * nk, w.n * no} : Sizes{yg, w.n * no, xg * nk};
}

template <int KIND>
__device__ inline float left_operand(const Window& w, const float* a, const float* b, int g, int m, int k) {
  const int xg = w.xc / w.groups, yg = w.yc / w.groups, nk = volume(w.kernel), no = volume(w.out);
  if (KIND == kConvolution) return b[(g * yg + m) * xg * nk + k];
  if (KIND == kTransposed) return b[((g * xg + k / nk) * yg + m) * nk + k % nk];
  return a[(k / no * w.yc + g * yg + m) * no + k % no];
}
/// `fixed`: the position (convolutions) or the place in the kernel (weight gradients) of the column; `channel`: its
/// image or channel.
template <int KIND>
__device__ inline float right_operand(const Window& w, const float* x, int g, int channel, const int* fixed, int k) {
  const int xg = w.xc / w.groups, nk = volume(w.kernel), ni = volume(w.in), no = volume(w.out);
  int moving[3], i[3];
  if (KIND == kWeightGradient) {
    split(k % no, w.out, moving);
    return reads(w, moving, fixed, i) ? x[(k / no * w.xc + g * xg + channel) * ni + flat(w.in, i)] : 0;
  }
  split(k % nk, w.kernel, moving);
  const bool inside = KIND == kConvolution ? reads(w, fixed, moving, i) : reads_transposed(w, fixed, moving, i);
  return inside ? x[(channel * w.xc + g * xg + k / nk) * ni + flat(w.in, i)] : 0;
}

/// A block computes a 64 × 64 tile, a thread 4 × 4 of it. gridDim.z = groups × parts of K; with several parts `y` has
/// one result for each.
template <int KIND>
__global__ void __launch_bounds__(kThreads)
    implicit_gemm(Window w, const float* a, const float* b, const float* bias, float* y, int parts) {
  __shared__ float left[kDepth][kTile + 4], right[kDepth][kTile];
  const Sizes s = sizes_of(w);
  const int g = blockIdx.z / parts, part = blockIdx.z % parts, yg = w.yc / w.groups;
  const int no = volume(w.out), nk = volume(w.kernel);
  const int per = (s.k + parts * kDepth - 1) / (parts * kDepth) * kDepth, from = part * per, to = min(s.k, from + per);
  const int m0 = blockIdx.y * kTile, n0 = blockIdx.x * kTile, t = threadIdx.x;
  const float* x = KIND == kWeightGradient ? b : a;
  // The thread loads four elements of one column of the right operand.
  const int column = n0 + t % kTile, inner = KIND == kWeightGradient ? nk : no;
  int fixed[3];
  split(column % inner, KIND == kWeightGradient ? w.kernel : w.out, fixed);
  float sum[4][4] = {};
  for (int k0 = from; k0 < to; k0 += kDepth) {
#pragma unroll
    for (int q = 0; q < 4; q++) {
      // Neighbouring threads read neighbours in memory: along K, which is contiguous but in transposed weights.
      const int mi = t / kDepth + q * (kThreads / kDepth), ki = t % kDepth;
      left[ki][mi] = m0 + mi < s.m && k0 + ki < to ? left_operand<KIND>(w, a, b, g, m0 + mi, k0 + ki) : 0;
      const int kj = t / kTile + q * (kThreads / kTile);
      right[kj][t % kTile] =
          column < s.n && k0 + kj < to ? right_operand<KIND>(w, x, g, column / inner, fixed, k0 + kj) : 0;
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kDepth; k++) {
      float u[4], v[4];
#pragma unroll
      for (int i = 0; i < 4; i++) u[i] = left[k][t / 16 * 4 + i], v[i] = right[k][t % 16 + 16 * i];
#pragma unroll
      for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) sum[i][j] = fmaf(u[i], v[j], sum[i][j]);
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 4; i++)
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const int m = m0 + t / 16 * 4 + i, n = n0 + t % 16 + 16 * j;
      if (m >= s.m || n >= s.n) continue;
      float v = sum[i][j];
      if (KIND == kWeightGradient) {
        y[(size_t)part * w.yc * s.n + (size_t)(g * yg + m) * s.n + n] = v;
        continue;
      }
      if (bias) v += bias[g * yg + m];
      y[(size_t)(n / no * w.yc + g * yg + m) * no + n % no] = w.relu && v <= 0 ? 0 : v;
    }
}
static __global__ void add_parts(const float* from, float* to, int count, int parts) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
    float sum = 0;
    for (int p = 0; p < parts; p++) sum += from[(size_t)p * count + i];
    to[i] = sum;
  }
}

inline void launch_implicit_gemm(const Window& w, const float* a, const float* b, const float* bias, float* y,
                                 void* workspace, size_t workspace_bytes, cudaStream_t stream) {
  const Sizes s = sizes_of(w);
  const dim3 grid((unsigned)((s.n + kTile - 1) / kTile), (unsigned)((s.m + kTile - 1) / kTile), (unsigned)w.groups);
  if (w.kind == kConvolution) {
    FLAMBEAU_LAUNCH(implicit_gemm<kConvolution>, grid, kThreads, stream, w, a, b, bias, y, 1);
  } else if (w.kind == kTransposed) {
    FLAMBEAU_LAUNCH(implicit_gemm<kTransposed>, grid, kThreads, stream, w, a, b, bias, y, 1);
  } else {
    // Weights are small and K is long: parts of it fill the processors, and are added in one order.
    const long long count = (long long)w.yc * s.n, tiles = (long long)grid.x * grid.y * grid.z;
    const long long parts = std::clamp<long long>(
        std::min(528 / tiles, (long long)(workspace_bytes / (count * sizeof(float)))), 1, std::max(1, s.k / 256));
    float* to = parts > 1 ? static_cast<float*>(workspace) : y;
    const dim3 split_grid(grid.x, grid.y, (unsigned)(w.groups * parts));
    FLAMBEAU_LAUNCH(implicit_gemm<kWeightGradient>, split_grid, kThreads, stream, w, a, b, nullptr, to, (int)parts);
    if (parts > 1) FLAMBEAU_LAUNCH(add_parts, blocks_for(count, 256), 256, stream, to, y, (int)count, (int)parts);
  }
}

}  // namespace flambeau::cuda
