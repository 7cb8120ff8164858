// Graphs as TensorFlow's GraphDef, which the graph page shows: traced modules of this library, and ONNX models.
// Source: tensorflow/core/framework/{graph,node_def,attr_value}.proto; onnx.proto for the field numbers of models.
import type { Graph, Value } from '../ir/graph.js';
import { Message, readFields, type Field } from './protobuf.js';

/** NodeDef { name, op, input, attr }. */
function node(
  name: string,
  op: string,
  inputs: readonly string[],
  attrs: Readonly<Record<string, Message>> = {},
): Message {
  const n = new Message().bytes(1, name).bytes(2, op);
  for (const i of inputs) n.bytes(3, i);
  for (const [key, v] of Object.entries(attrs)) n.bytes(5, new Message().bytes(1, key).bytes(2, v));
  return n;
}
const text = (s: string): Message => new Message().bytes(2, s);
/** The attribute _output_shapes: a list of one shape. */
function shapes(shape: readonly number[]): Message {
  const s = shape.reduce((m, n) => m.bytes(2, new Message().int(1, n)), new Message());
  return new Message().bytes(1, new Message().bytes(7, s));
}
const graphDef = (nodes: readonly Message[]): Message =>
  nodes.reduce((g, n) => g.bytes(1, n), new Message()).bytes(4, new Message().int(1, 22));

/** A traced graph: nodes lie in the module that called them. */
export function graphOfTrace(graph: Graph): Message {
  const names = new Map<Value, string>();
  const used = new Set<string>();
  const unique = (wanted: string): string => {
    let name = wanted;
    for (let i = 1; used.has(name); i++) name = `${wanted}_${i}`;
    used.add(name);
    return name;
  };
  const shapeOf = (v: Value): Message => shapes(v.type.shape.map((d) => (typeof d === 'number' ? d : -1)));
  const nodes: Message[] = [];
  const leaf = (v: Value, op: string, folder: string, index: number): void => {
    const name = unique(`${folder}/${(v.name ?? String(index)).replaceAll('.', '/')}`);
    names.set(v, name);
    nodes.push(node(name, op, [], { _output_shapes: shapeOf(v), dtype: text(v.type.dtype) }));
  };
  graph.inputs.forEach((v, i) => leaf(v, 'IO Node', 'input', i));
  graph.captures.forEach((v, i) => leaf(v, 'Parameter', 'parameters', i));
  for (const n of graph.nodes) {
    if (n.op.startsWith('region.')) continue;
    const name = unique(`${n.scope ? `${n.scope.replaceAll('.', '/')}/` : ''}${n.op}`);
    const inputs = n.inputs.flatMap((i) => (i.kind === 'value' ? [i.value] : i.kind === 'list' ? i.values : []));
    const attrs = Object.entries(n.attrs).map(([k, v]) => `${k}: ${JSON.stringify(v)}`);
    n.outputs.forEach((v, i) => names.set(v, i === 0 ? name : `${name}:${i}`));
    nodes.push(
      node(
        name,
        n.op,
        inputs.flatMap((v) => names.get(v) ?? []),
        {
          ...(n.outputs[0] === undefined ? {} : { _output_shapes: shapeOf(n.outputs[0]) }),
          ...(attrs.length > 0 ? { attr: text(`{ ${attrs.join(', ')} }`) } : {}),
        },
      ),
    );
  }
  graph.outputs.forEach((v, i) => nodes.push(node(unique(`output/${i}`), 'IO Node', [names.get(v) ?? ''])));
  return graphDef(nodes);
}

/** The main graph of an ONNX model. Throws RangeError for bytes that are none. */
export function graphOfOnnx(model: Uint8Array): Message {
  const string = (f: Field): string => Buffer.from(f.value as Uint8Array).toString('utf8');
  const all = (fields: readonly Field[], field: number): Field[] => fields.filter((f) => f.field === field);
  const first = (fields: readonly Field[], field: number): string => all(fields, field).map(string)[0] ?? '';
  const graph = all(readFields(model), 7)[0];
  if (graph === undefined || !(graph.value instanceof Uint8Array)) throw new RangeError('the ONNX model has no graph');
  const fields = readFields(graph.value);
  const parts = (field: number): Field[][] => all(fields, field).map((f) => readFields(f.value as Uint8Array));
  const nodes: Message[] = [];
  /** Which node makes a value. */
  const makers = new Map<string, string>();
  for (const input of parts(11)) {
    makers.set(first(input, 1), first(input, 1));
    nodes.push(node(first(input, 1), 'Variable', []));
  }
  for (const init of parts(5)) {
    const name = first(init, 8);
    if (makers.has(name)) continue;
    makers.set(name, name);
    nodes.push(node(name, 'Const', []));
  }
  const listed = parts(1).map((n, i) => ({ fields: n, name: first(n, 3) || `${first(n, 4)}_${i}` }));
  for (const n of listed) for (const o of all(n.fields, 2).map(string)) makers.set(o, n.name);
  for (const n of listed) {
    const inputs = all(n.fields, 1)
      .map(string)
      .filter((i) => i !== '');
    nodes.push(
      node(
        n.name,
        first(n.fields, 4),
        inputs.map((i) => makers.get(i) ?? i),
      ),
    );
  }
  return graphDef(nodes);
}
