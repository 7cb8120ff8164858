// Losses of pairs and triplets as modules: criterion(input, target). The classes differ in their settings and their function.
import type { Tensor } from '../tensor/tensor.js';
import { ValueError } from '../tensor/errors.js';
import type { Rest } from './args.js';
import * as F from './functional.js';
import { Loss, lossOptions, type LossLayerOptions } from './loss_base.js';

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
