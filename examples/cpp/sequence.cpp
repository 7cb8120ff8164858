// An LSTM that adds up marked numbers of sequences of different lengths: packed sequences, groups of parameters, a
// schedule, clipped gradients, checkpoints.
//   sequence [module.safetensors optimizer.safetensors]
#include <flambeau/flambeau.h>

#include <cstdio>
#include <numeric>

namespace fb = flambeau;
namespace nn = flambeau::nn;
namespace optim = flambeau::optim;
namespace rnn = flambeau::nn::utils::rnn;

struct AdderImpl : nn::Module {
  nn::LSTM lstm = register_module("lstm", nn::LSTM(2, 32));
  nn::Linear out = register_module("out", nn::Linear(32, 1));

  fb::Tensor forward(const rnn::PackedSequence& x) const {
    const auto [output, state] = lstm->forward_with_packed_input(x);
    return out(std::get<0>(state).select(0, 0)).squeeze(1);
  }
};
FLAMBEAU_MODULE(Adder);

int main(int argc, char** argv) try {
  fb::manual_seed(1);
  Adder net;
  // Biases do not decay.
  fb::TensorList weights, biases;
  for (const auto& [name, p] : net->named_parameters())
    (name.find("bias") == std::string::npos ? weights : biases).push_back(p);
  std::vector<optim::OptimizerParamGroup> groups;
  groups.emplace_back(weights);
  groups.emplace_back(biases, std::make_unique<optim::AdamWOptions>(optim::AdamWOptions(5e-3).weight_decay(0)));
  optim::AdamW optimizer(std::move(groups), optim::AdamWOptions(5e-3));
  const int steps = 200;
  optim::OneCycleLR schedule(optimizer, optim::OneCycleLROptions(1e-2, steps));

  double sum = 0;
  for (int step = 0; step < steps; ++step) {
    fb::TensorList sequences, wanted;
    for (int64_t length = 4; length < 12; ++length) {
      const fb::Tensor values = fb::rand({length}), marks = fb::randint(0, 2, {length}).to(fb::DType::Float32);
      sequences.push_back(fb::stack(fb::TensorList{values, marks}, 1));
      wanted.push_back((values * marks).sum());
    }
    const fb::Tensor loss = nn::functional::mse_loss(net(rnn::pack_sequence(sequences, false)), fb::stack(wanted));
    optimizer.zero_grad();
    loss.backward();
    nn::utils::clip_grad_norm_(net->parameters(), 1);
    optimizer.step();
    schedule.step();
    sum += loss.item<double>();
    if (step % 50 == 49) std::printf("step %d loss %.4f\n", step + 1, std::exchange(sum, 0) / 50);
  }
  if (argc > 2) {
    fb::save(net, argv[1]);
    fb::save(optimizer, argv[2]);
  }
} catch (const fb::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
