// Matrix products of a program on the GPU, by cuBLASLt.
#pragma once
#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <istream>
#include <vector>

#include "choice.cuh"

namespace flambeau::cuda {

struct Batch {
  long long count, a, b;
};
/// Row-major out[m, n] = a[m, k] b[k, n] (+ bias[n], relu), over batches; strides in elements.
struct Product {
  cudaDataType_t type;
  long long m, n, k, a_row, a_col, b_row, b_col;
  bool tf32, bias, relu;
  std::vector<Batch> batch;

  // Made in the first run and again where operands are aligned less well.
  cublasLtMatmulDesc_t op = nullptr;
  cublasLtMatrixLayout_t left = nullptr, right = nullptr, out = nullptr;
  cublasLtMatmulAlgo_t algo{};
  /// The algorithm is the fastest of those that cuBLAS proposes, not the first: that is not known while the first run
  /// is captured into a graph.
  bool measured = false;
  uint32_t alignment = 0;

  Batch last() const { return batch.empty() ? Batch{1, 0, 0} : batch.back(); }
  /// Calls of the library: it takes one batch dimension.
  long long loops() const {
    long long n = 1;
    for (size_t i = 0; i + 1 < batch.size(); i++) n *= batch[i].count;
    return n;
  }
  size_t bytes() const { return type == CUDA_R_64F ? 8 : type == CUDA_R_32F ? 4 : 2; }
};
inline std::istream& operator>>(std::istream& in, Product& p) {
  size_t dims;
  int type;
  in >> type >> p.tf32 >> p.m >> p.n >> p.k >> p.a_row >> p.a_col >> p.b_row >> p.b_col >> p.bias >> p.relu >> dims;
  p.type = type == 0 ? CUDA_R_32F : type == 1 ? CUDA_R_64F : type == 2 ? CUDA_R_16F : CUDA_R_16BF;
  p.batch.resize(dims);
  for (auto& b : p.batch) in >> b.count >> b.a >> b.b;
  return in;
}

/// A NaN stays one, as in PyTorch's relu.
template <class T>
__global__ void finish(T* out, const T* bias, long long count, long long cols, bool relu) {
  for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < count;
       i += (long long)gridDim.x * blockDim.x) {
    double v = (double)out[i] + (bias ? (double)bias[i % cols] : 0);
    out[i] = (T)(relu && v <= 0 ? 0 : v);
  }
}

/// Bytes at which all three tensors start at a multiple, up to 256; loops over batches start anywhere.
inline uint32_t alignment_of(const Product& p, const void* a, const void* b, const void* out) {
  if (p.batch.size() > 1) return (uint32_t)p.bytes();
  const size_t bits = (size_t)a | (size_t)b | (size_t)out | 256;
  return (uint32_t)(bits & (~bits + 1));
}
inline void forget_plan(Product& p) {
  if (p.op) cublasLtMatmulDescDestroy(p.op);
  for (auto l : {p.left, p.right, p.out})
    if (l) cublasLtMatrixLayoutDestroy(l);
  p.op = nullptr, p.left = p.right = p.out = nullptr;
}

/// Column-major matrices: there the product is out^T = b^T a^T.
inline int plan_product(cublasLtHandle_t lt, Product& p, size_t workspace,
                        std::vector<cublasLtMatmulHeuristicResult_t>& proposals) {
  const bool ta = p.a_col != 1 && p.k != 1, tb = p.b_col != 1 && p.n != 1;
  if ((ta && p.a_row != 1) || (tb && p.b_row != 1)) return 98;
  const long long lda = ta ? p.a_col : std::max(p.a_row, p.k), ldb = tb ? p.b_col : std::max(p.b_row, p.n);
  const bool wide = p.type == CUDA_R_64F;
  const cublasOperation_t first = tb ? CUBLAS_OP_T : CUBLAS_OP_N, second = ta ? CUBLAS_OP_T : CUBLAS_OP_N;
  bool ok = true;
  auto check = [&](cublasStatus_t s) { ok = ok && s == CUBLAS_STATUS_SUCCESS; };
  const cublasComputeType_t compute = wide                             ? CUBLAS_COMPUTE_64F
                                      : p.tf32 && p.type == CUDA_R_32F ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                                       : CUBLAS_COMPUTE_32F;
  check(cublasLtMatmulDescCreate(&p.op, compute, wide ? CUDA_R_64F : CUDA_R_32F));
  check(cublasLtMatmulDescSetAttribute(p.op, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof(first)));
  check(cublasLtMatmulDescSetAttribute(p.op, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof(second)));
  if (p.bias && !wide) {
    const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    check(cublasLtMatmulDescSetAttribute(p.op, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof(epilogue)));
  }
  const Batch last = p.last();
  auto layout = [&](cublasLtMatrixLayout_t* to, long long rows, long long cols, long long ld, long long step) {
    check(cublasLtMatrixLayoutCreate(to, p.type, (uint64_t)rows, (uint64_t)cols, ld));
    const int count = (int)last.count;
    const int64_t stride = step;
    check(cublasLtMatrixLayoutSetAttribute(*to, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof(count)));
    check(cublasLtMatrixLayoutSetAttribute(*to, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof(stride)));
  };
  layout(&p.left, tb ? p.k : p.n, tb ? p.n : p.k, ldb, last.b);
  layout(&p.right, ta ? p.m : p.k, ta ? p.k : p.m, lda, last.a);
  layout(&p.out, p.n, p.m, p.n, p.m * p.n);
  cublasLtMatmulPreference_t preference;
  check(cublasLtMatmulPreferenceCreate(&preference));
  check(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
                                             sizeof(workspace)));
  for (auto a : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                 CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
    check(cublasLtMatmulPreferenceSetAttribute(preference, a, &p.alignment, sizeof(p.alignment)));
  constexpr int kProposals = 8;
  proposals.resize(kProposals);
  int found = 0;
  if (ok)
    check(cublasLtMatmulAlgoGetHeuristic(lt, p.op, p.left, p.right, p.out, p.out, preference, kProposals,
                                         proposals.data(), &found));
  cublasLtMatmulPreferenceDestroy(preference);
  if (!ok || found == 0) return 97;
  proposals.resize((size_t)found);
  p.algo = proposals[0].algo;
  return 0;
}

/// The product itself, without what `finish` adds.
inline int launch_product(cublasLtHandle_t lt, const Product& p, void* const* buffers, char* out, void* workspace,
                          size_t workspace_bytes, cudaStream_t stream) {
  const bool wide = p.type == CUDA_R_64F;
  // Loops over all but the last batch dimension.
  const Batch last = p.last();
  const double one = 1, zero = 0;
  const float onef = 1, zerof = 0;
  const void *alpha = wide ? (const void*)&one : &onef, *beta = wide ? (const void*)&zero : &zerof;
  for (long long l = 0, loops = p.loops(); l < loops; l++) {
    long long rest = l, ao = 0, bo = 0;
    for (size_t i = p.batch.size(); i-- > 1;) {
      const Batch& d = p.batch[i - 1];
      ao += rest % d.count * d.a, bo += rest % d.count * d.b, rest /= d.count;
    }
    const char* a = static_cast<const char*>(buffers[0]) + ao * (long long)p.bytes();
    const char* b = static_cast<const char*>(buffers[1]) + bo * (long long)p.bytes();
    char* c = out + l * last.count * p.m * p.n * (long long)p.bytes();
    cublasStatus_t status = cublasLtMatmul(lt, p.op, alpha, b, p.left, a, p.right, beta, c, p.out, c, p.out, &p.algo,
                                           workspace, workspace_bytes, stream);
    if (status != CUBLAS_STATUS_SUCCESS) return 96;
  }
  return 0;
}

inline int run_product(cublasLtHandle_t lt, Product& p, void* const* buffers, void* workspace, size_t workspace_bytes,
                       cudaStream_t stream) {
  char* out = static_cast<char*>(buffers[p.bias ? 3 : 2]);
  if (p.m == 0 || p.n == 0) return 0;
  const uint32_t alignment = alignment_of(p, buffers[0], buffers[1], out);
  std::vector<cublasLtMatmulHeuristicResult_t> proposals;
  if (p.op == nullptr || !p.measured || alignment < p.alignment) {
    forget_plan(p);
    p.alignment = alignment;
    if (int code = plan_product(lt, p, workspace_bytes, proposals)) return code;
  }
  const bool wide = p.type == CUDA_R_64F;
  if (p.bias && !wide)
    cublasLtMatmulDescSetAttribute(p.op, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &buffers[2], sizeof(void*));
  if (!proposals.empty()) {
    const int best = fastest((int)proposals.size(), 0, stream, p.measured, [&](int way) {
      p.algo = proposals[(size_t)way].algo;
      return launch_product(lt, p, buffers, out, workspace, workspace_bytes, stream);
    });
    p.algo = proposals[(size_t)std::max(best, 0)].algo;
  }
  if (int code = launch_product(lt, p, buffers, out, workspace, workspace_bytes, stream)) return code;
  const bool bias = p.bias && wide;
  if (!bias && !p.relu) return 0;
  const long long count = p.loops() * p.last().count * p.m * p.n;
  const unsigned blocks = (unsigned)std::min<long long>((count + 255) / 256, 65535);
  auto end = [&](auto* y) {
    using T = std::remove_pointer_t<decltype(y)>;
    finish<T><<<blocks, 256, 0, stream>>>(y, bias ? static_cast<const T*>(buffers[2]) : nullptr, count, p.n, p.relu);
  };
  if (wide)
    end(reinterpret_cast<double*>(out));
  else if (p.type == CUDA_R_32F)
    end(reinterpret_cast<float*>(out));
  else if (p.type == CUDA_R_16F)
    end(reinterpret_cast<__half*>(out));
  else
    end(reinterpret_cast<__nv_bfloat16*>(out));
  return 0;
}

}  // namespace flambeau::cuda
