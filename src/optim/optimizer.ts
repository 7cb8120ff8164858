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

/** How PyTorch may carry a step out. Accepted and kept for checkpoints: here one way serves all. */
export interface ImplementationOptions {
  foreach?: boolean | null;
  fused?: boolean | null;
  capturable?: boolean;
  /** true is refused: a step has no derivative. */
  differentiable?: boolean;
}
/** These options with their defaults. Throws ValueError for `differentiable: true`. */
export function implementation(o: ImplementationOptions): Required<ImplementationOptions> {
  const { foreach = null, fused = null, capturable = false, differentiable = false } = o;
  if (differentiable)
    throw new ValueError('differentiable=true is not supported: a step is not part of the graph of gradients');
  return { foreach, fused, capturable, differentiable };
}

/** Options as an object: the learning rate alone may be given as a number, as in `new Adam(params, 1e-3)`. */
export const withLr = <O extends { lr?: number }>(options: O | number | undefined): Partial<O> =>
  typeof options === 'number' ? ({ lr: options } as Partial<O>) : (options ?? {});

/** Called around a step. A hook before it may return another closure. */
export type StepPreHook = (optimizer: Optimizer, closure: (() => unknown) | undefined) => (() => unknown) | void;
export type StepPostHook = (optimizer: Optimizer, closure: (() => unknown) | undefined) => void;

/** PyTorch's layout and names: parameters are numbered in order over all groups. */
export interface OptimizerStateDict {
  state: Record<number, Record<string, Tensor | number>>;
  param_groups: ({ params: number[] } & Record<string, unknown>)[];
}

/** What `loadStateDict` takes: also what `fb.load` makes of PyTorch's files, whose numbered entries are a Map. */
export interface LoadableStateDict {
  readonly state:
    | Readonly<Record<number, Readonly<Record<string, unknown>>>>
    | ReadonlyMap<unknown, Readonly<Record<string, unknown>>>;
  readonly param_groups: readonly ({ readonly params: readonly number[] } & Readonly<Record<string, unknown>>)[];
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
  readonly #defaults: O & { lr: number };
  readonly #groups: ParamGroup<O>[] = [];
  readonly #state = new Map<Tensor, ParamState>();
  readonly #preHooks = new Set<StepPreHook>();
  readonly #postHooks = new Set<StepPostHook>();

  constructor(params: Params<O & { lr: number }>, defaults: O & { lr: number }) {
    this.#defaults = defaults;
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
  /** Options of groups that do not say otherwise. */
  get defaults(): O & { lr: number } {
    return this.#defaults;
  }
  /** What the optimizer remembers of each parameter. */
  get state(): Map<Tensor, ParamState> {
    return this.#state;
  }

  /** Adds parameters to train, with options that override the defaults. Throws ValueError for non-leaves and duplicates. */
  addParamGroup(group: { params: Tensor | Iterable<Tensor> } & Partial<O & { lr: number }>): void {
    const params = isTensor(group.params) ? [group.params] : [...group.params];
    for (const p of params) {
      if (!isTensor(p))
        throw new ValueError(`optimizer can only optimize Tensors, but one of the params is ${typeof p}`);
      if (!p.isLeaf) throw new ValueError("can't optimize a non-leaf Tensor");
    }
    const full = { ...this.#defaults, ...group, params } as ParamGroup<O>;
    if (full.lr === undefined)
      throw new ValueError("parameter group didn't specify a value of required optimization parameter lr");
    if (new Set(params).size !== params.length)
      throw new ValueError('some parameters appear more than once in a parameter group');
    const known = new Set(this.#groups.flatMap((g) => g.params));
    if (params.some((p) => known.has(p)))
      throw new ValueError('some parameters appear in more than one parameter group');
    this.#groups.push(full);
  }

  /** Calls `hook` before each step. The result removes it. */
  registerStepPreHook(hook: StepPreHook): { remove(): void } {
    this.#preHooks.add(hook);
    return { remove: () => void this.#preHooks.delete(hook) };
  }
  /** Calls `hook` after each step. The result removes it. */
  registerStepPostHook(hook: StepPostHook): { remove(): void } {
    this.#postHooks.add(hook);
    return { remove: () => void this.#postHooks.delete(hook) };
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
    let called = closure;
    for (const hook of this.#preHooks) called = (hook(this, called) as (() => T) | undefined) ?? called;
    const loss = this.run(called);
    for (const hook of this.#postHooks) hook(this, called);
    return loss;
  }
  /** A step without its hooks. */
  protected run<T>(closure: (() => T) | undefined): T | void {
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
  /** State tensors `name` of these parameters; missing ones start as `start`. */
  protected slots(tensors: readonly Tensor[], name: string, start = 0): Handle[] {
    return tensors.map((p) => (this.stateOf(p)[name] ??= constantState(p.shape, native.dtype(p._h), start))._h);
  }
  protected stateOf(p: Tensor): ParamState {
    let s = this.#state.get(p);
    if (s === undefined) this.#state.set(p, (s = {}));
    return s;
  }
  /**
   * Step counts (0-d float32). Parameters that always step together share one tensor; those that lacked a gradient in some
   * step get counts of their own.
   */
  protected stepCounts(group: ParamGroup<O>, tensors: readonly Tensor[]): Handle[] {
    const fresh = tensors.filter((p) => this.stateOf(p)['step'] === undefined);
    if (fresh.length > 0) {
      const step = constantState([], FLOAT32);
      for (const p of fresh) this.stateOf(p)['step'] = step;
    }
    if (tensors.length !== group.params.length) {
      const active = new Set(tensors);
      const idle = new Set(group.params.filter((p) => !active.has(p)).map((p) => this.#state.get(p)?.['step']));
      const copies = new Map<Tensor, Tensor>();
      for (const p of tensors) {
        const s = this.stateOf(p)['step']!;
        if (!idle.has(s)) continue;
        if (!copies.has(s)) copies.set(s, wrap(native.fromTypedArray(native.toTypedArray(s._h), [], FLOAT32, false)));
        this.stateOf(p)['step'] = copies.get(s)!;
      }
    }
    return tensors.map((p) => this.#state.get(p)!['step']!._h);
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
    const steps = new Set<Tensor>();
    for (const [p, s] of this.#state) {
      const own: ParamState = { ...s };
      // PyTorch increases each count in place: in a checkpoint no two may be one.
      if (own['step'] !== undefined) {
        if (steps.has(own['step'])) own['step'] = noGrad(() => own['step']!.clone());
        else steps.add(own['step']);
      }
      state[index.get(p)!] = own;
    }
    return { state, param_groups };
  }
  /** Takes over options and (copies of) state, PyTorch's checkpoints included. Throws ValueError when the groups do not fit. */
  loadStateDict(dict: LoadableStateDict): void {
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
        if (k !== 'params') (group as Record<string, unknown>)[camel(k)] = isTensor(v) ? v.item() : v;
      }
    });
    const entries = dict.state instanceof Map ? [...dict.state] : Object.entries(dict.state);
    noGrad(() => {
      this.#state.clear();
      for (const [id, s] of entries as [unknown, Record<string, unknown>][]) {
        const p = byId.get(Number(id));
        if (p !== undefined) this.#state.set(p, loadedState(s, p));
      }
      for (const group of this.#groups) this.#shareSteps(group);
    });
  }
  /** Parameters of a group that have made equally many steps share their count again: see `stepCounts`. */
  #shareSteps(group: ParamGroup<O>): void {
    const byCount = new Map<unknown, Tensor>();
    for (const p of group.params) {
      const s = this.#state.get(p);
      const step = s?.['step'];
      if (step === undefined) continue;
      const n = step.item();
      if (!byCount.has(n)) byCount.set(n, step);
      s!['step'] = byCount.get(n)!;
    }
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
const FLOAT64 = dtypeCode('float64');

/** Copies of a parameter's state: counts as float32, tensors in the parameter's dtype. */
function loadedState(s: Readonly<Record<string, unknown>>, p: Tensor): ParamState {
  const own: ParamState = {};
  for (const [name, v] of Object.entries(s)) {
    if (typeof v === 'number') own[name] = wrap(native.fromTypedArray(Float32Array.of(v), [], FLOAT32, false));
    else if (isTensor(v)) own[name] = name === 'step' ? v.detach().clone().float() : v.detach().clone().to(p.dtype);
  }
  return own;
}

/** Increases each count once. */
export function advance(steps: readonly Handle[]): void {
  for (const s of new Set(steps)) native.ops.add_(s, 1, 1);
}

/** `make` of each count, called once for those that share one. */
export function perStep<T>(steps: readonly Handle[], make: (step: Handle) => T): T[] {
  const known = new Map<Handle, T>();
  return steps.map((s) => {
    if (!known.has(s)) known.set(s, make(native.ops.toDtype(s, FLOAT64)));
    return known.get(s)!;
  });
}

/** 1 - beta^step for a float64 count: a 0-d tensor, so that a compiled step computes it anew. */
export const correction = (beta: ReturnType<typeof live>, step: Handle): Handle =>
  native.ops.rsub(native.ops.powScalar(beta, step), 1, 1);

/**
 * A constant tensor that is not the result of an op: when the first step runs inside a trace, the recorder meets it as state from
 * outside that is updated in place, so that every later run carries it on.
 */
export function constantState(shape: readonly number[], dtype: number, value = 0): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  return wrap(native.fromTypedArray(new Float64Array(n).fill(value), shape, dtype, false));
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
