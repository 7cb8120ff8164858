// Losses: checks of reduction and sizes in front of the ops.
import type { Tensor } from '../../tensor/tensor.js';
import { ShapeError, ValueError } from '../../tensor/errors.js';
import { checkTensor } from '../../tensor/args.js';
import { isTensor } from '../../tensor/handle.js';
import { native } from '../../native.js';
import { noGrad } from '../../autograd/modes.js';
import * as ops from '../../../generated/ts/functions.js';

export type Reduction = 'none' | 'mean' | 'sum';

function checkReduction(op: string, reduction: string): void {
  if (reduction !== 'none' && reduction !== 'mean' && reduction !== 'sum') {
    throw new ValueError(`${op}: ${String(reduction)} is not a valid value for reduction`);
  }
}

/** How a loss's options object looks: `reduction` is 'mean' (default), 'sum' or 'none'. */
export interface LossOptions {
  reduction?: Reduction;
}
function sameSize(op: string, input: Tensor, target: Tensor): void {
  checkTensor(op, input);
  if (input.isSameSize(target)) return;
  process.emitWarning(
    `Using a target size (torch.Size([${target.shape.join(', ')}])) that is different to the input size (torch.Size([${input.shape.join(', ')}])). ` +
      'This will likely lead to incorrect results due to broadcasting. Please ensure they have the same size.',
    { code: `FLAMBEAU_${op.toUpperCase()}_BROADCAST` },
  );
}
/** (input - target)^2, averaged. */
export function mseLoss(input: Tensor, target: Tensor, o: LossOptions = {}): Tensor {
  checkReduction('mseLoss', o.reduction ?? 'mean');
  sameSize('mse_loss', input, target);
  return ops.mseLoss(input, target, { reduction: o.reduction ?? 'mean' });
}
/** |input - target|, averaged. */
export function l1Loss(input: Tensor, target: Tensor, o: LossOptions = {}): Tensor {
  checkReduction('l1Loss', o.reduction ?? 'mean');
  sameSize('l1_loss', input, target);
  return ops.l1Loss(input, target, { reduction: o.reduction ?? 'mean' });
}
/** Quadratic below `beta`, linear above. */
export function smoothL1Loss(input: Tensor, target: Tensor, o: LossOptions & { beta?: number } = {}): Tensor {
  checkReduction('smoothL1Loss', o.reduction ?? 'mean');
  sameSize('smooth_l1_loss', input, target);
  return ops.smoothL1Loss(input, target, { reduction: o.reduction ?? 'mean', beta: o.beta ?? 1 });
}
export interface CrossEntropyOptions extends LossOptions {
  /** One factor per class. */
  weight?: Tensor | null;
  ignoreIndex?: number;
  labelSmoothing?: number;
}
/** Softmax and negative log likelihood of [N, C, ...] against class indices [N, ...] (int64) or probabilities [N, C, ...]. */
export function crossEntropy(input: Tensor, target: Tensor, o: CrossEntropyOptions = {}): Tensor {
  const { weight = null, ignoreIndex = -100, reduction = 'mean', labelSmoothing = 0 } = o;
  checkReduction('crossEntropy', reduction);
  return ops.crossEntropy(input, target, weight, { ignoreIndex, reduction, labelSmoothing });
}
/** Negative log likelihood of log probabilities [N, C, ...] against class indices [N, ...]. */
export function nllLoss(
  input: Tensor,
  target: Tensor,
  o: LossOptions & { weight?: Tensor | null; ignoreIndex?: number } = {},
): Tensor {
  const { weight = null, ignoreIndex = -100, reduction = 'mean' } = o;
  checkReduction('nllLoss', reduction);
  return ops.nllLoss(input, target, weight, { ignoreIndex, reduction });
}
/** Cross-entropy of probabilities in [0, 1]. */
export function binaryCrossEntropy(
  input: Tensor,
  target: Tensor,
  o: LossOptions & { weight?: Tensor | null } = {},
): Tensor {
  checkTensor('binaryCrossEntropy', input);
  checkReduction('binaryCrossEntropy', o.reduction ?? 'mean');
  if (!input.isSameSize(target)) {
    throw new ShapeError(
      `Using a target size (torch.Size([${target.shape.join(', ')}])) that is different to the input size (torch.Size([${input.shape.join(', ')}])) is deprecated. ` +
        'Please ensure they have the same size.',
    );
  }
  checkProbabilities(input);
  return ops.binaryCrossEntropy(input, target, o.weight ?? null, { reduction: o.reduction ?? 'mean' });
}
/** Throws ValueError for a number that is no probability. A graph that is being recorded cannot look at values: no check there. */
function checkProbabilities(input: Tensor): void {
  if (native.traceActive() || input.numel() === 0) return;
  const fine = noGrad(() => input.ge(0).logicalAnd(input.le(1)).all().item()) as unknown as boolean;
  if (!fine) throw new ValueError('all elements of input should be between 0 and 1');
}
/** Cross-entropy of logits, in the form that does not overflow. */
export function binaryCrossEntropyWithLogits(
  input: Tensor,
  target: Tensor,
  o: LossOptions & { weight?: Tensor | null; posWeight?: Tensor | null } = {},
): Tensor {
  checkTensor('binaryCrossEntropyWithLogits', input);
  checkReduction('binaryCrossEntropyWithLogits', o.reduction ?? 'mean');
  if (!input.isSameSize(target)) {
    throw new ShapeError(
      `Target size (torch.Size([${target.shape.join(', ')}])) must be the same as input size (torch.Size([${input.shape.join(', ')}]))`,
    );
  }
  return ops.binaryCrossEntropyWithLogits(input, target, o.weight ?? null, {
    reduction: o.reduction ?? 'mean',
    posWeight: o.posWeight ?? null,
  });
}

type Lengths = Tensor | readonly number[];
const lengthsOf = (x: Lengths): readonly number[] =>
  isTensor(x) ? (x.reshape(-1).tolist() as number[]) : (x as readonly number[]);

/**
 * Connectionist temporal classification: logProbs [T, N, C] or [T, C], targets [N, S] padded or all one after another, lengths per
 * sequence as tensors or arrays. Source: torch.nn.functional.ctc_loss.
 */
export function ctcLoss(
  logProbs: Tensor,
  targets: Tensor,
  inputLengths: Lengths,
  targetLengths: Lengths,
  o: LossOptions & { blank?: number; zeroInfinity?: boolean } = {},
): Tensor {
  const { blank = 0, reduction = 'mean', zeroInfinity = false } = o;
  return ops.ctcLoss(logProbs, targets, lengthsOf(inputLengths), lengthsOf(targetLengths), {
    blank,
    reduction,
    zeroInfinity,
  });
}

/** tripletMarginLoss with a distance of the caller's; the Euclidean one by default. */
export function tripletMarginWithDistanceLoss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  o: LossOptions & {
    distanceFunction?: ((a: Tensor, b: Tensor) => Tensor) | null;
    margin?: number;
    swap?: boolean;
  } = {},
): Tensor {
  const { reduction = 'mean', margin = 1, swap = false } = o;
  const distance = o.distanceFunction ?? ((a: Tensor, b: Tensor) => ops.pairwiseDistance(a, b));
  checkReduction('tripletMarginWithDistanceLoss', reduction);
  const near = distance(anchor, positive);
  let far = distance(anchor, negative);
  if (swap) far = ops.minimum(far, distance(positive, negative));
  const loss = ops.clampMin(near.sub(far).add(margin), 0);
  return reduction === 'none' ? loss : reduction === 'sum' ? loss.sum() : loss.mean();
}
