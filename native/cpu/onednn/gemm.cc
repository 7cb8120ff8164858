// Float32 matrix products as oneDNN matmul primitives, with bias and accumulation fused.
#include "cpu/gemm.h"

#include <algorithm>

#include "cpu/gemm_kernels.h"
#include "cpu/onednn/engine.h"

namespace flambeau::cpu {
namespace {

using dnnl::memory;

// Parts of a batch that threads take, each by itself: 1 where all threads share every product.
int64_t partsOf(const GemmSpec& s) {
  const int64_t threads = onednn::threadsFor(s.batch * s.m * s.n * s.k);
  if (threads > 1)
    for (int64_t parts = 4 * threads; parts > 0; parts -= threads)
      if (s.batch % parts == 0) return parts;
  return 1;
}

class OneDnnGemm : public GemmPlan {
 public:
  /// `pd` computes one of `parts` parts of the batch.
  OneDnnGemm(const dnnl::matmul::primitive_desc& pd, const GemmSpec& spec, int64_t parts)
      : spec_(spec),
        bias_(spec.bias),
        parts_(parts),
        prepared_(dnnl::matmul(pd), parts > 1 ? 1 : onednn::threadsFor(spec.batch * spec.m * spec.n * spec.k)),
        scratch_(pd.scratchpad_desc().get_size()) {
    prepared_.arg(DNNL_ARG_SRC, pd.src_desc());
    prepared_.arg(DNNL_ARG_WEIGHTS, pd.weights_desc());
    prepared_.arg(DNNL_ARG_DST, pd.dst_desc());
    prepared_.arg(DNNL_ARG_SCRATCHPAD, pd.scratchpad_desc());
    if (bias_) prepared_.arg(DNNL_ARG_BIAS, pd.bias_desc());
  }
  void run(const void* a, const void* b, const void* bias, void* c) const override {
    const auto part = [](const void* p, int64_t elements) {
      return static_cast<void*>(const_cast<float*>(static_cast<const float*>(p)) + elements);
    };
    const int64_t each = spec_.batch / parts_;
    parallelFor(parts_, 1, [&](int64_t begin, int64_t end) {
      void* work = scratch_ ? onednn::scratchpad().get(scratch_) : nullptr;
      for (int64_t i = begin * each; i < end * each; i += each) {
        void *from = part(a, i * spec_.aBatch), *with = part(b, i * spec_.bBatch), *to = part(c, i * spec_.cBatch);
        if (bias_)
          prepared_.run({from, with, to, work, const_cast<void*>(bias)});
        else
          prepared_.run({from, with, to, work});
      }
    });
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
  int64_t parts_;
  onednn::Prepared prepared_;
  size_t scratch_;
};

// A dimension of extent one may carry any stride; oneDNN wants a plausible one.
int64_t stride(int64_t extent, int64_t given, int64_t plausible) { return extent == 1 ? plausible : given; }

}  // namespace

Ref<GemmPlan> planOneDnnGemm(const GemmSpec& whole) {
  const int64_t parts = partsOf(whole);
  GemmSpec s = whole;
  s.batch /= parts;
  const int64_t aRow = stride(s.m, s.aRow, s.k), aCol = stride(s.k, s.aCol, 1), bRow = stride(s.k, s.bRow, s.n),
                bCol = stride(s.n, s.bCol, 1);
  // Zero strides and operands without a contiguous axis are for the own kernels.
  if ((aRow != 1 && aCol != 1) || (bRow != 1 && bCol != 1) || !aRow || !aCol || !bRow || !bCol) return {};
  const bool batched = s.batch > 1;
  if (whole.batch > 1 && s.cBatch == 0) return {};
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
    const onednn::ThreadLimit limit(parts > 1 ? 1 : onednn::threadsFor(s.batch * s.m * s.n * s.k));
    if (s.bias) {
      const memory::desc bias = batched ? memory::desc({1, 1, s.n}, memory::data_type::f32, memory::dims{s.n, s.n, 1})
                                        : memory::desc({1, s.n}, memory::data_type::f32, memory::dims{s.n, 1});
      return makeRef<OneDnnGemm>(
          dnnl::matmul::primitive_desc(dnnl::matmul::desc(a, b, bias, c), attr, onednn::engine()), whole, parts);
    }
    return makeRef<OneDnnGemm>(dnnl::matmul::primitive_desc(dnnl::matmul::desc(a, b, c), attr, onednn::engine()), whole,
                               parts);
  } catch (const dnnl::error&) {
    return {};  // a layout that this oneDNN does not take: the own kernels do
  }
}

}  // namespace flambeau::cpu
