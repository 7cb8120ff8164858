// Runs a saved graph (jit.trace(...).save in TypeScript) without Node and without a compiler:
//   graph model.fbg inputs.safetensors outputs.safetensors      inputs and outputs are called "0", "1", ...
#include <flambeau/flambeau.h>

#include <cstdio>

namespace fb = flambeau;

int main(int argc, char** argv) try {
  if (argc != 4) return std::fprintf(stderr, "usage: graph MODEL.fbg INPUTS.safetensors OUTPUTS.safetensors\n"), 2;
  const fb::jit::Module model = fb::jit::load(argv[1]);
  const auto given = fb::load(argv[2]);
  fb::TensorList inputs;
  for (size_t i = 0; i < given.size(); ++i) {
    const auto found = given.find(std::to_string(i));
    if (found == given.end()) return std::fprintf(stderr, "inputs must be called 0, 1, ...\n"), 2;
    inputs.push_back(found->second);
  }
  std::map<std::string, fb::Tensor> outputs;
  for (const fb::Tensor& t : model.forward(inputs)) outputs.emplace(std::to_string(outputs.size()), t);
  fb::save(outputs, argv[3]);
} catch (const fb::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
