// Behind a generated CUDA program: makes it a graph program of the CPU runtime's ABI (flambeau/runtime.h). Tensors live
// on the host: a run copies its inputs to the device, launches the kernels and copies results and written tensors back.
// Device memory is kept between runs.
#pragma once
#include <cstdio>
#include <mutex>
#include <vector>

namespace flambeau::cuda {

/// Result of a run that CUDA refused: 90. What CUDA says goes to stderr.
constexpr int kCudaFailed = 90;

/// Bytes of every tensor and of the arena for given sizes; the generated source has the numbers.
struct Extents {
  std::vector<size_t> inputs, outputs;
  size_t arena;
};

/// Grows, never shrinks.
class Buffer {
 public:
  bool reserve(size_t bytes) {
    if (bytes <= size_ && p_ != nullptr) return true;
    if (p_ != nullptr) cudaFree(p_);
    p_ = nullptr;
    size_ = 0;
    // Kernels may be handed the address of an empty tensor.
    const size_t wanted = bytes < 256 ? 256 : bytes;
    if (cudaMalloc(&p_, wanted) != cudaSuccess) return false;
    size_ = wanted;
    return true;
  }
  void* get() const { return p_; }

 private:
  void* p_ = nullptr;
  size_t size_ = 0;
};

using LibraryCall = int (*)(void* graph, int k, void* const* buffers, const fb_int* dims, void* stream);

/// One program's device side. Runs take turns: they share the buffers.
class Host {
 public:
  int run(const fb_run_args* a, const Extents& extents, int (*program)(const fb_cuda_run*), LibraryCall call,
          void* library) {
    std::lock_guard<std::mutex> turn(mutex_);
    const int code = attempt(a, extents, program, call, library);
    if (code != kCudaFailed) return code;
    std::fprintf(stderr, "flambeau: CUDA: %s\n", cudaGetErrorString(cudaGetLastError()));
    return code;
  }
  cudaStream_t stream() const { return stream_; }

 private:
  int attempt(const fb_run_args* a, const Extents& extents, int (*program)(const fb_cuda_run*), LibraryCall call,
              void* library) {
    if (stream_ == nullptr && cudaStreamCreate(&stream_) != cudaSuccess) return kCudaFailed;
    if (!error_.reserve(sizeof(int)) || !arena_.reserve(extents.arena)) return kCudaFailed;
    buffers_.resize(extents.inputs.size() + extents.outputs.size());
    size_t next = 0;
    std::vector<void*> inputs, outputs;
    // A tensor that comes in twice is one on the device as well.
    auto known = [&](const void* host, size_t bytes) -> void* {
      for (size_t i = 0; i < inputs.size(); i++)
        if (a->inputs[i] == host && extents.inputs[i] >= bytes && bytes > 0) return inputs[i];
      return nullptr;
    };
    for (size_t i = 0; i < extents.inputs.size(); i++) {
      void* p = known(a->inputs[i], extents.inputs[i]);
      if (p == nullptr) {
        Buffer& b = buffers_[next++];
        if (!b.reserve(extents.inputs[i])) return kCudaFailed;
        p = b.get();
        if (cudaMemcpyAsync(p, a->inputs[i], extents.inputs[i], cudaMemcpyHostToDevice, stream_) != cudaSuccess)
          return kCudaFailed;
      }
      inputs.push_back(p);
    }
    for (size_t i = 0; i < extents.outputs.size(); i++) {
      void* p = known(a->outputs[i], extents.outputs[i]);
      if (p == nullptr) {
        Buffer& b = buffers_[next++];
        if (!b.reserve(extents.outputs[i])) return kCudaFailed;
        p = b.get();
      }
      outputs.push_back(p);
    }
    if (cudaMemsetAsync(error_.get(), 0, sizeof(int), stream_) != cudaSuccess) return kCudaFailed;
    fb_cuda_run run = {};
    run.inputs = inputs.data();
    run.outputs = outputs.data();
    run.arena = static_cast<char*>(arena_.get());
    run.scalars = a->scalars;
    run.dims = a->dims;
    run.device = {a->seed, a->offset, static_cast<int*>(error_.get())};
    run.stream = stream_;
    run.call = call;
    run.graph = library;
    if (int code = program(&run)) return code;
    for (size_t i = 0; i < outputs.size(); i++)
      if (cudaMemcpyAsync(a->outputs[i], outputs[i], extents.outputs[i], cudaMemcpyDeviceToHost, stream_) !=
          cudaSuccess)
        return kCudaFailed;
    int code = 0;
    if (cudaMemcpyAsync(&code, error_.get(), sizeof(int), cudaMemcpyDeviceToHost, stream_) != cudaSuccess)
      return kCudaFailed;
    if (cudaStreamSynchronize(stream_) != cudaSuccess) return kCudaFailed;
    return code;
  }

  std::mutex mutex_;
  cudaStream_t stream_ = nullptr;
  Buffer error_, arena_;
  std::vector<Buffer> buffers_;
};

}  // namespace flambeau::cuda
