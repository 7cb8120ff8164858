// An `if` whose condition is known becomes the body that is taken; a loop that is not entered becomes its initial values.
import { inputValues, mapInput, nextId, replaceUses } from '../ir/build.js';
import type { Graph, Node, Value } from '../ir/graph.js';

/** The number in a condition that a `full` makes; undefined: it is computed. */
function known(condition: Value, by: ReadonlyMap<Value, Node>): boolean | undefined {
  const n = by.get(condition);
  const fill = n?.op === 'full' ? n.attrs['fillValue'] : undefined;
  return typeof fill === 'number' || typeof fill === 'boolean' ? Boolean(fill) : undefined;
}

export function constantConditions(g: Graph): Graph {
  if (!g.nodes.some((n) => n.bodies !== undefined)) return g;
  const by = new Map(g.nodes.flatMap((n) => n.outputs.map((v) => [v, n] as const)));
  const instead = new Map<Value, Value>();
  let id = nextId(g);
  const regions = [...g.regions];
  const nodes = g.nodes.flatMap((n): Node[] => {
    if (n.bodies === undefined) return [n];
    const [condition, ...rest] = n.inputs.flatMap(inputValues);
    const taken = known(condition!, by);
    if (n.op === 'loop') {
      if (taken !== false) return [n];
      n.outputs.forEach((v, k) => instead.set(v, rest[k]!));
      return [];
    }
    if (taken === undefined) return [n];
    const body = n.bodies[taken ? 0 : 1]!;
    const own = new Map<Value, Value>(body.inputs.map((v, k) => [v, rest[k]!]));
    const of = (v: Value): Value => own.get(v) ?? v;
    const first = regions.length;
    const inlined = body.nodes.map((m): Node => {
      const inputs = m.inputs.map((i) => mapInput(i, of));
      const outputs = m.outputs.map((v) => {
        const fresh = { ...v, id: id++ };
        own.set(v, fresh);
        return fresh;
      });
      return { ...m, inputs, outputs, ...(m.region === undefined ? {} : { region: first + m.region }) };
    });
    regions.push(
      ...body.regions.map((r) => ({
        ...r,
        inputs: r.inputs.map((i) => mapInput(i, of)),
        outputs: r.outputs.map(of),
        ...(r.parent === undefined ? {} : { parent: first + r.parent }),
      })),
    );
    n.outputs.forEach((v, k) => instead.set(v, of(body.outputs[k]!)));
    return inlined;
  });
  return instead.size === 0 ? g : replaceUses({ ...g, nodes, regions }, instead);
}
