// Losses against classes as modules, most of them with a factor per class or element.
import type { Tensor } from '../tensor/tensor.js';
import type { Rest } from './args.js';
import * as F from './functional.js';
import { lossOptions, WeightedLoss, type LossLayerOptions } from './loss_base.js';

type CrossEntropyLossOptions = LossLayerOptions & {
  weight?: Tensor | null;
  ignoreIndex?: number;
  labelSmoothing?: number;
};
/** Softmax and negative log likelihood of logits [N, C, ...] against class indices or probabilities. */
export class CrossEntropyLoss extends WeightedLoss {
  readonly ignoreIndex: number;
  readonly labelSmoothing: number;
  constructor(
    ...rest: Rest<
      [
        weight: Tensor | null,
        sizeAverage: boolean | null,
        ignoreIndex: number,
        reduce: boolean | null,
        reduction: F.Reduction,
        labelSmoothing: number,
      ],
      CrossEntropyLossOptions
    >
  ) {
    const o = lossOptions<CrossEntropyLossOptions>('CrossEntropyLoss', rest, {
      weight: null,
      sizeAverage: null,
      ignoreIndex: -100,
      reduce: null,
      reduction: 'mean',
      labelSmoothing: 0,
    });
    super(o);
    this.ignoreIndex = o.ignoreIndex;
    this.labelSmoothing = o.labelSmoothing;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.crossEntropy(input, target, {
      weight: this.weight,
      ignoreIndex: this.ignoreIndex,
      labelSmoothing: this.labelSmoothing,
      reduction: this.reduction,
    });
  }
}
type NLLLossOptions = LossLayerOptions & { weight?: Tensor | null; ignoreIndex?: number };
/** Negative log likelihood of log probabilities [N, C, ...] against class indices. */
export class NLLLoss extends WeightedLoss {
  readonly ignoreIndex: number;
  constructor(
    ...rest: Rest<
      [
        weight: Tensor | null,
        sizeAverage: boolean | null,
        ignoreIndex: number,
        reduce: boolean | null,
        reduction: F.Reduction,
      ],
      NLLLossOptions
    >
  ) {
    const o = lossOptions<NLLLossOptions>('NLLLoss', rest, {
      weight: null,
      sizeAverage: null,
      ignoreIndex: -100,
      reduce: null,
      reduction: 'mean',
    });
    super(o);
    this.ignoreIndex = o.ignoreIndex;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.nllLoss(input, target, { weight: this.weight, ignoreIndex: this.ignoreIndex, reduction: this.reduction });
  }
}
type BCELossOptions = LossLayerOptions & { weight?: Tensor | null };
/** Cross-entropy of probabilities. */
export class BCELoss extends WeightedLoss {
  constructor(
    ...rest: Rest<
      [weight: Tensor | null, sizeAverage: boolean | null, reduce: boolean | null, reduction: F.Reduction],
      BCELossOptions
    >
  ) {
    const o = lossOptions<BCELossOptions>('BCELoss', rest, {
      weight: null,
      sizeAverage: null,
      reduce: null,
      reduction: 'mean',
    });
    super(o);
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.binaryCrossEntropy(input, target, { weight: this.weight, reduction: this.reduction });
  }
}
type BCEWithLogitsLossOptions = LossLayerOptions & { weight?: Tensor | null; posWeight?: Tensor | null };
/** Cross-entropy of logits. */
export class BCEWithLogitsLoss extends WeightedLoss {
  declare pos_weight: Tensor | null;
  constructor(
    ...rest: Rest<
      [
        weight: Tensor | null,
        sizeAverage: boolean | null,
        reduce: boolean | null,
        reduction: F.Reduction,
        posWeight: Tensor | null,
      ],
      BCEWithLogitsLossOptions
    >
  ) {
    const o = lossOptions<BCEWithLogitsLossOptions>('BCEWithLogitsLoss', rest, {
      weight: null,
      sizeAverage: null,
      reduce: null,
      reduction: 'mean',
      posWeight: null,
    });
    super(o);
    this.registerBuffer('pos_weight', o.posWeight);
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.binaryCrossEntropyWithLogits(input, target, {
      weight: this.weight,
      posWeight: this.pos_weight,
      reduction: this.reduction,
    });
  }
}
