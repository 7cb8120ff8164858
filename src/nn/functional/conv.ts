// Convolutions with padding by name: 'valid' and 'same'. The transposed ones are generated.
import type { Tensor } from '../../tensor/tensor.js';
import { ShapeError, ValueError } from '../../tensor/errors.js';
import { checkTensor } from '../../tensor/args.js';
import * as ops from '../../../generated/ts/functions.js';
import { padSpatial, samePads } from '../padding.js';
import { merge, ntuple, type Rest, type Size1, type Size2, type Size3 } from '../args.js';

type Size = number | readonly number[];

export interface ConvFunctionOptions<S> {
  bias?: Tensor | null;
  stride?: S;
  padding?: S | 'valid' | 'same';
  dilation?: S;
  groups?: number;
}
export type Conv1dOptions = ConvFunctionOptions<Size1>;
export type Conv2dOptions = ConvFunctionOptions<Size2>;
export type Conv3dOptions = ConvFunctionOptions<Size3>;
type ConvRest<S> = Rest<
  [bias: Tensor | null, stride: S, padding: S | 'valid' | 'same', dilation: S, groups: number],
  ConvFunctionOptions<S>
>;

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
  return spread(padding, kernel.length, 'padding');
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

/** One number, alone or in a list, stands for all dimensions. */
const spread = (x: Size, n: number, what: string): number[] =>
  ntuple(typeof x === 'object' && x.length === 1 ? x[0]! : x, n, what);

type ConvOp = (
  input: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  stride: Size,
  padding: Size,
  dilation: Size,
  groups: number,
) => Tensor;

function conv<S extends Size>(name: string, n: number, op: ConvOp) {
  return (input: Tensor, weight: Tensor, ...rest: ConvRest<S>): Tensor => {
    checkTensor(name, input);
    checkTensor(name, weight);
    const o = merge<ConvFunctionOptions<Size>>(name, rest, ['bias', 'stride', 'padding', 'dilation', 'groups'], {
      bias: null,
      stride: 1,
      padding: 0,
      dilation: 1,
      groups: 1,
    });
    if (weight.ndim !== n + 2)
      throw new ShapeError(
        `Expected ${n + 2}-dimensional weight for ${name}, but got weight of size: [${weight.shape.join(', ')}]`,
      );
    if (typeof o.padding !== 'string') return op(input, weight, o.bias, o.stride, o.padding, o.dilation, o.groups);
    const kernel = weight.shape.slice(2);
    const stride = spread(o.stride, n, 'stride');
    const dilation = spread(o.dilation, n, 'dilation');
    const padding = resolvePadding(o.padding, kernel, stride, dilation);
    return op(padFirst(input, o.padding, kernel, dilation), weight, o.bias, stride, padding, dilation, o.groups);
  };
}

/** Convolution over [N, C, L] (or [C, L]) with weight [out, C / groups, k]. Source: torch.nn.functional.conv1d. */
export const conv1d = conv<Size1>('conv1d', 1, ops.conv1d);
/** Convolution over [N, C, H, W] (or [C, H, W]) with weight [out, C / groups, kH, kW]. Source: torch.nn.functional.conv2d. */
export const conv2d = conv<Size2>('conv2d', 2, ops.conv2d);
/** Convolution over [N, C, D, H, W] (or [C, D, H, W]) with weight [out, C / groups, kD, kH, kW]. Source: torch.nn.functional.conv3d. */
export const conv3d = conv<Size3>('conv3d', 3, ops.conv3d);
