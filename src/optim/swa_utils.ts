// Averages of weights over training. Source: torch.optim.swa_utils.
import { noGrad } from '../autograd/modes.js';
import { Module } from '../nn/module.js';
import { dtypeCode } from '../tensor/dtype.js';
import { ValueError } from '../tensor/errors.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { LRScheduler, type Schedulable } from './lr_scheduler/base.js';
import { constantState } from './optimizer.js';

/** The next average out of the present one, the model's value, and how many values are in the average. */
export type AverageFn = (averaged: Tensor, current: Tensor, count: Tensor) => Tensor;
/** The same for all at once, in place. */
export type MultiAverageFn = (averaged: Tensor[], current: Tensor[], count: Tensor) => void;

const mean: AverageFn = (averaged, current, count) => averaged.add(current.sub(averaged).div(count.add(1)));

/** An exponential moving average: `decay` of the present one stays. */
export function getEmaAvgFn(decay = 0.999): AverageFn {
  if (!(decay >= 0 && decay <= 1))
    throw new ValueError(`Invalid decay value ${decay} provided. Please provide a value in [0,1] range.`);
  return (averaged, current) => averaged.mul(decay).add(current, { alpha: 1 - decay });
}
/** The equal mean of all models (what AveragedModel does by itself). */
export const getSwaAvgFn = (): AverageFn => mean;

export interface AveragedModelOptions {
  device?: string | null;
  avgFn?: AverageFn | null;
  multiAvgFn?: MultiAverageFn | null;
  /** Average buffers too; otherwise they are copied. */
  useBuffers?: boolean;
}

/** A copy of a model whose parameters are averages: call `updateParameters(model)` now and then while training. */
export class AveragedModel extends Module {
  declare readonly module: Module;
  declare readonly nAveraged: Tensor;
  readonly #avgFn: AverageFn;
  readonly #multi: MultiAverageFn | null;
  readonly #useBuffers: boolean;

  constructor(model: Module, options: AveragedModelOptions = {}) {
    super();
    const { avgFn = null, multiAvgFn = null, useBuffers = false } = options;
    if (avgFn !== null && multiAvgFn !== null)
      throw new ValueError('Only one of avg_fn and multi_avg_fn should be provided');
    this.#avgFn = avgFn ?? mean;
    this.#multi = multiAvgFn;
    this.#useBuffers = useBuffers;
    this.registerModule('module', model.clone());
    if (options.device) this.module.to(options.device);
    this.registerBuffer('nAveraged', constantState([], dtypeCode('int64')));
  }
  override forward(...inputs: never[]): unknown {
    return this.module(...inputs);
  }
  /** Takes the model's present parameters into the average. */
  updateParameters(model: Module): void {
    noGrad(() => {
      const tensors = (m: Module): Tensor[] => [...m.parameters(), ...(this.#useBuffers ? m.buffers() : [])];
      const [own, now] = [tensors(this.module), tensors(model)];
      const count = this.nAveraged;
      if (count.item() === 0) own.forEach((p, i) => p.copy_(now[i]!.detach()));
      else if (this.#multi !== null) this.#multi(own, now, count);
      else {
        own.forEach((p, i) => {
          const next = this.#avgFn(p.detach(), now[i]!.detach(), count);
          p.copy_(next);
        });
      }
      if (!this.#useBuffers) {
        const buffers = model.buffers();
        this.module.buffers().forEach((b, i) => b.copy_(buffers[i]!.detach()));
      }
      count.add_(1);
    });
  }
}

interface BatchNorm extends Module {
  runningMean: Tensor | null;
  runningVar: Tensor | null;
  numBatchesTracked: Tensor | null;
  momentum: number | null;
}
const isBatchNorm = (m: Module): m is BatchNorm => 'runningMean' in m && 'momentum' in m && 'resetRunningStats' in m;

/**
 * Computes the statistics of batch norm layers anew by one pass over the data: averages of weights have none of their own.
 * Batches are tensors, or arrays whose first item is the input. An async loader gives a promise.
 */
export function updateBn(loader: Iterable<unknown>, model: Module): void;
export function updateBn(loader: AsyncIterable<unknown>, model: Module): Promise<void>;
export function updateBn(loader: Iterable<unknown> | AsyncIterable<unknown>, model: Module): void | Promise<void> {
  const layers = model.modules().filter(isBatchNorm);
  if (layers.length === 0) return Symbol.iterator in loader ? undefined : Promise.resolve();
  const momenta = layers.map((m) => m.momentum);
  const training = model.training;
  for (const m of layers) {
    (m as unknown as { resetRunningStats(): void }).resetRunningStats();
    m.momentum = null; // a plain average
  }
  model.train();
  const take = (batch: unknown): void => {
    const input: unknown = Array.isArray(batch) ? batch[0] : batch;
    if (!isTensor(input)) throw new ValueError('updateBn(): batches must be tensors or arrays that begin with one');
    noGrad(() => void (model as unknown as (x: Tensor) => unknown)(input));
  };
  const end = (): void => {
    layers.forEach((m, i) => (m.momentum = momenta[i]!));
    model.train(training);
  };
  if (Symbol.iterator in loader) {
    try {
      for (const batch of loader) take(batch);
    } finally {
      end();
    }
    return;
  }
  return (async () => {
    try {
      for await (const batch of loader) take(batch);
    } finally {
      end();
    }
  })();
}

export interface SWALROptions {
  /** Epochs from the present rate to swaLr. */
  annealEpochs?: number;
  annealStrategy?: 'cos' | 'linear';
  lastEpoch?: number;
}

/** Anneals the rate of each group to a fixed one, for the phase in which weights are averaged. */
export class SWALR extends LRScheduler {
  readonly annealEpochs: number;
  readonly #anneal: (t: number) => number;
  constructor(optimizer: Schedulable, swaLr: number | readonly number[], options: SWALROptions = {}) {
    const { annealEpochs = 10, annealStrategy = 'cos', lastEpoch = -1 } = options;
    const rates = typeof swaLr === 'number' ? optimizer.paramGroups.map(() => swaLr) : swaLr;
    if (rates.length !== optimizer.paramGroups.length) {
      throw new ValueError(
        `swa_lr must have the same length as optimizer.param_groups: swa_lr has ${rates.length}, optimizer.param_groups has ${optimizer.paramGroups.length}`,
      );
    }
    optimizer.paramGroups.forEach((g, i) => ((g as { swaLr?: number }).swaLr = rates[i]!));
    if (annealStrategy !== 'cos' && annealStrategy !== 'linear')
      throw new ValueError(`anneal_strategy must by one of 'cos' or 'linear', instead got ${String(annealStrategy)}`);
    if (!Number.isInteger(annealEpochs) || annealEpochs < 0)
      throw new ValueError(`anneal_epochs must be equal or greater than 0, got ${annealEpochs}`);
    super(optimizer, lastEpoch);
    this.annealEpochs = annealEpochs;
    this.#anneal = annealStrategy === 'cos' ? (t) => (1 - Math.cos(Math.PI * t)) / 2 : (t) => t;
    this.start();
  }
  protected override rates(current: readonly number[]): number[] {
    const step = this.annealEpochs === 0 ? Math.max(1, this.stepCount - 1) : this.stepCount - 1;
    const epochs = Math.max(1, this.annealEpochs);
    const fraction = (s: number): number => this.#anneal(Math.max(0, Math.min(1, s / epochs)));
    const [before, now] = [fraction(step - 1), fraction(step)];
    return this.optimizer.paramGroups.map((g, i) => {
      const swaLr = (g as { swaLr?: number }).swaLr!;
      // What the rate would be at the start of the annealing, from the present one.
      const base = before === 1 ? swaLr : (current[i]! - before * swaLr) / (1 - before);
      return swaLr * now + base * (1 - now);
    });
  }
}
