// Schedules made of others, and the one that watches a metric.
import { ValueError } from '../../tensor/errors.js';
import { isTensor, type Tensor } from '../../tensor/handle.js';
import { settings } from './base.js';
import type { Rest } from '../../nn/args.js';
import { LRScheduler, perGroup, type Schedulable, type SchedulerState } from './base.js';

function checkOne(what: string, schedulers: readonly LRScheduler[], optimizer: Schedulable): void {
  if (schedulers.length === 0) throw new ValueError(`${what} expects at least one scheduler, but got no scheduler.`);
  const other = schedulers.findIndex((s) => s.optimizer !== optimizer);
  if (other >= 0) {
    throw new ValueError(
      `${what} expects all schedulers to belong to the same optimizer, but got schedulers at index 0 and ${other} to be different`,
    );
  }
}

/** One schedule after another: `milestones` are the epochs at which the next one begins. */
export class SequentialLR extends LRScheduler {
  readonly #schedulers: readonly LRScheduler[];
  readonly #milestones: readonly number[];
  constructor(
    optimizer: Schedulable,
    schedulers: readonly LRScheduler[],
    milestones: readonly number[],
    options: { lastEpoch?: number; verbose?: boolean } = {},
  ) {
    checkOne('Sequential Schedulers', schedulers, optimizer);
    if (milestones.length !== schedulers.length - 1) {
      throw new ValueError(
        `Sequential Schedulers expects number of schedulers provided to be one more than the number of milestone points, but got number of schedulers ${schedulers.length} and the number of milestones to be equal to ${milestones.length}`,
      );
    }
    super(optimizer, -1, options.verbose);
    this.#schedulers = schedulers;
    this.#milestones = milestones;
    this.lastEpoch = (options.lastEpoch ?? -1) + 1;
    // All of them made their first step when they were made: only the first one's counts.
    for (const g of optimizer.paramGroups) g.lr = g.initialLr!;
    for (const s of schedulers) s.lastEpoch -= 1;
    schedulers[0]!.start();
    this.lastLr = schedulers[0]!.getLastLr();
  }
  override step(): void {
    this.lastEpoch++;
    const at = this.#milestones.filter((m) => m <= this.lastEpoch).length;
    const s = this.#schedulers[at]!;
    if (at > 0 && this.#milestones[at - 1] === this.lastEpoch) s.step(0);
    else s.step();
    this.lastLr = s.getLastLr();
  }
  protected override rates(current: readonly number[]): number[] {
    return [...current];
  }
  override stateDict(): SchedulerState {
    return {
      ...super.stateDict(),
      _milestones: [...this.#milestones],
      _schedulers: this.#schedulers.map((s) => s.stateDict()),
    };
  }
  override loadStateDict(state: Readonly<SchedulerState>): void {
    super.loadStateDict(state);
    (state['_schedulers'] as SchedulerState[]).forEach((s, i) => this.#schedulers[i]!.loadStateDict(s));
  }
}

/** Several schedules at once: each changes the rate that the one before it left. */
export class ChainedScheduler extends LRScheduler {
  readonly #schedulers: readonly LRScheduler[];
  constructor(schedulers: readonly LRScheduler[]) {
    const optimizer = schedulers[0]?.optimizer;
    checkOne('ChainedScheduler', schedulers, optimizer!);
    super(optimizer!);
    this.#schedulers = schedulers;
    this.lastLr = optimizer!.paramGroups.map((g) => g.lr);
  }
  override step(): void {
    for (const s of this.#schedulers) s.step();
    this.lastLr = this.optimizer.paramGroups.map((g) => g.lr);
  }
  protected override rates(current: readonly number[]): number[] {
    return [...current];
  }
  override stateDict(): SchedulerState {
    return { _last_lr: [...this.lastLr], _schedulers: this.#schedulers.map((s) => s.stateDict()) };
  }
  override loadStateDict(state: Readonly<SchedulerState>): void {
    super.loadStateDict(state);
    (state['_schedulers'] as SchedulerState[]).forEach((s, i) => this.#schedulers[i]!.loadStateDict(s));
  }
}

export interface ReduceLROnPlateauOptions {
  mode?: 'min' | 'max';
  factor?: number;
  /** Epochs without improvement that are let pass. */
  patience?: number;
  /** What counts as an improvement. */
  threshold?: number;
  thresholdMode?: 'rel' | 'abs';
  /** Epochs after a reduction in which nothing is counted. */
  cooldown?: number;
  minLr?: number | readonly number[];
  /** Reductions smaller than this are left out. */
  eps?: number;
  verbose?: boolean;
}
/** lr * factor when a metric has stopped improving: `step(validationLoss)` after each epoch. */
export class ReduceLROnPlateau extends LRScheduler {
  readonly mode: 'min' | 'max';
  readonly factor: number;
  readonly patience: number;
  readonly threshold: number;
  readonly thresholdMode: 'rel' | 'abs';
  readonly cooldown: number;
  readonly minLrs: readonly number[];
  readonly eps: number;
  best: number;
  numBadEpochs = 0;
  cooldownCounter = 0;
  constructor(
    optimizer: Schedulable,
    ...rest: Rest<[mode: 'min' | 'max', factor: number, patience: number], ReduceLROnPlateauOptions>
  ) {
    const o = settings<ReduceLROnPlateauOptions>('ReduceLROnPlateau', rest, {
      mode: 'min',
      factor: 0.1,
      patience: 10,
      threshold: 1e-4,
      thresholdMode: 'rel',
      cooldown: 0,
      minLr: 0,
      eps: 1e-8,
      verbose: false,
    });
    if (!(o.factor < 1)) throw new ValueError('Factor should be < 1.0.');
    if (!['min', 'max'].includes(o.mode)) throw new ValueError(`mode ${o.mode} is unknown!`);
    if (!['rel', 'abs'].includes(o.thresholdMode))
      throw new ValueError(`threshold mode ${o.thresholdMode} is unknown!`);
    super(optimizer, -1, o.verbose);
    this.mode = o.mode;
    this.factor = o.factor;
    this.patience = o.patience;
    this.threshold = o.threshold;
    this.thresholdMode = o.thresholdMode;
    this.cooldown = o.cooldown;
    this.minLrs = perGroup('min_lr', o.minLr, optimizer.paramGroups);
    this.eps = o.eps;
    this.best = o.mode === 'min' ? Infinity : -Infinity;
    this.lastEpoch = 0;
    this.lastLr = optimizer.paramGroups.map((g) => g.lr);
  }
  override step(metric?: number | Tensor | null, epoch?: number | null): void {
    if (metric === undefined || metric === null) throw new ValueError('ReduceLROnPlateau.step() needs a metric');
    const now = Number(isTensor(metric) ? metric.item() : metric);
    this.lastEpoch = epoch ?? this.lastEpoch + 1;
    if (this.#better(now)) {
      this.best = now;
      this.numBadEpochs = 0;
    } else this.numBadEpochs++;
    if (this.cooldownCounter > 0) {
      this.cooldownCounter--;
      this.numBadEpochs = 0;
    }
    if (this.numBadEpochs > this.patience) {
      const old = this.optimizer.paramGroups.map((g) => g.lr);
      const reduced = this.rates(old);
      this.set(reduced.map((lr, i) => (old[i]! - lr > this.eps ? lr : old[i]!)));
      this.cooldownCounter = this.cooldown;
      this.numBadEpochs = 0;
    }
    this.lastLr = this.optimizer.paramGroups.map((g) => g.lr);
  }
  #better(x: number): boolean {
    const { best, threshold: t } = this;
    if (this.mode === 'min') return x < (this.thresholdMode === 'rel' ? best * (1 - t) : best - t);
    return x > (this.thresholdMode === 'rel' ? best * (1 + t) : best + t);
  }
  protected override rates(current: readonly number[]): number[] {
    return current.map((lr, i) => Math.max(lr * this.factor, this.minLrs[i]!));
  }
}
