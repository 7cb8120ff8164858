// PyTorch's CPU generator: mt19937 with its exact draws, so that one seed gives PyTorch's numbers.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace flambeau {

class Generator {
 public:
  explicit Generator(uint64_t seed = 67280421310721ULL);
  void manualSeed(uint64_t seed);
  uint64_t seed();  // reseeds from the operating system, returns the seed
  uint64_t initialSeed() const { return seed_; }
  uint32_t random();    // 32 bits
  uint64_t random64();  // two draws, PyTorch's order
  double uniform53();   // [0, 1) double: random64() & (2^53 - 1) over 2^53
  float uniform24();    // [0, 1) float: random() & (2^24 - 1) over 2^24
  /// Standard normal by PyTorch's Box-Muller with the cached second value (small tensors, doubles).
  double normalDouble();
  std::optional<float> nextFloatNormal;
  std::optional<double> nextDoubleNormal;
  std::vector<uint8_t> state() const;
  void setState(const std::vector<uint8_t>& bytes);  // throws Error(Value)
  /// Philox key and counter for compiled graphs: derived from the seed; each run advances the counter.
  uint64_t philoxSeed() const { return seed_; }
  uint64_t nextPhiloxOffset(uint64_t count);
  std::mutex mutex;

 private:
  void twist();
  uint64_t seed_ = 0, philox_ = 0;
  int left_ = 1, next_ = 0;
  std::array<uint32_t, 624> state_{};
};

/// The generator of the calling thread's default stream (one per process, as in PyTorch).
Generator& defaultGenerator();

}  // namespace flambeau
