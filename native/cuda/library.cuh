// Library steps of a program on the GPU: what a CUDA program calls through fb_cuda_run::call.
#pragma once
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include "convolve.cuh"

namespace flambeau::cuda {

struct Library {
  cublasHandle_t blas;
  void* workspace;
  size_t workspace_bytes;
  /// See Launch.
  bool graphs;
  std::vector<std::variant<Product, WindowStep>> steps;

  /// Result 0, or a code: 95 tensors of 2^31 elements, 96 cuBLAS failed, 97 it has no algorithm, 98 strides that it
  /// does not take.
  static int call(void* graph, int step, void* const* buffers, const long long*, void* stream) {
    auto* l = static_cast<Library*>(graph);
    auto& s = l->steps[(size_t)step];
    const Launch launch{l->blas, l->workspace, l->workspace_bytes, l->graphs, static_cast<cudaStream_t>(stream)};
    if (auto* p = std::get_if<Product>(&s)) return run_product(launch, *p, buffers);
    return run_window_step(launch, std::get<WindowStep>(s), buffers);
  }
};

/// How a step is done, for people.
inline std::string way_of(const Product& p) {
  return p.way == Product::kLt ? "cuBLASLt" : p.way == Product::kBlas ? "cuBLAS" : "cuBLAS, batch of pointers";
}
inline std::string way_of(const WindowStep& s) {
  if (s.way >= WindowStep::kLibrary) return "cuDNN " + std::to_string(s.way - WindowStep::kLibrary);
  if (s.way == WindowStep::kProduct) return way_of(s.product);
  if (s.w.kind >= kMaxPool) return "pooling";
  return (likely(s.w) == kDirect) == (s.way != WindowStep::kOther) ? "direct" : "tiles";
}

/// Scratch of library steps.
constexpr size_t kLibraryWorkspace = 32 << 20;

/// One line of words (src/emit/cuda/library.ts).
inline std::variant<Product, WindowStep> parse_step(const std::string& line) {
  std::istringstream in(line);
  std::string kind;
  in >> kind;
  if (kind == "product") {
    Product p{};
    in >> p;
    return p;
  }
  WindowStep s;
  in >> s.w;
  return s;
}

/// The library of one program that makes its own handle and scratch; they live as long as the process.
class OwnLibrary {
 public:
  explicit OwnLibrary(std::initializer_list<const char*> steps) {
    library_.workspace_bytes = kLibraryWorkspace;
    works_ = cublasCreate(&library_.blas) == CUBLAS_STATUS_SUCCESS &&
             cudaMalloc(&library_.workspace, kLibraryWorkspace) == cudaSuccess;
    for (const char* s : steps) library_.steps.push_back(parse_step(s));
  }
  bool works() const { return works_; }
  Library* get() { return &library_; }

 private:
  Library library_{};
  bool works_ = false;
};

}  // namespace flambeau::cuda
