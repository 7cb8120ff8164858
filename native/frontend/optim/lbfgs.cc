// L-BFGS: steps along an approximation of the inverse Hessian that is kept as a few pairs of vectors.
// Source: torch.optim.LBFGS; Nocedal and Wright, Numerical Optimization, chapter 7.
#include <cmath>

#include "flambeau/autograd.h"
#include "flambeau/ops.h"
#include "flambeau/optim/optimizers.h"
#include "frontend/optim/line_search.h"

namespace flambeau::optim {

void LBFGSOptions::visit(OptionVisitor& v) {
  v("lr", lr_), v("max_iter", max_iter_), v("max_eval", max_eval_), v("tolerance_grad", tolerance_grad_);
  v("tolerance_change", tolerance_change_), v("history_size", history_size_), v("line_search_fn", line_search_fn_);
}
void LBFGSOptions::check() const {
  FB_CHECK(lr() >= 0, Value, "Invalid learning rate: %g", lr());
  FB_CHECK(max_iter() > 0 && history_size() > 0, Value, "LBFGS: max_iter and history_size must be positive");
  FB_CHECK(!line_search_fn() || *line_search_fn() == "strong_wolfe", Value, "only 'strong_wolfe' is supported");
}

namespace {

double dot(const Tensor& a, const Tensor& b) { return ops::sum(ops::mul(a, b)).item<double>(); }
double largest(const Tensor& t) { return ops::max(ops::abs(t)).item<double>(); }

}  // namespace

void LBFGS::update(OptimizerOptions&, const TensorList&, const TensorList&) {
  // step() does everything
}

Tensor LBFGS::flatGradient() const {
  TensorList parts;
  for (const Tensor& p : param_groups()[0].params()) {
    const Tensor g = p.grad();
    parts.push_back(ops::reshape(g.defined() ? ops::detach(g) : ops::zerosLike(p), Dims{-1}));
  }
  return ops::cat(parts, 0);
}
void LBFGS::move(double t, const Tensor& direction) const {
  int64_t at = 0;
  for (const Tensor& p : param_groups()[0].params()) {
    ops::add_(p, ops::reshape(ops::narrow(direction, 0, at, p.numel()), p.sizes()), Scalar(t));
    at += p.numel();
  }
}

/// The two-loop recursion; takes the newest pair of vectors in first.
Tensor LBFGS::nextDirection(const Tensor& grad, int64_t history) {
  Memory& m = memory_;
  if (m.iterations == 1) {
    m.changes.clear(), m.steps.clear(), m.ro.clear(), m.diagonal = 1;
    return ops::neg(grad);
  }
  const Tensor y = ops::sub(grad, m.previousGrad), s = ops::mul(m.direction, Operand(m.t));
  const double ys = dot(y, s);
  if (ys > 1e-10) {
    if (static_cast<int64_t>(m.changes.size()) == history) {
      m.changes.erase(m.changes.begin());
      m.steps.erase(m.steps.begin());
      m.ro.erase(m.ro.begin());
    }
    m.changes.push_back(y);
    m.steps.push_back(s);
    m.ro.push_back(1 / ys);
    m.diagonal = ys / dot(y, y);
  }
  std::vector<double> weights(m.changes.size());
  const Tensor q = ops::neg(grad);
  for (size_t i = m.changes.size(); i-- > 0;) {
    weights[i] = dot(m.steps[i], q) * m.ro[i];
    ops::sub_(q, m.changes[i], Scalar(weights[i]));
  }
  const Tensor r = ops::mul(q, Operand(m.diagonal));
  for (size_t i = 0; i < m.changes.size(); ++i)
    ops::add_(r, m.steps[i], Scalar(weights[i] - dot(m.changes[i], r) * m.ro[i]));
  return r;
}

Tensor LBFGS::step(const LossClosure& closure) {
  FB_CHECK(closure, Value, "LBFGS: step() needs a closure that evaluates the loss");
  const auto* found = dynamic_cast<LBFGSOptions*>(&param_groups()[0].options());
  FB_CHECK(found != nullptr && param_groups().size() == 1, Value,
           "LBFGS doesn't support per-parameter options (parameter groups)");
  const LBFGSOptions& o = *found;
  const int64_t maxEval = o.max_eval().value_or(o.max_iter() * 5 / 4);
  const autograd::GradGuard noGrad(false);
  const auto evaluate = [&] {
    const autograd::GradGuard grad(true);
    return closure();
  };
  Memory& m = memory_;
  const Tensor loss = evaluate();
  double f = loss.item<double>();
  ++m.evaluations;
  int64_t evaluations = 1;
  Tensor grad = flatGradient();
  bool done = largest(grad) <= o.tolerance_grad();
  for (int64_t n = 1; !done; ++n) {
    ++m.iterations;
    const Tensor d = nextDirection(grad, o.history_size());
    const double previous = f;
    m.previousGrad = ops::clone(grad);
    m.previousLoss = f;
    m.direction = d;
    m.t = m.iterations == 1 ? std::min(1.0, 1 / ops::sum(ops::abs(grad)).item<double>()) * o.lr() : o.lr();
    const double slope = dot(grad, d);
    if (slope > -o.tolerance_change()) break;
    int64_t used = 0;
    if (o.line_search_fn()) {
      TensorList start;
      for (const Tensor& p : param_groups()[0].params()) start.push_back(ops::clone(ops::detach(p)));
      const auto at = [&](double t) {
        move(t, d);
        const double value = evaluate().item<double>();
        const Tensor g = flatGradient();
        for (size_t i = 0; i < start.size(); ++i) ops::copy_(param_groups()[0].params()[i], start[i]);
        return Point{t, value, g, dot(g, d)};
      };
      const auto [point, count] = strongWolfe(at, Point{0, f, grad, slope}, m.t, largest(d), 1e-9);
      f = point.f, grad = point.g, m.t = point.t, used = count;
      move(m.t, d);
      done = largest(grad) <= o.tolerance_grad();
    } else {
      move(m.t, d);
      if (n != o.max_iter()) {
        f = evaluate().item<double>();
        grad = flatGradient();
        done = largest(grad) <= o.tolerance_grad();
        used = 1;
      }
    }
    evaluations += used;
    m.evaluations += used;
    if (n == o.max_iter() || evaluations >= maxEval) break;
    if (largest(d) * std::fabs(m.t) <= o.tolerance_change()) break;
    if (std::fabs(f - previous) < o.tolerance_change()) break;
  }
  return loss;
}

// PyTorch keeps the memory as the state of the first parameter.
OptimizerStateDict LBFGS::state_dict() const {
  OptimizerStateDict dict = Optimizer::state_dict();
  const Memory& m = memory_;
  if (m.iterations == 0) return dict;
  dict.state[0] = {{"func_evals", static_cast<double>(m.evaluations)},
                   {"n_iter", static_cast<double>(m.iterations)},
                   {"d", m.direction},
                   {"t", m.t},
                   {"old_dirs", m.changes},
                   {"old_stps", m.steps},
                   {"ro", m.ro},
                   {"H_diag", m.diagonal},
                   {"prev_flat_grad", m.previousGrad},
                   {"prev_loss", m.previousLoss}};
  return dict;
}
void LBFGS::load_state_dict(const OptimizerStateDict& dict) {
  Memory m;
  if (const auto found = dict.state.find(0); found != dict.state.end()) {
    const ParamState& state = found->second;
    int64_t total = 0;
    for (const Tensor& p : param_groups()[0].params()) total += p.numel();
    const auto get = [&]<class T>(const char* name, T& out) {
      const auto value = state.find(name);
      // An empty list in a file has no type.
      if constexpr (std::is_same_v<T, std::vector<double>>) {
        const auto* none = value == state.end() ? nullptr : std::get_if<TensorList>(&value->second);
        if (none != nullptr && none->empty()) return out.clear();
      }
      FB_CHECK(value != state.end() && std::holds_alternative<T>(value->second), Value,
               "loaded state dict: the state of LBFGS has no '%s' of the right kind", name);
      out = std::get<T>(value->second);
    };
    const auto vector = [&](const Tensor& t) {
      FB_CHECK(t.dim() == 1 && t.numel() == total, Value,
               "loaded state dict: a vector of LBFGS has shape %s, the parameters have %lld elements",
               shapeString(t.sizes()).c_str(), static_cast<long long>(total));
      return ops::clone(ops::detach(t));
    };
    double evaluations = 0, iterations = 0;
    get("func_evals", evaluations), get("n_iter", iterations), get("t", m.t), get("H_diag", m.diagonal);
    get("prev_loss", m.previousLoss), get("d", m.direction), get("prev_flat_grad", m.previousGrad);
    get("old_dirs", m.changes), get("old_stps", m.steps), get("ro", m.ro);
    FB_CHECK(m.changes.size() == m.steps.size() && m.changes.size() == m.ro.size(), Value,
             "loaded state dict: the lists of LBFGS differ in length");
    m.evaluations = static_cast<int64_t>(evaluations), m.iterations = static_cast<int64_t>(iterations);
    m.direction = vector(m.direction), m.previousGrad = vector(m.previousGrad);
    for (Tensor& t : m.changes) t = vector(t);
    for (Tensor& t : m.steps) t = vector(t);
  }
  Optimizer::load_state_dict({{}, dict.param_groups});
  memory_ = std::move(m);
}

}  // namespace flambeau::optim
