// A compiled graph: a shared object with the C ABI of flambeau/runtime.h, its metadata and the tensors it captured.
#pragma once
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
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

  /// The same for a program that is part of this process: `abi` and `run` are its entry points.
  static Ref<GraphProgram> link(int (*abi)(), int (*run)(const fb_run_args*), const std::string& metaJson,
                                TensorList captures);

  /// True when the guards hold for these inputs; `why` says what does not.
  bool accepts(TensorSpan inputs, std::string& why) const;
  /// True when the captured tensors have the geometry that the program was compiled for.
  bool capturesFit(std::string& why) const;
  /// Dtype and shape of each result for inputs that the program accepts.
  std::vector<std::pair<DType, Dims>> resultTypes(TensorSpan inputs) const;

  /// Runs it. False: a guard failed, nothing was run, and `guardFailure` says which. Inputs, scalars (the live ones)
  /// and results are in the order of the metadata. Errors of kernels are thrown; tensors written before an error stay
  /// written.
  bool run(TensorSpan inputs, std::span<const double> scalars, TensorList& results, std::string& guardFailure);

  const TensorList& captures() const { return captures_; }
  /// True when a run changes tensors from outside, or their gradients.
  bool writes() const { return !meta_.writes.empty() || !meta_.gradWrites.empty(); }

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
  static Ref<GraphProgram> prepare(const std::string& metaJson, TensorList captures);
  void finish(const std::string& name, int (*abi)());
  bool geometryHolds(const Tensor& t, size_t slot, const long long* dims, std::string& failure) const;
  ~GraphProgram() override;
  /// Gradients that a program reads are those that the leaves have now: other programs and zeroGrad replace them.
  void followGradients(TensorSpan inputs);
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
