// Attention as a library step: results go straight into the program's buffers.
#include "cpu/attention.h"
#include "runtime/steps.h"

namespace flambeau::runtime {
namespace {

cpu::OperandShape shapeOf(const StepTensor& t) { return {t.sizes, t.strides, t.dtype}; }

class AttentionStep : public PreparedStep {
 public:
  AttentionStep(cpu::AttentionCall call, bool backward, bool mask)
      : call_(std::move(call)), backward_(backward), mask_(mask) {}
  void run(void* const* buffers, std::span<const double>, TensorSpan) override {
    // The mask is the only operand that may be missing.
    int at = 0;
    const void* grad = backward_ ? buffers[at++] : nullptr;
    const void *query = buffers[at], *key = buffers[at + 1], *value = buffers[at + 2];
    at += 3;
    const void* mask = mask_ ? buffers[at++] : nullptr;
    if (backward_)
      cpu::attentionGradientTiles(call_, grad, query, key, value, mask, buffers[at], buffers[at + 1], buffers[at + 2],
                                  buffers[at + 3], buffers[at + 4]);
    else
      cpu::attentionTiles(call_, query, key, value, mask, buffers[at], buffers[at + 1]);
  }

 private:
  cpu::AttentionCall call_;
  bool backward_, mask_;
};

}  // namespace

std::shared_ptr<PreparedStep> prepareAttention(const StepMeta& meta, const ResolvedStep& s) {
  const bool backward = meta.op == "attentionBackward";
  const size_t first = backward ? 1 : 0;
  if (!meta.epilogue.empty() || s.operands.size() != (backward ? 7 : 4)) return nullptr;
  std::vector<const StepTensor*> in;
  for (size_t i = 0; i < s.operands.size(); ++i) {
    const bool one = s.operands[i].size() == 1;
    if (!one && i != first + 3) return nullptr;
    in.push_back(one ? &s.operands[i][0] : nullptr);
    if (one && !shapeOf(*in.back()).unit()) return nullptr;
  }
  const StepTensor* mask = in[first + 3];
  if (mask && (mask->sizes.empty() || mask->sizes.back() != in[first + 1]->sizes[in[first + 1]->sizes.size() - 2]))
    return nullptr;
  if (mask && mask->dtype != DType::Bool && mask->dtype != in[first]->dtype) return nullptr;
  for (const StepTensor& o : s.outputs)
    if (!o.contiguous) return nullptr;
  bool causal = false, zero = false;
  double scale = 1;
  for (size_t i = 0; i < s.attrs.size(); ++i) {
    if (meta.attrs[i].live >= 0) return nullptr;
    if (meta.attrs[i].name == "isCausal") causal = s.attrs[i].scalar.toBool();
    if (meta.attrs[i].name == "zeroUnseen") zero = s.attrs[i].scalar.toBool();
    if (meta.attrs[i].name == "scale") scale = s.attrs[i].scalar.toDouble();
  }
  const cpu::OperandShape maskShape = mask ? shapeOf(*mask) : cpu::OperandShape{{}, {}, DType::Bool};
  cpu::AttentionCall call = cpu::attentionCall(shapeOf(*in[first]), shapeOf(*in[first + 1]), shapeOf(*in[first + 2]),
                                               mask ? &maskShape : nullptr, causal, scale, zero);
  if (backward) {
    if (!in[5]->contiguous || !in[6]->contiguous) return nullptr;
    cpu::addGradient(call, shapeOf(*in[0]));
  }
  return std::make_shared<AttentionStep>(std::move(call), backward, mask != nullptr);
}

}  // namespace flambeau::runtime
