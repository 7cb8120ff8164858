// Reductions of the op table as folds; the variance, and sums that need no loop.
import { type DType, type Dim, type Input, type Node } from '../ir/graph.js';
import { productOf, sameDim } from '../ir/dim.js';
import { type ReductionInfo } from '../ir/opinfo.js';
import { type Def, type View } from './defs.js';
import { type LExpr, bound, lConst, lCvt, lIota, lOp, lRead, lScalar, lStoreAs } from './expr.js';
import { type Index, ZERO, ixAxis, ixDim, newAxis } from './indexing.js';
import { isSum, pick, scalarOf } from './lower_util.js';
import { type Cuts, type Folding, cut, cutShape, joined } from './parts.js';
import { type Binding, type ComputeType } from './typing.js';
import { type Attrs } from './views.js';

type MapBody = Extract<Def['how'], { k: 'map' }>;
interface Out {
  readonly shape: readonly Dim[];
  readonly dtype: DType;
}
/** What a lowering offers here. */
export interface Reducer {
  readonly cuts: Cuts;
  reduce(name: string, r: Folding, outs: readonly Out[], node?: Node, alone?: boolean): Def[];
  sum(
    name: string,
    inShape: readonly Dim[],
    reduced: readonly boolean[],
    elem: (idx: readonly Index[]) => LExpr,
    ct: ComputeType,
    finish: (s: LExpr) => LExpr,
    out: Out,
    node?: Node,
  ): Def[];
  isAlone(i: Input): boolean;
}

export function fold(
  l: Reducer,
  n: Node,
  info: ReductionInfo,
  a: Attrs,
  v: View,
  reduced: readonly boolean[],
  count: Dim,
  ct: ComputeType,
  outs: readonly Out[],
): Def[] {
  const types = info.state.map((s): ComputeType => (s.type === 'i64' ? 'i64' : ct));
  const combine = info.combine.map(scalarOf);
  const join = info.join.map(scalarOf);
  const finish = info.finish.map(scalarOf);
  const names = info.state.map((s) => s.name);
  return l.reduce(
    n.outputs[0]!.name ?? n.op,
    {
      inShape: v.shape,
      reduced,
      elem: (idx) => lCvt(v.at(idx), ct),
      states: info.state.map((s, k) => ({ name: s.name, init: s.init, type: types[k]! })),
      combine: (state, x, index) =>
        combine.map((e, k) =>
          lCvt(
            lScalar(
              e,
              (name) => (name === 'x' ? bound(x) : name === 'index' ? bound(index) : pick(names, state, name)),
              ct,
            ),
            types[k]!,
          ),
        ),
      join: (p, q) =>
        join.map((e, k) =>
          lCvt(
            lScalar(e, (name) => (name.endsWith('_b') ? pick(names, q, name.slice(0, -2)) : pick(names, p, name)), ct),
            types[k]!,
          ),
        ),
      finish: (state) =>
        finish.map((e, k) => {
          const bind = (name: string): Binding<LExpr> | undefined => {
            if (name === 'n')
              return typeof count === 'number' ? { literal: count } : bound(lCvt(lIota(ixDim(count)), ct));
            const own = pick(names, state, name);
            const attr = a.get(name);
            return own ?? (typeof attr === 'number' || typeof attr === 'boolean' ? { literal: attr } : undefined);
          };
          return lStoreAs(lScalar(e, bind, ct), outs[k]!.dtype);
        }),
      sum: isSum(info),
      usesIndex: info.combine.some((t) => /\bindex\b/.test(t)),
    },
    outs,
    n,
    l.isAlone(n.inputs[0]!),
  );
}

/**
 * The variance over outer dimensions, where a whole column leaves the cache: of parts that are walked once each, and of their means. A part
 * sums differences from its first element and their squares. That element is one of the part's, so its own difference from the part's mean is
 * among the squares: what cancels is at most as many times the result as the part has elements.
 */
function varianceOfParts(
  l: Reducer,
  n: Node,
  v: View,
  reduced: readonly boolean[],
  ct: ComputeType,
  finish: (squares: LExpr) => LExpr,
  out: Out,
): Def[] | null {
  const pieces = cut(v.shape, reduced, l.cuts);
  if (pieces === null || reduced.every((x, d) => x || sameDim(v.shape[d]!, 1))) return null;
  const storage: DType = ct === 'f64' ? 'float64' : 'float32';
  const { shape, reduced: mask } = cutShape(v.shape, reduced, pieces);
  const parts = pieces.map((p) => p.parts);
  const size = productOf(shape.filter((_, d) => mask[d]));
  if (typeof size !== 'number') return null;
  const count = lConst(size, ct);
  const kept = { shape: shape.map((e, d) => (mask[d] ? 1 : e)), dtype: storage };
  const fold = (idx: readonly Index[], m: readonly boolean[]): Index[] => idx.map((i, k) => (m[k] ? ZERO : i));
  const elem = (idx: readonly Index[]): LExpr => lCvt(v.at(joined(idx, pieces)), ct);
  const first = (idx: readonly Index[]): LExpr => elem(fold(idx, mask));
  const op = (name: 'add' | 'sub' | 'mul' | 'div', a: LExpr, b: LExpr): LExpr => lOp(name, [a, b], ct);
  const square = (a: LExpr): LExpr => op('mul', a, a);
  const away = (idx: readonly Index[]): LExpr => op('sub', elem(idx), first(idx));
  const same = (s: LExpr): LExpr => s;
  const [sum] = l.sum(`${n.op}.part.sum`, shape, mask, away, ct, same, kept, n);
  const [squares] = l.sum(`${n.op}.part`, shape, mask, (idx) => square(away(idx)), ct, same, kept, n);
  // Of the parts: their means, less the column's first element, and the mean of these.
  const outer = kept.shape.map((_, d) => d < parts.length);
  const top = { shape: kept.shape.map((e, d) => (outer[d] ? 1 : e)), dtype: storage };
  const meanOf = (idx: readonly Index[]): LExpr =>
    op('add', op('sub', first(idx), first(fold(idx, outer))), op('div', lRead(sum!, idx), count));
  const total = lConst(
    parts.reduce((p, k) => p * k, 1),
    ct,
  );
  const [all] = l.sum(`${n.op}.mean`, kept.shape, outer, meanOf, ct, (s) => op('div', s, total), top, n);
  return l.sum(
    n.op,
    kept.shape,
    outer,
    (idx) => {
      const inside = op('sub', lRead(squares!, idx), op('div', square(lRead(sum!, idx)), count));
      const between = square(op('sub', meanOf(idx), lRead(all!, fold(idx, outer))));
      return op('add', inside, op('mul', between, count));
    },
    ct,
    finish,
    out,
    n,
  );
}

/** Two passes over the row (it is in cache by then): exact, and no division per element. */
export function variance(
  l: Reducer,
  n: Node,
  a: Attrs,
  v: View,
  reduced: readonly boolean[],
  count: Dim,
  ct: ComputeType,
  outs: readonly Out[],
): Def[] {
  const total: LExpr = typeof count === 'number' ? lConst(count, ct) : lCvt(lIota(ixDim(count)), ct);
  const correction = Number(a.get('correction') ?? 1);
  const left =
    typeof count === 'number'
      ? lConst(Math.max(0, count - correction), ct)
      : lOp('sub', [total, lConst(correction, ct)], ct);
  const finish = (s: LExpr): LExpr => lOp('div', [s, left], ct);
  const cutUp = l.isAlone(n.inputs[0]!) ? varianceOfParts(l, n, v, reduced, ct, finish, outs[0]!) : null;
  if (cutUp !== null) return cutUp;
  const storage: DType = ct === 'f64' ? 'float64' : 'float32';
  const keep = v.shape.map((e, d) => (reduced[d] ? 1 : e));
  const [mean] = l.sum(
    `${n.op}.mean`,
    v.shape,
    reduced,
    (idx) => lCvt(v.at(idx), ct),
    ct,
    (s) => lOp('div', [s, total], ct),
    { shape: keep, dtype: storage },
    n,
  );
  return l.sum(
    n.op,
    v.shape,
    reduced,
    (idx) => {
      const d = lOp(
        'sub',
        [
          lCvt(v.at(idx), ct),
          lRead(
            mean!,
            idx.map((i, k) => (reduced[k] ? ZERO : i)),
          ),
        ],
        ct,
      );
      return lOp('mul', [d, d], ct);
    },
    ct,
    finish,
    outs[0]!,
    n,
  );
}

/** What a read of a map stands for. */
function through(e: LExpr): LExpr {
  while (e.k === 'read' && (e.src as Def).how.k === 'map') e = ((e.src as Def).how as MapBody).body(e.idx);
  return e;
}

/**
 * A sum whose elements are 0 except where the position equals a number that does not depend on it (the backward of a gather, of a class's
 * loss): the element itself, no loop. Gives the sum at a position of the reduced tensor; null for any other reduction.
 */
export function oneHot(r: Folding): ((idx: readonly Index[]) => LExpr) | null {
  const wide = r.inShape.flatMap((e, d) => (r.reduced[d] && !sameDim(e, 1) ? [d] : []));
  if (!r.sum || wide.length !== 1) return null;
  const dim = wide[0]!;
  const axis = newAxis('hot', r.inShape[dim]!);
  const match = (idx: readonly Index[]): LExpr | null => {
    const e = through(r.elem(idx.map((i, d) => (d === dim ? ixAxis(axis) : i))));
    if (e.k !== 'op' || e.op !== 'select') return null;
    const [hit, value, other] = e.args as [LExpr, LExpr, LExpr];
    const zero = through(other);
    if (zero.k !== 'const' || Number(zero.value) !== 0 || value.axes.has(axis)) return null;
    if (hit.k !== 'op' || hit.op !== 'eq') return null;
    const [p, q] = hit.args as [LExpr, LExpr];
    const [position, at] = p.k === 'iota' ? [p, q] : [q, p];
    if (position.k !== 'iota' || position.index.key !== ixAxis(axis).key || at.axes.has(axis)) return null;
    const inside = lOp(
      'and',
      [lOp('ge', [at, lConst(0, at.type)], 'b'), lOp('lt', [at, lCvt(lIota(ixDim(axis.extent)), at.type)], 'b')],
      'b',
    );
    return lOp('select', [inside, value, zero], value.type);
  };
  const fresh = r.inShape.map((e, d) => (r.reduced[d] ? ZERO : ixAxis(newAxis(`d${d}`, e))));
  return match(fresh) === null ? null : (idx) => match(idx)!;
}
