// Matrix products of a program on the GPU: the fastest of what cuBLASLt proposes and of cuBLAS's own choice (blas.cuh).
#pragma once
#include <cublas_v2.h>
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

  /// How it is done; measured in the first run, see choice.cuh.
  enum Way { kLt, kBlas, kBlasPointers } way = kLt;
  bool measured = false;
  // cuBLASLt's plan: made in the first run and again where operands are aligned less well.
  cublasLtMatmulDesc_t op = nullptr;
  cublasLtMatrixLayout_t left = nullptr, right = nullptr, out = nullptr;
  cublasLtMatmulAlgo_t algo{};
  uint32_t alignment = 0;

  Batch last() const { return batch.empty() ? Batch{1, 0, 0} : batch.back(); }
  /// Calls of the library: it takes one batch dimension.
  long long loops() const {
    long long n = 1;
    for (size_t i = 0; i + 1 < batch.size(); i++) n *= batch[i].count;
    return n;
  }
  long long batches() const { return loops() * last().count; }
  bool wide() const { return type == CUDA_R_64F; }
  cublasComputeType_t compute() const {
    if (wide()) return CUBLAS_COMPUTE_64F;
    return tf32 && type == CUDA_R_32F ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  }
  size_t bytes() const { return type == CUDA_R_64F ? 8 : type == CUDA_R_32F ? 4 : 2; }
};
/// The operands as column-major matrices, where the product is out^T = b^T a^T.
struct Operands {
  cublasOperation_t first, second;  // of b, of a
  long long lda, ldb;
  bool works;
  explicit Operands(const Product& p) {
    const bool ta = p.a_col != 1 && p.k != 1, tb = p.b_col != 1 && p.n != 1;
    works = !(ta && p.a_row != 1) && !(tb && p.b_row != 1);
    lda = ta ? p.a_col : std::max(p.a_row, p.k), ldb = tb ? p.b_col : std::max(p.b_row, p.n);
    first = tb ? CUBLAS_OP_T : CUBLAS_OP_N, second = ta ? CUBLAS_OP_T : CUBLAS_OP_N;
  }
  bool ta() const { return second == CUBLAS_OP_T; }
  bool tb() const { return first == CUBLAS_OP_T; }
};
/// 1 and 0 of the type that the library multiplies results with.
struct Factors {
  double one = 1, zero = 0;
  float onef = 1, zerof = 0;
  const void* alpha(const Product& p) const { return p.wide() ? (const void*)&one : &onef; }
  const void* beta(const Product& p) const { return p.wide() ? (const void*)&zero : &zerof; }
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

/// cuBLASLt's proposals, the likely fastest first.
inline int plan_product(cublasLtHandle_t lt, Product& p, size_t workspace,
                        std::vector<cublasLtMatmulHeuristicResult_t>& proposals) {
  const Operands o(p);
  if (!o.works) return 98;
  bool ok = true;
  auto check = [&](cublasStatus_t s) { ok = ok && s == CUBLAS_STATUS_SUCCESS; };
  check(cublasLtMatmulDescCreate(&p.op, p.compute(), p.wide() ? CUDA_R_64F : CUDA_R_32F));
  check(cublasLtMatmulDescSetAttribute(p.op, CUBLASLT_MATMUL_DESC_TRANSA, &o.first, sizeof(o.first)));
  check(cublasLtMatmulDescSetAttribute(p.op, CUBLASLT_MATMUL_DESC_TRANSB, &o.second, sizeof(o.second)));
  if (p.bias && !p.wide()) {
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
  layout(&p.left, o.tb() ? p.k : p.n, o.tb() ? p.n : p.k, o.ldb, last.b);
  layout(&p.right, o.ta() ? p.m : p.k, o.ta() ? p.k : p.m, o.lda, last.a);
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

/// Where the `l`-th of the products over all but the last batch dimension begins: elements of a and of b.
struct Start {
  long long a = 0, b = 0;
  Start(const Product& p, long long l) {
    for (size_t i = p.batch.size(); i-- > 1;) {
      const Batch& d = p.batch[i - 1];
      a += l % d.count * d.a, b += l % d.count * d.b, l /= d.count;
    }
  }
};
/// Runs `each(a, b, c)` for every product over all but the last batch dimension; 96 once the library fails.
template <class Each>
int over_loops(const Product& p, void* const* buffers, char* out, Each each) {
  const auto size = (long long)p.bytes();
  for (long long l = 0, loops = p.loops(); l < loops; l++) {
    const Start s(p, l);
    if (each(static_cast<const char*>(buffers[0]) + s.a * size, static_cast<const char*>(buffers[1]) + s.b * size,
             out + l * p.last().count * p.m * p.n * size) != CUBLAS_STATUS_SUCCESS)
      return 96;
  }
  return 0;
}
inline int launch_lt(const Launch& l, const Product& p, void* const* buffers, char* out) {
  const Factors f;
  return over_loops(p, buffers, out, [&](const char* a, const char* b, char* c) {
    return cublasLtMatmul(l.lt(), p.op, f.alpha(p), b, p.left, a, p.right, f.beta(p), c, p.out, c, p.out, &p.algo,
                          l.workspace, l.workspace_bytes, l.stream);
  });
}

/// Adds what the library did not: `bias` (or null) and relu.
inline void finish_product(const Product& p, void* out, const void* bias, cudaStream_t stream) {
  if (bias == nullptr && !p.relu) return;
  const long long count = p.batches() * p.m * p.n;
  const unsigned blocks = (unsigned)std::min<long long>((count + 255) / 256, 65535);
  auto end = [&](auto* y) {
    using T = std::remove_pointer_t<decltype(y)>;
    finish<T><<<blocks, 256, 0, stream>>>(y, static_cast<const T*>(bias), count, p.n, p.relu);
  };
  if (p.wide())
    end(static_cast<double*>(out));
  else if (p.type == CUDA_R_32F)
    end(static_cast<float*>(out));
  else if (p.type == CUDA_R_16F)
    end(static_cast<__half*>(out));
  else
    end(static_cast<__nv_bfloat16*>(out));
}

}  // namespace flambeau::cuda
