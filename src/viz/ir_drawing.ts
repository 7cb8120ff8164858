// An op graph (src/ir) as a drawing: one node for each input, captured tensor, op and output, one edge for each use.
import { inputValues } from '../ir/build.js';
import type { Graph, Input, Node, Value } from '../ir/graph.js';
import { nodePrinter, printAttr, printGraph, printType } from '../ir/print.js';
import type { DrawnEdge, DrawnNode, Drawing } from './graph_html.js';

export interface GraphDrawingOptions {
  /** What every op was put into, and its names: `group(node)` is an index into `groups`, or undefined. */
  readonly group?: (node: Node) => number | undefined;
  readonly groups?: readonly string[];
  /** Ops that stay calls of the library. */
  readonly library?: (node: Node) => boolean;
  /** More facts about one op, e.g. the reason why it was not fused. */
  readonly facts?: (node: Node) => readonly (readonly [name: string, text: string])[];
}

const number = (i: Input): string | null =>
  i.kind === 'const' ? String(i.value) : i.kind === 'live' ? `$${i.slot}` : null;

/** What the bodies of control nodes are called. */
const WAYS: Readonly<Record<string, readonly string[]>> = { if: ['then', 'else'], loop: ['round'] };

/**
 * Node ids: 'v3' is the input or captured value with id 3, 'n7' the op at index 7 of `graph.nodes`, 'o0' the first output,
 * 'w0' the first write-back.
 */
export function drawingOfGraph(graph: Graph, title: string, options: GraphDrawingOptions = {}): Drawing {
  const maker = new Map<Value, string>();
  const nodes: DrawnNode[] = [];
  const edges: DrawnEdge[] = [];
  const leaf = (v: Value, kind: 'input' | 'weight'): void => {
    if (maker.has(v)) return;
    maker.set(v, `v${v.id}`);
    nodes.push({ id: `v${v.id}`, kind, label: v.name ?? `%${v.id}`, detail: printType(v.type) });
  };
  const use = (v: Value, to: string): void => {
    edges.push({ from: maker.get(v)!, to, label: `${v.name ?? `%${v.id}`}: ${printType(v.type)}` });
  };
  for (const v of graph.inputs) leaf(v, 'input');
  // A captured tensor that nothing reads would only widen the picture.
  const read = new Set([
    ...graph.nodes.flatMap((n) => n.inputs.flatMap(inputValues)),
    ...graph.outputs,
    ...graph.writes.flatMap((w) => [w.target, w.value]),
  ]);
  for (const v of graph.captures) if (read.has(v)) leaf(v, 'weight');
  const print = nodePrinter(graph);
  graph.nodes.forEach((n, i) => {
    const id = `n${i}`;
    const first = n.outputs[0];
    const numbers = n.inputs.flatMap((input) => number(input) ?? []);
    nodes.push({
      id,
      kind: options.library?.(n) ? 'library' : 'op',
      label: numbers.length > 0 ? `${n.op} (${numbers.join(', ')})` : n.op,
      ...(first === undefined ? {} : { detail: printType(first.type) }),
      ...optional('group', options.group?.(n)),
      attributes: [
        ...Object.entries(n.attrs).map(([k, v]) => [k, printAttr(v)] as const),
        ...(n.scope === undefined ? [] : [['module', n.scope] as const]),
        ...(n.site === undefined ? [] : [['called at', n.site] as const]),
        ...(options.facts?.(n) ?? []),
        ['text', print(n)] as const,
        ...(n.bodies ?? []).map((b, k) => [WAYS[n.op]?.[k] ?? 'body', printGraph(b)] as const),
      ],
    });
    for (const v of n.outputs) maker.set(v, id);
    for (const v of n.inputs.flatMap(inputValues)) use(v, id);
  });
  graph.outputs.forEach((v, i) => {
    nodes.push({ id: `o${i}`, kind: 'output', label: v.name ?? `output ${i}`, detail: printType(v.type) });
    use(v, `o${i}`);
  });
  graph.writes.forEach((w, i) => {
    nodes.push({ id: `w${i}`, kind: 'output', label: `write ${w.target.name ?? `%${w.target.id}`}` });
    use(w.value, `w${i}`);
  });
  return {
    title,
    nodes,
    edges,
    ...optional('groups', options.groups),
    attributes: [
      ['inputs', graph.inputs.map((v) => `${v.name ?? `%${v.id}`}: ${printType(v.type)}`).join('\n')],
      ['outputs', graph.outputs.map((v) => printType(v.type)).join('\n')],
      ['ops', String(graph.nodes.length)],
      ['captured tensors', String(graph.captures.length)],
      ...(graph.symbols.length > 0 ? [['symbols', graph.symbols.map((s) => s.name).join(', ')] as const] : []),
    ],
  };
}

/** A property that is left out where it has no value. */
function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}
