// Goes on training from a checkpoint of the TypeScript side, or writes one for it:
//   checkpoint NAME STEPS MODULE_IN OPTIMIZER_IN DATA MODULE_OUT OPTIMIZER_OUT       NAME: Adam, SGD, LBFGS
#include <flambeau/flambeau.h>

#include <cstdio>
#include <cstdlib>

namespace fb = flambeau;
namespace nn = flambeau::nn;
namespace optim = flambeau::optim;

int main(int argc, char** argv) try {
  if (argc != 8) return 2;
  const std::string name = argv[1];
  const nn::Linear net(4, 3);
  fb::load(net, argv[3]);
  std::unique_ptr<optim::Optimizer> optimizer;
  if (name == "Adam") optimizer = std::make_unique<optim::Adam>(net->parameters());
  if (name == "SGD") optimizer = std::make_unique<optim::SGD>(net->parameters(), 1.0);
  if (name == "LBFGS") optimizer = std::make_unique<optim::LBFGS>(net->parameters());
  fb::load(*optimizer, argv[4]);
  const auto data = fb::load(argv[5]);
  for (int i = 0; i < std::atoi(argv[2]); ++i)
    optimizer->step([&] {
      optimizer->zero_grad();
      const fb::Tensor loss = nn::functional::mse_loss(net(data.at("x")), data.at("y"));
      loss.backward();
      return loss;
    });
  fb::save(net, argv[6]);
  fb::save(*optimizer, argv[7]);
} catch (const fb::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
