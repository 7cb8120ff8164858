// Look-ups by index: embedding, one-hot vectors.
import type { Tensor } from '../../tensor/tensor.js';
import { arange } from '../../tensor/create.js';
import { ValueError } from '../../tensor/errors.js';
import { checkTensor } from '../../tensor/args.js';
import * as ops from '../../../generated/ts/functions.js';

/** Rows of `weight` [num, dim] chosen by integer `input`: shape [...input.shape, dim]. */
export function embedding(input: Tensor, weight: Tensor, options: { paddingIdx?: number | null } = {}): Tensor {
  checkTensor('embedding', weight);
  const n = weight.shape[0]!;
  const p = options.paddingIdx ?? null;
  if (p !== null && (p < -n || p >= n)) throw new ValueError('Padding_idx must be within num_embeddings');
  return ops.embedding(weight, input, p === null ? -1 : p < 0 ? p + n : p);
}
/** 0/1 vectors of length `numClasses` (-1: the largest index + 1), int64. */
export function oneHot(t: Tensor, numClasses = -1): Tensor {
  if (t.dtype !== 'int64') throw new ValueError(`one_hot is only applicable to index tensor, got ${t.dtype}.`);
  const n = numClasses >= 0 ? numClasses : t.max().item() + 1;
  return t.unsqueeze(-1).eq(arange(n)).long();
}
