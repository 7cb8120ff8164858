// One recorded call of a function: what it returned, the trace, and everything a replay must know that the trace does not hold
// (live scalars' thunks, the shape of the result, the train/eval mode of the modules it called).
import { join } from 'node:path';
import { packageRoot } from '../package_root.js';
import { parseTrace, type TraceJson } from '../frontend/trace/format.js';
import type { Graph } from '../ir/graph.js';
import { native } from '../native.js';
import { type Module, observeModules } from '../nn/module.js';
import { observeLayers } from '../nn/recurrent.js';
import { sequencesAsOps } from '../nn/recurrent_sequence.js';
import { ValueError } from '../tensor/errors.js';
import { unwrap, wrap, type Handle, type Tensor } from '../tensor/handle.js';
import { collectLive } from './live.js';
import { mapTemplate, templateOf, viewTemplate, type Template } from './structure.js';

export interface Recording {
  readonly trace: TraceJson;
  /** Tensors met but not created inside, in the order of `trace.captures`. */
  readonly captures: readonly Handle[];
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly template: Template;
  readonly thunks: readonly (() => number)[];
  readonly modules: readonly { readonly module: Module; readonly training: boolean }[];
  readonly gradEnabled: boolean;
  readonly inputsRequireGrad: readonly boolean[];
  /** Different arguments lie in one storage. */
  readonly inputsShare: boolean;
  /** Some output carries history that the caller may differentiate. */
  readonly outputsRequireGrad: boolean;
  readonly milliseconds: number;
  /** False once something that a graph from elsewhere (jit.script) took for granted has changed. */
  readonly holds: () => boolean;
}

/** A call that was run but could not be recorded to its end, and why. */
export interface Interrupted {
  readonly interrupted: string;
}

export interface Recorded {
  readonly value: unknown;
  readonly recording: Recording | Interrupted;
}

export interface RecordOptions {
  /**
   * A value needed on the host (`.item()`, a typed array), or an op that cannot be recorded, ends the recording and the call goes on
   * eagerly; otherwise it throws.
   * Running the call again instead would repeat what it has already done.
   */
  readonly tolerant: boolean;
  /** Tensors known to come from outside (captures of an earlier recording). */
  readonly known?: readonly Handle[];
  /** Results that are arguments or tensors from outside are outputs like others (default: they are given back themselves). */
  readonly copyAliases?: boolean;
  /** Recurrent layers as one op each, for every length; else their steps. */
  readonly sequences?: boolean;
  /** Called after the function, while the trace still runs: gives further outputs (gradients). */
  readonly epilogue?: (outputs: readonly Tensor[]) => readonly (Handle | null)[];
}

/** Functions of the addon that need a tensor's contents in JavaScript. */
const HOST_READS = ['item', 'toTypedArray', 'buffer', 'rawBytes'] as const;

/** Runs `fn` without recording it: what it makes is met like a constant from outside. */
export function unrecorded<T>(fn: () => T): T {
  const was = native.traceSuspend();
  try {
    return fn();
  } finally {
    native.traceResume(was);
  }
}

/** What a recording collects of functions that bring their own graph. */
interface Parts {
  readonly graphs: Graph[];
  readonly guards: { hold(): boolean }[];
  /** Why such functions were run op by op. */
  readonly refused: string[];
}
let parts: Parts | null = null;
let sites = false;

/** Runs `fn` while the recording that is under way waits; `fn` may record. */
export function aside<T>(fn: () => T): T {
  const [waiting, siteBefore, layers, refusing] = [parts, sites, observeLayers(null), refuse];
  refuse = null;
  native.traceSetAside();
  try {
    return fn();
  } finally {
    native.traceBringBack();
    observeLayers(layers);
    [parts, refuse] = [waiting, refusing];
    provideSites(siteBefore);
  }
}

function provideSites(on: boolean): void {
  sites = on;
  native.setSiteProvider(on ? site : null);
}

/**
 * A graph becomes part of the recording: `results` are what it gave for `operands` (its inputs, then its captures), in memory of
 * their own, computed `aside`. `guards` say whether it is still the function's.
 */
export function recordGraph(
  graph: Graph,
  operands: readonly Handle[],
  results: readonly Handle[],
  guards: { hold(): boolean },
): void {
  if (parts === null) return;
  let index = parts.graphs.indexOf(graph);
  if (index < 0) {
    index = parts.graphs.push(graph) - 1;
    parts.guards.push(guards);
  }
  native.recordGraph(operands, index, results);
}
/** Results as a recording takes them: each in memory of its own, none in that of `operands`. */
export function ownMemory(results: readonly Handle[], operands: readonly Handle[]): Handle[] {
  const taken = new Set(operands.map((h) => native.storageId(h)));
  return results.map((h) => {
    const own = taken.has(native.storageId(h)) ? native.ops.clone(h) : h;
    taken.add(native.storageId(own));
    return own;
  });
}
/** Says why a function that has its own graph is recorded op by op; told where the recording ends because of it. */
export const refuseGraph = (why: string): void => void parts?.refused.push(why);

/** What the recording that runs does with something it cannot hold. */
let refuse: ((why: string) => void) | null = null;
/** Ends the recording that runs, if one does: by an error, or where it is tolerant so that the call goes on eagerly. */
export const cannotRecord = (why: string): void => refuse?.(why);

/** Runs `call` and records it. Exceptions of `call` abort the trace and propagate. */
export function record(call: () => unknown, inputs: readonly Tensor[], options: RecordOptions): Recorded {
  const start = performance.now();
  const gradEnabled = native.gradEnabled();
  const inputsRequireGrad = inputs.map((t) => native.requiresGrad(t._h));
  const thunks: (() => number)[] = [];
  const modules = new Map<Module, boolean>();
  let interrupted: string | null = null;
  const [partsBefore, sitesBefore] = [parts, sites];
  const own: Parts = { graphs: [], guards: [], refused: [] };
  const because = (why: string): string =>
    own.refused.length === 0 ? why : `${why}. ${[...new Set(own.refused)].join('; ')}`;

  native.traceBegin(inputs.map(unwrap), options.tolerant);
  provideSites(true);
  parts = own;
  const liveBefore = collectLive(thunks);
  const observerBefore = observeModules((m) => void (modules.has(m) || modules.set(m, m.training)));
  const refuseBefore = refuse;
  refuse = (why) => {
    if (!native.traceActive()) return;
    if (!options.tolerant) throw new ValueError(why);
    native.traceAbort();
    interrupted ??= why;
  };
  const restore = options.tolerant ? watchHostReads() : () => undefined;
  const sequencesBefore = sequencesAsOps(options.sequences === true);
  let value: unknown;
  try {
    value = call();
    interrupted ??= native.traceGaveUp();
    if (interrupted !== null) return { value, recording: { interrupted: because(interrupted) } };
    const outputs: Tensor[] = [];
    const views = options.epilogue === undefined && options.copyAliases !== true;
    const special = (t: Tensor): Template | null => {
      if (options.copyAliases === true) return null;
      const index = inputs.findIndex((i) => native.isSame(i._h, t._h));
      if (index >= 0) return { kind: 'input', index };
      // Results whose gradients are recorded stay outputs: their backward belongs to the program.
      const input = views ? inputs.findIndex((i) => native.sharesStorage(i._h, t._h)) : -1;
      const view = input < 0 ? null : viewTemplate(t, inputs[input]!, { input });
      if (view !== null) return view;
      return (options.known ?? []).some((h) => native.isSame(h, t._h)) ? { kind: 'value', value: t } : null;
    };
    let template = templateOf(value, outputs, special);
    const outputsRequireGrad = gradEnabled && outputs.some((t) => native.requiresGrad(t._h));
    let end: { json: string; captures: Handle[] };
    try {
      const extra = options.epilogue?.(outputs) ?? [];
      end = native.traceEnd([...outputs.map(unwrap), ...extra.filter((h): h is Handle => h !== null)]);
    } catch (e) {
      // The function itself has run: its result stands.
      if (!options.tolerant) throw e;
      return { value, recording: { interrupted: because((e as Error).message) } };
    }
    let trace: TraceJson = parseTrace(end.json);
    if (own.graphs.length > 0) trace = { ...trace, graphs: own.graphs };
    const outside = outputs.map((t) => (options.copyAliases === true ? null : fromOutside(t, end.captures, views)));
    if (outside.some((o) => o !== null)) {
      // The result is a tensor from outside, or a view of one: the caller gets that, not a copy of what it held.
      const places = outside.map((out, i) => (out ? -1 : outside.slice(0, i).filter((o) => o === null).length));
      template = mapTemplate(template, (i) => outside[i] ?? { kind: 'tensor', index: places[i]! });
      trace = { ...trace, outputs: trace.outputs.filter((_, i) => (outside[i] ?? null) === null) };
    }
    const recording: Recording = {
      trace,
      captures: end.captures,
      inputs,
      outputs,
      template,
      thunks,
      gradEnabled,
      inputsRequireGrad,
      inputsShare: new Set(inputs.map((t) => native.storageId(t._h))).size < new Set(inputs).size,
      outputsRequireGrad,
      modules: [...modules].map(([module, training]) => ({ module, training })),
      milliseconds: performance.now() - start,
      holds: () => own.guards.every((g) => g.hold()),
    };
    return { value, recording };
  } catch (e) {
    if (own.refused.length > 0 && (e as { code?: unknown }).code === 'ERR_FLAMBEAU_TRACE')
      (e as Error).message = because((e as Error).message);
    throw e;
  } finally {
    restore();
    refuse = refuseBefore;
    sequencesAsOps(sequencesBefore);
    provideSites(sitesBefore);
    parts = partsBefore;
    collectLive(liveBefore);
    observeModules(observerBefore);
    if (native.traceActive()) native.traceAbort();
  }
}

/** What a result from outside is in a template; null for results that the function made. */
function fromOutside(t: Tensor, captures: readonly Handle[], views: boolean): Template | null {
  if (captures.some((h) => native.isSame(h, t._h))) return { kind: 'value', value: t };
  const base = views ? captures.find((h) => native.sharesStorage(h, t._h)) : undefined;
  if (base === undefined) return null;
  const value = wrap(base);
  return viewTemplate(t, value, { value });
}

/** While recording, lets host reads end the trace and go on. Gives back the function that restores them. */
function watchHostReads(): () => void {
  const table = native as unknown as Record<string, (...args: unknown[]) => unknown>;
  const saved = HOST_READS.map((name) => [name, table[name]!] as const);
  for (const [name, read] of saved) {
    table[name] = (...args: unknown[]): unknown => {
      cannotRecord(`needs a value on the host (${name}()${callSite()})`);
      return read(...args);
    };
  }
  return () => saved.forEach(([name, read]) => (table[name] = read));
}

const callSite = (): string => {
  const at = site();
  return at === undefined ? '' : ` at ${at}`;
};

const LIBRARY = ['src/', 'dist/', 'generated/', 'node_modules/'].map((p) => join(packageRoot(), p));

/** 'train.ts:12:3': the first frame outside of this library. */
export function site(): string | undefined {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 30;
  const stack = new Error().stack ?? '';
  Error.stackTraceLimit = limit;
  for (const line of stack.split('\n').slice(1)) {
    const m = /\(?(?:file:\/\/)?(\/[^()]+?):(\d+):(\d+)\)?$/.exec(line.trim());
    if (m === null || LIBRARY.some((dir) => m[1]!.startsWith(dir))) continue;
    return `${m[1]!.split('/').at(-1)}:${m[2]}:${m[3]}`;
  }
  return undefined;
}
