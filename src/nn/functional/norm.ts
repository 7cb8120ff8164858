// Normalisation with running statistics, in the order of PyTorch's nn.functional. The others are generated.
import type { Tensor } from '../../tensor/tensor.js';
import { ValueError } from '../../tensor/errors.js';
import { checkTensor } from '../../tensor/args.js';
import * as ops from '../../../generated/ts/functions.js';
import { merge, type Rest } from '../args.js';

export interface BatchNormOptions {
  weight?: Tensor | null;
  bias?: Tensor | null;
  training?: boolean;
  momentum?: number;
  eps?: number;
}
type BatchNormRest = Rest<
  [weight: Tensor | null, bias: Tensor | null, training: boolean, momentum: number, eps: number],
  BatchNormOptions
>;
/** Normalises each channel of [N, C, ...]; while training by the batch, updating the running statistics in place. */
export function batchNorm(
  input: Tensor,
  runningMean: Tensor | null,
  runningVar: Tensor | null,
  ...rest: BatchNormRest
): Tensor {
  checkTensor('batchNorm', input);
  const o = merge<BatchNormOptions>('batchNorm', rest, ['weight', 'bias', 'training', 'momentum', 'eps'], {
    weight: null,
    bias: null,
    training: false,
    momentum: 0.1,
    eps: 1e-5,
  });
  if (o.training && input.numel() / Math.max(1, input.shape[1] ?? 1) === 1)
    throw new ValueError(
      `Expected more than 1 value per channel when training, got input size torch.Size([${input.shape.join(', ')}])`,
    );
  return ops.batchNorm(input, o.weight, o.bias, runningMean, runningVar, o.training, o.momentum, o.eps);
}

export interface InstanceNormOptions {
  runningMean?: Tensor | null;
  runningVar?: Tensor | null;
  weight?: Tensor | null;
  bias?: Tensor | null;
  /** Each sample's own statistics (which also update the running ones) instead of the running ones. */
  useInputStats?: boolean;
  momentum?: number;
  eps?: number;
}
const INSTANCE_NORM = [
  'runningMean',
  'runningVar',
  'weight',
  'bias',
  'useInputStats',
  'momentum',
  'eps',
] as const satisfies readonly (keyof InstanceNormOptions)[];
/** Normalises each channel of each sample of [N, C, ...] over space. Source: https://arxiv.org/abs/1607.08022 */
export function instanceNorm(
  input: Tensor,
  ...rest: Rest<
    [
      runningMean: Tensor | null,
      runningVar: Tensor | null,
      weight: Tensor | null,
      bias: Tensor | null,
      useInputStats: boolean,
      momentum: number,
      eps: number,
    ],
    InstanceNormOptions
  >
): Tensor {
  checkTensor('instanceNorm', input);
  const o = merge<InstanceNormOptions>('instanceNorm', rest, INSTANCE_NORM, {
    runningMean: null,
    runningVar: null,
    weight: null,
    bias: null,
    useInputStats: true,
    momentum: 0.1,
    eps: 1e-5,
  });
  if (o.useInputStats && input.shape.slice(2).reduce((a, b) => a * b, 1) === 1)
    throw new ValueError(
      `Expected more than 1 spatial element when training, got input size torch.Size([${input.shape.join(', ')}])`,
    );
  return ops.instanceNorm(input, o.weight, o.bias, o.runningMean, o.runningVar, o.useInputStats, o.momentum, o.eps);
}
