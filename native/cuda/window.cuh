// Windows that slide over images on the GPU: convolution, its gradients and pooling share their geometry.
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

inline unsigned blocks_for(long long n, int threads) {
  return (unsigned)std::clamp<long long>((n + threads - 1) / threads, 1, 65535);
}

/// One row of blocks a plane of `size` elements.
inline dim3 planes_grid(const Window& w, int size) {
  return dim3(blocks_for(size, 256), blocks_for((long long)w.n * w.yc, 1));
}

}  // namespace flambeau::cuda
