// Padding of convolutions beyond equal zeros on both sides: padding modes, and what 'same' adds.
import { native } from '../native.js';
import { ValueError } from '../tensor/errors.js';
import { wrap, type Tensor } from '../tensor/handle.js';

export type PaddingMode = 'zeros' | 'reflect' | 'replicate' | 'circular';
export const PADDING_MODES: readonly PaddingMode[] = ['zeros', 'reflect', 'replicate', 'circular'];

/** Pads the last dimensions: `pads` is [before, after] for each of them, first to last. */
export function padSpatial(input: Tensor, pads: readonly (readonly [number, number])[], mode: PaddingMode): Tensor {
  if (pads.every(([before, after]) => before === 0 && after === 0)) return input;
  const lastFirst = [...pads].reverse().flat();
  return wrap(native.ops.pad(input._h, lastFirst, mode === 'zeros' ? 'constant' : mode, null));
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
