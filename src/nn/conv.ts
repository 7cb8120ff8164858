// Convolution and pooling layers.
import { empty } from '../tensor/create.js';
import { ValueError } from '../tensor/errors.js';
import type { DType } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';
import * as ops from '../../generated/ts/functions.js';
import { merge, ntuple, py, type Rest, type Size1, type Size2 } from './args.js';
import * as F from './functional.js';
import { calculateFanInAndFanOut, kaimingUniform_, uniform_ } from './init.js';
import { Module } from './module.js';
import { checkPaddingMode, padSpatial, samePads, type PaddingMode } from './padding.js';
import { Parameter } from './parameter.js';

export interface ConvOptions<S> {
  stride?: S;
  /** Zeros added on each side, 'valid' (none) or 'same' (the output keeps the size). */
  padding?: S | 'valid' | 'same';
  dilation?: S;
  groups?: number;
  bias?: boolean;
  /** What stands in the padding. */
  paddingMode?: PaddingMode;
  dtype?: DType | null;
}
const POSITIONAL = ['stride', 'padding', 'dilation', 'groups', 'bias', 'paddingMode'] as const;

/** What Conv1d and Conv2d share: sizes, weights, printing. */
abstract class ConvNd extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[] | 'valid' | 'same';
  readonly dilation: readonly number[];
  readonly groups: number;
  /** `padding` in numbers; not enumerable. */
  declare protected readonly pads: readonly number[];
  declare protected readonly padFirst: readonly (readonly [number, number])[] | null;
  readonly paddingMode: PaddingMode;
  weight: Parameter;
  bias: Parameter | null;

  constructor(
    what: string,
    n: number,
    inChannels: number,
    outChannels: number,
    kernel: number | readonly number[],
    rest: readonly unknown[],
  ) {
    super();
    type O = ConvOptions<number | readonly number[]>;
    const o = merge<O>(what, rest, POSITIONAL, {
      stride: 1,
      padding: 0,
      dilation: 1,
      groups: 1,
      bias: true,
      paddingMode: 'zeros',
      dtype: null,
    });
    if (!Number.isInteger(o.groups) || o.groups <= 0) throw new ValueError('groups must be a positive integer');
    if (inChannels % o.groups !== 0) throw new ValueError('in_channels must be divisible by groups');
    if (outChannels % o.groups !== 0) throw new ValueError('out_channels must be divisible by groups');
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = ntuple(kernel, n, 'kernelSize');
    this.stride = ntuple(o.stride, n, 'stride');
    this.padding = typeof o.padding === 'string' ? o.padding : ntuple(o.padding, n, 'padding');
    this.dilation = ntuple(o.dilation, n, 'dilation');
    this.groups = o.groups;
    const pads = F.resolvePadding(this.padding, this.kernelSize, this.stride, this.dilation);
    checkPaddingMode(o.paddingMode);
    this.paddingMode = o.paddingMode;
    // Equal zeros on both sides are the op's own business; everything else is added to the input first.
    const sides =
      this.padding === 'same' ? samePads(this.kernelSize, this.dilation) : pads.map((n): [number, number] => [n, n]);
    const first = o.paddingMode !== 'zeros' || sides.some(([before, after]) => before !== after);
    Object.defineProperty(this, 'pads', { value: first ? pads.map(() => 0) : pads });
    Object.defineProperty(this, 'padFirst', { value: first ? sides : null });
    this.weight = new Parameter(empty([outChannels, inChannels / o.groups, ...this.kernelSize], { dtype: o.dtype }));
    this.bias = o.bias ? new Parameter(empty([outChannels], { dtype: o.dtype })) : null;
    this.resetParameters();
  }
  resetParameters(): void {
    kaimingUniform_(this.weight, { a: Math.sqrt(5) });
    if (this.bias !== null) {
      const [fanIn] = calculateFanInAndFanOut(this.weight);
      if (fanIn !== 0) uniform_(this.bias, -1 / Math.sqrt(fanIn), 1 / Math.sqrt(fanIn));
    }
  }
  override extraRepr(): string {
    const parts = [
      `${this.inChannels}, ${this.outChannels}, kernel_size=${py(this.kernelSize)}, stride=${py(this.stride)}`,
    ];
    if (typeof this.padding === 'string' || this.padding.some((p) => p !== 0)) {
      parts.push(`padding=${typeof this.padding === 'string' ? this.padding : py(this.padding)}`);
    }
    if (this.dilation.some((d) => d !== 1)) parts.push(`dilation=${py(this.dilation)}`);
    if (this.groups !== 1) parts.push(`groups=${this.groups}`);
    if (this.bias === null) parts.push('bias=False');
    if (this.paddingMode !== 'zeros') parts.push(`padding_mode=${this.paddingMode}`);
    return parts.join(', ');
  }
}

type ConvRest<S> = Rest<
  [stride: S, padding: S | 'valid' | 'same', dilation: S, groups: number, bias: boolean, paddingMode: PaddingMode],
  ConvOptions<S>
>;

/** Convolution over [N, C, L] or [C, L]. */
export class Conv1d extends ConvNd {
  constructor(inChannels: number, outChannels: number, kernelSize: Size1, ...rest: ConvRest<Size1>) {
    super('Conv1d', 1, inChannels, outChannels, kernelSize, rest);
  }
  override forward(input: Tensor): Tensor {
    const x = this.padFirst === null ? input : padSpatial(input, this.padFirst, this.paddingMode);
    return ops.conv1d(x, this.weight, this.bias, this.stride, this.pads, this.dilation, this.groups);
  }
}
/** Convolution over [N, C, H, W] or [C, H, W]. */
export class Conv2d extends ConvNd {
  constructor(inChannels: number, outChannels: number, kernelSize: Size2, ...rest: ConvRest<Size2>) {
    super('Conv2d', 2, inChannels, outChannels, kernelSize, rest);
  }
  override forward(input: Tensor): Tensor {
    const x = this.padFirst === null ? input : padSpatial(input, this.padFirst, this.paddingMode);
    return ops.conv2d(x, this.weight, this.bias, this.stride, this.pads, this.dilation, this.groups);
  }
}

const size = (x: number | readonly number[]): string => (typeof x === 'number' ? String(x) : py(x));

/** Largest value of each window. */
export class MaxPool2d extends Module {
  readonly kernelSize: Size2;
  readonly stride: Size2;
  readonly padding: Size2;
  readonly dilation: Size2;
  readonly ceilMode: boolean;
  constructor(
    kernelSize: Size2,
    ...rest: Rest<[stride: Size2 | null, padding: Size2, dilation: Size2, ceilMode: boolean], F.MaxPool2dOptions>
  ) {
    super();
    const o = merge<F.MaxPool2dOptions>('MaxPool2d', rest, ['stride', 'padding', 'dilation', 'ceilMode'], {
      stride: null,
      padding: 0,
      dilation: 1,
      ceilMode: false,
    });
    this.kernelSize = kernelSize;
    this.stride = o.stride ?? kernelSize;
    this.padding = o.padding;
    this.dilation = o.dilation;
    this.ceilMode = o.ceilMode;
  }
  override forward(input: Tensor): Tensor {
    return F.maxPool2d(input, this.kernelSize, this.stride, this.padding, this.dilation, this.ceilMode);
  }
  override extraRepr(): string {
    return `kernel_size=${size(this.kernelSize)}, stride=${size(this.stride)}, padding=${size(this.padding)}, dilation=${size(this.dilation)}, ceil_mode=${py(this.ceilMode)}`;
  }
}
/** Mean of each window. */
export class AvgPool2d extends Module {
  readonly kernelSize: Size2;
  readonly stride: Size2;
  readonly padding: Size2;
  readonly ceilMode: boolean;
  readonly countIncludePad: boolean;
  readonly divisorOverride: number | null;
  constructor(
    kernelSize: Size2,
    ...rest: Rest<
      [
        stride: Size2 | null,
        padding: Size2,
        ceilMode: boolean,
        countIncludePad: boolean,
        divisorOverride: number | null,
      ],
      F.AvgPool2dOptions
    >
  ) {
    super();
    const o = merge<F.AvgPool2dOptions>(
      'AvgPool2d',
      rest,
      ['stride', 'padding', 'ceilMode', 'countIncludePad', 'divisorOverride'],
      { stride: null, padding: 0, ceilMode: false, countIncludePad: true, divisorOverride: null },
    );
    this.kernelSize = kernelSize;
    this.stride = o.stride ?? kernelSize;
    this.padding = o.padding;
    this.ceilMode = o.ceilMode;
    this.countIncludePad = o.countIncludePad;
    this.divisorOverride = o.divisorOverride;
  }
  override forward(input: Tensor): Tensor {
    return F.avgPool2d(
      input,
      this.kernelSize,
      this.stride,
      this.padding,
      this.ceilMode,
      this.countIncludePad,
      this.divisorOverride,
    );
  }
  override extraRepr(): string {
    return `kernel_size=${size(this.kernelSize)}, stride=${size(this.stride)}, padding=${size(this.padding)}`;
  }
}
/** Means over windows chosen by the output size. */
export class AdaptiveAvgPool2d extends Module {
  readonly outputSize: number | readonly [number | null, number | null];
  constructor(outputSize: number | readonly [number | null, number | null]) {
    super();
    this.outputSize = outputSize;
  }
  override forward(input: Tensor): Tensor {
    return F.adaptiveAvgPool2d(input, this.outputSize);
  }
  override extraRepr(): string {
    return `output_size=${typeof this.outputSize === 'number' ? this.outputSize : py(this.outputSize)}`;
  }
}
