// Pooling: the largest, mean or p-norm of windows, windows by output size, random windows, and the way back.
import type { Tensor } from '../tensor/tensor.js';
import { ValueError } from '../tensor/errors.js';
import { ntuple, py, pyFloat, settings, type Rest, type Size1, type Size2, type Size3 } from './args.js';
import * as F from './functional.js';
import { Module } from './module.js';

type AnySize = number | readonly number[];
const show = (x: AnySize | null): string => (typeof x === 'number' ? String(x) : py(x));

// ---- the largest of each window ----

export interface MaxPoolOptions<S> {
  /** Default: the kernel size. */
  stride?: S | null;
  padding?: S;
  dilation?: S;
  /** Also return where the largest elements are: flat positions in the input plane, int64. */
  returnIndices?: boolean;
  /** Round sizes up: windows may begin inside and end outside. */
  ceilMode?: boolean;
}
type MaxPoolRest<S> = Rest<
  [stride: S | null, padding: S, dilation: S, returnIndices: boolean, ceilMode: boolean],
  MaxPoolOptions<S>
>;
/** The result of pooling whose `returnIndices` is set is [output, indices]; its type here is that of the plain call. */
const withIndices = (result: readonly [Tensor, Tensor]): Tensor => result as unknown as Tensor;

abstract class MaxPoolNd extends Module {
  readonly stride: AnySize;
  readonly padding: AnySize;
  readonly dilation: AnySize;
  readonly returnIndices: boolean;
  readonly ceilMode: boolean;
  protected constructor(
    what: string,
    readonly kernelSize: AnySize,
    rest: readonly unknown[],
  ) {
    super();
    const o = settings<MaxPoolOptions<AnySize>>(what, rest, {
      stride: null,
      padding: 0,
      dilation: 1,
      returnIndices: false,
      ceilMode: false,
    });
    this.stride = o.stride ?? kernelSize;
    this.padding = o.padding;
    this.dilation = o.dilation;
    this.returnIndices = o.returnIndices;
    this.ceilMode = o.ceilMode;
  }
  override extraRepr(): string {
    return `kernel_size=${show(this.kernelSize)}, stride=${show(this.stride)}, padding=${show(this.padding)}, dilation=${show(this.dilation)}, ceil_mode=${py(this.ceilMode)}`;
  }
}
/** Largest value of each window of [N, C, L] or [C, L]. */
export class MaxPool1d extends MaxPoolNd {
  constructor(kernelSize: Size1, ...rest: MaxPoolRest<Size1>) {
    super('MaxPool1d', kernelSize, rest);
  }
  override forward(input: Tensor): Tensor {
    const o = { stride: this.stride, padding: this.padding, dilation: this.dilation, ceilMode: this.ceilMode };
    return this.returnIndices
      ? withIndices(F.maxPool1dWithIndices(input, this.kernelSize as Size1, o as MaxPoolOptions<Size1>))
      : F.maxPool1d(input, this.kernelSize as Size1, o as MaxPoolOptions<Size1>);
  }
}
/** Largest value of each window of [N, C, H, W] or [C, H, W]. */
export class MaxPool2d extends MaxPoolNd {
  constructor(kernelSize: Size2, ...rest: MaxPoolRest<Size2>) {
    super('MaxPool2d', kernelSize, rest);
  }
  override forward(input: Tensor): Tensor {
    const o = { stride: this.stride, padding: this.padding, dilation: this.dilation, ceilMode: this.ceilMode };
    return this.returnIndices
      ? withIndices(F.maxPool2dWithIndices(input, this.kernelSize as Size2, o as MaxPoolOptions<Size2>))
      : F.maxPool2d(input, this.kernelSize as Size2, o as MaxPoolOptions<Size2>);
  }
}
/** Largest value of each window of [N, C, D, H, W] or [C, D, H, W]. */
export class MaxPool3d extends MaxPoolNd {
  constructor(kernelSize: Size3, ...rest: MaxPoolRest<Size3>) {
    super('MaxPool3d', kernelSize, rest);
  }
  override forward(input: Tensor): Tensor {
    const o = { stride: this.stride, padding: this.padding, dilation: this.dilation, ceilMode: this.ceilMode };
    return this.returnIndices
      ? withIndices(F.maxPool3dWithIndices(input, this.kernelSize as Size3, o as MaxPoolOptions<Size3>))
      : F.maxPool3d(input, this.kernelSize as Size3, o as MaxPoolOptions<Size3>);
  }
}

/** Puts values back to where MaxPool found them, zeros elsewhere. */
abstract class MaxUnpoolNd extends Module {
  readonly kernelSize: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  protected constructor(what: string, n: number, kernelSize: AnySize, rest: readonly unknown[]) {
    super();
    const o = settings<{ stride?: AnySize | null; padding?: AnySize }>(what, rest, { stride: null, padding: 0 });
    this.kernelSize = ntuple(kernelSize, n, 'kernelSize');
    this.stride = ntuple(o.stride ?? kernelSize, n, 'stride');
    this.padding = ntuple(o.padding, n, 'padding');
  }
  override extraRepr(): string {
    return `kernel_size=${py(this.kernelSize)}, stride=${py(this.stride)}, padding=${py(this.padding)}`;
  }
}
type MaxUnpoolRest<S> = Rest<[stride: S | null, padding: S], { stride?: S | null; padding?: S }>;
/** The way back of MaxPool1d: the pooled values and their indices; `outputSize` chooses among the possible sizes. */
export class MaxUnpool1d extends MaxUnpoolNd {
  constructor(kernelSize: Size1, ...rest: MaxUnpoolRest<Size1>) {
    super('MaxUnpool1d', 1, kernelSize, rest);
  }
  override forward(
    input: Tensor,
    indices: Tensor,
    outputSize: readonly number[] | null | { outputSize?: readonly number[] | null } = null,
  ): Tensor {
    const size = sizeOf(outputSize);
    return F.maxUnpool1d(input, indices, this.kernelSize as Size1, this.stride as Size1, this.padding as Size1, size);
  }
}
/** The way back of MaxPool2d: the pooled values and their indices; `outputSize` chooses among the possible sizes. */
export class MaxUnpool2d extends MaxUnpoolNd {
  constructor(kernelSize: Size2, ...rest: MaxUnpoolRest<Size2>) {
    super('MaxUnpool2d', 2, kernelSize, rest);
  }
  override forward(
    input: Tensor,
    indices: Tensor,
    outputSize: readonly number[] | null | { outputSize?: readonly number[] | null } = null,
  ): Tensor {
    const size = sizeOf(outputSize);
    return F.maxUnpool2d(input, indices, this.kernelSize as Size2, this.stride as Size2, this.padding as Size2, size);
  }
}
/** The way back of MaxPool3d: the pooled values and their indices; `outputSize` chooses among the possible sizes. */
export class MaxUnpool3d extends MaxUnpoolNd {
  constructor(kernelSize: Size3, ...rest: MaxUnpoolRest<Size3>) {
    super('MaxUnpool3d', 3, kernelSize, rest);
  }
  override forward(
    input: Tensor,
    indices: Tensor,
    outputSize: readonly number[] | null | { outputSize?: readonly number[] | null } = null,
  ): Tensor {
    const size = sizeOf(outputSize);
    return F.maxUnpool3d(input, indices, this.kernelSize as Size3, this.stride as Size3, this.padding as Size3, size);
  }
}
const sizeOf = (x: readonly number[] | null | { outputSize?: readonly number[] | null }): readonly number[] | null =>
  x === null || Array.isArray(x)
    ? (x as readonly number[] | null)
    : ((x as { outputSize?: readonly number[] | null }).outputSize ?? null);

// ---- the mean of each window ----

export interface AvgPoolOptions<S> {
  stride?: S | null;
  padding?: S;
  ceilMode?: boolean;
  /** Zeros of the padding count in the mean. */
  countIncludePad?: boolean;
}
/** Mean of each window of [N, C, L] or [C, L]. */
export class AvgPool1d extends Module {
  readonly kernelSize: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly ceilMode: boolean;
  readonly countIncludePad: boolean;
  constructor(
    kernelSize: Size1,
    ...rest: Rest<
      [stride: Size1 | null, padding: Size1, ceilMode: boolean, countIncludePad: boolean],
      AvgPoolOptions<Size1>
    >
  ) {
    super();
    const o = settings<AvgPoolOptions<Size1>>('AvgPool1d', rest, {
      stride: null,
      padding: 0,
      ceilMode: false,
      countIncludePad: true,
    });
    this.kernelSize = ntuple(kernelSize, 1, 'kernelSize');
    this.stride = ntuple(o.stride ?? kernelSize, 1, 'stride');
    this.padding = ntuple(o.padding, 1, 'padding');
    this.ceilMode = o.ceilMode;
    this.countIncludePad = o.countIncludePad;
  }
  override forward(input: Tensor): Tensor {
    return F.avgPool1d(input, this.kernelSize, this.stride, this.padding, this.ceilMode, this.countIncludePad);
  }
  override extraRepr(): string {
    return `kernel_size=${py(this.kernelSize)}, stride=${py(this.stride)}, padding=${py(this.padding)}`;
  }
}

type AvgPoolWithDivisor<S> = AvgPoolOptions<S> & {
  /** Divide by this instead of by the number of elements. */
  divisorOverride?: number | null;
};
abstract class AvgPoolNd extends Module {
  readonly stride: AnySize;
  readonly padding: AnySize;
  readonly ceilMode: boolean;
  readonly countIncludePad: boolean;
  readonly divisorOverride: number | null;
  protected constructor(
    what: string,
    readonly kernelSize: AnySize,
    rest: readonly unknown[],
  ) {
    super();
    const o = settings<AvgPoolWithDivisor<AnySize>>(what, rest, {
      stride: null,
      padding: 0,
      ceilMode: false,
      countIncludePad: true,
      divisorOverride: null,
    });
    this.stride = o.stride ?? kernelSize;
    this.padding = o.padding;
    this.ceilMode = o.ceilMode;
    this.countIncludePad = o.countIncludePad;
    this.divisorOverride = o.divisorOverride;
  }
  override extraRepr(): string {
    return `kernel_size=${show(this.kernelSize)}, stride=${show(this.stride)}, padding=${show(this.padding)}`;
  }
}
type AvgPoolRest<S> = Rest<
  [stride: S | null, padding: S, ceilMode: boolean, countIncludePad: boolean, divisorOverride: number | null],
  AvgPoolWithDivisor<S>
>;
/** Mean of each window of [N, C, H, W] or [C, H, W]. */
export class AvgPool2d extends AvgPoolNd {
  constructor(kernelSize: Size2, ...rest: AvgPoolRest<Size2>) {
    super('AvgPool2d', kernelSize, rest);
  }
  override forward(input: Tensor): Tensor {
    const [kernel, stride, padding] = [this.kernelSize, this.stride, this.padding].map((s) =>
      ntuple(s, 2, 'size'),
    ) as unknown as Size2[];
    return F.avgPool2d(input, kernel!, stride!, padding!, this.ceilMode, this.countIncludePad, this.divisorOverride);
  }
}
/** Mean of each window of [N, C, D, H, W] or [C, D, H, W]. */
export class AvgPool3d extends AvgPoolNd {
  constructor(kernelSize: Size3, ...rest: AvgPoolRest<Size3>) {
    super('AvgPool3d', kernelSize, rest);
  }
  override forward(input: Tensor): Tensor {
    const [kernel, stride, padding] = [this.kernelSize, this.stride, this.padding].map((s) => ntuple(s, 3, 'size'));
    return F.avgPool3d(input, kernel!, stride!, padding!, this.ceilMode, this.countIncludePad, this.divisorOverride);
  }
}

// ---- windows by output size ----

type Target = number | readonly (number | null)[];
abstract class AdaptivePool extends Module {
  constructor(readonly outputSize: Target) {
    super();
  }
  override extraRepr(): string {
    return `output_size=${typeof this.outputSize === 'number' ? this.outputSize : py(this.outputSize)}`;
  }
}
abstract class AdaptiveMaxPool extends AdaptivePool {
  readonly returnIndices: boolean;
  constructor(outputSize: Target, ...rest: Rest<[returnIndices: boolean], { returnIndices?: boolean }>) {
    super(outputSize);
    this.returnIndices = settings<{ returnIndices?: boolean }>('AdaptiveMaxPool', rest, {
      returnIndices: false,
    }).returnIndices;
  }
}
/** Means over windows chosen so that the output of [N, C, L] or [C, L] has `outputSize` (null keeps a size). */
export class AdaptiveAvgPool1d extends AdaptivePool {
  override forward(input: Tensor): Tensor {
    return F.adaptiveAvgPool1d(input, this.outputSize as never);
  }
}
/** Means over windows chosen so that the output of [N, C, H, W] or [C, H, W] has `outputSize` (null keeps a size). */
export class AdaptiveAvgPool2d extends AdaptivePool {
  override forward(input: Tensor): Tensor {
    return F.adaptiveAvgPool2d(input, this.outputSize as never);
  }
}
/** Means over windows chosen so that the output of [N, C, D, H, W] or [C, D, H, W] has `outputSize` (null keeps a size). */
export class AdaptiveAvgPool3d extends AdaptivePool {
  override forward(input: Tensor): Tensor {
    return F.adaptiveAvgPool3d(input, this.outputSize as never);
  }
}
/** Largest values of windows chosen so that the output of [N, C, L] or [C, L] has `outputSize` (null keeps a size). */
export class AdaptiveMaxPool1d extends AdaptiveMaxPool {
  override forward(input: Tensor): Tensor {
    const o = { returnIndices: this.returnIndices };
    return F.adaptiveMaxPool1d(input, this.outputSize as never, o) as unknown as Tensor;
  }
}
/** Largest values of windows chosen so that the output of [N, C, H, W] or [C, H, W] has `outputSize` (null keeps a size). */
export class AdaptiveMaxPool2d extends AdaptiveMaxPool {
  override forward(input: Tensor): Tensor {
    const o = { returnIndices: this.returnIndices };
    return F.adaptiveMaxPool2d(input, this.outputSize as never, o) as unknown as Tensor;
  }
}
/** Largest values of windows chosen so that the output of [N, C, D, H, W] or [C, D, H, W] has `outputSize` (null keeps a size). */
export class AdaptiveMaxPool3d extends AdaptiveMaxPool {
  override forward(input: Tensor): Tensor {
    const o = { returnIndices: this.returnIndices };
    return F.adaptiveMaxPool3d(input, this.outputSize as never, o) as unknown as Tensor;
  }
}

// ---- the p-norm of each window ----

abstract class LPPoolNd extends Module {
  readonly stride: AnySize | null;
  readonly ceilMode: boolean;
  protected constructor(
    what: string,
    readonly normType: number,
    readonly kernelSize: AnySize,
    rest: readonly unknown[],
  ) {
    super();
    const o = settings<{ stride?: AnySize | null; ceilMode?: boolean }>(what, rest, { stride: null, ceilMode: false });
    this.stride = o.stride;
    this.ceilMode = o.ceilMode;
  }
  override extraRepr(): string {
    return `norm_type=${this.normType}, kernel_size=${show(this.kernelSize)}, stride=${show(this.stride)}, ceil_mode=${py(this.ceilMode)}`;
  }
}
type LPPoolRest<S> = Rest<[stride: S | null, ceilMode: boolean], { stride?: S | null; ceilMode?: boolean }>;
/** (sum of x^p)^(1/p) over each window of [N, C, L] or [C, L]. */
export class LPPool1d extends LPPoolNd {
  constructor(normType: number, kernelSize: Size1, ...rest: LPPoolRest<Size1>) {
    super('LPPool1d', normType, kernelSize, rest);
  }
  override forward(input: Tensor): Tensor {
    const stride = this.stride === null ? null : ntuple(this.stride, 1, 'stride');
    return F.lpPool1d(input, this.normType, ntuple(this.kernelSize, 1, 'kernelSize'), stride, this.ceilMode);
  }
}
/** (sum of x^p)^(1/p) over each window of [N, C, H, W] or [C, H, W]. */
export class LPPool2d extends LPPoolNd {
  constructor(normType: number, kernelSize: Size2, ...rest: LPPoolRest<Size2>) {
    super('LPPool2d', normType, kernelSize, rest);
  }
  override forward(input: Tensor): Tensor {
    const stride = this.stride === null ? null : ntuple(this.stride, 2, 'stride');
    return F.lpPool2d(input, this.normType, ntuple(this.kernelSize, 2, 'kernelSize'), stride, this.ceilMode);
  }
}

// ---- random windows ----

export interface FractionalMaxPoolOptions<S> {
  outputSize?: S | null;
  /** The output size as a part of the input's, between 0 and 1. */
  outputRatio?: S | null;
  returnIndices?: boolean;
  /** The random numbers in [0, 1) that place the windows, [N, C, dimensions]. */
  _randomSamples?: Tensor | null;
}
type FractionalRest<S> = Rest<
  [outputSize: S | null, outputRatio: S | null, returnIndices: boolean, _randomSamples: Tensor | null],
  FractionalMaxPoolOptions<S>
>;
abstract class FractionalMaxPoolNd extends Module {
  readonly kernelSize: readonly number[];
  readonly outputSize: readonly number[] | null;
  readonly outputRatio: readonly number[] | null;
  readonly returnIndices: boolean;
  declare _random_samples: Tensor | null;
  protected constructor(what: string, n: number, kernelSize: AnySize, rest: readonly unknown[]) {
    super();
    const o = settings<FractionalMaxPoolOptions<AnySize>>(what, rest, {
      outputSize: null,
      outputRatio: null,
      returnIndices: false,
      _randomSamples: null,
    });
    if (o.outputSize === null && o.outputRatio === null)
      throw new ValueError(`${what} requires specifying either an output size, or a pooling ratio`);
    if (o.outputSize !== null && o.outputRatio !== null)
      throw new ValueError('only one of output_size and output_ratio may be specified');
    this.kernelSize = ntuple(kernelSize, n, 'kernelSize');
    this.outputSize = o.outputSize === null ? null : ntuple(o.outputSize, n, 'outputSize');
    this.outputRatio = o.outputRatio === null ? null : ntuple(o.outputRatio, n, 'outputRatio');
    if (this.outputRatio?.some((r) => !(r > 0 && r < 1)) ?? false)
      throw new ValueError(`output_ratio must be between 0 and 1 (got ${this.outputRatio!.map(pyFloat).join(', ')})`);
    this.returnIndices = o.returnIndices;
    this.registerBuffer('_random_samples', o._randomSamples);
  }
  protected options(): { outputSize: never; outputRatio: never; returnIndices: boolean; randomSamples: Tensor | null } {
    return {
      outputSize: this.outputSize as never,
      outputRatio: this.outputRatio as never,
      returnIndices: this.returnIndices,
      randomSamples: this._random_samples,
    };
  }
}
/** Largest value of each of randomly placed windows of [N, C, H, W] or [C, H, W]. Source: https://arxiv.org/abs/1412.6071 */
export class FractionalMaxPool2d extends FractionalMaxPoolNd {
  constructor(kernelSize: Size2, ...rest: FractionalRest<Size2>) {
    super('FractionalMaxPool2d', 2, kernelSize, rest);
  }
  override forward(input: Tensor): Tensor {
    return F.fractionalMaxPool2d(input, this.kernelSize as never, this.options()) as unknown as Tensor;
  }
}
/** Largest value of each of randomly placed windows of [N, C, D, H, W] or [C, D, H, W]. Source: https://arxiv.org/abs/1412.6071 */
export class FractionalMaxPool3d extends FractionalMaxPoolNd {
  constructor(kernelSize: Size3, ...rest: FractionalRest<Size3>) {
    super('FractionalMaxPool3d', 3, kernelSize, rest);
  }
  override forward(input: Tensor): Tensor {
    return F.fractionalMaxPool3d(input, this.kernelSize as never, this.options()) as unknown as Tensor;
  }
}
