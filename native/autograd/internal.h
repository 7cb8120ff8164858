// Shared between the files of native/autograd only.
#pragma once
#include <mutex>

#include "flambeau/autograd.h"

namespace flambeau::autograd {

/// Shape of a tensor over its storage.
struct Geometry {
  Dims sizes, strides;
  int64_t offset = 0;
  static Geometry of(const Tensor& t) { return {t.impl()->sizes, t.impl()->strides, t.impl()->offset}; }
};

/// The sink of a leaf's gradient. Its tensor's Meta owns it; it points back without owning, and the mutex makes
/// accumulation safe against another thread that accumulates into, or drops, the same leaf.
class AccumulateGrad final : public Node {
 public:
  explicit AccumulateGrad(TensorImpl* leaf);
  TensorList apply(TensorList grads) override;
  std::string name() const override { return "AccumulateGrad"; }
  /// Called when the leaf dies.
  void forget();

 private:
  std::mutex mutex_;
  TensorImpl* leaf_;
};

Meta& metaOf(TensorImpl* impl);
void addOutputMeta(Node& node, const Tensor& out, uint32_t outputNr);
/// The gradFn that a view has after its base changed: AsStridedBackward0 on the base's present history.
Ref<Node> makeAsStridedNode(const Tensor& base, const Tensor& view);
/// 'torch.FloatTensor', as PyTorch's messages call a dtype.
const char* legacyTypeName(DType t);
/// Moves the retainGrad entry of a tensor from its old gradFn to its new one.
void moveRetained(Meta* meta, const Ref<Node>& from, const Ref<Node>& to, uint32_t outputNr);

}  // namespace flambeau::autograd
