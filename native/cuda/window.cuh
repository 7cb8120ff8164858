// Convolution, its gradients and pooling on the GPU, in float32, without a library: matrix products whose second
// operand is read through the window (implicit GEMM) where a group has several channels, one thread an element
// elsewhere.
#pragma once
#include <algorithm>
#include <istream>

#ifdef __CUDACC__
#include <cuda_runtime.h>
#define FLAMBEAU_LAUNCH(KERNEL, GRID, THREADS, STREAM, ...) KERNEL<<<GRID, THREADS, 0, STREAM>>>(__VA_ARGS__)
#endif  // else the SIMT shim of the tests

namespace flambeau::cuda {

enum WindowKind {
  kConvolution,
  kTransposed,
  kWeightGradient,
  kMaxPool,
  kMaxPoolBackward,
  kAveragePool,
  kAveragePoolBackward
};

/// A window over up to three dimensions: `in` slides to `out`. Forward: input and result; backward: as in the forward
/// call. `tf32`: convolutions may round their factors to TF32. Means divide by `divisor`, or if it is 0 by the number
/// of elements, those of the padding among them with `padded`.
struct Window {
  int kind, bias, relu, tf32, padded, divisor;
  int n, groups, xc, yc;
  int in[3], out[3], kernel[3], stride[3], padding[3], dilation[3];
};
inline std::istream& operator>>(std::istream& in, Window& w) {
  in >> w.kind >> w.bias >> w.relu >> w.tf32 >> w.padded >> w.divisor >> w.n >> w.groups >> w.xc >> w.yc;
  for (auto* list : {w.in, w.out, w.kernel, w.stride, w.padding, w.dilation})
    for (int d = 0; d < 3; d++) in >> list[d];
  return in;
}

__host__ __device__ inline int volume(const int* size) { return size[0] * size[1] * size[2]; }
__device__ inline int flat(const int* size, const int* at) { return (at[0] * size[1] + at[1]) * size[2] + at[2]; }
__device__ inline void split(int i, const int* size, int* at) {
  at[2] = i % size[2], i /= size[2], at[1] = i % size[1], at[0] = i / size[1];
}
/// Where position `o` of the result and `k` of the kernel read the input; false outside of it.
__device__ inline bool reads(const Window& w, const int* o, const int* k, int* i) {
  for (int d = 0; d < 3; d++) {
    i[d] = o[d] * w.stride[d] - w.padding[d] + k[d] * w.dilation[d];
    if (i[d] < 0 || i[d] >= w.in[d]) return false;
  }
  return true;
}
/// The same for a transposed convolution, whose window lies in the result.
__device__ inline bool reads_transposed(const Window& w, const int* o, const int* k, int* i) {
  for (int d = 0; d < 3; d++) {
    const int s = o[d] + w.padding[d] - k[d] * w.dilation[d];
    i[d] = s / w.stride[d];
    if (s < 0 || s % w.stride[d] != 0 || i[d] >= w.in[d]) return false;
  }
  return true;
}

// ---- implicit GEMM: y[M, N] = a[M, K] b[K, N] for each group ----

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

// ---- one thread an element; blockIdx.y goes over the planes (an image's channel) ----

/// Taps of the kernel along one dimension that meet the input: from .. to, and where the first reads; later ones
/// `dilation` further.
struct Taps {
  int from, to, at;
};
__device__ inline Taps taps(const Window& w, int d, int o) {
  const int first = o * w.stride[d] - w.padding[d], step = w.dilation[d];
  const int from = first < 0 ? (-first + step - 1) / step : 0, left = w.in[d] - first;
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
static __global__ void max_pool(Window w, const float* x, float* y, long long* where) {
  const int ni = volume(w.in), no = volume(w.out);
  for (int plane = blockIdx.y; plane < w.n * w.yc; plane += gridDim.y)
    for (int t = blockIdx.x * blockDim.x + threadIdx.x; t < no; t += gridDim.x * blockDim.x) {
      int o[3], at = -1;
      float best = 0;
      split(t, w.out, o);
      const Taps p = taps(w, 0, o[0]), q = taps(w, 1, o[1]), r = taps(w, 2, o[2]);
      for (int k0 = p.from, i0 = p.at; k0 < p.to; k0++, i0 += w.dilation[0])
        for (int k1 = q.from, i1 = q.at; k1 < q.to; k1++, i1 += w.dilation[1])
          for (int k2 = r.from, i2 = r.at; k2 < r.to; k2++, i2 += w.dilation[2]) {
            const int i = (i0 * w.in[1] + i1) * w.in[2] + i2;
            const float v = x[(size_t)plane * ni + i];
            if (at < 0 || v > best || (v != v && best == best)) best = v, at = i;
          }
      y[(size_t)plane * no + t] = best, where[(size_t)plane * no + t] = at;
    }
}
/// `y` holds zeros: windows may overlap.
static __global__ void max_pool_backward(Window w, const float* grad, const long long* where, float* y) {
  const int ni = volume(w.in), no = volume(w.out), total = w.n * w.yc * no;
  for (int t = blockIdx.x * blockDim.x + threadIdx.x; t < total; t += gridDim.x * blockDim.x)
    atomicAdd(&y[(size_t)(t / no) * ni + where[t]], grad[t]);
}

/// What the mean at `o` divides by.
__device__ inline float mean_divisor(const Window& w, const int* o) {
  if (w.divisor != 0) return (float)w.divisor;
  int count = 1;
  for (int d = 0; d < 3; d++) {
    const int from = o[d] * w.stride[d] - w.padding[d], to = min(from + w.kernel[d], w.in[d] + w.padding[d]);
    count *= w.padded ? to - from : min(to, w.in[d]) - max(from, 0);
  }
  return (float)count;
}
static __global__ void average_pool(Window w, const float* x, float* y) {
  const int ni = volume(w.in), no = volume(w.out);
  for (int plane = blockIdx.y; plane < w.n * w.yc; plane += gridDim.y)
    for (int t = blockIdx.x * blockDim.x + threadIdx.x; t < no; t += gridDim.x * blockDim.x) {
      int o[3];
      split(t, w.out, o);
      const Taps p = taps(w, 0, o[0]), q = taps(w, 1, o[1]), r = taps(w, 2, o[2]);
      float sum = 0;
      for (int k0 = p.from, i0 = p.at; k0 < p.to; k0++, i0++)
        for (int k1 = q.from, i1 = q.at; k1 < q.to; k1++, i1++)
          for (int k2 = r.from, i2 = r.at; k2 < r.to; k2++, i2++)
            sum += x[(size_t)plane * ni + (i0 * w.in[1] + i1) * w.in[2] + i2];
      y[(size_t)plane * no + t] = sum / mean_divisor(w, o);
    }
}
/// An element of the input takes from every window it lies in, in one order.
static __global__ void average_pool_backward(Window w, const float* grad, float* y) {
  const int ni = volume(w.in), no = volume(w.out);
  for (int plane = blockIdx.y; plane < w.n * w.yc; plane += gridDim.y)
    for (int t = blockIdx.x * blockDim.x + threadIdx.x; t < ni; t += gridDim.x * blockDim.x) {
      int i[3], from[3], to[3], o[3];
      split(t, w.in, i);
      for (int d = 0; d < 3; d++) {
        const int end = i[d] + w.padding[d], start = end - w.kernel[d] + 1;
        from[d] = start <= 0 ? 0 : (start + w.stride[d] - 1) / w.stride[d];
        to[d] = min(end / w.stride[d] + 1, w.out[d]);
      }
      float sum = 0;
      for (o[0] = from[0]; o[0] < to[0]; o[0]++)
        for (o[1] = from[1]; o[1] < to[1]; o[1]++)
          for (o[2] = from[2]; o[2] < to[2]; o[2]++)
            sum += grad[(size_t)plane * no + flat(w.out, o)] / mean_divisor(w, o);
      y[(size_t)plane * ni + t] = sum;
    }
}

inline unsigned blocks_for(long long n, int threads) {
  return (unsigned)std::clamp<long long>((n + threads - 1) / threads, 1, 65535);
}

/// One row of blocks a plane of `size` elements.
inline dim3 planes_grid(const Window& w, int size) {
  return dim3(blocks_for(size, 256), blocks_for((long long)w.n * w.yc, 1));
}

/// Pooling: `at(k)` is the k-th tensor.
template <class At>
void run_pool(const Window& w, void* const* buffers, At at, cudaStream_t stream) {
  if (w.kind == kMaxPool) {
    FLAMBEAU_LAUNCH(max_pool, planes_grid(w, volume(w.out)), 256, stream, w, at(0), at(1),
                    static_cast<long long*>(buffers[2]));
  } else if (w.kind == kMaxPoolBackward) {
    cudaMemsetAsync(at(2), 0, (size_t)w.n * w.yc * volume(w.in) * sizeof(float), stream);
    const long long results = (long long)w.n * w.yc * volume(w.out);
    FLAMBEAU_LAUNCH(max_pool_backward, blocks_for(results, 256), 256, stream, w, at(0),
                    static_cast<const long long*>(buffers[1]), at(2));
  } else if (w.kind == kAveragePool) {
    FLAMBEAU_LAUNCH(average_pool, planes_grid(w, volume(w.out)), 256, stream, w, at(0), at(1));
  } else {
    FLAMBEAU_LAUNCH(average_pool_backward, planes_grid(w, volume(w.in)), 256, stream, w, at(0), at(1));
  }
}

/// Positions are 32-bit: larger tensors are refused (95).
inline int run_window(const Window& w, void* const* buffers, void* workspace, size_t workspace_bytes,
                      cudaStream_t stream) {
  auto at = [&](int k) { return static_cast<float*>(buffers[k]); };
  const long long biggest = (long long)w.n * std::max((long long)w.xc * volume(w.in), (long long)w.yc * volume(w.out));
  if (biggest >= 1LL << 31) return 95;
  if (w.kind >= kMaxPool) {
    run_pool(w, buffers, at, stream);
    return 0;
  }
  const float* bias = w.bias ? at(2) : nullptr;
  float* y = at(w.bias ? 3 : 2);
  const Sizes s = sizes_of(w);
  // Few channels would leave most of a tile empty.
  if (w.kind != kWeightGradient && s.m < 8) {
    const dim3 grid = planes_grid(w, volume(w.out));
    if (w.kind == kTransposed)
      FLAMBEAU_LAUNCH(direct_transposed, grid, 256, stream, w, at(0), at(1), bias, y);
    else if (w.kernel[2] == 3)
      FLAMBEAU_LAUNCH(direct<3>, grid, 256, stream, w, at(0), at(1), bias, y);
    else if (w.kernel[2] == 5)
      FLAMBEAU_LAUNCH(direct<5>, grid, 256, stream, w, at(0), at(1), bias, y);
    else
      FLAMBEAU_LAUNCH(direct<0>, grid, 256, stream, w, at(0), at(1), bias, y);
    return 0;
  }
  const dim3 grid((unsigned)((s.n + kTile - 1) / kTile), (unsigned)((s.m + kTile - 1) / kTile), (unsigned)w.groups);
  if (w.kind == kConvolution)
    FLAMBEAU_LAUNCH(implicit_gemm<kConvolution>, grid, kThreads, stream, w, at(0), at(1), bias, y, 1);
  else if (w.kind == kTransposed)
    FLAMBEAU_LAUNCH(implicit_gemm<kTransposed>, grid, kThreads, stream, w, at(0), at(1), bias, y, 1);
  else {
    // Weights are small and K is long: parts of it fill the processors, and are added in one order.
    const long long count = (long long)w.yc * s.n, tiles = (long long)grid.x * grid.y * grid.z;
    const long long parts = std::clamp<long long>(
        std::min(528 / tiles, (long long)(workspace_bytes / (count * sizeof(float)))), 1, std::max(1, s.k / 256));
    float* to = parts > 1 ? static_cast<float*>(workspace) : y;
    const dim3 split_grid(grid.x, grid.y, (unsigned)(w.groups * parts));
    FLAMBEAU_LAUNCH(implicit_gemm<kWeightGradient>, split_grid, kThreads, stream, w, at(0), at(1), nullptr, to,
                    (int)parts);
    if (parts > 1) FLAMBEAU_LAUNCH(add_parts, blocks_for(count, 256), 256, stream, to, y, (int)count, (int)parts);
  }
  return 0;
}

}  // namespace flambeau::cuda
