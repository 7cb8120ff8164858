// What the rules of single ops share: operands as views, attributes as expressions, one map per result.
import { type DType, type Dim, type Node } from '../ir/graph.js';
import { isSym } from '../ir/dim.js';
import { type View } from './defs.js';
import { computeType } from './dtype.js';
import { type LExpr, lConst, lCvt, lIota, lLive } from './expr.js';
import { type Index, ixDim } from './indexing.js';
import { type Lowering } from './lowering.js';
import { type Attrs } from './views.js';

export const out = (n: Node): { shape: readonly Dim[]; dtype: DType } => ({
  shape: n.outputs[0]!.type.shape,
  dtype: n.outputs[0]!.type.dtype,
});
export const tensor = (l: Lowering, n: Node, k: number): View | null => {
  const i = n.inputs[k];
  return i?.kind === 'value' ? l.viewOf(i.value) : null;
};
export function define(l: Lowering, n: Node, body: (idx: readonly Index[]) => LExpr): true {
  const v = n.outputs[0]!;
  l.values.set(v, l.mapOf(v, v.name ?? n.op, body, n));
  return true;
}
/** An attribute that is a number or a live scalar, as an expression. */
export function scalar(a: Attrs, name: string, dtype: DType, fallback?: number): LExpr {
  const v: unknown = a.get(name) ?? fallback;
  const ct = computeType(dtype);
  if (isSym(v)) return lCvt(lIota(ixDim(v)), ct);
  if (typeof v === 'number' || typeof v === 'boolean') return lConst(ct === 'b' ? Boolean(v) : v, ct);
  if (v !== null && typeof v === 'object' && 'live' in v) return lCvt(lLive(Number(v.live), 'f64'), ct);
  throw new Error(`${a.node.op}: attribute '${name}' must be a number, got ${JSON.stringify(v)}`);
}
