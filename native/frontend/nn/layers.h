// What layers make their weights with.
#pragma once
#include "flambeau/ops.h"
#include "flambeau/tensor.h"

namespace flambeau::nn {

/// Memory of a parameter, not yet filled.
inline Tensor parameter(IntSpan sizes) { return emptyTensor(sizes, defaultDType()); }
/// What Linear and the convolutions start from: He's bound with a = sqrt(5) for the weight, 1 / sqrt(fan in) for the
/// bias.
void resetWeights(const Tensor& weight, const Tensor& bias);

}  // namespace flambeau::nn
