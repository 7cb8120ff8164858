// What the oneDNN files share: one CPU engine per process, one stream per thread, errors, argument sets.
#pragma once
#include <dnnl.hpp>
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

/// A primitive with its memory objects built once; a run only sets pointers. Concurrent runs are serialised: each of them
/// uses all threads anyway.
class Prepared {
 public:
  Prepared() = default;
  explicit Prepared(dnnl::primitive p) : primitive_(std::move(p)) {}
  void arg(int id, const dnnl::memory::desc& desc) {
    memories_.emplace_back(desc, engine(), nullptr);
    args_.push_back({id, memories_.back().get()});
  }
  explicit operator bool() const { return static_cast<bool>(primitive_); }
  /// `pointers` in the order of the arg() calls.
  void run(std::initializer_list<void*> pointers) const {
    syncLibraryThreads();
    std::lock_guard<std::mutex> lock(mutex_);
    size_t i = 0;
    for (void* p : pointers) dnnl_memory_set_data_handle(args_[i++].memory, p);
    dnnl::error::wrap_c_api(dnnl_primitive_execute(primitive_.get(), stream().get(), static_cast<int>(args_.size()), args_.data()),
                            "oneDNN: could not run a primitive");
  }

 private:
  dnnl::primitive primitive_;
  std::vector<dnnl::memory> memories_;
  std::vector<dnnl_exec_arg_t> args_;
  mutable std::mutex mutex_;
};

}  // namespace flambeau::cpu::onednn
