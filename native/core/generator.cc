// PyTorch's CPU generator: mt19937 and its draws, bit for bit.
// Source: aten/src/ATen/core/MT19937RNGEngine.h, DistributionsHelper.h and CPUGeneratorImpl.cpp of PyTorch.
#include "flambeau/generator.h"

#include <cmath>
#include <cstring>
#include <random>

#include "flambeau/error.h"

namespace flambeau {
namespace {

constexpr int kN = 624, kM = 397;
constexpr double kPi = 3.14159265358979323846;

uint32_t mix(uint32_t u, uint32_t v) { return (u & 0x80000000u) | (v & 0x7fffffffu); }
uint32_t twistPair(uint32_t u, uint32_t v) { return (mix(u, v) >> 1) ^ ((v & 1u) ? 0x9908b0dfu : 0u); }

// The layout of torch.get_rng_state(), so that states travel between the two.
struct StateBytes {
  uint64_t seed;
  int32_t left;
  int32_t seeded;
  uint64_t next;
  uint64_t state[kN];
  double philox;  // PyTorch's unused normal_x: holds the Philox counter's bits
  double normalY;
  double normalRho;
  int32_t normalValid;
  int32_t pad0;
  float floatNormal;
  uint8_t floatNormalValid;
  uint8_t pad1[3];
};
static_assert(sizeof(StateBytes) == 5056);

}  // namespace

Generator::Generator(uint64_t seed) { manualSeed(seed); }

void Generator::manualSeed(uint64_t seed) {
  seed_ = seed;
  state_[0] = static_cast<uint32_t>(seed);
  for (uint32_t j = 1; j < kN; ++j) state_[j] = 1812433253u * (state_[j - 1] ^ (state_[j - 1] >> 30)) + j;
  left_ = 1;
  next_ = 0;
  philox_ = 0;
  nextFloatNormal.reset();
  nextDoubleNormal.reset();
}

uint64_t Generator::seed() {
  std::random_device device;
  uint64_t value = (static_cast<uint64_t>(device()) << 32) | device();
  // A JS number must be able to hold it: 53 bits, as PyTorch does for the same reason.
  value &= (uint64_t{1} << 53) - 1;
  manualSeed(value);
  return value;
}

void Generator::twist() {
  uint32_t* p = state_.data();
  left_ = kN;
  next_ = 0;
  for (int j = kN - kM + 1; --j; ++p) *p = p[kM] ^ twistPair(p[0], p[1]);
  for (int j = kM; --j; ++p) *p = p[kM - kN] ^ twistPair(p[0], p[1]);
  *p = p[kM - kN] ^ twistPair(p[0], state_[0]);
}

uint32_t Generator::random() {
  if (--left_ == 0) twist();
  uint32_t y = state_[next_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  y ^= y >> 18;
  return y;
}

uint64_t Generator::random64() {
  uint64_t high = random();
  uint64_t low = random();
  return (high << 32) | low;
}

double Generator::uniform53() { return static_cast<double>(random64() & ((uint64_t{1} << 53) - 1)) * 0x1p-53; }

float Generator::uniform24() { return static_cast<float>(random() & ((1u << 24) - 1)) * 0x1p-24f; }

double Generator::normalDouble() {
  if (nextDoubleNormal) {
    double v = *nextDoubleNormal;
    nextDoubleNormal.reset();
    return v;
  }
  double u1 = uniform53(), u2 = uniform53();
  double r = std::sqrt(-2.0 * std::log1p(-u2)), theta = 2.0 * kPi * u1;
  nextDoubleNormal = r * std::sin(theta);
  return r * std::cos(theta);
}

std::vector<uint8_t> Generator::state() const {
  StateBytes s{};
  s.seed = seed_;
  s.left = left_;
  s.seeded = 1;
  s.next = static_cast<uint64_t>(next_);
  for (int i = 0; i < kN; ++i) s.state[i] = state_[i];
  std::memcpy(&s.philox, &philox_, sizeof philox_);
  if (nextDoubleNormal) {
    s.normalValid = 1;
    s.normalY = *nextDoubleNormal;
  }
  if (nextFloatNormal) {
    s.floatNormalValid = 1;
    s.floatNormal = *nextFloatNormal;
  }
  std::vector<uint8_t> bytes(sizeof s);
  std::memcpy(bytes.data(), &s, sizeof s);
  return bytes;
}

void Generator::setState(const std::vector<uint8_t>& bytes) {
  StateBytes s;
  FB_CHECK(bytes.size() == sizeof s, Value,
           "Expected a CPUGeneratorImplState of size %zu but found the input RNG state size to be %zu", sizeof s,
           bytes.size());
  std::memcpy(&s, bytes.data(), sizeof s);
  // Everything that indexes must be checked: the bytes may come from a file.
  FB_CHECK(s.seeded == 1 && s.left >= 1 && s.left <= kN && s.next <= kN && (s.left == 1 || s.left + s.next <= kN + 1),
           Value, "Invalid mt19937 state");
  seed_ = s.seed;
  left_ = s.left;
  next_ = static_cast<int>(s.next);
  for (int i = 0; i < kN; ++i) state_[i] = static_cast<uint32_t>(s.state[i]);
  std::memcpy(&philox_, &s.philox, sizeof philox_);
  nextDoubleNormal.reset();
  nextFloatNormal.reset();
  if (s.normalValid) nextDoubleNormal = s.normalY;
  if (s.floatNormalValid) nextFloatNormal = s.floatNormal;
}

uint64_t Generator::nextPhiloxOffset(uint64_t count) {
  uint64_t offset = philox_;
  philox_ += count;
  return offset;
}

Generator& defaultGenerator() {
  static Generator* generator = new Generator();  // never destroyed: worker threads may outlive static destruction
  return *generator;
}

}  // namespace flambeau
