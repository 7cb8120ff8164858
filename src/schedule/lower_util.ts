// Small pieces of lowering: parsed scalar expressions, broadcast positions, index questions.
import { type Dim } from '../ir/graph.js';
import { productOf, sameDim, sameShape } from '../ir/dim.js';
import { type ReductionInfo } from '../ir/opinfo.js';
import { type Expr, parseExpr } from '../ir/scalar.js';
import { type Reduce } from './defs.js';
import { type LExpr, bound } from './expr.js';
import { type Index, ZERO, axesOf, coefficient, constantOf, hasDivision, ixDim, ixSub, linearize } from './indexing.js';
import { type Binding } from './typing.js';

const parsed = new Map<string, Expr>();
export function scalarOf(text: string): Expr {
  let e = parsed.get(text);
  if (!e) parsed.set(text, (e = parseExpr(text)));
  return e;
}

/** Position in an operand that is broadcast to a result. */
export function broadcastIndex(idx: readonly Index[], operand: readonly Dim[]): readonly Index[] {
  const skip = idx.length - operand.length;
  return operand.map((e, d) => (sameDim(e, 1) ? ZERO : idx[d + skip]!));
}

export function pick(names: readonly string[], values: readonly LExpr[], name: string): Binding<LExpr> | undefined {
  const at = names.indexOf(name);
  return at < 0 ? undefined : bound(values[at]!);
}
export function isSum(info: ReductionInfo): boolean {
  const s = info.state[0];
  return (
    info.state.length === 1 &&
    s !== undefined &&
    s.init === 0 &&
    [`(add ${s.name} x)`, `(add x ${s.name})`].includes(info.combine[0]!)
  );
}
/** Position of a result's element in the reduced tensor, whose reduced dimensions all have extent 1. */
export function expandReduced(
  idx: readonly Index[],
  shape: readonly Dim[],
  r: Pick<Reduce, 'inShape' | 'reduced'>,
): Index[] {
  if (shape.length === r.inShape.length) return r.inShape.map((_, d) => (r.reduced[d] ? ZERO : idx[d]!));
  let k = 0;
  return r.inShape.map((_, d) => (r.reduced[d] ? ZERO : idx[k++]!));
}
export const sameShapeDims = (a: readonly Dim[], b: readonly Dim[]): boolean =>
  sameShape(a, b) || sameDim(productOf(a), productOf(b));
export function isIdentity(idx: readonly Index[], shape: readonly Dim[]): boolean {
  // Row-major order is the same: consecutive axes in order.
  const at = linearize(idx, shape);
  const axes = [...axesOf(at)].sort((p, q) => p.id - q.id);
  let want: Dim = 1;
  for (let k = axes.length - 1; k >= 0; k--) {
    const c = coefficient(at, axes[k]!);
    if (c === null || ixSub(c, ixDim(want)).terms.length > 0) return false;
    want = productOf([want, axes[k]!.extent]);
  }
  return sameDim(want, productOf(shape)) && !hasDivision(at);
}
/** An index without axes as an extent. */
export function dimOf(i: Index): Dim | null {
  const c = constantOf(i);
  if (c !== null) return c;
  const terms = i.terms.map((t) => ({ coef: t.coef, symbols: t.atoms.map((a) => (a.k === 'sym' ? a.name : '')) }));
  return terms.some((t) => t.symbols.includes('')) ? null : { terms };
}
/** Identifiers for generated text: letters, digits and underscores only. */
export const clean = (name: string): string => name.replace(/[^A-Za-z0-9_]/g, '_').slice(0, 40);
