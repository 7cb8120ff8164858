// View folding: the many view ops become `view`, `permute` and `slice`, chains of one kind become one node, views that
// change nothing disappear. Values are whole tensors here (the recorder functionalised writes), so a view is pure indexing.
import { inputValues, producers } from '../ir/build.js';
import { contiguousStrides, sameShape } from '../ir/dim.js';
import type { Attr, Graph, Node, Value } from '../ir/graph.js';
import { Replacements } from './replace.js';

const selfOf = (n: Node): Value => inputValues(n.inputs[0]!)[0]!;
const wrap = (d: Attr | undefined, rank: number): number => ((d as number) < 0 ? (d as number) + rank : (d as number));
const rankOf = (n: Node): number => selfOf(n).type.shape.length;

const asView = (n: Node): Node => ({ ...n, op: 'view', attrs: { size: n.outputs[0]!.type.shape as Attr } });
const asPermute = (n: Node, dims: readonly number[]): Node => ({ ...n, op: 'permute', attrs: { dims } });

/** One spelling per kind of view; null: already canonical, or not a view that has one. */
const CANONICAL: Readonly<Record<string, (n: Node) => Node | null>> = {
  // Sizes are written out, so that equal views are equal nodes.
  view: (n) => (sameShape(n.attrs['size'] as readonly number[], n.outputs[0]!.type.shape) ? null : asView(n)),
  reshape: asView,
  flatten: asView,
  squeeze: asView,
  unsqueeze: asView,
  t: (n) => (rankOf(n) < 2 ? null : asPermute(n, [1, 0])),
  transpose: (n) => {
    const rank = rankOf(n);
    if (rank < 2) return null;
    const [i, j] = [wrap(n.attrs['dim0'], rank), wrap(n.attrs['dim1'], rank)];
    return asPermute(
      n,
      Array.from({ length: rank }, (_, k) => (k === i ? j : k === j ? i : k)),
    );
  },
  permute: (n) => {
    const dims = n.attrs['dims'] as readonly number[];
    return dims.some((d) => d < 0)
      ? asPermute(
          n,
          dims.map((d) => wrap(d, dims.length)),
        )
      : null;
  },
  narrow: (n) => {
    const [start, length] = [n.attrs['start'], n.attrs['length']];
    if (typeof start !== 'number' || typeof length !== 'number' || start < 0) return null;
    return { ...n, op: 'slice', attrs: { dim: wrap(n.attrs['dim'], rankOf(n)), start, end: start + length, step: 1 } };
  },
  // With the natural strides of the whole tensor it is a change of shape only.
  asStrided: (n) => {
    const [size, stride, offset] = [n.attrs['size'], n.attrs['stride'], n.attrs['storageOffset'] ?? null];
    const self = selfOf(n);
    if (
      self.strides !== undefined ||
      (offset !== null && offset !== 0) ||
      !Array.isArray(size) ||
      !Array.isArray(stride)
    )
      return null;
    return sameShape(contiguousStrides(size), stride) && sameShape([product(size)], [product(self.type.shape)])
      ? asView(n)
      : null;
  },
};
const product = (s: readonly unknown[]): number => s.reduce<number>((p, d) => p * (typeof d === 'number' ? d : NaN), 1);

/** The view of `inner`'s operand that equals `outer` over `inner`; null when they do not compose into one. */
function compose(outer: Node, inner: Node): Node | null {
  if (outer.op === 'view' && inner.op === 'view') return { ...outer, inputs: [inner.inputs[0]!] };
  if (outer.op === 'permute' && inner.op === 'permute') {
    const [p, q] = [outer.attrs['dims'] as readonly number[], inner.attrs['dims'] as readonly number[]];
    return {
      ...asPermute(
        outer,
        p.map((d) => q[d]!),
      ),
      inputs: [inner.inputs[0]!],
    };
  }
  if (
    outer.op === 'expand' &&
    inner.op === 'expand' &&
    outer.outputs[0]!.type.shape.length === inner.outputs[0]!.type.shape.length
  ) {
    return { ...outer, inputs: [inner.inputs[0]!] };
  }
  return null;
}

/** True when the view gives its operand unchanged. */
function isIdentity(n: Node): boolean {
  const [from, to] = [selfOf(n).type.shape, n.outputs[0]!.type.shape];
  switch (n.op) {
    case 'view':
    case 'expand':
    // A slice of step 1 that keeps the extent keeps everything.
    case 'slice':
      return sameShape(from, to);
    case 'permute':
      return (n.attrs['dims'] as readonly number[]).every((d, i) => d === i);
    case 't':
    case 'transpose':
      return from.length < 2;
    case 'detach':
    case 'alias':
      return true;
    default:
      return false;
  }
}

export function canonicalViews(g: Graph): Graph {
  const by = producers(g);
  const r = new Replacements(g);
  let changed = false;
  const nodes = g.nodes.map((original) => {
    let n = r.rewrite(original);
    const canonical = CANONICAL[n.op]?.(n);
    if (canonical) n = canonical;
    // Inner nodes come earlier: `by` already holds their rewritten form.
    for (let inner = by.get(viewOperand(n)!); inner !== undefined; inner = by.get(viewOperand(n)!)) {
      const one = compose(n, inner);
      if (one === null) break;
      n = one;
    }
    if (n !== original && n.inputs !== original.inputs) changed = true;
    if (canonical) changed = true;
    for (const v of n.outputs) by.set(v, n);
    if (n.outputs.length === 1 && viewOperand(n) !== undefined && isIdentity(n)) r.add(n.outputs[0]!, selfOf(n));
    return n;
  });
  return r.any ? r.finish(nodes) : changed ? { ...g, nodes } : g;
}

const viewOperand = (n: Node): Value | undefined => (n.inputs[0]?.kind === 'value' ? n.inputs[0].value : undefined);
