// The trace recorder: sits below autograd and above the backend, so that forward, backward and optimizer ops are all
// plain recorded ops. In-place and view writes are functionalised into new SSA values. Format: docs/trace-format.md.
#pragma once
#include <string>
#include <vector>

#include "flambeau/generator.h"
#include "flambeau/tensor.h"

namespace flambeau::trace {

namespace detail {
// Constant-initialised and at a fixed offset from the thread pointer: asking costs one load, not a call.
extern constinit thread_local bool active __attribute__((tls_model("initial-exec")));
}  // namespace detail
/// One branch when off.
inline bool active() { return __builtin_expect(detail::active, 0); }

/// An attribute of a recorded op.
struct Attr {
  enum class Kind { None, Scalar, Ints, Floats, Bool, String, DType };
  const char* name;
  Kind kind = Kind::None;
  flambeau::Scalar scalar;
  std::vector<int64_t> ints;
  std::vector<double> floats;
  std::string string;
  Attr(const char* n) : name(n) {}  // null
  Attr(const char* n, flambeau::Scalar s) : name(n), kind(Kind::Scalar), scalar(s) {}
  Attr(const char* n, int64_t s) : name(n), kind(Kind::Scalar), scalar(s) {}
  Attr(const char* n, double s) : name(n), kind(Kind::Scalar), scalar(s) {}
  Attr(const char* n, bool b) : name(n), kind(Kind::Bool), scalar(b) {}
  Attr(const char* n, IntSpan v) : name(n), kind(Kind::Ints), ints(v.begin(), v.end()) {}
  Attr(const char* n, std::string s) : name(n), kind(Kind::String), string(std::move(s)) {}
  Attr(const char* n, DType t) : name(n), kind(Kind::DType), scalar(static_cast<int64_t>(t)) {}
};

/// Records one op. Construct it BEFORE the kernel runs (inputs are resolved to the SSA values they hold then),
/// call output()/mutated()/view() after. Nothing is recorded if the kernel throws before finish().
class Call {
 public:
  explicit Call(const char* op);
  ~Call();
  void input(const Tensor& t);   // undefined: recorded as null
  void input(const Operand& o);  // tensor, number, or live scalar
  void inputs(TensorSpan list);  // one list-valued input
  void attr(Attr a);
  void output(const Tensor& t);  // a fresh tensor
  void outputs(TensorSpan list);
  void mutated(const Tensor& t);                   // an input written in place: its new value is this op's next output
  void view(const Tensor& out, const Tensor& of);  // output shares storage with `of`
  /// Commits the node.
  void finish();

 private:
  struct Impl;
  Impl* impl_;
};

/// Marks the ops in between as the body of one composite (ONNX finds it whole; the compiler ignores the mark).
class Region {
 public:
  /// No-op when no trace is active: one branch.
  explicit Region(const char* op) {
    if (active()) start(op);
  }
  ~Region() {
    if (impl_) stop();
  }
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  void input(const Tensor& t);
  void input(const Operand& o);
  void attr(Attr a);
  void begin();
  void output(const Tensor& t);

 private:
  struct Impl;
  void start(const char* op);
  void stop();
  Impl* impl_ = nullptr;
};

/// Starts recording on this thread. `inputs` are the traced function's tensor arguments, in order.
void begin(TensorSpan inputs);
/// Registers a live scalar (learning rate, ...): returns its slot, which Scalar::live carries.
int32_t liveScalar(double value);
/// Pushes the JS call site ('file.ts:12:3') that following ops are attributed to; null pops nothing and clears.
void setSite(const char* site);
/// Pushes/pops a module path component ('features.0') for ONNX node names.
void pushScope(const char* name);
void popScope();

struct Result {
  std::string json;     // docs/trace-format.md
  TensorList captures;  // tensors met but not created inside, in capture order
};
/// Ends recording. Gradients that captured leaves hold now are reported as grad writes.
Result end(TensorSpan outputs);
/// Ends recording without a result (an exception unwound the traced function).
void abort();
/// The autograd layer tells the recorder about leaves' `.grad`: before a value that depends on it is used, and before
/// it is replaced. No-ops when no trace is active.
void gradRead(const Tensor& leaf);
void gradWrite(const Tensor& leaf);
/// References that the recorder itself holds to a storage (0 when it does not know it), so that "nobody else holds this
/// buffer" can still be decided while tracing.
uint32_t storageHolds(const Storage* storage);
/// `.item()` and everything else that needs a value on the host calls this: throws Error(Trace) with the site when
/// active.
void forbidHostRead(const char* op);

}  // namespace flambeau::trace
