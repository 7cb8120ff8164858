// Normalisation over features and channels: LayerNorm, RMSNorm, GroupNorm, local response.
import { empty, tensor } from '../tensor/create.js';
import type { DType } from '../tensor/dtype.js';
import { ValueError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { py, pyFloat, settings, type Rest } from './args.js';
import * as F from './functional.js';
import { ones_, zeros_ } from './init.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';

export interface LayerNormOptions {
  eps?: number;
  elementwiseAffine?: boolean;
  /** false: a weight only. */
  bias?: boolean;
  dtype?: DType | null;
}
const sizesOf = (x: number | readonly number[]): readonly number[] => (typeof x === 'number' ? [x] : [...x]);

/** Normalises over the last dimensions, whose sizes are `normalizedShape`. */
export class LayerNorm extends Module {
  readonly normalizedShape: readonly number[];
  readonly eps: number;
  readonly elementwiseAffine: boolean;
  weight: Parameter | null;
  bias: Parameter | null;
  constructor(
    normalizedShape: number | readonly number[],
    ...rest: Rest<[eps: number, elementwiseAffine: boolean, bias: boolean], LayerNormOptions>
  ) {
    super();
    const o = settings<LayerNormOptions>('LayerNorm', rest, {
      eps: 1e-5,
      elementwiseAffine: true,
      bias: true,
      dtype: null,
    });
    this.normalizedShape = sizesOf(normalizedShape);
    this.eps = o.eps;
    this.elementwiseAffine = o.elementwiseAffine;
    const make = (): Parameter => new Parameter(empty(this.normalizedShape, { dtype: o.dtype }));
    this.weight = o.elementwiseAffine ? make() : null;
    this.bias = o.elementwiseAffine && o.bias ? make() : null;
    this.resetParameters();
  }
  resetParameters(): void {
    if (this.weight !== null) ones_(this.weight);
    if (this.bias !== null) zeros_(this.bias);
  }
  override forward(input: Tensor): Tensor {
    return F.layerNorm(input, this.normalizedShape, { weight: this.weight, bias: this.bias, eps: this.eps });
  }
  override extraRepr(): string {
    return `${py(this.normalizedShape)}, eps=${pyFloat(this.eps)}, elementwise_affine=${py(this.elementwiseAffine)}`;
  }
}

export interface RMSNormOptions {
  /** null: the dtype's smallest step at 1. */
  eps?: number | null;
  elementwiseAffine?: boolean;
  dtype?: DType | null;
}
/** Divides by the root of the mean square over the last dimensions. Source: https://arxiv.org/abs/1910.07467 */
export class RMSNorm extends Module {
  readonly normalizedShape: readonly number[];
  readonly eps: number | null;
  readonly elementwiseAffine: boolean;
  weight: Parameter | null;
  constructor(
    normalizedShape: number | readonly number[],
    ...rest: Rest<[eps: number | null, elementwiseAffine: boolean], RMSNormOptions>
  ) {
    super();
    const o = settings<RMSNormOptions>('RMSNorm', rest, { eps: null, elementwiseAffine: true, dtype: null });
    this.normalizedShape = sizesOf(normalizedShape);
    this.eps = o.eps;
    this.elementwiseAffine = o.elementwiseAffine;
    this.weight = o.elementwiseAffine ? new Parameter(empty(this.normalizedShape, { dtype: o.dtype })) : null;
    this.resetParameters();
  }
  resetParameters(): void {
    if (this.weight !== null) ones_(this.weight);
  }
  override forward(input: Tensor): Tensor {
    return F.rmsNorm(input, this.normalizedShape, this.weight, this.eps);
  }
  override extraRepr(): string {
    return `${py(this.normalizedShape)}, eps=${this.eps === null ? 'None' : pyFloat(this.eps)}, elementwise_affine=${py(this.elementwiseAffine)}`;
  }
}

export interface GroupNormOptions {
  eps?: number;
  affine?: boolean;
  dtype?: DType | null;
}
/** Normalises groups of channels of each example of [N, C, ...]. Source: https://arxiv.org/abs/1803.08494 */
export class GroupNorm extends Module {
  readonly eps: number;
  readonly affine: boolean;
  weight: Parameter | null;
  bias: Parameter | null;
  constructor(
    readonly numGroups: number,
    readonly numChannels: number,
    ...rest: Rest<[eps: number, affine: boolean], GroupNormOptions>
  ) {
    super();
    const o = settings<GroupNormOptions>('GroupNorm', rest, { eps: 1e-5, affine: true, dtype: null });
    if (numChannels % numGroups !== 0) throw new ValueError('num_channels must be divisible by num_groups');
    this.eps = o.eps;
    this.affine = o.affine;
    this.weight = o.affine ? new Parameter(empty([numChannels], { dtype: o.dtype })) : null;
    this.bias = o.affine ? new Parameter(empty([numChannels], { dtype: o.dtype })) : null;
    this.resetParameters();
  }
  resetParameters(): void {
    if (this.weight !== null) ones_(this.weight);
    if (this.bias !== null) zeros_(this.bias);
  }
  override forward(input: Tensor): Tensor {
    return F.groupNorm(input, this.numGroups, this.weight, this.bias, this.eps);
  }
  override extraRepr(): string {
    return `${this.numGroups}, ${this.numChannels}, eps=${pyFloat(this.eps)}, affine=${py(this.affine)}`;
  }
}

interface ResponseOptions {
  alpha?: number;
  beta?: number;
  k?: number;
}
abstract class ResponseNorm extends Module {
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
  constructor(
    readonly size: number,
    ...rest: Rest<[alpha: number, beta: number, k: number], ResponseOptions>
  ) {
    super();
    const o = settings<ResponseOptions>(new.target.name, rest, { alpha: 1e-4, beta: 0.75, k: 1 });
    this.alpha = o.alpha;
    this.beta = o.beta;
    this.k = o.k;
  }
}
/** x / (k + alpha * mean of squares of `size` channels around it)^beta, for [N, C, ...]. */
export class LocalResponseNorm extends ResponseNorm {
  override forward(input: Tensor): Tensor {
    return F.localResponseNorm(input, this.size, this.alpha, this.beta, this.k);
  }
  override extraRepr(): string {
    return `${this.size}, alpha=${pyFloat(this.alpha)}, beta=${pyFloat(this.beta)}, k=${pyFloat(this.k)}`;
  }
}
/** Lua Torch's form of local response normalisation, for [N, C, H, W]. As in PyTorch channel 0 never leaves the running sum. */
export class CrossMapLRN2d extends ResponseNorm {
  override forward(input: Tensor): Tensor {
    if (input.ndim !== 4) throw new ValueError(`CrossMapLRN2d: Expected input to be 4D, got ${input.ndim}D instead.`);
    const channels = input.shape[1]!;
    const reach = Math.floor((this.size + 1) / 2);
    const counts = (to: number, from: number): number =>
      (Math.abs(to - from) < reach ? 1 : 0) + (from === 0 && to >= reach ? 1 : 0);
    const window = tensor(
      Array.from({ length: channels }, (_, to) => Array.from({ length: channels }, (_, from) => counts(to, from))),
      { dtype: input.dtype },
    );
    const sums = window.matmul(input.square().flatten(2)).reshape([...input.shape]);
    return input.mul(
      sums
        .mul(this.alpha / this.size)
        .add(this.k)
        .pow(-this.beta),
    );
  }
  override extraRepr(): string {
    return `${this.size}, alpha=${this.alpha}, beta=${this.beta}, k=${this.k}`;
  }
}
