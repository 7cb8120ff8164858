// The random generator gives PyTorch's numbers, and its state travels.
#include "check.h"
#include "flambeau/generator.h"

using namespace flambeau;

// torch.manual_seed(1); torch.rand(3, 2)  (conformance/programs/random_streams.json)
TEST(uniformFloatsArePyTorchs) {
  Generator g(1);
  for (float expected : {0.7576315999031067f, 0.2793108820915222f, 0.40306925773620605f, 0.7346844673156738f,
                         0.029281556606292725f, 0.7998586297035217f})
    CHECK_EQ(g.uniform24(), expected);
}

// std::mt19937's ten-thousandth output with the default seed is fixed by the C++ standard.
TEST(rawWordsAreMt19937) {
  Generator g(5489);
  uint32_t last = 0;
  for (int i = 0; i < 10000; ++i) last = g.random();
  CHECK_EQ(last, 4123659995u);
}

TEST(doublesTakeTwoWordsHighFirst) {
  Generator a(7), b(7);
  uint64_t high = a.random(), low = a.random();
  CHECK_EQ(b.random64(), (high << 32) | low);
  Generator c(7);
  CHECK_EQ(c.uniform53(), static_cast<double>(((high << 32) | low) & ((uint64_t{1} << 53) - 1)) / 9007199254740992.0);
}

TEST(stateRoundTrips) {
  Generator a(42);
  for (int i = 0; i < 700; ++i) a.random();
  a.normalDouble();
  a.nextFloatNormal = 0.25f;
  a.nextPhiloxOffset(12);
  std::vector<uint8_t> bytes = a.state();
  CHECK_EQ(bytes.size(), 5056u);  // torch.get_rng_state()'s size
  Generator b(0);
  b.setState(bytes);
  CHECK_EQ(b.initialSeed(), 42u);
  CHECK_EQ(*b.nextFloatNormal, 0.25f);
  CHECK_EQ(b.nextPhiloxOffset(0), 12u);
  CHECK_EQ(a.normalDouble(), b.normalDouble());
  for (int i = 0; i < 2000; ++i) CHECK_EQ(a.random(), b.random());
}

TEST(damagedStatesAreRefused) {
  Generator g(1);
  CHECK_THROWS(g.setState(std::vector<uint8_t>(10)),
               "Expected a CPUGeneratorImplState of size 5056 but found the input RNG state size to be 10");
  std::vector<uint8_t> bytes = g.state();
  bytes[17] = 0xff;  // next: far outside the state
  CHECK_THROWS(g.setState(bytes), "Invalid mt19937 state");
  std::vector<uint8_t> zero(5056);
  CHECK_THROWS(g.setState(zero), "Invalid mt19937 state");
}

TEST(normalsAreStandard) {
  Generator g(3);
  double sum = 0, squares = 0;
  constexpr int n = 100000;
  for (int i = 0; i < n; ++i) {
    double v = g.normalDouble();
    sum += v;
    squares += v * v;
  }
  CHECK(std::abs(sum / n) < 0.02);
  CHECK(std::abs(squares / n - 1) < 0.02);
}

TEST(reseedingForgets) {
  Generator g(1);
  float first = g.uniform24();
  g.normalDouble();
  g.manualSeed(1);
  CHECK(!g.nextDoubleNormal.has_value());
  CHECK_EQ(g.uniform24(), first);
  CHECK(g.seed() < (uint64_t{1} << 53));
}

TEST_MAIN()
