// Matrix products by cuBLAS's own choice of kernel, and the choice between it and cuBLASLt's proposals (product.cuh).
// cuBLAS has kernels for narrow matrices that cuBLASLt does not propose, and takes batches of several dimensions in one
// call.
#pragma once
#include "product.cuh"

namespace flambeau::cuda {

/// Batch dimensions whose starts a kernel writes down.
struct BatchDims {
  static constexpr int kMost = 6;
  int dims;
  Batch of[kMost];
};
static __global__ void write_starts(BatchDims d, long long count, const char* a, const char* b, char* c, size_t bytes,
                                    size_t out_bytes, const void** as, const void** bs, void** cs) {
  for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < count;
       i += (long long)gridDim.x * blockDim.x) {
    long long rest = i, ao = 0, bo = 0;
    for (int k = d.dims; k-- > 0;) {
      ao += rest % d.of[k].count * d.of[k].a, bo += rest % d.of[k].count * d.of[k].b, rest /= d.of[k].count;
    }
    as[i] = a + ao * (long long)bytes, bs[i] = b + bo * (long long)bytes, cs[i] = c + i * (long long)out_bytes;
  }
}

/// The end of the workspace, for the starts of a batch.
constexpr size_t kStarts = 1 << 16;

/// Result 0, 96 where cuBLAS fails, or kNotThisWay.
inline int launch_blas(const Launch& l, const Product& p, bool pointers, void* const* buffers, char* out) {
  constexpr long long kMost = 0x7fffffff;
  const Operands o(p);
  const long long count = p.last().count, all = p.batches();
  if (std::max({p.m, p.n, p.k, o.lda, o.ldb, all}) > kMost) return kNotThisWay;
  // A stream of its own takes cuBLAS's workspace away.
  if (cublasSetStream(l.blas, l.stream) != CUBLAS_STATUS_SUCCESS ||
      cublasSetWorkspace(l.blas, l.workspace, l.workspace_bytes - kStarts) != CUBLAS_STATUS_SUCCESS)
    return 96;
  const Factors f;
  const int m = (int)p.m, n = (int)p.n, k = (int)p.k, lda = (int)o.lda, ldb = (int)o.ldb;
  if (!pointers)
    return over_loops(p, buffers, out, [&](const char* a, const char* b, char* c) {
      return cublasGemmStridedBatchedEx(l.blas, o.first, o.second, n, m, k, f.alpha(p), b, p.type, ldb, p.last().b, a,
                                        p.type, lda, p.last().a, f.beta(p), c, p.type, n, p.m * p.n, (int)count,
                                        p.compute(), CUBLAS_GEMM_DEFAULT);
    });
  if (p.batch.size() < 2 || p.batch.size() > BatchDims::kMost || (size_t)all * 3 * sizeof(void*) > kStarts)
    return kNotThisWay;
  BatchDims d{(int)p.batch.size(), {}};
  std::copy(p.batch.begin(), p.batch.end(), d.of);
  auto** starts = reinterpret_cast<void**>(static_cast<char*>(l.workspace) + l.workspace_bytes - kStarts);
  const auto **as = const_cast<const void**>(starts), **bs = as + all;
  void** cs = starts + 2 * all;
  write_starts<<<(unsigned)((all + 127) / 128), 128, 0, l.stream>>>(
      d, all, static_cast<const char*>(buffers[0]), static_cast<const char*>(buffers[1]), out, p.bytes(),
      (size_t)(p.m * p.n) * p.bytes(), as, bs, cs);
  return cublasGemmBatchedEx(l.blas, o.first, o.second, n, m, k, f.alpha(p), bs, p.type, ldb, as, p.type, lda,
                             f.beta(p), cs, p.type, n, (int)all, p.compute(),
                             CUBLAS_GEMM_DEFAULT) == CUBLAS_STATUS_SUCCESS
             ? 0
             : 96;
}

/// Result 0, or a code of Library::call.
inline int run_product(const Launch& l, Product& p, void* const* buffers) {
  char* out = static_cast<char*>(buffers[p.bias ? 3 : 2]);
  if (p.m == 0 || p.n == 0 || p.batches() == 0) return 0;
  const uint32_t alignment = alignment_of(p, buffers[0], buffers[1], out);
  std::vector<cublasLtMatmulHeuristicResult_t> proposals;
  if (!p.measured || (p.way == Product::kLt && alignment < p.alignment)) {
    forget_plan(p);
    p.alignment = alignment;
    if (int code = plan_product(l.lt(), p, l.workspace_bytes, proposals)) return code;
  }
  if (p.bias && !p.wide() && p.op != nullptr)
    cublasLtMatmulDescSetAttribute(p.op, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &buffers[2], sizeof(void*));
  auto run = [&]() -> int {
    const bool by_lt = p.way == Product::kLt;
    const int code =
        by_lt ? launch_lt(l, p, buffers, out) : launch_blas(l, p, p.way == Product::kBlasPointers, buffers, out);
    if (code == 0) finish_product(p, out, p.bias && (!by_lt || p.wide()) ? buffers[2] : nullptr, l.stream);
    return code;
  };
  if (!proposals.empty()) {
    const int lt_ways = (int)proposals.size();
    auto take = [&](int way) {
      p.way = way < lt_ways ? Product::kLt : way == lt_ways ? Product::kBlas : Product::kBlasPointers;
      if (way < lt_ways) p.algo = proposals[(size_t)way].algo;
    };
    const int best = fastest(l, lt_ways + 2, 0, p.measured, [&](int way) {
      take(way);
      return run();
    });
    take(std::max(best, 0));
  }
  return run();
}

}  // namespace flambeau::cuda
