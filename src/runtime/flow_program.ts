// Builds a graph with control flow: its stretches beside each other, then one program over them.
import { native, type FlowHandle, type GraphHandle } from '../native.js';
import type { Graph } from '../ir/graph.js';
import type { Handle } from '../tensor/handle.js';
import { cppBackend, loadedGraph } from './cpp_backend.js';
import type { Prepared } from './backend.js';
import { planFlow } from './flow.js';

export class FlowPrograms {
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

  /** Kernel sources of all stretches. */
  get source(): string {
    return this.parts.map((p) => p.info.source).join('\n');
  }
  get kernels(): number {
    return this.parts.reduce((n, p) => n + p.info.kernels, 0);
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
}
