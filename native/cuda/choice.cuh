// The fastest of several ways to do one library step: measured on the GPU with the step's own tensors when it first
// runs.
#pragma once
#include <cuda_runtime.h>

#include <limits>

namespace flambeau::cuda {

/// A way that does not do this step says so with a code that is not 0.
constexpr int kNotThisWay = 99;

/**
 * The number of the fastest way. `run(way)` launches one on the stream and gives 0, or a code where it cannot; every
 * way overwrites the whole result, so that the last one measured leaves it as any other would. `fallback`, unmeasured,
 * while the stream is captured into a graph, where nothing can be timed (`measured` is false then); -1: no way works.
 */
template <class Run>
int fastest(int ways, int fallback, cudaStream_t stream, bool& measured, Run run) {
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  measured = !(cudaStreamIsCapturing(stream, &capture) == cudaSuccess && capture != cudaStreamCaptureStatusNone);
  if (!measured) return fallback;
  cudaEvent_t from, to;
  if (cudaEventCreate(&from) != cudaSuccess || cudaEventCreate(&to) != cudaSuccess) return fallback;
  int best = -1;
  float least = std::numeric_limits<float>::infinity();
  for (int way = 0; way < ways; way++) {
    if (run(way) != 0 || cudaStreamSynchronize(stream) != cudaSuccess) {
      cudaGetLastError();
      continue;
    }
    float took = std::numeric_limits<float>::infinity();
    for (int round = 0; round < 5; round++) {
      constexpr int kRuns = 3;
      cudaEventRecord(from, stream);
      for (int i = 0; i < kRuns; i++) run(way);
      cudaEventRecord(to, stream);
      cudaEventSynchronize(to);
      float ms = 0;
      if (cudaEventElapsedTime(&ms, from, to) == cudaSuccess && ms < took) took = ms;
    }
    if (took < least) least = took, best = way;
  }
  cudaEventDestroy(from);
  cudaEventDestroy(to);
  return best;
}

}  // namespace flambeau::cuda
