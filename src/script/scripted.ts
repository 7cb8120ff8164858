// jit.script: functions and modules whose source becomes a graph with its branches and loops.
import { inspect } from 'node:util';
import { CompilerMissing } from '../build/compiler.js';
import { log, notice } from '../debug/log.js';
import { ScriptError } from '../frontend/script/syntax.js';
import type { Graph } from '../ir/graph.js';
import { isRandom } from '../ir/table.js';
import { isControl, someNode } from '../ir/control.js';
import { verify } from '../ir/verify.js';
import { native } from '../native.js';
import { Module } from '../nn/module.js';
import { optimize } from '../passes/manager.js';
import { evaluateNative, interpretNative } from '../runtime/execute.js';
import { runInterpreted } from '../runtime/backend.js';
import { Explanation, type GraphReport } from '../runtime/explain.js';
import { FlowPrograms } from '../runtime/flow_program.js';
import { countOps, describeGraph } from '../runtime/graph_report.js';
import { machineLimits } from '../runtime/machine_limits.js';
import { compileObserver } from '../runtime/observe.js';
import { codeOf, GraphView } from '../runtime/jit.js';
import { aside, ownMemory, recordGraph, refuseGraph } from '../runtime/recorder.js';
import { ValueError } from '../tensor/errors.js';
import { isTensor, wrap, type Handle, type Tensor } from '../tensor/handle.js';
import { difference } from './agree.js';
import { checkSyntax } from './check.js';
import { SCRIPTED } from './expressions.js';
import { Guards } from './guards.js';
import { rebuild, type Shape } from './join.js';
import { dtypeCode } from '../tensor/dtype.js';
import { ScriptScalar } from './region.js';
import { argumentsLike, saveScript, type ScriptSaveOptions } from './save.js';
import {
  isInput,
  isWhole,
  scriptGraph,
  sourceOf,
  type Globals,
  type ScriptFn,
  type ScriptGraph,
  type Source,
} from './script.js';

export { ScriptError, type ScriptSaveOptions };

export interface ScriptOptions {
  /** What the function names from around it, beside the library (`fb`, `nn`, `F`, `Math`): constants, functions, modules. */
  readonly globals?: Globals;
}

/** The graph for one kind of arguments. */
interface Specialised {
  readonly graph: Graph;
  /** As it was read, with its composites whole: what recordings and files take. */
  readonly source: Graph;
  readonly captures: readonly Handle[];
  /** The captured tensors themselves. */
  readonly tensors: readonly Tensor[];
  readonly result: Shape;
  readonly fixed: boolean;
  /** Makes arguments of this kind. */
  readonly like: () => readonly unknown[];
  programs: FlowPrograms | null;
  /** The graph was run beside the function once. */
  compared: boolean;
  passMilliseconds: number;
  /** Calls that its programs served. */
  runs: number;
}
interface State {
  readonly source: Source;
  readonly name: string;
  readonly kinds: Map<string, Specialised | Error>;
  /** What each of them depends on beside the arguments. */
  readonly guards: WeakMap<Specialised | Error, Guards>;
  latest: Specialised | null;
  compiled: boolean;
  readonly calls: { compiled: number; eager: number };
}

const MAX_KINDS = 32;
const [INT64, FLOAT64] = [dtypeCode('int64'), dtypeCode('float64')];

/** What a scripted function or module has beside its call. */
export interface Scripted {
  /** The graph for the arguments of the latest call. @throws ValueError before the first call, ScriptError where there is none */
  readonly graph: GraphView;
  /** The generated C++ of that graph's straight-line stretches. */
  readonly code: string;
  /** The graph for these arguments, with the tensors it captures. @throws ScriptError with a code frame */
  graphFor(...args: unknown[]): { readonly graph: Graph; readonly captures: readonly Tensor[] };
  /**
   * Writes the graph of the latest call, with its weights, to one file. `jit.load` gives a module of these sizes, and of others along the
   * axes that `dynamic` names. Numbers that the graph takes are 0-d tensors there (or numbers again), those that it gives are 0-d tensors.
   * @throws ValueError where a named axis cannot stay open
   * @example scripted.save('net.fbg', { dynamic: [{ 0: 'batch' }] });
   */
  save(path: string, options?: ScriptSaveOptions): void;
  /** Waits until the programs of all kinds of arguments that were used are built; false when the latest runs as it is written. */
  ready(): Promise<boolean>;
  /** The graphs and programs, bodies included, what they cost, and why arguments have no graph (docs/explain.md). */
  explain(options?: { readonly limits?: boolean }): Explanation;
  /** Why the latest arguments have no graph; empty when they have one. */
  readonly reason: string;
}
export type ScriptFunction<F> = F & Scripted;
export type ScriptModule<M> = M & Scripted;

/**
 * Reads the source of a function, or of a module's forward, as a graph with control flow: `if` and loops whose conditions depend on
 * tensors (`.item()`) or on number arguments are in the graph and run in native code. The graph is made at the first call for each kind
 * of arguments (dtypes, shapes, which numbers are whole). Until its programs are built, when a gradient is asked for, while a trace runs
 * and where an argument's kind has no graph, the call runs as it is written: results are the same.
 *
 * A module comes back itself, with these calls. Source: https://pytorch.org/docs/stable/generated/torch.jit.script.html
 * @example const scripted = fb.jit.script((x: Tensor, n: number) => { for (let i = 0; i < n; i++) x = x.mul(2); return x; });
 * @throws ScriptError (ERR_FLAMBEAU_SCRIPT) with a code frame for syntax that is not part of script (docs/script.md)
 */
export function script<M extends Module>(module: M, options?: ScriptOptions): ScriptModule<M>;
export function script<F extends (...args: never[]) => unknown>(fn: F, options?: ScriptOptions): ScriptFunction<F>;
export function script(target: unknown, options: ScriptOptions = {}): unknown {
  if (typeof target !== 'function') throw new TypeError('jit.script: expected a function or a module');
  const isModule = target instanceof Module;
  const fn = (isModule ? (target as unknown as { forward: ScriptFn }).forward : target) as ScriptFn;
  const source: Source = { fn, self: isModule ? target : undefined, globals: options.globals ?? {} };
  checkSyntax(sourceOf(fn));
  const name = isModule ? target.constructor.name : fn.name || 'function';
  const state: State = {
    source,
    name,
    kinds: new Map(),
    guards: new WeakMap(),
    latest: null,
    compiled: true,
    calls: { compiled: 0, eager: 0 },
  };
  if (isModule) {
    const forward = (...args: unknown[]): unknown => call(state, args);
    Object.defineProperty(target, 'forward', { value: forward, configurable: true, writable: true });
    return dress(target, state);
  }
  return dress((...args: unknown[]) => call(state, args), state);
}

function dress(f: object, s: State): unknown {
  compileObserver()?.compiled({ ready: () => ready(s), explain: (options) => explainScript(s, options) });
  const get = (g: () => unknown): PropertyDescriptor => ({ get: g, configurable: true });
  return Object.defineProperties(f, {
    [SCRIPTED]: { value: s.source, configurable: true },
    graph: get(() => new GraphView(latest(s).graph)),
    code: get(() => codeOf(latest(s).graph, s.name)),
    reason: get(() => [...s.kinds.values()].filter((k) => k instanceof Error).at(-1)?.message ?? ''),
    graphFor: {
      value: (...args: unknown[]) => {
        const k = kindFor(s, args);
        if (k instanceof Error) throw k;
        return { graph: k.graph, captures: k.captures.map(wrap) };
      },
    },
    save: { value: (path: string, options?: ScriptSaveOptions) => save(s, path, options) },
    ready: { value: () => ready(s) },
    explain: { value: (options?: { readonly limits?: boolean }) => explainScript(s, options) },
    [inspect.custom]: { value: () => `ScriptFunction(${s.name})` },
  });
}

function latest(s: State): Specialised {
  if (s.latest === null)
    throw new ValueError(`${s.name}: call it once, or use graphFor(...): the graph depends on the arguments' types`);
  return s.latest;
}

function save(s: State, path: string, options: ScriptSaveOptions = {}): void {
  const { graph, captures, result, like } = latest(s);
  const again = (args: readonly unknown[]): ScriptGraph => aside(() => scriptGraph(s.source, args));
  saveScript(path, { name: s.name, graph, captures, result, args: like(), again }, options);
}

async function ready(s: State): Promise<boolean> {
  const kinds = [...s.kinds.values()].filter((k): k is Specialised => !(k instanceof Error));
  kinds.forEach((k) => start(s, k));
  await Promise.all(kinds.map((k) => k.programs?.wait()));
  return s.latest?.programs?.poll() === 'done';
}

function explainScript(s: State, { limits = false }: { readonly limits?: boolean } = {}): Explanation {
  const graphs = [...s.kinds].flatMap(([kind, k]) => (k instanceof Error ? [] : [kindReport(kind, k)]));
  const reasons = [...s.kinds].flatMap(([kind, k]) => (k instanceof Error ? [`${kind}: ${k.message}`] : []));
  return new Explanation(s.name, { ...s.calls }, graphs, [], [...new Set(reasons)], limits ? machineLimits() : null);
}
function kindReport(kind: string, k: Specialised): GraphReport {
  const done = k.programs?.poll() === 'done';
  const info = k.programs?.info;
  return describeGraph(kind, {
    state: done ? (k.runs > 0 ? 'compiled' : 'ready') : k.programs === null ? 'recorded' : 'building',
    ops: countOps(k.graph),
    guards: [`arguments: ${kind}`, 'what it took from around the arguments is as it was'],
    runs: k.runs,
    error: k.programs?.error ?? null,
    source: () => k.source,
    optimised: true,
    eagerBytes: null,
    programs: [],
    infos: info === undefined ? [] : [{ ...info, times: { passes: k.passMilliseconds, ...info.times } }],
  });
}

// ---- calls ----

/** What a graph depends on. Numbers are inputs, unless they decide the graph's form. */
function kindKey(args: readonly unknown[], fixed: boolean): string {
  return args
    .map((a) => {
      if (isTensor(a)) return `${a.dtype}[${a.shape.join()}]`;
      if (typeof a === 'number') return fixed ? `=${a}` : isWhole(a) ? 'int' : 'float';
      if (Array.isArray(a)) return `[${kindKey(a, true)}]`;
      return typeof a === 'object' && a !== null ? 'object' : (JSON.stringify(a) ?? 'undefined');
    })
    .join(',');
}

function kindFor(s: State, args: readonly unknown[]): Specialised | Error {
  const [loose, exact] = [kindKey(args, false), kindKey(args, true)];
  const have = s.kinds.get(exact) ?? s.kinds.get(loose);
  if (have !== undefined && s.guards.get(have)!.hold()) return have;
  const guards = new Guards();
  let made: Specialised | Error;
  try {
    if (args.some((a) => typeof a === 'object' && a !== null && !isTensor(a)))
      throw new ScriptError('jit.script: arguments are tensors, numbers, booleans and texts');
    const { graph, captures, result, fixed } = scriptGraph(s.source, args, guards);
    const before = performance.now();
    const small = optimize(graph, { evaluate: evaluateNative });
    if (someNode(small, (n) => isRandom(n.op)))
      throw new ScriptError('jit.script: random numbers are not drawn inside a scripted graph');
    made = {
      graph: verify(small),
      source: graph,
      captures: captures.map((t) => native.ops.detach(t._h)),
      tensors: captures,
      result,
      fixed,
      like: argumentsLike(args),
      programs: null,
      compared: false,
      passMilliseconds: performance.now() - before,
      runs: 0,
    };
  } catch (e) {
    if (!(e instanceof ScriptError)) throw e;
    made = e;
    log('graph', () => `${s.name} runs as it is written: ${e.message}`);
  }
  s.guards.set(made, guards);
  if (s.kinds.size >= MAX_KINDS) s.kinds.delete(s.kinds.keys().next().value!);
  s.kinds.set(made instanceof Error || made.fixed ? exact : loose, made);
  return made;
}

const needsGradient = (s: State, args: readonly unknown[]): boolean =>
  native.gradEnabled() &&
  (args.some((a) => isTensor(a) && a.requiresGrad) ||
    (s.source.self instanceof Module && [...s.source.self.parameters()].some((p) => p.requiresGrad)));

function call(s: State, args: unknown[]): unknown {
  const written = (): unknown => (s.source.fn as (...a: unknown[]) => unknown).apply(s.source.self, args);
  if (native.traceActive()) return recorded(s, args, written);
  const plain = (): unknown => {
    s.calls.eager++;
    return written();
  };
  if (needsGradient(s, args)) return plain();
  const k = kindFor(s, args);
  if (k instanceof Error || readsGradient(k)) return plain();
  if (!k.compared) {
    const { want, agrees } = compare(s, k, args, plain);
    if (agrees) {
      s.latest = k;
      start(s, k);
    }
    return want;
  }
  s.latest = k;
  start(s, k);
  if (k.programs?.poll() === 'failed') fallBack(s, k, k.programs.error!);
  if (k.programs?.poll() !== 'done') return plain();
  s.calls.compiled++;
  k.runs++;
  return finish(k, k.programs.run(operands(k, args)));
}

/** A tensor that the graph captured needs a gradient: from `globals`, say. */
const readsGradient = (k: Specialised): boolean => native.gradEnabled() && k.tensors.some((t) => t.requiresGrad);

/** Runs the graph beside the function, once. */
function compare(
  s: State,
  k: Specialised,
  args: readonly unknown[],
  plain: () => unknown,
): { readonly want: unknown; readonly agrees: boolean } {
  k.compared = true;
  const want = plain();
  const got = finish(k, interpretNative(k.graph, operands(k, args), k.captures).outputs);
  const differs = difference(got, want);
  if (differs !== null) disown(s, k, differs);
  return { want, agrees: differs === null };
}

/** Inside a recording (fb.compile, jit.trace, onnx.export): branches and loops become part of it; else the ops of the call do. */
function recorded(s: State, args: readonly unknown[], plain: () => unknown): unknown {
  const part = aside((): { readonly k: Specialised; readonly results: readonly Handle[] } | string | null => {
    if (needsGradient(s, args)) return 'gradients go through it';
    const k = kindFor(s, args);
    if (k instanceof Error) return k.message.split('\n')[0]!;
    if (readsGradient(k)) return 'gradients go through it';
    // Without control flow its ops are recorded like any others.
    if (!k.graph.nodes.some(isControl)) return null;
    if (holdsNumbers(k.result)) return 'its result holds numbers that it computes: return them as tensors';
    if (!k.compared && !compare(s, k, args, plain).agrees) return null;
    const given = operands(k, args);
    const outputs = k.programs?.poll() === 'done' ? k.programs.run(given) : runInterpreted(k.graph, given, k.captures);
    return { k, results: ownMemory(outputs, [...given, ...k.captures]) };
  });
  if (typeof part === 'string') refuseGraph(`'${s.name}' is recorded op by op: ${part}`);
  if (part === null || typeof part === 'string') return plain();
  const { k, results } = part;
  const inputs = args
    .filter((a) => isInput(a, k.fixed))
    .map((x): Handle => (isTensor(x) ? x._h : native.ops.full([], x as number, isWhole(x) ? INT64 : FLOAT64)));
  recordGraph(k.source, [...inputs, ...k.tensors.map((t) => t._h)], results, s.guards.get(k)!);
  return rebuild(k.result, results.map(wrap));
}

const holdsNumbers = (x: Shape): boolean =>
  x.kind === 'scalar' ||
  (x.kind === 'array' && x.items.some(holdsNumbers)) ||
  (x.kind === 'object' && x.entries.some(([, e]) => holdsNumbers(e)));

/** The graph is not that of the function: calls of this kind run as they are written. */
function disown(s: State, k: Specialised, why: string): void {
  const e = new ScriptError(
    `jit.script: the graph of '${s.name}' does not give what the function gives: ${why}. A name from around it may stand for something else than the library's: name it in globals`,
  );
  notice(e.message);
  for (const [key, kind] of s.kinds) if (kind === k) s.kinds.set(key, e);
  s.guards.set(e, s.guards.get(k)!);
}

/** The graph's inputs: the arguments that are tensors, and the numbers that it takes. */
function operands(k: Specialised, args: readonly unknown[]): Handle[] {
  return args
    .filter((a) => isInput(a, k.fixed))
    .map((a): Handle => {
      if (isTensor(a)) return native.ops.contiguous(native.ops.detach(a._h));
      return native.fromTypedArray(
        isWhole(a) ? BigInt64Array.of(BigInt(a as number)).buffer : Float64Array.of(a as number).buffer,
        [],
        isWhole(a) ? INT64 : FLOAT64,
        false,
      );
    });
}

/** Results as the function gives them: numbers that the graph computes are JavaScript's again. */
function finish(k: Specialised, results: readonly Handle[]): unknown {
  const back = (x: unknown): unknown => {
    if (x instanceof ScriptScalar) return x.tensor.item();
    if (isTensor(x) || typeof x !== 'object' || x === null) return x;
    return Array.isArray(x) ? x.map(back) : Object.fromEntries(Object.entries(x).map(([n, v]) => [n, back(v)]));
  };
  return back(rebuild(k.result, results.map(wrap)));
}

function start(s: State, k: Specialised): void {
  if (!s.compiled || k.programs !== null) return;
  try {
    k.programs = new FlowPrograms(k.graph, k.captures, s.name);
  } catch (e) {
    fallBack(s, k, e as Error);
  }
}

function fallBack(s: State, k: Specialised, e: Error): void {
  s.compiled = false;
  k.programs = null;
  if (e instanceof CompilerMissing)
    notice(`${e.message}. Scripted functions run as they are written`, 'compiler-missing');
  else notice(`${s.name} runs as it is written: ${e.message}`);
}
