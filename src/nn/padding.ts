// Padding by index arithmetic: what convolutions need beyond equal zeros on both sides.
import { native } from '../native.js';
import { tensor, zeros } from '../tensor/create.js';
import { ShapeError, ValueError } from '../tensor/errors.js';
import { wrap, type Tensor } from '../tensor/handle.js';
import { cat } from '../../generated/ts/functions.js';

export type PaddingMode = 'zeros' | 'reflect' | 'replicate' | 'circular';
export const PADDING_MODES: readonly PaddingMode[] = ['zeros', 'reflect', 'replicate', 'circular'];

/** Which element of a row of `n` stands at position i of the padded row (i counts from the first own element). */
function source(mode: PaddingMode, i: number, n: number): number {
  if (mode === 'circular') return ((i % n) + n) % n;
  if (mode === 'replicate') return Math.min(n - 1, Math.max(0, i));
  return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i;
}

/** Pads the last dimensions: `pads` is [before, after] for each of them, first to last. Throws ShapeError where a row is too short. */
export function padSpatial(input: Tensor, pads: readonly (readonly [number, number])[], mode: PaddingMode): Tensor {
  let x = input;
  pads.forEach(([before, after], k) => {
    if (before === 0 && after === 0) return;
    const dim = input.ndim - pads.length + k;
    const n = x.shape[dim]!;
    if (mode === 'zeros') {
      const strip = (size: number): Tensor[] =>
        size === 0
          ? []
          : [
              zeros(
                x.shape.map((s, d) => (d === dim ? size : s)),
                { dtype: x.dtype },
              ),
            ];
      x = cat([...strip(before), x, ...strip(after)], dim);
      return;
    }
    const most = mode === 'reflect' ? n - 1 : mode === 'circular' ? n : Infinity;
    if (before > most || after > most || n === 0) {
      throw new ShapeError(
        `padding (${before}, ${after}) with mode '${mode}' does not fit a dimension of size ${n} (input of size [${input.shape.join(', ')}])`,
      );
    }
    const index = tensor(
      Array.from({ length: before + n + after }, (_, i) => source(mode, i - before, n)),
      { dtype: 'int64' },
    );
    x = wrap(native.ops.indexSelect(x._h, dim, index._h));
  });
  return x;
}

export function checkPaddingMode(mode: string): void {
  if (!(PADDING_MODES as readonly string[]).includes(mode)) {
    throw new ValueError(
      `padding_mode must be one of ${PADDING_MODES.map((m) => `'${m}'`).join(', ')}, but got padding_mode='${mode}'`,
    );
  }
}

/** [before, after] of padding: 'same'; the odd one out goes behind, as in PyTorch. */
export const samePads = (kernel: readonly number[], dilation: readonly number[]): [number, number][] =>
  kernel.map((k, i) => {
    const total = dilation[i]! * (k - 1);
    return [Math.floor(total / 2), total - Math.floor(total / 2)];
  });
