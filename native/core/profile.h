// What the profiler sees of native code: nodes of backward, runs of compiled programs, their kernels and library steps.
// Off: one branch each.
#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace flambeau::profile {

enum class Kind : uint8_t { Backward, Program, Kernel, Library };

struct Event {
  std::string name;
  Kind kind;
  int64_t start, end;  // nanoseconds of the monotonic clock
  uint64_t thread;
};

extern std::atomic<bool> enabled;
inline bool on() { return enabled.load(std::memory_order_relaxed); }
void start();
void stop();
int64_t now();
/// Keeps an event that began at `start` and ends now.
void record(std::string name, Kind kind, int64_t start);
/// All events since the last call, from all threads, in the order of their ends.
std::vector<Event> take();

/// An event that lasts as long as it lives.
class Span {
 public:
  template <class Name>
  Span(Kind kind, Name name) : kind_(kind) {
    if (on()) {
      name_ = name();
      start_ = now();
    }
  }
  ~Span() {
    if (start_) record(std::move(name_), kind_, start_);
  }
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;

 private:
  std::string name_;
  Kind kind_;
  int64_t start_ = 0;
};

}  // namespace flambeau::profile
