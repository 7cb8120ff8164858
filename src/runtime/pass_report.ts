// What each pass did to a graph. Passes are functions of the graph, so that they are run once more when somebody asks, rather than every
// graph in between being kept for those who never do.
import type { Graph } from '../ir/graph.js';
import { printGraph } from '../ir/print.js';
import { optimize } from '../passes/manager.js';
import { evaluateNative } from './execute.js';

export interface PassReport {
  readonly pass: string;
  /** The body that it changed: 'loop 1, if 2 else'; empty: the graph itself. */
  readonly place: string;
  readonly opsBefore: number;
  readonly opsAfter: number;
  /** Lines of the graph's text that went and that came, in order. */
  readonly removed: readonly string[];
  readonly added: readonly string[];
  /** The graph, or body, after the pass. */
  readonly graph: string;
}

/** The passes that changed something, in the order in which they ran. */
export function passReports(raw: Graph): PassReport[] {
  const out: PassReport[] = [];
  optimize(raw, {
    evaluate: evaluateNative,
    verify: false,
    observe: (pass, before, after, place) => {
      // What 'bodies' did has been told by the passes on each body.
      if (before === after || pass === 'bodies') return;
      const [was, is] = [printGraph(before), printGraph(after)];
      const [a, b] = [linesOf(was), linesOf(is)];
      out.push({
        pass,
        place,
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
