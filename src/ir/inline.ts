// A closed graph as part of another one: its nodes over other operands, every value new, those of bodies included.
import { mapInput } from './build.js';
import type { Graph, Node, Region, Value } from './graph.js';

export interface Inlined {
  readonly nodes: readonly Node[];
  readonly regions: readonly Region[];
  /** What a value of the graph has become. */
  readonly of: (v: Value) => Value;
}

/** `operands`: of the graph's inputs, then of its captures. `fresh` copies a value under an id of its own; regions are numbered from `first`. */
export function inlineGraph(g: Graph, operands: readonly Value[], fresh: (v: Value) => Value, first: number): Inlined {
  const own = new Map<Value, Value>();
  [...g.inputs, ...g.captures].forEach((v, i) => own.set(v, operands[i]!));
  return copy(g, own, fresh, first);
}

function copy(g: Graph, own: Map<Value, Value>, fresh: (v: Value) => Value, first: number): Inlined {
  const of = (v: Value): Value => own.get(v) ?? v;
  const make = (v: Value): Value => {
    const made = fresh(v);
    own.set(v, made);
    return made;
  };
  const nodes = g.nodes.map((n): Node => {
    const inputs = n.inputs.map((i) => mapInput(i, of));
    const outputs = n.outputs.map(make);
    const bodies = n.bodies?.map((b) => body(b, fresh));
    return {
      ...n,
      inputs,
      outputs,
      ...(bodies === undefined ? {} : { bodies }),
      ...(n.region === undefined ? {} : { region: first + n.region }),
    };
  });
  const regions = g.regions.map((r) => ({
    ...r,
    inputs: r.inputs.map((i) => mapInput(i, of)),
    outputs: r.outputs.map(of),
    ...(r.parent === undefined ? {} : { parent: first + r.parent }),
  }));
  return { nodes, regions, of };
}

function body(g: Graph, fresh: (v: Value) => Value): Graph {
  const own = new Map<Value, Value>();
  const inputs = g.inputs.map((v) => {
    const made = fresh(v);
    own.set(v, made);
    return made;
  });
  const { nodes, regions, of } = copy(g, own, fresh, 0);
  return { ...g, inputs, nodes: [...nodes], regions: [...regions], outputs: g.outputs.map(of) };
}
