// Optimizer steps over lists: the host reads step counts directly; inside a trace they stay graph values.
#include "optim/steps.h"

#include <cmath>
#include <vector>

#include "flambeau/autograd.h"
#include "flambeau/ops.h"
#include "flambeau/trace.h"

namespace flambeau::optim {
namespace {

Scalar sign(bool maximize) { return Scalar(maximize ? -1.0 : 1.0); }

void checkLists(const char* op, TensorSpan params, std::initializer_list<TensorSpan> others) {
  for (TensorSpan list : others)
    FB_CHECK(list.size() == params.size(), Value, "%s: %zu parameters but a list of %zu tensors beside them", op,
             params.size(), list.size());
}

/// 1 - beta^step: a number when values can be read, a 0-d double tensor inside a trace (there the step count is graph
/// state).
Operand correction(const Tensor& step, Scalar beta) {
  if (!trace::active()) {
    const double t = step.dtype() == DType::Float64 ? *step.ptr<double>() : static_cast<double>(*step.ptr<float>());
    return Operand(Scalar(1 - std::pow(beta.toDouble(), t)));
  }
  return ops::rsub(ops::powScalar(Operand(beta), ops::toDtype(step, DType::Float64)), Operand(Scalar(1.0)));
}

}  // namespace

void sgdStep(TensorSpan params, TensorSpan grads, TensorSpan bufs, Scalar lr, Scalar momentum, Scalar dampening,
             Scalar weightDecay, bool nesterov, bool maximize) {
  autograd::GradGuard off(false);
  checkLists("sgdStep_", params, {grads});
  if (!bufs.empty()) checkLists("sgdStep_", params, {bufs});
  for (size_t i = 0; i < params.size(); ++i) {
    if (bufs.empty())
      ops::sgdUpdate(params[i], grads[i], lr, weightDecay, sign(maximize));
    else
      ops::sgdMomentumUpdate(params[i], grads[i], bufs[i], lr, momentum, dampening, weightDecay,
                             Scalar(nesterov ? 1.0 : 0.0), sign(maximize));
  }
}

void adamStep(TensorSpan params, TensorSpan grads, TensorSpan expAvgs, TensorSpan expAvgSqs, TensorSpan steps,
              Scalar lr, Scalar beta1, Scalar beta2, Scalar eps, Scalar weightDecay, bool decoupled, bool maximize) {
  autograd::GradGuard off(false);
  checkLists("adamStep_", params, {grads, expAvgs, expAvgSqs, steps});
  struct Corrections {
    TensorImpl* step;
    Operand first, second;
  };
  std::vector<Corrections> known;  // steps are mostly one shared tensor
  for (size_t i = 0; i < params.size(); ++i) {
    const Corrections* c = nullptr;
    for (const auto& k : known)
      if (k.step == steps[i].impl()) c = &k;
    if (!c) {
      FB_CHECK(steps[i].numel() == 1 && (steps[i].dtype() == DType::Float32 || steps[i].dtype() == DType::Float64),
               Value, "adamStep_: a step count must be one float32 or float64 number, got shape %s of %s",
               shapeString(steps[i].sizes()).c_str(), std::string(dtypeName(steps[i].dtype())).c_str());
      ops::add_(steps[i], Operand(Scalar(int64_t{1})));
      known.push_back({steps[i].impl(), correction(steps[i], beta1), correction(steps[i], beta2)});
      c = &known.back();
    }
    ops::adamUpdate(params[i], grads[i], expAvgs[i], expAvgSqs[i], c->first, c->second, lr, beta1, beta2, eps,
                    weightDecay, Scalar(decoupled ? 1.0 : 0.0), sign(maximize));
  }
}

void rmspropStep(TensorSpan params, TensorSpan grads, TensorSpan squareAvgs, Scalar lr, Scalar alpha, Scalar eps,
                 Scalar weightDecay, bool maximize) {
  autograd::GradGuard off(false);
  checkLists("rmspropStep_", params, {grads, squareAvgs});
  for (size_t i = 0; i < params.size(); ++i)
    ops::rmspropUpdate(params[i], grads[i], squareAvgs[i], lr, alpha, eps, weightDecay, sign(maximize));
}

}  // namespace flambeau::optim
