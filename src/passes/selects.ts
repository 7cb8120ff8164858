// An `if` over single numbers that costs less to compute both ways than to choose between: its ways become part of the graph around it,
// and `where` takes the results. A round of a loop over numbers is then one program instead of three. For programs only: graphs that
// people read and files keep the branch.
import { nextId, replaceUses } from '../ir/build.js';
import { isControl, mapBodies } from '../ir/control.js';
import type { Graph, Node, Value } from '../ir/graph.js';
import { inlineGraph } from '../ir/inline.js';
import { opInfo } from '../ir/table.js';

/** Ops of both ways together; starting a program takes as long as some dozens of operations on single numbers. */
const MOST_OPS = 24;

/** What may be computed without being asked for: one number, and nothing that fails or is seen from outside. */
function harmless(n: Node): boolean {
  if (n.outputs.some((v) => v.type.shape.length > 0)) return false;
  if (n.op === 'full' || n.op === 'toDtype') return true;
  const info = opInfo(n.op);
  return info?.kind === 'pointwise' && info.divisor === undefined && info.mutates === undefined;
}

/** Choices between numbers by `where`, in bodies too; innermost first. */
export function selectNumbers(g: Graph): Graph {
  if (!g.nodes.some(isControl)) return g;
  let id = nextId(g);
  const instead = new Map<Value, Value>();
  const fresh = (v: Value): Value => ({ ...v, id: id++ });
  const nodes = g.nodes.flatMap((given): Node[] => {
    const n = mapBodies(given, (b) => selectNumbers(b));
    if (n.op !== 'if' || n.outputs.some((v) => v.type.shape.length > 0)) return [n];
    const bodies = n.bodies!;
    const all = bodies.flatMap((b) => b.nodes);
    if (all.length > MOST_OPS || !all.every(harmless)) return [n];
    const [condition, ...operands] = n.inputs.map((i) => (i as { readonly value: Value }).value);
    const [yes, no] = bodies.map((b) => inlineGraph(b, operands, fresh, 0));
    const plain = [...yes!.nodes, ...no!.nodes].map(({ region: _, ...m }): Node => m);
    const chosen = n.outputs.map((v, k): Node => {
      const result = fresh(v);
      instead.set(v, result);
      const ways = [yes!.of(bodies[0]!.outputs[k]!), no!.of(bodies[1]!.outputs[k]!)];
      const inputs = [condition!, ...ways].map((value) => ({ kind: 'value', value }) as const);
      return { op: 'where', inputs, attrs: {}, outputs: [result] };
    });
    return [...plain, ...chosen];
  });
  if (nodes.length === g.nodes.length && nodes.every((n, i) => n === g.nodes[i])) return g;
  return replaceUses({ ...g, nodes }, instead);
}
