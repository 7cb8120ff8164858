// Batch and instance normalisation.
import { empty, full, ones, zeros } from '../tensor/create.js';
import type { DType } from '../tensor/dtype.js';
import { ShapeError, ValueError } from '../tensor/errors.js';
import { noGrad } from '../autograd/modes.js';
import type { Tensor } from '../tensor/tensor.js';
import { py, pyFloat, settings, type Rest } from './args.js';
import { ownModules, setField } from './fields.js';
import * as F from './functional.js';
import { ones_, zeros_ } from './init.js';
import { makeLazy, setSize } from './lazy.js';
import { Module, type StateDict } from './module.js';
import { Parameter, UninitializedBuffer, UninitializedParameter } from './parameter.js';

export interface BatchNormLayerOptions {
  eps?: number;
  /** Weight of the new batch in the running statistics; null: plain average over all batches. */
  momentum?: number | null;
  affine?: boolean;
  trackRunningStats?: boolean;
  dtype?: DType | null;
}
const BATCH: Required<BatchNormLayerOptions> = {
  eps: 1e-5,
  momentum: 0.1,
  affine: true,
  trackRunningStats: true,
  dtype: null,
};
const INSTANCE: Required<BatchNormLayerOptions> = { ...BATCH, affine: false, trackRunningStats: false };
type NormRest = Rest<
  [eps: number, momentum: number | null, affine: boolean, trackRunningStats: boolean],
  BatchNormLayerOptions
>;

/** What both kinds share. Buffers have PyTorch's names: running_mean, running_var, num_batches_tracked. */
abstract class NormBase extends Module {
  readonly eps: number;
  readonly momentum: number | null;
  readonly affine: boolean;
  readonly trackRunningStats: boolean;
  weight: Parameter | null;
  bias: Parameter | null;
  declare running_mean: Tensor | null;
  declare running_var: Tensor | null;
  declare num_batches_tracked: Tensor | null;

  protected constructor(
    readonly numFeatures: number,
    o: Required<BatchNormLayerOptions>,
  ) {
    super();
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
  /** Files of PyTorch before 0.4.1 have no count of batches. */
  override upgradeStateDict(state: StateDict, prefix: string): void {
    const key = `${prefix}num_batches_tracked`;
    if (this.num_batches_tracked !== null && !Object.hasOwn(state, key)) state[key] = full([], 0, { dtype: 'int64' });
  }
  /** Leaves the number of features to the first input. */
  protected static lazy<M extends NormBase>(
    m: M,
    ordinary: { readonly prototype: M },
    o: Required<BatchNormLayerOptions>,
    features: (input: Tensor) => number,
  ): void {
    const parameter = (): UninitializedParameter => new UninitializedParameter({ dtype: o.dtype });
    const buffer = (): UninitializedBuffer => new UninitializedBuffer({ dtype: o.dtype });
    const fields = {
      ...(o.affine ? { weight: parameter(), bias: parameter() } : {}),
      ...(o.trackRunningStats ? { running_mean: buffer(), running_var: buffer() } : {}),
    };
    makeLazy<M>(m, ordinary, fields, (self, input) => {
      self.checkInput(input);
      const n = features(input);
      setSize(self, 'numFeatures', n);
      return { weight: [n], bias: [n], running_mean: [n], running_var: [n] };
    });
  }
  protected abstract checkInput(input: Tensor): void;
  override extraRepr(): string {
    const momentum = this.momentum === null ? 'None' : pyFloat(this.momentum);
    return `${this.numFeatures}, eps=${pyFloat(this.eps)}, momentum=${momentum}, affine=${py(this.affine)}, track_running_stats=${py(this.trackRunningStats)}`;
  }
}

/** Throws ShapeError unless the input has one of these numbers of dimensions. */
function checkDims(input: Tensor, ...wanted: number[]): void {
  if (!wanted.includes(input.ndim))
    throw new ShapeError(`expected ${wanted.map((d) => `${d}D`).join(' or ')} input (got ${input.ndim}D input)`);
}

abstract class BatchNormNd extends NormBase {
  constructor(numFeatures: number, ...rest: NormRest) {
    super(numFeatures, settings<BatchNormLayerOptions>(new.target.name, rest, BATCH));
  }
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
}
/** Batch normalisation over [N, C] or [N, C, L]. Source: https://arxiv.org/abs/1502.03167 */
export class BatchNorm1d extends BatchNormNd {
  protected override checkInput(input: Tensor): void {
    checkDims(input, 2, 3);
  }
}
/** Batch normalisation over [N, C, H, W]. Source: https://arxiv.org/abs/1502.03167 */
export class BatchNorm2d extends BatchNormNd {
  protected override checkInput(input: Tensor): void {
    checkDims(input, 4);
  }
}
/** Batch normalisation over [N, C, D, H, W]. Source: https://arxiv.org/abs/1502.03167 */
export class BatchNorm3d extends BatchNormNd {
  protected override checkInput(input: Tensor): void {
    checkDims(input, 5);
  }
}
/** BatchNorm1d whose number of features comes from the first input. */
export class LazyBatchNorm1d extends BatchNorm1d {
  constructor(...rest: NormRest) {
    const o = settings<BatchNormLayerOptions>('LazyBatchNorm1d', rest, BATCH);
    super(0, o);
    NormBase.lazy<BatchNorm1d>(this, BatchNorm1d, o, (input) => input.shape[1]!);
  }
}
/** BatchNorm2d whose number of features comes from the first input. */
export class LazyBatchNorm2d extends BatchNorm2d {
  constructor(...rest: NormRest) {
    const o = settings<BatchNormLayerOptions>('LazyBatchNorm2d', rest, BATCH);
    super(0, o);
    NormBase.lazy<BatchNorm2d>(this, BatchNorm2d, o, (input) => input.shape[1]!);
  }
}
/** BatchNorm3d whose number of features comes from the first input. */
export class LazyBatchNorm3d extends BatchNorm3d {
  constructor(...rest: NormRest) {
    const o = settings<BatchNormLayerOptions>('LazyBatchNorm3d', rest, BATCH);
    super(0, o);
    NormBase.lazy<BatchNorm3d>(this, BatchNorm3d, o, (input) => input.shape[1]!);
  }
}

/** Batch normalisation over the batches of all processes of a group. In one process it is batch normalisation. */
export class SyncBatchNorm extends BatchNormNd {
  constructor(numFeatures: number, ...rest: NormRest) {
    super(numFeatures, ...rest);
  }
  protected override checkInput(input: Tensor): void {
    if (input.ndim < 2) throw new ShapeError(`expected at least 2D input (got ${input.ndim}D input)`);
  }
  /** The module with every BatchNorm layer replaced by a SyncBatchNorm with the same state. */
  static convertSyncBatchnorm(module: Module): Module {
    let out = module;
    if (module instanceof BatchNormNd && !(module instanceof SyncBatchNorm)) {
      const { eps, momentum, affine, trackRunningStats, training } = module;
      const sync = new SyncBatchNorm(module.numFeatures, { eps, momentum, affine, trackRunningStats });
      for (const name of ['weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'] as const)
        setField(sync, name, module[name]);
      sync.training = training;
      out = sync;
    }
    for (const [name, child] of ownModules(module)) {
      const converted = SyncBatchNorm.convertSyncBatchnorm(child);
      if (converted !== child) setField(out, name, converted);
    }
    return out;
  }
}

abstract class InstanceNormNd extends NormBase {
  constructor(numFeatures: number, ...rest: NormRest) {
    super(numFeatures, settings<BatchNormLayerOptions>(new.target.name, rest, INSTANCE));
  }
  /** Dimensions of one example. */
  protected abstract exampleDims(): number;
  protected override checkInput(input: Tensor): void {
    checkDims(input, this.exampleDims(), this.exampleDims() + 1);
  }
  override forward(input: Tensor): Tensor {
    this.checkInput(input);
    const batched = input.ndim === this.exampleDims() + 1;
    const x = batched ? input : input.unsqueeze(0);
    if (this.numFeatures !== x.shape[1] && (this.affine || this.trackRunningStats)) {
      throw new ValueError(
        `expected input's size at dim=${batched ? 1 : 0} to match num_features (${this.numFeatures}), but got: ${x.shape[1]}.`,
      );
    }
    const out = F.instanceNorm(x, {
      runningMean: this.running_mean,
      runningVar: this.running_var,
      weight: this.weight,
      bias: this.bias,
      useInputStats: this.training || !this.trackRunningStats,
      momentum: this.momentum ?? 0,
      eps: this.eps,
    });
    return batched ? out : out.squeeze(0);
  }
}
/** Normalises each channel of each example of [N, C, L] or [C, L] by itself. Source: https://arxiv.org/abs/1607.08022 */
export class InstanceNorm1d extends InstanceNormNd {
  protected override exampleDims(): number {
    return 2;
  }
}
/** Normalises each channel of each example of [N, C, H, W] or [C, H, W] by itself. Source: https://arxiv.org/abs/1607.08022 */
export class InstanceNorm2d extends InstanceNormNd {
  protected override exampleDims(): number {
    return 3;
  }
}
/** Normalises each channel of each example of [N, C, D, H, W] or [C, D, H, W] by itself. Source: https://arxiv.org/abs/1607.08022 */
export class InstanceNorm3d extends InstanceNormNd {
  protected override exampleDims(): number {
    return 4;
  }
}
// As in PyTorch the lazy forms learn a scale and keep statistics unless told otherwise.
/** InstanceNorm1d whose number of features comes from the first input. */
export class LazyInstanceNorm1d extends InstanceNorm1d {
  constructor(...rest: NormRest) {
    const o = settings<BatchNormLayerOptions>('LazyInstanceNorm1d', rest, BATCH);
    super(0, o);
    NormBase.lazy<InstanceNorm1d>(this, InstanceNorm1d, o, (input) => input.shape.at(-2)!);
  }
}
/** InstanceNorm2d whose number of features comes from the first input. */
export class LazyInstanceNorm2d extends InstanceNorm2d {
  constructor(...rest: NormRest) {
    const o = settings<BatchNormLayerOptions>('LazyInstanceNorm2d', rest, BATCH);
    super(0, o);
    NormBase.lazy<InstanceNorm2d>(this, InstanceNorm2d, o, (input) => input.shape.at(-3)!);
  }
}
/** InstanceNorm3d whose number of features comes from the first input. */
export class LazyInstanceNorm3d extends InstanceNorm3d {
  constructor(...rest: NormRest) {
    const o = settings<BatchNormLayerOptions>('LazyInstanceNorm3d', rest, BATCH);
    super(0, o);
    NormBase.lazy<InstanceNorm3d>(this, InstanceNorm3d, o, (input) => input.shape.at(-4)!);
  }
}
