// Weights of a library step in the form that its plan computes with, packed once per version of the tensor.
#pragma once
#include <cstdint>
#include <mutex>

#include "core/exposed.h"
#include "flambeau/tensor.h"

namespace flambeau::runtime {

class PackedWeights {
 public:
  /// Whether this memory belongs to a captured tensor of which every write is counted.
  bool stay(const void* weights, TensorSpan constants) {
    std::lock_guard<std::mutex> lock(mutex_);
    return owner(weights, constants) != nullptr;
  }

  /// The packed weights; null while they may change unseen, and for good once they have changed several times.
  template <class Plan>
  Ref<Storage> find(const Plan& plan, const void* weights, TensorSpan constants) {
    std::lock_guard<std::mutex> lock(mutex_);
    Storage* storage = owner(weights, constants);
    if (!storage || changes_ > kMostChanges) return {};
    // The reference keeps another storage from getting the same address.
    if (storage_.get() == storage && version_ == storage->version() && at_ == weights) return packed_;
    if (storage_ && ++changes_ > kMostChanges) {
      packed_ = {};
      storage_ = {};
      return {};
    }
    storage_ = Ref<Storage>(storage);
    version_ = storage->version();
    at_ = weights;
    packed_ = Storage::allocate(static_cast<size_t>(plan.packedFloats()) * sizeof(float));
    plan.pack(weights, packed_->data());
    return packed_;
  }

 private:
  static constexpr int kMostChanges = 8;

  Storage* owner(const void* weights, TensorSpan constants) {
    const auto holds = [&](size_t i) {
      const Storage* s = constants[i].impl()->storage.get();
      const char *begin = static_cast<const char*>(s->data()), *at = static_cast<const char*>(weights);
      return at >= begin && at < begin + s->nbytes();
    };
    if (hint_ >= constants.size() || !holds(hint_)) {
      hint_ = 0;
      while (hint_ < constants.size() && !holds(hint_)) ++hint_;
      if (hint_ == constants.size()) return nullptr;
    }
    Storage* s = constants[hint_].impl()->storage.get();
    return exposed(s) ? nullptr : s;
  }

  std::mutex mutex_;
  size_t hint_ = 0;
  Ref<Storage> storage_, packed_;
  uint32_t version_ = 0;
  const void* at_ = nullptr;
  int changes_ = 0;
};

}  // namespace flambeau::runtime
