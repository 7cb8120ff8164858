// Window steps by our own kernels.
#pragma once
#include "direct.cuh"
#include "implicit_gemm.cuh"
#include "pooling.cuh"

namespace flambeau::cuda {

/// Whether a convolution is computed element by element or in tiles.
enum Kernels { kDirect, kTiles };
/// The likely better: few channels leave most of a tile empty.
inline Kernels likely(const Window& w) { return w.kind != kWeightGradient && w.yc / w.groups < 8 ? kDirect : kTiles; }

/// Positions are 32-bit: larger tensors are refused (95).
inline int run_window(const Window& w, Kernels kernels, void* const* buffers, void* workspace, size_t workspace_bytes,
                      cudaStream_t stream) {
  auto at = [&](int k) { return static_cast<float*>(buffers[k]); };
  auto elements = [&](int channels, const int* size) { return (double)w.n * channels * size[0] * size[1] * size[2]; };
  if (std::max(elements(w.xc, w.in), elements(w.yc, w.out)) >= 0x80000000u) return 95;
  const float* bias = w.bias ? at(2) : nullptr;
  float* y = at(w.bias ? 3 : 2);
  if (w.kind >= kMaxPool)
    run_pool(w, buffers, at, stream);
  else if (kernels == kDirect)
    launch_direct(w, at(0), at(1), bias, y, stream);
  else
    launch_implicit_gemm(w, at(0), at(1), bias, y, workspace, workspace_bytes, stream);
  return 0;
}

}  // namespace flambeau::cuda
