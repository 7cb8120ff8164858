// Schedules that go up and down: one cycle, many cycles, cosines with restarts. Cycles move the momentum the other way.
import type { Rest } from '../../nn/args.js';
import { ValueError } from '../../tensor/errors.js';
import {
  COMMON,
  LRScheduler,
  perGroup,
  setMomentum,
  settings,
  type Schedulable,
  type SchedulerOptions,
} from './base.js';

export interface CosineAnnealingWarmRestartsOptions extends SchedulerOptions {
  T_0?: number;
  TMult?: number;
  etaMin?: number;
}
/** Half cosines from the base rate to `etaMin`, again and again: the first takes `T_0` epochs, each next one `TMult` times as many. */
export class CosineAnnealingWarmRestarts extends LRScheduler {
  readonly T_0: number;
  readonly TMult: number;
  readonly etaMin: number;
  private TI: number;
  private TCur: number;
  constructor(
    optimizer: Schedulable,
    ...rest: Rest<
      [T_0: number, TMult: number, etaMin: number, lastEpoch: number, verbose: boolean],
      CosineAnnealingWarmRestartsOptions
    >
  ) {
    const defaults = { T_0: NaN, TMult: 1, etaMin: 0, ...COMMON };
    const o = settings<CosineAnnealingWarmRestartsOptions>('CosineAnnealingWarmRestarts', rest, defaults);
    if (!Number.isInteger(o.T_0) || o.T_0 <= 0) throw new ValueError(`Expected positive integer T_0, but got ${o.T_0}`);
    if (!Number.isInteger(o.TMult) || o.TMult < 1)
      throw new ValueError(`Expected integer T_mult >= 1, but got ${o.TMult}`);
    super(optimizer, o.lastEpoch, o.verbose);
    this.T_0 = o.T_0;
    this.TMult = o.TMult;
    this.etaMin = o.etaMin;
    this.TI = o.T_0;
    this.TCur = o.lastEpoch;
    this.start();
  }
  /** The epoch may be a fraction: `step(epoch + i / batches)`. */
  override step(epoch?: number | null): void {
    this.stepCount++;
    const to = epoch ?? (this.lastEpoch < 0 ? 0 : null);
    if (to === null) {
      this.TCur++;
      if (this.TCur >= this.TI) {
        this.TCur -= this.TI;
        this.TI *= this.TMult;
      }
      this.lastEpoch++;
    } else {
      if (to < 0) throw new ValueError(`Expected non-negative epoch, but got ${to}`);
      const { T_0: first, TMult: times } = this;
      if (to < first || times === 1) {
        this.TI = first;
        this.TCur = to < first ? to : to % first;
      } else {
        const n = Math.floor(Math.log((to / first) * (times - 1) + 1) / Math.log(times));
        this.TCur = to - (first * (times ** n - 1)) / (times - 1);
        this.TI = first * times ** n;
      }
      this.lastEpoch = Math.floor(to);
    }
    this.set(this.rates(), epoch);
  }
  protected override rates(): number[] {
    const height = (1 + Math.cos((Math.PI * this.TCur) / this.TI)) / 2;
    return this.baseLrs.map((lr) => this.etaMin + (lr - this.etaMin) * height);
  }
}

const NO_MOMENTUM = 'optimizer must support momentum with `cycle_momentum` option enabled';

export interface OneCycleLROptions extends SchedulerOptions {
  maxLr?: number | readonly number[];
  totalSteps?: number | null;
  epochs?: number | null;
  stepsPerEpoch?: number | null;
  /** Part of the cycle in which the rate grows. */
  pctStart?: number;
  annealStrategy?: 'cos' | 'linear';
  cycleMomentum?: boolean;
  baseMomentum?: number | readonly number[];
  maxMomentum?: number | readonly number[];
  /** The first rate is maxLr / divFactor. */
  divFactor?: number;
  /** The last rate is the first one / finalDivFactor. */
  finalDivFactor?: number;
  threePhase?: boolean;
}
interface Phase {
  readonly end: number;
  readonly lr: readonly ['initialLr' | 'maxLr', 'initialLr' | 'maxLr' | 'minLr'];
  readonly momentum: readonly ['baseMomentum' | 'maxMomentum', 'baseMomentum' | 'maxMomentum'];
}
interface CycleGroup {
  initialLr: number;
  maxLr: number;
  minLr: number;
  baseMomentum: number;
  maxMomentum: number;
}
/** One cycle over the whole training: up to `maxLr`, then down to almost nothing; `step()` after each batch. */
export class OneCycleLR extends LRScheduler {
  readonly totalSteps: number;
  readonly #phases: readonly Phase[];
  readonly #anneal: (from: number, to: number, part: number) => number;
  readonly #cycleMomentum: boolean;
  constructor(
    optimizer: Schedulable,
    ...rest: Rest<[maxLr: number | readonly number[], totalSteps: number | null], OneCycleLROptions>
  ) {
    const o = settings<OneCycleLROptions>('OneCycleLR', rest, {
      maxLr: NaN,
      totalSteps: null,
      epochs: null,
      stepsPerEpoch: null,
      pctStart: 0.3,
      annealStrategy: 'cos',
      cycleMomentum: true,
      baseMomentum: 0.85,
      maxMomentum: 0.95,
      divFactor: 25,
      finalDivFactor: 1e4,
      threePhase: false,
      ...COMMON,
    });
    const total = totalOf(o.totalSteps, o.epochs, o.stepsPerEpoch);
    if (!(o.pctStart >= 0 && o.pctStart <= 1))
      throw new ValueError(`Expected float between 0 and 1 pct_start, but got ${o.pctStart}`);
    if (o.annealStrategy !== 'cos' && o.annealStrategy !== 'linear') {
      throw new ValueError(`anneal_strategy must by one of 'cos' or 'linear', instead got ${String(o.annealStrategy)}`);
    }
    const groups = optimizer.paramGroups as unknown as (CycleGroup & { lr: number })[];
    const maxLrs = perGroup('max_lr', o.maxLr, optimizer.paramGroups);
    if (o.lastEpoch === -1) {
      groups.forEach((g, i) => {
        g.initialLr = g.lr = maxLrs[i]! / o.divFactor;
        g.maxLr = maxLrs[i]!;
        g.minLr = g.initialLr / o.finalDivFactor;
      });
    }
    if (o.cycleMomentum) {
      if (!('momentum' in optimizer.defaults) && !('betas' in optimizer.defaults)) throw new ValueError(NO_MOMENTUM);
      const [base, max] = [o.baseMomentum, o.maxMomentum].map((m) => perGroup('momentum', m, optimizer.paramGroups));
      if (o.lastEpoch === -1) {
        groups.forEach((g, i) => {
          setMomentum(g, max![i]!);
          g.maxMomentum = max![i]!;
          g.baseMomentum = base![i]!;
        });
      }
    }
    super(optimizer, o.lastEpoch, o.verbose);
    this.totalSteps = total;
    this.#cycleMomentum = o.cycleMomentum;
    this.#anneal =
      o.annealStrategy === 'cos'
        ? (from, to, part) => to + ((from - to) / 2) * (Math.cos(Math.PI * part) + 1)
        : (from, to, part) => (to - from) * part + from;
    const up: Phase = {
      end: o.pctStart * total - 1,
      lr: ['initialLr', 'maxLr'],
      momentum: ['maxMomentum', 'baseMomentum'],
    };
    this.#phases = o.threePhase
      ? [
          up,
          { end: 2 * o.pctStart * total - 2, lr: ['maxLr', 'initialLr'], momentum: ['baseMomentum', 'maxMomentum'] },
          { end: total - 1, lr: ['initialLr', 'minLr'], momentum: ['maxMomentum', 'maxMomentum'] },
        ]
      : [up, { end: total - 1, lr: ['maxLr', 'minLr'], momentum: ['baseMomentum', 'maxMomentum'] }];
    this.start();
  }
  protected override rates(): number[] {
    const step = this.lastEpoch;
    if (step > this.totalSteps)
      throw new ValueError(`Tried to step ${step} times. The specified number of total steps is ${this.totalSteps}`);
    const at = Math.max(
      0,
      this.#phases.findIndex((p, i) => step <= p.end || i === this.#phases.length - 1),
    );
    const phase = this.#phases[at]!;
    const begin = at === 0 ? 0 : this.#phases[at - 1]!.end;
    const part = (step - begin) / (phase.end - begin);
    return (this.optimizer.paramGroups as unknown as CycleGroup[]).map((g) => {
      const between = (ends: readonly [keyof CycleGroup, keyof CycleGroup]): number =>
        this.#anneal(g[ends[0]], g[ends[1]], part);
      if (this.#cycleMomentum) setMomentum(g, between(phase.momentum));
      return between(phase.lr);
    });
  }
}

function totalOf(total: number | null, epochs: number | null, stepsPerEpoch: number | null): number {
  const positive = (what: string, n: number): number => {
    if (!Number.isInteger(n) || n <= 0) throw new ValueError(`Expected positive integer ${what}, but got ${n}`);
    return n;
  };
  if (total !== null) return positive('total_steps', total);
  if (epochs === null || stepsPerEpoch === null)
    throw new ValueError('You must define either total_steps OR (epochs AND steps_per_epoch)');
  return positive('epochs', epochs) * positive('steps_per_epoch', stepsPerEpoch);
}

export interface CyclicLROptions extends SchedulerOptions {
  baseLr?: number | readonly number[];
  maxLr?: number | readonly number[];
  stepSizeUp?: number;
  stepSizeDown?: number | null;
  mode?: 'triangular' | 'triangular2' | 'exp_range';
  gamma?: number;
  /** The height of a cycle, instead of a mode: from the cycle's number (from 1) or from the iteration. */
  scaleFn?: ((x: number) => number) | null;
  scaleMode?: 'cycle' | 'iterations';
  cycleMomentum?: boolean;
  baseMomentum?: number | readonly number[];
  maxMomentum?: number | readonly number[];
}
/** Triangles between two rates, of equal or shrinking height; `step()` after each batch. */
export class CyclicLR extends LRScheduler {
  readonly maxLrs: readonly number[];
  readonly totalSize: number;
  readonly stepRatio: number;
  readonly cycleMomentum: boolean;
  readonly baseMomentums: readonly number[];
  readonly maxMomentums: readonly number[];
  readonly #scale: (x: number) => number;
  readonly #byCycle: boolean;
  constructor(
    optimizer: Schedulable,
    ...rest: Rest<
      [baseLr: number | readonly number[], maxLr: number | readonly number[], stepSizeUp: number],
      CyclicLROptions
    >
  ) {
    const o = settings<CyclicLROptions>('CyclicLR', rest, {
      baseLr: NaN,
      maxLr: NaN,
      stepSizeUp: 2000,
      stepSizeDown: null,
      mode: 'triangular',
      gamma: 1,
      scaleFn: null,
      scaleMode: 'cycle',
      cycleMomentum: true,
      baseMomentum: 0.8,
      maxMomentum: 0.9,
      ...COMMON,
    });
    const modes = {
      triangular: () => 1,
      triangular2: (x: number) => 1 / 2 ** (x - 1),
      exp_range: (x: number) => o.gamma ** x,
    };
    if (o.scaleFn === null && !Object.hasOwn(modes, o.mode))
      throw new ValueError('mode is invalid and scale_fn is None');
    const groups = optimizer.paramGroups;
    const baseLrs = perGroup('base_lr', o.baseLr, groups);
    if (o.lastEpoch === -1) groups.forEach((g, i) => (g.lr = baseLrs[i]!));
    if (o.cycleMomentum && !('momentum' in optimizer.defaults) && !('betas' in optimizer.defaults))
      throw new ValueError(NO_MOMENTUM);
    const baseMomentums = o.cycleMomentum ? perGroup('base_momentum', o.baseMomentum, groups) : [];
    const maxMomentums = o.cycleMomentum ? perGroup('max_momentum', o.maxMomentum, groups) : [];
    if (o.lastEpoch === -1 && o.cycleMomentum) groups.forEach((g, i) => setMomentum(g, baseMomentums[i]!));
    super(optimizer, o.lastEpoch, o.verbose);
    (this as { baseLrs: readonly number[] }).baseLrs = baseLrs;
    this.maxLrs = perGroup('max_lr', o.maxLr, groups);
    this.totalSize = o.stepSizeUp + (o.stepSizeDown ?? o.stepSizeUp);
    this.stepRatio = o.stepSizeUp / this.totalSize;
    this.cycleMomentum = o.cycleMomentum;
    this.baseMomentums = baseMomentums;
    this.maxMomentums = maxMomentums;
    this.#scale = o.scaleFn ?? modes[o.mode];
    this.#byCycle = o.scaleFn === null ? o.mode !== 'exp_range' : o.scaleMode === 'cycle';
    this.start();
  }
  protected override rates(): number[] {
    const cycle = Math.floor(1 + this.lastEpoch / this.totalSize);
    const x = 1 + this.lastEpoch / this.totalSize - cycle;
    const height = x <= this.stepRatio ? x / this.stepRatio : (x - 1) / (this.stepRatio - 1);
    const part = height * this.#scale(this.#byCycle ? cycle : this.lastEpoch);
    if (this.cycleMomentum) {
      this.optimizer.paramGroups.forEach((g, i) => {
        const [base, max] = [this.baseMomentums[i]!, this.maxMomentums[i]!];
        setMomentum(g, max - (max - base) * part);
      });
    }
    return this.baseLrs.map((base, i) => base + (this.maxLrs[i]! - base) * part);
  }
}
