// An ONNX model as a drawing: its nodes as they are in the file, with their attributes and, where the file says them, types.
import type { Attribute, Graph, Model } from '../onnx/import/model.js';
import type { DrawnEdge, DrawnNode, Drawing } from './graph_html.js';

/** Elements of a list that are shown. */
const SHOWN = 16;
const listed = (values: readonly unknown[]): string =>
  `[${values.slice(0, SHOWN).map(String).join(', ')}${values.length > SHOWN ? `, ... (${values.length})` : ''}]`;

function attributeText(a: Attribute): string {
  switch (a.kind) {
    case 'ints':
    case 'floats':
    case 'strings':
      return listed(a.value);
    case 'tensor':
      return `tensor ${listed(a.value.dims)}`;
    case 'graph':
      return `graph of ${a.value.nodes.length} nodes: ${listed(a.value.nodes.map((n) => n.op))}`;
    default:
      return String(a.value);
  }
}
const shapeText = (shape: readonly (bigint | string | null)[] | undefined): string =>
  shape === undefined ? '' : `[${shape.map((d) => (d === null ? '?' : String(d))).join(', ')}]`;

/** One node for each input, weight that is read, operator and output. */
export function drawingOfModel(model: Model, title: string): Drawing {
  const g: Graph = model.graph;
  const maker = new Map<string, string>();
  const nodes: DrawnNode[] = [];
  const edges: DrawnEdge[] = [];
  g.inputs.forEach((input, i) => {
    maker.set(input.name, `i${i}`);
    nodes.push({ id: `i${i}`, kind: 'input', label: input.name, detail: shapeText(input.shape) });
  });
  const read = new Set([...g.nodes.flatMap((n) => n.inputs), ...g.outputs]);
  g.initializers.forEach((t, i) => {
    if (!read.has(t.name)) return;
    maker.set(t.name, `w${i}`);
    nodes.push({ id: `w${i}`, kind: 'weight', label: t.name, detail: `[${t.dims.map(String).join(', ')}]` });
  });
  const use = (name: string, to: string): void => {
    const from = maker.get(name);
    if (from !== undefined) edges.push({ from, to, label: name });
  };
  g.nodes.forEach((n, i) => {
    const id = `n${i}`;
    nodes.push({
      id,
      kind: 'op',
      label: n.op,
      ...(n.name === '' ? {} : { detail: n.name }),
      attributes: [
        ...(n.domain === '' ? [] : [['domain', n.domain] as const]),
        ['inputs', listed(n.inputs.map((x) => x || '(left out)'))],
        ['outputs', listed(n.outputs)],
        ...[...n.attributes].map(([name, a]) => [name, attributeText(a)] as const),
      ],
    });
    for (const name of n.inputs) if (name !== '') use(name, id);
    for (const name of n.outputs) if (name !== '') maker.set(name, id);
  });
  g.outputs.forEach((name, i) => {
    nodes.push({ id: `o${i}`, kind: 'output', label: name });
    use(name, `o${i}`);
  });
  return {
    title,
    nodes,
    edges,
    attributes: [
      ['graph', g.name],
      ['producer', model.producer],
      ['IR version', String(model.irVersion)],
      ['opsets', [...model.opsets].map(([domain, v]) => `${domain || 'ai.onnx'} ${v}`).join(', ')],
      ['nodes', String(g.nodes.length)],
      ['weights', String(g.initializers.length)],
    ],
  };
}
