// Factors and summands per channel behind a convolution (batch normalisation at inference, a scale, a shift) are taken into its weight and
// bias: a pass over the image less. The small tensors are computed in each run, so weights may change between runs.
import { type Attr, type Dim, type Graph, type Input, type Node, type TensorType, type Value } from '../ir/graph.js';
import { inputValues, nextId, rootValues, valueInput } from '../ir/build.js';
import { sameShape } from '../ir/dim.js';
import { sameType } from '../ir/rules.js';

/** The weight is worth scaling when it is this many times smaller than the image. */
const SMALLER = 8;

const FACTORS: ReadonlySet<string> = new Set(['mul', 'trueDivide']);
const SUMMANDS: ReadonlySet<string> = new Set(['add', 'sub']);

interface Link {
  readonly node: Node;
  /** Position of the image among the operands. */
  readonly image: 0 | 1;
}
const sizeOf = (shape: readonly Dim[]): number => shape.reduce<number>((p, d) => p * (typeof d === 'number' ? d : NaN), 1); // prettier-ignore

/** A number, or one value per channel of an image [N, C, ...]. */
function perChannel(i: Input | undefined, image: readonly Dim[]): boolean {
  if (i?.kind === 'const') return true;
  if (i?.kind !== 'value' || i.value.type.dtype !== 'float32') return false;
  const { shape } = i.value.type;
  const skip = image.length - shape.length;
  return skip >= 0 && shape.every((d, k) => d === 1 || (k + skip === 1 && d === image[1]));
}

/** The op behind `y` when it can be taken into the convolution. */
function linkBehind(y: Value, users: readonly Node[] | undefined): Link | null {
  const node = users?.length === 1 ? users[0]! : undefined;
  const to = node?.outputs[0];
  if (node === undefined || to === undefined || !sameType(to.type, y.type)) return null;
  const factor = FACTORS.has(node.op);
  if (!factor && !(SUMMANDS.has(node.op) && (node.attrs['alpha'] ?? 1) === 1)) return null;
  const at = node.inputs.findIndex((i) => inputValues(i).includes(y));
  const swaps = node.op === 'mul' || node.op === 'add';
  if (at !== 0 && !(at === 1 && swaps)) return null;
  return perChannel(node.inputs[1 - at], y.type.shape) ? { node, image: at } : null;
}

export function foldScales(g: Graph): Graph {
  if (!g.nodes.some((n) => n.op === 'convolution')) return g;
  const users = new Map<Value, Node[]>();
  for (const n of g.nodes) for (const v of n.inputs.flatMap(inputValues)) users.set(v, [...(users.get(v) ?? []), n]);
  const roots = new Set(rootValues(g));
  let id = nextId(g);
  /** Nodes that are replaced, and what comes in place of the last of them. */
  const gone = new Set<Node>();
  const instead = new Map<Node, readonly Node[]>();
  for (const conv of g.nodes) {
    const [, w, b] = conv.inputs;
    const y = conv.outputs[0];
    if (conv.op !== 'convolution' || w?.kind !== 'value' || y === undefined || y.type.dtype !== 'float32') continue;
    const { shape } = y.type;
    const transposed = conv.attrs['transposed'] === true;
    if (!(sizeOf(w.value.type.shape) * SMALLER <= sizeOf(shape)) || shape.length !== w.value.type.shape.length)
      continue;
    if (transposed && (conv.attrs['groups'] ?? 1) !== 1) continue;
    const links: Link[] = [];
    let end = y;
    for (let next; !roots.has(end) && (next = linkBehind(end, users.get(end))) !== null;) {
      links.push(next);
      end = next.node.outputs[0]!;
    }
    // A transposed convolution leaves its bias to the kernel behind it: only factors are worth taking in.
    if (links.length === 0 || (transposed && !links.some((l) => FACTORS.has(l.node.op)))) continue;
    const made: Node[] = [];
    const emit = (op: string, inputs: Input[], attrs: Readonly<Record<string, Attr>>, type: TensorType): Value => {
      const v: Value = { id: id++, type };
      made.push({ op, inputs, attrs, outputs: [v] });
      return v;
    };
    const channel: TensorType = { dtype: 'float32', shape: shape.map((d, k) => (k === 1 ? d : 1)) };
    const view = (v: Value, to: readonly Dim[]): Value =>
      sameShape(v.type.shape, to)
        ? v
        : emit('view', [valueInput(v)], { size: to as Attr }, { dtype: 'float32', shape: to });
    const full = (fillValue: number): Value =>
      emit('full', [], { size: channel.shape as Attr, fillValue, dtype: 'float32' }, channel);
    let scale: Value | null = null;
    let shift = b?.kind === 'value' ? view(b.value, channel.shape) : full(0);
    for (const { node, image } of links) {
      const on = (v: Value): Input[] => node.inputs.map((i, k) => (k === image ? valueInput(v) : i));
      shift = emit(node.op, on(shift), node.attrs, channel);
      if (FACTORS.has(node.op)) scale = emit(node.op, on(scale ?? full(1)), node.attrs, channel);
    }
    const along = w.value.type.shape.map((_, d) => (d === (transposed ? 1 : 0) ? shape[1]! : 1));
    const weight =
      scale === null ? w.value : emit('mul', [valueInput(w.value), valueInput(view(scale, along))], {}, w.value.type);
    const bias = view(shift, [shape[1]!]);
    const inputs = [conv.inputs[0]!, valueInput(weight), valueInput(bias)];
    [conv, ...links.map((l) => l.node)].forEach((n) => gone.add(n));
    instead.set(links.at(-1)!.node, [...made, { ...conv, inputs, outputs: [end] }]);
  }
  if (gone.size === 0) return g;
  return { ...g, nodes: g.nodes.flatMap((n) => instead.get(n) ?? (gone.has(n) ? [] : [n])) };
}
