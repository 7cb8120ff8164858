// The profiler's event list; see profile.h.
#include "core/profile.h"

#include <unistd.h>

#include <chrono>
#include <mutex>
#include <utility>

namespace flambeau::profile {

std::atomic<bool> enabled{false};

namespace {
std::mutex mutex;
std::vector<Event>& events() {
  static std::vector<Event> list;
  return list;
}
/// A forgotten profiler must not eat the memory.
constexpr size_t kMost = size_t{1} << 22;
}  // namespace

void start() { enabled.store(true, std::memory_order_relaxed); }
void stop() { enabled.store(false, std::memory_order_relaxed); }
int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}
void record(std::string name, Kind kind, int64_t start) {
  const int64_t end = now();
  const std::lock_guard<std::mutex> lock(mutex);
  if (events().size() < kMost) events().push_back({std::move(name), kind, start, end, static_cast<uint64_t>(gettid())});
}
std::vector<Event> take() {
  const std::lock_guard<std::mutex> lock(mutex);
  return std::exchange(events(), {});
}

}  // namespace flambeau::profile
