// Optimizer steps over parameter lists: one call per step. See codegen/ops/optim.ts for the update rules.
#pragma once
#include "flambeau/tensor.h"

namespace flambeau::optim {

void sgdStep(TensorSpan params, TensorSpan grads, TensorSpan bufs, Scalar lr, Scalar momentum, Scalar dampening,
             Scalar weightDecay, bool nesterov, bool maximize);
void adamStep(TensorSpan params, TensorSpan grads, TensorSpan expAvgs, TensorSpan expAvgSqs, TensorSpan steps,
              Scalar lr, Scalar beta1, Scalar beta2, Scalar eps, Scalar weightDecay, bool decoupled, bool maximize);
void rmspropStep(TensorSpan params, TensorSpan grads, TensorSpan squareAvgs, Scalar lr, Scalar alpha, Scalar eps,
                 Scalar weightDecay, bool maximize);

}  // namespace flambeau::optim
