// The recorded trace becomes a graph: one value per (storage, version), one node per op.
import { nextId, nodeValues, replaceUses } from '../../ir/build.js';
import { contiguousStrides } from '../../ir/dim.js';
import type { Attr, DType, Graph, Input, Node, Region, Value } from '../../ir/graph.js';
import { inlineGraph } from '../../ir/inline.js';
import {
  parseTrace,
  TraceFormatError,
  traceNumber,
  type TraceAttr,
  type TraceCall,
  type TraceJson,
  type TraceNumber,
  type TraceOperand,
} from './format.js';

export interface FromTraceOptions {
  /** State-dict names of the captured tensors, in capture order; undefined where there is none. */
  readonly captureNames?: readonly (string | undefined)[];
  readonly inputNames?: readonly (string | undefined)[];
}

/** The graph of a trace (its JSON text, or that text parsed). @throws TraceFormatError when it is malformed. */
export function fromTrace(trace: string | TraceJson, options: FromTraceOptions = {}): Graph {
  const t = typeof trace === 'string' ? parseTrace(trace) : trace;
  const values = t.values.map((v, id): Value => ({ id, type: { dtype: v.dtype as DType, shape: [...v.shape] } }));
  const value = (id: number): Value => values[id] ?? bad(`value ${id} does not exist`);
  const outside = (id: number, name: string | undefined): Value => {
    const v = value(id);
    if (name !== undefined) v.name = name;
    const { shape, strides } = t.values[id]!;
    // Strides of extents 0 and 1 mean nothing.
    if (strides !== undefined && contiguousStrides(shape).some((s, i) => shape[i]! > 1 && s !== strides[i]))
      v.strides = [...strides];
    return v;
  };
  const input = (o: TraceOperand): Input => {
    if (o === null) return { kind: 'none' };
    if (typeof o === 'number') return { kind: 'value', value: value(o) };
    if (Array.isArray(o))
      return {
        kind: 'list',
        values: o.map((i: number | null) => (i === null ? bad('a list operand holds null') : value(i))),
      };
    const c = o as Exclude<TraceOperand, number | null | readonly (number | null)[]>;
    if (c.live !== undefined) return { kind: 'live', slot: c.live };
    if (typeof c.c === 'boolean') return { kind: 'const', value: c.c, float: false };
    const v = traceNumber(c.c);
    return { kind: 'const', value: v, float: Boolean(c.f) || !Number.isInteger(v) };
  };
  const call = (
    n: TraceCall,
  ): { op: string; inputs: Input[]; attrs: Record<string, Attr>; outputs: Value[]; scope?: string } => ({
    op: n.op,
    inputs: n.in.map(input),
    attrs: Object.fromEntries(Object.entries(n.attrs ?? {}).map(([k, a]) => [k, attr(a)])),
    outputs: n.out.map(value),
    ...(n.scope ? { scope: n.scope } : {}),
  });
  const region = (r: number | null | undefined): number | undefined =>
    r === null || r === undefined || r < 0 ? undefined : r;

  const graph: Graph = {
    inputs: t.inputs.map((id, i) => outside(id, options.inputNames?.[i])),
    captures: t.captures.map((id, i) => outside(id, options.captureNames?.[i])),
    nodes: t.nodes.map((n): Node => {
      const r = region(n.region);
      return { ...call(n), ...(n.site ? { site: n.site } : {}), ...(r === undefined ? {} : { region: r }) };
    }),
    regions: (t.regions ?? []).map((r): Region => {
      const parent = region(r.parent);
      return { ...call(r), ...(parent === undefined ? {} : { parent }) };
    }),
    outputs: t.outputs.map(value),
    writes: (t.writes ?? []).map((w) => ({ target: value(w.target), value: value(w.value) })),
    gradWrites: (t.gradWrites ?? []).map((w) => ({
      leaf: value(w.leaf),
      value: w.value === null ? null : value(w.value),
    })),
    ...(t.gradReads && t.gradReads.length > 0
      ? {
          gradReads: t.gradReads.map((r) => ({
            leaf: value(r.leaf),
            is: r.capture === null ? null : value(r.capture),
          })),
        }
      : {}),
    liveScalars: (t.live ?? []).map(traceNumber),
    symbols: [],
  };
  return t.graphs === undefined ? graph : expand(graph, t.graphs);
}

/** The graph with other graphs in place of the nodes that stand for them. */
function expand(g: Graph, graphs: readonly Graph[]): Graph {
  let id = nextId(g);
  const results = new Map<Value, Value>();
  const regions = [...g.regions];
  const nodes = g.nodes.flatMap((n): Node[] => {
    if (n.op !== 'graph') return [n];
    const inner = graphs[n.attrs['graph'] as number] ?? bad('a node stands for a graph that does not exist');
    const made = inlineGraph(inner, nodeValues(n), (v) => ({ ...v, id: id++ }), regions.length);
    const scope = (s: string | undefined): { scope?: string } => {
      const path = [n.scope, s].filter((x) => x !== undefined && x !== '').join('.');
      return path === '' ? {} : { scope: path };
    };
    regions.push(
      ...made.regions.map((r) => ({
        ...r,
        ...scope(r.scope),
        ...(r.parent === undefined && n.region !== undefined ? { parent: n.region } : {}),
      })),
    );
    n.outputs.forEach((v, k) => results.set(v, made.of(inner.outputs[k]!)));
    const region = n.region === undefined ? {} : { region: n.region };
    const site = n.site === undefined ? {} : { site: n.site };
    return made.nodes.map((m) => ({ ...site, ...region, ...m, ...scope(m.scope) }));
  });
  return replaceUses({ ...g, nodes, regions }, results);
}

const isNumberText = (s: unknown): s is TraceNumber => s === 'nan' || s === 'inf' || s === '-inf';

function attr(a: TraceAttr): Attr {
  if (a === null || typeof a === 'boolean' || typeof a === 'number') return a;
  // A string attribute is a word ('mean', 'float32'); only these three are numbers that JSON cannot hold.
  if (typeof a === 'string') return isNumberText(a) ? traceNumber(a) : a;
  if (Array.isArray(a)) return a.map((v: TraceNumber) => traceNumber(v));
  const o = a as { live?: number; c?: TraceNumber };
  if (o.live !== undefined) return { live: o.live };
  return o.c === undefined ? bad('an attribute object has neither a live slot nor a number') : traceNumber(o.c);
}

function bad(why: string): never {
  throw new TraceFormatError(`malformed trace: ${why}`);
}
