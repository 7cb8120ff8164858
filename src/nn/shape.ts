// Layers that rearrange or resample: Flatten, Unflatten, Fold, Unfold, PixelShuffle, ChannelShuffle, Upsample.
import { IndexError, ShapeError, ValueError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { flatten } from '../../generated/ts/functions.js';
import { ntuple, py, pyFloat, settings, type Rest, type Size2 } from './args.js';
import * as F from './functional.js';
import { Module } from './module.js';

/** Joins the dimensions startDim ... endDim (1 and -1: all but the batch). */
export class Flatten extends Module {
  readonly startDim: number;
  readonly endDim: number;
  constructor(...rest: Rest<[startDim: number, endDim: number], { startDim?: number; endDim?: number }>) {
    super();
    const o = settings<{ startDim?: number; endDim?: number }>('Flatten', rest, { startDim: 1, endDim: -1 });
    this.startDim = o.startDim;
    this.endDim = o.endDim;
  }
  override forward(input: Tensor): Tensor {
    return flatten(input, this.startDim, this.endDim);
  }
  override extraRepr(): string {
    return `start_dim=${this.startDim}, end_dim=${this.endDim}`;
  }
}

/** Splits dimension `dim` into several; one size may be -1. */
export class Unflatten extends Module {
  readonly unflattenedSize: readonly number[];
  constructor(
    readonly dim: number,
    unflattenedSize: readonly number[],
  ) {
    super();
    if (
      !Array.isArray(unflattenedSize) ||
      unflattenedSize.length === 0 ||
      unflattenedSize.some((s) => !Number.isInteger(s))
    )
      throw new ValueError(`Unflatten(): unflattenedSize must be a list of integers, got ${String(unflattenedSize)}`);
    this.unflattenedSize = [...unflattenedSize];
  }
  override forward(input: Tensor): Tensor {
    const { shape, ndim } = input;
    const at = this.dim < 0 ? this.dim + ndim : this.dim;
    const size = shape[at];
    if (size === undefined) throw new IndexError(`Dimension out of range (got ${this.dim} for ${ndim} dimensions)`);
    const known = this.unflattenedSize.filter((s) => s !== -1).reduce((a, b) => a * b, 1);
    const sizes = this.unflattenedSize.map((s) => (s === -1 ? size / known : s));
    if (sizes.some((s) => !Number.isInteger(s)) || sizes.reduce((a, b) => a * b, 1) !== size) {
      throw new ShapeError(
        `unflatten: Provided sizes [${this.unflattenedSize.join(', ')}] don't multiply up to the size of dim ${at} (${size}) in the input tensor`,
      );
    }
    return input.reshape([...shape.slice(0, at), ...sizes, ...shape.slice(at + 1)]);
  }
  override extraRepr(): string {
    return `dim=${this.dim}, unflattened_size=${py(this.unflattenedSize)}`;
  }
}

interface WindowOptions {
  dilation?: Size2;
  padding?: Size2;
  stride?: Size2;
}
type WindowRest = Rest<[dilation: Size2, padding: Size2, stride: Size2], WindowOptions>;
const WINDOW: Required<WindowOptions> = { dilation: 1, padding: 0, stride: 1 };
const show = (x: Size2): string => (typeof x === 'number' ? String(x) : py(x));
abstract class Windows extends Module {
  readonly dilation: Size2;
  readonly padding: Size2;
  readonly stride: Size2;
  protected constructor(
    what: string,
    readonly kernelSize: Size2,
    rest: readonly unknown[],
  ) {
    super();
    const o = settings<WindowOptions>(what, rest, WINDOW);
    this.dilation = o.dilation;
    this.padding = o.padding;
    this.stride = o.stride;
  }
  protected pairs(): [number[], number[], number[], number[]] {
    return [
      ntuple(this.kernelSize, 2, 'kernelSize'),
      ntuple(this.dilation, 2, 'dilation'),
      ntuple(this.padding, 2, 'padding'),
      ntuple(this.stride, 2, 'stride'),
    ];
  }
  override extraRepr(): string {
    return `kernel_size=${show(this.kernelSize)}, dilation=${show(this.dilation)}, padding=${show(this.padding)}, stride=${show(this.stride)}`;
  }
}
/** The windows of [N, C, H, W] as columns: [N, C * kernel, windows]. */
export class Unfold extends Windows {
  constructor(kernelSize: Size2, ...rest: WindowRest) {
    super('Unfold', kernelSize, rest);
  }
  override forward(input: Tensor): Tensor {
    return F.unfold(input, ...this.pairs());
  }
}
/** Adds columns [N, C * kernel, windows] up to images [N, C, *outputSize]: the transpose of Unfold. */
export class Fold extends Windows {
  constructor(
    readonly outputSize: Size2,
    kernelSize: Size2,
    ...rest: WindowRest
  ) {
    super('Fold', kernelSize, rest);
  }
  override forward(input: Tensor): Tensor {
    return F.fold(input, ntuple(this.outputSize, 2, 'outputSize'), ...this.pairs());
  }
  override extraRepr(): string {
    return `output_size=${show(this.outputSize)}, ${super.extraRepr()}`;
  }
}

/** [*, C r^2, H, W] to [*, C, H r, W r]. Source: https://arxiv.org/abs/1609.05158 */
export class PixelShuffle extends Module {
  constructor(readonly upscaleFactor: number) {
    super();
  }
  override forward(input: Tensor): Tensor {
    return F.pixelShuffle(input, this.upscaleFactor);
  }
  override extraRepr(): string {
    return `upscale_factor=${this.upscaleFactor}`;
  }
}
/** The way back of PixelShuffle. */
export class PixelUnshuffle extends Module {
  constructor(readonly downscaleFactor: number) {
    super();
  }
  override forward(input: Tensor): Tensor {
    return F.pixelUnshuffle(input, this.downscaleFactor);
  }
  override extraRepr(): string {
    return `downscale_factor=${this.downscaleFactor}`;
  }
}
/** Mixes the channels of [N, C, ...] between groups. Source: https://arxiv.org/abs/1707.01083 */
export class ChannelShuffle extends Module {
  constructor(readonly groups: number) {
    super();
  }
  override forward(input: Tensor): Tensor {
    return F.channelShuffle(input, this.groups);
  }
  override extraRepr(): string {
    return `groups=${this.groups}`;
  }
}

export type UpsampleMode = 'nearest' | 'linear' | 'bilinear' | 'bicubic' | 'trilinear' | 'area' | 'nearest-exact';
export interface UpsampleOptions {
  size?: number | readonly number[] | null;
  scaleFactor?: number | readonly number[] | null;
  mode?: UpsampleMode;
  /** The corner pixels of input and output lie on each other. */
  alignCorners?: boolean | null;
  /** Use the factor between the rounded sizes instead of the given one. */
  recomputeScaleFactor?: boolean | null;
}
/** Resamples [N, C, ...] to a size or by a factor. */
export class Upsample extends Module {
  readonly size: number | readonly number[] | null;
  readonly scaleFactor: number | readonly number[] | null;
  readonly mode: UpsampleMode;
  readonly alignCorners: boolean | null;
  readonly recomputeScaleFactor: boolean | null;
  constructor(
    ...rest: Rest<
      [
        size: number | readonly number[] | null,
        scaleFactor: number | readonly number[] | null,
        mode: UpsampleMode,
        alignCorners: boolean | null,
        recomputeScaleFactor: boolean | null,
      ],
      UpsampleOptions
    >
  ) {
    super();
    const o = settings<UpsampleOptions>('Upsample', rest, {
      size: null,
      scaleFactor: null,
      mode: 'nearest',
      alignCorners: null,
      recomputeScaleFactor: null,
    });
    this.size = o.size;
    this.scaleFactor = o.scaleFactor;
    this.mode = o.mode;
    this.alignCorners = o.alignCorners;
    this.recomputeScaleFactor = o.recomputeScaleFactor;
  }
  override forward(input: Tensor): Tensor {
    return F.interpolate(input, {
      size: this.size,
      scaleFactor: this.scaleFactor,
      mode: this.mode,
      alignCorners: this.alignCorners,
      recomputeScaleFactor: this.recomputeScaleFactor,
    });
  }
  override extraRepr(): string {
    const factor = this.scaleFactor;
    const what =
      factor !== null
        ? `scale_factor=${typeof factor === 'number' ? pyFloat(factor) : `(${factor.map(pyFloat).join(', ')})`}`
        : `size=${py(this.size)}`;
    return `${what}, mode=${this.mode}`;
  }
}
type SizeOrFactor = Rest<
  [size: Size2 | null, scaleFactor: number | readonly [number, number] | null],
  { size?: Size2 | null; scaleFactor?: number | readonly [number, number] | null }
>;
const sizeOrFactor = (what: string, rest: readonly unknown[]): { size: Size2 | null; scaleFactor: Size2 | null } =>
  settings<{ size?: Size2 | null; scaleFactor?: Size2 | null }>(what, rest, { size: null, scaleFactor: null });
/** Upsample of images that repeats pixels. */
export class UpsamplingNearest2d extends Upsample {
  constructor(...rest: SizeOrFactor) {
    super({ ...sizeOrFactor('UpsamplingNearest2d', rest), mode: 'nearest' });
  }
}
/** Upsample of images by linear interpolation, corners on corners. */
export class UpsamplingBilinear2d extends Upsample {
  constructor(...rest: SizeOrFactor) {
    super({ ...sizeOrFactor('UpsamplingBilinear2d', rest), mode: 'bilinear', alignCorners: true });
  }
}
