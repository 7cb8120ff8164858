// The C++ backend: graph → source → shared object (cached) → loaded program.
import { startBuild, type Build } from '../build/build.js';
import { log } from '../debug/log.js';
import { emitProgram } from '../emit/program.js';
import type { Schedule } from '../emit/schedule.js';
import type { Graph } from '../ir/graph.js';
import { native, type GraphHandle } from '../native.js';
import type { Handle } from '../tensor/handle.js';
import { registerBackend, type Backend, type Prepared, type ProgramContext, type ProgramInfo, type StageTimes } from './backend.js';

/** The parts of a program's metadata (docs/program-format.md) that only the runtime knows. */
interface Meta {
  inputs: { requiresGrad?: boolean }[];
  gradReads?: { capture: number; is: number | null }[];
}

class CppProgram implements Prepared {
  private handle: GraphHandle | null = null;
  error: Error | null = null;
  readonly source: string;
  readonly metaJson: string;
  private readonly build: Build;
  private readonly schedule: Schedule;
  private readonly times: StageTimes = {};
  private cached = false;

  constructor(graph: Graph, private readonly context: ProgramContext) {
    const start = performance.now();
    const program = emitProgram(graph, { target: 'cpp' });
    const meta = program.meta as unknown as Meta;
    meta.inputs.forEach((m, i) => (m.requiresGrad = context.inputsRequireGrad[i] ?? false));
    meta.gradReads = (graph.gradReads ?? []).map((r) => ({
      capture: graph.captures.indexOf(r.leaf),
      is: r.is === null ? null : graph.captures.indexOf(r.is),
    }));
    this.source = program.source;
    this.metaJson = JSON.stringify(meta);
    this.schedule = program.schedule;
    this.times.emit = performance.now() - start;
    log('schedule', () => String(this.schedule));
    log('kernels', () => this.source);
    this.build = startBuild(this.source);
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
    return native.runGraph(this.handle!, inputs as Handle[], scalars as number[]);
  }

  get info(): ProgramInfo {
    const { kernels, steps } = this.schedule;
    return { kernels: kernels.length, steps: steps.length, schedule: String(this.schedule), source: this.source, cached: this.cached, times: { ...this.times } };
  }
}

export const cppBackend: Backend = { name: 'cpp', prepare: (graph, context) => new CppProgram(graph, context) };
registerBackend(cppBackend);
