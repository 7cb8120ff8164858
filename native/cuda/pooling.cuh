// Pooling and its gradients in float32, one thread an element.
#pragma once
#include "window.cuh"

namespace flambeau::cuda {

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

}  // namespace flambeau::cuda
