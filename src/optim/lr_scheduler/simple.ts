// Schedules that follow one formula: constants, steps, powers, lines, half cosines, functions of the user's own.
// Where PyTorch changes the present rate instead of the base rate, so do these: then several can act on one optimizer.
import type { Rest } from '../../nn/args.js';
import { ValueError } from '../../tensor/errors.js';
import { COMMON, LRScheduler, settings, type Schedulable, type SchedulerOptions } from './base.js';

type Tail = [lastEpoch: number, verbose: boolean];

export interface StepLROptions extends SchedulerOptions {
  stepSize?: number;
  gamma?: number;
}
/** lr * gamma every `stepSize` epochs. */
export class StepLR extends LRScheduler {
  readonly stepSize: number;
  readonly gamma: number;
  constructor(optimizer: Schedulable, ...rest: Rest<[stepSize: number, gamma: number, ...Tail], StepLROptions>) {
    const o = settings<StepLROptions>('StepLR', rest, { stepSize: NaN, gamma: 0.1, ...COMMON });
    super(optimizer, o.lastEpoch, o.verbose);
    this.stepSize = o.stepSize;
    this.gamma = o.gamma;
    if (!Number.isInteger(this.stepSize) || this.stepSize <= 0)
      throw new ValueError(`stepSize must be a positive integer, got ${this.stepSize}`);
    this.start();
  }
  protected override rates(current: readonly number[]): number[] {
    const now = this.lastEpoch !== 0 && this.lastEpoch % this.stepSize === 0;
    return current.map((lr) => (now ? lr * this.gamma : lr));
  }
  protected override closedForm(): number[] {
    return this.baseLrs.map((lr) => lr * this.gamma ** Math.floor(this.lastEpoch / this.stepSize));
  }
}

export interface MultiStepLROptions extends SchedulerOptions {
  milestones?: readonly number[];
  gamma?: number;
}
/** lr * gamma at each milestone. */
export class MultiStepLR extends LRScheduler {
  /** How often each epoch is a milestone. */
  readonly milestones: ReadonlyMap<number, number>;
  readonly gamma: number;
  constructor(
    optimizer: Schedulable,
    ...rest: Rest<[milestones: readonly number[], gamma: number, ...Tail], MultiStepLROptions>
  ) {
    const o = settings<MultiStepLROptions>('MultiStepLR', rest, { milestones: [], gamma: 0.1, ...COMMON });
    super(optimizer, o.lastEpoch, o.verbose);
    const counts = new Map<number, number>();
    for (const m of o.milestones) counts.set(m, (counts.get(m) ?? 0) + 1);
    this.milestones = counts;
    this.gamma = o.gamma;
    this.start();
  }
  protected override rates(current: readonly number[]): number[] {
    const times = this.milestones.get(this.lastEpoch) ?? 0;
    return current.map((lr) => (times === 0 ? lr : lr * this.gamma ** times));
  }
  protected override closedForm(): number[] {
    let passed = 0;
    for (const [m, times] of this.milestones) if (m <= this.lastEpoch) passed += times;
    return this.baseLrs.map((lr) => lr * this.gamma ** passed);
  }
}

export interface ConstantLROptions extends SchedulerOptions {
  factor?: number;
  totalIters?: number;
}
/** The base rate times `factor` for `totalIters` epochs, then the base rate. */
export class ConstantLR extends LRScheduler {
  readonly factor: number;
  readonly totalIters: number;
  constructor(optimizer: Schedulable, ...rest: Rest<[factor: number, totalIters: number, ...Tail], ConstantLROptions>) {
    const o = settings<ConstantLROptions>('ConstantLR', rest, { factor: 1 / 3, totalIters: 5, ...COMMON });
    if (!(o.factor >= 0 && o.factor <= 1))
      throw new ValueError('Constant multiplicative factor expected to be between 0 and 1.');
    super(optimizer, o.lastEpoch, o.verbose);
    this.factor = o.factor;
    this.totalIters = o.totalIters;
    this.start();
  }
  protected override rates(current: readonly number[]): number[] {
    if (this.lastEpoch === 0) return current.map((lr) => lr * this.factor);
    return current.map((lr) => (this.lastEpoch === this.totalIters ? lr * (1 / this.factor) : lr));
  }
  protected override closedForm(): number[] {
    return this.baseLrs.map((lr) => (this.lastEpoch >= this.totalIters ? lr : lr * this.factor));
  }
}

export interface LinearLROptions extends SchedulerOptions {
  startFactor?: number;
  endFactor?: number;
  totalIters?: number;
}
/** The base rate times a factor that goes from `startFactor` to `endFactor` in `totalIters` epochs. */
export class LinearLR extends LRScheduler {
  readonly startFactor: number;
  readonly endFactor: number;
  readonly totalIters: number;
  constructor(
    optimizer: Schedulable,
    ...rest: Rest<[startFactor: number, endFactor: number, totalIters: number, ...Tail], LinearLROptions>
  ) {
    const defaults = { startFactor: 1 / 3, endFactor: 1, totalIters: 5, ...COMMON };
    const o = settings<LinearLROptions>('LinearLR', rest, defaults);
    if (!(o.startFactor > 0 && o.startFactor <= 1)) {
      throw new ValueError('Starting multiplicative factor expected to be greater than 0 and less or equal to 1.');
    }
    if (!(o.endFactor >= 0 && o.endFactor <= 1))
      throw new ValueError('Ending multiplicative factor expected to be between 0 and 1.');
    super(optimizer, o.lastEpoch, o.verbose);
    this.startFactor = o.startFactor;
    this.endFactor = o.endFactor;
    this.totalIters = o.totalIters;
    this.start();
  }
  protected override rates(current: readonly number[]): number[] {
    const { lastEpoch: t, startFactor: start, endFactor: end, totalIters: total } = this;
    if (t === 0) return current.map((lr) => lr * start);
    if (t > total) return [...current];
    return current.map((lr) => lr * (1 + (end - start) / (total * start + (t - 1) * (end - start))));
  }
  protected override closedForm(): number[] {
    const { startFactor: start, endFactor: end, totalIters: total } = this;
    return this.baseLrs.map((lr) => lr * (start + ((end - start) * Math.min(total, this.lastEpoch)) / total));
  }
}

export interface ExponentialLROptions extends SchedulerOptions {
  gamma?: number;
}
/** lr * gamma each epoch. */
export class ExponentialLR extends LRScheduler {
  readonly gamma: number;
  constructor(optimizer: Schedulable, ...rest: Rest<[gamma: number, ...Tail], ExponentialLROptions>) {
    const o = settings<ExponentialLROptions>('ExponentialLR', rest, { gamma: NaN, ...COMMON });
    if (Number.isNaN(o.gamma)) throw new ValueError('ExponentialLR(): gamma is required');
    super(optimizer, o.lastEpoch, o.verbose);
    this.gamma = o.gamma;
    this.start();
  }
  protected override rates(current: readonly number[]): number[] {
    return current.map((lr) => (this.lastEpoch === 0 ? lr : lr * this.gamma));
  }
  protected override closedForm(): number[] {
    return this.baseLrs.map((lr) => lr * this.gamma ** this.lastEpoch);
  }
}

export interface PolynomialLROptions extends SchedulerOptions {
  totalIters?: number;
  power?: number;
}
/** The base rate times (1 - t / totalIters)^power; 0 after `totalIters` epochs. */
export class PolynomialLR extends LRScheduler {
  readonly totalIters: number;
  readonly power: number;
  constructor(
    optimizer: Schedulable,
    ...rest: Rest<[totalIters: number, power: number, ...Tail], PolynomialLROptions>
  ) {
    const o = settings<PolynomialLROptions>('PolynomialLR', rest, { totalIters: 5, power: 1, ...COMMON });
    super(optimizer, o.lastEpoch, o.verbose);
    this.totalIters = o.totalIters;
    this.power = o.power;
    this.start();
  }
  protected override rates(current: readonly number[]): number[] {
    const { lastEpoch: t, totalIters: total } = this;
    if (t === 0 || t > total) return [...current];
    const factor = ((1 - t / total) / (1 - (t - 1) / total)) ** this.power;
    return current.map((lr) => lr * factor);
  }
  protected override closedForm(): number[] {
    const left = 1 - Math.min(this.totalIters, this.lastEpoch) / this.totalIters;
    return this.baseLrs.map((lr) => lr * left ** this.power);
  }
}

export interface CosineAnnealingLROptions extends SchedulerOptions {
  TMax?: number;
  etaMin?: number;
}
/** Half a cosine from the base rate to `etaMin` over `TMax` epochs. */
export class CosineAnnealingLR extends LRScheduler {
  readonly TMax: number;
  readonly etaMin: number;
  constructor(
    optimizer: Schedulable,
    ...rest: Rest<[TMax: number, etaMin: number, ...Tail], CosineAnnealingLROptions>
  ) {
    const o = settings<CosineAnnealingLROptions>('CosineAnnealingLR', rest, { TMax: NaN, etaMin: 0, ...COMMON });
    if (!(o.TMax > 0)) throw new ValueError(`CosineAnnealingLR(): TMax must be positive, got ${o.TMax}`);
    super(optimizer, o.lastEpoch, o.verbose);
    this.TMax = o.TMax;
    this.etaMin = o.etaMin;
    this.start();
  }
  protected override rates(current: readonly number[]): number[] {
    const { TMax: period, etaMin, lastEpoch: t } = this;
    if (t === 0) return [...current];
    if (this.stepCount === 1) return this.closedForm();
    const height = (s: number): number => 1 + Math.cos((Math.PI * s) / period);
    return current.map((lr, i) => {
      // From the lowest point the ratio of heights would be a division by zero.
      if ((t - 1 - period) % (2 * period) === 0)
        return lr + ((this.baseLrs[i]! - etaMin) * (1 - Math.cos(Math.PI / period))) / 2;
      return (height(t) / height(t - 1)) * (lr - etaMin) + etaMin;
    });
  }
  protected override closedForm(): number[] {
    const height = (1 + Math.cos((Math.PI * this.lastEpoch) / this.TMax)) / 2;
    return this.baseLrs.map((lr) => this.etaMin + (lr - this.etaMin) * height);
  }
}

/** A function of the epoch, or one per group. */
export type LrLambda = ((epoch: number) => number) | readonly ((epoch: number) => number)[];

function lambdas(optimizer: Schedulable, f: LrLambda): readonly ((epoch: number) => number)[] {
  const n = optimizer.paramGroups.length;
  const list = typeof f === 'function' ? optimizer.paramGroups.map(() => f) : f;
  if (list.length !== n) throw new ValueError(`Expected ${n} lr_lambdas, but got ${list.length}`);
  return list;
}

/** The base rate times a function of the epoch. */
export class LambdaLR extends LRScheduler {
  readonly #lambdas: readonly ((epoch: number) => number)[];
  constructor(optimizer: Schedulable, lrLambda: LrLambda, ...rest: Rest<Tail, SchedulerOptions>) {
    const o = settings<SchedulerOptions>('LambdaLR', rest, COMMON);
    super(optimizer, o.lastEpoch, o.verbose);
    this.#lambdas = lambdas(optimizer, lrLambda);
    this.start();
  }
  get lrLambdas(): readonly ((epoch: number) => number)[] {
    return this.#lambdas;
  }
  protected override rates(): number[] {
    return this.baseLrs.map((lr, i) => lr * this.#lambdas[i]!(this.lastEpoch));
  }
}

/** The present rate times a function of the epoch. */
export class MultiplicativeLR extends LRScheduler {
  readonly #lambdas: readonly ((epoch: number) => number)[];
  constructor(optimizer: Schedulable, lrLambda: LrLambda, ...rest: Rest<Tail, SchedulerOptions>) {
    const o = settings<SchedulerOptions>('MultiplicativeLR', rest, COMMON);
    super(optimizer, o.lastEpoch, o.verbose);
    this.#lambdas = lambdas(optimizer, lrLambda);
    this.start();
  }
  protected override rates(current: readonly number[]): number[] {
    return current.map((lr, i) => (this.lastEpoch > 0 ? lr * this.#lambdas[i]!(this.lastEpoch) : lr));
  }
}
