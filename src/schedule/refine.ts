// Shapes that one loop nest can serve. A group normalisation looks at [N, C, H, W] as [N, G, -1] and back again: the same elements in the
// same order under two shapes, which would be kernels of their own. Values that are joined by such views and by element-wise ops are
// computed over the common refinement of their shapes, [N, G, C/G, H, W]; what is stored keeps its order, and everybody reads it through
// an index map.
import { type Dim, type Graph, type Node, type Value } from '../ir/graph.js';
import { inputValues } from '../ir/build.js';
import { sameShape } from '../ir/dim.js';
import { type OpInfo } from '../ir/opinfo.js';
import { type View } from './defs.js';
import { type Index, delinearize, ixAxis, linearize, newAxis } from './indexing.js';
import { isIdentity } from './lower_util.js';
import { Attrs, viewMap, wrapAxis } from './views.js';

/** More loops than this cost more than a kernel that is saved. */
const MAX_RANK = 7;

/** Position under another shape of the same elements. */
export const reshapeIndex = (idx: readonly Index[], from: readonly Dim[], to: readonly Dim[]): readonly Index[] =>
  delinearize(linearize(idx, from), to);
/** A view under another shape of the same elements. */
export const reshaped = (v: View, shape: readonly Dim[]): View => ({
  shape,
  dtype: v.dtype,
  at: (idx) => v.at(reshapeIndex(idx, shape, v.shape)),
});

const extents = (v: Value): readonly number[] | null =>
  v.type.shape.every((d) => typeof d === 'number') ? (v.type.shape as readonly number[]) : null;

/** Products of the trailing extents: where the dimensions begin, counted in elements. */
function cuts(shape: readonly number[]): number[] {
  let step = 1;
  return shape.reduceRight<number[]>((list, e) => {
    step *= e;
    return e === 1 ? list : [...list, step];
  }, []);
}
/** The shape that begins a dimension wherever one of the shapes does; null when they cross. */
export function refinement(shapes: readonly (readonly number[])[]): number[] | null {
  const steps = [...new Set(shapes.flatMap(cuts))].sort((a, b) => a - b);
  const out: number[] = [];
  let below = 1;
  for (const s of steps) {
    if (s % below !== 0) return null;
    out.unshift(s / below);
    below = s;
  }
  return out.length <= MAX_RANK ? out : null;
}

/** The dimensions that a node folds of its first operand, null when it is no reduction. */
function foldedDims(n: Node, info: OpInfo | undefined, rank: number): ReadonlySet<number> | null {
  if (info?.kind !== 'reduction') return null;
  const dims = new Attrs(n, info).ints('dim');
  return new Set((dims === null || dims.length === 0 ? [...Array(rank).keys()] : dims).map((d) => wrapAxis(d, rank)));
}
/** A reduction whose results stay as they are: it folds trailing dimensions, and only those become several. */
function keepsRows(shape: readonly number[], folded: ReadonlySet<number>, refined: readonly number[]): boolean {
  const wide = shape.flatMap((e, d) => (e === 1 ? [] : [{ e, folded: folded.has(d) }]));
  const rows = wide.findIndex((w) => w.folded);
  return (
    rows >= 0 && wide.slice(rows).every((w) => w.folded) && wide.slice(0, rows).every((w, k) => w.e === refined[k])
  );
}

/** Shape to compute each value in, for those that are worth another one than their own. */
export function refinedShapes(
  g: Graph,
  lookup: (op: string) => OpInfo | undefined,
  taken: ReadonlySet<Value>,
): ReadonlyMap<Value, readonly number[]> {
  const leader = new Map<Value, Value>();
  const find = (v: Value): Value => {
    const up = leader.get(v);
    if (up === undefined) return v;
    const top = find(up);
    leader.set(v, top);
    return top;
  };
  const join = (a: Value, b: Value): void => {
    const [p, q] = [find(a), find(b)];
    if (p !== q) leader.set(p, q);
  };
  const values = new Set<Value>();
  const folds: { readonly of: Value; readonly shape: readonly number[]; readonly dims: ReadonlySet<number> }[] = [];
  for (const n of g.nodes) {
    const info = lookup(n.op);
    const y = n.outputs[0];
    const [x] = n.inputs.flatMap(inputValues);
    if (y === undefined || x === undefined) continue;
    const [from, to] = [extents(x), extents(y)];
    if (from === null || to === null) continue;
    const dims = foldedDims(n, info, from.length);
    if (dims !== null) folds.push({ of: x, shape: from, dims });
    else if (info?.kind === 'pointwise' && n.outputs.length === 1)
      for (const v of n.inputs.flatMap(inputValues)) {
        if (!sameShape(v.type.shape, to)) continue;
        join(v, y);
        values.add(v).add(y);
      }
    else if (n.outputs.length === 1 && from.length > 0 && to.length > 0) {
      const map = viewMap(new Attrs(n, info), from, to, 0);
      const size = (s: readonly number[]): number => s.reduce((p, e) => p * e, 1);
      if (!map || size(from) !== size(to) || size(to) === 0) continue;
      if (!isIdentity(map(to.map((e, d) => ixAxis(newAxis(`d${d}`, e)))), from)) continue;
      join(x, y);
      values.add(x).add(y);
    }
  }
  const classes = new Map<Value, Value[]>();
  for (const v of values) classes.set(find(v), [...(classes.get(find(v)) ?? []), v]);
  const out = new Map<Value, readonly number[]>();
  for (const [top, members] of classes) {
    const inside = folds.filter((f) => find(f.of) === top);
    if (inside.length === 0 || members.some((v) => taken.has(v))) continue;
    const shape = refinement(members.map((v) => extents(v)!));
    if (shape === null || members.every((v) => cuts(extents(v)!).length === shape.length)) continue;
    if (!inside.every((f) => keepsRows(f.shape, f.dims, shape))) continue;
    for (const v of members) if (cuts(extents(v)!).length !== shape.length) out.set(v, shape);
  }
  return out;
}
