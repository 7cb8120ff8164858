// Making and walking graphs: the builder that frontends and tests use, and the helpers that passes share.
import type { Attr, DType, Dim, Graph, Input, Node, TensorType, Value } from './graph.js';
import { infer } from './rules.js';

export const emptyGraph = (): Graph => ({
  inputs: [],
  captures: [],
  nodes: [],
  regions: [],
  outputs: [],
  writes: [],
  gradWrites: [],
  liveScalars: [],
  symbols: [],
});

export const tensorType = (dtype: DType, shape: readonly Dim[]): TensorType => ({ dtype, shape: [...shape] });

/** The values that an operand refers to. */
export const inputValues = (i: Input): readonly Value[] =>
  i.kind === 'value' ? [i.value] : i.kind === 'list' ? i.values : [];
/** All values that a node reads, in order. */
export const nodeValues = (n: Node): Value[] => n.inputs.flatMap(inputValues);

export const valueInput = (value: Value): Input => ({ kind: 'value', value });
export const constInput = (
  value: number | boolean,
  float = typeof value === 'number' && !Number.isInteger(value),
): Input => ({
  kind: 'const',
  value,
  float,
});

/** The same operand with its values replaced. */
export function mapInput(i: Input, f: (v: Value) => Value): Input {
  if (i.kind === 'value') {
    const value = f(i.value);
    return value === i.value ? i : { kind: 'value', value };
  }
  if (i.kind === 'list') return { kind: 'list', values: i.values.map(f) };
  return i;
}

/** One more than the largest id in use. */
export function nextId(g: Graph): number {
  let id = -1;
  const see = (v: Value): void => {
    if (v.id > id) id = v.id;
  };
  g.inputs.forEach(see);
  g.captures.forEach(see);
  for (const n of g.nodes) n.outputs.forEach(see);
  return id + 1;
}

/** Every value that something outside of the nodes reads: results, written values, new gradients. */
export function rootValues(g: Graph): Value[] {
  return [
    ...g.outputs,
    ...g.writes.map((w) => w.value),
    ...g.gradWrites.flatMap((w) => (w.value === null ? [] : [w.value])),
  ];
}

/** How often each value is read (by nodes and as a root). */
export function useCounts(g: Graph): Map<Value, number> {
  const uses = new Map<Value, number>();
  const count = (v: Value): void => void uses.set(v, (uses.get(v) ?? 0) + 1);
  for (const n of g.nodes) nodeValues(n).forEach(count);
  rootValues(g).forEach(count);
  return uses;
}

/** The node that makes each value. */
export function producers(g: Graph): Map<Value, Node> {
  const by = new Map<Value, Node>();
  for (const n of g.nodes) for (const v of n.outputs) by.set(v, n);
  return by;
}

/** The graph with values replaced wherever they are read. Definitions stay; chains of replacements are followed. */
export function replaceUses(g: Graph, by: ReadonlyMap<Value, Value>): Graph {
  if (by.size === 0) return g;
  const f = (v: Value): Value => {
    let at = v;
    for (let next = by.get(at); next !== undefined; next = by.get(at)) at = next;
    return at;
  };
  return {
    ...g,
    nodes: g.nodes.map((n) => ({ ...n, inputs: n.inputs.map((i) => mapInput(i, f)) })),
    regions: g.regions.map((r) => ({ ...r, inputs: r.inputs.map((i) => mapInput(i, f)), outputs: r.outputs.map(f) })),
    outputs: g.outputs.map(f),
    writes: g.writes.map((w) => ({ target: w.target, value: f(w.value) })),
    gradWrites: g.gradWrites.map((w) => ({ leaf: w.leaf, value: w.value === null ? null : f(w.value) })),
  };
}

/** An operand as the builder takes it. */
export type Operand = Value | number | boolean | null | readonly Value[] | Input;

const isValue = (o: object): o is Value => 'id' in o && 'type' in o;

export function toInput(o: Operand): Input {
  if (o === null) return { kind: 'none' };
  if (typeof o === 'number' || typeof o === 'boolean') return constInput(o);
  if (Array.isArray(o)) return { kind: 'list', values: o as readonly Value[] };
  return isValue(o as object) ? valueInput(o as Value) : (o as Input);
}

/** Puts a graph together; result types come from the shape and dtype rules unless they are given. */
export class GraphBuilder {
  readonly graph: Graph = emptyGraph();
  private ids = 0;

  private value(type: TensorType, name?: string): Value {
    return { id: this.ids++, type, ...(name === undefined ? {} : { name }) };
  }

  symbol(name: string, hint: number): this {
    this.graph.symbols.push({ name, hint });
    return this;
  }
  input(dtype: DType, shape: readonly Dim[], name?: string): Value {
    const v = this.value(tensorType(dtype, shape), name);
    this.graph.inputs.push(v);
    return v;
  }
  capture(dtype: DType, shape: readonly Dim[], name?: string): Value {
    const v = this.value(tensorType(dtype, shape), name);
    this.graph.captures.push(v);
    return v;
  }
  live(hint: number): Input {
    return { kind: 'live', slot: this.graph.liveScalars.push(hint) - 1 };
  }

  /** Adds a node; all its results. @throws RuleError for operands that the op rejects. */
  nodes(
    op: string,
    inputs: readonly Operand[],
    attrs: Readonly<Record<string, Attr>> = {},
    types?: readonly TensorType[],
  ): Value[] {
    const operands = inputs.map(toInput);
    const result = types ?? infer(op, operands, attrs);
    if (result === null) throw new Error(`GraphBuilder: '${op}' has no type rule: give the result types`);
    const outputs = result.map((t) => this.value(t));
    this.graph.nodes.push({ op, inputs: operands, attrs: { ...attrs }, outputs });
    return outputs;
  }
  /** Adds a node; its first result. */
  op(op: string, inputs: readonly Operand[], attrs: Readonly<Record<string, Attr>> = {}, type?: TensorType): Value {
    return this.nodes(op, inputs, attrs, type && [type])[0]!;
  }
  output(...values: Value[]): this {
    this.graph.outputs.push(...values);
    return this;
  }
  write(target: Value, value: Value): this {
    this.graph.writes.push({ target, value });
    return this;
  }
}
