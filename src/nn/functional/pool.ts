// Pooling: a number for all spatial sizes, the stride that defaults to the kernel.
import type { Tensor } from '../../tensor/tensor.js';
import { ValueError } from '../../tensor/errors.js';
import { checkTensor } from '../../tensor/args.js';
import * as ops from '../../../generated/ts/functions.js';
import { merge, ntuple, type Rest, type Size2 } from '../args.js';

const ZERO = [0, 0] as const;
const ONE = [1, 1] as const;

export interface MaxPool2dOptions {
  stride?: Size2 | null;
  padding?: Size2;
  dilation?: Size2;
  ceilMode?: boolean;
}
/** maxPool2d that also tells where: [out, indices], indices int64 into the flat plane. */
export function maxPool2dWithIndices(input: Tensor, kernelSize: Size2, o: MaxPool2dOptions = {}): [Tensor, Tensor] {
  const kernel = ntuple(kernelSize, 2, 'kernelSize');
  const stride = o.stride == null ? kernel : ntuple(o.stride, 2, 'stride');
  return ops.maxPool2dWithIndices(
    input,
    kernel,
    stride,
    ntuple(o.padding ?? 0, 2, 'padding'),
    ntuple(o.dilation ?? 1, 2, 'dilation'),
    o.ceilMode ?? false,
  );
}
/** Largest value of each window of [N, C, H, W] or [C, H, W]; the stride defaults to the kernel size. */
export function maxPool2d(
  input: Tensor,
  kernelSize: Size2,
  ...rest: Rest<[stride: Size2 | null, padding: Size2, dilation: Size2, ceilMode: boolean], MaxPool2dOptions>
): Tensor {
  const kernel = ntuple(kernelSize, 2, 'kernelSize');
  if (rest.length === 0) return ops.maxPool2d(input, kernel, kernel, ZERO, ONE, false);
  const o = merge<MaxPool2dOptions>('maxPool2d', rest, ['stride', 'padding', 'dilation', 'ceilMode'], {
    stride: null,
    padding: 0,
    dilation: 1,
    ceilMode: false,
  });
  const stride = o.stride === null ? kernel : ntuple(o.stride, 2, 'stride');
  return ops.maxPool2d(
    input,
    kernel,
    stride,
    ntuple(o.padding, 2, 'padding'),
    ntuple(o.dilation, 2, 'dilation'),
    o.ceilMode,
  );
}
export interface AvgPool2dOptions {
  stride?: Size2 | null;
  padding?: Size2;
  ceilMode?: boolean;
  countIncludePad?: boolean;
  divisorOverride?: number | null;
}
/** Mean of each window of [N, C, H, W] or [C, H, W]. */
export function avgPool2d(
  input: Tensor,
  kernelSize: Size2,
  ...rest: Rest<
    [stride: Size2 | null, padding: Size2, ceilMode: boolean, countIncludePad: boolean, divisorOverride: number | null],
    AvgPool2dOptions
  >
): Tensor {
  const o = merge<AvgPool2dOptions>(
    'avgPool2d',
    rest,
    ['stride', 'padding', 'ceilMode', 'countIncludePad', 'divisorOverride'],
    { stride: null, padding: 0, ceilMode: false, countIncludePad: true, divisorOverride: null },
  );
  const kernel = ntuple(kernelSize, 2, 'kernelSize');
  const stride = o.stride === null ? kernel : ntuple(o.stride, 2, 'stride');
  return ops.avgPool2d(
    input,
    kernel,
    stride,
    ntuple(o.padding, 2, 'padding'),
    o.ceilMode,
    o.countIncludePad,
    o.divisorOverride,
  );
}
/** Means over windows chosen so that the output has `outputSize` (null keeps a size). */
export function adaptiveAvgPool2d(input: Tensor, outputSize: number | readonly [number | null, number | null]): Tensor {
  checkTensor('adaptiveAvgPool2d', input);
  if (typeof outputSize !== 'number' && !Array.isArray(outputSize)) {
    throw new ValueError(`adaptiveAvgPool2d(): outputSize must be a number or two numbers, got ${String(outputSize)}`);
  }
  const wanted = typeof outputSize === 'number' ? [outputSize, outputSize] : outputSize;
  const spatial = input.shape.slice(-2);
  return ops.adaptiveAvgPool2d(
    input,
    wanted.map((s, i) => s ?? spatial[i]!),
  );
}
