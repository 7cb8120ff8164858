// Optimizers with groups and options, schedules, samplers, gradient clipping, initialisation.
#include "parity.h"

namespace parity {

namespace nn = fb::nn;
namespace optim = fb::optim;
namespace init = fb::nn::init;
using fb::randn;
using fb::Tensor;

namespace {

constexpr int kSteps = 6;

/// A network after some steps; its weight and bias are groups of their own, the bias at half the rate.
template <class O, class Options>
Results trained(const Options& options) {
  const nn::Linear net(4, 3);
  const Tensor x = randn({5, 4}), y = randn({5, 3});
  auto slow = options.clone();
  slow->set_lr(slow->get_lr() / 2);
  std::vector<optim::OptimizerParamGroup> groups;
  groups.emplace_back(fb::TensorList{net->weight});
  groups.emplace_back(fb::TensorList{net->bias}, std::move(slow));
  O optimizer(std::move(groups), options);
  for (int i = 0; i < kSteps; ++i) {
    optimizer.zero_grad();
    nn::functional::mse_loss(net(x), y).backward();
    optimizer.step();
  }
  return {{"weight", net->weight.detach()}, {"bias", net->bias.detach()}};
}

/// The rates of two groups over some epochs, and the momentum of the first.
template <class Make>
Results rates(Make make, int epochs = 12) {
  const Tensor a = fb::zeros({1}).set_requires_grad(true), b = fb::zeros({1}).set_requires_grad(true);
  std::vector<optim::OptimizerParamGroup> groups;
  groups.emplace_back(fb::TensorList{a});
  groups.emplace_back(fb::TensorList{b}, std::make_unique<optim::SGDOptions>(optim::SGDOptions(0.05).momentum(0.9)));
  optim::SGD optimizer(std::move(groups), optim::SGDOptions(0.5).momentum(0.9));
  const auto scheduler = make(optimizer);
  std::vector<double> values;
  for (int i = 0; i < epochs; ++i) {
    for (auto& g : optimizer.param_groups()) values.push_back(g.options().get_lr());
    values.push_back(static_cast<optim::SGDOptions&>(optimizer.param_groups()[0].options()).momentum());
    optimizer.step();
    scheduler->step();
  }
  return {{"rates", fb::from_blob(values.data(), {static_cast<int64_t>(values.size())}, fb::DType::Float64)}};
}
template <class S, class... Args>
auto scheduler(Args... args) {
  return [=](optim::Optimizer& o) { return std::make_shared<S>(o, args...); };
}

Tensor indices(const std::vector<int64_t>& list) { return fb::tensor(list); }

}  // namespace

void addTraining(Cases& c) {
  using namespace optim;
  c["SGD"] = [] { return trained<SGD>(SGDOptions(0.1)); };
  c["SGD momentum"] = [] { return trained<SGD>(SGDOptions(0.1).momentum(0.9).nesterov(true).weight_decay(0.1)); };
  c["SGD dampening"] = [] {
    return trained<SGD>(SGDOptions(0.1).momentum(0.9).dampening(0.5).weight_decay(0.1).maximize(true));
  };
  c["Adam"] = [] { return trained<Adam>(AdamOptions(0.1).weight_decay(0.1)); };
  c["Adam amsgrad"] = [] { return trained<Adam>(AdamOptions(0.1).amsgrad(true).betas({0.8, 0.9})); };
  c["AdamW"] = [] { return trained<AdamW>(AdamWOptions(0.1)); };
  c["AdamW amsgrad"] = [] { return trained<AdamW>(AdamWOptions(0.1).amsgrad(true).maximize(true)); };
  c["Adamax"] = [] { return trained<Adamax>(AdamaxOptions(0.1)); };
  c["NAdam"] = [] { return trained<NAdam>(NAdamOptions(0.1).weight_decay(0.1)); };
  c["RAdam"] = [] { return trained<RAdam>(RAdamOptions(0.1).decoupled_weight_decay(true).weight_decay(0.1)); };
  c["SparseAdam"] = [] { return trained<SparseAdam>(SparseAdamOptions(0.1)); };
  c["Adagrad"] = [] { return trained<Adagrad>(AdagradOptions(0.1).lr_decay(0.1).initial_accumulator_value(0.2)); };
  c["Adadelta"] = [] { return trained<Adadelta>(AdadeltaOptions(0.5)); };
  c["Rprop"] = [] { return trained<Rprop>(RpropOptions(0.1)); };
  c["ASGD"] = [] { return trained<ASGD>(ASGDOptions(0.1).t0(2).lambd(0.01)); };
  c["RMSprop"] = [] { return trained<RMSprop>(RMSpropOptions(0.1).weight_decay(0.1)); };
  c["RMSprop momentum"] = [] { return trained<RMSprop>(RMSpropOptions(0.1).momentum(0.5)); };
  c["RMSprop centered"] = [] { return trained<RMSprop>(RMSpropOptions(0.1).centered(true)); };
  c["RMSprop both"] = [] { return trained<RMSprop>(RMSpropOptions(0.1).centered(true).momentum(0.5)); };
  c["Adafactor"] = [] { return trained<Adafactor>(AdafactorOptions(0.1).weight_decay(0.1)); };
  for (const bool search : {false, true})
    c[search ? "LBFGS strong_wolfe" : "LBFGS"] = [search] {
      const nn::Linear net(4, 3);
      const Tensor x = randn({5, 4}), y = randn({5, 3});
      auto options = LBFGSOptions(0.5).max_iter(4);
      if (search) options.line_search_fn("strong_wolfe");
      LBFGS optimizer(net->parameters(), options);
      Results out;
      for (int i = 0; i < 3; ++i) {
        const Tensor loss = optimizer.step([&] {
          optimizer.zero_grad();
          const Tensor l = nn::functional::mse_loss(net(x), y);
          l.backward();
          return l;
        });
        out.emplace("loss" + std::to_string(i), loss.detach());
      }
      out.emplace("weight", net->weight.detach());
      return out;
    };

  c["StepLR"] = [] { return rates(scheduler<StepLR>(3, 0.5)); };
  c["MultiStepLR"] = [] { return rates(scheduler<MultiStepLR>(std::vector<int64_t>{2, 5, 5}, 0.5)); };
  c["ConstantLR"] = [] { return rates(scheduler<ConstantLR>(0.5, 4)); };
  c["LinearLR"] = [] { return rates(scheduler<LinearLR>(0.25, 1.0, 5)); };
  c["ExponentialLR"] = [] { return rates(scheduler<ExponentialLR>(0.9)); };
  c["PolynomialLR"] = [] { return rates(scheduler<PolynomialLR>(8, 2.0)); };
  c["CosineAnnealingLR"] = [] { return rates(scheduler<CosineAnnealingLR>(5.0, 0.01)); };
  c["CosineAnnealingWarmRestarts"] = [] { return rates(scheduler<CosineAnnealingWarmRestarts>(3, 2, 0.01)); };
  const auto inverse = [](int64_t epoch) { return 1.0 / static_cast<double>(1 + epoch); };
  c["LambdaLR"] = [=] { return rates(scheduler<LambdaLR>(LrLambda(inverse))); };
  c["MultiplicativeLR"] = [=] { return rates(scheduler<MultiplicativeLR>(LrLambda(inverse))); };
  c["OneCycleLR"] = [] { return rates(scheduler<OneCycleLR>(OneCycleLROptions(1, 12))); };
  c["OneCycleLR three phases"] = [] {
    return rates(scheduler<OneCycleLR>(OneCycleLROptions(1, 12).three_phase(true).anneal_strategy("linear")));
  };
  c["CyclicLR"] = [] {
    return rates(scheduler<CyclicLR>(CyclicLROptions(0.1, 1).step_size_up(3).step_size_down(2).mode("triangular2")));
  };
  c["CyclicLR exp_range"] = [] {
    return rates(scheduler<CyclicLR>(CyclicLROptions(0.1, 1).step_size_up(3).mode("exp_range").gamma(0.9)));
  };
  c["SequentialLR"] = [] {
    return rates([](Optimizer& o) {
      std::vector<std::shared_ptr<LRScheduler>> parts{std::make_shared<ConstantLR>(o, 0.1, 4),
                                                      std::make_shared<ExponentialLR>(o, 0.9)};
      return std::make_shared<SequentialLR>(o, parts, std::vector<int64_t>{4});
    });
  };
  c["ChainedScheduler"] = [] {
    return rates([](Optimizer& o) {
      return std::make_shared<ChainedScheduler>(std::vector<std::shared_ptr<LRScheduler>>{
          std::make_shared<ConstantLR>(o, 0.1, 4), std::make_shared<ExponentialLR>(o, 0.9)});
    });
  };
  c["ReduceLROnPlateau"] = [] {
    struct Watching {
      ReduceLROnPlateau plateau;
      int at = 0;
      void step() { plateau.step(at++ < 3 ? 10 - at : 7); }
    };
    return rates([](Optimizer& o) {
      return std::make_shared<Watching>(
          Watching{ReduceLROnPlateau(o, ReduceLROnPlateauOptions().patience(1).cooldown(1).factor(0.5))});
    });
  };

  c["samplers"] = [] {
    using namespace fb::data::samplers;
    DistributedSampler part(10, 3, 1, true, 5);
    part.set_epoch(2);
    Results out{{"random", indices(RandomSampler(10).sample())},
                {"replaced", indices(RandomSampler(10, true, 40).sample())},
                {"more", indices(RandomSampler(4, false, 10).sample())},
                {"subset", indices(SubsetRandomSampler({3, 5, 8, 9}).sample())},
                {"weighted", indices(WeightedRandomSampler({0.1, 0.6, 0.3, 1}, 12).sample())},
                {"distributed", indices(part.sample())}};
    const BatchSampler batches(std::make_shared<RandomSampler>(10), 4, true);
    for (const auto& b : batches.sample()) out.emplace("batch" + std::to_string(out.size()), indices(b));
    return out;
  };
  c["clip"] = [] {
    const nn::Linear net(4, 3);
    net(randn({5, 4})).square().sum().backward();
    const double norm = nn::utils::clip_grad_norm_(net->parameters(), 0.5);
    Results out{{"norm", fb::tensor({norm})}, {"clipped", net->weight.grad().clone()}};
    nn::utils::clip_grad_value_(net->parameters(), 0.05);
    out.emplace("cut", net->weight.grad());
    const Tensor flat = nn::utils::parameters_to_vector(net->parameters()).detach();
    nn::utils::vector_to_parameters(flat * 2, net->parameters());
    out.emplace("doubled", net->weight.detach());
    return out;
  };
  c["init"] = [] {
    const auto made = [](const auto& f, fb::IntList size = {4, 6}) {
      const Tensor t = fb::zeros(size);
      f(t);
      return t;
    };
    return Results{{"uniform", made([](auto& t) { init::uniform_(t, -1, 2); })},
                   {"normal", made([](auto& t) { init::normal_(t, 1, 2); })},
                   {"eye", made([](auto& t) { init::eye_(t); })},
                   {"dirac", made([](auto& t) { init::dirac_(t, 2); }, {4, 2, 3, 3})},
                   {"kaimingUniform", made([](auto& t) { init::kaiming_uniform_(t, 0, "fan_out", "relu"); })},
                   {"kaimingNormal", made([](auto& t) { init::kaiming_normal_(t, 0.1); })},
                   {"xavierUniform", made([](auto& t) { init::xavier_uniform_(t, 2); })},
                   {"xavierNormal", made([](auto& t) { init::xavier_normal_(t); })},
                   {"truncNormal", made([](auto& t) { init::trunc_normal_(t, 0.5, 2); })},
                   {"orthogonal", made([](auto& t) { init::orthogonal_(t, 2); })},
                   {"sparse", made([](auto& t) { init::sparse_(t, 0.3); })}};
  };
}

}  // namespace parity
