// Functionalised mutation, fuzzed: random programs of views and in-place writes leave the same numbers when they run
// eagerly and when the recorded graph is interpreted.
#include <random>

#include "check.h"
#include "flambeau/trace.h"
#include "trace_interpreter.h"

using namespace helpers;

namespace {

class Program {
 public:
  explicit Program(uint32_t seed) : rng_(seed) {}

  std::string run(std::string* json) {
    TensorList inputs, outside;
    for (int i = 0; i < 2; ++i) inputs.push_back(fresh(pick(2) == 0));
    Tensor captured = fresh(pick(2) == 0);
    outside.push_back(captured);
    pool_ = inputs;
    pool_.push_back(captured);
    // Views made before the recording: met as unexplained aliases.
    for (int i = 0; i < 2; ++i)
      if (pick(2)) {
        Tensor v = view(pool_[2]);
        pool_.push_back(v);
        outside.push_back(v);
      }
    return compareWithGraph(
        inputs, outside, [&] { return body(); }, json);
  }

 private:
  uint32_t pick(uint32_t n) { return rng_() % n; }
  float number() { return static_cast<float>(pick(9)) * 0.25f - 1.0f; }
  Tensor any() { return pool_[pick(static_cast<uint32_t>(pool_.size()))]; }

  /// Row-major, transposed in memory, or with gaps.
  Tensor fresh(bool odd) {
    const auto a = static_cast<int64_t>(1 + pick(4)), b = static_cast<int64_t>(1 + pick(4));
    Tensor whole = make(std::vector<float>(static_cast<size_t>(6 * b * (a + 3))), Dims{6 * b * (a + 3)});
    for (int64_t i = 0; i < whole.numel(); ++i) whole.ptr<float>()[i] = number();
    if (!odd) return aliasTensor(whole, Dims{a, b, 2}, Dims{2 * b, 2, 1}, 0);
    if (pick(2)) return aliasTensor(whole, Dims{a, b, 2}, Dims{1, a, a * b}, 0);  // permuted
    return aliasTensor(whole, Dims{a, b, 2}, Dims{6 * b, 4, 2}, 3);               // gaps and an offset
  }

  Tensor view(const Tensor& t) {
    const int64_t n = t.dim();
    if (n == 0) return ops::view(t, Dims{1});
    const auto d = static_cast<int64_t>(pick(static_cast<uint32_t>(n))),
               e = static_cast<int64_t>(pick(static_cast<uint32_t>(n)));
    switch (pick(5)) {
      case 0:
        return ops::select(t, d, static_cast<int64_t>(pick(static_cast<uint32_t>(t.size(d)))));
      case 1: {
        const auto start = static_cast<int64_t>(pick(static_cast<uint32_t>(t.size(d))));
        return ops::slice(t, d, start, std::nullopt, 1 + pick(2));
      }
      case 2:
        return ops::transpose(t, d, e);
      case 3:
        if (t.isContiguous()) return ops::view(t, Dims{-1});
        return ops::transpose(t, 0, n - 1);
      default:
        return t.isContiguous() && t.numel() % 2 == 0 ? ops::view(t, Dims{2, -1})
                                                      : ops::slice(t, d, 0, std::nullopt, 1);
    }
  }

  bool inPlaceAllowed(const Tensor& t) {
    for (int64_t i = 0; i < t.dim(); ++i)
      if (t.stride(i) == 0 && t.size(i) > 1) return false;
    return true;
  }

  TensorList body() {
    const uint32_t steps = 4 + pick(24);
    for (uint32_t s = 0; s < steps; ++s) {
      Tensor t = any();
      switch (pick(7)) {
        case 0:
        case 1:
          pool_.push_back(view(t));
          break;
        case 2:
          pool_.push_back(ops::add(t, Operand(static_cast<double>(number())), Scalar(1)));
          break;
        case 3:
          if (inPlaceAllowed(t)) ops::mul_(t, Operand(0.5));
          break;
        case 4:
          if (inPlaceAllowed(t)) ops::add_(t, Operand(static_cast<double>(number())), Scalar(1));
          break;
        case 5: {  // write one tensor's number into another
          Tensor source = any();
          while (source.dim() > 0) source = ops::select(source, 0, source.size(0) - 1);
          if (inPlaceAllowed(t)) ops::copy_(t, ops::clone(source));
          break;
        }
        default: {
          Tensor wide = ops::expand(ops::clone(t), with(t));
          pool_.push_back(pick(2) ? wide : sumAll(wide));
        }
      }
    }
    TensorList out;
    for (int i = 0; i < 3; ++i) out.push_back(any());
    return out;
  }
  static Dims with(const Tensor& t) {
    Dims d(t.sizes());
    d.insert(0, 2);
    return d;
  }

  std::mt19937 rng_;
  TensorList pool_;
};

}  // namespace

TEST(randomProgramsMeanTheSame) {
  int refused = 0;
  const int programs = 4000;
  for (int seed = 0; seed < programs; ++seed) {
    std::string json, difference;
    try {
      difference = Program(static_cast<uint32_t>(seed)).run(&json);
    } catch (const Error& e) {
      // The recorder may refuse (a view that it cannot place), never record something wrong.
      if (e.kind() != ErrorKind::Trace) throw;
      ++refused;
      if (refused <= 3) std::printf("refused, seed %d: %s\n", seed, e.what());
      continue;
    }
    if (!difference.empty()) {
      check::fail(__FILE__, __LINE__, "seed " + std::to_string(seed) + ": " + difference + "\n" + json);
      return;
    }
  }
  std::printf("%d programs, %d refused\n", programs, refused);
  CHECK(refused < programs / 50);
}

TEST_MAIN()
