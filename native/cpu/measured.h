// Which of several plans is the fastest on this machine with operands of these sizes. The usual one, which comes first,
// stays unless another gains clearly, so that noise does not decide.
#pragma once
#include <algorithm>
#include <chrono>
#include <vector>

#include "flambeau/tensor.h"

namespace flambeau::cpu {

/// Multiply-adds from which a choice is worth a few trial runs.
constexpr int64_t kMeasuredWork = int64_t{1} << 20;

/// Null plans are passed over, except the first.
template <class Plan>
Ref<Plan> fastestPacked(std::vector<Ref<Plan>> plans, int64_t first, int64_t weights, int64_t bias, int64_t result) {
  std::erase_if(plans, [](const Ref<Plan>& p) { return !p; });
  const size_t count = plans.size();
  if (count == 1) return plans[0];
  const auto ones = [](int64_t n) {
    Ref<Storage> s = Storage::allocate(static_cast<size_t>(n) * sizeof(float) + 64);
    std::fill_n(static_cast<float*>(s->data()), n, 1.0f);
    return s;
  };
  const Ref<Storage> a = ones(first), b = ones(weights), add = ones(bias), out = ones(result);
  std::vector<Ref<Storage>> packed(count);
  std::vector<double> best(count, 1e30);
  for (size_t i = 0; i < count; ++i)
    if (const int64_t n = plans[i]->packedFloats()) {
      packed[i] = Storage::allocate(static_cast<size_t>(n) * sizeof(float) + 64);
      plans[i]->pack(b->data(), packed[i]->data());
    }
  // The first round warms the caches; who is far behind after the second takes part no longer.
  for (int round = 0; round < 3; ++round) {
    const double leader = *std::min_element(best.begin(), best.end());
    for (size_t i = 0; i < count; ++i) {
      if (round > 1 && best[i] > 1.5 * leader) continue;
      const void* bias0 = bias ? add->data() : nullptr;
      // Twice: the helpers that the first run has woken are there for the second, as they are in the middle of a
      // program.
      for (int turn = 0; turn < 2; ++turn) {
        const auto start = std::chrono::steady_clock::now();
        if (packed[i])
          plans[i]->runPacked(a->data(), packed[i]->data(), bias0, out->data());
        else
          plans[i]->run(a->data(), b->data(), bias0, out->data());
        if (round)
          best[i] = std::min(best[i], std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      }
    }
  }
  const auto winner = std::min_element(best.begin() + 1, best.end());
  return *winner < 0.95 * best[0] ? plans[static_cast<size_t>(winner - best.begin())] : plans[0];
}

}  // namespace flambeau::cpu
