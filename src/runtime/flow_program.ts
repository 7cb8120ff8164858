// Builds a graph with control flow: its stretches beside each other, then one program over them.
import { native, type FlowHandle, type GraphHandle } from '../native.js';
import type { Graph } from '../ir/graph.js';
import type { Handle } from '../tensor/handle.js';
import { cppBackend, loadedGraph } from './cpp_backend.js';
import type { Prepared, ProgramInfo } from './backend.js';
import { planFlow } from './flow.js';

export class FlowPrograms implements Prepared {
  private readonly parts: readonly Prepared[];
  private readonly plan: string;
  private flow: FlowHandle | null = null;
  error: Error | null = null;

  /** Starts the builds. @throws CompilerMissing, or an error of the emitter */
  constructor(
    graph: Graph,
    private readonly constants: readonly Handle[],
    name: string,
  ) {
    const { plan, programs } = planFlow(graph);
    this.plan = JSON.stringify(plan);
    this.parts = programs.map((g, k) =>
      cppBackend.prepare(g, { captures: [], inputsRequireGrad: g.inputs.map(() => false), name: `${name}.${k}` }),
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
      times: {},
      bytes: null,
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
      this.flow = native.loadFlow(this.plan, graphs, [...this.constants]);
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
    return native.runFlow(this.flow!, inputs);
  }
  /** On the event loop: a plan has no thread of its own. */
  async runAsync(inputs: readonly Handle[]): Promise<readonly Handle[]> {
    return this.run(inputs);
  }
}
