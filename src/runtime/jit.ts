// jit.trace, jit.load: a module or function recorded once and from then on a graph with weights, for inference. It prints, saves
// to one file, exports, and runs compiled; op by op on the prebuilt kernels until (or unless) its program is built.
import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { emitProgram } from '../emit/program.js';
import { noGrad } from '../autograd/modes.js';
import { fromTrace } from '../frontend/trace/from_trace.js';
import { UnifyError } from '../frontend/trace/unify.js';
import { isControl } from '../ir/control.js';
import type { Graph } from '../ir/graph.js';
import { printGraph, printType } from '../ir/print.js';
import { native } from '../native.js';
import { Module } from '../nn/module.js';
import { optimize } from '../passes/manager.js';
import { writeFileAtomic } from '../serialization/bytes.js';
import type { TensorBytes } from '../serialization/safetensors.js';
import { dtypeCode, dtypeName, itemSize } from '../tensor/dtype.js';
import { FileError, ValueError } from '../tensor/errors.js';
import { isTensor, wrap, type Handle, type Tensor } from '../tensor/handle.js';
import { runInterpreted } from './backend.js';
import './cpp_backend.js';
import './cuda_backend.js';
import { emitOptions } from './emit_cache.js';
import { evaluateNative } from './execute.js';
import { planFlow } from './flow.js';
import { NamedAxes, type DynamicAxes } from './dynamic_axes.js';
import { Explanation, type GraphReport } from './explain.js';
import { parseGraphFile, serializeGraphFile } from './fbg.js';
import { countOps, describeGraph } from './graph_report.js';
import { machineLimits } from './machine_limits.js';
import { eagerPeak } from './memory_report.js';
import { compileObserver } from './observe.js';
import { record } from './recorder.js';
import { fill, type Template } from './structure.js';
import { argumentsOf, call, callAsync, start, type Specialised, type State } from './traced.js';
import { dynamicGraph, resized, specialised, zerosOf } from './traced_shapes.js';
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
