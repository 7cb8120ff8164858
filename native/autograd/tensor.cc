// The autograd members of Tensor, edges and hooks.
#include <atomic>

#include "autograd/internal.h"
#include "flambeau/trace.h"

namespace flambeau {

using autograd::Meta;
using autograd::Node;

bool Tensor::requiresGradSlow() const {
  const Meta& m = *impl_->meta;
  return m.requiresGrad || m.gradFn || (m.base.defined() && m.base.requiresGrad());
}

const Tensor& Tensor::setRequiresGrad(bool value) const {
  if (value) {
    FB_CHECK(isFloating(dtype()), Autograd, "only Tensors of floating point dtype can require gradients");
    FB_CHECK(!impl_->inference || autograd::inferenceEnabled(), Autograd,
             "Setting requiresGrad=true on inference tensor outside InferenceMode is not allowed.");
    if (isLeaf()) autograd::metaOf(impl_.get()).requiresGrad = true;
    return *this;
  }
  FB_CHECK(
      isLeaf(), Autograd,
      "you can only change requiresGrad flags of leaf variables. If you want to use a computed variable in a subgraph "
      "that doesn't require differentiation use x.detach().");
  if (impl_->meta) impl_->meta->requiresGrad = false;
  return *this;
}

bool Tensor::isLeaf() const { return impl_->meta == nullptr || !gradFn(); }

Ref<Node> Tensor::gradFn() const {
  Meta* m = impl_->meta;
  if (!m) return {};
  // A view whose base was written since: its history is now a slice of the base's.
  if (m->base.defined() && m->viewVersion != version() && (m->gradFn || m->base.requiresGrad())) {
    if (m->base.requiresGrad()) {
      Ref<Node> fresh = autograd::makeAsStridedNode(m->base, *this);
      if (m->retainsGrad) autograd::moveRetained(m, m->gradFn, fresh, 0);
      m->gradFn = fresh;
      m->outputNr = 0;
    }
    m->viewVersion = version();
  }
  return m->gradFn;
}

Tensor Tensor::grad() const {
  if (!impl_->meta) return {};
  if (trace::active()) trace::gradRead(*this);
  return impl_->meta->grad;
}

void Tensor::setGrad(const Tensor& g) const {
  if (g.defined()) {
    FB_CHECK(!g.is(*this), Autograd, "can't assign Variable as its own grad");
    FB_CHECK(g.dtype() == dtype(), Type, "assigned grad has data of a different type: expected %s but got %s",
             std::string(dtypeName(dtype())).c_str(), std::string(dtypeName(g.dtype())).c_str());
    FB_CHECK(g.impl()->sizes == impl_->sizes, Shape,
             "assigned grad has data of a different size: expected %s but got %s", shapeString(sizes()).c_str(),
             shapeString(g.sizes()).c_str());
    FB_CHECK(g.device() == device(), Device, "assigned grad has data located on a different device");
  } else if (!impl_->meta) {
    return;
  }
  if (trace::active()) trace::gradWrite(*this);
  autograd::metaOf(impl_.get()).grad = g;
}

}  // namespace flambeau

namespace flambeau::autograd {

namespace {
std::atomic<uint64_t> nextHookId{1};

/// The leaf's accumulator, made at the first use. Two threads may share a parameter: who comes second drops what it
/// made.
Ref<Node> accumulatorOf(TensorImpl* impl) {
  std::atomic<Node*>& slot = impl->meta->gradAccumulator;
  if (Node* known = slot.load(std::memory_order_acquire)) return Ref<Node>(known);
  Ref<Node> made(new AccumulateGrad(impl));
  Node* other = nullptr;
  if (!slot.compare_exchange_strong(other, made.get(), std::memory_order_acq_rel)) return Ref<Node>(other);
  made->retain();  // the slot's reference
  return made;
}
}  // namespace

Edge edgeOf(const Tensor& t) {
  if (!t.defined() || !t.impl()->meta) return {};
  if (Ref<Node> fn = t.gradFn()) return {std::move(fn), t.impl()->meta->outputNr};
  if (t.impl()->meta->requiresGrad) return {accumulatorOf(t.impl()), 0};
  return {};
}

void setHistory(const Tensor& out, const Ref<Node>& node, uint32_t outputNr) {
  if (!out.defined() || !isFloating(out.dtype())) return;  // integers carry no gradient (indices of max, topk, ...)
  Meta& m = metaOf(out.impl());
  if (m.retainsGrad) moveRetained(&m, m.gradFn, node, outputNr);
  m.gradFn = node;
  m.outputNr = outputNr;
  if (m.base.defined()) m.viewVersion = out.version();
  addOutputMeta(*node, out, outputNr);
}

HookHandle registerHook(const Tensor& t, std::function<Tensor(const Tensor&)> fn) {
  FB_CHECK(t.requiresGrad(), Autograd, "cannot register a hook on a tensor that doesn't require gradient");
  Edge e = edgeOf(t);
  FB_CHECK(e.node, Autograd, "cannot register a hook on a tensor that doesn't require gradient");
  uint64_t id = nextHookId.fetch_add(1);
  e.node->extra().tensorHooks.push_back({id, e.index, std::move(fn)});
  return {e.node, id};
}

void removeHook(const HookHandle& handle) {
  if (handle.node && handle.node->extras)
    std::erase_if(handle.node->extras->tensorHooks, [&](const Node::TensorHook& h) { return h.id == handle.id; });
}

void retainGrad(const Tensor& t) {
  FB_CHECK(t.requiresGrad(), Autograd, "can't retain_grad on Tensor that has requires_grad=False");
  Ref<Node> fn = t.gradFn();
  Meta& m = metaOf(t.impl());
  if (!fn || m.retainsGrad) return;
  m.retainsGrad = true;
  moveRetained(&m, {}, fn, m.outputNr);
}

}  // namespace flambeau::autograd
