// A symbolic graph at given sizes: the reverse of unify.
import { evalDim, isSym } from '../../ir/dim.js';
import type { Attr, Dim, Graph, Input, Node, Value } from '../../ir/graph.js';
import { mapInput } from '../../ir/build.js';
import { mapBodies } from '../../ir/control.js';

/** Sizes that do not fit a symbolic graph. */
export class SpecializeError extends Error {
  override readonly name = 'SpecializeError';
  readonly code = 'ERR_FLAMBEAU_SHAPE';
}

/** The values of the symbols that make the graph's inputs have these shapes. @throws SpecializeError naming the first that differs. */
export function bindSymbols(g: Graph, shapes: readonly (readonly number[])[]): Map<string, number> {
  const values = new Map<string, number>();
  const fail = (i: number): never => {
    throw new SpecializeError(
      `input ${i} has shape [${shapes[i]!.join(', ')}], the graph takes [${g.inputs[i]!.type.shape.map(show).join(', ')}]`,
    );
  };
  // Plain symbols first: they give the values that the others are checked with.
  g.inputs.forEach((v, i) => {
    if (v.type.shape.length !== shapes[i]!.length) fail(i);
    v.type.shape.forEach((d, k) => {
      if (typeof d === 'number' || d.terms.length !== 1 || d.terms[0]!.coef !== 1 || d.terms[0]!.symbols.length !== 1)
        return;
      const name = d.terms[0]!.symbols[0]!;
      if (!values.has(name)) values.set(name, shapes[i]![k]!);
    });
  });
  g.inputs.forEach((v, i) => v.type.shape.forEach((d, k) => void (evalDim(d, values) === shapes[i]![k] || fail(i))));
  return values;
}

const show = (d: Dim): string =>
  typeof d === 'number'
    ? String(d)
    : d.terms
        .map((t) =>
          [t.coef === 1 && t.symbols.length > 0 ? '' : String(t.coef), ...t.symbols].filter((x) => x !== '').join('*'),
        )
        .join('+');

/** The graph with numbers for its symbols. */
export function specialize(g: Graph, values: ReadonlyMap<string, number>): Graph {
  const made = new Map<Value, Value>();
  const value = (v: Value): Value => {
    let out = made.get(v);
    if (out === undefined) {
      const { strides, ...rest } = v;
      out = {
        ...rest,
        type: { dtype: v.type.dtype, shape: v.type.shape.map((d) => evalDim(d, values)) },
        ...(strides === undefined ? {} : { strides: strides.map((d) => evalDim(d, values)) }),
      };
      made.set(v, out);
    }
    return out;
  };
  const attr = (a: Attr): Attr => {
    if (isSym(a)) return evalDim(a, values);
    return Array.isArray(a) ? a.map((d) => evalDim(d as Dim, values)) : a;
  };
  const call = <N extends { inputs: Input[]; attrs: Record<string, Attr>; outputs: Value[] }>(n: N): N => ({
    ...n,
    inputs: n.inputs.map((i) => mapInput(i, value)),
    attrs: Object.fromEntries(Object.entries(n.attrs).map(([k, a]) => [k, attr(a)])),
    outputs: n.outputs.map(value),
  });
  // Bodies are closed: their values are their own, their sizes those of the symbols around them.
  const node = (n: Node): Node => mapBodies(call(n), (b) => graph(b));
  const graph = (g: Graph): Graph => ({
    inputs: g.inputs.map(value),
    captures: g.captures.map(value),
    nodes: g.nodes.map(node),
    regions: g.regions.map(call),
    outputs: g.outputs.map(value),
    writes: g.writes.map((w) => ({ target: value(w.target), value: value(w.value) })),
    gradWrites: g.gradWrites.map((w) => ({ leaf: value(w.leaf), value: w.value === null ? null : value(w.value) })),
    ...(g.gradReads === undefined
      ? {}
      : { gradReads: g.gradReads.map((r) => ({ leaf: value(r.leaf), is: r.is === null ? null : value(r.is) })) }),
    liveScalars: [...g.liveScalars],
    symbols: [],
  });
  return graph(g);
}
