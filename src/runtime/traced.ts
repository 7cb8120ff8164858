// The state of a traced module and its calls: arguments checked, the program for their shapes looked up or started, results filled in.
import { CompilerMissing } from '../build/compiler.js';
import { log, notice } from '../debug/log.js';
import { noGrad } from '../autograd/modes.js';
import { isControl } from '../ir/control.js';
import type { Graph } from '../ir/graph.js';
import { native } from '../native.js';
import { optimize } from '../passes/manager.js';
import { dtypeCode, dtypeName } from '../tensor/dtype.js';
import { ValueError } from '../tensor/errors.js';
import { isTensor, unwrap, wrap, type Handle, type Tensor } from '../tensor/handle.js';
import { findBackend, runInterpreted, type Prepared } from './backend.js';
import type { NamedAxes } from './dynamic_axes.js';
import { evaluateNative } from './execute.js';
import { FlowPrograms } from './flow_program.js';
import { aside, cannotRecord, ownMemory, recordGraph } from './recorder.js';
import { fill, flatten, type Template } from './structure.js';
import { specialised } from './traced_shapes.js';

export interface Weight {
  readonly name: string;
  readonly handle: Handle;
}
/** A program for one set of input shapes. */
export interface Specialised {
  readonly graph: Graph;
  prepared: Prepared | null;
  /** What the program computes. */
  optimised: Graph | null;
  passMilliseconds: number;
  readonly runs: { compiled: number; eager: number };
}

export interface State {
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

/** A number where the graph takes a 0-d tensor: scripted functions have such arguments. Others are refused by what follows. */
function scalarFor(s: State, x: number, at: number): unknown {
  const type = s.graph.inputs[at]?.type;
  if (type?.shape.length !== 0) return x;
  if (!type.dtype.startsWith('float') && !Number.isSafeInteger(x))
    throw new ValueError(`${s.name}: input ${at} is ${type.dtype}, got ${x}`);
  return wrap(native.ops.full([], x, dtypeCode(type.dtype)));
}

/** The arguments as the graph takes them: checked, detached, contiguous, with the program for their shapes. */
export function argumentsOf(
  s: State,
  given: readonly unknown[],
): { readonly spec: Specialised; readonly dense: Handle[] } {
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

export function call(s: State, args: unknown[]): unknown {
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

export async function callAsync(s: State, args: unknown[]): Promise<unknown> {
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
export function start(s: State, spec: Specialised): void {
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
