// parity OUT: writes OUT/NAME.safetensors for every case.
#include <cstdio>
#include <filesystem>

#include "parity.h"

int main(int argc, char** argv) try {
  if (argc < 2) return std::fprintf(stderr, "usage: parity OUT\n"), 2;
  parity::Cases cases;
  parity::addLayers(cases);
  parity::addSequences(cases);
  parity::addTraining(cases);
  for (const auto& [name, run] : cases) {
    flambeau::manual_seed(7);
    flambeau::save(run(), std::string(argv[1]) + "/" + name + ".safetensors");
  }
} catch (const flambeau::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
