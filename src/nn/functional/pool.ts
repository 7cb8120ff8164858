// Pooling whose arguments are spelled in more than one way: indices on demand, sizes that are kept, ratios. The plain forms
// (avgPool*, lpPool*) are generated.
import type { Tensor } from '../../tensor/tensor.js';
import { rand } from '../../tensor/create.js';
import { ValueError } from '../../tensor/errors.js';
import { checkTensor } from '../../tensor/args.js';
import * as ops from '../../../generated/ts/functions.js';
import { native } from '../../native.js';
import { wrap } from '../../tensor/handle.js';
import { merge, ntuple, type Rest, type Size1, type Size2, type Size3 } from '../args.js';

type Size = number | readonly number[];
type WithIndices = [Tensor, Tensor];

export interface MaxPoolOptions<S> {
  /** Step between windows; the kernel size where null. */
  stride?: S | null;
  padding?: S;
  dilation?: S;
  ceilMode?: boolean;
  /** Also tell where: the flat position in the plane, int64. */
  returnIndices?: boolean;
}
export type MaxPool2dOptions = Omit<MaxPoolOptions<Size2>, 'returnIndices'>;
export interface AvgPoolOptions<S> {
  /** Step between windows; the kernel size where null. */
  stride?: S | null;
  padding?: S;
  ceilMode?: boolean;
  countIncludePad?: boolean;
  /** What sums are divided by instead of the window's size (not for 1-d). */
  divisorOverride?: number | null;
}
export type AvgPool2dOptions = AvgPoolOptions<Size2>;
type MaxPoolRest<S> = Rest<
  [stride: S | null, padding: S, dilation: S, ceilMode: boolean, returnIndices: boolean],
  MaxPoolOptions<S>
>;
interface MaxPool<S> {
  (input: Tensor, kernelSize: S, options: MaxPoolOptions<S> & { returnIndices: true }): WithIndices;
  (input: Tensor, kernelSize: S, ...rest: MaxPoolRest<S>): Tensor;
}
interface MaxPoolWithIndices<S> {
  (input: Tensor, kernelSize: S, ...rest: MaxPoolRest<S>): WithIndices;
}

const MAX_POOL = ['stride', 'padding', 'dilation', 'ceilMode', 'returnIndices'] as const;
const MAX_POOL_DEFAULTS: Required<MaxPoolOptions<Size>> = {
  stride: null,
  padding: 0,
  dilation: 1,
  ceilMode: false,
  returnIndices: false,
};

type PoolOp<R> = (
  self: Tensor,
  kernelSize: Size,
  stride: Size | null,
  padding: Size,
  dilation: Size,
  ceilMode: boolean,
) => R;

function maxPool<S extends Size>(name: string, plain: PoolOp<Tensor>, both: PoolOp<WithIndices>): MaxPool<S> {
  const pool = (input: Tensor, kernelSize: Size, ...rest: readonly unknown[]): Tensor | WithIndices => {
    if (rest.length === 0) return plain(input, kernelSize, null, 0, 1, false);
    const o = merge(name, rest, MAX_POOL, MAX_POOL_DEFAULTS);
    const run: PoolOp<Tensor | WithIndices> = o.returnIndices ? both : plain;
    return run(input, kernelSize, o.stride, o.padding, o.dilation, o.ceilMode);
  };
  return pool as MaxPool<S>;
}
function maxPoolWithIndices<S extends Size>(name: string, both: PoolOp<WithIndices>): MaxPoolWithIndices<S> {
  return (input, kernelSize, ...rest) => {
    const o = merge(name, rest, MAX_POOL, MAX_POOL_DEFAULTS);
    return both(input, kernelSize, o.stride, o.padding, o.dilation, o.ceilMode);
  };
}

/** Largest value of each window of [N, C, L] or [C, L]. */
export const maxPool1d: MaxPool<Size1> = maxPool('maxPool1d', ops.maxPool1d, ops.maxPool1dWithIndices);
/** Largest value of each window of [N, C, H, W] or [C, H, W]. */
export const maxPool2d: MaxPool<Size2> = maxPool('maxPool2d', ops.maxPool2d, ops.maxPool2dWithIndices);
/** Largest value of each window of [N, C, D, H, W] or [C, D, H, W]. */
export const maxPool3d: MaxPool<Size3> = maxPool('maxPool3d', ops.maxPool3d, ops.maxPool3dWithIndices);
/** `maxPool1d` that also tells where: [out, indices]. */
export const maxPool1dWithIndices = maxPoolWithIndices<Size1>('maxPool1dWithIndices', ops.maxPool1dWithIndices);
/** `maxPool2d` that also tells where: [out, indices], indices int64 into the flat plane. */
export const maxPool2dWithIndices = maxPoolWithIndices<Size2>('maxPool2dWithIndices', ops.maxPool2dWithIndices);
/** `maxPool3d` that also tells where: [out, indices], indices int64 into the flat volume. */
export const maxPool3dWithIndices = maxPoolWithIndices<Size3>('maxPool3dWithIndices', ops.maxPool3dWithIndices);

// ---- adaptive ----

/** A number for all dimensions, or one per dimension; null keeps the input's. */
type Wanted = number | readonly (number | null)[] | null;

function wantedSize(name: string, input: Tensor, outputSize: Wanted, n: number): number[] {
  checkTensor(name, input);
  if (typeof outputSize !== 'number' && outputSize !== null && !Array.isArray(outputSize))
    throw new ValueError(`${name}(): outputSize must be a number or ${n} numbers, got ${String(outputSize)}`);
  const list: readonly (number | null)[] =
    typeof outputSize === 'number' || outputSize === null
      ? Array.from({ length: n }, () => outputSize)
      : outputSize.length === 1
        ? Array.from({ length: n }, () => outputSize[0]!)
        : outputSize;
  if (list.length !== n) throw new ValueError(`${name}(): outputSize must have ${n} numbers, got ${list.length}`);
  const spatial = input.shape.slice(-n);
  return list.map((s, i) => s ?? spatial[i] ?? 0);
}

/** Means over windows chosen so that the output has length `outputSize` (null keeps it). */
export const adaptiveAvgPool1d = (input: Tensor, outputSize: Wanted): Tensor =>
  ops.adaptiveAvgPool1d(input, wantedSize('adaptiveAvgPool1d', input, outputSize, 1));
/** Means over windows chosen so that the output has `outputSize` (null keeps a size). */
export const adaptiveAvgPool2d = (input: Tensor, outputSize: Wanted): Tensor =>
  ops.adaptiveAvgPool2d(input, wantedSize('adaptiveAvgPool2d', input, outputSize, 2));
/** Means over windows chosen so that the output has `outputSize` (null keeps a size). */
export const adaptiveAvgPool3d = (input: Tensor, outputSize: Wanted): Tensor =>
  ops.adaptiveAvgPool3d(input, wantedSize('adaptiveAvgPool3d', input, outputSize, 3));

interface AdaptiveMaxPool {
  (input: Tensor, outputSize: Wanted, returnIndices: true | { returnIndices: true }): WithIndices;
  (input: Tensor, outputSize: Wanted, returnIndices?: boolean | { returnIndices?: boolean }): Tensor;
}
function adaptiveMaxPool(
  name: string,
  n: number,
  op: (self: Tensor, outputSize: Size) => WithIndices,
): AdaptiveMaxPool {
  const pool = (input: Tensor, outputSize: Wanted, ...rest: readonly unknown[]): Tensor | WithIndices => {
    const o = merge<{ returnIndices?: boolean }>(name, rest, ['returnIndices'], { returnIndices: false });
    const both = op(input, wantedSize(name, input, outputSize, n));
    return o.returnIndices ? both : both[0];
  };
  return pool as AdaptiveMaxPool;
}
/** Largest values over windows chosen so that the output has length `outputSize` (null keeps it). */
export const adaptiveMaxPool1d = adaptiveMaxPool('adaptiveMaxPool1d', 1, ops.adaptiveMaxPool1d);
/** Largest values over windows chosen so that the output has `outputSize` (null keeps a size). */
export const adaptiveMaxPool2d = adaptiveMaxPool('adaptiveMaxPool2d', 2, ops.adaptiveMaxPool2d);
/** Largest values over windows chosen so that the output has `outputSize` (null keeps a size). */
export const adaptiveMaxPool3d = adaptiveMaxPool('adaptiveMaxPool3d', 3, ops.adaptiveMaxPool3d);

// ---- fractional ----

export interface FractionalPoolOptions<S> {
  /** Size of the output; or: */
  outputSize?: S | null;
  /** its share of the input's size, in (0, 1). */
  outputRatio?: S | null;
  returnIndices?: boolean;
  /** Where the windows start, [N, C, dimensions] of [0, 1); drawn when left out. */
  randomSamples?: Tensor | null;
}
interface FractionalPool<S> {
  (input: Tensor, kernelSize: S, options: FractionalPoolOptions<S> & { returnIndices: true }): WithIndices;
  (
    input: Tensor,
    kernelSize: S,
    ...rest: Rest<[outputSize: S | null, outputRatio: S | null, returnIndices: boolean], FractionalPoolOptions<S>>
  ): Tensor;
}
function fractionalPool<S extends Size>(name: string, n: number): FractionalPool<S> {
  const pool = (input: Tensor, kernelSize: Size, ...rest: readonly unknown[]): Tensor | WithIndices => {
    checkTensor(name, input);
    const o = merge<FractionalPoolOptions<Size>>(
      name,
      rest,
      ['outputSize', 'outputRatio', 'returnIndices', 'randomSamples'],
      { outputSize: null, outputRatio: null, returnIndices: false, randomSamples: null },
    );
    if (o.outputSize === null && o.outputRatio === null)
      throw new ValueError(`${name} requires specifying either an output_size or an output_ratio`);
    const spatial = input.shape.slice(-n);
    const ratio = o.outputRatio === null ? null : ntuple(o.outputRatio, n, 'outputRatio');
    const size =
      o.outputSize === null ? spatial.map((s, i) => Math.trunc(s * ratio![i]!)) : ntuple(o.outputSize, n, 'outputSize');
    const [batch, channels] =
      input.ndim === n + 1 ? [1, input.shape[0] ?? 1] : [input.shape[0] ?? 1, input.shape[1] ?? 1];
    const samples = o.randomSamples ?? rand([batch, channels, n], { dtype: input.dtype });
    const [out, indices] = native.ops.fractionalMaxPoolNd(
      input._h,
      ntuple(kernelSize, n, 'kernelSize'),
      size,
      samples._h,
    );
    return o.returnIndices ? [wrap(out!), wrap(indices!)] : wrap(out!);
  };
  return pool as FractionalPool<S>;
}
/** Max pooling over windows of random places, for an output of a given size or ratio. Source: https://arxiv.org/abs/1412.6071 */
export const fractionalMaxPool2d = fractionalPool<Size2>('fractionalMaxPool2d', 2);
/** Max pooling over windows of random places, for an output of a given size or ratio. Source: https://arxiv.org/abs/1412.6071 */
export const fractionalMaxPool3d = fractionalPool<Size3>('fractionalMaxPool3d', 3);

// ---- unpooling ----

export interface MaxUnpoolOptions<S> {
  stride?: S | null;
  padding?: S;
  /** The size of what was pooled, spatial dimensions or all of them; the smallest possible one where null. */
  outputSize?: readonly number[] | null;
}
function maxUnpool<S extends Size>(name: string, n: number) {
  return (
    input: Tensor,
    indices: Tensor,
    kernelSize: S,
    ...rest: Rest<[stride: S | null, padding: S, outputSize: readonly number[] | null], MaxUnpoolOptions<S>>
  ): Tensor => {
    checkTensor(name, input);
    checkTensor(name, indices);
    const o = merge<MaxUnpoolOptions<Size>>(name, rest, ['stride', 'padding', 'outputSize'], {
      stride: null,
      padding: 0,
      outputSize: null,
    });
    const kernel = ntuple(kernelSize, n, 'kernelSize');
    const stride = o.stride === null ? kernel : ntuple(o.stride, n, 'stride');
    const padding = ntuple(o.padding, n, 'padding');
    const smallest = input.shape.slice(-n).map((s, i) => (s - 1) * stride[i]! + kernel[i]! - 2 * padding[i]!);
    let size = smallest;
    if (o.outputSize !== null) {
      size =
        o.outputSize.length === n + 2 || o.outputSize.length === n + 1 ? o.outputSize.slice(-n) : [...o.outputSize];
      if (size.length !== n)
        throw new ValueError(
          `output_size should be a sequence containing ${n} or ${n + 2} elements, but it has a length of '${o.outputSize.length}'`,
        );
      size.forEach((s, i) => {
        const [low, high] = [smallest[i]! - stride[i]!, smallest[i]! + stride[i]!];
        if (!(low < s && s < high))
          throw new ValueError(
            `invalid output_size "[${size.join(', ')}]" (dim ${i} must be between ${low} and ${high})`,
          );
      });
    }
    return wrap(native.ops.maxUnpool(input._h, indices._h, size));
  };
}
/** Undoes `maxPool1d` with its indices: zeros everywhere else. */
export const maxUnpool1d = maxUnpool<Size1>('maxUnpool1d', 1);
/** Undoes `maxPool2d` with its indices: zeros everywhere else. */
export const maxUnpool2d = maxUnpool<Size2>('maxUnpool2d', 2);
/** Undoes `maxPool3d` with its indices: zeros everywhere else. */
export const maxUnpool3d = maxUnpool<Size3>('maxUnpool3d', 3);
