// In-place autograd, fuzzed: random programs of views, in-place writes and sums are linear in their inputs, so that the
// gradient must equal the difference quotient exactly (all numbers are small dyadic fractions).
#include <random>

#include "autograd_helpers.h"
#include "check.h"

using namespace helpers;

namespace {

/// One program, fixed by its seed: running it twice on different inputs does the same ops.
class Program {
 public:
  explicit Program(uint32_t seed) : rng_(seed) {}

  Tensor run(const Tensor& a, const Tensor& b) {
    pool_ = {ops::mul(a, Operand(1.0)), ops::mul(b, Operand(2.0)), make(std::vector<float>(12), Dims{3, 4})};
    const uint32_t steps = 3 + pick(14);
    for (uint32_t s = 0; s < steps; ++s) step();
    Tensor total = sumAll(pool_[0]);
    for (int i = 0; i < 4; ++i) total = add(total, sumAll(ops::mul(any(), Operand(static_cast<double>(1 + pick(3))))));
    return total;
  }

 private:
  uint32_t pick(uint32_t n) { return rng_() % n; }
  Tensor any() { return pool_[pick(static_cast<uint32_t>(pool_.size()))]; }
  static bool overlaps(const Tensor& t) {
    for (int64_t i = 0; i < t.dim(); ++i)
      if (t.stride(i) == 0 && t.size(i) > 1) return true;
    return false;
  }

  void step() {
    Tensor t = any(), u = any();
    const bool writable = !overlaps(t);
    const int64_t n = t.dim();
    const int64_t d = n > 0 ? pick(static_cast<uint32_t>(n)) : 0;
    switch (pick(9)) {
      case 0:
        if (n > 0) pool_.push_back(ops::select(t, d, pick(static_cast<uint32_t>(t.size(d)))));
        break;
      case 1:
        if (n > 0)
          pool_.push_back(ops::slice(t, d, static_cast<int64_t>(pick(static_cast<uint32_t>(t.size(d)))), std::nullopt,
                                     1 + pick(2)));
        break;
      case 2:
        if (n > 1) pool_.push_back(ops::transpose(t, 0, n - 1));
        break;
      case 3: {
        Dims wide(t.sizes());
        wide.insert(0, 2);
        pool_.push_back(ops::expand(t, wide));
        break;
      }
      case 4:
        if (t.isContiguous()) pool_.push_back(ops::view(t, Dims{-1}));
        break;
      case 5:
        if (writable) ops::mul_(t, Operand(pick(2) ? 0.5 : -2.0));
        break;
      case 6: {  // add another's number everywhere
        while (u.dim() > 0) u = ops::select(u, 0, u.size(0) - 1);
        if (writable) ops::add_(t, ops::clone(u), Scalar(1));
        break;
      }
      case 7: {  // overwrite with another's number
        while (u.dim() > 0) u = ops::select(u, 0, 0);
        if (writable) ops::copy_(t, ops::clone(u));
        break;
      }
      default:
        pool_.push_back(add(t, sumAll(u)));
    }
  }

  std::mt19937 rng_;
  TensorList pool_;
};

std::vector<float> numbers(std::mt19937& rng, size_t n) {
  std::vector<float> v(n);
  for (float& x : v) x = static_cast<float>(rng() % 9) * 0.25f - 1.0f;
  return v;
}

float evaluate(uint32_t seed, std::vector<float> a, std::vector<float> b) {
  return values(Program(seed).run(make(std::move(a), Dims{2, 3}), make(std::move(b), Dims{4})))[0];
}

}  // namespace

TEST(gradientsOfRandomInplaceProgramsAreExact) {
  for (uint32_t seed = 0; seed < 3000; ++seed) {
    std::mt19937 rng(seed + 1000000);
    const std::vector<float> a0 = numbers(rng, 6), b0 = numbers(rng, 4);
    Tensor a = make(a0, Dims{2, 3}, true), b = make(b0, Dims{4}, true);
    Tensor y = Program(seed).run(a, b);
    if (!(std::fabs(values(y)[0]) < 4096)) continue;  // beyond that the sums round
    backward(y);
    auto compare = [&](const Tensor& leaf, const std::vector<float>& at, bool first) {
      const std::vector<float> grad = leaf.grad().defined() ? values(leaf.grad()) : std::vector<float>(at.size());
      for (size_t i = 0; i < at.size(); ++i) {
        std::vector<float> moved = at;
        moved[i] += 1;
        const float expected = (first ? evaluate(seed, moved, b0) : evaluate(seed, a0, moved)) - values(y)[0];
        if (std::fabs(grad[i]) < 512 && std::fabs(grad[i] - expected) > 1e-2f) {
          check::fail(__FILE__, __LINE__,
                      "seed " + std::to_string(seed) + ", element " + std::to_string(i) + ": gradient " +
                          check::show(grad[i]) + ", difference " + check::show(expected));
          return false;
        }
      }
      return true;
    };
    if (!compare(a, a0, true) || !compare(b, b0, false)) return;
  }
}

TEST_MAIN()
