// Library steps of a program on the GPU: products by cuBLAS; convolution and pooling by plain kernels that are right, not fast (times of
// programs with them say nothing).
#pragma once
#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <istream>
#include <string>
#include <variant>
#include <vector>

struct Batch {
  long long count, a, b;
};
struct Product {
  long long m, n, k, a_row, a_col, b_row, b_col;
  bool bias, relu;
  std::vector<Batch> batch;
};
inline std::istream& operator>>(std::istream& in, Product& p) {
  size_t dims;
  in >> p.m >> p.n >> p.k >> p.a_row >> p.a_col >> p.b_row >> p.b_col >> p.bias >> p.relu >> dims;
  p.batch.resize(dims);
  for (auto& b : p.batch) in >> b.count >> b.a >> b.b;
  return in;
}

static __global__ void finish(float* out, const float* bias, long long rows, long long cols, bool relu) {
  for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < rows * cols; i += (long long)gridDim.x * blockDim.x) {
    float v = out[i] + (bias ? bias[i % cols] : 0);
    out[i] = relu && !(v > 0 || v != v) ? 0 : v;
  }
}

/// Row-major out[m, n] = a[m, k] b[k, n]: to cuBLAS the transposed product of column-major matrices.
inline int run_product(cublasHandle_t blas, const Product& p, void* const* buffers, cudaStream_t stream) {
  const float* a = static_cast<const float*>(buffers[0]);
  const float* b = static_cast<const float*>(buffers[1]);
  float* out = static_cast<float*>(buffers[p.bias ? 3 : 2]);
  cublasSetStream(blas, stream);
  // Loops over all but the last batch dimension.
  long long loops = 1;
  for (size_t i = 0; i + 1 < p.batch.size(); i++) loops *= p.batch[i].count;
  const Batch last = p.batch.empty() ? Batch{1, 0, 0} : p.batch.back();
  const float one = 1, zero = 0;
  for (long long l = 0; l < loops; l++) {
    long long rest = l, ao = 0, bo = 0;
    for (size_t i = p.batch.size(); i-- > 1;) {
      const Batch& d = p.batch[i - 1];
      ao += rest % d.count * d.a, bo += rest % d.count * d.b, rest /= d.count;
    }
    const bool ta = p.a_col != 1, tb = p.b_col != 1;
    if ((ta && p.a_row != 1) || (tb && p.b_row != 1)) return 98;
    const long long lda = ta ? p.a_col : std::max(p.a_row, p.k), ldb = tb ? p.b_col : std::max(p.b_row, p.n);
    cublasStatus_t status = cublasSgemmStridedBatched(
        blas, tb ? CUBLAS_OP_T : CUBLAS_OP_N, ta ? CUBLAS_OP_T : CUBLAS_OP_N, (int)p.n, (int)p.m, (int)p.k, &one, b + bo,
        (int)ldb, last.b, a + ao, (int)lda, last.a, &zero, out + l * last.count * p.m * p.n, (int)p.n, p.m * p.n,
        (int)last.count);
    if (status != CUBLAS_STATUS_SUCCESS) return 97;
  }
  if (p.bias || p.relu) {
    const long long rows = loops * last.count * p.m;
    finish<<<(unsigned)std::min<long long>((rows * p.n + 255) / 256, 65535), 256, 0, stream>>>(
        out, p.bias ? static_cast<const float*>(buffers[2]) : nullptr, rows, p.n, p.relu);
  }
  return 0;
}

/// A window over up to three dimensions: `in` slides to `out`. Forward: input and result; backward: as in the forward call.
struct Window {
  int kind, bias, relu;
  long long n, groups, xc, yc;
  long long in[3], out[3], kernel[3], stride[3], padding[3], dilation[3];
};
inline std::istream& operator>>(std::istream& in, Window& w) {
  in >> w.kind >> w.bias >> w.relu >> w.n >> w.groups >> w.xc >> w.yc;
  for (auto* list : {w.in, w.out, w.kernel, w.stride, w.padding, w.dilation})
    for (int d = 0; d < 3; d++) in >> list[d];
  return in;
}
enum WindowKind { kConvolution, kTransposed, kWeightGradient, kMaxPool };

__device__ inline long long flat(const long long* size, const long long* at) { return (at[0] * size[1] + at[1]) * size[2] + at[2]; }
__device__ inline void split(long long i, const long long* size, long long* at) {
  at[2] = i % size[2], i /= size[2], at[1] = i % size[1], at[0] = i / size[1];
}
/// Where position `o` of the result and `k` of the kernel read the input; false outside of it.
__device__ inline bool source(const Window& w, const long long* o, const long long* k, long long* i) {
  for (int d = 0; d < 3; d++) {
    i[d] = o[d] * w.stride[d] - w.padding[d] + k[d] * w.dilation[d];
    if (i[d] < 0 || i[d] >= w.in[d]) return false;
  }
  return true;
}
static __global__ void window(Window w, const float* a, const float* b, const float* bias, float* y, long long* where) {
  const long long ni = w.in[0] * w.in[1] * w.in[2], no = w.out[0] * w.out[1] * w.out[2], nk = w.kernel[0] * w.kernel[1] * w.kernel[2];
  const long long xg = w.xc / w.groups, yg = w.yc / w.groups;
  const long long total = w.kind == kWeightGradient ? w.yc * xg * nk : w.n * w.yc * no;
  for (long long t = blockIdx.x * (long long)blockDim.x + threadIdx.x; t < total; t += (long long)gridDim.x * blockDim.x) {
    long long o[3], k[3], i[3];
    double sum = 0;
    if (w.kind == kWeightGradient) {
      const long long c = t / nk % xg, yc = t / nk / xg, xc = yc / yg * xg + c;
      split(t % nk, w.kernel, k);
      for (long long n = 0; n < w.n; n++)
        for (long long p = 0; p < no; p++) {
          split(p, w.out, o);
          if (source(w, o, k, i)) sum += (double)a[(n * w.yc + yc) * no + p] * b[(n * w.xc + xc) * ni + flat(w.in, i)];
        }
      y[t] = (float)sum;
      continue;
    }
    const long long yc = t / no % w.yc, n = t / no / w.yc, g = yc / yg;
    split(t % no, w.out, o);
    if (w.kind == kMaxPool) {
      float best = 0;
      long long at = -1;
      for (long long q = 0; q < nk; q++) {
        split(q, w.kernel, k);
        if (!source(w, o, k, i)) continue;
        const float v = a[(n * w.yc + yc) * ni + flat(w.in, i)];
        if (at < 0 || v > best || (v != v && best == best)) best = v, at = flat(w.in, i);
      }
      y[t] = best, where[t] = at;
      continue;
    }
    for (long long c = 0; c < xg; c++) {
      const long long xc = g * xg + c;
      for (long long q = 0; q < nk; q++) {
        split(q, w.kernel, k);
        bool inside = true;
        if (w.kind == kConvolution) inside = source(w, o, k, i);
        else
          for (int d = 0; d < 3; d++) {
            const long long s = o[d] + w.padding[d] - k[d] * w.dilation[d];
            i[d] = s / w.stride[d];
            inside = inside && s >= 0 && s % w.stride[d] == 0 && i[d] < w.in[d];
          }
        if (!inside) continue;
        const long long at = w.kind == kConvolution ? (yc * xg + c) * nk + q : (xc * yg + yc % yg) * nk + q;
        sum += (double)a[(n * w.xc + xc) * ni + flat(w.in, i)] * b[at];
      }
    }
    const float v = (float)(bias ? sum + bias[yc] : sum);
    y[t] = w.relu && !(v > 0 || v != v) ? 0 : v;
  }
}
inline int run_window(const Window& w, void* const* buffers, cudaStream_t stream) {
  auto at = [&](int k) { return static_cast<float*>(buffers[k]); };
  if (w.kind == kMaxPool)
    window<<<1024, 128, 0, stream>>>(w, at(0), nullptr, nullptr, at(1), static_cast<long long*>(buffers[2]));
  else
    window<<<1024, 128, 0, stream>>>(w, at(0), at(1), w.bias ? at(2) : nullptr, at(w.bias ? 3 : 2), nullptr);
  return 0;
}

struct Library {
  cublasHandle_t blas;
  std::vector<std::variant<Product, Window>> steps;

  static int call(void* graph, int step, void* const* buffers, const long long*, void* stream) {
    auto* l = static_cast<Library*>(graph);
    const auto& s = l->steps[(size_t)step];
    if (auto* p = std::get_if<Product>(&s)) return run_product(l->blas, *p, buffers, (cudaStream_t)stream);
    return run_window(std::get<Window>(s), buffers, (cudaStream_t)stream);
  }
};
