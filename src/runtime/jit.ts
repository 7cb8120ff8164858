// jit.trace, jit.load: a module or function recorded once and from then on a graph with weights, for inference. It prints, saves
// to one file, exports, and runs compiled; op by op on the prebuilt kernels until (or unless) its program is built.
import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { CompilerMissing } from '../build/compiler.js';
import { log, notice } from '../debug/log.js';
import { emitProgram } from '../emit/program.js';
import { noGrad } from '../autograd/modes.js';
import { fromTrace } from '../frontend/trace/from_trace.js';
import { bindSymbols, specialize, SpecializeError } from '../frontend/trace/specialize.js';
import { unify, UnifyError } from '../frontend/trace/unify.js';
import { isControl } from '../ir/control.js';
import type { DType, Graph } from '../ir/graph.js';
import { printGraph, printType } from '../ir/print.js';
import { native } from '../native.js';
import { Module } from '../nn/module.js';
import { optimize } from '../passes/manager.js';
import { writeFileAtomic } from '../serialization/bytes.js';
import type { TensorBytes } from '../serialization/safetensors.js';
import { dtypeCode, dtypeName, itemSize } from '../tensor/dtype.js';
import { FileError, ShapeError, ValueError } from '../tensor/errors.js';
import { isTensor, unwrap, wrap, type Handle, type Tensor } from '../tensor/handle.js';
import { findBackend, runInterpreted, type Prepared } from './backend.js';
import './cpp_backend.js';
import './cuda_backend.js';
import { emitOptions } from './emit_cache.js';
import { evaluateNative } from './execute.js';
import { planFlow } from './flow.js';
import { FlowPrograms } from './flow_program.js';
import { NamedAxes, type DynamicAxes } from './dynamic_axes.js';
import { Explanation, type GraphReport } from './explain.js';
import { parseGraphFile, serializeGraphFile } from './fbg.js';
import { countOps, describeGraph } from './graph_report.js';
import { machineLimits } from './machine_limits.js';
import { eagerPeak } from './memory_report.js';
import { compileObserver } from './observe.js';
import { aside, cannotRecord, ownMemory, record, recordGraph } from './recorder.js';
import { fill, flatten, type Template } from './structure.js';
import { sameTensor } from './variant.js';

export type Traceable = Module | ((...inputs: never[]) => unknown);

/** The graph of a traced module: prints as readable text; `ir` is the graph itself. */
export class GraphView {
  constructor(readonly ir: Graph) {}
  toString(): string {
    return printGraph(this.ir);
  }
  [inspect.custom](): string {
    return this.toString();
  }
}

interface Weight {
  readonly name: string;
  readonly handle: Handle;
}
/** A program for one set of input shapes. */
interface Specialised {
  readonly graph: Graph;
  prepared: Prepared | null;
  /** What the program computes. */
  optimised: Graph | null;
  passMilliseconds: number;
  readonly runs: { compiled: number; eager: number };
}

const MAX_SHAPES = 32;

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- the interface gives instances their call signature
export interface TracedModule {
  (...inputs: (Tensor | number)[]): Tensor;
}

/** A recorded module: call it like the original. Results carry no history. Made by `jit.trace` and `jit.load`. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging
export class TracedModule {
  declare private readonly state: State;

  constructor(state: State) {
    const self = ((...inputs: unknown[]): unknown => call(self.state, inputs)) as unknown as TracedModule;
    delete (self as { name?: string }).name;
    delete (self as { length?: number }).length;
    Object.setPrototypeOf(self, new.target.prototype as object);
    Object.defineProperty(self, 'state', { value: state });
    return self;
  }

  /** The graph as it was recorded, at the example's sizes. */
  get graph(): GraphView {
    return new GraphView(this.state.graph);
  }
  /** The generated C++ of the graph. */
  get code(): string {
    return codeOf(this.state.graph, this.state.name);
  }
  /** Parameters and buffers by their state-dict names, constants after them. They share memory with the original module. */
  stateDict(): Record<string, Tensor> {
    return Object.fromEntries(this.state.weights.map((w) => [w.name, wrap(native.ops.detach(w.handle))]));
  }
  /** Waits until the program for the shapes that were used (at first: the example's) is built; false when it runs op by op. */
  async ready(): Promise<boolean> {
    const s = specialised(
      this.state,
      this.state.graph.inputs.map((v) => v.type.shape as readonly number[]),
    );
    start(this.state, s);
    await Promise.all([...this.state.shapes.values()].map((x) => x.prepared?.wait()));
    return s.prepared?.poll() === 'done';
  }
  /**
   * Runs the graph off the event loop, on one of Node's worker threads; several calls may be under way. Waits for the program of these
   * shapes first; without a compiler the graph runs op by op on the event loop. Inputs must not be written before the promise settles.
   * @throws (rejects) as a call does; ERR_FLAMBEAU_VALUE when an input was written meanwhile
   */
  runAsync(...inputs: (Tensor | number)[]): Promise<Tensor> {
    return callAsync(this.state, inputs) as Promise<Tensor>;
  }
  /** What was compiled for which shapes, what it costs, and why not (docs/explain.md). Calls that run op by op count as eager. */
  explain({ limits = false }: { readonly limits?: boolean } = {}): Explanation {
    const { name, shapes } = this.state;
    const specs = [...shapes.values()];
    const sum = (of: 'compiled' | 'eager'): number => specs.reduce((n, x) => n + x.runs[of], 0);
    return new Explanation(
      name,
      { compiled: sum('compiled'), eager: sum('eager') },
      specs.map((x) => specReport(name, x)),
      specs.slice(1).map((x) => `other shapes: ${shapesText(x)}`),
      this.state.reason === null ? [] : [this.state.reason],
      limits ? machineLimits() : null,
    );
  }
  /** Writes graph and weights to one file (docs/fbg-format.md). */
  save(path: string): void {
    const { name, graph, weights, result } = this.state;
    const bytes = serializeGraphFile({
      name,
      graph,
      dynamic: dynamicGraph(this.state),
      result,
      captures: weights.map((w) => w.name),
      weights: new Map(weights.map((w) => [w.name, bytesOf(w.handle)])),
    });
    writeFileAtomic(path, bytes);
  }
  /** The graph at the sizes of these inputs, to become part of another one: with its weights and what it gives for them. */
  inlined(inputs: readonly Tensor[]): {
    readonly graph: Graph;
    readonly captures: readonly Tensor[];
    readonly examples: readonly Tensor[];
    readonly fill: (results: readonly Tensor[]) => unknown;
  } {
    const { spec, dense } = argumentsOf(this.state, inputs);
    const weights = this.state.weights.map((w) => w.handle);
    const examples = runInterpreted(spec.graph, dense, weights).map(wrap);
    return { graph: spec.graph, captures: weights.map(wrap), examples, fill: (r) => fill(this.state.result, r) };
  }
  toString(): string {
    return `TracedModule(${this.state.name}): ${this.state.graph.inputs.map((v) => `${v.type.dtype}[${v.type.shape.join(', ')}]`).join(', ')}`;
  }
  [inspect.custom](): string {
    return this.toString();
  }
}

interface State {
  readonly name: string;
  readonly graph: Graph;
  /** In the order of the graph's captures. */
  readonly weights: readonly Weight[];
  readonly result: Template;
  /** The same at other sizes; undefined: not tried yet; null: there is none. */
  dynamic: Graph | null | undefined;
  /** Axes that the caller named; null: the first of every input. */
  readonly axes: NamedAxes | null;
  /** Why there is none. */
  dynamicReason: string;
  /** Records the source again with inputs of other shapes; null when it was loaded from a file. */
  readonly retrace: ((shapes: readonly (readonly number[])[]) => Graph) | null;
  readonly shapes: Map<string, Specialised>;
  compiled: boolean;
  /** Why it is not compiled any more. */
  reason: string | null;
}

/** The generated C++; of a graph with branches and loops, that of each of its stretches. */
export function codeOf(graph: Graph, name: string): string {
  const small = optimize(graph, { evaluate: evaluateNative });
  const parts = small.nodes.some(isControl) ? planFlow(small).programs : [small];
  return parts.map((g) => emitProgram(g, { ...emitOptions(), name }).source).join('\n');
}

const shapesText = (x: Specialised): string => x.graph.inputs.map((v) => printType(v.type)).join(', ');
function specReport(name: string, x: Specialised): GraphReport {
  const done = x.prepared?.poll() === 'done';
  const info = x.prepared?.info;
  return describeGraph(shapesText(x), {
    state: done ? (x.runs.compiled > 0 ? 'compiled' : 'ready') : x.prepared === null ? 'recorded' : 'building',
    ops: countOps(x.optimised ?? x.graph),
    guards: [`arguments: ${shapesText(x)}`],
    runs: x.runs.compiled,
    error: x.prepared?.error ?? null,
    source: () => x.graph,
    optimised: x.optimised !== null,
    eagerBytes: eagerPeak(x.graph),
    programs: x.optimised === null ? [] : [{ name, graph: x.optimised }],
    infos: info === undefined ? [] : [{ ...info, times: { passes: x.passMilliseconds, ...info.times } }],
  });
}

/** A number where the graph takes a 0-d tensor: scripted functions have such arguments. Others are refused by what follows. */
function scalarFor(s: State, x: number, at: number): unknown {
  const type = s.graph.inputs[at]?.type;
  if (type?.shape.length !== 0) return x;
  if (!type.dtype.startsWith('float') && !Number.isSafeInteger(x))
    throw new ValueError(`${s.name}: input ${at} is ${type.dtype}, got ${x}`);
  return wrap(native.ops.full([], x, dtypeCode(type.dtype)));
}

/** The arguments as the graph takes them: checked, detached, contiguous, with the program for their shapes. */
function argumentsOf(s: State, given: readonly unknown[]): { readonly spec: Specialised; readonly dense: Handle[] } {
  const args = given.map((a, i) => (typeof a === 'number' ? scalarFor(s, a, i) : a));
  const { tensors } = flatten(args);
  if (args.some((a) => !isTensor(a)) || tensors.length !== s.graph.inputs.length) {
    throw new ValueError(
      `${s.name}: the traced module takes ${s.graph.inputs.length} tensors, got ${args.length} arguments of which ${args.filter(isTensor).length} are tensors`,
    );
  }
  const inputs = tensors.map(unwrap);
  s.graph.inputs.forEach((v, i) => {
    const dtype = dtypeName(native.dtype(inputs[i]!));
    if (dtype !== v.type.dtype)
      throw new ValueError(`${s.name}: input ${i} was traced as ${v.type.dtype}, got ${dtype}`);
  });
  const shapes = inputs.map((h) => native.shape(h));
  // A recording takes the ops in, and the program that is built is the outer one; a graph for other sizes is recorded aside.
  const spec = native.traceActive() ? aside(() => specialised(s, shapes)) : specialised(s, shapes);
  if (!native.traceActive()) start(s, spec);
  // Weights are fixed layouts; arguments come as they are.
  return { spec, dense: inputs.map((h) => native.ops.contiguous(native.ops.detach(h))) };
}

/** The program, when it is built and no recording wants the ops; notes one that failed. */
function builtProgram(s: State, spec: Specialised): Prepared | null {
  if (native.traceActive()) return null;
  if (spec.prepared?.poll() === 'failed') {
    fallBack(s, spec.prepared.error!);
    spec.prepared = null;
  }
  return spec.prepared?.poll() === 'done' ? spec.prepared : null;
}

function call(s: State, args: unknown[]): unknown {
  if (native.traceActive() && s.graph.nodes.some(isControl)) return recorded(s, args);
  const { spec, dense } = argumentsOf(s, args);
  const program = builtProgram(s, spec);
  const before = native.gradEnabled();
  native.setGradEnabled(false);
  try {
    return finish(s, spec, dense, program?.run(dense, spec.graph.liveScalars) ?? null);
  } finally {
    native.setGradEnabled(before);
  }
}

/** Inside another recording, a graph with branches and loops: it becomes part of the other as it is. */
function recorded(s: State, args: unknown[]): unknown {
  const weights = s.weights.map((w) => w.handle);
  const tensors = args.map((a, i) => (typeof a === 'number' ? scalarFor(s, a, i) : a)) as Tensor[];
  const { graph, results } = aside(() => {
    const { spec, dense } = argumentsOf(s, tensors);
    if (spec.graph.writes.length > 0)
      throw new ValueError(`${s.name}: a traced module that writes cannot be part of a recording; trace its source`);
    return {
      graph: spec.graph,
      results: ownMemory(runInterpreted(spec.graph, dense, weights), [...dense, ...weights]),
    };
  });
  recordGraph(graph, [...tensors.map((t) => t._h), ...weights], results, { hold: () => true });
  return fill(s.result, results.map(wrap));
}

async function callAsync(s: State, args: unknown[]): Promise<unknown> {
  cannotRecord(`${s.name}: runAsync gives its result after the recording; call the module itself`);
  const { spec, dense } = argumentsOf(s, args);
  await spec.prepared?.wait();
  const program = builtProgram(s, spec);
  // The grad mode of the start is the run's.
  const running = noGrad(() => (program === null ? null : { result: program.runAsync(dense, spec.graph.liveScalars) }));
  return finish(s, spec, dense, running === null ? null : await running.result);
}

/** A program's results, or those of the graph run op by op where there are none. */
function finish(
  s: State,
  spec: Specialised,
  dense: readonly Handle[],
  outputs: readonly Handle[] | string | null,
): unknown {
  if (typeof outputs === 'string') log('guards', () => `${s.name}: ${outputs}`);
  spec.runs[outputs === null || typeof outputs === 'string' ? 'eager' : 'compiled']++;
  const results =
    outputs === null || typeof outputs === 'string'
      ? runInterpreted(
          spec.graph,
          dense,
          s.weights.map((w) => w.handle),
        )
      : outputs;
  return fill(s.result, results.map(wrap));
}

/** Starts the build of a program, once per set of shapes. */
function start(s: State, spec: Specialised): void {
  if (!s.compiled || spec.prepared !== null) return;
  try {
    const before = performance.now();
    const graph = optimize(spec.graph, { evaluate: evaluateNative });
    spec.passMilliseconds = performance.now() - before;
    spec.optimised = graph;
    const captures = s.weights.map((w) => w.handle);
    spec.prepared = graph.nodes.some(isControl)
      ? new FlowPrograms(graph, captures, s.name)
      : findBackend('cpp').prepare(graph, {
          captures,
          inputsRequireGrad: graph.inputs.map(() => false),
          name: s.name,
        });
  } catch (e) {
    fallBack(s, e as Error);
  }
}

function fallBack(s: State, e: Error): void {
  s.compiled = false;
  s.reason = e.message;
  if (e instanceof CompilerMissing)
    notice(`${e.message}. Graphs run op by op on the prebuilt kernels`, 'compiler-missing');
  else notice(`${s.name} runs op by op: ${e.message}`);
}

/** The graph at these input shapes. @throws ShapeError when the module was loaded without a graph for other sizes. */
function specialised(s: State, shapes: readonly (readonly number[])[]): Specialised {
  const key = shapes.map((x) => x.join()).join('|');
  const have = s.shapes.get(key);
  if (have !== undefined) return have;
  const spec: Specialised = {
    graph: graphFor(s, shapes),
    prepared: null,
    optimised: null,
    passMilliseconds: 0,
    runs: { compiled: 0, eager: 0 },
  };
  if (s.shapes.size >= MAX_SHAPES) s.shapes.delete(s.shapes.keys().next().value!);
  s.shapes.set(key, spec);
  return spec;
}

function graphFor(s: State, shapes: readonly (readonly number[])[]): Graph {
  const traced = s.graph.inputs.map((v) => v.type.shape as readonly number[]);
  if (traced.every((t, i) => String(t) === String(shapes[i]))) return s.graph;
  const dynamic = dynamicGraph(s);
  const text = (list: readonly (readonly number[])[]): string => list.map((x) => `[${x.join(', ')}]`).join(', ');
  let why = s.dynamicReason;
  if (dynamic !== null) {
    try {
      return specialize(dynamic, bindSymbols(dynamic, shapes));
    } catch (e) {
      if (!(e instanceof SpecializeError)) throw e;
      why = e.message;
    }
  }
  if (s.retrace !== null) {
    try {
      return s.retrace(shapes);
    } catch (e) {
      why = (e as Error).message;
    }
  }
  throw new ShapeError(
    `${s.name} was traced for inputs of shape ${text(traced)}, got ${text(shapes)}${why === '' ? '' : ` (${why})`}`,
  );
}

/** The graph with the first dimension of every input symbolic, from two more recordings; null when there is no such graph. */
function dynamicGraph(s: State): Graph | null {
  if (s.dynamic !== undefined) return s.dynamic;
  s.dynamic = null;
  if (s.retrace === null || s.graph.writes.length > 0) return null;
  try {
    // Two sizes per distinct first extent, none of them 0 or 1: those broadcast.
    const extents = [...new Set(s.graph.inputs.flatMap((v) => v.type.shape.slice(0, 1) as number[]))];
    const at = (round: number): Graph => {
      if (s.axes !== null) {
        const examples = s.graph.inputs.map((v) => zerosOf(v.type.shape as number[], v.type.dtype));
        return s.retrace!(s.axes.elsewhere(examples, round).map((t) => t.shape));
      }
      return s.retrace!(
        s.graph.inputs.map((v) => {
          const [first, ...rest] = v.type.shape as number[];
          if (first === undefined) return [];
          const k = extents.indexOf(first);
          return [Math.max(2, first) + k + round * (k + 1 + round), ...rest];
        }),
      );
    };
    s.dynamic = unify([at(0), at(1), at(2)]);
  } catch (e) {
    s.dynamicReason = (e as Error).message;
    log('graph', () => `${s.name}: no graph for other sizes: ${s.dynamicReason}`);
    if (!(e instanceof UnifyError)) log('graph', () => String((e as Error).stack));
  }
  return s.dynamic;
}

const zerosOf = (shape: readonly number[], dtype: DType): Tensor =>
  wrap(native.ops.full([...shape], 0, dtypeCode(dtype)));

/** The tensor repeated and cut to a shape, so that its numbers are those of an example. */
function resized(t: Tensor, shape: readonly number[]): Tensor {
  if (t.dim() !== shape.length) return zerosOf(shape, t.dtype);
  return noGrad(() =>
    shape.reduce((x, size, axis) => {
      const have = x.shape[axis]!;
      if (have === size) return x;
      if (have === 0) return zerosOf([...x.shape.slice(0, axis), size, ...x.shape.slice(axis + 1)], x.dtype);
      const repeats = x.shape.map((_, d) => (d === axis ? Math.ceil(size / have) : 1));
      return wrap(native.ops.narrow(native.ops.repeat(x._h, repeats), axis, 0, size));
    }, t),
  );
}

// ---- recording ----

/** State-dict names of captured tensors. */
function namesOf(source: Traceable, captures: readonly Handle[]): string[] {
  const known: [string, Handle][] =
    source instanceof Module ? [...source.namedParameters(), ...source.namedBuffers()].map(([n, t]) => [n, t._h]) : [];
  let constants = 0;
  return captures.map((h) => known.find(([, k]) => sameTensor(k, h))?.[0] ?? `constant.${constants++}`);
}

export interface TraceOptions {
  /**
   * Axes that may have any size, by tensor and name: `[{ 0: 'batch', 1: 'length' }]`. Left out: the first axis of every input, where the
   * code allows it. Named axes are checked at once.
   */
  readonly dynamic?: DynamicAxes;
}

/**
 * Records a module (or a function of tensors) with example inputs and gives it as a graph. Gradients are not recorded. Other sizes of
 * the first dimension (or of the axes named in `dynamic`) work too, unless the code computes numbers from the sizes in a way that is no
 * polynomial.
 *
 * @example const traced = fb.jit.trace(net.eval(), [fb.rand(1, 1, 28, 28)]); traced(image); traced.save('net.fbg');
 * @throws Error with file and line when the code needs a tensor's value on the host (`.item()`); ValueError when a named axis cannot stay
 * open
 */
export function trace(source: Traceable, exampleInputs: readonly Tensor[], options: TraceOptions = {}): TracedModule {
  if (typeof source !== 'function') throw new TypeError('jit.trace: expected a module or a function');
  if (!Array.isArray(exampleInputs) || !exampleInputs.every(isTensor))
    throw new TypeError('jit.trace: expected an array of example tensors');
  const name = source instanceof Module ? source.constructor.name : source.name || 'function';
  const once = (
    inputs: readonly Tensor[],
    sequences = false,
  ): { graph: Graph; captures: readonly Handle[]; names: readonly string[]; result: Template } =>
    noGrad(() => {
      const examples = inputs.map((t) => wrap(native.ops.contiguous(native.ops.detach(t._h))));
      const { recording } = record(() => (source as (...xs: unknown[]) => unknown)(...examples), examples, {
        copyAliases: true,
        tolerant: false,
        sequences,
      });
      if ('interrupted' in recording) throw new ValueError(`jit.trace: ${recording.interrupted}`);
      const names = namesOf(source, recording.captures);
      return {
        graph: fromTrace(recording.trace, { captureNames: names }),
        captures: recording.captures,
        names,
        result: recording.template,
      };
    });
  const first = once(exampleInputs);
  // Loops run when they are recorded: as often as the example says, where zeros might never end one. Other ops see shapes only.
  const examples = first.graph.nodes.some(isControl) ? exampleInputs.map((t) => wrap(native.ops.detach(t._h))) : null;
  const exampleTypes = exampleInputs.map((t) => t.dtype);
  const names = new Set(first.names);
  if (names.size !== first.names.length) throw new ValueError('jit.trace: two captured tensors have the same name');
  // Strided constants would need their layout in the file and in generated code: keep them dense.
  const odd = first.graph.captures.find((v) => v.strides !== undefined);
  if (odd !== undefined)
    throw new ValueError(`jit.trace: the captured tensor '${odd.name}' is not contiguous; make it so before tracing`);
  const state: State = {
    name,
    graph: first.graph,
    result: first.result,
    weights: first.captures.map((handle, i) => ({ name: first.names[i]!, handle })),
    dynamic: undefined,
    dynamicReason: '',
    axes: options.dynamic === undefined ? null : new NamedAxes('jit.trace', options.dynamic),
    shapes: new Map(),
    compiled: true,
    reason: null,
    retrace: (shapes) => {
      const inputs = shapes.map((shape, i) =>
        examples === null ? zerosOf(shape, exampleTypes[i]!) : resized(examples[i]!, shape),
      );
      const again = once(inputs, true);
      // A constant made anew by the code has the same name, but only equal tensors may stand for each other.
      if (
        again.captures.length !== first.captures.length ||
        again.captures.some(
          (h, i) =>
            again.names[i] !== first.names[i] ||
            (!sameTensor(h, first.captures[i]!) && !sameBytes(h, first.captures[i]!)),
        )
      ) {
        throw new UnifyError('the traces capture different tensors');
      }
      return again.graph;
    },
  };
  if (state.axes !== null && dynamicGraph(state) === null) throw state.axes.error(state.dynamicReason);
  return observed(new TracedModule(state));
}

/** The same dtype, shape and contents. */
export function sameBytes(a: Handle, b: Handle): boolean {
  return (
    native.dtype(a) === native.dtype(b) &&
    String(native.shape(a)) === String(native.shape(b)) &&
    Buffer.compare(native.rawBytes(a), native.rawBytes(b)) === 0
  );
}

function observed(m: TracedModule): TracedModule {
  compileObserver()?.compiled(m);
  return m;
}

// ---- files ----

export function bytesOf(h: Handle): TensorBytes {
  return { dtype: dtypeName(native.dtype(h)), shape: native.shape(h), data: native.rawBytes(h) };
}

function tensorOf(t: TensorBytes): Handle {
  // Parsed data may lie unaligned in the file's bytes.
  const copy = new Uint8Array(t.data);
  if (copy.byteLength % itemSize(t.dtype) !== 0) throw new FileError('the bytes of a weight are cut off');
  return native.fromTypedArray(copy.buffer, t.shape, dtypeCode(t.dtype), false);
}

/** Reads a module that `save` wrote. @throws FileError (ERR_FLAMBEAU_FILE) for a missing, damaged or foreign file. */
export function load(path: string): TracedModule {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (e) {
    throw new FileError(`cannot read the graph file '${path}': ${(e as Error).message}`);
  }
  const f = parseGraphFile(bytes, path);
  return observed(
    new TracedModule({
      name: f.name,
      graph: f.graph,
      result: f.result,
      weights: f.captures.map((name) => ({ name, handle: tensorOf(f.weights.get(name)!) })),
      dynamic: f.dynamic,
      axes: null,
      dynamicReason: 'the file holds no graph for other sizes',
      retrace: null,
      shapes: new Map(),
      compiled: true,
      reason: null,
    }),
  );
}
