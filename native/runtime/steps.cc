// Prepares library steps; see steps.h. The direct forms write into the output buffers without allocating.
#include "runtime/steps.h"

#include <algorithm>

#include "cpu/conv_call.h"
#include "cpu/matmul.h"
#include "cpu/pool_shapes.h"
#include "flambeau/parallel.h"
#include "runtime/packed_weights.h"

namespace flambeau::runtime {
namespace {

using cpu::GemmSpec;

const trace::Attr* findAttr(const ResolvedStep& s, std::string_view name) {
  for (const trace::Attr& a : s.attrs)
    if (a.name == name) return a.kind == trace::Attr::Kind::None ? nullptr : &a;
  return nullptr;
}
IntSpan ints(const ResolvedStep& s, std::string_view name) {
  const trace::Attr* a = findAttr(s, name);
  return a ? IntSpan(a->ints) : IntSpan();
}
bool flag(const ResolvedStep& s, std::string_view name, bool none) {
  const trace::Attr* a = findAttr(s, name);
  return a ? a->scalar.toBool() : none;
}
int64_t integer(const ResolvedStep& s, std::string_view name, int64_t none) {
  const trace::Attr* a = findAttr(s, name);
  return a ? a->scalar.toInt() : none;
}

const StepTensor* operand(const ResolvedStep& s, size_t i) {
  return i < s.operands.size() && s.operands[i].size() == 1 ? &s.operands[i][0] : nullptr;
}
// Operand i is a tensor of this dtype.
const StepTensor* operand(const ResolvedStep& s, size_t i, DType dtype) {
  const StepTensor* t = operand(s, i);
  return t && t->dtype == dtype ? t : nullptr;
}

class GemmStep : public PreparedStep {
 public:
  // The buffer numbers of A, B, bias (-1: none) and C.
  GemmStep(cpu::ProductCalls calls, int a, int b, int bias, int c)
      : calls_(std::move(calls)),
        plan_(cpu::planGemm(calls_.spec)),
        a_(a),
        b_(b),
        bias_(bias),
        c_(c),
        width_(static_cast<int64_t>(itemSize(calls_.spec.dtype))) {}
  void run(void* const* buffers, std::span<const double>, TensorSpan constants) override {
    if (const Ref<cpu::GemmPlan> packed = packedPlan(buffers[b_], constants))
      if (const Ref<Storage> weights = weights_.find(*packed, buffers[b_], constants))
        return packed->runPacked(buffers[a_], weights->data(), bias_ < 0 ? nullptr : buffers[bias_], buffers[c_]);
    const char *a = static_cast<const char*>(buffers[a_]), *b = static_cast<const char*>(buffers[b_]);
    char* c = static_cast<char*>(buffers[c_]);
    const void* bias = bias_ < 0 ? nullptr : buffers[bias_];
    for (const auto& [p, q] : calls_.offsets) {
      plan_->run(a + p * width_, b + q * width_, bias, c);
      c += calls_.spec.batch * calls_.spec.m * calls_.spec.n * width_;
    }
  }

 private:
  // The plan for weights that are kept packed, where that is faster: decided when they are first seen.
  Ref<cpu::GemmPlan> packedPlan(const void* weights, TensorSpan constants) {
    if (calls_.offsets.size() != 1 || calls_.offsets[0][0] || calls_.offsets[0][1]) return {};
    std::lock_guard<std::mutex> lock(mutex_);
    if (!decided_ && weights_.stay(weights, constants)) {
      packed_ = cpu::planConstantGemm(calls_.spec);
      decided_ = true;
    }
    return packed_;
  }

  cpu::ProductCalls calls_;
  Ref<cpu::GemmPlan> plan_, packed_;
  int a_, b_, bias_, c_;
  int64_t width_;
  std::mutex mutex_;
  bool decided_ = false;
  PackedWeights weights_;
};

bool gemmTakes(DType t) { return t == DType::Float32 || t == DType::Float64 || t == DType::Int32 || t == DType::Int64; }

std::shared_ptr<PreparedStep> prepareGemm(const StepMeta& meta, const ResolvedStep& s) {
  if (s.outputs.size() != 1 || !s.outputs[0].contiguous || !gemmTakes(s.outputs[0].dtype)) return nullptr;
  const DType dtype = s.outputs[0].dtype;
  const bool relu = !meta.epilogue.empty();
  const bool addmm = meta.op == "addmm", linear = meta.op == "linear";
  const size_t first = addmm ? 1 : 0;
  const StepTensor *a = operand(s, first, dtype), *b = operand(s, first + 1, dtype);
  if (!a || !b || a->sizes.empty() || b->sizes.empty()) return nullptr;
  Dims as = a->sizes, at = a->strides, bs = b->sizes, bt = b->strides;
  int bias = -1;
  if (linear) {
    if (bs.size() != 2) return nullptr;
    std::swap(bs[0], bs[1]);
    std::swap(bt[0], bt[1]);
    if (s.operands.size() > 2 && !s.operands[2].empty()) {
      const StepTensor* add = operand(s, 2, dtype);
      if (!add || add->sizes.size() != 1 || add->sizes[0] != bs[1] || !add->contiguous) return nullptr;
      bias = 2;
    }
  }
  if (addmm) {
    // Only the everyday form: a bias row, no scaling.
    const StepTensor* add = operand(s, 0, dtype);
    for (const char* name : {"alpha", "beta"})
      for (const StepAttr& attr : meta.attrs)
        if (attr.name == name && (attr.live >= 0 || attr.scalar.toDouble() != 1)) return nullptr;
    if (!add || add->sizes.size() != 1 || !add->contiguous || as.size() != 2 || bs.size() != 2 ||
        add->sizes[0] != bs[1])
      return nullptr;
    bias = 0;
  }
  // A vector is a row on the left and a column on the right.
  if (as.size() == 1) {
    as.insert(0, 1);
    at.insert(0, 0);
  }
  if (bs.size() == 1) {
    bs.push_back(1);
    bt.push_back(1);
  }
  if (as.back() != bs[bs.size() - 2]) return nullptr;  // the op itself gives the message
  cpu::ProductCalls calls = cpu::describeProduct(as, at, bs, bt, dtype);
  if (bias >= 0 && calls.offsets.size() > 1 && calls.spec.batch == 0) return nullptr;
  calls.spec.bias = bias >= 0;
  calls.spec.relu = relu;
  const int base = addmm ? 1 : 0;
  return std::make_shared<GemmStep>(std::move(calls), base, base + 1, bias, meta.buffersIn);
}

class ConvStep : public PreparedStep {
 public:
  ConvStep(const cpu::ConvCall& call, int out)
      : spec_(call.spec), plan_(cpu::planConv(call.spec)), swap_(call.swap), out_(out) {}
  void run(void* const* buffers, std::span<const double>, TensorSpan constants) override {
    const void *a = buffers[swap_ ? 1 : 0], *b = buffers[swap_ ? 0 : 1], *bias = spec_.bias ? buffers[2] : nullptr;
    const Ref<cpu::ConvPlan> plan = constantPlan(b, constants);
    if (plan->packedFloats() > 0)
      if (const Ref<Storage> filters = weights_.find(*plan, b, constants))
        return plan->runPacked(a, filters->data(), bias, buffers[out_]);
    plan->run(a, b, bias, buffers[out_]);
  }

 private:
  // Filters that stay the same have a plan of their own, decided when they are first seen and kept from then on.
  Ref<cpu::ConvPlan> constantPlan(const void* filters, TensorSpan constants) {
    if (spec_.kind == cpu::ConvSpec::Kind::BackwardWeight) return plan_;
    std::lock_guard<std::mutex> lock(mutex_);
    if (!decided_ && weights_.stay(filters, constants)) {
      plan_ = cpu::planConstantConv(spec_);
      decided_ = true;
    }
    return plan_;
  }

  cpu::ConvSpec spec_;
  Ref<cpu::ConvPlan> plan_;
  bool swap_;
  int out_;
  std::mutex mutex_;
  bool decided_ = false;
  PackedWeights weights_;
};

// Sizes of the image behind blocks of 16 channels: (N, C/16, H, W, 16) beside a weight of four dimensions.
bool unblock(Dims& sizes, size_t weightRank) {
  if (weightRank != 4 || sizes.size() != 5 || sizes[4] != 16) return false;
  sizes = Dims{sizes[0], sizes[1] * 16, sizes[2], sizes[3]};
  return true;
}

std::shared_ptr<PreparedStep> prepareConv(const StepMeta& meta, const ResolvedStep& s) {
  if (s.outputs.size() != 1 || !s.outputs[0].contiguous || s.outputs[0].numel == 0) return nullptr;
  const DType dtype = s.outputs[0].dtype;
  const StepTensor *a = operand(s, 0, dtype), *b = operand(s, 1, dtype);
  if (!a || !b || !a->contiguous || !b->contiguous || (dtype != DType::Float32 && dtype != DType::Float64))
    return nullptr;
  const cpu::ConvGeometry g{ints(s, "stride"),        ints(s, "padding"),
                            ints(s, "dilation"),      flag(s, "transposed", false),
                            ints(s, "outputPadding"), integer(s, "groups", 1)};
  cpu::ConvCall call;
  Dims result = s.outputs[0].sizes;
  if (meta.op == "convolution") {
    Dims image = a->sizes;
    const bool blocked = dtype == DType::Float32 && !g.transposed;
    const bool blockedIn = blocked && unblock(image, b->sizes.size());
    const bool blockedOut = blocked && unblock(result, b->sizes.size());
    if (image.size() != b->sizes.size()) return nullptr;
    call = cpu::convolutionCall(image, b->sizes, g, dtype);
    call.spec.blockedIn = blockedIn;
    call.spec.blockedOut = blockedOut;
    const bool bias = s.operands.size() > 2 && !s.operands[2].empty();
    if (bias) {
      const StepTensor* add = operand(s, 2, dtype);
      if (g.transposed || !add || !add->contiguous || add->numel != call.result[1]) return nullptr;
    }
    if (!meta.epilogue.empty() && g.transposed) return nullptr;
    call.spec.bias = bias;
    call.spec.relu = !meta.epilogue.empty();
  } else {
    if (!meta.epilogue.empty()) return nullptr;
    const bool input = meta.op == "convolutionBackwardInput";
    const IntSpan target = ints(s, input ? "inputSize" : "weightSize");
    if (target.size() != a->sizes.size()) return nullptr;
    call = input ? cpu::convolutionInputCall(a->sizes, b->sizes, target, g, dtype)
                 : cpu::convolutionWeightCall(a->sizes, b->sizes, target, g, dtype);
  }
  if (!(call.result == result)) return nullptr;
  call.spec.winograd = cpu::winogradPays(call.spec);
  return std::make_shared<ConvStep>(call, meta.buffersIn);
}

class MaxPoolStep : public PreparedStep {
 public:
  MaxPoolStep(const cpu::PoolSpec& spec, DType dtype) : spec_(spec), dtype_(dtype) {}
  void run(void* const* buffers, std::span<const double>, TensorSpan) override {
    cpu::maxPoolPlanes(spec_, dtype_, buffers[0], buffers[1], static_cast<int64_t*>(buffers[2]));
  }

 private:
  cpu::PoolSpec spec_;
  DType dtype_;
};

class MaxPoolBackwardStep : public PreparedStep {
 public:
  MaxPoolBackwardStep(DType dtype, int64_t planes, const cpu::Extents& in, const cpu::Extents& out)
      : dtype_(dtype), planes_(planes), in_(in), out_(out) {}
  void run(void* const* buffers, std::span<const double>, TensorSpan) override {
    cpu::maxPoolBackwardPlanes(dtype_, planes_, in_, out_, buffers[0], static_cast<const int64_t*>(buffers[1]),
                               buffers[2]);
  }

 private:
  DType dtype_;
  int64_t planes_;
  cpu::Extents in_, out_;
};

std::shared_ptr<PreparedStep> preparePool(const StepMeta& meta, const ResolvedStep& s) {
  if (!meta.epilogue.empty()) return nullptr;
  const StepTensor* a = operand(s, 0);
  if (!a || !a->contiguous || !isFloating(a->dtype)) return nullptr;
  for (const StepTensor& o : s.outputs)
    if (!o.contiguous) return nullptr;
  if (meta.op == "maxPoolNd") {
    if (s.outputs.size() != 2) return nullptr;
    const cpu::PoolSpec spec = cpu::poolSpec("max_pool", a->sizes, ints(s, "kernelSize"), ints(s, "stride"),
                                             ints(s, "padding"), ints(s, "dilation"), flag(s, "ceilMode", false));
    if (s.outputs[0].numel != spec.planes * cpu::volume(spec.out)) return nullptr;
    return std::make_shared<MaxPoolStep>(spec, a->dtype);
  }
  const StepTensor* index = operand(s, 1, DType::Int64);
  const size_t nd = static_cast<size_t>(integer(s, "spatial", 0));
  if (!index || !index->contiguous || index->numel != a->numel || s.outputs.size() != 1 || nd < 1 || nd > 3 ||
      a->sizes.size() <= nd || s.outputs[0].sizes.size() != a->sizes.size())
    return nullptr;
  const cpu::Extents in = cpu::extentsOf(s.outputs[0].sizes, nd), out = cpu::extentsOf(a->sizes, nd);
  const int64_t pixels = cpu::volume(in);
  return std::make_shared<MaxPoolBackwardStep>(a->dtype, pixels ? s.outputs[0].numel / pixels : 0, in, out);
}

StepTensor resolve(const TensorMeta& m, const long long* dims) {
  StepTensor t;
  t.dtype = m.dtype;
  t.sizes = m.sizes(dims);
  t.strides = m.stepsOf(dims, t.sizes);
  t.numel = product(t.sizes);
  int64_t expected = 1;
  for (size_t d = t.sizes.size(); d-- > 0;) {
    if (t.sizes[d] != 1 && t.strides[d] != expected) t.contiguous = false;
    expected *= t.sizes[d];
  }
  t.contiguous |= t.numel == 0;
  return t;
}

ResolvedStep resolve(const StepMeta& meta, const long long* dims) {
  ResolvedStep r;
  for (const StepOperand& o : meta.inputs) {
    std::vector<StepTensor> list;
    for (const TensorMeta& t : o.tensors) list.push_back(resolve(t, dims));
    r.operands.push_back(std::move(list));
  }
  for (const TensorMeta& t : meta.outputs) r.outputs.push_back(resolve(t, dims));
  for (const StepAttr& a : meta.attrs) {
    trace::Attr out(a.name.c_str());
    out.kind = a.kind;
    out.scalar = a.scalar;
    out.string = a.text;
    out.floats = a.floats;
    if (a.kind == trace::Attr::Kind::Scalar && !a.ints.empty())
      out.scalar = Scalar(a.ints[0].value(dims));
    else
      for (const DimExpr& d : a.ints) out.ints.push_back(d.value(dims));
    r.attrs.push_back(std::move(out));
  }
  return r;
}

}  // namespace

std::shared_ptr<PreparedStep> prepareDirect(const StepMeta& meta, const ResolvedStep& s) {
  for (const std::string& e : meta.epilogue)
    if (e != "relu" || meta.epilogue.size() > 1) return nullptr;
  const std::string& op = meta.op;
  if (op == "matmul" || op == "mm" || op == "bmm" || op == "linear" || op == "addmm" || op == "dot")
    return prepareGemm(meta, s);
  if (op == "convolution" || op == "convolutionBackwardInput" || op == "convolutionBackwardWeight")
    return prepareConv(meta, s);
  if (op == "attentionForward" || op == "attentionBackward") return prepareAttention(meta, s);
  if (op == "maxPoolNd" || op == "maxPoolNdBackward") return preparePool(meta, s);
  return nullptr;
}

LibraryStep::LibraryStep(StepMeta meta) : meta_(std::move(meta)) {
  if (!meta_.symbolic) {
    threads_ = numThreads();
    prepared_ = prepare({});
  }
}

std::shared_ptr<PreparedStep> LibraryStep::prepare(std::span<const long long> dims) const {
  ResolvedStep r = resolve(meta_, dims.data());
  if (auto direct = prepareDirect(meta_, r)) return direct;
  return prepareBoxed(meta_, std::move(r));
}

void LibraryStep::run(void* const* buffers, std::span<const long long> dims, std::span<const double> scalars,
                      TensorSpan constants) {
  std::shared_ptr<PreparedStep> step;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const int threads = numThreads();
    if (!prepared_ || threads != threads_ ||
        (meta_.symbolic && !std::equal(dims.begin(), dims.end(), dims_.begin(), dims_.end()))) {
      prepared_ = prepare(dims);
      dims_.assign(dims.begin(), dims.end());
      threads_ = threads;
    }
    step = prepared_;
  }
  step->run(buffers, scalars, constants);
}

}  // namespace flambeau::runtime
