// The update rules, over the generated step kernels. Corrections and rates are numbers here; src/optim has the same
// formulas as tensors, for steps that are compiled.
#include "flambeau/optim/optimizers.h"

#include <cmath>
#include <limits>

#include "flambeau/ops.h"

namespace flambeau::optim {

namespace {

/// Throws Error(Value) unless lo <= value < hi.
void check(const char* what, double value, double lo = 0, double hi = std::numeric_limits<double>::infinity()) {
  FB_CHECK(value >= lo && (value < hi || std::isinf(hi)), Value, "Invalid %s: %g", what, value);
}
void checkBetas(const Betas& betas) {
  check("beta parameter at index 0", std::get<0>(betas), 0, 1);
  check("beta parameter at index 1", std::get<1>(betas), 0, 1);
}
double signOf(bool maximize) { return maximize ? -1 : 1; }
/// The group's options as what the optimizer made them.
template <class Options>
Options& as(OptimizerOptions& o) {
  auto* own = dynamic_cast<Options*>(&o);
  FB_CHECK(own != nullptr, Type, "a parameter group has options of another optimizer");
  return *own;
}

}  // namespace

// ---- SGD ----

void SGDOptions::visit(OptionVisitor& v) {
  v("lr", lr_), v("momentum", momentum_), v("dampening", dampening_), v("weight_decay", weight_decay_);
  v("nesterov", nesterov_), v("maximize", maximize_);
}
void SGDOptions::check() const {
  optim::check("learning rate", lr());
  optim::check("momentum value", momentum());
  optim::check("weight_decay value", weight_decay());
  FB_CHECK(!nesterov() || (momentum() > 0 && dampening() == 0), Value,
           "Nesterov momentum requires a momentum and zero dampening");
}
void SGD::update(OptimizerOptions& options, const TensorList& params, const TensorList& grads) {
  const auto& o = as<SGDOptions>(options);
  if (o.momentum() == 0) {
    ops::sgdStep_(params, grads, {}, o.lr(), 0.0, 0.0, o.weight_decay(), false, o.maximize());
    return;
  }
  TensorList restParams, restGrads;
  for (size_t i = 0; i < params.size(); ++i) {
    Tensor& buffer = std::get<Tensor>(stateOf(params[i])["momentum_buffer"]);
    if (o.dampening() == 0 || buffer.defined()) {
      restParams.push_back(params[i]);
      restGrads.push_back(grads[i]);
      continue;
    }
    // The first buffer is the gradient itself, undamped: not what zeros would lead to.
    Tensor g = o.maximize() ? ops::neg(grads[i]) : grads[i];
    if (o.weight_decay() != 0) g = ops::add(g, params[i], Scalar(o.weight_decay()));
    buffer = ops::clone(g);
    ops::sub_(params[i], g, Scalar(o.lr()));
  }
  if (restParams.empty()) return;
  ops::sgdStep_(restParams, restGrads, slots(restParams, "momentum_buffer"), o.lr(), o.momentum(), o.dampening(),
                o.weight_decay(), o.nesterov(), o.maximize());
}

// ---- Adam's family ----

namespace {

template <class Options>
void checkAdam(const Options& o) {
  check("learning rate", o.lr());
  check("epsilon value", o.eps());
  checkBetas(o.betas());
}
template <class Options>
void visitAdam(Options& o, OptionVisitor& v) {
  v("lr", o.lr_), v("betas", o.betas_), v("eps", o.eps_), v("maximize", o.maximize_);
}

}  // namespace

void AdamOptions::visit(OptionVisitor& v) {
  visitAdam(*this, v), v("weight_decay", weight_decay_), v("amsgrad", amsgrad_);
}
void AdamOptions::check() const { checkAdam(*this), optim::check("weight_decay value", weight_decay()); }
void AdamWOptions::visit(OptionVisitor& v) {
  visitAdam(*this, v), v("weight_decay", weight_decay_), v("amsgrad", amsgrad_);
}
void AdamWOptions::check() const { checkAdam(*this), optim::check("weight_decay value", weight_decay()); }

namespace {

/// Adam and AdamW with the largest running mean of squares, parameter by parameter.
template <class Options>
void amsgrad(const Options& o, bool decoupled, const TensorList& params, const TensorList& grads,
             const TensorList& expAvg, const TensorList& expAvgSq, const TensorList& largest,
             const std::vector<double>& steps) {
  const auto [beta1, beta2] = o.betas();
  for (size_t i = 0; i < params.size(); ++i)
    ops::adamAmsgradUpdate(params[i], grads[i], expAvg[i], expAvgSq[i], largest[i],
                           Operand(1 - std::pow(beta1, steps[i])), Operand(1 - std::pow(beta2, steps[i])), o.lr(),
                           beta1, beta2, o.eps(), o.weight_decay(), decoupled ? 1.0 : 0.0, signOf(o.maximize()));
}

}  // namespace

void Adam::update(OptimizerOptions& options, const TensorList& params, const TensorList& grads) {
  const auto& o = as<AdamOptions>(options);
  const TensorList expAvg = slots(params, "exp_avg"), expAvgSq = slots(params, "exp_avg_sq");
  if (o.amsgrad())
    amsgrad(o, false, params, grads, expAvg, expAvgSq, slots(params, "max_exp_avg_sq"), advance(params));
  else
    ops::adamStep_(params, grads, expAvg, expAvgSq, stepCounts(params), o.lr(), std::get<0>(o.betas()),
                   std::get<1>(o.betas()), o.eps(), o.weight_decay(), false, o.maximize());
}
void AdamW::update(OptimizerOptions& options, const TensorList& params, const TensorList& grads) {
  const auto& o = as<AdamWOptions>(options);
  const TensorList expAvg = slots(params, "exp_avg"), expAvgSq = slots(params, "exp_avg_sq");
  if (o.amsgrad())
    amsgrad(o, true, params, grads, expAvg, expAvgSq, slots(params, "max_exp_avg_sq"), advance(params));
  else
    ops::adamStep_(params, grads, expAvg, expAvgSq, stepCounts(params), o.lr(), std::get<0>(o.betas()),
                   std::get<1>(o.betas()), o.eps(), o.weight_decay(), true, o.maximize());
}

void AdamaxOptions::visit(OptionVisitor& v) { visitAdam(*this, v), v("weight_decay", weight_decay_); }
void AdamaxOptions::check() const { checkAdam(*this), optim::check("weight_decay value", weight_decay()); }
void Adamax::update(OptimizerOptions& options, const TensorList& params, const TensorList& grads) {
  const auto& o = as<AdamaxOptions>(options);
  const TensorList expAvg = slots(params, "exp_avg"), expInf = slots(params, "exp_inf");
  const auto steps = advance(params);
  const auto [beta1, beta2] = o.betas();
  for (size_t i = 0; i < params.size(); ++i)
    ops::adamaxUpdate(params[i], grads[i], expAvg[i], expInf[i], Operand(1 - std::pow(beta1, steps[i])), o.lr(), beta1,
                      beta2, o.eps(), o.weight_decay(), signOf(o.maximize()));
}

void NAdamOptions::visit(OptionVisitor& v) {
  visitAdam(*this, v), v("weight_decay", weight_decay_), v("momentum_decay", momentum_decay_);
  v("decoupled_weight_decay", decoupled_weight_decay_);
}
void NAdamOptions::check() const {
  checkAdam(*this);
  optim::check("weight_decay value", weight_decay());
  optim::check("momentum_decay value", momentum_decay());
}
void NAdam::update(OptimizerOptions& options, const TensorList& params, const TensorList& grads) {
  const auto& o = as<NAdamOptions>(options);
  const TensorList expAvg = slots(params, "exp_avg"), expAvgSq = slots(params, "exp_avg_sq");
  const auto steps = advance(params);
  const auto [beta1, beta2] = o.betas();
  const auto mu = [&, b = beta1](double t) { return (1 - std::pow(0.96, t * o.momentum_decay()) * 0.5) * b; };
  for (size_t i = 0; i < params.size(); ++i) {
    const double t = steps[i], now = mu(t), next = mu(t + 1);
    Tensor& product = std::get<Tensor>(stateOf(params[i])["mu_product"]);
    if (!product.defined()) product = scalarTensor(Scalar(1.0), DType::Float32);
    ops::mul_(product, scalarTensor(Scalar(now), DType::Float32));
    const double full = product.item<double>();
    // The factor `now`, which the product has already, is PyTorch 1.13's: its curves have it.
    ops::nadamUpdate(params[i], grads[i], expAvg[i], expAvgSq[i], Operand((1 - now) / (1 - full)),
                     Operand(next / (1 - full * now * next)), Operand(1 - std::pow(beta2, t)), o.lr(), beta1, beta2,
                     o.eps(), o.weight_decay(), o.decoupled_weight_decay() ? 1.0 : 0.0, signOf(o.maximize()));
  }
}

void RAdamOptions::visit(OptionVisitor& v) {
  visitAdam(*this, v), v("weight_decay", weight_decay_), v("decoupled_weight_decay", decoupled_weight_decay_);
}
void RAdamOptions::check() const { checkAdam(*this), optim::check("weight_decay value", weight_decay()); }
void RAdam::update(OptimizerOptions& options, const TensorList& params, const TensorList& grads) {
  const auto& o = as<RAdamOptions>(options);
  const TensorList expAvg = slots(params, "exp_avg"), expAvgSq = slots(params, "exp_avg_sq");
  const auto steps = advance(params);
  const auto [beta1, beta2] = o.betas();
  const double longest = 2 / (1 - beta2) - 1;
  for (size_t i = 0; i < params.size(); ++i) {
    const double t = steps[i], decay = std::pow(beta2, t), correction2 = 1 - decay;
    // The length of the approximated moving average.
    const double rho = longest - 2 * t * decay / correction2;
    const double square = (rho - 4) * (rho - 2) * (longest / ((longest - 4) * (longest - 2))) / rho;
    ops::radamUpdate(params[i], grads[i], expAvg[i], expAvgSq[i], Operand(1 - std::pow(beta1, t)), Operand(correction2),
                     Operand(rho > 5 ? std::sqrt(square) : 0.0), o.lr(), beta1, beta2, o.eps(), o.weight_decay(),
                     o.decoupled_weight_decay() ? 1.0 : 0.0, signOf(o.maximize()));
  }
}

void SparseAdamOptions::visit(OptionVisitor& v) { visitAdam(*this, v); }
void SparseAdamOptions::check() const { checkAdam(*this); }
void SparseAdam::update(OptimizerOptions& options, const TensorList& params, const TensorList& grads) {
  const auto& o = as<SparseAdamOptions>(options);
  const TensorList expAvg = slots(params, "exp_avg"), expAvgSq = slots(params, "exp_avg_sq");
  const auto steps = advance(params);
  const auto [beta1, beta2] = o.betas();
  for (size_t i = 0; i < params.size(); ++i)
    ops::sparseAdamUpdate(params[i], grads[i], expAvg[i], expAvgSq[i], Operand(1 - std::pow(beta1, steps[i])),
                          Operand(1 - std::pow(beta2, steps[i])), o.lr(), beta1, beta2, o.eps(), signOf(o.maximize()));
}

// ---- adaptive rates ----

void AdagradOptions::visit(OptionVisitor& v) {
  v("lr", lr_), v("lr_decay", lr_decay_), v("weight_decay", weight_decay_);
  v("initial_accumulator_value", initial_accumulator_value_), v("eps", eps_), v("maximize", maximize_);
}
void AdagradOptions::check() const {
  optim::check("learning rate", lr());
  optim::check("lr_decay value", lr_decay());
  optim::check("weight_decay value", weight_decay());
  optim::check("initial_accumulator_value value", initial_accumulator_value());
  optim::check("epsilon value", eps());
}
void Adagrad::update(OptimizerOptions& options, const TensorList& params, const TensorList& grads) {
  const auto& o = as<AdagradOptions>(options);
  const TensorList sums = slots(params, "sum", o.initial_accumulator_value());
  const auto steps = advance(params);
  for (size_t i = 0; i < params.size(); ++i)
    ops::adagradUpdate(params[i], grads[i], sums[i], Operand(o.lr() / (1 + (steps[i] - 1) * o.lr_decay())), o.eps(),
                       o.weight_decay(), signOf(o.maximize()));
}

void AdadeltaOptions::visit(OptionVisitor& v) {
  v("lr", lr_), v("rho", rho_), v("eps", eps_), v("weight_decay", weight_decay_), v("maximize", maximize_);
}
void AdadeltaOptions::check() const {
  optim::check("learning rate", lr());
  FB_CHECK(rho() >= 0 && rho() <= 1, Value, "Invalid rho value: %g", rho());
  optim::check("epsilon value", eps());
  optim::check("weight_decay value", weight_decay());
}
void Adadelta::update(OptimizerOptions& options, const TensorList& params, const TensorList& grads) {
  const auto& o = as<AdadeltaOptions>(options);
  const TensorList square = slots(params, "square_avg"), delta = slots(params, "acc_delta");
  advance(params);  // for checkpoints only
  for (size_t i = 0; i < params.size(); ++i)
    ops::adadeltaUpdate(params[i], grads[i], square[i], delta[i], o.lr(), o.rho(), o.eps(), o.weight_decay(),
                        signOf(o.maximize()));
}

void RpropOptions::visit(OptionVisitor& v) {
  v("lr", lr_), v("etas", etas_), v("step_sizes", step_sizes_), v("maximize", maximize_);
}
void RpropOptions::check() const {
  optim::check("learning rate", lr());
  const auto [down, up] = etas();
  FB_CHECK(down > 0 && down < 1 && up > 1, Value, "Invalid eta values: %g, %g", down, up);
}
void Rprop::update(OptimizerOptions& options, const TensorList& params, const TensorList& grads) {
  const auto& o = as<RpropOptions>(options);
  const TensorList previous = slots(params, "prev"), sizes = slots(params, "step_size", o.lr());
  advance(params);  // for checkpoints only
  for (size_t i = 0; i < params.size(); ++i)
    ops::rpropUpdate(params[i], grads[i], previous[i], sizes[i], std::get<0>(o.etas()), std::get<1>(o.etas()),
                     std::get<0>(o.step_sizes()), std::get<1>(o.step_sizes()), signOf(o.maximize()));
}

void ASGDOptions::visit(OptionVisitor& v) {
  v("lr", lr_), v("lambd", lambd_), v("alpha", alpha_), v("t0", t0_), v("weight_decay", weight_decay_);
  v("maximize", maximize_);
}
void ASGDOptions::check() const {
  optim::check("learning rate", lr());
  optim::check("weight_decay value", weight_decay());
}
void ASGD::update(OptimizerOptions& options, const TensorList& params, const TensorList& grads) {
  const auto& o = as<ASGDOptions>(options);
  const TensorList averages = slots(params, "ax");
  const auto steps = advance(params);
  for (size_t i = 0; i < params.size(); ++i) {
    auto& state = stateOf(params[i]);
    Tensor &eta = std::get<Tensor>(state["eta"]), &mu = std::get<Tensor>(state["mu"]);
    if (!eta.defined()) eta = scalarTensor(Scalar(o.lr()), DType::Float32);
    if (!mu.defined()) mu = scalarTensor(Scalar(1.0), DType::Float32);
    ops::asgdUpdate(params[i], grads[i], averages[i], Operand(eta.item<double>()), Operand(mu.item<double>()),
                    o.lambd(), o.weight_decay(), signOf(o.maximize()));
    // What the next step uses.
    ops::fill_(eta, Scalar(o.lr() / std::pow(1 + o.lambd() * o.lr() * steps[i], o.alpha())));
    ops::fill_(mu, Scalar(1 / std::max(1.0, steps[i] - o.t0())));
  }
}

void RMSpropOptions::visit(OptionVisitor& v) {
  v("lr", lr_), v("alpha", alpha_), v("eps", eps_), v("weight_decay", weight_decay_), v("momentum", momentum_);
  v("centered", centered_), v("maximize", maximize_);
}
void RMSpropOptions::check() const {
  optim::check("learning rate", lr());
  optim::check("epsilon value", eps());
  optim::check("momentum value", momentum());
  optim::check("weight_decay value", weight_decay());
  optim::check("alpha value", alpha());
}
void RMSprop::update(OptimizerOptions& options, const TensorList& params, const TensorList& grads) {
  const auto& o = as<RMSpropOptions>(options);
  const TensorList square = slots(params, "square_avg");
  const TensorList mean = o.centered() ? slots(params, "grad_avg") : TensorList();
  const TensorList buffer = o.momentum() > 0 ? slots(params, "momentum_buffer") : TensorList();
  advance(params);  // for checkpoints only
  if (mean.empty() && buffer.empty()) {
    ops::rmspropStep_(params, grads, square, o.lr(), o.alpha(), o.eps(), o.weight_decay(), o.maximize());
    return;
  }
  const double sign = signOf(o.maximize());
  for (size_t i = 0; i < params.size(); ++i) {
    const Tensor &p = params[i], &g = grads[i], &v = square[i];
    if (mean.empty())
      ops::rmspropMomentumUpdate(p, g, v, buffer[i], o.lr(), o.alpha(), o.eps(), o.weight_decay(), o.momentum(), sign);
    else if (buffer.empty())
      ops::rmspropCenteredUpdate(p, g, v, mean[i], o.lr(), o.alpha(), o.eps(), o.weight_decay(), sign);
    else
      ops::rmspropCenteredMomentumUpdate(p, g, v, mean[i], buffer[i], o.lr(), o.alpha(), o.eps(), o.weight_decay(),
                                         o.momentum(), sign);
  }
}

// ---- Adafactor ----

void AdafactorOptions::visit(OptionVisitor& v) {
  v("lr", lr_), v("beta2_decay", beta2_decay_), v("eps", eps_), v("d", d_), v("weight_decay", weight_decay_);
  v("maximize", maximize_);
}
void AdafactorOptions::check() const {
  optim::check("learning rate", lr());
  FB_CHECK(beta2_decay() <= 0, Value, "Invalid beta2_decay value: %g", beta2_decay());
  optim::check("epsilon1 value", std::get<0>(eps()).value_or(0));
  optim::check("epsilon2 value", std::get<1>(eps()));
  optim::check("clipping threshold d value", d(), 1);
  optim::check("weight_decay value", weight_decay());
}
namespace {

/// The smallest step at 1.
double epsilonOf(DType t) {
  switch (t) {
    case DType::Float64:
      return 0x1p-52;
    case DType::Float16:
      return 0x1p-10;
    case DType::BFloat16:
      return 0x1p-7;
    default:
      return 0x1p-23;
  }
}
Tensor rootMeanSquare(const Tensor& t) { return ops::sqrt(ops::mean(ops::square(t))); }

}  // namespace

void Adafactor::update(OptimizerOptions& options, const TensorList& params, const TensorList& grads) {
  const auto& o = as<AdafactorOptions>(options);
  const auto steps = advance(params);
  for (size_t i = 0; i < params.size(); ++i) {
    const Tensor& p = params[i];
    const Tensor grad = o.maximize() ? ops::neg(grads[i]) : grads[i];
    const double eps1 = std::get<0>(o.eps()).value_or(epsilonOf(p.dtype())), least = eps1 * eps1;
    const Tensor weight = scalarTensor(Scalar(std::pow(steps[i], o.beta2_decay())), p.dtype());
    const Tensor rate = scalarTensor(Scalar(std::min(1 / std::sqrt(steps[i]), o.lr())), p.dtype());
    const Tensor scale = ops::clampMin(rootMeanSquare(p), Operand(std::get<1>(o.eps())));
    if (o.weight_decay() != 0) ops::mul_(p, Operand(1 - o.lr() * o.weight_decay()));
    // The running mean of squared gradients; for matrices from its rows and columns.
    const Tensor square = ops::square(grad);
    const auto follow = [&](const Tensor& mean, const Tensor& now) {
      ops::copy_(mean, ops::lerp(mean, now, weight));
      return mean;
    };
    Tensor variance;
    if (grad.dim() < 2)
      variance = follow(slot(p, "variance"), square);
    else {
      Dims rows(p.sizes()), columns(p.sizes());
      rows[rows.size() - 1] = 1, columns[columns.size() - 2] = 1;
      const Tensor row = follow(slot(p, "row_var", 0, rows.span()), ops::mean(square, Dims{-1}.span(), true));
      const Tensor column = follow(slot(p, "col_var", 0, columns.span()), ops::mean(square, Dims{-2}.span(), true));
      variance = ops::div(ops::mul(row, column), ops::clampMin(ops::mean(row, Dims{-2}.span(), true), Operand(least)));
    }
    const Tensor direction = ops::mul(ops::reciprocal(ops::sqrt(ops::clampMin(variance, Operand(least)))), grad);
    const Tensor clipped = ops::clampMin(ops::div(rootMeanSquare(direction), Operand(o.d())), Operand(1));
    ops::sub_(p, ops::mul(direction, ops::div(ops::mul(scale, rate), clipped)));
  }
}

}  // namespace flambeau::optim
