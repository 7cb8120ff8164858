// Convolutions: a number for all spatial sizes, padding by name.
import type { Tensor } from '../../tensor/tensor.js';
import { ShapeError, ValueError } from '../../tensor/errors.js';
import { checkTensor } from '../../tensor/args.js';
import * as ops from '../../../generated/ts/functions.js';
import { padSpatial, samePads } from '../padding.js';
import { merge, ntuple, type Rest, type Size1, type Size2 } from '../args.js';

export interface Conv1dOptions {
  bias?: Tensor | null;
  stride?: Size1;
  padding?: Size1 | 'valid' | 'same';
  dilation?: Size1;
  groups?: number;
}
export interface Conv2dOptions {
  bias?: Tensor | null;
  stride?: Size2;
  padding?: Size2 | 'valid' | 'same';
  dilation?: Size2;
  groups?: number;
}
/** `padding` in numbers. For 'same' with an even kernel, what is common to both sides: `padFirst` adds the rest. */
export function resolvePadding(
  padding: number | readonly number[] | string,
  kernel: readonly number[],
  stride: readonly number[],
  dilation: readonly number[],
): number[] {
  if (padding === 'valid') return kernel.map(() => 0);
  if (padding === 'same') {
    if (stride.some((s) => s !== 1)) throw new ValueError("padding='same' is not supported for strided convolutions");
    return samePads(kernel, dilation).map(([before]) => before);
  }
  if (typeof padding === 'string')
    throw new ValueError(`Invalid padding string '${padding}', should be one of 'valid', 'same'`);
  return ntuple(padding, kernel.length, 'padding');
}

/** The one column of zeros that 'same' needs behind the input when the total padding is odd. */
export function padFirst(
  input: Tensor,
  padding: unknown,
  kernel: readonly number[],
  dilation: readonly number[],
): Tensor {
  if (padding !== 'same') return input;
  return padSpatial(
    input,
    samePads(kernel, dilation).map(([before, after]) => [0, after - before] as const),
    'zeros',
  );
}

/** Convolution over [N, C, H, W] (or [C, H, W]) with weight [out, C / groups, kH, kW]. Source: torch.nn.functional.conv2d. */
export function conv2d(
  input: Tensor,
  weight: Tensor,
  ...rest: Rest<
    [bias: Tensor | null, stride: Size2, padding: Size2 | 'valid' | 'same', dilation: Size2, groups: number],
    Conv2dOptions
  >
): Tensor {
  const o = merge<Conv2dOptions>('conv2d', rest, ['bias', 'stride', 'padding', 'dilation', 'groups'], {
    bias: null,
    stride: 1,
    padding: 0,
    dilation: 1,
    groups: 1,
  });
  const stride = ntuple(o.stride, 2, 'stride');
  const dilation = ntuple(o.dilation, 2, 'dilation');
  checkTensor('conv2d', weight);
  if (weight.ndim !== 4)
    throw new ShapeError(
      `Expected 4-dimensional weight for conv2d, but got weight of size: [${weight.shape.join(', ')}]`,
    );
  const padding = resolvePadding(o.padding, weight.shape.slice(2), stride, dilation);
  return ops.conv2d(
    padFirst(input, o.padding, weight.shape.slice(2), dilation),
    weight,
    o.bias,
    stride,
    padding,
    dilation,
    o.groups,
  );
}
/** Convolution over [N, C, L] (or [C, L]) with weight [out, C / groups, k]. */
export function conv1d(
  input: Tensor,
  weight: Tensor,
  ...rest: Rest<
    [bias: Tensor | null, stride: Size1, padding: Size1 | 'valid' | 'same', dilation: Size1, groups: number],
    Conv1dOptions
  >
): Tensor {
  const o = merge<Conv1dOptions>('conv1d', rest, ['bias', 'stride', 'padding', 'dilation', 'groups'], {
    bias: null,
    stride: 1,
    padding: 0,
    dilation: 1,
    groups: 1,
  });
  const stride = ntuple(o.stride, 1, 'stride');
  const dilation = ntuple(o.dilation, 1, 'dilation');
  checkTensor('conv1d', weight);
  if (weight.ndim !== 3)
    throw new ShapeError(
      `Expected 3-dimensional weight for conv1d, but got weight of size: [${weight.shape.join(', ')}]`,
    );
  const padding = resolvePadding(o.padding, weight.shape.slice(2), stride, dilation);
  return ops.conv1d(
    padFirst(input, o.padding, weight.shape.slice(2), dilation),
    weight,
    o.bias,
    stride,
    padding,
    dilation,
    o.groups,
  );
}
