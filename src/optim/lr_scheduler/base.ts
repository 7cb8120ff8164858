// What all learning-rate schedules share. Each `step()` moves on by one epoch and writes `lr` of every group.
// Source: torch.optim.lr_scheduler; state dicts have its keys, so that its checkpoints load.
import { settings } from '../../nn/args.js';
import { ValueError } from '../../tensor/errors.js';
import type { Optimizer, ParamGroup } from '../optimizer.js';

/** What schedules need of an optimizer. */
export type Schedulable = Pick<Optimizer, 'paramGroups' | 'defaults'>;

/** Options of all schedules. */
export interface SchedulerOptions {
  /** The epoch to go on from; -1: the start. */
  lastEpoch?: number;
  /** Print each change. */
  verbose?: boolean;
}
export const COMMON = { lastEpoch: -1, verbose: false } as const;
export { settings };

/** State under PyTorch's names. */
export type SchedulerState = Record<string, unknown>;

/** Names that are not the camelCase of PyTorch's. */
const NAMES: Readonly<Record<string, string>> = {
  lastLr: '_last_lr',
  stepCount: '_step_count',
  TMax: 'T_max',
  T_0: 'T_0',
  TMult: 'T_mult',
  TI: 'T_i',
  TCur: 'T_cur',
};
const pythonName = (name: string): string => NAMES[name] ?? name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

/** Base class: subclasses give the rates of `lastEpoch`. */
export abstract class LRScheduler {
  readonly optimizer: Schedulable;
  readonly baseLrs: readonly number[];
  readonly verbose: boolean;
  lastEpoch: number;
  protected stepCount = 0;
  protected lastLr: number[] = [];

  constructor(optimizer: Schedulable, lastEpoch = -1, verbose = false) {
    if (!Array.isArray(optimizer?.paramGroups)) throw new ValueError(`${String(optimizer)} is not an Optimizer`);
    this.optimizer = optimizer;
    this.verbose = verbose;
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
  /** The rates at `lastEpoch` from the base rates alone, where there is such a formula. */
  protected closedForm?(): number[];

  /** Called by constructors of subclasses when their fields are set, and by schedules made of others. Internal. */
  start(): void {
    this.stepCount = 0;
    this.step();
  }
  /** Moves on by one epoch, or to a given one. */
  step(epoch?: number | null): void {
    this.stepCount++;
    this.lastEpoch = epoch ?? this.lastEpoch + 1;
    const groups = this.optimizer.paramGroups;
    const jumps = epoch !== undefined && epoch !== null && this.closedForm !== undefined;
    this.set(jumps ? this.closedForm!() : this.rates(groups.map((g) => g.lr)), epoch);
  }
  protected set(rates: readonly number[], epoch?: number | null): void {
    this.optimizer.paramGroups.forEach((g, i) => {
      g.lr = rates[i]!;
      this.printLr(this.verbose, i, rates[i]!, epoch);
    });
    this.lastLr = [...rates];
  }
  getLastLr(): number[] {
    return [...this.lastLr];
  }
  /** Prints a rate when `isVerbose`. */
  printLr(isVerbose: boolean, group: number, lr: number, epoch?: number | null): void {
    if (!isVerbose) return;
    const when = epoch === undefined || epoch === null ? '' : `Epoch ${String(epoch).padStart(5, '0')}: `;
    const what = `djusting learning rate of group ${group} to ${lr.toExponential(4)}.`;
    process.stdout.write(`${when}${when === '' ? 'A' : 'a'}${what}\n`);
  }

  /** All fields but the optimizer and functions, under PyTorch's names. */
  stateDict(): SchedulerState {
    const entries = Object.entries(this).filter(([k, v]) => k !== 'optimizer' && typeof v !== 'function');
    const copy = (v: unknown): unknown =>
      Array.isArray(v) ? [...(v as unknown[])] : v instanceof Map ? new Map(v) : v;
    return Object.fromEntries(entries.map(([k, v]) => [pythonName(k), copy(v)]));
  }
  /** Takes over what `stateDict` gave, here or in PyTorch. */
  loadStateDict(state: Readonly<SchedulerState>): void {
    const own = this as unknown as Record<string, unknown>;
    for (const [k, v] of Object.entries(own)) {
      const given = state[pythonName(k)];
      if (given === undefined || k === 'optimizer' || typeof v === 'function') continue;
      own[k] = Array.isArray(given) ? [...(given as unknown[])] : given;
    }
  }
}

/** One value per group from one for all. */
export function perGroup(what: string, x: number | readonly number[], groups: readonly ParamGroup[]): number[] {
  if (typeof x === 'number') return groups.map(() => x);
  if (x.length !== groups.length) throw new ValueError(`expected ${groups.length} values for ${what}, got ${x.length}`);
  return [...x];
}

/** The momentum of a group, which Adam's family calls its first beta. */
export interface MomentumGroup {
  momentum?: number;
  betas?: readonly [number, number];
}
export function setMomentum(group: object, momentum: number): void {
  const g = group as MomentumGroup;
  if (g.betas !== undefined) g.betas = [momentum, g.betas[1]];
  else g.momentum = momentum;
}
