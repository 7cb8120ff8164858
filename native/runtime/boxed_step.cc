// A library step that has no direct form: its op runs by name on tensors around the buffers, and the results are
// copied.
#include "cpu/drivers.h"
#include "flambeau/autograd.h"
#include "flambeau/boxed.h"
#include "runtime/steps.h"

namespace flambeau::runtime {
namespace {

// Gradients and recording are off while a program runs: it holds its own backward.
struct PlainMode {
  autograd::GradGuard grad{false};
  bool traced = trace::detail::active;
  PlainMode() { trace::detail::active = false; }
  ~PlainMode() { trace::detail::active = traced; }
};

Tensor around(const StepTensor& t, void* data) {
  int64_t last = 0;
  for (size_t d = 0; d < t.sizes.size(); ++d) last += (t.sizes[d] - 1) * t.strides[d];
  const size_t bytes = t.numel ? static_cast<size_t>(last + 1) * itemSize(t.dtype) : 0;
  Ref<Storage> storage = Storage::borrow(
      data, bytes, [](void*) {}, nullptr);
  return Tensor(TensorImpl::create(std::move(storage), t.dtype, t.sizes, t.strides, 0));
}

class BoxedStep : public PreparedStep {
 public:
  BoxedStep(const StepMeta& meta, ResolvedStep step) : meta_(meta), step_(std::move(step)) {
    // Recorded in-place ops carry their plain name; some exist only in place and then run on a copy of their first
    // operand.
    name_ = meta.op;
    if (!boxed::exists(name_) && boxed::exists(name_ + "_")) {
      name_ += "_";
      inPlace_ = true;
    }
    if (!boxed::exists(name_))
      throw Error(ErrorKind::Value, "graph program: unknown op '" + meta.op + "' in a library step");
    // Attribute names point into meta_.
    for (size_t i = 0; i < step_.attrs.size(); ++i) step_.attrs[i].name = meta_.attrs[i].name.c_str();
  }

  void run(void* const* buffers, std::span<const double> scalars, TensorSpan) override {
    PlainMode mode;
    std::vector<boxed::Value> inputs;
    int at = 0;
    for (size_t i = 0; i < meta_.inputs.size(); ++i) {
      const StepOperand& o = meta_.inputs[i];
      switch (o.kind) {
        case StepOperand::Kind::None:
          inputs.emplace_back();
          break;
        case StepOperand::Kind::Number:
          inputs.emplace_back(o.number);
          break;
        case StepOperand::Kind::Live:
          inputs.emplace_back(Scalar(scalars[static_cast<size_t>(o.live)]));
          break;
        case StepOperand::Kind::Tensor:
          inputs.emplace_back(around(step_.operands[i][0], buffers[at++]));
          break;
        case StepOperand::Kind::List: {
          TensorList list;
          for (const StepTensor& t : step_.operands[i]) list.push_back(around(t, buffers[at++]));
          inputs.emplace_back(std::move(list));
        }
      }
    }
    TensorList outputs;
    for (const StepTensor& t : step_.outputs) outputs.push_back(around(t, buffers[at++]));
    std::vector<trace::Attr> attrs = step_.attrs;
    for (size_t i = 0; i < attrs.size(); ++i)
      if (meta_.attrs[i].live >= 0) attrs[i].scalar = Scalar(scalars[static_cast<size_t>(meta_.attrs[i].live)]);
    if (inPlace_) {
      FB_CHECK(!inputs.empty() && inputs[0].kind == boxed::Value::Kind::Tensor && outputs.size() == 1, Value,
               "graph program: step '%s' needs one tensor to write", meta_.op.c_str());
      cpu::copyInto(outputs[0], inputs[0].tensor);
      inputs[0] = boxed::Value(outputs[0]);
      boxed::call(name_, inputs, attrs);
    } else {
      const TensorList results = boxed::call(name_, inputs, attrs);
      FB_CHECK(results.size() == outputs.size(), Internal, "graph program: step '%s' gave %zu results instead of %zu",
               meta_.op.c_str(), results.size(), outputs.size());
      for (size_t i = 0; i < results.size(); ++i) {
        if (!(Dims(results[i].sizes()) == Dims(outputs[i].sizes())))
          throw ShapeVaries("step '" + meta_.op + "' gave shape " + shapeString(results[i].sizes()) + " instead of " +
                            shapeString(outputs[i].sizes()));
        cpu::copyInto(outputs[i], results[i]);
      }
    }
    for (const std::string& e : meta_.epilogue) {
      const boxed::Value target(outputs.at(0));
      boxed::call(e + "_", {&target, 1}, {});
    }
  }

 private:
  StepMeta meta_;
  ResolvedStep step_;
  std::string name_;
  bool inPlace_ = false;
};

}  // namespace

std::shared_ptr<PreparedStep> prepareBoxed(const StepMeta& meta, ResolvedStep step) {
  return std::make_shared<BoxedStep>(meta, std::move(step));
}

}  // namespace flambeau::runtime
