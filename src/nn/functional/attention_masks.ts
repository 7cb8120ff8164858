// Masks of attention: bool (true: masked out) or numbers that are added to the scores.
import { cat } from '../../../generated/ts/functions.js';
import { zeros } from '../../tensor/create.js';
import { isFloatingDtype } from '../../tensor/dtype.js';
import { DTypeError } from '../../tensor/errors.js';
import type { Tensor } from '../../tensor/tensor.js';

export type Mask = Tensor | null;

/** Checks a mask's dtype; uint8 counts as bool, as in older programs. */
export function checkedMask(name: string, mask: Mask): Mask {
  if (mask === null || mask.dtype === 'bool' || isFloatingDtype(mask.dtype)) return mask;
  if (mask.dtype === 'uint8') return mask.bool();
  throw new DTypeError(`only bool and floating types of ${name} are supported, got ${mask.dtype}`);
}

/** The mask with one more source that everything sees. */
export function extend(mask: Mask): Mask {
  if (mask === null) return null;
  return cat([mask, zeros([...mask.shape.slice(0, -1), 1], { dtype: mask.dtype })], -1);
}

/** q k^T with the mask applied. */
export function maskedScores(mask: Mask, q: Tensor, k: Tensor): Tensor {
  const scores = q.bmm(k.transpose(1, 2));
  if (mask === null) return scores;
  return mask.dtype === 'bool' ? scores.maskedFill(mask, -Infinity) : scores.add(mask);
}
