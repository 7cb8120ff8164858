// Plans (library primitives and their tables) by shape: one lookup per eager call, bounded in size.
#pragma once
#include <cstdint>
#include <list>
#include <mutex>
#include <unordered_map>

#include "flambeau/intrusive.h"

namespace flambeau::cpu {

inline uint64_t mixHash(uint64_t h, uint64_t v) {
  h ^= v + 0x9e3779b97f4a7c15ULL + (h << 6) + (h >> 2);
  return h * 0xff51afd7ed558ccdULL;
}

template <class Key, class Plan, class Hash>
class PlanCache {
 public:
  /// The plan of `key`; `make` builds it when it is not there. The least recently used plans go when there are too
  /// many.
  template <class Make>
  Ref<Plan> find(const Key& key, Make&& make) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto it = map_.find(key);
    if (it != map_.end()) {
      order_.splice(order_.begin(), order_, it->second);
      return it->second->second;
    }
    Ref<Plan> plan = make();
    order_.emplace_front(key, plan);
    map_[key] = order_.begin();
    if (order_.size() > kLimit) {
      map_.erase(order_.back().first);
      order_.pop_back();
    }
    return plan;
  }

 private:
  static constexpr size_t kLimit = 1024;
  std::mutex mutex_;
  std::list<std::pair<Key, Ref<Plan>>> order_;
  std::unordered_map<Key, typename std::list<std::pair<Key, Ref<Plan>>>::iterator, Hash> map_;
};

}  // namespace flambeau::cpu
