// Builds a graph with control flow: its stretches beside each other, then one program over them.
import { native, type FlowHandle, type GraphHandle } from '../native.js';
import { replaceUses, rootValues } from '../ir/build.js';
import { isControl } from '../ir/control.js';
import type { Graph, Value } from '../ir/graph.js';
import type { Handle } from '../tensor/handle.js';
import { cppBackend, loadedGraph } from './cpp_backend.js';
import {
  guarded,
  type Backend,
  type Prepared,
  type ProgramContext,
  type ProgramInfo,
  type StageTimes,
} from './backend.js';
import { FlowTimes } from './kernel_times.js';
import { planFlow } from './flow.js';

/** A program of a recorded graph: the backend's, or where the graph has branches and loops one for each of its stretches. */
export function prepareProgram(backend: Backend, graph: Graph, context: ProgramContext): Prepared {
  if (backend.name === 'interpret' || !graph.nodes.some(isControl)) return backend.prepare(graph, context);
  return new GuardedFlow(graph, context, backend);
}

/** Without strides: layouts of inputs and captures are made contiguous before each run. */
function dense(g: Graph): Graph {
  const by = new Map<Value, Value>();
  const plain = (v: Value): Value => {
    if (v.strides === undefined) return v;
    const { strides: _, ...rest } = v;
    const made = by.get(v) ?? rest;
    by.set(v, made);
    return made;
  };
  const [inputs, captures] = [g.inputs.map(plain), g.captures.map(plain)];
  return replaceUses({ ...g, inputs, captures }, by);
}

/** A recorded graph with branches and loops: behind guards, and with what the recording wrote. */
class GuardedFlow implements Prepared {
  private readonly flow: FlowPrograms;
  readonly run: Prepared['run'];
  readonly runAsync: Prepared['runAsync'];

  constructor(graph: Graph, context: ProgramContext, backend: Backend) {
    if (graph.liveScalars.length > 0)
      throw new NoFlow('numbers that vary between calls (fb.live) are not part of a graph with branches and loops');
    if (graph.symbols.length > 0) throw new NoFlow('a graph with branches and loops has one size');
    const whole = { ...graph, outputs: rootValues(graph), writes: [], gradWrites: [], gradReads: [] };
    const closed = dense({ ...whole, inputs: [...new Set([...graph.inputs, ...graph.captures])], captures: [] });
    const places = [...graph.inputs, ...graph.captures].flatMap((v, i, all) => (all.indexOf(v) === i ? [i] : []));
    this.flow = new FlowPrograms(closed, [], context.name ?? 'graph', backend);
    const counts = [graph.outputs.length, graph.writes.length] as const;
    const guardedRun = guarded(graph, context, (inputs, captures) => {
      const all = [...inputs, ...captures];
      const results = this.flow.run(places.map((i) => native.ops.contiguous(native.ops.detach(all[i]!))));
      const grads = results.slice(counts[0] + counts[1]);
      return {
        outputs: results.slice(0, counts[0]),
        writes: results.slice(counts[0], counts[0] + counts[1]),
        gradWrites: graph.gradWrites.map((w) => (w.value === null ? null : grads.shift()!)),
      };
    });
    this.run = guardedRun.run;
    this.runAsync = guardedRun.runAsync;
  }
  get error(): Error | null {
    return this.flow.error;
  }
  get info(): ProgramInfo {
    return this.flow.info;
  }
  poll(): 'running' | 'done' | 'failed' {
    return this.flow.poll();
  }
  wait(): Promise<void> {
    return this.flow.wait();
  }
}

/** Why a graph with branches and loops cannot become programs. */
export class NoFlow extends Error {
  override readonly name = 'NoFlow';
  readonly code = 'ERR_FLAMBEAU_COMPILE';
}

function sumTimes(all: readonly ProgramInfo[]): StageTimes {
  const out: StageTimes = {};
  for (const { times } of all)
    for (const [stage, ms] of Object.entries(times) as [keyof StageTimes, number][])
      out[stage] = (out[stage] ?? 0) + ms;
  return out;
}

/** The programs of a graph with branches and loops, and the plan over them. */
export class FlowPrograms implements Prepared {
  private readonly parts: readonly Prepared[];
  private readonly stretches: readonly { readonly name: string; readonly graph: Graph }[];
  private readonly kernelTimes: FlowTimes;
  private readonly plan: string;
  private flow: FlowHandle | null = null;
  error: Error | null = null;

  /** Starts the builds. @throws CompilerMissing, or an error of the emitter */
  constructor(
    graph: Graph,
    private readonly constants: readonly Handle[],
    name: string,
    backend: Backend = cppBackend,
  ) {
    const { plan, programs, places } = planFlow(graph);
    this.plan = JSON.stringify(plan);
    this.stretches = programs.map((g, k) => ({ name: places[k]!, graph: g }));
    const names = programs.map((_, k) => `${name}.${k}`);
    this.kernelTimes = new FlowTimes(names);
    this.parts = programs.map((g, k) =>
      backend.prepare(g, { captures: [], inputsRequireGrad: g.inputs.map(() => false), name: names[k]! }),
    );
  }

  get info(): ProgramInfo {
    const all = this.parts.map((p) => p.info);
    const sum = (f: (i: ProgramInfo) => number): number => all.reduce((n, i) => n + f(i), 0);
    return {
      kernels: sum((i) => i.kernels),
      steps: sum((i) => i.steps),
      schedule: all.map((i) => i.schedule).join('\n'),
      report: null,
      kernelTimes: null,
      source: all.map((i) => i.source).join('\n'),
      cached: all.every((i) => i.cached),
      times: sumTimes(all),
      bytes: null,
      stretches: this.stretches.map((s, k) => {
        const info = all[k]!;
        const kernelTimes = this.kernelTimes.medians(k, info.report?.parts.length ?? 0);
        return { ...s, info: { ...info, kernelTimes } };
      }),
    };
  }
  poll(): 'running' | 'done' | 'failed' {
    if (this.flow !== null) return 'done';
    if (this.error !== null) return 'failed';
    const states = this.parts.map((p) => p.poll());
    if (states.includes('failed')) {
      this.error = this.parts.find((p) => p.error !== null)!.error;
      return 'failed';
    }
    if (states.includes('running')) return 'running';
    try {
      const graphs = this.parts.map((p): GraphHandle => loadedGraph(p));
      this.flow = native.loadFlow(
        this.plan,
        graphs,
        this.constants.map((h) => native.ops.detach(h)),
      );
    } catch (e) {
      this.error = e as Error;
      return 'failed';
    }
    return 'done';
  }
  async wait(): Promise<void> {
    await Promise.all(this.parts.map((p) => p.wait()));
    this.poll();
  }
  run(inputs: readonly Handle[]): readonly Handle[] {
    return this.kernelTimes.around(() => native.runFlow(this.flow!, inputs));
  }
  /** On the event loop: a plan has no thread of its own. */
  async runAsync(inputs: readonly Handle[]): Promise<readonly Handle[]> {
    return this.run(inputs);
  }
}
