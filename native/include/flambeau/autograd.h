// The autograd engine: a graph of nodes built by the forward calls, run backwards by one native call.
// Source of the semantics: https://pytorch.org/docs/stable/notes/autograd.html
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "flambeau/inline_vector.h"
#include "flambeau/tensor.h"
#include "flambeau/tensor_note.h"

namespace flambeau::autograd {

class Node;

/// The place a gradient flows to: input `index` of `node`.
struct Edge {
  Ref<Node> node;
  uint32_t index = 0;
};

/// One backward function. Generated nodes derive from it; `apply` gets the gradient of each forward output
/// (undefined: none arrived) and returns one gradient per edge (undefined: none).
class Node : public RefCounted {
 public:
  explicit Node(uint32_t numOutputs = 1);  // takes the next sequence number of this thread
  virtual TensorList apply(TensorList grads) = 0;
  /// 'MulBackward0'.
  virtual std::string name() const = 0;
  /// Drops saved tensors (after a backward without retainGraph); using them again throws PyTorch's error.
  virtual void releaseSaved() {}

  InlineVector<Edge, 2> edges;  // one per differentiable input, in schema order
  uint64_t sequence = 0;        // later nodes run first
  uint32_t numOutputs = 1;
  /// Shape/dtype of each forward output, to make zeros for outputs that got no gradient.
  InlineVector<TensorNote, 1> outputMeta;

  /// A hook of the tensor that is output `outputNr`: may replace its gradient (an undefined result keeps it).
  struct TensorHook {
    uint64_t id;
    uint32_t outputNr;
    std::function<Tensor(const Tensor&)> fn;
  };
  /// Non-leaf outputs whose gradient is kept in .grad (retainGrad); the tensor takes itself out when it dies.
  struct Retained {
    uint32_t outputNr;
    Meta* meta;
  };
  /// What few nodes have; made at first use, so that the others stay small.
  struct Extras {
    std::vector<std::function<void(TensorList& grads)>> preHooks;  // per node; run after the tensor hooks
    std::vector<std::function<void(TensorList& gradInputs, const TensorList& grads)>> postHooks;
    std::vector<TensorHook> tensorHooks;
    std::vector<Retained> retained;
    /// Where the forward call was, recorded in anomaly mode only.
    std::string forwardSite;
  };
  std::unique_ptr<Extras> extras;
  Extras& extra() {
    if (!extras) extras = std::make_unique<Extras>();
    return *extras;
  }

  // Nodes come from a pool of their own.
  static void* operator new(size_t bytes);
  static void operator delete(void* p, size_t bytes);

 protected:
  /// Graphs are destroyed with a work list, so that one of any length needs no stack.
  void destroy() override;
};

/// A tensor kept for backward. Remembers the version; unpack throws PyTorch's message
/// "one of the variables needed for gradient computation has been modified by an inplace operation: ..." .
class SavedTensor {
 public:
  SavedTensor() = default;
  /// `isOutput`: the tensor is an output of the node that saves it (stored without its gradFn, to avoid a cycle).
  SavedTensor(const Tensor& t, bool isOutput);
  Tensor unpack(const Ref<Node>& self, const char* opName) const;
  void reset();

 private:
  Tensor data_;       // a leaf that requires grad itself; any other tensor as an alias without history (no cycles)
  Ref<Node> gradFn_;  // of a non-leaf that is not an output
  uint32_t version_ = 0, outputNr_ = 0;
  bool isOutput_ = false, released_ = false, requiresGrad_ = false;
};

/// What a tensor knows about autograd; owned by TensorImpl::meta.
struct Meta {
  bool requiresGrad = false;  // leaves only; a non-leaf requires grad because it has gradFn
  bool retainsGrad = false;
  Ref<Node> gradFn;  // of non-leaves
  // Of leaves (made on demand); it points back without owning. One reference is the leaf's.
  std::atomic<Node*> gradAccumulator{nullptr};
  uint32_t outputNr = 0;
  Tensor grad;
  // A differentiable view: in-place writes to it rewrite the history of `base`, see inplaceViewUpdated().
  Tensor base;
  uint32_t viewVersion = 0;
  bool viewOfNoGrad = false;  // made while grad mode was off

  static void* operator new(size_t bytes);
  static void operator delete(void* p, size_t bytes);
};

// ---- modes (thread-local) ----
bool gradEnabled();
void setGradEnabled(bool on);
bool inferenceEnabled();
void setInferenceEnabled(bool on);
struct GradGuard {
  explicit GradGuard(bool on) : previous(gradEnabled()) { setGradEnabled(on); }
  ~GradGuard() { setGradEnabled(previous); }
  bool previous;
};

/// True when a node must be built for an op over these inputs: grad mode is on and one of them requires grad.
inline bool needsGrad(const Tensor& a) { return a.defined() && a.requiresGrad(); }
inline bool needsGrad(const Operand& o) { return o.tensor.defined() && o.tensor.requiresGrad(); }
template <class... T>
bool anyRequiresGrad(const T&... ts) {
  return gradEnabled() && (needsGrad(ts) || ...);
}
bool needsGrad(TensorSpan list);

/// The edge that a tensor's gradient flows along (its gradFn, or its accumulator when it is a leaf; empty if it
/// requires none).
Edge edgeOf(const Tensor& t);
/// Makes `node` the gradFn of a fresh output.
void setHistory(const Tensor& out, const Ref<Node>& node, uint32_t outputNr = 0);
/// Makes `node` the gradFn of `self` after an in-place op (and rewrites the base's history when `self` is a view).
void rebaseHistory(const Tensor& self, const Ref<Node>& node, uint32_t outputNr = 0);
/// Before an in-place op: throws PyTorch's errors ("a leaf Variable that requires grad is being used in an in-place
/// operation.", ...).
void checkInplace(const Tensor& self, const char* op);
/// Links a view to its base so that in-place writes through either are differentiated.
void setView(const Tensor& view, const Tensor& base);

/// backward(): accumulates into the leaves' .grad (or only computes `inputs`' gradients and returns them, for
/// autograd.grad).
struct RunOptions {
  bool retainGraph = false, createGraph = false, accumulate = true, allowUnused = false;
};
TensorList runBackward(const TensorList& roots, const TensorList& rootGrads, const TensorList& inputs,
                       RunOptions options);

/// Sums `grad` down to `sizes` (the reverse of broadcasting). Built from differentiable ops.
Tensor sumTo(const Tensor& grad, IntSpan sizes);

/// Calls `fn` with the gradient of `t` whenever it has been computed; a defined result replaces it.
/// Throws Error(Autograd) when `t` does not require grad. Returns the hook's place, for removeHook.
struct HookHandle {
  Ref<Node> node;
  uint64_t id = 0;
};
HookHandle registerHook(const Tensor& t, std::function<Tensor(const Tensor&)> fn);
void removeHook(const HookHandle& handle);
/// Keeps the gradient of a non-leaf in .grad (nothing to do for a leaf). Throws when `t` does not require grad.
void retainGrad(const Tensor& t);

/// Anomaly mode (thread-local): backward names the node that failed and where its forward call was, and rejects NaN.
bool anomalyEnabled();
void setAnomalyEnabled(bool on);
/// Says where the running forward call is ('file.ts:12:3'); asked once per node in anomaly mode. Thread-local.
void setForwardSiteProvider(std::function<std::string()> provider);

}  // namespace flambeau::autograd
