// Which of two plans is faster on this machine with operands of these sizes. The usual one stays unless the other gains
// clearly, so that noise does not decide.
#pragma once
#include <algorithm>
#include <chrono>

#include "flambeau/tensor.h"

namespace flambeau::cpu {

/// Multiply-adds from which a choice is worth a few trial runs.
constexpr int64_t kMeasuredWork = int64_t{1} << 20;

template <class Plan>
Ref<Plan> fasterPacked(const Ref<Plan>& usual, const Ref<Plan>& other, int64_t first, int64_t weights, int64_t bias,
                       int64_t result) {
  const auto ones = [](int64_t n) {
    Ref<Storage> s = Storage::allocate(static_cast<size_t>(n) * sizeof(float) + 64);
    std::fill_n(static_cast<float*>(s->data()), n, 1.0f);
    return s;
  };
  const Ref<Storage> a = ones(first), b = ones(weights), add = ones(bias), out = ones(result);
  const Plan* plans[2] = {usual.get(), other.get()};
  Ref<Storage> packed[2];
  double best[2] = {1e30, 1e30};
  for (int i = 0; i < 2; ++i)
    if (const int64_t n = plans[i]->packedFloats()) {
      packed[i] = Storage::allocate(static_cast<size_t>(n) * sizeof(float) + 64);
      plans[i]->pack(b->data(), packed[i]->data());
    }
  // The first round warms the caches.
  for (int round = 0; round < 4; ++round)
    for (int i = 0; i < 2; ++i) {
      const auto start = std::chrono::steady_clock::now();
      const void* bias0 = bias ? add->data() : nullptr;
      if (packed[i])
        plans[i]->runPacked(a->data(), packed[i]->data(), bias0, out->data());
      else
        plans[i]->run(a->data(), b->data(), bias0, out->data());
      if (round)
        best[i] = std::min(best[i], std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
  return best[1] < 0.95 * best[0] ? other : usual;
}

}  // namespace flambeau::cpu
