// Losses of pairs and triplets as modules: criterion(input, target). The classes differ in their settings and their function.
import type { Tensor } from '../tensor/tensor.js';
import { ValueError } from '../tensor/errors.js';
import { settings, type Rest } from './args.js';
import { PairwiseDistance } from './distance.js';
import { isModule } from './fields.js';
import * as F from './functional.js';
import { Loss, lossOptions, REDUCTION, REDUCTIONS, type LossLayerOptions } from './loss_base.js';

export type { LossLayerOptions } from './loss_base.js';

/** (input - target)^2, averaged. */
export class MSELoss extends Loss {
  constructor(
    ...rest: Rest<[sizeAverage: boolean | null, reduce: boolean | null, reduction: F.Reduction], LossLayerOptions>
  ) {
    const o = lossOptions<LossLayerOptions>('MSELoss', rest, { sizeAverage: null, reduce: null, reduction: 'mean' });
    super(o);
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.mseLoss(input, target, { reduction: this.reduction });
  }
}
/** |input - target|, averaged. */
export class L1Loss extends Loss {
  constructor(
    ...rest: Rest<[sizeAverage: boolean | null, reduce: boolean | null, reduction: F.Reduction], LossLayerOptions>
  ) {
    const o = lossOptions<LossLayerOptions>('L1Loss', rest, { sizeAverage: null, reduce: null, reduction: 'mean' });
    super(o);
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.l1Loss(input, target, { reduction: this.reduction });
  }
}
type SmoothL1LossOptions = LossLayerOptions & { beta?: number };
/** Quadratic below beta, linear above. */
export class SmoothL1Loss extends Loss {
  readonly beta: number;
  constructor(
    ...rest: Rest<
      [sizeAverage: boolean | null, reduce: boolean | null, reduction: F.Reduction, beta: number],
      SmoothL1LossOptions
    >
  ) {
    const o = lossOptions<SmoothL1LossOptions>('SmoothL1Loss', rest, {
      sizeAverage: null,
      reduce: null,
      reduction: 'mean',
      beta: 1,
    });
    super(o);
    this.beta = o.beta;
    if (o.beta < 0) throw new ValueError('smooth_l1_loss does not support negative values for beta.');
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.smoothL1Loss(input, target, { beta: this.beta, reduction: this.reduction });
  }
}
type HuberLossOptions = LossLayerOptions & { delta?: number };
/** Quadratic below delta, linear with slope delta above. */
export class HuberLoss extends Loss {
  readonly delta: number;
  constructor(...rest: Rest<[reduction: F.Reduction, delta: number], HuberLossOptions>) {
    const o = lossOptions<HuberLossOptions>('HuberLoss', rest, {
      reduction: 'mean',
      delta: 1,
      sizeAverage: null,
      reduce: null,
    });
    super(o);
    this.delta = o.delta;
    if (o.delta <= 0) throw new ValueError('huber_loss does not support non-positive values for delta.');
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.huberLoss(input, target, { delta: this.delta, reduction: this.reduction });
  }
}
type KLReduction = F.Reduction | 'batchmean';
type KLDivLossOptions = Omit<LossLayerOptions, 'reduction'> & { reduction?: KLReduction; logTarget?: boolean };
/** Kullback-Leibler divergence of log probabilities from a target. reduction: also 'batchmean', the sum over the batch size. */
export class KLDivLoss extends Loss {
  readonly logTarget: boolean;
  constructor(
    ...rest: Rest<
      [sizeAverage: boolean | null, reduce: boolean | null, reduction: KLReduction, logTarget: boolean],
      KLDivLossOptions
    >
  ) {
    const o = lossOptions<KLDivLossOptions>('KLDivLoss', rest, {
      sizeAverage: null,
      reduce: null,
      reduction: 'mean',
      logTarget: false,
    });
    super(o as Required<LossLayerOptions>, [...REDUCTIONS, 'batchmean']);
    this.logTarget = o.logTarget;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.klDiv(input, target, { logTarget: this.logTarget, reduction: this.reduction });
  }
}
type PoissonNLLLossOptions = LossLayerOptions & { logInput?: boolean; full?: boolean; eps?: number };
/** Negative log likelihood of counts under a Poisson distribution whose rate (or its logarithm) is the input. */
export class PoissonNLLLoss extends Loss {
  readonly logInput: boolean;
  readonly full: boolean;
  readonly eps: number;
  constructor(
    ...rest: Rest<
      [
        logInput: boolean,
        full: boolean,
        sizeAverage: boolean | null,
        eps: number,
        reduce: boolean | null,
        reduction: F.Reduction,
      ],
      PoissonNLLLossOptions
    >
  ) {
    const o = lossOptions<PoissonNLLLossOptions>('PoissonNLLLoss', rest, {
      logInput: true,
      full: false,
      sizeAverage: null,
      eps: 1e-8,
      reduce: null,
      reduction: 'mean',
    });
    super(o);
    this.logInput = o.logInput;
    this.full = o.full;
    this.eps = o.eps;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.poissonNllLoss(input, target, {
      logInput: this.logInput,
      full: this.full,
      eps: this.eps,
      reduction: this.reduction,
    });
  }
}
type GaussianNLLLossOptions = LossLayerOptions & { full?: boolean; eps?: number };
/** Negative log likelihood of the target under normal distributions with mean `input` and variance `variance`. */
export class GaussianNLLLoss extends Loss {
  readonly full: boolean;
  readonly eps: number;
  constructor(...rest: Rest<[full: boolean, eps: number, reduction: F.Reduction], GaussianNLLLossOptions>) {
    const o = lossOptions<GaussianNLLLossOptions>('GaussianNLLLoss', rest, {
      full: false,
      eps: 1e-6,
      reduction: 'mean',
      sizeAverage: null,
      reduce: null,
    });
    super(o);
    this.full = o.full;
    this.eps = o.eps;
  }
  override forward(input: Tensor, target: Tensor, variance: Tensor): Tensor {
    return F.gaussianNllLoss(input, target, variance, { full: this.full, eps: this.eps, reduction: this.reduction });
  }
}
/** log(1 + exp(-target * input)) for targets 1 and -1. */
export class SoftMarginLoss extends Loss {
  constructor(
    ...rest: Rest<[sizeAverage: boolean | null, reduce: boolean | null, reduction: F.Reduction], LossLayerOptions>
  ) {
    const o = lossOptions<LossLayerOptions>('SoftMarginLoss', rest, {
      sizeAverage: null,
      reduce: null,
      reduction: 'mean',
    });
    super(o);
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.softMarginLoss(input, target, { reduction: this.reduction });
  }
}
type HingeEmbeddingLossOptions = LossLayerOptions & { margin?: number };
/** input where the target is 1, max(0, margin - input) where it is -1. */
export class HingeEmbeddingLoss extends Loss {
  readonly margin: number;
  constructor(
    ...rest: Rest<
      [margin: number, sizeAverage: boolean | null, reduce: boolean | null, reduction: F.Reduction],
      HingeEmbeddingLossOptions
    >
  ) {
    const o = lossOptions<HingeEmbeddingLossOptions>('HingeEmbeddingLoss', rest, {
      margin: 1,
      sizeAverage: null,
      reduce: null,
      reduction: 'mean',
    });
    super(o);
    this.margin = o.margin;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.hingeEmbeddingLoss(input, target, { margin: this.margin, reduction: this.reduction });
  }
}
type CosineEmbeddingLossOptions = LossLayerOptions & { margin?: number };
/** 1 - cos(x1, x2) where the target is 1, max(0, cos - margin) where it is -1. */
export class CosineEmbeddingLoss extends Loss {
  readonly margin: number;
  constructor(
    ...rest: Rest<
      [margin: number, sizeAverage: boolean | null, reduce: boolean | null, reduction: F.Reduction],
      CosineEmbeddingLossOptions
    >
  ) {
    const o = lossOptions<CosineEmbeddingLossOptions>('CosineEmbeddingLoss', rest, {
      margin: 0,
      sizeAverage: null,
      reduce: null,
      reduction: 'mean',
    });
    super(o);
    this.margin = o.margin;
  }
  override forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    return F.cosineEmbeddingLoss(input1, input2, target, { margin: this.margin, reduction: this.reduction });
  }
}
type MarginRankingLossOptions = LossLayerOptions & { margin?: number };
/** max(0, -target * (x1 - x2) + margin). */
export class MarginRankingLoss extends Loss {
  readonly margin: number;
  constructor(
    ...rest: Rest<
      [margin: number, sizeAverage: boolean | null, reduce: boolean | null, reduction: F.Reduction],
      MarginRankingLossOptions
    >
  ) {
    const o = lossOptions<MarginRankingLossOptions>('MarginRankingLoss', rest, {
      margin: 0,
      sizeAverage: null,
      reduce: null,
      reduction: 'mean',
    });
    super(o);
    this.margin = o.margin;
  }
  override forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    return F.marginRankingLoss(input1, input2, target, { margin: this.margin, reduction: this.reduction });
  }
}
type TripletMarginLossOptions = LossLayerOptions & { margin?: number; p?: number; eps?: number; swap?: boolean };
/** max(0, |a - p| - |a - n| + margin) of anchors, positives and negatives. */
export class TripletMarginLoss extends Loss {
  readonly margin: number;
  readonly p: number;
  readonly eps: number;
  readonly swap: boolean;
  constructor(
    ...rest: Rest<
      [
        margin: number,
        p: number,
        eps: number,
        swap: boolean,
        sizeAverage: boolean | null,
        reduce: boolean | null,
        reduction: F.Reduction,
      ],
      TripletMarginLossOptions
    >
  ) {
    const o = lossOptions<TripletMarginLossOptions>('TripletMarginLoss', rest, {
      margin: 1,
      p: 2,
      eps: 1e-6,
      swap: false,
      sizeAverage: null,
      reduce: null,
      reduction: 'mean',
    });
    super(o);
    this.margin = o.margin;
    this.p = o.p;
    this.eps = o.eps;
    this.swap = o.swap;
  }
  override forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    return F.tripletMarginLoss(anchor, positive, negative, {
      margin: this.margin,
      p: this.p,
      eps: this.eps,
      swap: this.swap,
      reduction: this.reduction,
    });
  }
}
/** Margin loss for several classes per example: class indices, ended by -1. */
export class MultiLabelMarginLoss extends Loss {
  constructor(
    ...rest: Rest<[sizeAverage: boolean | null, reduce: boolean | null, reduction: F.Reduction], LossLayerOptions>
  ) {
    const o = lossOptions<LossLayerOptions>('MultiLabelMarginLoss', rest, {
      sizeAverage: null,
      reduce: null,
      reduction: 'mean',
    });
    super(o);
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.multilabelMarginLoss(input, target, { reduction: this.reduction });
  }
}

type Distance = (x1: Tensor, x2: Tensor) => Tensor;
type TripletDistanceOptions = {
  distanceFunction?: Distance | null;
  margin?: number;
  swap?: boolean;
  reduction?: F.Reduction;
};
/** TripletMarginLoss with a distance of your own; the default is PairwiseDistance. A module is a child. */
export class TripletMarginWithDistanceLoss extends Loss {
  readonly distanceFunction: Distance | null;
  readonly margin: number;
  readonly swap: boolean;
  constructor(options: TripletDistanceOptions = {}) {
    const o = settings<TripletDistanceOptions>('TripletMarginWithDistanceLoss', [options], {
      distanceFunction: null,
      margin: 1,
      swap: false,
      reduction: 'mean',
    });
    super({ ...REDUCTION, reduction: o.reduction });
    this.distanceFunction = null;
    const distance = o.distanceFunction ?? (new PairwiseDistance() as Distance);
    // Under PyTorch's name, so that it prints and is found as there.
    if (isModule(distance)) this.registerModule('distance_function', distance);
    else this.distanceFunction = distance;
    this.margin = o.margin;
    this.swap = o.swap;
  }
  override forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    const distanceFunction =
      this.distanceFunction ?? (this as unknown as { distance_function: Distance }).distance_function;
    return F.tripletMarginWithDistanceLoss(anchor, positive, negative, {
      distanceFunction,
      margin: this.margin,
      swap: this.swap,
      reduction: this.reduction,
    });
  }
}
