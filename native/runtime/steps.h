// Library steps of a graph program: prepared once per shape, run on raw buffers.
#pragma once
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "runtime/meta.h"

namespace flambeau::runtime {

/// One operand or result of a step with its extents known.
struct StepTensor {
  DType dtype;
  Dims sizes, strides;
  int64_t numel = 1;
  bool contiguous = true;
};

/// A step for concrete shapes.
struct ResolvedStep {
  std::vector<std::vector<StepTensor>> operands;  // per declared operand: none, one, or the list's tensors
  std::vector<StepTensor> outputs;
  std::vector<trace::Attr> attrs;  // live ones hold no value yet
};

/// A step whose result has another shape than it had when the graph was recorded: the program does not fit these
/// values.
struct ShapeVaries : Error {
  explicit ShapeVaries(const std::string& what) : Error(ErrorKind::Shape, what) {}
};

/// What runs: buffers are the step's tensor inputs in order, then its outputs. `constants` are the tensors that the
/// program captured, none of which it writes.
class PreparedStep {
 public:
  virtual ~PreparedStep() = default;
  virtual void run(void* const* buffers, std::span<const double> scalars, TensorSpan constants) = 0;
};

/// GEMM, convolution, pooling and attention become direct calls into their kernels; null for everything else.
std::shared_ptr<PreparedStep> prepareDirect(const StepMeta& meta, const ResolvedStep& step);
/// Of attentionForward and attentionBackward.
std::shared_ptr<PreparedStep> prepareAttention(const StepMeta& meta, const ResolvedStep& step);
/// Any declared op by name.
std::shared_ptr<PreparedStep> prepareBoxed(const StepMeta& meta, ResolvedStep step);

/// Keeps the prepared form: prepared when the program is loaded if all extents are known, else again whenever they
/// change.
class LibraryStep {
 public:
  explicit LibraryStep(StepMeta meta);
  void run(void* const* buffers, std::span<const long long> dims, std::span<const double> scalars,
           TensorSpan constants);

 private:
  std::shared_ptr<PreparedStep> prepare(std::span<const long long> dims) const;
  StepMeta meta_;
  std::mutex mutex_;
  std::vector<long long> dims_;
  int threads_ = 0;  // plans are built for a thread count
  std::shared_ptr<PreparedStep> prepared_;
};

}  // namespace flambeau::runtime
