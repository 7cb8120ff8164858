// backward(): walks the graph from the roots, later nodes first, each when all gradients of its outputs have arrived.
#include <algorithm>
#include <cmath>
#include <memory>

#include "autograd/internal.h"
#include "autograd/nan_check.h"
#include "core/profile.h"
#include "flambeau/ops.h"
#include "flambeau/trace.h"

namespace flambeau::autograd {

namespace {

struct Capture {
  uint32_t outputNr;
  size_t result;
};

/// Node → number in the order of meeting. Open addressing: a lookup is one or two cache lines, and growing is rare.
class NodeIndex {
 public:
  NodeIndex() : slots_(64) {}
  static constexpr size_t kNone = SIZE_MAX;
  size_t find(const Node* n) const {
    for (size_t i = hash(n);; ++i) {
      const Slot& s = slots_[i & (slots_.size() - 1)];
      if (s.node == n) return s.at;
      if (!s.node) return kNone;
    }
  }
  /// The number of `n`; `next` becomes its number when it is new.
  size_t add(const Node* n, size_t next) {
    if (const size_t at = find(n); at != kNone) return at;
    if ((next + 1) * 2 > slots_.size()) {
      std::vector<Slot> old(slots_.size() * 4);
      old.swap(slots_);
      for (const Slot& s : old)
        if (s.node) place(s);
    }
    place({n, next});
    return next;
  }

 private:
  struct Slot {
    const Node* node = nullptr;
    size_t at = 0;
  };
  static size_t hash(const Node* n) { return (reinterpret_cast<uintptr_t>(n) >> 6) * 0x9E3779B97F4A7C15ull >> 32; }
  void place(Slot s) {
    size_t i = hash(s.node);
    while (slots_[i & (slots_.size() - 1)].node) ++i;
    slots_[i & (slots_.size() - 1)] = s;
  }
  std::vector<Slot> slots_;
};

struct State {
  explicit State(Node* n) : node(n) {}
  Node* node;
  uint32_t waiting = 0;  // edges into this node that have not delivered yet
  bool needed = true;    // its gradients lead to something that was asked for
  bool queued = false;
  TensorList buffer;  // one gradient per output
  std::vector<Capture> captures;
};

/// One run. Single-threaded: it runs on the caller's thread (hooks and custom functions call back into JavaScript
/// there), and kernels split their work over the intra-op threads. A backward called from inside a hook is simply a run
/// inside a run.
class Run {
 public:
  Run(const TensorList& roots, const TensorList& inputs, RunOptions options)
      : options_(options), results_(inputs.size()) {
    for (const Tensor& r : roots) rootEdges_.push_back(edgeOf(r));
    findNodes();
    if (!inputs.empty()) prune(inputs);
  }

  TensorList execute(const TensorList& rootGrads) {
    for (size_t i = 0; i < rootEdges_.size(); ++i) deliver(rootEdges_[i], rootGrads[i]);
    for (const Edge& e : rootEdges_) enqueueIfReady(stateOf(e.node.get()));
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), later);
      const size_t at = heap_.back().second;
      heap_.pop_back();
      evaluate(at);
    }
    return std::move(results_);
  }

 private:
  using Entry = std::pair<uint64_t, size_t>;  // sequence, state
  // Of equal sequence (leaves), the one met first goes first: the order of accumulation is the same in every run.
  static bool later(const Entry& a, const Entry& b) {
    return a.first != b.first ? a.first < b.first : a.second > b.second;
  }

  size_t indexOf(Node* n) {
    const size_t at = index_.add(n, states_.size());
    if (at == states_.size()) states_.emplace_back(n);
    return at;
  }
  size_t stateOf(Node* n) const { return index_.find(n); }

  void findNodes() {
    std::vector<size_t> stack;
    auto meet = [&](Node* n) {
      const size_t before = states_.size(), at = indexOf(n);
      if (at == before) stack.push_back(at);
      return at;
    };
    for (const Edge& e : rootEdges_) meet(e.node.get());
    while (!stack.empty()) {
      Node* n = states_[stack.back()].node;
      stack.pop_back();
      for (const Edge& e : n->edges)
        if (e.node) ++states_[meet(e.node.get())].waiting;
    }
  }

  /// Keeps only what leads to `inputs`, and notes where their gradients are picked up.
  void prune(const TensorList& inputs) {
    for (State& s : states_) s.needed = false;
    std::vector<bool> wanted(states_.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
      FB_CHECK(inputs[i].requiresGrad(), Autograd, "One of the differentiated Tensors does not require grad");
      const Edge e = edgeOf(inputs[i]);
      const size_t at = index_.find(e.node.get());
      if (at == NodeIndex::kNone) continue;  // not part of this graph
      wanted[at] = true;
      if (!options_.accumulate)
        states_[at].captures.push_back({e.index, i});
      else
        states_[at].needed = true;
    }
    // Post-order over the graph: a node is needed when one of its edges leads to a wanted or needed node.
    std::vector<char> done(states_.size());
    std::vector<std::pair<size_t, size_t>> stack;
    for (const Edge& root : rootEdges_) {
      const size_t start = stateOf(root.node.get());
      if (done[start]) continue;
      done[start] = 1;
      stack.emplace_back(start, 0);
      while (!stack.empty()) {
        const size_t at = stack.back().first;
        Node* n = states_[at].node;
        if (stack.back().second == n->edges.size()) {
          for (const Edge& e : n->edges) {
            if (!e.node) continue;
            const size_t to = stateOf(e.node.get());
            if (states_[to].needed || wanted[to]) states_[at].needed = true;
          }
          stack.pop_back();
          continue;
        }
        const Edge& e = n->edges[stack.back().second++];
        if (!e.node) continue;
        const size_t to = stateOf(e.node.get());
        if (done[to]) continue;
        done[to] = 1;
        stack.emplace_back(to, 0);
      }
    }
  }

  void enqueueIfReady(size_t at) {
    State& s = states_[at];
    if (s.waiting != 0 || s.queued) return;
    s.queued = true;
    heap_.emplace_back(s.node->sequence, at);
    std::push_heap(heap_.begin(), heap_.end(), later);
  }

  /// True when this buffer is ours alone, so that the sum may be formed in it.
  bool ownsBuffer(const Tensor& t, const Tensor& addend) const {
    const Storage* s = t.impl()->storage.get();
    return !options_.createGraph && t.impl()->useCount() == 1 && s->useCount() == 1 + trace::storageHolds(s) &&
           t.isContiguous() && !t.impl()->meta && t.dtype() == addend.dtype() &&
           t.impl()->sizes == addend.impl()->sizes;
  }

  void deliver(const Edge& e, const Tensor& grad) {
    if (!grad.defined()) return;
    State& s = states_[stateOf(e.node.get())];
    if (!s.needed && s.captures.empty()) return;
    if (s.buffer.size() <= e.index) s.buffer.resize(std::max(e.index + 1, s.node->numOutputs));
    Tensor& slot = s.buffer[e.index];
    if (!slot.defined())
      slot = grad;
    else if (ownsBuffer(slot, grad))
      ops::add_(slot, grad, Scalar(1));
    else
      slot = ops::add(slot, grad, Scalar(1));
  }

  void runHooks(Node& node, TensorList& grads) {
    if (!node.extras) return;
    Node::Extras& extras = *node.extras;
    // By index: a hook may add or remove hooks.
    for (size_t i = 0; i < extras.tensorHooks.size(); ++i) {
      const uint32_t nr = extras.tensorHooks[i].outputNr;
      if (nr >= grads.size() || !grads[nr].defined()) continue;
      auto fn = extras.tensorHooks[i].fn;
      Tensor replaced = fn(grads[nr]);
      if (!replaced.defined()) continue;
      FB_CHECK(replaced.impl()->sizes == grads[nr].impl()->sizes, Autograd,
               "hook '%s' has changed the size of value: expected %s but got %s", node.name().c_str(),
               shapeString(grads[nr].sizes()).c_str(), shapeString(replaced.sizes()).c_str());
      grads[nr] = std::move(replaced);
    }
    for (size_t i = 0; i < extras.preHooks.size(); ++i) extras.preHooks[i](grads);
    for (size_t i = 0; i < extras.retained.size(); ++i) {
      const auto [nr, meta] = extras.retained[i];
      if (nr >= grads.size() || !grads[nr].defined()) continue;
      meta->grad = meta->grad.defined() ? ops::add(meta->grad, grads[nr], Scalar(1)) : ops::clone(grads[nr]);
    }
  }

  void evaluate(size_t at) {
    Ref<Node> node(states_[at].node);
    TensorList grads = std::move(states_[at].buffer);
    grads.resize(std::max<size_t>(node->numOutputs, grads.size()));
    const bool any = std::any_of(grads.begin(), grads.end(), [](const Tensor& t) { return t.defined(); });
    if (any) runHooks(*node, grads);
    for (const Capture& c : states_[at].captures)
      results_[c.result] = c.outputNr < grads.size() ? grads[c.outputNr] : Tensor();
    TensorList out;
    // Zero gradients give zero gradients: nothing to compute when none arrived.
    if (states_[at].needed && any) out = call(*node, std::move(grads));
    for (size_t i = 0; i < node->edges.size(); ++i) {
      const Edge& e = node->edges[i];
      if (!e.node) continue;
      if (i < out.size()) {
        Tensor g = std::move(out[i]);
        deliver(e, g);
      }
      const size_t to = stateOf(e.node.get());
      --states_[to].waiting;
      enqueueIfReady(to);
    }
  }

  TensorList call(Node& node, TensorList grads) {
    TensorList out;
    const bool keep = node.extras && !node.extras->postHooks.empty();
    const TensorList seen = keep ? grads : TensorList();
    try {
      const profile::Span span(profile::Kind::Backward, [&] { return node.name(); });
      out = node.apply(std::move(grads));
      validate(node, out);
      if (anomalyEnabled()) rejectNan(node, out);
    } catch (const Error& e) {
      if (!anomalyEnabled()) throw;
      throw Error(e.kind(),
                  std::string(e.what()) + "\nError detected in " + node.name() + "." +
                      (!node.extras || node.extras->forwardSite.empty()
                           ? ""
                           : " The forward call that caused the error was at " + node.extras->forwardSite + "."));
    }
    if (node.extras)
      for (size_t i = 0; i < node.extras->postHooks.size(); ++i) node.extras->postHooks[i](out, seen);
    if (!options_.retainGraph) node.releaseSaved();
    return out;
  }

  /// Gradients must fit what they are gradients of; broadcast ones are summed, other dtypes converted.
  void validate(Node& node, TensorList& out) {
    for (size_t i = 0; i < out.size() && i < node.edges.size(); ++i) {
      const Edge& e = node.edges[i];
      if (!out[i].defined() || !e.node || e.index >= e.node->outputMeta.size()) continue;
      const TensorNote& want = e.node->outputMeta[e.index];
      if (!want.fits(out[i].sizes())) {
        const Dims sizes = want.sizes();
        FB_CHECK(expandable(sizes, out[i].sizes()), Autograd,
                 "Function %s returned an invalid gradient at index %zu - got %s but expected shape compatible with %s",
                 node.name().c_str(), i, shapeString(out[i].sizes()).c_str(), shapeString(sizes).c_str());
        out[i] = sumTo(out[i], sizes);
      }
      FB_CHECK(isFloating(out[i].dtype()), Autograd,
               "Function %s returned a gradient of dtype %s at index %zu: expected a floating type",
               node.name().c_str(), std::string(dtypeName(out[i].dtype())).c_str(), i);
      if (out[i].dtype() != want.dtype) out[i] = ops::toDtype(out[i], want.dtype);
    }
  }

  static bool expandable(IntSpan from, IntSpan to) {
    if (from.size() > to.size()) return false;
    for (size_t i = 0; i < from.size(); ++i) {
      const int64_t f = from[from.size() - 1 - i];
      if (f != 1 && f != to[to.size() - 1 - i]) return false;
    }
    return true;
  }

  static void rejectNan(Node& node, const TensorList& out) {
    for (size_t i = 0; i < out.size(); ++i)
      FB_CHECK(!out[i].defined() || !hasNan(out[i]), Autograd, "Function '%s' returned nan values in its %zuth output.",
               node.name().c_str(), i);
  }

  RunOptions options_;
  std::vector<Edge> rootEdges_;
  NodeIndex index_;
  std::vector<State> states_;
  std::vector<Entry> heap_;
  TensorList results_;
};

}  // namespace

TensorList runBackward(const TensorList& roots, const TensorList& rootGrads, const TensorList& inputs,
                       RunOptions options) {
  FB_CHECK(!inferenceEnabled(), Autograd,
           "Calling .backward() or autograd.grad() inside inferenceMode is not allowed.");
  GradGuard mode(options.createGraph);
  TensorList grads(roots.size());
  for (size_t i = 0; i < roots.size(); ++i) {
    const Tensor& root = roots[i];
    FB_CHECK(root.defined(), Autograd, "element %zu of tensors is null", i);
    if (i < rootGrads.size()) grads[i] = rootGrads[i];
    if (grads[i].defined()) {
      FB_CHECK(grads[i].impl()->sizes == root.impl()->sizes, Shape,
               "Mismatch in shape: gradOutput[%zu] has a shape of %s and output[%zu] has a shape of %s.", i,
               shapeString(grads[i].sizes()).c_str(), i, shapeString(root.sizes()).c_str());
    } else if (root.requiresGrad()) {
      FB_CHECK(root.numel() == 1, Autograd, "grad can be implicitly created only for scalar outputs");
      grads[i] = ops::full(root.sizes(), Scalar(1.0), root.dtype());
    }
    FB_CHECK(edgeOf(root).node, Autograd, "element %zu of tensors does not require grad and does not have a grad_fn",
             i);
    if (grads[i].dtype() != root.dtype()) grads[i] = ops::toDtype(grads[i], root.dtype());
  }
  for (const Tensor& t : inputs) {
    FB_CHECK(t.defined() && t.requiresGrad(), Autograd, "One of the differentiated Tensors does not require grad");
    if (options.accumulate) retainGrad(t);
  }
  Run run(roots, inputs, options);
  TensorList results = run.execute(grads);
  if (options.accumulate) return {};
  for (const Tensor& r : results)
    FB_CHECK(r.defined() || options.allowUnused, Autograd,
             "One of the differentiated Tensors appears to not have been used in the graph. Set allowUnused=true if "
             "this is the "
             "desired behavior.");
  return results;
}

}  // namespace flambeau::autograd
