// Batch normalisation folded into the layer before it, for evaluation.
import { zerosLike } from '../../../generated/ts/functions.js';
import { noGrad } from '../../autograd/modes.js';
import { ValueError } from '../../tensor/errors.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { BatchNorm1d, BatchNorm2d, BatchNorm3d } from '../batch_norm.js';
import type { Linear } from '../linear.js';
import type { Module } from '../module.js';
import { Parameter } from '../parameter.js';

type BatchNorm = BatchNorm1d | BatchNorm2d | BatchNorm3d;
type ConvLike = Module & { weight: Parameter; bias: Parameter | null };

/** Weight and bias of a convolution followed by a batch normalisation. `transpose`: output channels are dimension 1. */
export function fuseConvBnWeights(
  convWeight: Tensor,
  convBias: Tensor | null,
  runningMean: Tensor,
  runningVar: Tensor,
  eps: number,
  bnWeight: Tensor | null,
  bnBias: Tensor | null,
  transpose = false,
): [Parameter, Parameter] {
  return noGrad(() => {
    const scale = runningVar
      .add(eps)
      .rsqrt()
      .mul(bnWeight ?? 1);
    const shape = convWeight.shape.map((_, i) => (i === (transpose ? 1 : 0) ? -1 : 1));
    const shifted = (convBias ?? zerosLike(runningMean)).sub(runningMean).mul(scale);
    return [
      new Parameter(convWeight.mul(scale.reshape(shape)).to(convWeight.dtype), convWeight.requiresGrad),
      new Parameter(bnBias === null ? shifted : shifted.add(bnBias), convBias?.requiresGrad ?? true),
    ];
  });
}

function fuse<M extends ConvLike>(layer: M, bn: BatchNorm, transpose: boolean): M {
  if (layer.training || bn.training) throw new ValueError('Fusion only for eval!');
  if (bn.running_mean === null || bn.running_var === null)
    throw new ValueError('Only support fusion with batch normalization with running statistics');
  const fused = layer.clone();
  [fused.weight, fused.bias] = fuseConvBnWeights(
    fused.weight,
    fused.bias,
    bn.running_mean,
    bn.running_var,
    bn.eps,
    bn.weight,
    bn.bias,
    transpose,
  );
  return fused;
}
/** A convolution that does what `conv` and then `bn` do; both in eval mode. */
export const fuseConvBnEval = <M extends ConvLike>(conv: M, bn: BatchNorm, transpose = false): M =>
  fuse(conv, bn, transpose);
/** A linear layer that does what `linear` and then `bn` do; both in eval mode. */
export const fuseLinearBnEval = (linear: Linear, bn: BatchNorm): Linear => fuse(linear, bn, false);
