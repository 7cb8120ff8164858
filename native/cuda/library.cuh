// Library steps of a program on the GPU: what a CUDA program calls through fb_cuda_run::call.
#pragma once
#include <variant>
#include <vector>

#include "product.cuh"
#include "window.cuh"

namespace flambeau::cuda {

struct Library {
  cublasLtHandle_t lt;
  void* workspace;
  size_t workspace_bytes;
  std::vector<std::variant<Product, Window>> steps;

  /// Result 0, or a code: 95 tensors of 2^31 elements, 96 cuBLAS failed, 97 it has no algorithm, 98 strides that it
  /// does not take.
  static int call(void* graph, int step, void* const* buffers, const long long*, void* stream) {
    auto* l = static_cast<Library*>(graph);
    auto& s = l->steps[(size_t)step];
    if (auto* p = std::get_if<Product>(&s))
      return run_product(l->lt, *p, buffers, l->workspace, l->workspace_bytes, (cudaStream_t)stream);
    return run_window(std::get<Window>(s), buffers, l->workspace, l->workspace_bytes, (cudaStream_t)stream);
  }
};

}  // namespace flambeau::cuda
