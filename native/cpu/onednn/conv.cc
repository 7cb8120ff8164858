// Float32 convolutions as oneDNN primitives. The primitive picks its layouts; plain tensors are reordered on the way in
// and out.
#include "cpu/conv.h"

#include <algorithm>
#include <optional>

#include "cpu/copy_kernels.h"
#include "cpu/gemm_kernels.h"
#include "cpu/onednn/engine.h"

namespace flambeau::cpu {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

// Blocks of 16 channels, the last one not full, to plain planes: oneDNN's own reorder of these goes element by element.
struct Unblock {
  int64_t images = 0, channels = 0, pixels = 0;
  void run(const float* from, float* to) const {
    const int64_t blocks = (channels + 15) / 16;
    parallelFor(images * blocks, std::max<int64_t>(1, (1 << 13) / pixels), [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        const int64_t first = b % blocks * 16, lanes = std::min<int64_t>(16, channels - first);
        float* plane = to + (b / blocks * channels + first) * pixels;
        copyKernels().transpose[2](reinterpret_cast<char*>(plane), pixels * 4,
                                   reinterpret_cast<const char*>(from + b * pixels * 16), 64, lanes, pixels);
      }
    });
  }
};

// One tensor of the primitive: reordered through scratch memory when the layouts differ.
struct Port {
  size_t bytes = 0;  // 0: used in place
  std::optional<onednn::Prepared> reorder;
  std::optional<Unblock> unblock;  // instead of `reorder`
  void prepare(const memory::desc& plain, const memory::desc& wanted, bool in, int threads) {
    if (plain == wanted) return;
    bytes = (wanted.get_size() + 63) & ~size_t{63};
    const memory::dims d = wanted.dims();
    if (!in && (d.size() == 4 || d.size() == 5) && d[1] % 16 != 0 &&
        wanted == memory::desc(d, memory::data_type::f32, d.size() == 4 ? Tag::nChw16c : Tag::nCdhw16c)) {
      unblock = Unblock{d[0], d[1], d[2] * d[3] * (d.size() == 5 ? d[4] : 1)};
      return;
    }
    dnnl::primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const memory::desc &from = in ? plain : wanted, &to = in ? wanted : plain;
    dnnl::reorder::primitive_desc pd(onednn::engine(), from, onednn::engine(), to, attr);
    reorder.emplace(dnnl::reorder(pd), threads);
    reorder->arg(DNNL_ARG_FROM, from);
    reorder->arg(DNNL_ARG_TO, to);
    reorder->arg(DNNL_ARG_SCRATCHPAD, pd.scratchpad_desc());
    scratch = pd.scratchpad_desc().get_size();
  }
  size_t scratch = 0;
};

class OneDnnConv : public ConvPlan {
 public:
  OneDnnConv(const ConvSpec& whole, int threads) : s_(whole) {
    ConvSpec s = whole;
    if (threads == 0) threads = onednn::threadsFor(whole.work());
    s.batch = imagesAtOnce(whole, threads);
    chunks_ = whole.batch / s.batch;
    if (chunks_ > 1) threads = 1;                         // of one run of a primitive
    const bool down = s.kind == ConvSpec::Kind::Forward;  // from the big image to the small one
    const int64_t big = s.batch * s.channels * s.inPixels(), small = s.batch * s.outChannels * s.pixels();
    firstStep_ = down ? big : small;
    outStep_ = down ? small : big;
    // oneDNN wants 3 to 5 dimensions: leave out the leading spatial ones of extent one. Blocks have two.
    const int most = s.blockedIn || s.blockedOut ? 1 : 2;
    int first = 0;
    while (first < most && s.in[first] == 1 && s.kernel[first] == 1 && s.out[first] == 1 && s.pad[first] == 0) ++first;
    memory::dims x{s.batch, s.channels}, y{s.batch, s.outChannels}, stride, dilation, pad, padRight, w;
    if (s.groups > 1) w.push_back(s.groups);
    w.push_back(s.outChannels / s.groups);
    w.push_back(s.channels / s.groups);
    for (int d = first; d < 3; ++d) {
      x.push_back(s.in[d]);
      y.push_back(s.out[d]);
      w.push_back(s.kernel[d]);
      stride.push_back(s.stride[d]);
      dilation.push_back(s.dilation[d] - 1);
      pad.push_back(s.pad[d]);
      // What the last window reads beyond the image (less than `pad` when the stride does not divide).
      padRight.push_back((s.out[d] - 1) * s.stride[d] + (s.kernel[d] - 1) * s.dilation[d] + 1 - s.in[d] - s.pad[d]);
    }
    const auto any = [](const memory::dims& d) { return memory::desc(d, memory::data_type::f32, Tag::any); };
    const auto plain = [](const memory::dims& d) {
      memory::dims st(d.size());
      int64_t step = 1;
      for (size_t i = d.size(); i-- > 0;) {
        st[i] = step;
        step *= d[i];
      }
      return memory::desc(d, memory::data_type::f32, st);
    };
    const memory::desc bias({s.outChannels}, memory::data_type::f32, Tag::a);
    dnnl::primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const auto direct = dnnl::algorithm::convolution_direct;
    const auto algorithm = s.winograd ? dnnl::algorithm::convolution_winograd : direct;
    const onednn::ThreadLimit limit(threads);
    const auto forward = [&](const dnnl::primitive_attr& a, dnnl::algorithm by) {
      // For inference alone oneDNN would choose channels-last kernels, and reordering plain tensors to those takes
      // longer than the kernels gain.
      const auto kind = dnnl::prop_kind::forward_training;
      const auto d =
          s.bias
              ? dnnl::convolution_forward::desc(kind, by, any(x), any(w), bias, any(y), stride, dilation, pad, padRight)
              : dnnl::convolution_forward::desc(kind, by, any(x), any(w), any(y), stride, dilation, pad, padRight);
      return dnnl::convolution_forward::primitive_desc(d, a, onednn::engine());
    };
    const auto finish = [&](const memory::desc& a, const memory::dims& da, int ia, const memory::desc& b,
                            const memory::dims& db, int ib, const memory::desc& o, const memory::dims& dout, int io,
                            const memory::desc& scratch) {
      const auto given = [&](const memory::dims& d, bool blocked) {
        return blocked ? memory::desc(d, memory::data_type::f32, Tag::nChw16c) : plain(d);
      };
      first_.prepare(given(da, s.blockedIn), a, true, threads);
      second_.prepare(plain(db), b, true, threads);
      out_.prepare(given(dout, s.blockedOut), o, false, threads);
      conv_->arg(ia, a);
      conv_->arg(ib, b);
      conv_->arg(io, o);
      conv_->arg(DNNL_ARG_SCRATCHPAD, scratch);
      if (s.bias) conv_->arg(DNNL_ARG_BIAS, bias);
      scratch_ = std::max({scratch.get_size(), first_.scratch, second_.scratch, out_.scratch});
      scratch_ = (scratch_ + 63) & ~size_t{63};
    };
    if (s.kind == ConvSpec::Kind::Forward) {
      const auto pd = forward(attr, algorithm);
      conv_.emplace(dnnl::convolution_forward(pd), threads);
      finish(pd.src_desc(), x, DNNL_ARG_SRC, pd.weights_desc(), w, DNNL_ARG_WEIGHTS, pd.dst_desc(), y, DNNL_ARG_DST,
             pd.scratchpad_desc());
    } else if (s.kind == ConvSpec::Kind::BackwardInput) {
      const dnnl::convolution_backward_data::desc d(algorithm, any(x), any(w), any(y), stride, dilation, pad, padRight);
      const dnnl::convolution_backward_data::primitive_desc pd(d, attr, onednn::engine(), forward({}, direct));
      conv_.emplace(dnnl::convolution_backward_data(pd), threads);
      finish(pd.diff_dst_desc(), y, DNNL_ARG_DIFF_DST, pd.weights_desc(), w, DNNL_ARG_WEIGHTS, pd.diff_src_desc(), x,
             DNNL_ARG_DIFF_SRC, pd.scratchpad_desc());
    } else {
      const dnnl::convolution_backward_weights::desc d(algorithm, any(x), any(w), any(y), stride, dilation, pad,
                                                       padRight);
      const dnnl::convolution_backward_weights::primitive_desc pd(d, attr, onednn::engine(), forward({}, direct));
      conv_.emplace(dnnl::convolution_backward_weights(pd), threads);
      finish(pd.diff_dst_desc(), y, DNNL_ARG_DIFF_DST, pd.src_desc(), x, DNNL_ARG_SRC, pd.diff_weights_desc(), w,
             DNNL_ARG_DIFF_WEIGHTS, pd.scratchpad_desc());
    }
  }

  int64_t packedFloats() const override {
    return s_.kind == ConvSpec::Kind::BackwardWeight ? 0 : static_cast<int64_t>(second_.bytes / sizeof(float));
  }
  void pack(const void* weights, void* to) const override {
    second_.reorder->run({const_cast<void*>(weights), to, onednn::scratchpad().get(scratch_ + 64)});
  }
  void run(const void* a, const void* b, const void* bias, void* out) const override {
    compute(a, b, false, bias, out);
  }
  void runPacked(const void* a, const void* packed, const void* bias, void* out) const override {
    compute(a, packed, true, bias, out);
  }
  const char* via() const override { return "oneDNN"; }

 private:
  void compute(const void* a, const void* b, bool packed, const void* bias, void* out) const {
    // Filters first, once for all chunks; then every thread's own images and work memory.
    const size_t each = scratch_ + first_.bytes + out_.bytes;
    const size_t own = packed ? 0 : second_.bytes;
    char* shared = static_cast<char*>(onednn::scratchpad().get(own + each + 64));
    void* pb = own ? shared : const_cast<void*>(b);
    if (own) second_.reorder->run({const_cast<void*>(b), pb, shared + own});
    const Scratch* mine = &onednn::scratchpad();
    parallelFor(chunks_, 1, [&](int64_t begin, int64_t end) {
      Scratch& local = onednn::scratchpad();
      char* work = &local == mine ? shared + own : static_cast<char*>(local.get(each + 64));
      char *pa = work + scratch_, *po = pa + first_.bytes;
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        auto* x = const_cast<float*>(static_cast<const float*>(a)) + chunk * firstStep_;
        float* y = static_cast<float*>(out) + chunk * outStep_;
        if (first_.bytes) first_.reorder->run({x, pa, work});
        void *from = first_.bytes ? static_cast<void*>(pa) : x, *to = out_.bytes ? static_cast<void*>(po) : y;
        if (s_.bias)
          conv_->run({from, pb, to, work, const_cast<void*>(bias)});
        else
          conv_->run({from, pb, to, work});
        if (out_.unblock)
          out_.unblock->run(reinterpret_cast<const float*>(po), y);
        else if (out_.bytes)
          out_.reorder->run({po, y, work});
      }
    });
    if (s_.relu) {  // a pass of its own: oneDNN's relu loses NaN
      float* y = static_cast<float*>(out);
      parallelFor(s_.batch * s_.outChannels * s_.pixels(), 1 << 17,
                  [&](int64_t begin, int64_t end) { gemmKernels().relu32(y + begin, end - begin); });
    }
  }
  // Images of one run of the primitive: few enough that what it writes is still in the cache when it is put in order.
  // Threads take such chunks, each by itself, where there is at least one for each. Winograd's kernels want the whole
  // batch.
  static int64_t imagesAtOnce(const ConvSpec& s, int threads) {
    if (s.kind == ConvSpec::Kind::BackwardWeight || s.winograd) return s.batch;
    const int64_t image = 4 * (s.channels * s.inPixels() + s.outChannels * s.pixels());
    if (threads == 1 && (image * s.batch <= kCache || (s.blockedIn && s.blockedOut))) return s.batch;
    if (s.batch % threads) return s.batch;
    int64_t n = std::clamp<int64_t>(kCache / image, 1, s.batch / threads);
    while (s.batch / threads % n) --n;
    return n;
  }
  static constexpr int64_t kCache = 3 << 19;

  ConvSpec s_;
  int64_t chunks_ = 1, firstStep_ = 0, outStep_ = 0;
  Port first_, second_, out_;
  std::optional<onednn::Prepared> conv_;
  size_t scratch_ = 0;
};

}  // namespace

Ref<ConvPlan> planOneDnnConv(const ConvSpec& spec, int threads) {
  for (ConvSpec s = spec;; s.winograd = false) try {
      return makeRef<OneDnnConv>(s, threads);
    } catch (const dnnl::error&) {
      if (!s.winograd) return {};  // not a shape this oneDNN takes
    }
}

}  // namespace flambeau::cpu
