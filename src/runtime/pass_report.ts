// What each pass did to a graph. Passes are functions of the graph, so that they are run once more when somebody asks, rather than every
// graph in between being kept for those who never do.
import type { Graph } from '../ir/graph.js';
import { printGraph } from '../ir/print.js';
import { optimize } from '../passes/manager.js';
import { evaluateNative } from './execute.js';

export interface PassReport {
  readonly pass: string;
  readonly opsBefore: number;
  readonly opsAfter: number;
  /** Lines of the graph's text that went and that came, in order. */
  readonly removed: readonly string[];
  readonly added: readonly string[];
  /** The graph after the pass. */
  readonly graph: string;
}

/** The passes that changed something, in the order in which they ran. */
export function passReports(raw: Graph): PassReport[] {
  const out: PassReport[] = [];
  optimize(raw, {
    evaluate: evaluateNative,
    verify: false,
    observe: (pass, before, after) => {
      if (before === after) return;
      const [was, is] = [printGraph(before), printGraph(after)];
      const [a, b] = [linesOf(was), linesOf(is)];
      out.push({
        pass,
        opsBefore: before.nodes.length,
        opsAfter: after.nodes.length,
        removed: without(a, b),
        added: without(b, a),
        graph: is,
      });
    },
  });
  return out;
}

const linesOf = (text: string): string[] => text.split('\n').map((l) => l.trim());
const without = (a: readonly string[], b: readonly string[]): string[] => {
  const have = new Set(b);
  return a.filter((l) => !have.has(l));
};
