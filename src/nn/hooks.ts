// Hooks of modules: who may listen to a call, and how a call with listeners runs. A module without hooks never comes here.
import { native } from '../native.js';
import { Function as AutogradFunction, type FunctionCtx } from '../autograd/function.js';
import { isFloatingDtype } from '../tensor/dtype.js';
import { isTensor } from '../tensor/handle.js';
import type { RemovableHandle, Tensor } from '../tensor/tensor.js';
import { STATE } from './fields.js';
import type { Module } from './module.js';
import type { StateDict } from './state_dict.js';

type Grads = readonly (Tensor | null)[];
type Options = Readonly<Record<string, unknown>>;
/** Before forward. A returned value replaces the inputs (an array: all of them). */
export type ForwardPreHook = (module: Module, inputs: readonly unknown[]) => unknown;
/** The same with the trailing options object apart; returns [inputs, options] or nothing. */
export type ForwardPreHookWithKwargs = (module: Module, inputs: readonly unknown[], options: Options) => unknown;
/** After forward. A returned value replaces the output. */
export type ForwardHook = (module: Module, inputs: readonly unknown[], output: unknown) => unknown;
export type ForwardHookWithKwargs = (
  module: Module,
  inputs: readonly unknown[],
  options: Options,
  output: unknown,
) => unknown;
/** After the gradients of the inputs are known. A returned array (or tensor) replaces them. */
export type BackwardHook = (
  module: Module,
  gradInput: Grads,
  gradOutput: Grads,
) => Grads | Tensor | null | undefined | void;
/** Before the gradients go through the module. A returned array (or tensor) replaces the gradients of the outputs. */
export type BackwardPreHook = (module: Module, gradOutput: Grads) => Grads | Tensor | null | undefined | void;
export type StateDictPreHook = (module: Module, prefix: string, keepVars: boolean) => void;
export type StateDictHook = (module: Module, state: StateDict, prefix: string) => StateDict | null | undefined | void;
export type LoadStateDictPreHook = (module: Module, state: StateDict, prefix: string) => void;
export type LoadStateDictPostHook = (module: Module, keys: { missingKeys: string[]; unexpectedKeys: string[] }) => void;

export interface HookOptions {
  /** Before the hooks that are there already. */
  prepend?: boolean;
  /** The hook gets the trailing options object apart from the other inputs. */
  withKwargs?: boolean;
  /** (forward hooks) The hook also runs when forward threw; the output is null then. */
  alwaysCall?: boolean;
}
interface Entry<F> {
  readonly hook: F;
  readonly withKwargs: boolean;
  readonly alwaysCall: boolean;
}
/** Hooks in the order in which they run. */
export type HookList<F> = Entry<F>[];

export interface HookLists {
  forwardPre: HookList<ForwardPreHook | ForwardPreHookWithKwargs>;
  forward: HookList<ForwardHook | ForwardHookWithKwargs>;
  backwardPre: HookList<BackwardPreHook>;
  backward: HookList<BackwardHook>;
  stateDictPre: HookList<StateDictPreHook>;
  stateDict: HookList<StateDictHook>;
  loadPre: HookList<LoadStateDictPreHook>;
  loadPost: HookList<LoadStateDictPostHook>;
}
export const newHookLists = (): HookLists => ({
  forwardPre: [],
  forward: [],
  backwardPre: [],
  backward: [],
  stateDictPre: [],
  stateDict: [],
  loadPre: [],
  loadPost: [],
});

export function addHook<F>(list: HookList<F>, hook: F, options: HookOptions = {}): RemovableHandle {
  const entry = { hook, withKwargs: options.withKwargs ?? false, alwaysCall: options.alwaysCall ?? false };
  if (options.prepend ?? false) list.unshift(entry);
  else list.push(entry);
  return {
    remove: () => {
      const at = list.indexOf(entry);
      if (at >= 0) list.splice(at, 1);
    },
  };
}

/** Hooks that listen to every module. */
export const globalHooks = newHookLists();
/** Whether some hook listens to calls. */
export const hasCallHooks = (lists: HookLists): boolean =>
  lists.forwardPre.length > 0 || lists.forward.length > 0 || lists.backwardPre.length > 0 || lists.backward.length > 0;

/** Calls `hook(module, inputs)` before the forward of every module. */
export const registerModuleForwardPreHook = (hook: ForwardPreHook): RemovableHandle =>
  addHook(globalHooks.forwardPre, hook);
/** Calls `hook(module, inputs, output)` after the forward of every module. */
export const registerModuleForwardHook = (hook: ForwardHook, options: { alwaysCall?: boolean } = {}): RemovableHandle =>
  addHook(globalHooks.forward, hook, options);
/** Calls `hook(module, gradOutput)` before the backward pass of every module. */
export const registerModuleFullBackwardPreHook = (hook: BackwardPreHook): RemovableHandle =>
  addHook(globalHooks.backwardPre, hook);
/** Calls `hook(module, gradInput, gradOutput)` after the backward pass of every module. */
export const registerModuleFullBackwardHook = (hook: BackwardHook): RemovableHandle =>
  addHook(globalHooks.backward, hook);

const isOptions = (x: unknown): x is Options =>
  typeof x === 'object' && x !== null && Object.getPrototypeOf(x) === Object.prototype;
const given = (x: unknown): boolean => x !== undefined && x !== null;

/** Inputs without the trailing options object, and that object ({} where there is none). */
function splitOptions(args: readonly unknown[]): [unknown[], Options] {
  const last = args.at(-1);
  return isOptions(last) ? [args.slice(0, -1), last] : [[...args], {}];
}
const joinOptions = (inputs: readonly unknown[], options: Options): unknown[] =>
  Object.keys(options).length > 0 ? [...inputs, options] : [...inputs];

function runPreHooks(
  m: Module,
  hooks: HookList<ForwardPreHook | ForwardPreHookWithKwargs>,
  args: unknown[],
): unknown[] {
  let now = args;
  for (const { hook, withKwargs } of [...hooks]) {
    if (withKwargs) {
      const changed = (hook as ForwardPreHookWithKwargs)(m, ...splitOptions(now));
      if (given(changed)) now = joinOptions(...(changed as [unknown[], Options]));
    } else {
      const changed = (hook as ForwardPreHook)(m, now);
      if (given(changed)) now = Array.isArray(changed) ? (changed as unknown[]) : [changed];
    }
  }
  return now;
}

function runHook(
  m: Module,
  { hook, withKwargs }: Entry<ForwardHook | ForwardHookWithKwargs>,
  args: unknown[],
  output: unknown,
): unknown {
  const changed = withKwargs
    ? (hook as ForwardHookWithKwargs)(m, ...splitOptions(args), output)
    : (hook as ForwardHook)(m, args, output);
  return given(changed) ? changed : output;
}

/** A call of `m` with all its hooks; `forward` runs the module itself. */
export function callWithHooks(m: Module, inputs: unknown[], forward: (args: unknown[]) => unknown): unknown {
  const own = m[STATE].hooks ?? newHookLists();
  let args = runPreHooks(m, [...globalHooks.forwardPre, ...own.forwardPre], inputs);
  const backward = new BackwardWatch(
    m,
    [...globalHooks.backwardPre, ...own.backwardPre],
    [...globalHooks.backward, ...own.backward],
  );
  args = backward.watchInputs(args);
  const hooks = [...globalHooks.forward, ...own.forward];
  const done = new Set<object>();
  try {
    let output = forward(args);
    for (const entry of hooks) {
      done.add(entry);
      output = runHook(m, entry, args, output);
    }
    return backward.watchOutputs(output);
  } catch (error) {
    for (const entry of hooks) {
      if (!entry.alwaysCall || done.has(entry)) continue;
      try {
        runHook(m, entry, args, null);
      } catch (second) {
        // The first error is the one to report.
        process.emitWarning(`forward hook with alwaysCall raised an error that was silenced: ${String(second)}`);
      }
    }
    throw error;
  }
}

/** Identity whose backward pass tells `seen` the gradients, and takes what it returns. */
class Watch extends AutogradFunction {
  static override forward(ctx: FunctionCtx, seen: (grads: Grads) => Grads, ...tensors: Tensor[]): Tensor[] {
    ctx.setMaterializeGrads(false);
    (ctx as { seen?: (grads: Grads) => Grads }).seen = seen;
    ctx.markNonDifferentiable(...tensors.filter((t) => !t.requiresGrad));
    return tensors;
  }
  static override backward(ctx: FunctionCtx, ...grads: (Tensor | null)[]): (Tensor | null)[] {
    return [null, ...(ctx as { seen?: (grads: Grads) => Grads }).seen!(grads)];
  }
}

/** Puts identity nodes around a module, so that its backward hooks see the gradients of its inputs and outputs. */
class BackwardWatch {
  #gradOutput: Grads | null = null;
  #inputs: { readonly places: readonly number[]; readonly count: number } | null = null;

  constructor(
    private readonly module: Module,
    private readonly preHooks: HookList<BackwardPreHook>,
    private readonly hooks: HookList<BackwardHook>,
  ) {}

  watchInputs(args: unknown[]): unknown[] {
    if (this.hooks.length === 0) return args;
    return watch(
      args,
      (grads, places) => this.#onInputs(grads, places, args.length),
      (places) => {
        this.#inputs = { places, count: args.length };
      },
    );
  }

  watchOutputs(output: unknown): unknown {
    if (this.hooks.length === 0 && this.preHooks.length === 0) return output;
    const list = Array.isArray(output) ? (output as unknown[]) : [output];
    const watched = watch(list, (grads, places) => this.#onOutputs(grads, places, list.length));
    return Array.isArray(output) ? watched : watched[0];
  }

  #onOutputs(grads: Grads, places: readonly number[], count: number): Grads {
    let all: Grads = spread(grads, places, count);
    for (const { hook } of this.preHooks) {
      const changed = hook(this.module, all);
      if (given(changed)) all = isTensor(changed) ? [changed] : (changed as Grads);
    }
    this.#gradOutput = all;
    if (this.#inputs === null) {
      // No input takes a gradient: the hooks still hear about those of the outputs.
      for (const { hook } of this.hooks) hook(this.module, [], all);
    }
    return places.map((p) => all[p] ?? null);
  }

  #onInputs(grads: Grads, places: readonly number[], count: number): Grads {
    let all: Grads = spread(grads, places, count);
    for (const { hook } of this.hooks) {
      const changed = hook(this.module, all, this.#gradOutput ?? []);
      if (given(changed)) all = isTensor(changed) ? [changed] : (changed as Grads);
    }
    this.#gradOutput = null;
    return places.map((p) => all[p] ?? null);
  }
}

/** `values` with its tensors behind an identity node; unchanged when none of them takes part in a graph. */
function watch(
  values: unknown[],
  seen: (grads: Grads, places: readonly number[]) => Grads,
  onWatched: (places: readonly number[]) => void = () => undefined,
): unknown[] {
  const places = values.flatMap((v, i) => (isTensor(v) && isFloatingDtype(v.dtype) ? [i] : []));
  const tensors = places.map((i) => values[i] as Tensor);
  if (!native.gradEnabled() || !tensors.some((t) => t.requiresGrad)) return values;
  onWatched(places);
  const out = [...values];
  const watched = Watch.apply((grads: Grads) => seen(grads, places), ...tensors);
  places.forEach((p, i) => (out[p] = watched[i]));
  return out;
}

const spread = (grads: Grads, places: readonly number[], count: number): Grads => {
  const all = new Array<Tensor | null>(count).fill(null);
  places.forEach((p, i) => (all[p] = grads[i] ?? null));
  return all;
};
