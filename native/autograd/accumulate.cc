// AccumulateGrad: where gradients end, in a leaf's .grad.
#include "autograd/internal.h"
#include "flambeau/ops.h"
#include "flambeau/trace.h"

namespace flambeau::autograd {

AccumulateGrad::AccumulateGrad(TensorImpl* leaf) : Node(1), leaf_(leaf) {
  sequence = UINT64_MAX;  // leaves first: their buffers are given back early
  outputMeta.push_back(TensorNote(leaf->sizes, leaf->dtype));
}

void AccumulateGrad::forget() {
  std::lock_guard lock(mutex_);
  leaf_ = nullptr;
}

namespace {

/// True when nothing else can see this gradient's memory, so that the leaf may simply take it.
bool mayTake(const Tensor& g, const TensorImpl& leaf) {
  const Storage* s = g.impl()->storage.get();
  if (g.impl()->useCount() != 1 || s->useCount() != 1 + trace::storageHolds(s)) return false;
  return leaf.contiguous ? g.isContiguous() : g.impl()->strides == leaf.strides;
}

}  // namespace

TensorList AccumulateGrad::apply(TensorList grads) {
  Tensor g = std::move(grads[0]);
  if (!g.defined()) return {};
  std::lock_guard lock(mutex_);
  if (!leaf_) return {};  // nobody can read its .grad any more
  Meta& m = *leaf_->meta;
  if (trace::active()) trace::gradRead(Tensor(Ref<TensorImpl>(leaf_)));
  const bool differentiable = gradEnabled();
  if (!m.grad.defined()) {
    if (differentiable) {
      m.grad = ops::clone(g);
    } else if (mayTake(g, *leaf_)) {
      if (g.impl()->meta) g = aliasTensor(g, g.impl()->sizes, g.impl()->strides, g.impl()->offset);
      m.grad = std::move(g);
    } else {
      m.grad = ops::clone(g);
    }
  } else if (differentiable) {
    m.grad = ops::add(m.grad, g, Scalar(1));
  } else {
    ops::add_(m.grad, g, Scalar(1));
  }
  return {};
}

}  // namespace flambeau::autograd
