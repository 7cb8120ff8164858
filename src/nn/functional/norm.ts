// Normalisation.
import type { Tensor } from '../../tensor/tensor.js';
import { ValueError } from '../../tensor/errors.js';
import { checkTensor } from '../../tensor/args.js';
import * as ops from '../../../generated/ts/functions.js';

export function layerNorm(
  input: Tensor,
  normalizedShape: readonly number[],
  options: { weight?: Tensor | null; bias?: Tensor | null; eps?: number } = {},
): Tensor {
  return ops.layerNorm(input, normalizedShape, options.weight ?? null, options.bias ?? null, options.eps ?? 1e-5);
}
export interface BatchNormOptions {
  weight?: Tensor | null;
  bias?: Tensor | null;
  training?: boolean;
  momentum?: number;
  eps?: number;
}
/** Normalises each channel of [N, C, ...]; while training by the batch, updating the running statistics in place. */
export function batchNorm(
  input: Tensor,
  runningMean: Tensor | null,
  runningVar: Tensor | null,
  o: BatchNormOptions = {},
): Tensor {
  checkTensor('batchNorm', input);
  const training = o.training ?? false;
  if (training) {
    const perChannel = input.numel() / Math.max(1, input.shape[1] ?? 1);
    if (perChannel === 1) {
      throw new ValueError(
        `Expected more than 1 value per channel when training, got input size torch.Size([${input.shape.join(', ')}])`,
      );
    }
  }
  return ops.batchNorm(
    input,
    o.weight ?? null,
    o.bias ?? null,
    runningMean,
    runningVar,
    training,
    o.momentum ?? 0.1,
    o.eps ?? 1e-5,
  );
}
