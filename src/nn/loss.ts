// Losses as modules: criterion(input, target).
import { isTensor } from '../tensor/handle.js';
import { ValueError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/tensor.js';
import * as F from './functional.js';
import { Module } from './module.js';

abstract class Loss extends Module {
  readonly reduction: F.Reduction;
  constructor(what: string, options: F.LossOptions) {
    super();
    // The source document writes nn.MSELoss(out, labels): PyTorch takes the tensors for flags, silently. Here it is an error.
    if (isTensor(options)) throw new ValueError(`${what}(): the constructor takes options; call the instance with the tensors: new nn.${what}()(input, target)`);
    this.reduction = options.reduction ?? 'mean';
    if (!['none', 'mean', 'sum'].includes(this.reduction)) throw new ValueError(`${String(this.reduction)} is not a valid value for reduction`);
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
/** Softmax and negative log likelihood of logits [N, C, ...] against class indices or probabilities. */
export class CrossEntropyLoss extends WeightedLoss {
  readonly ignoreIndex: number;
  readonly labelSmoothing: number;
  constructor(options: F.CrossEntropyOptions = {}) {
    super('CrossEntropyLoss', options);
    this.ignoreIndex = options.ignoreIndex ?? -100;
    this.labelSmoothing = options.labelSmoothing ?? 0;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.crossEntropy(input, target, { weight: this.weight, ignoreIndex: this.ignoreIndex, reduction: this.reduction, labelSmoothing: this.labelSmoothing });
  }
}
/** Negative log likelihood of log probabilities [N, C, ...] against class indices. */
export class NLLLoss extends WeightedLoss {
  readonly ignoreIndex: number;
  constructor(options: F.LossOptions & { weight?: Tensor | null; ignoreIndex?: number } = {}) {
    super('NLLLoss', options);
    this.ignoreIndex = options.ignoreIndex ?? -100;
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.nllLoss(input, target, { weight: this.weight, ignoreIndex: this.ignoreIndex, reduction: this.reduction });
  }
}
/** Cross-entropy of probabilities. */
export class BCELoss extends WeightedLoss {
  constructor(options: F.LossOptions & { weight?: Tensor | null } = {}) {
    super('BCELoss', options);
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.binaryCrossEntropy(input, target, { weight: this.weight, reduction: this.reduction });
  }
}
/** Cross-entropy of logits. */
export class BCEWithLogitsLoss extends WeightedLoss {
  declare pos_weight: Tensor | null;
  constructor(options: F.LossOptions & { weight?: Tensor | null; posWeight?: Tensor | null } = {}) {
    super('BCEWithLogitsLoss', options);
    this.registerBuffer('pos_weight', options.posWeight ?? null);
  }
  override forward(input: Tensor, target: Tensor): Tensor {
    return F.binaryCrossEntropyWithLogits(input, target, { weight: this.weight, posWeight: this.pos_weight, reduction: this.reduction });
  }
}
