// Functions of the root that change their first argument in place and have no op of that name: fb.fill_(x, 1) is x.fill_(1). The
// others are generated (generated/ts/functions.ts).
import * as ops from '../../generated/ts/functions.js';
import { checkTensor } from './args.js';
import { ValueError } from './errors.js';
import type { Tensor } from './tensor.js';

export function fill_(t: Tensor, value: number | boolean | bigint | Tensor): Tensor {
  checkTensor('fill_', t);
  return t.fill_(value as number);
}
export function zero_(t: Tensor): Tensor {
  checkTensor('zero_', t);
  return t.zero_();
}
/** Cuts t off from the graph that made it: see Tensor.detach_. */
export function detach_(t: Tensor): Tensor {
  checkTensor('detach_', t);
  return t.detach_();
}
/** Changes t's geometry over the same memory: see Tensor.asStrided_. */
export function asStrided_(t: Tensor, size: readonly number[], stride: readonly number[], storageOffset = 0): Tensor {
  checkTensor('asStrided_', t);
  return t.asStrided_(size, stride, storageOffset);
}

/** Scales the rows of `weight` that `indices` names down to a `normType` norm of at most `maxNorm`, outside the graph. */
export function embeddingRenorm_(weight: Tensor, indices: Tensor, maxNorm: number, normType: number): Tensor {
  checkTensor('embeddingRenorm_', weight);
  checkTensor('embeddingRenorm_', indices);
  ops.embeddingRenorm(weight.detach(), indices, maxNorm, normType);
  return weight;
}

const dropping =
  (name: string, drop: (t: Tensor, p: number, training: boolean) => Tensor) =>
  (t: Tensor, p: number, training: boolean): Tensor => {
    checkTensor(name, t);
    if (!(p >= 0 && p <= 1)) throw new ValueError(`dropout probability has to be between 0 and 1, but got ${p}`);
    const out = drop(t, p, training);
    return out === t || !training ? t : t.copy_(out);
  };
/** `nn.functional.dropout` written over t. */
export const dropout_ = dropping('dropout_', ops.dropout);
/** `nn.functional.alphaDropout` written over t. */
export const alphaDropout_ = dropping('alphaDropout_', ops.alphaDropout);
/** Zeroes whole feature maps t[n, c], in place. */
export const featureDropout_ = dropping('featureDropout_', ops.featureDropout);
/** `nn.functional.featureAlphaDropout` written over t. */
export const featureAlphaDropout_ = dropping('featureAlphaDropout_', ops.featureAlphaDropout);
