// legacy.nn: criterions. forward gives a number, backward the gradient of the input.
import { grad } from '../autograd/grad.js';
import { enableGrad } from '../autograd/modes.js';
import { ValueError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/handle.js';
import * as modern from '../nn/index.js';
const F = modern.functional;

/** Base of all criterions. */
export abstract class Criterion {
  output = 0;
  gradInput: Tensor | null = null;
  sizeAverage: boolean;
  constructor(sizeAverage = true) {
    this.sizeAverage = sizeAverage;
  }
  protected abstract loss(input: Tensor, target: Tensor): Tensor;
  protected get reduction(): 'mean' | 'sum' {
    return this.sizeAverage ? 'mean' : 'sum';
  }
  updateOutput(input: Tensor, target: Tensor): number {
    this.output = this.loss(input.detach(), target).item();
    return this.output;
  }
  updateGradInput(input: Tensor, target: Tensor): Tensor {
    const x = input.detach().requiresGrad_();
    const [g] = enableGrad(() => grad(this.loss(x, target), [x]));
    if (g === null || g === undefined)
      throw new ValueError(`${this.constructor.name}: the loss does not depend on its input`);
    this.gradInput = g;
    return g;
  }
  forward(input: Tensor, target: Tensor): number {
    return this.updateOutput(input, target);
  }
  backward(input: Tensor, target: Tensor): Tensor {
    return this.updateGradInput(input, target);
  }
}
/** With a factor for each class. */
abstract class ClassCriterion extends Criterion {
  readonly weights: Tensor | null;
  constructor(weights: Tensor | null = null, sizeAverage = true) {
    super(sizeAverage);
    this.weights = weights;
  }
}
/** Log probabilities [N, C] (or [C]) against class numbers. */
export class ClassNLLCriterion extends ClassCriterion {
  protected loss(input: Tensor, target: Tensor): Tensor {
    const x = input.ndim === 1 ? input.unsqueeze(0) : input;
    return F.nllLoss(x, target.reshape([-1]).long(), { weight: this.weights, reduction: this.reduction });
  }
}
/** LogSoftMax and ClassNLLCriterion. */
export class CrossEntropyCriterion extends ClassCriterion {
  protected loss(input: Tensor, target: Tensor): Tensor {
    const x = input.ndim === 1 ? input.unsqueeze(0) : input;
    return F.crossEntropy(x, target.reshape([-1]).long(), { weight: this.weights, reduction: this.reduction });
  }
}
export class MSECriterion extends Criterion {
  protected loss(input: Tensor, target: Tensor): Tensor {
    return F.mseLoss(input, target, { reduction: this.reduction });
  }
}
export class BCECriterion extends ClassCriterion {
  protected loss(input: Tensor, target: Tensor): Tensor {
    return F.binaryCrossEntropy(input, target, { weight: this.weights, reduction: this.reduction });
  }
}
export class SmoothL1Criterion extends Criterion {
  protected loss(input: Tensor, target: Tensor): Tensor {
    return F.smoothL1Loss(input, target, { reduction: this.reduction });
  }
}
