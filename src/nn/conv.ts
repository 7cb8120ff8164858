// Convolutions and transposed convolutions over one, two and three dimensions.
import { empty } from '../tensor/create.js';
import { ShapeError, ValueError } from '../tensor/errors.js';
import type { DType } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';
import * as ops from '../../generated/ts/functions.js';
import { merge, ntuple, py, type Rest, type Size1, type Size2, type Size3 } from './args.js';
import * as F from './functional.js';
import { calculateFanInAndFanOut, kaimingUniform_, uniform_ } from './init.js';
import { makeLazy, setSize } from './lazy.js';
import { Module } from './module.js';
import { checkPaddingMode, padSpatial, samePads, type PaddingMode } from './padding.js';
import { Parameter, UninitializedParameter } from './parameter.js';

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
type AnySize = number | readonly number[];
const CONV: Required<ConvOptions<AnySize>> = {
  stride: 1,
  padding: 0,
  dilation: 1,
  groups: 1,
  bias: true,
  paddingMode: 'zeros',
  dtype: null,
};
const POSITIONAL = ['stride', 'padding', 'dilation', 'groups', 'bias', 'paddingMode'] as const;
type ConvRest<S> = Rest<
  [stride: S, padding: S | 'valid' | 'same', dilation: S, groups: number, bias: boolean, paddingMode: PaddingMode],
  ConvOptions<S>
>;

export interface ConvTransposeOptions<S> extends ConvOptions<S> {
  padding?: S;
  /** Rows and columns more on one side of the output: which of the sizes that give the input is meant. */
  outputPadding?: S;
}
const POSITIONAL_TRANSPOSED = [
  'stride',
  'padding',
  'outputPadding',
  'groups',
  'bias',
  'dilation',
  'paddingMode',
] as const;
type ConvTransposeRest<S> = Rest<
  [stride: S, padding: S, outputPadding: S, groups: number, bias: boolean, dilation: S, paddingMode: PaddingMode],
  ConvTransposeOptions<S>
>;

/** What all of them share: sizes, weights, printing. */
abstract class ConvNd extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[] | 'valid' | 'same';
  readonly dilation: readonly number[];
  readonly outputPadding: readonly number[];
  readonly groups: number;
  readonly paddingMode: PaddingMode;
  weight: Parameter;
  bias: Parameter | null;

  protected constructor(
    readonly transposed: boolean,
    n: number,
    inChannels: number,
    outChannels: number,
    kernel: AnySize,
    o: Required<ConvOptions<AnySize>> & { outputPadding: AnySize },
  ) {
    super();
    if (!Number.isInteger(o.groups) || o.groups <= 0) throw new ValueError('groups must be a positive integer');
    if (inChannels % o.groups !== 0) throw new ValueError('in_channels must be divisible by groups');
    if (outChannels % o.groups !== 0) throw new ValueError('out_channels must be divisible by groups');
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = ntuple(kernel, n, 'kernelSize');
    this.stride = ntuple(o.stride, n, 'stride');
    this.padding = typeof o.padding === 'string' ? o.padding : ntuple(o.padding, n, 'padding');
    this.dilation = ntuple(o.dilation, n, 'dilation');
    this.outputPadding = ntuple(o.outputPadding, n, 'outputPadding');
    this.groups = o.groups;
    checkPaddingMode(o.paddingMode);
    this.paddingMode = o.paddingMode;
    this.weight = new Parameter(empty(this.weightShape(), { dtype: o.dtype }));
    this.bias = o.bias ? new Parameter(empty([outChannels], { dtype: o.dtype })) : null;
    this.resetParameters();
  }
  private weightShape(): number[] {
    const { inChannels, outChannels, groups, kernelSize } = this;
    const [first, second] = this.transposed ? [inChannels, outChannels / groups] : [outChannels, inChannels / groups];
    return [first, second, ...kernelSize];
  }
  resetParameters(): void {
    kaimingUniform_(this.weight, { a: Math.sqrt(5) });
    if (this.bias !== null) {
      const [fanIn] = calculateFanInAndFanOut(this.weight);
      if (fanIn !== 0) uniform_(this.bias, -1 / Math.sqrt(fanIn), 1 / Math.sqrt(fanIn));
    }
  }
  /** Leaves the number of input channels to the first input; `bias` has to be false in the constructor. */
  protected static lazy<M extends ConvNd>(
    m: M,
    ordinary: { readonly prototype: M },
    o: { bias: boolean; dtype: DType | null },
  ): void {
    const lazy = (): UninitializedParameter => new UninitializedParameter({ dtype: o.dtype });
    makeLazy<M>(m, ordinary, { weight: lazy(), ...(o.bias ? { bias: lazy() } : {}) }, (self, input) => {
      const n = self.kernelSize.length;
      if (input.ndim !== n + 1 && input.ndim !== n + 2) {
        throw new ShapeError(
          `Expected ${n + 1}D (unbatched) or ${n + 2}D (batched) input to ${self.constructor.name}, but got input of size: [${input.shape.join(', ')}]`,
        );
      }
      setSize(self, 'inChannels', input.shape.at(-n - 1)!);
      if (self.inChannels % self.groups !== 0) throw new ValueError('in_channels must be divisible by groups');
      return { weight: self.weightShape(), bias: [self.outChannels] };
    });
  }
  override extraRepr(): string {
    const parts = [
      `${this.inChannels}, ${this.outChannels}, kernel_size=${py(this.kernelSize)}, stride=${py(this.stride)}`,
    ];
    if (typeof this.padding === 'string' || this.padding.some((p) => p !== 0)) {
      parts.push(`padding=${typeof this.padding === 'string' ? this.padding : py(this.padding)}`);
    }
    if (this.dilation.some((d) => d !== 1)) parts.push(`dilation=${py(this.dilation)}`);
    if (this.outputPadding.some((p) => p !== 0)) parts.push(`output_padding=${py(this.outputPadding)}`);
    if (this.groups !== 1) parts.push(`groups=${this.groups}`);
    if (this.bias === null) parts.push('bias=False');
    if (this.paddingMode !== 'zeros') parts.push(`padding_mode=${this.paddingMode}`);
    return parts.join(', ');
  }
}

type Convolve = (
  input: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  stride: readonly number[],
  padding: readonly number[],
  dilation: readonly number[],
  groups: number,
) => Tensor;

abstract class Convolution extends ConvNd {
  /** `padding` in numbers, as the op takes it; zero where `padFirst` does the padding. Not enumerable, like padFirst. */
  declare private readonly pads: readonly number[];
  declare private readonly padFirst: readonly (readonly [number, number])[] | null;

  protected constructor(
    what: string,
    n: number,
    inChannels: number,
    outChannels: number,
    kernel: AnySize,
    rest: readonly unknown[],
  ) {
    const o = merge<ConvOptions<AnySize>>(what, rest, POSITIONAL, CONV);
    super(false, n, inChannels, outChannels, kernel, { ...o, outputPadding: 0 });
    const pads = F.resolvePadding(this.padding, this.kernelSize, this.stride, this.dilation);
    // Equal zeros on both sides are the op's own business; everything else is added to the input first.
    const sides =
      this.padding === 'same' ? samePads(this.kernelSize, this.dilation) : pads.map((p): [number, number] => [p, p]);
    const first = this.paddingMode !== 'zeros' || sides.some(([before, after]) => before !== after);
    Object.defineProperty(this, 'pads', { value: first ? pads.map(() => 0) : pads });
    Object.defineProperty(this, 'padFirst', { value: first ? sides : null });
  }
  protected convolve(op: Convolve, input: Tensor): Tensor {
    const x = this.padFirst === null ? input : padSpatial(input, this.padFirst, this.paddingMode);
    return op(x, this.weight, this.bias, this.stride, this.pads, this.dilation, this.groups);
  }
}

/** Convolution over [N, C, L] or [C, L]. */
export class Conv1d extends Convolution {
  constructor(inChannels: number, outChannels: number, kernelSize: Size1, ...rest: ConvRest<Size1>) {
    super('Conv1d', 1, inChannels, outChannels, kernelSize, rest);
  }
  override forward(input: Tensor): Tensor {
    return this.convolve(ops.conv1d, input);
  }
}
/** Convolution over [N, C, H, W] or [C, H, W]. */
export class Conv2d extends Convolution {
  constructor(inChannels: number, outChannels: number, kernelSize: Size2, ...rest: ConvRest<Size2>) {
    super('Conv2d', 2, inChannels, outChannels, kernelSize, rest);
  }
  override forward(input: Tensor): Tensor {
    return this.convolve(ops.conv2d, input);
  }
}
/** Convolution over [N, C, D, H, W] or [C, D, H, W]. */
export class Conv3d extends Convolution {
  constructor(inChannels: number, outChannels: number, kernelSize: Size3, ...rest: ConvRest<Size3>) {
    super('Conv3d', 3, inChannels, outChannels, kernelSize, rest);
  }
  override forward(input: Tensor): Tensor {
    return this.convolve(ops.conv3d, input);
  }
}

type ConvolveTransposed = (
  input: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  stride: readonly number[],
  padding: readonly number[],
  outputPadding: readonly number[],
  groups: number,
  dilation: readonly number[],
) => Tensor;

abstract class ConvolutionTransposed extends ConvNd {
  protected constructor(
    what: string,
    n: number,
    inChannels: number,
    outChannels: number,
    kernel: AnySize,
    rest: readonly unknown[],
  ) {
    const o = merge<ConvTransposeOptions<AnySize>>(what, rest, POSITIONAL_TRANSPOSED, {
      ...(CONV as Required<ConvTransposeOptions<AnySize>>),
      outputPadding: 0,
    });
    if (o.paddingMode !== 'zeros') throw new ValueError(`Only "zeros" padding mode is supported for ${what}`);
    super(true, n, inChannels, outChannels, kernel, o);
  }
  protected convolve(op: ConvolveTransposed, input: Tensor, outputSize: readonly number[] | null): Tensor {
    const outputPadding = outputSize === null ? this.outputPadding : this.paddingFor(input, outputSize);
    const padding = this.padding as readonly number[];
    return op(input, this.weight, this.bias, this.stride, padding, outputPadding, this.groups, this.dilation);
  }
  /** The output padding that gives an output of this size. */
  private paddingFor(input: Tensor, outputSize: readonly number[]): number[] {
    const n = this.kernelSize.length;
    const before = input.ndim - n;
    const wanted = outputSize.length === input.ndim ? outputSize.slice(before) : outputSize;
    if (wanted.length !== n) {
      throw new ShapeError(
        `ConvTranspose${n}D: for ${input.ndim}D input, output_size must have ${n} or ${n + before} elements (got ${outputSize.length})`,
      );
    }
    const spatial = input.shape.slice(before);
    const least = spatial.map(
      (s, d) =>
        (s - 1) * this.stride[d]! -
        2 * (this.padding as readonly number[])[d]! +
        this.dilation[d]! * (this.kernelSize[d]! - 1) +
        1,
    );
    const most = least.map((s, d) => s + this.stride[d]! - 1);
    if (wanted.some((s, d) => s < least[d]! || s > most[d]!)) {
      throw new ShapeError(
        `requested an output size of [${wanted.join(', ')}], but valid sizes range from [${least.join(', ')}] to [${most.join(', ')}] (for an input of [${spatial.join(', ')}])`,
      );
    }
    return wanted.map((s, d) => s - least[d]!);
  }
}

/** Transposed convolution (the gradient of Conv1d) over [N, C, L] or [C, L]; `outputSize` chooses among the possible sizes. */
export class ConvTranspose1d extends ConvolutionTransposed {
  constructor(inChannels: number, outChannels: number, kernelSize: Size1, ...rest: ConvTransposeRest<Size1>) {
    super('ConvTranspose1d', 1, inChannels, outChannels, kernelSize, rest);
  }
  override forward(input: Tensor, outputSize: readonly number[] | null = null): Tensor {
    return this.convolve(ops.convTranspose1d, input, outputSize);
  }
}
/** Transposed convolution (the gradient of Conv2d) over [N, C, H, W] or [C, H, W]; `outputSize` chooses among the possible sizes. */
export class ConvTranspose2d extends ConvolutionTransposed {
  constructor(inChannels: number, outChannels: number, kernelSize: Size2, ...rest: ConvTransposeRest<Size2>) {
    super('ConvTranspose2d', 2, inChannels, outChannels, kernelSize, rest);
  }
  override forward(input: Tensor, outputSize: readonly number[] | null = null): Tensor {
    return this.convolve(ops.convTranspose2d, input, outputSize);
  }
}
/** Transposed convolution (the gradient of Conv3d) over [N, C, D, H, W] or [C, D, H, W]; `outputSize` chooses among the possible sizes. */
export class ConvTranspose3d extends ConvolutionTransposed {
  constructor(inChannels: number, outChannels: number, kernelSize: Size3, ...rest: ConvTransposeRest<Size3>) {
    super('ConvTranspose3d', 3, inChannels, outChannels, kernelSize, rest);
  }
  override forward(input: Tensor, outputSize: readonly number[] | null = null): Tensor {
    return this.convolve(ops.convTranspose3d, input, outputSize);
  }
}

/** Conv1d whose number of input channels comes from the first input. */
export class LazyConv1d extends Conv1d {
  constructor(outChannels: number, kernelSize: Size1, ...rest: ConvRest<Size1>) {
    const o = merge<ConvOptions<Size1>>('LazyConv1d', rest, POSITIONAL, CONV as Required<ConvOptions<Size1>>);
    super(0, outChannels, kernelSize, { ...o, bias: false });
    ConvNd.lazy<Conv1d>(this, Conv1d, o);
  }
}
/** Conv2d whose number of input channels comes from the first input. */
export class LazyConv2d extends Conv2d {
  constructor(outChannels: number, kernelSize: Size2, ...rest: ConvRest<Size2>) {
    const o = merge<ConvOptions<Size2>>('LazyConv2d', rest, POSITIONAL, CONV as Required<ConvOptions<Size2>>);
    super(0, outChannels, kernelSize, { ...o, bias: false });
    ConvNd.lazy<Conv2d>(this, Conv2d, o);
  }
}
/** Conv3d whose number of input channels comes from the first input. */
export class LazyConv3d extends Conv3d {
  constructor(outChannels: number, kernelSize: Size3, ...rest: ConvRest<Size3>) {
    const o = merge<ConvOptions<Size3>>('LazyConv3d', rest, POSITIONAL, CONV as Required<ConvOptions<Size3>>);
    super(0, outChannels, kernelSize, { ...o, bias: false });
    ConvNd.lazy<Conv3d>(this, Conv3d, o);
  }
}
/** ConvTranspose1d whose number of input channels comes from the first input. */
export class LazyConvTranspose1d extends ConvTranspose1d {
  constructor(outChannels: number, kernelSize: Size1, ...rest: ConvTransposeRest<Size1>) {
    const o = merge<ConvTransposeOptions<Size1>>('LazyConvTranspose1d', rest, POSITIONAL_TRANSPOSED, {
      ...(CONV as Required<ConvTransposeOptions<Size1>>),
      outputPadding: 0,
    });
    super(0, outChannels, kernelSize, { ...o, bias: false });
    ConvNd.lazy<ConvTranspose1d>(this, ConvTranspose1d, o);
  }
}
/** ConvTranspose2d whose number of input channels comes from the first input. */
export class LazyConvTranspose2d extends ConvTranspose2d {
  constructor(outChannels: number, kernelSize: Size2, ...rest: ConvTransposeRest<Size2>) {
    const o = merge<ConvTransposeOptions<Size2>>('LazyConvTranspose2d', rest, POSITIONAL_TRANSPOSED, {
      ...(CONV as Required<ConvTransposeOptions<Size2>>),
      outputPadding: 0,
    });
    super(0, outChannels, kernelSize, { ...o, bias: false });
    ConvNd.lazy<ConvTranspose2d>(this, ConvTranspose2d, o);
  }
}
/** ConvTranspose3d whose number of input channels comes from the first input. */
export class LazyConvTranspose3d extends ConvTranspose3d {
  constructor(outChannels: number, kernelSize: Size3, ...rest: ConvTransposeRest<Size3>) {
    const o = merge<ConvTransposeOptions<Size3>>('LazyConvTranspose3d', rest, POSITIONAL_TRANSPOSED, {
      ...(CONV as Required<ConvTransposeOptions<Size3>>),
      outputPadding: 0,
    });
    super(0, outChannels, kernelSize, { ...o, bias: false });
    ConvNd.lazy<ConvTranspose3d>(this, ConvTranspose3d, o);
  }
}
