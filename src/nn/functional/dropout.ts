// Dropout: of elements and of whole feature maps.
import type { Tensor } from '../../tensor/tensor.js';
import { ShapeError, ValueError } from '../../tensor/errors.js';
import { checkTensor } from '../../tensor/args.js';
import * as ops from '../../../generated/ts/functions.js';
import { merge, type Rest } from '../args.js';

export interface DropoutOptions {
  p?: number;
  training?: boolean;
  /** Write the result over the input, which is returned. */
  inplace?: boolean;
}
type DropoutRest = Rest<[p: number, training: boolean, inplace: boolean], DropoutOptions>;
type Dropout = (input: Tensor, ...rest: DropoutRest) => Tensor;

function dropping(
  name: string,
  training: boolean,
  drop: (input: Tensor, p: number, training: boolean) => Tensor,
): Dropout {
  return (input, ...rest) => {
    checkTensor(name, input);
    const o = merge<DropoutOptions>(name, rest, ['p', 'training', 'inplace'], { p: 0.5, training, inplace: false });
    if (!(o.p >= 0 && o.p <= 1)) throw new ValueError(`dropout probability has to be between 0 and 1, but got ${o.p}`);
    const out = drop(input, o.p, o.training);
    return o.inplace && out !== input ? input.copy_(out) : out;
  };
}
/** Whole channels of [N, C, ...]; an input of `unbatched` dimensions has no N. */
function droppingMaps(name: string, ranks: readonly number[], unbatched: number): Dropout {
  return dropping(name, true, (input, p, training) => {
    if (!ranks.includes(input.ndim))
      throw new ShapeError(
        `${name}: Expected ${ranks.join('D or ')}D input, but received a ${input.ndim}D input. Use dropout to drop single elements.`,
      );
    if (input.ndim !== unbatched) return ops.featureDropout(input, p, training);
    return ops.featureDropout(input.unsqueeze(0), p, training).squeeze(0);
  });
}

/** Zeroes elements with probability p and scales the others by 1 / (1 - p), while training. */
export const dropout: Dropout = dropping('dropout', true, ops.dropout);
/** Zeroes whole channels of [N, C, L] or [C, L]. */
export const dropout1d: Dropout = droppingMaps('dropout1d', [2, 3], 2);
/** Zeroes whole channels of [N, C, H, W]; as in PyTorch, [N, C, L] counts as batched, too. */
export const dropout2d: Dropout = droppingMaps('dropout2d', [3, 4], 0);
/** Zeroes whole channels of [N, C, D, H, W] or [C, D, H, W]. */
export const dropout3d: Dropout = droppingMaps('dropout3d', [4, 5], 4);
/** Sets elements to SELU's negative saturation, keeping mean and variance. Source: https://arxiv.org/abs/1706.02515 */
export const alphaDropout: Dropout = dropping('alphaDropout', false, ops.alphaDropout);
/** `alphaDropout` of whole channels of [N, C, ...]. */
export const featureAlphaDropout: Dropout = dropping('featureAlphaDropout', false, ops.featureAlphaDropout);
