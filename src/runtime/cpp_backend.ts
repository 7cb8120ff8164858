// Programs that are built into a shared object: graph → source → object (cached) → loaded program. The C++ backend is one of them.
import { startBuild, type BuildState } from '../build/build.js';
import { log } from '../debug/log.js';
import { printDim } from '../ir/dim.js';
import type { Graph, Value } from '../ir/graph.js';
import { KernelTimes } from './kernel_times.js';
import { programBytes, type ProgramBytes } from './memory_report.js';
import { native, type GraphHandle } from '../native.js';
import type { Handle } from '../tensor/handle.js';
import { emitCached, type Emitted } from './emit_cache.js';
import {
  registerBackend,
  type Backend,
  type Prepared,
  type ProgramContext,
  type ProgramInfo,
  type StageTimes,
} from './backend.js';

/** The parts of a program's metadata (docs/program-format.md) that only the runtime knows. */
interface Meta {
  inputs: { requiresGrad?: boolean }[];
  captures: { requiresGrad?: boolean }[];
  gradReads?: (Slot & { is: number | null })[];
  name: string;
}

type Slot = { input: number } | { capture: number };
/** Where a leaf comes in. */
function slotOf(graph: Graph, leaf: Value): Slot {
  const input = graph.inputs.indexOf(leaf);
  return input >= 0 ? { input } : { capture: graph.captures.indexOf(leaf) };
}

/** A tensor whose layout generated programs do not read. */
export class LayoutError extends Error {
  override readonly name = 'LayoutError';
  readonly code = 'ERR_FLAMBEAU_COMPILE';
}

/** A build that is under way. */
export interface Making {
  poll(): BuildState;
  /** Keeps the process alive until the build ends. */
  ref(): void;
  readonly done: Promise<unknown>;
}
/** How a graph becomes source, and source a shared object with the ABI of native/include/flambeau/runtime.h. */
export interface Toolchain {
  emit(graph: Graph): Emitted;
  build(source: string): Making;
}

class BuiltProgram implements Prepared {
  private handle: GraphHandle | null = null;
  error: Error | null = null;
  readonly source: string;
  readonly metaJson: string;
  private readonly build: Making;
  private readonly emitted: Emitted;
  private readonly times: StageTimes = {};
  private readonly kernelTimes = new KernelTimes();
  private cached = false;
  private readonly bytes: ProgramBytes;
  /** Inputs that are made contiguous before each run. */
  private readonly copied: readonly number[];

  constructor(
    graph: Graph,
    private readonly context: ProgramContext,
    toolchain: Toolchain,
  ) {
    const start = performance.now();
    const written = new Set([...graph.writes.map((w) => w.target), ...graph.gradWrites.map((w) => w.leaf)]);
    // Generated code reads contiguous memory: other layouts are copied before each run, which a written tensor cannot be.
    this.copied = graph.inputs.flatMap((v, i) => (v.strides === undefined ? [] : [i]));
    const odd = [...graph.inputs.filter((v) => written.has(v)), ...graph.captures].find((v) => v.strides !== undefined);
    if (odd !== undefined)
      throw new LayoutError(
        `a captured or written tensor (${odd.type.dtype}[${odd.type.shape.map(printDim).join(', ')}]) is not contiguous`,
      );
    const program = toolchain.emit(graph);
    const meta = structuredClone(program.meta) as unknown as Meta;
    meta.inputs.forEach(
      (m, i) => (m.requiresGrad = !this.copied.includes(i) && (context.inputsRequireGrad[i] ?? false)),
    );
    // Freezing or unfreezing a parameter changes what a step does.
    meta.captures.forEach((m, i) => (m.requiresGrad = native.requiresGrad(context.captures[i]!)));
    meta.gradReads = (graph.gradReads ?? []).map((r) => ({
      ...slotOf(graph, r.leaf),
      is: r.is === null ? null : graph.captures.indexOf(r.is),
    }));
    meta.name = context.name ?? meta.name;
    this.bytes = programBytes(program.meta, graph);
    this.source = program.source;
    this.metaJson = JSON.stringify(meta);
    this.emitted = program;
    if (program.times !== undefined) this.times.schedule = program.times.schedule;
    this.times.emit = performance.now() - start - (this.times.schedule ?? 0);
    log('schedule', () => program.schedule);
    log('kernels', () => this.source);
    this.build = toolchain.build(this.source);
  }

  poll(): 'running' | 'done' | 'failed' {
    if (this.handle !== null) return 'done';
    if (this.error !== null) return 'failed';
    const state = this.build.poll();
    if (state.kind === 'running') return 'running';
    if (state.kind === 'failed') {
      this.error = state.error;
      return 'failed';
    }
    this.times.build = state.built.seconds * 1000;
    this.cached = state.built.cached;
    const start = performance.now();
    try {
      this.handle = native.loadGraph(state.built.path, this.metaJson, [...this.context.captures]);
    } catch (e) {
      this.error = e as Error;
      return 'failed';
    }
    this.times.load = performance.now() - start;
    return 'done';
  }

  async wait(): Promise<void> {
    this.build.ref();
    await this.build.done.catch(() => undefined);
    this.poll();
  }

  run(inputs: readonly Handle[], scalars: readonly number[]): readonly Handle[] | string {
    const dense = this.dense(inputs);
    return this.kernelTimes.around(() => native.runGraph(this.handle!, dense, scalars));
  }
  runAsync(inputs: readonly Handle[], scalars: readonly number[]): Promise<readonly Handle[] | string> {
    return native.runGraphAsync(this.handle!, this.dense(inputs), scalars);
  }
  private dense(inputs: readonly Handle[]): readonly Handle[] {
    if (this.copied.length === 0) return inputs;
    const dense = [...inputs];
    for (const i of this.copied) dense[i] = native.ops.contiguous(native.ops.detach(dense[i]!));
    return dense;
  }

  /** The loaded program; null: not built yet. */
  get loaded(): GraphHandle | null {
    return this.handle;
  }
  get info(): ProgramInfo {
    const { kernels, steps, schedule, report } = this.emitted;
    return {
      kernels,
      steps,
      schedule,
      report,
      kernelTimes: this.kernelTimes.medians(report.parts.length),
      source: this.source,
      cached: this.cached,
      times: { ...this.times },
      bytes: this.bytes,
    };
  }
}

/** The native program of a build that is done. */
export function loadedGraph(p: Prepared): GraphHandle {
  const loaded = p instanceof BuiltProgram ? p.loaded : null;
  if (loaded === null) throw new Error('the program is not built');
  return loaded;
}

export const toolchainBackend = (name: string, toolchain: Toolchain): Backend => ({
  name,
  prepare: (graph, context) => new BuiltProgram(graph, context, toolchain),
});
export const cppBackend: Backend = {
  ...toolchainBackend('cpp', { emit: emitCached, build: (source) => startBuild(source) }),
  sequences: true,
};
registerBackend(cppBackend);
