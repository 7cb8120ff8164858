// Drops nodes that nothing outside reads. Random ops stay: eager code draws for them too, and the stream must not shift.
import { nodeValues, rootValues } from '../ir/build.js';
import { someNode } from '../ir/control.js';
import type { Graph, Node, Value } from '../ir/graph.js';
import { isRandom } from '../ir/table.js';
import { pruneRegions } from './regions.js';

const draws = (n: Node): boolean => isRandom(n.op) || (n.bodies ?? []).some((b) => someNode(b, (m) => isRandom(m.op)));

export function deadCode(g: Graph): Graph {
  const live = new Set<Value>(rootValues(g));
  const kept = [];
  for (let k = g.nodes.length - 1; k >= 0; k--) {
    const n = g.nodes[k]!;
    if (!draws(n) && !n.outputs.some((v) => live.has(v))) continue;
    nodeValues(n).forEach((v) => live.add(v));
    kept.push(n);
  }
  return kept.length === g.nodes.length ? g : pruneRegions({ ...g, nodes: kept.reverse() });
}
