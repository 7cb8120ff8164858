// Losses against classes as modules, most of them with a factor per class or element.
import type { Tensor } from '../tensor/tensor.js';
import { ValueError } from '../tensor/errors.js';
import { settings, type Rest } from './args.js';
import * as F from './functional.js';
import { Loss, lossOptions, REDUCTION, WeightedLoss, type LossLayerOptions } from './loss_base.js';

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
type MultiLabelSoftMarginLossOptions = LossLayerOptions & { weight?: Tensor | null };
/** Cross-entropy of logits for several classes per example, averaged over the classes. */
export class MultiLabelSoftMarginLoss extends WeightedLoss {
  constructor(
    ...rest: Rest<
      [weight: Tensor | null, sizeAverage: boolean | null, reduce: boolean | null, reduction: F.Reduction],
      MultiLabelSoftMarginLossOptions
    >
  ) {
    const o = lossOptions<MultiLabelSoftMarginLossOptions>('MultiLabelSoftMarginLoss', rest, {
      weight: null,
      sizeAverage: null,
      reduce: null,
      reduction: 'mean',
    });
    super(o);
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.multilabelSoftMarginLoss(input, target, { weight: this.weight, reduction: this.reduction });
  }
}
type MultiMarginLossOptions = LossLayerOptions & { p?: number; margin?: number; weight?: Tensor | null };
/** Margin loss of scores [N, C] against class indices, to the power p (1 or 2). */
export class MultiMarginLoss extends WeightedLoss {
  readonly p: number;
  readonly margin: number;
  constructor(
    ...rest: Rest<
      [
        p: number,
        margin: number,
        weight: Tensor | null,
        sizeAverage: boolean | null,
        reduce: boolean | null,
        reduction: F.Reduction,
      ],
      MultiMarginLossOptions
    >
  ) {
    const o = lossOptions<MultiMarginLossOptions>('MultiMarginLoss', rest, {
      p: 1,
      margin: 1,
      weight: null,
      ...REDUCTION,
    });
    super(o);
    if (o.p !== 1 && o.p !== 2) throw new ValueError('only p == 1 and p == 2 supported');
    if (o.weight !== null && o.weight.ndim !== 1) throw new ValueError('weight must be a 1-D tensor');
    this.p = o.p;
    this.margin = o.margin;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.multiMarginLoss(input, target, {
      p: this.p,
      margin: this.margin,
      weight: this.weight,
      reduction: this.reduction,
    });
  }
}

type CTCLossOptions = { blank?: number; reduction?: F.Reduction; zeroInfinity?: boolean };
/** Connectionist temporal classification: log probabilities [T, N, C] against label sequences. Source: https://www.cs.toronto.edu/~graves/icml_2006.pdf */
export class CTCLoss extends Loss {
  readonly blank: number;
  readonly zeroInfinity: boolean;
  constructor(...rest: Rest<[blank: number, reduction: F.Reduction, zeroInfinity: boolean], CTCLossOptions>) {
    const o = settings<CTCLossOptions>('CTCLoss', rest, { blank: 0, reduction: 'mean', zeroInfinity: false });
    super({ ...REDUCTION, reduction: o.reduction });
    this.blank = o.blank;
    this.zeroInfinity = o.zeroInfinity;
  }
  override forward(
    logProbs: Tensor,
    targets: Tensor,
    inputLengths: Tensor | readonly number[],
    targetLengths: Tensor | readonly number[],
  ): Tensor {
    return F.ctcLoss(logProbs, targets, inputLengths, targetLengths, {
      blank: this.blank,
      reduction: this.reduction,
      zeroInfinity: this.zeroInfinity,
    });
  }
}
