// Dropout.
import type { Tensor } from '../../tensor/tensor.js';
import { ValueError } from '../../tensor/errors.js';
import * as ops from '../../../generated/ts/functions.js';
import { merge, type Rest } from '../args.js';

export interface DropoutOptions {
  p?: number;
  training?: boolean;
}
/** Zeroes elements with probability p and scales the others by 1 / (1 - p), while training. */
export function dropout(input: Tensor, ...rest: Rest<[p: number, training: boolean], DropoutOptions>): Tensor {
  const o = merge<DropoutOptions>('dropout', rest, ['p', 'training'], { p: 0.5, training: true });
  if (!(o.p >= 0 && o.p <= 1)) throw new ValueError(`dropout probability has to be between 0 and 1, but got ${o.p}`);
  return ops.dropout(input, o.p, o.training);
}
