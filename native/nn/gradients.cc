// What generated autograd nodes share.
#include "support.h"

namespace flambeau::support {

void fillMissing(const autograd::Node& node, TensorList& grads) {
  for (size_t i = 0; i < grads.size() && i < node.outputMeta.size(); ++i) {
    if (grads[i].defined() || !isFloating(node.outputMeta[i].dtype)) continue;
    grads[i] = ops::zeros(node.outputMeta[i].sizes(), node.outputMeta[i].dtype);
  }
}

}  // namespace flambeau::support
