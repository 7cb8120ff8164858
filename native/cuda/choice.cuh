// The fastest of several ways to do one library step: measured on the GPU with the step's own tensors when it first
// runs.
#pragma once
#include <cublasLt.h>
#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <limits>

namespace flambeau::cuda {

/// A way that does not do this step says so with a code that is not 0.
constexpr int kNotThisWay = 99;

constexpr int kRuns = 3, kRounds = 5;

/// Milliseconds of some runs with their launches.
template <class Run>
float launched_time(cudaStream_t stream, cudaEvent_t from, cudaEvent_t to, Run run) {
  float least = std::numeric_limits<float>::infinity();
  for (int round = 0; round < kRounds; round++) {
    cudaEventRecord(from, stream);
    for (int i = 0; i < kRuns; i++) run();
    cudaEventRecord(to, stream);
    float ms = 0;
    if (cudaEventSynchronize(to) == cudaSuccess && cudaEventElapsedTime(&ms, from, to) == cudaSuccess && ms < least)
      least = ms;
  }
  return least;
}
/// The same without what launching costs the CPU: some libraries take longer to launch than the GPU to run. Infinity
/// where a run cannot be captured into a graph.
template <class Run>
float replayed_time(cudaStream_t stream, cudaEvent_t from, cudaEvent_t to, Run run) {
  float least = std::numeric_limits<float>::infinity();
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  if (cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed) != cudaSuccess) return least;
  bool all = true;
  for (int i = 0; i < kRuns; i++) all = run() == 0 && all;
  if (cudaStreamEndCapture(stream, &graph) == cudaSuccess && all &&
      cudaGraphInstantiate(&exec, graph, 0) == cudaSuccess) {
    cudaGraphLaunch(exec, stream);
    for (int round = 0; round < kRounds; round++) {
      cudaEventRecord(from, stream);
      cudaGraphLaunch(exec, stream);
      cudaEventRecord(to, stream);
      float ms = 0;
      if (cudaEventSynchronize(to) == cudaSuccess && cudaEventElapsedTime(&ms, from, to) == cudaSuccess && ms < least)
        least = ms;
    }
  }
  if (exec != nullptr) cudaGraphExecDestroy(exec);
  if (graph != nullptr) cudaGraphDestroy(graph);
  return least;
}

/// What library steps are launched with.
struct Launch {
  cublasHandle_t blas;
  /// A handle of cuBLAS is one of cuBLASLt as well.
  cublasLtHandle_t lt() const { return reinterpret_cast<cublasLtHandle_t>(blas); }
  void* workspace;
  size_t workspace_bytes;
  /// The program will be replayed as a CUDA graph, so that what launching costs the CPU does not count.
  bool graphs;
  cudaStream_t stream;
};

/**
 * The number of the fastest way. `run(way)` launches one and gives 0, or a code where it cannot; every way overwrites
 * the whole result, so that the last one measured leaves it as any other would. `fallback`, unmeasured, while the
 * stream is captured into a graph, where nothing can be timed (`measured` is false then); -1: no way works.
 */
template <class Run>
int fastest(const Launch& l, int ways, int fallback, bool& measured, Run run) {
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  measured = !(cudaStreamIsCapturing(l.stream, &capture) == cudaSuccess && capture != cudaStreamCaptureStatusNone);
  if (!measured) return fallback;
  cudaEvent_t from, to;
  if (cudaEventCreate(&from) != cudaSuccess || cudaEventCreate(&to) != cudaSuccess) return fallback;
  int best = -1;
  float least = std::numeric_limits<float>::infinity();
  for (int way = 0; way < ways; way++) {
    // The first run loads kernels, which a capture would not allow.
    if (run(way) == 0 && cudaStreamSynchronize(l.stream) == cudaSuccess) {
      if (best < 0) best = way;
      auto again = [&] { return run(way); };
      const float took = l.graphs ? replayed_time(l.stream, from, to, again) : launched_time(l.stream, from, to, again);
      if (took < least) least = took, best = way;
    }
    cudaGetLastError();
  }
  cudaEventDestroy(from);
  cudaEventDestroy(to);
  return best;
}

}  // namespace flambeau::cuda
