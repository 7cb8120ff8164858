// Optimizer: parameter groups, state, and what all optimizers share.
import { native } from '../native.js';
import { enableGrad, noGrad } from '../autograd/modes.js';
import { dtypeCode } from '../tensor/dtype.js';
import { ValueError } from '../tensor/errors.js';
import { isTensor, wrap, type Handle, type Tensor } from '../tensor/handle.js';
import { live } from '../runtime/live.js';

/** A group of parameters with options of their own; all options are writable while training. */
export type ParamGroup<O extends object = object> = { params: Tensor[]; lr: number; initialLr?: number } & O;
/** What constructors take: parameters, or groups of them with options. */
export type Params<O extends object> = Iterable<Tensor> | Iterable<{ params: Tensor | Iterable<Tensor> } & Partial<O>>;

/** State of one parameter under PyTorch's names ('step', 'exp_avg', 'momentum_buffer', ...). */
export type ParamState = Record<string, Tensor>;

/** PyTorch's layout and names: parameters are numbered in order over all groups. */
export interface OptimizerStateDict {
  state: Record<number, Record<string, Tensor | number>>;
  param_groups: ({ params: number[] } & Record<string, unknown>)[];
}

const snake = (s: string): string => s.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
const camel = (s: string): string => s.replace(/_([a-z])/g, (_, c: string) => c.toUpperCase());

/** Parameters of a group that have gradients, as native handles. */
export interface Active {
  readonly tensors: Tensor[];
  readonly params: Handle[];
  readonly grads: Handle[];
}

/** Base class of optimizers. Subclasses define `update`, which changes the parameters of one group. */
export abstract class Optimizer<O extends object = object> {
  readonly defaults: O & { lr: number };
  readonly #groups: ParamGroup<O>[] = [];
  readonly state = new Map<Tensor, ParamState>();

  constructor(params: Params<O & { lr: number }>, defaults: O & { lr: number }) {
    this.defaults = defaults;
    if (isTensor(params)) {
      throw new ValueError(
        'params argument given to the optimizer should be an iterable of Tensors or dicts, but got a Tensor',
      );
    }
    const list = [...(params as Iterable<unknown>)];
    if (list.length === 0) throw new ValueError('optimizer got an empty parameter list');
    const groups = isTensor(list[0])
      ? [{ params: list as Tensor[] }]
      : (list as ({ params: Tensor | Iterable<Tensor> } & Partial<O>)[]);
    for (const g of groups)
      this.addParamGroup(g as { params: Tensor | Iterable<Tensor> } & Partial<O & { lr: number }>);
  }

  /** Each: params, lr and the optimizer's options. */
  get paramGroups(): ParamGroup<O>[] {
    return this.#groups;
  }

  /** Adds parameters to train, with options that override the defaults. Throws ValueError for non-leaves and duplicates. */
  addParamGroup(group: { params: Tensor | Iterable<Tensor> } & Partial<O & { lr: number }>): void {
    const params = isTensor(group.params) ? [group.params] : [...group.params];
    for (const p of params) {
      if (!isTensor(p))
        throw new ValueError(`optimizer can only optimize Tensors, but one of the params is ${typeof p}`);
      if (!p.isLeaf) throw new ValueError("can't optimize a non-leaf Tensor");
    }
    if (new Set(params).size !== params.length)
      throw new ValueError('some parameters appear more than once in a parameter group');
    const known = new Set(this.#groups.flatMap((g) => g.params));
    if (params.some((p) => known.has(p)))
      throw new ValueError('some parameters appear in more than one parameter group');
    this.#groups.push({ ...this.defaults, ...group, params } as ParamGroup<O>);
  }

  /** Clears the gradients: to null, or to zeros with `setToNone: false`. */
  zeroGrad(setToNone = true): void {
    for (const group of this.#groups) {
      for (const p of group.params) {
        if (setToNone) native.setGrad(p._h, null);
        else {
          const g = native.grad(p._h);
          if (g !== null) native.ops.zero_(native.ops.detach(g));
        }
      }
    }
  }

  /** One update of all parameters that have gradients. A closure is called first (with gradients on) and its result returned. */
  step(): void;
  step<T>(closure: () => T): T;
  step<T>(closure?: () => T): T | void {
    const loss = closure === undefined ? undefined : enableGrad(closure);
    const before = native.gradEnabled();
    native.setGradEnabled(false);
    try {
      for (const group of this.#groups) {
        const active = this.#active(group);
        if (active.params.length > 0) this.update(group, active);
      }
    } finally {
      native.setGradEnabled(before);
    }
    return loss;
  }
  /** Changes the parameters of one group; runs under noGrad. */
  protected abstract update(group: ParamGroup<O>, active: Active): void;

  #active(group: ParamGroup<O>): Active {
    const active: Active = { tensors: [], params: [], grads: [] };
    for (const p of group.params) {
      const g = native.grad(p._h);
      if (g === null) continue;
      active.tensors.push(p);
      active.params.push(p._h);
      active.grads.push(g);
    }
    return active;
  }
  /** State tensors `name` of these parameters; missing ones start as zeros. */
  protected slots(tensors: readonly Tensor[], name: string): Handle[] {
    return tensors.map((p) => (this.stateOf(p)[name] ??= zerosState(p.shape, native.dtype(p._h)))._h);
  }
  protected stateOf(p: Tensor): ParamState {
    let s = this.state.get(p);
    if (s === undefined) this.state.set(p, (s = {}));
    return s;
  }
  /**
   * Step counts (0-d float32). Parameters that always step together share one tensor; those that lacked a gradient in some
   * step get counts of their own.
   */
  protected stepCounts(group: ParamGroup<O>, tensors: readonly Tensor[]): Handle[] {
    const fresh = tensors.filter((p) => this.stateOf(p)['step'] === undefined);
    if (fresh.length > 0) {
      const step = zerosState([], FLOAT32);
      for (const p of fresh) this.stateOf(p)['step'] = step;
    }
    if (tensors.length !== group.params.length) {
      const active = new Set(tensors);
      const idle = new Set(group.params.filter((p) => !active.has(p)).map((p) => this.state.get(p)?.['step']));
      const copies = new Map<Tensor, Tensor>();
      for (const p of tensors) {
        const s = this.stateOf(p)['step']!;
        if (!idle.has(s)) continue;
        if (!copies.has(s)) copies.set(s, wrap(native.fromTypedArray(native.toTypedArray(s._h), [], FLOAT32, false)));
        this.stateOf(p)['step'] = copies.get(s)!;
      }
    }
    return tensors.map((p) => this.state.get(p)!['step']!._h);
  }

  // ---- saving ----

  stateDict(): OptimizerStateDict {
    const index = new Map<Tensor, number>();
    const param_groups = this.#groups.map((g) => {
      const { params, ...options } = g;
      const entries = Object.entries(options).map(([k, v]) => [snake(k), v]);
      return {
        ...(Object.fromEntries(entries) as Record<string, unknown>),
        params: params.map((p) => (index.set(p, index.size), index.size - 1)),
      };
    });
    const state: OptimizerStateDict['state'] = {};
    for (const [p, s] of this.state) state[index.get(p)!] = { ...s };
    return { state, param_groups };
  }
  /** Takes over options and (copies of) state. Throws ValueError when the groups do not fit. */
  loadStateDict(dict: OptimizerStateDict): void {
    if (dict.param_groups.length !== this.#groups.length)
      throw new ValueError('loaded state dict has a different number of parameter groups');
    dict.param_groups.forEach((g, i) => {
      if (g.params.length !== this.#groups[i]!.params.length) {
        throw new ValueError(
          "loaded state dict contains a parameter group that doesn't match the size of optimizer's group",
        );
      }
    });
    const byId = new Map<number, Tensor>();
    dict.param_groups.forEach((g, i) => {
      const group = this.#groups[i]!;
      g.params.forEach((id, k) => byId.set(id, group.params[k]!));
      for (const [k, v] of Object.entries(g)) {
        if (k !== 'params') (group as Record<string, unknown>)[camel(k)] = v;
      }
    });
    noGrad(() => {
      this.state.clear();
      // Counts that were shared stay shared.
      const copies = new Map<Tensor, Tensor>();
      for (const [id, s] of Object.entries(dict.state)) {
        const p = byId.get(Number(id));
        if (p === undefined) continue;
        const own: ParamState = {};
        for (const [name, v] of Object.entries(s)) {
          if (v === null || v === undefined) continue;
          if (typeof v === 'number') own[name] = wrap(native.fromTypedArray(Float32Array.of(v), [], FLOAT32, false));
          else {
            if (!copies.has(v))
              copies.set(v, name === 'step' ? v.detach().clone().float() : v.detach().clone().to(p.dtype));
            own[name] = copies.get(v)!;
          }
        }
        this.state.set(p, own);
      }
    });
  }
  toString(): string {
    const lines = this.#groups.flatMap((g, i) => [
      `Parameter Group ${i}`,
      ...Object.entries(g)
        .filter(([k]) => k !== 'params')
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([k, v]) => `    ${k}: ${String(v)}`),
    ]);
    return `${this.constructor.name} (\n${lines.join('\n')}\n)`;
  }
}

const FLOAT32 = dtypeCode('float32');

/**
 * A zero tensor that is not the result of an op: when the first step runs inside a trace, the recorder meets it as state from
 * outside that is updated in place, so that every later run carries it on.
 */
function zerosState(shape: readonly number[], dtype: number): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  if (dtype === FLOAT32) return wrap(native.fromTypedArray(new Float32Array(n), shape, dtype, false));
  if (dtype === dtypeCode('float64')) return wrap(native.fromTypedArray(new Float64Array(n), shape, dtype, false));
  return wrap(native.ops.full(shape, 0, dtype));
}

/** The hyperparameters of a group as live scalars: a compiled step reads them anew in every run. */
export function liveOptions<G extends object, K extends keyof G>(
  group: G,
  names: readonly K[],
): Record<K, ReturnType<typeof live>> {
  return Object.fromEntries(names.map((k) => [k, live(() => group[k] as number)])) as Record<
    K,
    ReturnType<typeof live>
  >;
}

/** Throws ValueError unless lo <= value (< hi). */
export function checkOption(what: string, value: number, lo = 0, hi = Infinity): void {
  if (!(value >= lo && value < hi) && !(hi === Infinity && value === Infinity))
    throw new ValueError(`Invalid ${what}: ${value}`);
}
