// A compiled graph: a shared object with the C ABI of flambeau/runtime.h, its metadata and the tensors it captured.
#pragma once
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "flambeau/runtime.h"
#include "flambeau/tensor.h"
#include "runtime/steps.h"

namespace flambeau {

class GraphProgram : public RefCounted {
 public:
  /// Loads a program. Throws Error(Compile) when the shared object does not load or speaks another ABI, Error(File) for
  /// damaged metadata, Error(Value) for captures that do not fit.
  static Ref<GraphProgram> load(const std::string& soPath, const std::string& metaJson, TensorList captures);

  /// Runs it. False: a guard failed, nothing was run, and `guardFailure` says which. Inputs, scalars (the live ones)
  /// and results are in the order of the metadata. Errors of kernels are thrown; tensors written before an error stay
  /// written.
  bool run(TensorSpan inputs, std::span<const double> scalars, TensorList& results, std::string& guardFailure);

  const TensorList& captures() const { return captures_; }

 private:
  // What a run needs besides its tensors; kept for the next run.
  struct RunState {
    ~RunState();
    std::vector<void*> inputs, outputs;
    std::vector<long long> dims;
    TensorList fresh;
    char* arena = nullptr;
    size_t arenaBytes = 0;
  };
  struct Guarded {  // expected geometry of an input or capture
    DType dtype;
    Dims sizes, strides;
    bool anyStrides = false, symbolic = false;
  };
  friend struct GraphCall;

  GraphProgram() = default;
  ~GraphProgram() override;
  bool guard(TensorSpan inputs, std::vector<long long>& dims, std::string& failure) const;
  std::unique_ptr<RunState> takeState();
  const Tensor& slot(TensorSpan inputs, runtime::Slot s) const;

  void* library_ = nullptr;
  int (*entry_)(const fb_run_args*) = nullptr;
  runtime::ProgramMeta meta_;
  TensorList captures_;
  std::vector<Guarded> expected_;  // inputs, then captures
  std::vector<std::unique_ptr<runtime::LibraryStep>> steps_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<RunState>> idle_;
};

}  // namespace flambeau
