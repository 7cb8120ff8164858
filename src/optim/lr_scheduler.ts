// Learning-rate schedules. Each `step()` moves on by one epoch and writes `lr` of every group. Source: torch.optim.lr_scheduler.
import { ValueError } from '../tensor/errors.js';
import type { Optimizer } from './optimizer.js';

/** What schedules need of an optimizer. */
export type Schedulable = Pick<Optimizer, 'paramGroups'>;

/** Base class: subclasses give the rates of `lastEpoch`. */
export abstract class LRScheduler {
  readonly optimizer: Schedulable;
  readonly baseLrs: readonly number[];
  lastEpoch: number;
  protected lastLr: number[] = [];

  constructor(optimizer: Schedulable, lastEpoch = -1) {
    this.optimizer = optimizer;
    for (const [i, g] of optimizer.paramGroups.entries()) {
      if (lastEpoch === -1) g.initialLr ??= g.lr;
      else if (g.initialLr === undefined) {
        throw new ValueError(`param 'initial_lr' is not specified in param_groups[${i}] when resuming an optimizer`);
      }
    }
    this.baseLrs = optimizer.paramGroups.map((g) => g.initialLr!);
    this.lastEpoch = lastEpoch;
  }
  /** The rates at `lastEpoch`; `current` are those of the groups now. */
  protected abstract rates(current: readonly number[]): number[];

  /** Called by constructors of subclasses when their fields are set. */
  protected start(): void {
    this.step();
  }
  step(): void {
    this.lastEpoch++;
    const groups = this.optimizer.paramGroups;
    this.lastLr = this.rates(groups.map((g) => g.lr));
    groups.forEach((g, i) => (g.lr = this.lastLr[i]!));
  }
  getLastLr(): number[] {
    return [...this.lastLr];
  }
  stateDict(): { lastEpoch: number; baseLrs: number[]; lastLr: number[] } {
    return { lastEpoch: this.lastEpoch, baseLrs: [...this.baseLrs], lastLr: [...this.lastLr] };
  }
  loadStateDict(s: { lastEpoch: number; baseLrs: number[]; lastLr: number[] }): void {
    this.lastEpoch = s.lastEpoch;
    (this as { baseLrs: readonly number[] }).baseLrs = [...s.baseLrs];
    this.lastLr = [...s.lastLr];
  }
}

/** lr * gamma every `stepSize` epochs. */
export class StepLR extends LRScheduler {
  readonly stepSize: number;
  readonly gamma: number;
  constructor(optimizer: Schedulable, options: { stepSize: number; gamma?: number; lastEpoch?: number }) {
    super(optimizer, options.lastEpoch);
    this.stepSize = options.stepSize;
    this.gamma = options.gamma ?? 0.1;
    if (!Number.isInteger(this.stepSize) || this.stepSize <= 0)
      throw new ValueError(`stepSize must be a positive integer, got ${this.stepSize}`);
    this.start();
  }
  protected override rates(current: readonly number[]): number[] {
    const now = this.lastEpoch !== 0 && this.lastEpoch % this.stepSize === 0;
    return current.map((lr) => (now ? lr * this.gamma : lr));
  }
}
/** lr * gamma at each milestone. */
export class MultiStepLR extends LRScheduler {
  readonly milestones: readonly number[];
  readonly gamma: number;
  constructor(optimizer: Schedulable, options: { milestones: readonly number[]; gamma?: number; lastEpoch?: number }) {
    super(optimizer, options.lastEpoch);
    this.milestones = options.milestones;
    this.gamma = options.gamma ?? 0.1;
    this.start();
  }
  protected override rates(current: readonly number[]): number[] {
    const times = this.milestones.filter((m) => m === this.lastEpoch).length;
    return current.map((lr) => lr * this.gamma ** times);
  }
}
/** lr * gamma each epoch. */
export class ExponentialLR extends LRScheduler {
  readonly gamma: number;
  constructor(optimizer: Schedulable, options: { gamma: number; lastEpoch?: number }) {
    super(optimizer, options.lastEpoch);
    this.gamma = options.gamma;
    this.start();
  }
  protected override rates(current: readonly number[]): number[] {
    return current.map((lr) => (this.lastEpoch === 0 ? lr : lr * this.gamma));
  }
}
/** The base rate times a function of the epoch (one function, or one per group). */
export class LambdaLR extends LRScheduler {
  readonly lrLambdas: readonly ((epoch: number) => number)[];
  constructor(
    optimizer: Schedulable,
    lrLambda: ((epoch: number) => number) | readonly ((epoch: number) => number)[],
    options: { lastEpoch?: number } = {},
  ) {
    super(optimizer, options.lastEpoch);
    this.lrLambdas = typeof lrLambda === 'function' ? this.baseLrs.map(() => lrLambda) : lrLambda;
    if (this.lrLambdas.length !== this.baseLrs.length)
      throw new ValueError(`Expected ${this.baseLrs.length} lr_lambdas, but got ${this.lrLambdas.length}`);
    this.start();
  }
  protected override rates(): number[] {
    return this.baseLrs.map((lr, i) => lr * this.lrLambdas[i]!(this.lastEpoch));
  }
}
/** Half a cosine from the base rate to `etaMin` over `tMax` epochs. */
export class CosineAnnealingLR extends LRScheduler {
  readonly tMax: number;
  readonly etaMin: number;
  constructor(optimizer: Schedulable, options: { tMax: number; etaMin?: number; lastEpoch?: number }) {
    super(optimizer, options.lastEpoch);
    this.tMax = options.tMax;
    this.etaMin = options.etaMin ?? 0;
    this.start();
  }
  protected override rates(current: readonly number[]): number[] {
    const { tMax, etaMin, lastEpoch: t } = this;
    if (t === 0) return [...current];
    return current.map((lr, i) => {
      const base = this.baseLrs[i]!;
      if ((t - 1 - tMax) % (2 * tMax) === 0) return lr + ((base - etaMin) * (1 - Math.cos(Math.PI / tMax))) / 2;
      return (
        ((1 + Math.cos((Math.PI * t) / tMax)) / (1 + Math.cos((Math.PI * (t - 1)) / tMax))) * (lr - etaMin) + etaMin
      );
    });
  }
}
