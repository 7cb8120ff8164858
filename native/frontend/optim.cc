// Optimizers over the generated step kernels.
#include "flambeau/optim.h"

#include "flambeau/autograd.h"
#include "flambeau/ops.h"

namespace flambeau::optim {

Optimizer::Optimizer(TensorList parameters) : parameters_(std::move(parameters)) {
  FB_CHECK(!parameters_.empty(), Value, "optimizer got an empty parameter list");
  for (const Tensor& p : parameters_) FB_CHECK(p.defined() && p.isLeaf(), Value, "can't optimize a non-leaf Tensor");
}
void Optimizer::zero_grad() {
  for (Tensor& p : parameters_)
    if (p.grad().defined()) p.setGrad(Tensor());
}
std::pair<TensorList, TensorList> Optimizer::active() const {
  std::pair<TensorList, TensorList> out;
  for (const Tensor& p : parameters_) {
    const Tensor g = p.grad();
    if (!g.defined()) continue;
    out.first.push_back(p);
    out.second.push_back(g);
  }
  return out;
}
TensorList Optimizer::slots(const TensorList& parameters, size_t which) {
  TensorList out;
  for (const Tensor& p : parameters) {
    auto& list = state_[p.impl()].slots;
    if (list.size() <= which) list.resize(which + 1);
    if (!list[which].defined()) {
      list[which] = emptyTensor(p.sizes(), p.dtype());
      ops::zero_(list[which]);
    }
    out.push_back(list[which]);
  }
  return out;
}
TensorList Optimizer::steps(const TensorList& parameters) {
  TensorList out;
  for (const Tensor& p : parameters) {
    Tensor& step = state_[p.impl()].step;
    if (!step.defined()) step = scalarTensor(Scalar(0.0), DType::Float32);
    out.push_back(step);
  }
  return out;
}

SGD::SGD(TensorList parameters, const SGDOptions& options) : Optimizer(std::move(parameters)), options_(options) {
  FB_CHECK(options.lr() >= 0, Value, "Invalid learning rate: %g", options.lr());
  FB_CHECK(options.momentum() >= 0, Value, "Invalid momentum value: %g", options.momentum());
  FB_CHECK(!options.nesterov() || options.momentum() > 0, Value,
           "Nesterov momentum requires a momentum and zero dampening");
}
void SGD::step() {
  const autograd::GradGuard noGrad(false);
  const auto [params, grads] = active();
  if (params.empty()) return;
  const TensorList buffers = options_.momentum() != 0 ? slots(params, 0) : TensorList();
  ops::sgdStep_(params, grads, buffers, options_.lr(), options_.momentum(), 0.0, options_.weight_decay(),
                options_.nesterov(), false);
}

Adam::Adam(TensorList parameters, const AdamOptions& options, bool decoupled)
    : Optimizer(std::move(parameters)), options_(options), decoupled_(decoupled) {
  FB_CHECK(options.lr() >= 0, Value, "Invalid learning rate: %g", options.lr());
  FB_CHECK(options.eps() >= 0, Value, "Invalid epsilon value: %g", options.eps());
  FB_CHECK(options.beta1() >= 0 && options.beta1() < 1, Value, "Invalid beta parameter at index 0: %g",
           options.beta1());
  FB_CHECK(options.beta2() >= 0 && options.beta2() < 1, Value, "Invalid beta parameter at index 1: %g",
           options.beta2());
}
void Adam::step() {
  const autograd::GradGuard noGrad(false);
  const auto [params, grads] = active();
  if (params.empty()) return;
  ops::adamStep_(params, grads, slots(params, 0), slots(params, 1), steps(params), options_.lr(), options_.beta1(),
                 options_.beta2(), options_.eps(), options_.weight_decay(), decoupled_, false);
}

RMSprop::RMSprop(TensorList parameters, const RMSpropOptions& options)
    : Optimizer(std::move(parameters)), options_(options) {
  FB_CHECK(options.lr() >= 0, Value, "Invalid learning rate: %g", options.lr());
}
void RMSprop::step() {
  const autograd::GradGuard noGrad(false);
  const auto [params, grads] = active();
  if (params.empty()) return;
  ops::rmspropStep_(params, grads, slots(params, 0), options_.lr(), options_.alpha(), options_.eps(),
                    options_.weight_decay(), false);
}

}  // namespace flambeau::optim
