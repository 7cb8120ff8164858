// Losses as modules: criterion(input, target).
import { isTensor } from '../tensor/handle.js';
import { ValueError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { merge, type Rest } from './args.js';
import * as F from './functional.js';
import { Module } from './module.js';

/** Options of single losses, for the check that every name is known. */
interface Extra {
  beta?: number;
  weight?: Tensor | null;
  ignoreIndex?: number;
  labelSmoothing?: number;
  posWeight?: Tensor | null;
}
abstract class Loss extends Module {
  readonly reduction: F.Reduction;
  constructor(what: string, options: F.LossOptions) {
    super();
    // The source document writes nn.MSELoss(out, labels): PyTorch takes the tensors for flags, silently. Here it is an error.
    if (isTensor(options))
      throw new ValueError(
        `${what}(): the constructor takes options; call the instance with the tensors: new nn.${what}()(input, target)`,
      );
    this.reduction = merge<F.LossOptions & Extra>(what, [options], [], {
      reduction: 'mean',
      beta: 1,
      weight: null,
      ignoreIndex: 0,
      labelSmoothing: 0,
      posWeight: null,
    }).reduction;
    if (!['none', 'mean', 'sum'].includes(this.reduction))
      throw new ValueError(`${String(this.reduction)} is not a valid value for reduction`);
  }
  abstract override forward(input: Tensor, target: Tensor): Tensor;
}

/** (input - target)^2, averaged. */
export class MSELoss extends Loss {
  constructor(options: F.LossOptions = {}) {
    super('MSELoss', options);
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.mseLoss(input, target, { reduction: this.reduction });
  }
}
/** |input - target|, averaged. */
export class L1Loss extends Loss {
  constructor(options: F.LossOptions = {}) {
    super('L1Loss', options);
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.l1Loss(input, target, { reduction: this.reduction });
  }
}
/** Quadratic below beta, linear above. */
export class SmoothL1Loss extends Loss {
  readonly beta: number;
  constructor(options: F.LossOptions & { beta?: number } = {}) {
    super('SmoothL1Loss', options);
    this.beta = options.beta ?? 1;
    if (this.beta < 0) throw new ValueError('smooth_l1_loss does not support negative values for beta.');
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.smoothL1Loss(input, target, { reduction: this.reduction, beta: this.beta });
  }
}
/** Losses with a factor per class or element: the buffer `weight`. */
abstract class WeightedLoss extends Loss {
  declare weight: Tensor | null;
  constructor(what: string, options: F.LossOptions & { weight?: Tensor | null }) {
    super(what, options);
    this.registerBuffer('weight', options.weight ?? null);
  }
}
/** `(weight?, options?)`: PyTorch users pass the weight by position. */
type Weighted<O> = Rest<[weight: Tensor | null], O & { weight?: Tensor | null }>;
function weighted<O extends { weight?: Tensor | null }>(
  what: string,
  rest: readonly unknown[],
  defaults: Required<O>,
): Required<O> {
  return merge<O>(what, rest, ['weight'], defaults);
}
/** Softmax and negative log likelihood of logits [N, C, ...] against class indices or probabilities. */
export class CrossEntropyLoss extends WeightedLoss {
  readonly ignoreIndex: number;
  readonly labelSmoothing: number;
  constructor(...rest: Weighted<F.CrossEntropyOptions>) {
    const o = weighted<F.CrossEntropyOptions>('CrossEntropyLoss', rest, {
      weight: null,
      reduction: 'mean',
      ignoreIndex: -100,
      labelSmoothing: 0,
    });
    super('CrossEntropyLoss', o);
    this.ignoreIndex = o.ignoreIndex;
    this.labelSmoothing = o.labelSmoothing;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.crossEntropy(input, target, {
      weight: this.weight,
      ignoreIndex: this.ignoreIndex,
      reduction: this.reduction,
      labelSmoothing: this.labelSmoothing,
    });
  }
}
/** Negative log likelihood of log probabilities [N, C, ...] against class indices. */
export class NLLLoss extends WeightedLoss {
  readonly ignoreIndex: number;
  constructor(...rest: Weighted<F.LossOptions & { ignoreIndex?: number }>) {
    const o = weighted<F.LossOptions & { weight?: Tensor | null; ignoreIndex?: number }>('NLLLoss', rest, {
      weight: null,
      reduction: 'mean',
      ignoreIndex: -100,
    });
    super('NLLLoss', o);
    this.ignoreIndex = o.ignoreIndex;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.nllLoss(input, target, { weight: this.weight, ignoreIndex: this.ignoreIndex, reduction: this.reduction });
  }
}
/** Cross-entropy of probabilities. */
export class BCELoss extends WeightedLoss {
  constructor(...rest: Weighted<F.LossOptions>) {
    super(
      'BCELoss',
      weighted<F.LossOptions & { weight?: Tensor | null }>('BCELoss', rest, { weight: null, reduction: 'mean' }),
    );
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.binaryCrossEntropy(input, target, { weight: this.weight, reduction: this.reduction });
  }
}
/** Cross-entropy of logits. */
export class BCEWithLogitsLoss extends WeightedLoss {
  declare pos_weight: Tensor | null;
  constructor(...rest: Weighted<F.LossOptions & { posWeight?: Tensor | null }>) {
    const o = weighted<F.LossOptions & { weight?: Tensor | null; posWeight?: Tensor | null }>(
      'BCEWithLogitsLoss',
      rest,
      { weight: null, reduction: 'mean', posWeight: null },
    );
    super('BCEWithLogitsLoss', o);
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
