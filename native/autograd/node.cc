// Life of nodes and of the autograd data of a tensor; saved tensors.
#include <algorithm>

#include "autograd/internal.h"
#include "autograd/pool.h"
#include "flambeau/trace.h"

namespace flambeau::autograd {

void* Node::operator new(size_t bytes) { return takeBlock(bytes); }
void Node::operator delete(void* p, size_t bytes) { giveBlock(p, bytes); }
void* Meta::operator new(size_t bytes) { return takeBlock(bytes); }
void Meta::operator delete(void* p, size_t bytes) { giveBlock(p, bytes); }

// A node that loses its last reference is queued; whoever queued first deletes all. Deleting one node drops its edges
// and saved tensors, which queue the next nodes, so the depth of recursion does not grow with the length of the graph.
void Node::destroy() {
  thread_local std::vector<Node*> queue;
  thread_local bool draining = false;
  queue.push_back(this);
  if (draining) return;
  draining = true;
  while (!queue.empty()) {
    Node* n = queue.back();
    queue.pop_back();
    delete n;
  }
  draining = false;
}

Meta& metaOf(TensorImpl* impl) {
  if (!impl->meta) impl->meta = new Meta();
  return *impl->meta;
}

void moveRetained(Meta* meta, const Ref<Node>& from, const Ref<Node>& to, uint32_t outputNr) {
  if (from && from->extras)
    std::erase_if(from->extras->retained, [&](const Node::Retained& r) { return r.meta == meta; });
  if (to) to->extra().retained.push_back({outputNr, meta});
}

void destroyMeta(Meta* meta) {
  if (!meta) return;
  if (auto a = Ref<Node>::adopt(meta->gradAccumulator.load())) static_cast<AccumulateGrad*>(a.get())->forget();
  if (meta->retainsGrad) moveRetained(meta, meta->gradFn, {}, 0);
  delete meta;
}

void addOutputMeta(Node& node, const Tensor& out, uint32_t outputNr) {
  if (node.outputMeta.size() <= outputNr) node.outputMeta.resize(std::max(outputNr + 1, node.numOutputs));
  node.outputMeta[outputNr] = TensorNote(out.sizes(), out.dtype());
}

const char* legacyTypeName(DType t) {
  constexpr const char* names[kNumDTypes] = {
      "torch.FloatTensor", "torch.DoubleTensor", "torch.HalfTensor", "torch.BFloat16Tensor", "torch.CharTensor",
      "torch.ShortTensor", "torch.IntTensor",    "torch.LongTensor", "torch.ByteTensor",     "torch.BoolTensor"};
  return names[static_cast<int>(t)];
}

SavedTensor::SavedTensor(const Tensor& t, bool isOutput) : isOutput_(isOutput) {
  if (!t.defined()) return;
  FB_CHECK(
      !t.impl()->inference, Autograd,
      "Inference tensors cannot be saved for backward. To work around you can make a clone to get a normal tensor and "
      "use it in autograd.");
  version_ = t.version();
  requiresGrad_ = t.requiresGrad();
  if (requiresGrad_ && !isOutput) {
    gradFn_ = t.gradFn();
    if (!gradFn_) {
      data_ = t;  // a leaf: no node can come to own its history, so holding it makes no cycle
      return;
    }
    outputNr_ = t.impl()->meta->outputNr;
  }
  data_ = aliasTensor(t, t.impl()->sizes, t.impl()->strides, t.impl()->offset);
  data_.impl()->traceId = t.impl()->traceId;  // the same alias to the recorder
  if (isOutput && t.impl()->meta) outputNr_ = t.impl()->meta->outputNr;
}

Tensor SavedTensor::unpack(const Ref<Node>& self, const char*) const {
  FB_CHECK(
      !released_, Autograd,
      "Trying to backward through the graph a second time (or directly access saved tensors after they have already "
      "been "
      "freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify "
      "retainGraph=true if you need to backward through the graph a second time or if you need to access saved tensors "
      "after calling backward.");
  if (!data_.defined()) return {};
  if (data_.version() != version_) {
    const Ref<Node>& fn = isOutput_ ? self : gradFn_;
    std::string of = fn ? detail::formatMessage(", which is output %u of %s,", outputNr_, fn->name().c_str()) : "";
    FB_CHECK(false, Autograd,
             "one of the variables needed for gradient computation has been modified by an inplace operation: [%s "
             "%s]%s is at "
             "version %u; expected version %u instead. %s",
             legacyTypeName(data_.dtype()), shapeString(data_.sizes()).c_str(), of.c_str(), data_.version(), version_,
             anomalyEnabled()
                 ? "Hint: the forward call named in this error shows the operation that failed to compute its "
                   "gradient. The variable in question was changed in there or anywhere later. Good luck!"
                 : "Hint: enable anomaly detection to find the operation that failed to compute its gradient, with "
                   "autograd.setDetectAnomaly(true).");
  }
  if (!requiresGrad_ && !isOutput_) return data_;
  if (!gradEnabled() || data_.impl()->meta)
    return data_;  // history only matters when backward is itself differentiated
  const Ref<Node>& fn = isOutput_ ? self : gradFn_;
  Tensor t = aliasTensor(data_, data_.impl()->sizes, data_.impl()->strides, data_.impl()->offset);
  t.impl()->traceId = data_.impl()->traceId;
  Meta& m = metaOf(t.impl());
  m.gradFn = fn;
  m.outputNr = outputNr_;
  return t;
}

void SavedTensor::reset() {
  data_ = {};
  gradFn_ = {};
  released_ = true;
}

}  // namespace flambeau::autograd
