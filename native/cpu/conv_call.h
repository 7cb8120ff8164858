// From the arguments of the convolution ops to a ConvSpec: shared by the ops and by the prepared steps of graph
// programs.
#pragma once
#include "cpu/conv.h"
#include "flambeau/small_vector.h"

namespace flambeau::cpu {

struct ConvGeometry {
  IntSpan stride, padding, dilation;
  bool transposed = false;
  IntSpan outputPadding;
  int64_t groups = 1;
};

struct ConvCall {
  ConvSpec spec;
  bool swap = false;  // the plan takes the op's two operands in reverse
  Dims result;
};

/// All of PyTorch's shape checks; tensors have a batch dimension. A transposed convolution runs as the gradient of an
/// ordinary one.
ConvCall convolutionCall(IntSpan input, IntSpan weight, const ConvGeometry& g, DType dtype);
ConvCall convolutionInputCall(IntSpan gradOutput, IntSpan weight, IntSpan inputSize, const ConvGeometry& g,
                              DType dtype);
ConvCall convolutionWeightCall(IntSpan gradOutput, IntSpan input, IntSpan weightSize, const ConvGeometry& g,
                               DType dtype);

}  // namespace flambeau::cpu
