// One direction of an RNN, LSTM or GRU layer over a whole sequence, and its gradient: a product and a cell kernel per
// step.
#include "cpu/recurrent_kernels.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "cpu/extern_common.h"
#include "cpu/gemm.h"
#include "extern_kernels.h"

namespace flambeau::cpu {
namespace {

enum class Cell { Tanh, Relu, Lstm, Gru };
Cell cellOf(std::string_view mode) {
  if (mode == "lstm") return Cell::Lstm;
  if (mode == "gru") return Cell::Gru;
  if (mode == "rnnTanh") return Cell::Tanh;
  FB_CHECK(mode == "rnnRelu", Value, "recurrentSequence: unknown cell '%s'", std::string(mode).c_str());
  return Cell::Relu;
}
const CellKernels& kernelsOf(DType t) {
  static const CellKernels& single = FB_SELECT_ISA(cellKernelsF32);
  static const CellKernels& twice = FB_SELECT_ISA(cellKernelsF64);
  return t == DType::Float32 ? single : twice;
}

/// Sizes of a call, checked.
struct Layer {
  Cell cell;
  bool reverse;
  DType dtype;
  int64_t steps, batch, hidden, gates;  // gates: rows of the weight
  int64_t kept;                         // elements that backward needs of a row of a step
  int64_t bytes;

  Layer(const Tensor& x, const Tensor& h0, const Tensor& c0, const Tensor& weight, std::string_view mode, bool back)
      : cell(cellOf(mode)), reverse(back), dtype(x.dtype()) {
    FB_CHECK(dtype == DType::Float32 || dtype == DType::Float64, Type,
             "recurrentSequence: expected float32 or float64, got %s", scalarTypeName(dtype));
    FB_CHECK(x.dim() == 3 && h0.dim() == 2 && weight.dim() == 2, Shape,
             "recurrentSequence: expected gates [T, B, G * H], hidden [B, H] and weight [G * H, H], got %s, %s and %s",
             shapeString(x.sizes()).c_str(), shapeString(h0.sizes()).c_str(), shapeString(weight.sizes()).c_str());
    steps = x.size(0), batch = x.size(1), hidden = h0.size(1);
    gates = hidden * (cell == Cell::Lstm ? 4 : cell == Cell::Gru ? 3 : 1);
    kept = cell == Cell::Lstm ? 5 * hidden : cell == Cell::Gru ? 4 * hidden : 0;
    bytes = static_cast<int64_t>(itemSize(dtype));
    FB_CHECK(x.size(2) == gates && h0.size(0) == batch && weight.size(0) == gates && weight.size(1) == hidden, Shape,
             "recurrentSequence: gates %s, hidden %s and weight %s do not fit each other",
             shapeString(x.sizes()).c_str(), shapeString(h0.sizes()).c_str(), shapeString(weight.sizes()).c_str());
    FB_CHECK((cell == Cell::Lstm) == c0.defined(), Value, "recurrentSequence: a cell state belongs to LSTMs");
    for (const Tensor* t : {&h0, &c0, &weight})
      FB_CHECK(!t->defined() || t->dtype() == dtype, Type, "recurrentSequence: expected tensors of one dtype");
    if (c0.defined())
      FB_CHECK(c0.dim() == 2 && c0.size(0) == batch && c0.size(1) == hidden, Shape,
               "recurrentSequence: expected a cell state of shape %s, got %s", shapeString(h0.sizes()).c_str(),
               shapeString(c0.sizes()).c_str());
  }
  /// Throws unless `t` is absent or has this shape.
  void expect(const Tensor& t, const char* what, Dims sizes) const {
    if (!t.defined()) return;
    FB_CHECK(t.dtype() == dtype && std::ranges::equal(t.sizes(), sizes.span()), Shape,
             "recurrentSequence: expected a %s of %s %s, got %s %s", what, scalarTypeName(dtype),
             shapeString(sizes.span()).c_str(), scalarTypeName(t.dtype()), shapeString(t.sizes()).c_str());
  }
  /// The i-th step in the order in which they run.
  int64_t at(int64_t i) const { return reverse ? steps - 1 - i : i; }
  GemmSpec product(int64_t m, int64_t n, int64_t k) const {
    GemmSpec s;
    s.dtype = dtype;
    s.m = m, s.n = n, s.k = k;
    s.aRow = k, s.bRow = n, s.cRow = n;
    return s;
  }
  /// f(row) for the rows of a batch.
  template <class F>
  void rows(F&& f) const {
    parallelFor(batch, std::max<int64_t>(1, 4096 / std::max<int64_t>(hidden, 1)), [&](int64_t from, int64_t to) {
      for (int64_t b = from; b < to; ++b) f(b);
    });
  }
};

char* bytesOf(const Tensor& t) { return static_cast<char*>(t.data()); }
void copyRows(char* to, int64_t toStep, const char* from, int64_t fromStep, int64_t size, int64_t rows) {
  for (int64_t i = 0; i < rows; ++i) std::memcpy(to + i * toStep, from + i * fromStep, static_cast<size_t>(size));
}

/// The product with the recurrent weight in every step: over a long sequence it pays to pack the weight first.
class StepProduct {
 public:
  StepProduct(const GemmSpec& spec, const char* weight, int64_t steps) : weight_(weight) {
    constexpr int64_t kPackedFrom = 8;  // steps; packing reads the weight about as often as a step does
    packed_ = steps >= kPackedFrom ? planConstantGemm(spec) : Ref<GemmPlan>();
    plan_ = packed_ ? packed_ : planGemm(spec);
    if (!packed_) return;
    panels_ = emptyTensor(Dims{packed_->packedFloats()}, DType::Float32);
    packed_->pack(weight, panels_.data());
  }
  void run(const char* a, const char* bias, char* c) const {
    if (packed_) return packed_->runPacked(a, panels_.data(), bias, c);
    plan_->run(a, weight_, bias, c);
  }

 private:
  const char* weight_;
  Ref<GemmPlan> plan_, packed_;
  Tensor panels_;
};

}  // namespace

std::tuple<Tensor, Tensor, Tensor, Tensor> recurrentSequence(const Tensor& gates, const Tensor& hidden,
                                                             const Tensor& cell, const Tensor& weight,
                                                             const Tensor& bias, std::string_view mode, bool reverse,
                                                             bool keep) {
  const Layer l(gates, hidden, cell, weight, mode, reverse);
  l.expect(bias, "bias", Dims{l.gates});
  const CellKernels& kernels = kernelsOf(l.dtype);
  const Tensor x = contiguousOf(gates), h0 = contiguousOf(hidden), w = contiguousOf(weight);
  const Tensor c0 = cell.defined() ? contiguousOf(cell) : Tensor(), b = bias.defined() ? contiguousOf(bias) : Tensor();
  Tensor output = emptyTensor(Dims{l.steps, l.batch, l.hidden}, l.dtype);
  Tensor reserve = emptyTensor(Dims{l.steps, l.batch, keep ? l.kept : 0}, l.dtype);
  Tensor hn = emptyTensor(Dims{l.batch, l.hidden}, l.dtype);
  Tensor cn = emptyTensor(cell.defined() ? Dims{l.batch, l.hidden} : Dims{0}, l.dtype);
  const int64_t H = l.hidden * l.bytes, G = l.gates * l.bytes, K = l.kept * l.bytes;
  // [B, H] x [G, H]^T. An RNN adds it onto the inputs' part, the other cells read both.
  const bool own = l.cell == Cell::Lstm || l.cell == Cell::Gru;
  GemmSpec spec = l.product(l.batch, l.gates, l.hidden);
  spec.bRow = 1, spec.bCol = l.hidden;
  spec.bias = b.defined();
  spec.accumulate = !own;
  const bool some = l.steps > 0 && l.batch > 0 && l.hidden > 0;
  std::optional<StepProduct> product;
  if (some) product.emplace(spec, bytesOf(w), l.steps);
  const Tensor part = emptyTensor(own ? Dims{l.batch, l.gates} : Dims{0}, l.dtype);
  const char* h = bytesOf(h0);
  const char* c = c0.defined() ? bytesOf(c0) : nullptr;
  int64_t cStep = H;
  for (int64_t i = 0; i < l.steps && some; ++i) {
    const int64_t t = l.at(i);
    const char* in = bytesOf(x) + t * l.batch * G;
    char* out = bytesOf(output) + t * l.batch * H;
    char* kept = keep ? bytesOf(reserve) + t * l.batch * K : nullptr;
    // Without a place of its own, c is updated where the final one belongs.
    char* memory = l.cell != Cell::Lstm ? nullptr : keep ? kept + G : bytesOf(cn);
    const int64_t newStep = keep ? K : H;
    char* sum = own ? bytesOf(part) : out;
    if (!own) std::memcpy(out, in, static_cast<size_t>(l.batch * G));
    product->run(h, b.defined() ? bytesOf(b) : nullptr, sum);
    l.rows([&](int64_t r) {
      char* saved = keep ? kept + r * K : nullptr;
      switch (l.cell) {
        case Cell::Lstm:
          return kernels.lstm(l.hidden, in + r * G, sum + r * G, c + r * cStep, saved, memory + r * newStep,
                              out + r * H);
        case Cell::Gru:
          return kernels.gru(l.hidden, in + r * G, sum + r * G, h + r * H, saved, out + r * H);
        case Cell::Tanh:
          return kernels.tanh(l.hidden, out + r * H);
        case Cell::Relu:
          return kernels.relu(l.hidden, out + r * H);
      }
    });
    h = out;
    c = memory, cStep = newStep;
  }
  copyRows(bytesOf(hn), H, h, H, H, l.batch);
  if (cell.defined() && c != bytesOf(cn)) copyRows(bytesOf(cn), H, c, cStep, H, l.batch);
  return {output, hn, cn, reserve};
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> recurrentSequenceBackward(
    const Tensor& gradOutput, const Tensor& gradHidden, const Tensor& gradCell, const Tensor& gates,
    const Tensor& hidden, const Tensor& cell, const Tensor& weight, const Tensor& output, const Tensor& reserve,
    std::string_view mode, bool reverse) {
  const Layer l(gates, hidden, cell, weight, mode, reverse);
  const Dims sequence{l.steps, l.batch, l.hidden}, state{l.batch, l.hidden};
  l.expect(output, "output", sequence);
  l.expect(reserve, "reserve", Dims{l.steps, l.batch, l.kept});
  l.expect(gradOutput, "gradient", sequence);
  l.expect(gradHidden, "gradient", state);
  l.expect(gradCell, "gradient", state);
  const CellKernels& kernels = kernelsOf(l.dtype);
  const Tensor h0 = contiguousOf(hidden), w = contiguousOf(weight), out = contiguousOf(output),
               kept = contiguousOf(reserve), c0 = cell.defined() ? contiguousOf(cell) : Tensor();
  const Tensor dout = gradOutput.defined() ? contiguousOf(gradOutput) : Tensor();
  const int64_t H = l.hidden * l.bytes, G = l.gates * l.bytes, K = l.kept * l.bytes;
  const auto zeros = [&](Dims sizes, const Tensor& from) {
    Tensor t = emptyTensor(sizes, l.dtype);
    if (from.defined())
      std::memcpy(bytesOf(t), bytesOf(contiguousOf(from)), static_cast<size_t>(t.numel() * l.bytes));
    else
      std::memset(bytesOf(t), 0, static_cast<size_t>(t.numel() * l.bytes));
    return t;
  };
  Tensor dh = zeros(Dims{l.batch, l.hidden}, gradHidden);
  Tensor dc = zeros(cell.defined() ? Dims{l.batch, l.hidden} : Dims{0}, cell.defined() ? gradCell : Tensor());
  Tensor dx = emptyTensor(Dims{l.steps, l.batch, l.gates}, l.dtype);
  // What the recurrent product's result gets; the same as the inputs' part but for the GRU's reset.
  Tensor dsum = l.cell == Cell::Gru ? emptyTensor(dx.sizes(), l.dtype) : dx;
  Tensor dw = zeros(Dims{l.gates, l.hidden}, Tensor()), db = zeros(Dims{l.gates}, Tensor());
  GemmSpec spec = l.product(l.batch, l.hidden, l.gates);
  spec.accumulate = l.cell == Cell::Gru;
  const bool some = l.steps > 0 && l.batch > 0 && l.hidden > 0;
  std::optional<StepProduct> product;
  if (some) product.emplace(spec, bytesOf(w), l.steps);
  const auto before = [&](int64_t i) { return i == 0 ? bytesOf(h0) : bytesOf(out) + l.at(i - 1) * l.batch * H; };
  for (int64_t i = l.steps - 1; i >= 0 && some; --i) {
    const int64_t t = l.at(i);
    char* grad = bytesOf(dx) + t * l.batch * G;
    char* sum = bytesOf(dsum) + t * l.batch * G;
    const char* saved = bytesOf(kept) + t * l.batch * K;
    const char* h = bytesOf(out) + t * l.batch * H;
    const char* c = i == 0 ? (c0.defined() ? bytesOf(c0) : nullptr) : bytesOf(kept) + l.at(i - 1) * l.batch * K + G;
    const int64_t cStep = i == 0 ? H : K;
    l.rows([&](int64_t r) {
      char* d = bytesOf(dh) + r * H;
      if (dout.defined()) kernels.add(l.hidden, d, bytesOf(dout) + (t * l.batch + r) * H);
      switch (l.cell) {
        case Cell::Lstm:
          return kernels.lstmBackward(l.hidden, saved + r * K, c + r * cStep, saved + r * K + G, d, bytesOf(dc) + r * H,
                                      grad + r * G);
        case Cell::Gru:
          return kernels.gruBackward(l.hidden, saved + r * K, before(i) + r * H, d, grad + r * G, sum + r * G);
        case Cell::Tanh:
          return kernels.tanhBackward(l.hidden, h + r * H, d, grad + r * G);
        case Cell::Relu:
          return kernels.reluBackward(l.hidden, h + r * H, d, grad + r * G);
      }
    });
    product->run(sum, nullptr, bytesOf(dh));
    for (int64_t r = 0; r < l.batch; ++r) kernels.add(l.gates, bytesOf(db), sum + r * G);
  }
  if (some) {
    // dW = sum over all steps of dsum^T h-before: one product for the first step, one for all others.
    const auto weightGrad = [&](const char* d, const char* h, int64_t rows) {
      GemmSpec s = l.product(l.gates, l.hidden, rows);
      s.aRow = 1, s.aCol = l.gates;
      s.accumulate = true;
      gemm(s, d, h, nullptr, bytesOf(dw));
    };
    weightGrad(bytesOf(dsum) + l.at(0) * l.batch * G, bytesOf(h0), l.batch);
    const int64_t rest = (l.steps - 1) * l.batch;
    if (rest > 0)
      weightGrad(bytesOf(dsum) + (reverse ? 0 : l.batch * G), bytesOf(out) + (reverse ? l.batch * H : 0), rest);
  }
  return {dx, dh, dc, dw, db};
}

}  // namespace flambeau::cpu
