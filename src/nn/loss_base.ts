// What all losses share: their options, with PyTorch's old names, and the reduction.
import { isTensor } from '../tensor/handle.js';
import { ValueError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { settings } from './args.js';
import type * as F from './functional.js';
import { Module } from './module.js';

export interface LossLayerOptions {
  /** How the losses of the elements are joined. */
  reduction?: F.Reduction;
  /** PyTorch's names from before 0.4.1 for `reduction`: false and true mean 'sum'. */
  sizeAverage?: boolean | null;
  /** false means 'none'. */
  reduce?: boolean | null;
}
export const REDUCTION: Required<LossLayerOptions> = { sizeAverage: null, reduce: null, reduction: 'mean' };

function reductionOf(o: Required<LossLayerOptions>): F.Reduction {
  if (o.sizeAverage === null && o.reduce === null) return o.reduction;
  const reduction = !(o.reduce ?? true) ? 'none' : (o.sizeAverage ?? true) ? 'mean' : 'sum';
  process.emitWarning(`sizeAverage and reduce are deprecated: use reduction: '${reduction}' instead`, {
    code: 'FLAMBEAU_LOSS_REDUCTION',
  });
  return reduction;
}
export const REDUCTIONS: readonly string[] = ['none', 'mean', 'sum'];

/** Reads a loss's options. */
export function lossOptions<O extends Omit<LossLayerOptions, 'reduction'>>(
  what: string,
  rest: readonly unknown[],
  defaults: Required<O>,
): Required<O> {
  // The source document writes nn.MSELoss(out, labels): PyTorch takes the tensors for flags, silently. Here it is an error.
  const [first] = rest;
  if (isTensor(first) && Object.keys(defaults)[0] !== 'weight') {
    throw new ValueError(
      `${what}(): the constructor takes options; call the instance with the tensors: new nn.${what}()(input, target)`,
    );
  }
  return settings<O>(what, rest, defaults);
}

export abstract class Loss extends Module {
  readonly reduction: F.Reduction;
  protected constructor(o: Required<LossLayerOptions>, allowed: readonly string[] = REDUCTIONS) {
    super();
    this.reduction = reductionOf(o);
    if (!allowed.includes(this.reduction)) throw new ValueError(`${this.reduction} is not a valid value for reduction`);
  }
}
/** Losses with a factor per class or element: the buffer `weight`. */
export abstract class WeightedLoss extends Loss {
  declare weight: Tensor | null;
  protected constructor(o: Required<LossLayerOptions> & { weight: Tensor | null }) {
    super(o);
    this.registerBuffer('weight', o.weight);
  }
}
