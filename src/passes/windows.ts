// Gradients of slices: each is a tensor of zeros with a window written over, and those of the parts of one tensor (split, chunk, unbind) are
// added up. Parts that do not meet are joined instead, and a single window is padded, so that no zeros are written, read and added. As with
// PyTorch's gradients of split and unbind, a zero keeps its sign where the sum would have lost it.
import { inputValues, nextId, producers, valueInput } from '../ir/build.js';
import { contiguousStrides, sameDim, sameShape } from '../ir/dim.js';
import type { Attr, Dim, Graph, Input, Node, TensorType, Value } from '../ir/graph.js';

/** What lies along one dimension of a tensor of zeros, in order, without meeting. */
interface Windows {
  readonly dim: number;
  readonly pieces: readonly { readonly start: number; readonly length: number; readonly value: Value }[];
}

const operand = (n: Node, k: number): Value | undefined =>
  n.inputs[k] === undefined ? undefined : inputValues(n.inputs[k])[0];

/** The window that the node writes over zeros, when it is a slice of one dimension. */
function windowOf(n: Node, by: ReadonlyMap<Value, Node>): Windows | null {
  if (n.op !== 'asStridedScatter') return null;
  const [base, src] = [operand(n, 0)!, operand(n, 1)!];
  const zeros = by.get(base);
  if (zeros?.op !== 'full' || zeros.attrs['fillValue'] !== 0 || base.strides !== undefined) return null;
  const { shape, dtype } = base.type;
  const [size, stride, offset] = [n.attrs['size'], n.attrs['stride'], n.attrs['storageOffset'] ?? 0];
  if (!Array.isArray(size) || !Array.isArray(stride) || typeof offset !== 'number' || src.type.dtype !== dtype)
    return null;
  const sizes = size as Dim[];
  const strides = contiguousStrides(shape);
  if (!sameShape(sizes, src.type.shape) || !sameShape(stride as Dim[], strides) || sizes.length !== shape.length)
    return null;
  const dims = shape.flatMap((d, i) => (sameDim(d, sizes[i]!) ? [] : [i]));
  const dim = dims[0];
  if (dim === undefined || dims.length !== 1) return null;
  const [length, step, all] = [sizes[dim], strides[dim], shape[dim]];
  if (typeof length !== 'number' || typeof step !== 'number' || typeof all !== 'number' || length === 0) return null;
  const start = offset / step;
  return Number.isInteger(start) && start + length <= all ? { dim, pieces: [{ start, length, value: src }] } : null;
}

/** Both together, when they lie along one dimension and do not meet. */
function joined(a: Windows | undefined, b: Windows | undefined): Windows | null {
  if (!a || !b || a.dim !== b.dim) return null;
  const pieces = [...a.pieces, ...b.pieces].sort((x, y) => x.start - y.start);
  return pieces.every((p, i) => i === 0 || pieces[i - 1]!.start + pieces[i - 1]!.length <= p.start)
    ? { dim: a.dim, pieces }
    : null;
}

export function joinWindows(g: Graph): Graph {
  if (!g.nodes.some((n) => n.op === 'asStridedScatter')) return g;
  const by = producers(g);
  const known = new Map<Value, Windows>();
  let id = nextId(g);
  const nodes = g.nodes.flatMap((n): Node[] => {
    const out = n.outputs[0];
    if (out === undefined || out.strides !== undefined) return [n];
    let w = windowOf(n, by);
    if (n.op === 'add' && (n.attrs['alpha'] ?? 1) === 1) {
      const [a, b] = [operand(n, 0), operand(n, 1)];
      w = a && b && a.type.dtype === b.type.dtype ? joined(known.get(a), known.get(b)) : null;
    }
    if (w === null) return [n];
    known.set(out, w);
    return inPlaceOf(n, w, out.type, (type) => ({ id: id++, type }));
  });
  return known.size > 0 ? { ...g, nodes } : g;
}

/** Nodes that make the result of `n` from its windows. */
function inPlaceOf(n: Node, { dim, pieces }: Windows, type: TensorType, fresh: (t: TensorType) => Value): Node[] {
  const all = type.shape[dim] as number;
  const node = (op: string, inputs: Input[], attrs: Record<string, Attr>): Node => ({ ...n, op, inputs, attrs });
  if (pieces.length === 1) {
    const { start, length, value } = pieces[0]!;
    const pad = type.shape.flatMap((_, k) =>
      type.shape.length - 1 - k === dim ? [start, all - start - length] : [0, 0],
    );
    return [node('constantPadNd', [valueInput(value)], { pad, value: 0 })];
  }
  const made: Node[] = [];
  const parts: Value[] = [];
  const zeros = (length: number): void => {
    if (length === 0) return;
    const size = type.shape.map((d, k) => (k === dim ? length : d));
    const v = fresh({ ...type, shape: size });
    made.push({ ...node('full', [], { size: size as Attr, fillValue: 0, dtype: type.dtype }), outputs: [v] });
    parts.push(v);
  };
  let at = 0;
  for (const p of pieces) {
    zeros(p.start - at);
    parts.push(p.value);
    at = p.start + p.length;
  }
  zeros(all - at);
  return [...made, node('cat', [{ kind: 'list', values: parts }], { dim })];
}
