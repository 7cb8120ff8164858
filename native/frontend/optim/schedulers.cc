// Learning-rate schedules. Where PyTorch changes the present rate instead of the base rate, so do these: then several
// can act on one optimizer.
#include "flambeau/optim/schedulers.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace flambeau::optim {

namespace {

std::vector<double> perGroup(const char* what, const std::vector<double>& values, const Optimizer& optimizer) {
  const size_t n = optimizer.param_groups().size();
  if (values.size() == 1) return std::vector<double>(n, values[0]);
  FB_CHECK(values.size() == n, Value, "expected %zu values for %s, got %zu", n, what, values.size());
  return values;
}
void checkMomentum(Optimizer& optimizer) {
  FB_CHECK(optimizer.defaults().has_momentum(), Value,
           "optimizer must support momentum with `cycle_momentum` option enabled");
}
std::vector<double> each(const std::vector<double>& values, const auto& f) {
  std::vector<double> out;
  for (const double v : values) out.push_back(f(v));
  return out;
}

}  // namespace

LRScheduler::LRScheduler(Optimizer& optimizer, double last_epoch) : optimizer_(optimizer), last_epoch_(last_epoch) {
  size_t i = 0;
  for (auto& g : optimizer.param_groups()) {
    if (last_epoch == -1 && !g.initial_lr) g.initial_lr = g.options().get_lr();
    FB_CHECK(g.initial_lr, Value, "param 'initial_lr' is not specified in param_groups[%zu] when resuming an optimizer",
             i);
    base_lrs_.push_back(*g.initial_lr);
    ++i;
  }
}
void LRScheduler::start() {
  step_count_ = 0;
  step();
}
void LRScheduler::step() {
  ++step_count_;
  last_epoch_ += 1;
  set(rates(current()));
}
void LRScheduler::step(double epoch) {
  ++step_count_;
  last_epoch_ = epoch;
  const auto closed = closedForm();
  set(closed ? *closed : rates(current()));
}
void LRScheduler::set(const Rates& rates) {
  auto& groups = optimizer_.param_groups();
  for (size_t i = 0; i < groups.size(); ++i) groups[i].options().set_lr(rates[i]);
  last_lr_ = rates;
}
LRScheduler::Rates LRScheduler::current() const {
  Rates out;
  for (auto& g : optimizer_.param_groups()) out.push_back(g.options().get_lr());
  return out;
}
LRScheduler::Rates LRScheduler::scaled(double factor) const {
  return each(base_lrs_, [&](double lr) { return lr * factor; });
}

// ---- one formula each ----

StepLR::StepLR(Optimizer& optimizer, int64_t step_size, double gamma, double last_epoch)
    : LRScheduler(optimizer, last_epoch), step_size_(step_size), gamma_(gamma) {
  FB_CHECK(step_size > 0, Value, "step_size must be a positive integer, got %lld", static_cast<long long>(step_size));
  start();
}
LRScheduler::Rates StepLR::rates(const Rates& current) {
  const bool now = last_epoch_ != 0 && std::fmod(last_epoch_, static_cast<double>(step_size_)) == 0;
  return now ? each(current, [&](double lr) { return lr * gamma_; }) : current;
}
std::optional<LRScheduler::Rates> StepLR::closedForm() {
  return scaled(std::pow(gamma_, std::floor(last_epoch_ / static_cast<double>(step_size_))));
}

MultiStepLR::MultiStepLR(Optimizer& optimizer, std::vector<int64_t> milestones, double gamma, double last_epoch)
    : LRScheduler(optimizer, last_epoch), milestones_(std::move(milestones)), gamma_(gamma) {
  start();
}
LRScheduler::Rates MultiStepLR::rates(const Rates& current) {
  const auto times = std::ranges::count(milestones_, static_cast<int64_t>(last_epoch_));
  if (times == 0) return current;
  return each(current, [&](double lr) { return lr * std::pow(gamma_, static_cast<double>(times)); });
}
std::optional<LRScheduler::Rates> MultiStepLR::closedForm() {
  const auto passed =
      std::ranges::count_if(milestones_, [&](int64_t m) { return static_cast<double>(m) <= last_epoch_; });
  return scaled(std::pow(gamma_, static_cast<double>(passed)));
}

ConstantLR::ConstantLR(Optimizer& optimizer, double factor, int64_t total_iters, double last_epoch)
    : LRScheduler(optimizer, last_epoch), factor_(factor), total_iters_(total_iters) {
  FB_CHECK(factor >= 0 && factor <= 1, Value, "Constant multiplicative factor expected to be between 0 and 1.");
  start();
}
LRScheduler::Rates ConstantLR::rates(const Rates& current) {
  if (last_epoch_ == 0) return each(current, [&](double lr) { return lr * factor_; });
  if (last_epoch_ != static_cast<double>(total_iters_)) return current;
  return each(current, [&](double lr) { return lr * (1 / factor_); });
}
std::optional<LRScheduler::Rates> ConstantLR::closedForm() {
  return scaled(last_epoch_ >= static_cast<double>(total_iters_) ? 1 : factor_);
}

LinearLR::LinearLR(Optimizer& optimizer, double start_factor, double end_factor, int64_t total_iters, double last_epoch)
    : LRScheduler(optimizer, last_epoch), start_(start_factor), end_(end_factor), total_iters_(total_iters) {
  FB_CHECK(start_ > 0 && start_ <= 1, Value,
           "Starting multiplicative factor expected to be greater than 0 and less or equal to 1.");
  FB_CHECK(end_ >= 0 && end_ <= 1, Value, "Ending multiplicative factor expected to be between 0 and 1.");
  start();
}
LRScheduler::Rates LinearLR::rates(const Rates& current) {
  const double t = last_epoch_, total = static_cast<double>(total_iters_), slope = end_ - start_;
  if (t == 0) return each(current, [&](double lr) { return lr * start_; });
  if (t > total) return current;
  return each(current, [&](double lr) { return lr * (1 + slope / (total * start_ + (t - 1) * slope)); });
}
std::optional<LRScheduler::Rates> LinearLR::closedForm() {
  const double total = static_cast<double>(total_iters_);
  return scaled(start_ + (end_ - start_) * std::min(total, last_epoch_) / total);
}

ExponentialLR::ExponentialLR(Optimizer& optimizer, double gamma, double last_epoch)
    : LRScheduler(optimizer, last_epoch), gamma_(gamma) {
  start();
}
LRScheduler::Rates ExponentialLR::rates(const Rates& current) {
  return last_epoch_ == 0 ? current : each(current, [&](double lr) { return lr * gamma_; });
}
std::optional<LRScheduler::Rates> ExponentialLR::closedForm() { return scaled(std::pow(gamma_, last_epoch_)); }

PolynomialLR::PolynomialLR(Optimizer& optimizer, int64_t total_iters, double power, double last_epoch)
    : LRScheduler(optimizer, last_epoch), total_iters_(total_iters), power_(power) {
  FB_CHECK(total_iters > 0, Value, "total_iters must be positive");
  start();
}
LRScheduler::Rates PolynomialLR::rates(const Rates& current) {
  const double t = last_epoch_, total = static_cast<double>(total_iters_);
  if (t == 0 || t > total) return current;
  const double factor = std::pow((1 - t / total) / (1 - (t - 1) / total), power_);
  return each(current, [&](double lr) { return lr * factor; });
}
std::optional<LRScheduler::Rates> PolynomialLR::closedForm() {
  const double total = static_cast<double>(total_iters_);
  return scaled(std::pow(1 - std::min(total, last_epoch_) / total, power_));
}

CosineAnnealingLR::CosineAnnealingLR(Optimizer& optimizer, double t_max, double eta_min, double last_epoch)
    : LRScheduler(optimizer, last_epoch), t_max_(t_max), eta_min_(eta_min) {
  FB_CHECK(t_max > 0, Value, "CosineAnnealingLR(): t_max must be positive, got %g", t_max);
  start();
}
LRScheduler::Rates CosineAnnealingLR::rates(const Rates& current) {
  const double t = last_epoch_, pi = std::numbers::pi;
  if (t == 0) return current;
  if (step_count_ == 1) return *closedForm();
  const auto height = [&](double s) { return 1 + std::cos(pi * s / t_max_); };
  Rates out;
  for (size_t i = 0; i < current.size(); ++i)
    // From the lowest point the ratio of heights would be a division by zero.
    out.push_back(std::fmod(t - 1 - t_max_, 2 * t_max_) == 0
                      ? current[i] + (base_lrs_[i] - eta_min_) * (1 - std::cos(pi / t_max_)) / 2
                      : height(t) / height(t - 1) * (current[i] - eta_min_) + eta_min_);
  return out;
}
std::optional<LRScheduler::Rates> CosineAnnealingLR::closedForm() {
  const double height = (1 + std::cos(std::numbers::pi * last_epoch_ / t_max_)) / 2;
  return each(base_lrs_, [&](double lr) { return eta_min_ + (lr - eta_min_) * height; });
}

CosineAnnealingWarmRestarts::CosineAnnealingWarmRestarts(Optimizer& optimizer, int64_t t_0, int64_t t_mult,
                                                         double eta_min, double last_epoch)
    : LRScheduler(optimizer, last_epoch),
      t_0_(t_0),
      t_mult_(t_mult),
      eta_min_(eta_min),
      t_i_(static_cast<double>(t_0)),
      t_cur_(last_epoch) {
  FB_CHECK(t_0 > 0, Value, "Expected positive integer T_0, but got %lld", static_cast<long long>(t_0));
  FB_CHECK(t_mult >= 1, Value, "Expected integer T_mult >= 1, but got %lld", static_cast<long long>(t_mult));
  start();
}
void CosineAnnealingWarmRestarts::step() {
  if (last_epoch_ < 0) return step(0);
  ++step_count_;
  t_cur_ += 1;
  if (t_cur_ >= t_i_) {
    t_cur_ -= t_i_;
    t_i_ *= static_cast<double>(t_mult_);
  }
  last_epoch_ += 1;
  set(rates(current()));
}
void CosineAnnealingWarmRestarts::step(double epoch) {
  FB_CHECK(epoch >= 0, Value, "Expected non-negative epoch, but got %g", epoch);
  ++step_count_;
  const double first = static_cast<double>(t_0_), times = static_cast<double>(t_mult_);
  if (epoch < first || t_mult_ == 1) {
    t_i_ = first;
    t_cur_ = epoch < first ? epoch : std::fmod(epoch, first);
  } else {
    const double n = std::floor(std::log(epoch / first * (times - 1) + 1) / std::log(times));
    t_cur_ = epoch - first * (std::pow(times, n) - 1) / (times - 1);
    t_i_ = first * std::pow(times, n);
  }
  last_epoch_ = std::floor(epoch);
  set(rates(current()));
}
LRScheduler::Rates CosineAnnealingWarmRestarts::rates(const Rates&) {
  const double height = (1 + std::cos(std::numbers::pi * t_cur_ / t_i_)) / 2;
  return each(base_lrs_, [&](double lr) { return eta_min_ + (lr - eta_min_) * height; });
}

namespace {

std::vector<LrLambda> lambdasOf(const Optimizer& optimizer, std::vector<LrLambda> lambdas) {
  const size_t n = optimizer.param_groups().size();
  FB_CHECK(lambdas.size() == n, Value, "Expected %zu lr_lambdas, but got %zu", n, lambdas.size());
  return lambdas;
}

}  // namespace

LambdaLR::LambdaLR(Optimizer& optimizer, LrLambda lambda, double last_epoch)
    : LambdaLR(optimizer, std::vector<LrLambda>(optimizer.param_groups().size(), lambda), last_epoch) {}
LambdaLR::LambdaLR(Optimizer& optimizer, std::vector<LrLambda> lambdas, double last_epoch)
    : LRScheduler(optimizer, last_epoch), lambdas_(lambdasOf(optimizer, std::move(lambdas))) {
  start();
}
LRScheduler::Rates LambdaLR::rates(const Rates&) {
  Rates out;
  for (size_t i = 0; i < base_lrs_.size(); ++i)
    out.push_back(base_lrs_[i] * lambdas_[i](static_cast<int64_t>(last_epoch_)));
  return out;
}
MultiplicativeLR::MultiplicativeLR(Optimizer& optimizer, LrLambda lambda, double last_epoch)
    : MultiplicativeLR(optimizer, std::vector<LrLambda>(optimizer.param_groups().size(), lambda), last_epoch) {}
MultiplicativeLR::MultiplicativeLR(Optimizer& optimizer, std::vector<LrLambda> lambdas, double last_epoch)
    : LRScheduler(optimizer, last_epoch), lambdas_(lambdasOf(optimizer, std::move(lambdas))) {
  start();
}
LRScheduler::Rates MultiplicativeLR::rates(const Rates& current) {
  if (last_epoch_ <= 0) return current;
  Rates out;
  for (size_t i = 0; i < current.size(); ++i)
    out.push_back(current[i] * lambdas_[i](static_cast<int64_t>(last_epoch_)));
  return out;
}

// ---- cycles ----

namespace {

/// Gives every group the first rate of its cycle, which the base class starts from.
Optimizer& startCycle(Optimizer& optimizer, const OneCycleLROptions& o) {
  const auto largest = perGroup("max_lr", o.max_lr(), optimizer);
  for (size_t i = 0; i < largest.size(); ++i) {
    auto& g = optimizer.param_groups()[i];
    g.initial_lr = largest[i] / o.div_factor();
    g.options().set_lr(*g.initial_lr);
  }
  return optimizer;
}

}  // namespace

OneCycleLR::OneCycleLR(Optimizer& optimizer, const OneCycleLROptions& o)
    : LRScheduler(startCycle(optimizer, o)), options_(o), max_lrs_(perGroup("max_lr", o.max_lr(), optimizer)) {
  FB_CHECK(o.total_steps() > 0, Value, "Expected positive integer total_steps, but got %lld",
           static_cast<long long>(o.total_steps()));
  FB_CHECK(o.pct_start() >= 0 && o.pct_start() <= 1, Value, "Expected float between 0 and 1 pct_start, but got %g",
           o.pct_start());
  FB_CHECK(o.anneal_strategy() == "cos" || o.anneal_strategy() == "linear", Value,
           "anneal_strategy must by one of 'cos' or 'linear', instead got %s", o.anneal_strategy().c_str());
  if (o.cycle_momentum()) {
    checkMomentum(optimizer);
    for (auto& g : optimizer.param_groups()) g.options().set_momentum(o.max_momentum());
  }
  const double total = static_cast<double>(o.total_steps()), up = o.pct_start() * total - 1;
  const double base = o.base_momentum(), most = o.max_momentum();
  phases_.push_back({up, {0, 1}, {most, base}});
  if (o.three_phase()) {
    phases_.push_back({2 * o.pct_start() * total - 2, {1, 0}, {base, most}});
    phases_.push_back({total - 1, {0, 2}, {most, most}});
  } else
    phases_.push_back({total - 1, {1, 2}, {base, most}});
  start();
}
LRScheduler::Rates OneCycleLR::rates(const Rates&) {
  FB_CHECK(last_epoch_ <= static_cast<double>(options_.total_steps()), Value,
           "Tried to step %g times. The specified number of total steps is %lld", last_epoch_,
           static_cast<long long>(options_.total_steps()));
  size_t at = 0;
  while (at + 1 < phases_.size() && last_epoch_ > phases_[at].end) ++at;
  const Phase& phase = phases_[at];
  const double begin = at == 0 ? 0 : phases_[at - 1].end, part = (last_epoch_ - begin) / (phase.end - begin);
  const auto anneal = [&](double from, double to) {
    return options_.anneal_strategy() == "cos" ? to + (from - to) / 2 * (std::cos(std::numbers::pi * part) + 1)
                                               : (to - from) * part + from;
  };
  Rates out;
  for (size_t i = 0; i < max_lrs_.size(); ++i) {
    const double initial = max_lrs_[i] / options_.div_factor();
    const double points[] = {initial, max_lrs_[i], initial / options_.final_div_factor()};
    out.push_back(anneal(points[phase.lr[0]], points[phase.lr[1]]));
    if (options_.cycle_momentum())
      optimizer_.param_groups()[i].options().set_momentum(anneal(phase.momentum[0], phase.momentum[1]));
  }
  return out;
}

CyclicLR::CyclicLR(Optimizer& optimizer, const CyclicLROptions& o)
    : LRScheduler(optimizer), options_(o), max_lrs_(perGroup("max_lr", o.max_lr(), optimizer)) {
  FB_CHECK(o.mode() == "triangular" || o.mode() == "triangular2" || o.mode() == "exp_range", Value,
           "mode is invalid and scale_fn is None");
  base_lrs_ = perGroup("base_lr", o.base_lr(), optimizer);
  for (size_t i = 0; i < base_lrs_.size(); ++i) optimizer.param_groups()[i].initial_lr = base_lrs_[i];
  const int64_t down = o.step_size_down().value_or(o.step_size_up());
  FB_CHECK(o.step_size_up() > 0 && down >= 0, Value, "CyclicLR: the sizes of steps must be positive");
  total_ = static_cast<double>(o.step_size_up() + down);
  ratio_ = static_cast<double>(o.step_size_up()) / total_;
  if (o.cycle_momentum()) checkMomentum(optimizer);
  start();
}
LRScheduler::Rates CyclicLR::rates(const Rates&) {
  const double cycle = std::floor(1 + last_epoch_ / total_), x = 1 + last_epoch_ / total_ - cycle;
  const double height = x <= ratio_ ? x / ratio_ : (x - 1) / (ratio_ - 1);
  const double scale = options_.mode() == "triangular"    ? 1
                       : options_.mode() == "triangular2" ? 1 / std::pow(2, cycle - 1)
                                                          : std::pow(options_.gamma(), last_epoch_);
  const double part = height * scale;
  Rates out;
  for (size_t i = 0; i < base_lrs_.size(); ++i) {
    out.push_back(base_lrs_[i] + (max_lrs_[i] - base_lrs_[i]) * part);
    const double most = options_.max_momentum();
    if (options_.cycle_momentum())
      optimizer_.param_groups()[i].options().set_momentum(most - (most - options_.base_momentum()) * part);
  }
  return out;
}

// ---- schedules made of others ----

namespace {

LRScheduler& firstOf(const std::vector<std::shared_ptr<LRScheduler>>& schedulers, const char* what) {
  FB_CHECK(!schedulers.empty() && schedulers[0] != nullptr, Value,
           "%s expects at least one scheduler, but got no scheduler.", what);
  return *schedulers[0];
}

}  // namespace

SequentialLR::SequentialLR(Optimizer& optimizer, std::vector<std::shared_ptr<LRScheduler>> schedulers,
                           std::vector<int64_t> milestones)
    : LRScheduler(optimizer), schedulers_(std::move(schedulers)), milestones_(std::move(milestones)) {
  LRScheduler& first = firstOf(schedulers_, "Sequential Schedulers");
  for (const auto& s : schedulers_)
    FB_CHECK(s != nullptr && &s->optimizer_ == &optimizer, Value,
             "Sequential Schedulers expects all schedulers to belong to the same optimizer");
  FB_CHECK(milestones_.size() + 1 == schedulers_.size(), Value,
           "Sequential Schedulers expects number of schedulers provided to be one more than the number of milestone "
           "points, but got number of schedulers %zu and the number of milestones to be equal to %zu",
           schedulers_.size(), milestones_.size());
  last_epoch_ = 0;
  // All of them made their first step when they were made: only the first one's counts.
  for (auto& g : optimizer.param_groups()) g.options().set_lr(*g.initial_lr);
  for (const auto& s : schedulers_) s->last_epoch_ -= 1;
  first.start();
  last_lr_ = first.last_lr_;
}
void SequentialLR::step() {
  last_epoch_ += 1;
  const auto epoch = static_cast<int64_t>(last_epoch_);
  const auto at = static_cast<size_t>(std::ranges::count_if(milestones_, [&](int64_t m) { return m <= epoch; }));
  LRScheduler& s = *schedulers_[at];
  if (at > 0 && milestones_[at - 1] == epoch)
    s.step(0);
  else
    s.step();
  last_lr_ = s.last_lr_;
}

ChainedScheduler::ChainedScheduler(std::vector<std::shared_ptr<LRScheduler>> schedulers)
    : LRScheduler(firstOf(schedulers, "ChainedScheduler").optimizer_), schedulers_(std::move(schedulers)) {
  for (const auto& s : schedulers_)
    FB_CHECK(s != nullptr && &s->optimizer_ == &optimizer_, Value,
             "ChainedScheduler expects all schedulers to belong to the same optimizer");
  last_lr_ = current();
}
void ChainedScheduler::step() {
  for (const auto& s : schedulers_) s->step();
  last_lr_ = current();
}

ReduceLROnPlateau::ReduceLROnPlateau(Optimizer& optimizer, const ReduceLROnPlateauOptions& o)
    : optimizer_(optimizer), options_(o), best_(o.mode() == "min" ? HUGE_VAL : -HUGE_VAL) {
  FB_CHECK(o.factor() < 1, Value, "Factor should be < 1.0.");
  FB_CHECK(o.mode() == "min" || o.mode() == "max", Value, "mode %s is unknown!", o.mode().c_str());
  FB_CHECK(o.threshold_mode() == "rel" || o.threshold_mode() == "abs", Value, "threshold mode %s is unknown!",
           o.threshold_mode().c_str());
}
bool ReduceLROnPlateau::better(double x) const {
  const double t = options_.threshold();
  const bool relative = options_.threshold_mode() == "rel";
  if (options_.mode() == "min") return x < (relative ? best_ * (1 - t) : best_ - t);
  return x > (relative ? best_ * (1 + t) : best_ + t);
}
void ReduceLROnPlateau::step(double metric) {
  if (better(metric)) {
    best_ = metric;
    bad_ = 0;
  } else
    ++bad_;
  if (cooling_ > 0) {
    --cooling_;
    bad_ = 0;
  }
  if (bad_ <= options_.patience()) return;
  for (auto& g : optimizer_.param_groups()) {
    const double old = g.options().get_lr(), lr = std::max(old * options_.factor(), options_.min_lr());
    if (old - lr > options_.eps()) g.options().set_lr(lr);
  }
  cooling_ = options_.cooldown();
  bad_ = 0;
}

}  // namespace flambeau::optim
