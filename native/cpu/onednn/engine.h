// What the oneDNN files share: one CPU engine per process, one stream per thread, errors, argument sets.
#pragma once
#include <omp.h>

#include <dnnl.hpp>
#include <initializer_list>
#include <mutex>
#include <vector>

#include "cpu/scratch.h"
#include "flambeau/parallel.h"

namespace flambeau::cpu::onednn {

inline dnnl::engine& engine() {
  static dnnl::engine e(dnnl::engine::kind::cpu, 0);
  return e;
}
inline dnnl::stream& stream() {
  static thread_local dnnl::stream s(engine());
  return s;
}
inline Scratch& scratchpad() {
  static thread_local Scratch s;
  return s;
}

/// Threads that a call of so many multiply-adds is worth: waking a sleeping one costs tens of microseconds.
inline int threadsFor(int64_t work) { return work < (int64_t{1} << 23) ? 1 : numThreads(); }

/// Limits OpenMP to `n` threads while it lives: oneDNN asks when a primitive is built and when it runs.
class ThreadLimit {
 public:
  explicit ThreadLimit(int n) {
    syncLibraryThreads();
    const int now = omp_get_max_threads();
    if (n < now) {
      before_ = now;
      omp_set_num_threads(n);
    }
  }
  ~ThreadLimit() {
    if (before_) omp_set_num_threads(before_);
  }
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  int before_ = 0;
};

/// A primitive with its memory objects built once; a run only sets pointers. Concurrent runs of one that uses all
/// threads are serialised; those of one that uses one thread make memory objects of their own where the kept ones are
/// taken.
class Prepared {
 public:
  Prepared() = default;
  Prepared(dnnl::primitive p, int threads) : primitive_(std::move(p)), threads_(threads) {}
  void arg(int id, const dnnl::memory::desc& desc) {
    memories_.emplace_back(desc, engine(), nullptr);
    args_.push_back({id, memories_.back().get()});
  }
  explicit operator bool() const { return static_cast<bool>(primitive_); }
  /// `pointers` in the order of the arg() calls.
  void run(std::initializer_list<void*> pointers) const {
    const ThreadLimit limit(threads_);
    std::unique_lock<std::mutex> lock(mutex_, std::defer_lock);
    if (threads_ > 1)
      lock.lock();
    else if (!lock.try_lock())
      return runApart(pointers);
    size_t i = 0;
    for (void* p : pointers) dnnl_memory_set_data_handle(args_[i++].memory, p);
    execute(args_.data());
  }

 private:
  void execute(const dnnl_exec_arg_t* args) const {
    dnnl::error::wrap_c_api(
        dnnl_primitive_execute(primitive_.get(), stream().get(), static_cast<int>(args_.size()), args),
        "oneDNN: could not run a primitive");
  }
  void runApart(std::initializer_list<void*> pointers) const {
    std::vector<dnnl::memory> memories;
    std::vector<dnnl_exec_arg_t> args;
    for (void* p : pointers) {
      const size_t i = args.size();
      memories.emplace_back(memories_[i].get_desc(), engine(), p);
      args.push_back({args_[i].arg, memories.back().get()});
    }
    execute(args.data());
  }

  dnnl::primitive primitive_;
  int threads_ = 1;
  std::vector<dnnl::memory> memories_;
  std::vector<dnnl_exec_arg_t> args_;
  mutable std::mutex mutex_;
};

}  // namespace flambeau::cpu::onednn
