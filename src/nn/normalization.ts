// Batch and layer normalisation.
import { empty, full, ones, zeros } from '../tensor/create.js';
import type { DType } from '../tensor/dtype.js';
import { ShapeError } from '../tensor/errors.js';
import { noGrad } from '../autograd/modes.js';
import type { Tensor } from '../tensor/tensor.js';
import { merge, py, pyFloat, settings, type Rest } from './args.js';
import * as F from './functional.js';
import { ones_, zeros_ } from './init.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';

export interface BatchNormLayerOptions {
  eps?: number;
  /** Weight of the new batch in the running statistics; null: plain average over all batches. */
  momentum?: number | null;
  affine?: boolean;
  trackRunningStats?: boolean;
  dtype?: DType | null;
}

/** What BatchNorm1d and 2d share. Buffers have PyTorch's names: running_mean, running_var, num_batches_tracked. */
abstract class BatchNormNd extends Module {
  readonly numFeatures: number;
  readonly eps: number;
  readonly momentum: number | null;
  readonly affine: boolean;
  readonly trackRunningStats: boolean;
  weight: Parameter | null;
  bias: Parameter | null;
  declare running_mean: Tensor | null;
  declare running_var: Tensor | null;
  declare num_batches_tracked: Tensor | null;

  constructor(what: string, numFeatures: number, rest: readonly unknown[]) {
    super();
    const o = merge<BatchNormLayerOptions>(what, rest, ['eps', 'momentum', 'affine', 'trackRunningStats'], {
      eps: 1e-5,
      momentum: 0.1,
      affine: true,
      trackRunningStats: true,
      dtype: null,
    });
    this.numFeatures = numFeatures;
    this.eps = o.eps;
    this.momentum = o.momentum;
    this.affine = o.affine;
    this.trackRunningStats = o.trackRunningStats;
    this.weight = o.affine ? new Parameter(empty([numFeatures], { dtype: o.dtype })) : null;
    this.bias = o.affine ? new Parameter(empty([numFeatures], { dtype: o.dtype })) : null;
    this.registerBuffer('running_mean', o.trackRunningStats ? zeros([numFeatures], { dtype: o.dtype }) : null);
    this.registerBuffer('running_var', o.trackRunningStats ? ones([numFeatures], { dtype: o.dtype }) : null);
    this.registerBuffer('num_batches_tracked', o.trackRunningStats ? full([], 0, { dtype: 'int64' }) : null);
    this.resetParameters();
  }
  get runningMean(): Tensor | null {
    return this.running_mean;
  }
  get runningVar(): Tensor | null {
    return this.running_var;
  }
  get numBatchesTracked(): Tensor | null {
    return this.num_batches_tracked;
  }
  resetRunningStats(): void {
    this.running_mean?.fill_(0);
    this.running_var?.fill_(1);
    this.num_batches_tracked?.fill_(0);
  }
  resetParameters(): void {
    this.resetRunningStats();
    if (this.weight !== null) ones_(this.weight);
    if (this.bias !== null) zeros_(this.bias);
  }
  protected abstract checkInput(input: Tensor): void;
  override forward(input: Tensor): Tensor {
    this.checkInput(input);
    let momentum = this.momentum ?? 0;
    if (this.training && this.num_batches_tracked !== null) {
      const count = this.num_batches_tracked;
      noGrad(() => count.add_(1));
      if (this.momentum === null) momentum = 1 / count.item();
    }
    const training = this.training || this.running_mean === null;
    const track = !this.training || this.trackRunningStats;
    return F.batchNorm(input, track ? this.running_mean : null, track ? this.running_var : null, {
      weight: this.weight,
      bias: this.bias,
      training,
      momentum,
      eps: this.eps,
    });
  }
  override extraRepr(): string {
    const momentum = this.momentum === null ? 'None' : pyFloat(this.momentum);
    return `${this.numFeatures}, eps=${pyFloat(this.eps)}, momentum=${momentum}, affine=${py(this.affine)}, track_running_stats=${py(this.trackRunningStats)}`;
  }
}
type BatchNormRest = Rest<
  [eps: number, momentum: number | null, affine: boolean, trackRunningStats: boolean],
  BatchNormLayerOptions
>;

/** Batch normalisation over [N, C] or [N, C, L]. */
export class BatchNorm1d extends BatchNormNd {
  constructor(numFeatures: number, ...rest: BatchNormRest) {
    super('BatchNorm1d', numFeatures, rest);
  }
  protected override checkInput(input: Tensor): void {
    if (input.ndim !== 2 && input.ndim !== 3)
      throw new ShapeError(`expected 2D or 3D input (got ${input.ndim}D input)`);
  }
}
/** Batch normalisation over [N, C, H, W]. */
export class BatchNorm2d extends BatchNormNd {
  constructor(numFeatures: number, ...rest: BatchNormRest) {
    super('BatchNorm2d', numFeatures, rest);
  }
  protected override checkInput(input: Tensor): void {
    if (input.ndim !== 4) throw new ShapeError(`expected 4D input (got ${input.ndim}D input)`);
  }
}

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
