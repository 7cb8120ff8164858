// Float32 matrix products as oneDNN matmul primitives, with bias and accumulation fused.
#include "cpu/gemm.h"

#include <algorithm>

#include "cpu/gemm_kernels.h"
#include "cpu/onednn/engine.h"

namespace flambeau::cpu {
namespace {

using dnnl::memory;

class OneDnnGemm : public GemmPlan {
 public:
  OneDnnGemm(const dnnl::matmul::primitive_desc& pd, const GemmSpec& spec)
      : spec_(spec),
        bias_(spec.bias),
        prepared_(dnnl::matmul(pd), onednn::threadsFor(spec.batch * spec.m * spec.n * spec.k)),
        scratch_(pd.scratchpad_desc().get_size()) {
    prepared_.arg(DNNL_ARG_SRC, pd.src_desc());
    prepared_.arg(DNNL_ARG_WEIGHTS, pd.weights_desc());
    prepared_.arg(DNNL_ARG_DST, pd.dst_desc());
    prepared_.arg(DNNL_ARG_SCRATCHPAD, pd.scratchpad_desc());
    if (bias_) prepared_.arg(DNNL_ARG_BIAS, pd.bias_desc());
  }
  void run(const void* a, const void* b, const void* bias, void* c) const override {
    void* work = scratch_ ? onednn::scratchpad().get(scratch_) : nullptr;
    if (bias_)
      prepared_.run({const_cast<void*>(a), const_cast<void*>(b), c, work, const_cast<void*>(bias)});
    else
      prepared_.run({const_cast<void*>(a), const_cast<void*>(b), c, work});
    if (spec_.relu) relu(static_cast<float*>(c));
  }
  const char* via() const override { return "oneDNN"; }

 private:
  // A pass of its own: oneDNN's relu loses NaN.
  void relu(float* c) const {
    parallelFor(spec_.batch * spec_.m, std::max<int64_t>(1, (1 << 17) / spec_.n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r)
        gemmKernels().relu32(c + r / spec_.m * spec_.cBatch + r % spec_.m * spec_.cRow, spec_.n);
    });
  }
  GemmSpec spec_;
  bool bias_;
  onednn::Prepared prepared_;
  size_t scratch_;
};

// A dimension of extent one may carry any stride; oneDNN wants a plausible one.
int64_t stride(int64_t extent, int64_t given, int64_t plausible) { return extent == 1 ? plausible : given; }

}  // namespace

Ref<GemmPlan> planOneDnnGemm(const GemmSpec& s) {
  const int64_t aRow = stride(s.m, s.aRow, s.k), aCol = stride(s.k, s.aCol, 1), bRow = stride(s.k, s.bRow, s.n),
                bCol = stride(s.n, s.bCol, 1);
  // Zero strides and operands without a contiguous axis are for the own kernels.
  if ((aRow != 1 && aCol != 1) || (bRow != 1 && bCol != 1) || !aRow || !aCol || !bRow || !bCol) return {};
  const bool batched = s.batch > 1;
  if (batched && s.cBatch == 0) return {};
  const auto desc = [&](int64_t batch, int64_t rows, int64_t cols, int64_t sb, int64_t sr, int64_t sc) {
    const auto f32 = memory::data_type::f32;
    if (!batched) return memory::desc({rows, cols}, f32, memory::dims{sr, sc});
    return memory::desc({batch, rows, cols}, f32, memory::dims{batch == 1 ? rows * cols : sb, sr, sc});
  };
  try {
    // A batch stride of zero is oneDNN's broadcast of a batch of one.
    const memory::desc a = desc(s.aBatch ? s.batch : 1, s.m, s.k, s.aBatch, aRow, aCol),
                       b = desc(s.bBatch ? s.batch : 1, s.k, s.n, s.bBatch, bRow, bCol);
    const memory::desc c = desc(s.batch, s.m, s.n, s.cBatch, stride(s.m, s.cRow, s.n), 1);
    dnnl::primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    dnnl::post_ops ops;
    if (s.accumulate) ops.append_sum(1.0f);
    attr.set_post_ops(ops);
    const onednn::ThreadLimit limit(onednn::threadsFor(s.batch * s.m * s.n * s.k));
    if (s.bias) {
      const memory::desc bias = batched ? memory::desc({1, 1, s.n}, memory::data_type::f32, memory::dims{s.n, s.n, 1})
                                        : memory::desc({1, s.n}, memory::data_type::f32, memory::dims{s.n, 1});
      return makeRef<OneDnnGemm>(
          dnnl::matmul::primitive_desc(dnnl::matmul::desc(a, b, bias, c), attr, onednn::engine()), s);
    }
    return makeRef<OneDnnGemm>(dnnl::matmul::primitive_desc(dnnl::matmul::desc(a, b, c), attr, onednn::engine()), s);
  } catch (const dnnl::error&) {
    return {};  // a layout that this oneDNN does not take: the own kernels do
  }
}

}  // namespace flambeau::cpu
