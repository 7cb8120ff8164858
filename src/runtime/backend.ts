// What makes a graph runnable. 'cpp' generates C++ and builds it (cpp_backend.ts); 'interpret' runs the graph op by op on the
// prebuilt kernels, which is what remains without a compiler, and what tests compare with.
import type { ScheduleReport } from '../emit/schedule.js';
import type { ProgramBytes } from './memory_report.js';
import type { Graph } from '../ir/graph.js';
import type { GraphResults } from '../ir/interpret.js';
import { native } from '../native.js';
import { dtypeName } from '../tensor/dtype.js';
import { ValueError } from '../tensor/errors.js';
import type { Handle } from '../tensor/handle.js';
import { interpretNative } from './execute.js';

/** What a program must know beyond its graph. */
export interface ProgramContext {
  readonly captures: readonly Handle[];
  readonly inputsRequireGrad: readonly boolean[];
  /** What a profiler calls the program. */
  readonly name?: string;
}

/** Milliseconds by stage; stages that did not happen are absent. */
export type StageTimes = Partial<
  Record<'record' | 'graph' | 'passes' | 'schedule' | 'emit' | 'build' | 'load', number>
>;

export interface ProgramInfo {
  readonly kernels: number;
  readonly steps: number;
  /** The decisions of the scheduler, for people. */
  readonly schedule: string;
  /** The same as data; null where nothing is scheduled. */
  readonly report: ScheduleReport | null;
  /** Median microseconds of each part over the first runs; null where nobody measured (kernel_times.ts). */
  readonly kernelTimes: readonly number[] | null;
  /** Generated source; empty when nothing is generated. */
  readonly source: string;
  readonly cached: boolean;
  readonly times: StageTimes;
  /** What a run holds in memory; null where ops run one by one. */
  readonly bytes: ProgramBytes | null;
  /** Of a graph with branches and loops: its stretches, `name` says where they stand. */
  readonly stretches?: readonly { readonly name: string; readonly graph: Graph; readonly info: ProgramInfo }[];
}

/** A program that is being made or can run. */
export interface Prepared {
  /** Whether it can run now. Cheap, never blocks, makes progress without the event loop. */
  poll(): 'running' | 'done' | 'failed';
  /** Settles when it can run or has failed; keeps the process alive until then. */
  wait(): Promise<void>;
  readonly error: Error | null;
  /** The graph's outputs; a text when a guard failed (then nothing was run). */
  run(inputs: readonly Handle[], scalars: readonly number[]): readonly Handle[] | string;
  /** The same off the event loop where the backend can; rejects when the graph writes to tensors from outside. */
  runAsync(inputs: readonly Handle[], scalars: readonly number[]): Promise<readonly Handle[] | string>;
  readonly info: ProgramInfo;
}

export interface Backend {
  readonly name: string;
  /** Has the ops of recurrent layers (recurrentSequence): their graphs then fit every length. */
  readonly sequences?: boolean;
  /** Starts making a program of an optimised graph. @throws CompilerMissing, or an error of the emitter. */
  prepare(graph: Graph, context: ProgramContext): Prepared;
}

const backends = new Map<string, Backend>();
/** Makes a backend known by its name. */
export const registerBackend = (b: Backend): void => void backends.set(b.name, b);

/** @throws RangeError naming the backends that exist. */
export function findBackend(name: string): Backend {
  const b = backends.get(name);
  if (b === undefined)
    throw new RangeError(`compile: unknown backend '${name}' (known: ${[...backends.keys()].join(', ')})`);
  return b;
}

// ---- the interpreter as a backend ----

interface Guarded {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly requiresGrad: boolean;
}

const sameNumbers = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((x, i) => x === b[i]);

/** Captured gradients as the leaves have them now: other programs and zeroGrad replace them. */
function withGradients(graph: Graph, inputs: readonly Handle[], captures: readonly Handle[]): readonly Handle[] {
  if (graph.gradReads === undefined || graph.writes.length + graph.gradWrites.length === 0) return captures;
  const now = [...captures];
  for (const { leaf, is } of graph.gradReads) {
    const at = is === null ? -1 : graph.captures.indexOf(is);
    const place = graph.captures.indexOf(leaf);
    const owner = place < 0 ? inputs[graph.inputs.indexOf(leaf)] : captures[place];
    const grad = owner === undefined ? null : native.grad(owner);
    if (at >= 0 && grad !== null) now[at] = grad;
  }
  return now;
}

/** The guards of generated programs, in TypeScript; null when all hold. */
function guardFailure(
  graph: Graph,
  inputs: readonly Handle[],
  guards: readonly Guarded[],
  captures: readonly Handle[],
  capturesRequireGrad: readonly boolean[],
): string | null {
  if (inputs.length !== guards.length) return `${guards.length} inputs expected, got ${inputs.length}`;
  for (const [i, g] of guards.entries()) {
    const h = inputs[i]!;
    const [dtype, shape] = [dtypeName(native.dtype(h)), native.shape(h)];
    if (dtype !== g.dtype) return `input ${i}: dtype ${g.dtype} expected, got ${dtype}`;
    if (!sameNumbers(shape, g.shape))
      return `input ${i}: shape [${g.shape.join(', ')}] expected, got [${shape.join(', ')}]`;
    if (native.requiresGrad(h) !== g.requiresGrad) return `input ${i}: requiresGrad ${g.requiresGrad} expected`;
  }
  const changed = captures.findIndex((h, i) => native.requiresGrad(h) !== capturesRequireGrad[i]);
  if (changed >= 0) return `capture ${changed}: requiresGrad ${capturesRequireGrad[changed]} expected`;
  for (const r of graph.gradReads ?? []) {
    const grad = native.grad(captures[graph.captures.indexOf(r.leaf)]!);
    const expected = r.is === null ? null : captures[graph.captures.indexOf(r.is)]!;
    if ((grad === null) !== (expected === null))
      return `gradient of %${r.leaf.id} is ${grad === null ? 'undefined' : 'defined'}`;
    if (grad !== null && native.storageId(grad) !== native.storageId(expected!))
      return `gradient of %${r.leaf.id} is another tensor`;
  }
  return null;
}

/** Runs a graph on handles and applies its writes, as a generated program does. */
export function runInterpreted(
  graph: Graph,
  inputs: readonly Handle[],
  captures: readonly Handle[],
  scalars?: readonly number[],
): readonly Handle[] {
  return applyResults(graph, inputs, captures, interpretNative(graph, inputs, captures, scalars));
}

/** Writes what a run of a graph changes outside of it; gives its outputs, in memory of their own. */
export function applyResults(
  graph: Graph,
  inputs: readonly Handle[],
  captures: readonly Handle[],
  r: GraphResults<Handle>,
): readonly Handle[] {
  const before = native.gradEnabled();
  native.setGradEnabled(false);
  try {
    const outside = [
      ...graph.inputs.map((v, i) => [v, inputs[i]!] as const),
      ...graph.captures.map((v, i) => [v, captures[i]!] as const),
    ];
    const handleOf = new Map(outside);
    // Ops may give back views of what they were given; a result is dense memory of its own, and what it holds was there before the writes.
    const given = new Set(outside.map(([, h]) => native.storageId(h)));
    const held = new Set(given);
    const outputs = r.outputs.map((h, i) => {
      if (handleOf.has(graph.outputs[i]!)) return h;
      const own = native.isContiguous(h) && !held.has(native.storageId(h)) ? h : native.ops.clone(h);
      held.add(native.storageId(own));
      return own;
    });
    // A written value may be another target's old contents: take copies of those before anything is overwritten.
    const contents = r.writes.map((h) => (given.has(native.storageId(h)) ? native.ops.clone(h) : h));
    graph.writes.forEach((w, i) => native.ops.copy_(native.ops.detach(handleOf.get(w.target)!), contents[i]!));
    graph.gradWrites.forEach((w, i) => native.setGrad(handleOf.get(w.leaf)!, r.gradWrites[i]!));
    return outputs;
  } finally {
    native.setGradEnabled(before);
  }
}

/** Runs `compute` behind the guards that generated programs have, and applies what the graph writes. */
export function guarded(
  graph: Graph,
  context: ProgramContext,
  compute: (inputs: readonly Handle[], captures: readonly Handle[], scalars: readonly number[]) => GraphResults<Handle>,
): Pick<Prepared, 'run' | 'runAsync'> {
  const guards = graph.inputs.map((v, i): Guarded => ({
    dtype: v.type.dtype,
    shape: v.type.shape as number[],
    requiresGrad: context.inputsRequireGrad[i]!,
  }));
  const capturesRequireGrad = context.captures.map((h) => native.requiresGrad(h));
  const run: Prepared['run'] = (inputs, scalars) => {
    const captures = withGradients(graph, inputs, context.captures);
    return (
      guardFailure(graph, inputs, guards, captures, capturesRequireGrad) ??
      applyResults(graph, inputs, captures, compute(inputs, captures, scalars))
    );
  };
  return {
    run,
    async runAsync(inputs, scalars) {
      if (graph.writes.length + graph.gradWrites.length > 0)
        throw new ValueError('runAsync: the graph changes tensors from outside; call it synchronously');
      return run(inputs, scalars);
    },
  };
}

export const interpretBackend: Backend = {
  name: 'interpret',
  sequences: true,
  prepare(graph, context): Prepared {
    return {
      poll: () => 'done',
      wait: () => Promise.resolve(),
      error: null,
      ...guarded(graph, context, (inputs, captures, scalars) => interpretNative(graph, inputs, captures, scalars)),
      info: {
        kernels: 0,
        steps: graph.nodes.length,
        schedule: '',
        report: null,
        kernelTimes: null,
        source: '',
        cached: false,
        times: {},
        bytes: null,
      },
    };
  },
};
registerBackend(interpretBackend);
