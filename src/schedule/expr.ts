// Loop expressions: what one element of a kernel computes. Nodes are interned, so equal subexpressions are one node and a kernel that
// needs a value in several results computes it once. `read` names a tensor of the program; scheduling turns it into a load or into
// the producer's own expression.
import { type DType, type Dim } from '../ir/graph.js';
import { type BinaryOp, type Expr, type UnaryOp } from '../ir/scalar.js';
import { type Algebra, type Binding, type ComputeType, buildScalar, isFloat } from './typing.js';
import { type Axis, type DynamicPosition, type Index, axesOf, ixDyn, ixSubstitute } from './indexing.js';
import { computeType } from './dtype.js';

/** A tensor of the program that an expression reads. `def` says where it comes from (src/schedule/defs.ts). */
export interface Source {
  readonly id: number;
  readonly name: string;
  readonly shape: readonly Dim[];
  readonly dtype: DType;
}

export type LOp = UnaryOp | BinaryOp | 'select' | 'fma';

interface Base {
  readonly id: number;
  readonly type: ComputeType;
  /** Loop axes that the value depends on. */
  readonly axes: ReadonlySet<Axis>;
}
export type LExpr = Base &
  (
    | { readonly k: 'const'; readonly value: number | boolean }
    | { readonly k: 'live'; readonly slot: number }
    | { readonly k: 'iota'; readonly index: Index }
    | { readonly k: 'read'; readonly src: Source; readonly idx: readonly Index[] }
    | { readonly k: 'load'; readonly src: Source; readonly offset: Index }
    | { readonly k: 'op'; readonly op: LOp; readonly args: readonly LExpr[] }
    | { readonly k: 'cvt'; readonly a: LExpr }
    | { readonly k: 'wrap'; readonly a: LExpr; readonly dtype: DType }
    /** Uniform number in [0, 1) of the program's Philox stream. */
    | { readonly k: 'uniform'; readonly index: Index }
    /** A local variable of the kernel: an accumulator, a row's result, the element that enters a reduction. */
    | { readonly k: 'var'; readonly name: string }
  );

const NO_AXES: ReadonlySet<Axis> = new Set();
let table = new Map<string, LExpr>();
let nextId = 0;

/** Forgets interned nodes; call between programs. */
export function resetExpressions(): void {
  table = new Map();
}

type Draft = LExpr extends infer E ? (E extends LExpr ? Omit<E, 'id'> : never) : never;
function intern(key: string, node: Draft): LExpr {
  const k = `${node.type}|${key}`;
  let e = table.get(k);
  if (!e) table.set(k, (e = { ...node, id: nextId++ } as LExpr));
  return e;
}
function union(list: readonly ReadonlySet<Axis>[]): ReadonlySet<Axis> {
  const some = list.filter((s) => s.size > 0);
  if (some.length === 0) return NO_AXES;
  if (some.length === 1) return some[0]!;
  return new Set(some.flatMap((s) => [...s]));
}

export const lConst = (value: number | boolean, type: ComputeType): LExpr =>
  intern(`c${Object.is(value, -0) ? '-0' : String(value)}`, { k: 'const', type, axes: NO_AXES, value });
export const lLive = (slot: number, type: ComputeType): LExpr =>
  intern(`l${slot}`, { k: 'live', type, axes: NO_AXES, slot });
export const lIota = (index: Index, type: 'i32' | 'i64' = 'i64'): LExpr =>
  intern(`n${index.key}`, { k: 'iota', type, axes: axesOf(index), index });
export const lVar = (name: string, type: ComputeType, axes: ReadonlySet<Axis>): LExpr =>
  intern(`v${name}|${[...axes].map((a) => a.id).join(',')}`, { k: 'var', type, axes, name });
export const lUniform = (index: Index): LExpr =>
  intern(`u${index.key}`, { k: 'uniform', type: 'f32', axes: axesOf(index), index });
export const lRead = (src: Source, idx: readonly Index[]): LExpr =>
  intern(`r${src.id}[${idx.map((i) => i.key).join(',')}]`, {
    k: 'read',
    type: computeType(src.dtype),
    axes: union(idx.map(axesOf)),
    src,
    idx,
  });
export const lLoad = (src: Source, offset: Index): LExpr =>
  intern(`m${src.id}@${offset.key}`, { k: 'load', type: computeType(src.dtype), axes: axesOf(offset), src, offset });

/** Literal arithmetic, and what leaves an operand exactly as it is (x * 1, x / 1, x - 0). */
function fold(op: LOp, args: readonly LExpr[], type: ComputeType): LExpr | null {
  const [a, b] = args;
  if (!a || !b || args.length !== 2 || !isFloat(type) || a.type !== type || b.type !== type) return null;
  const [p, q] = [a.k === 'const' ? Number(a.value) : null, b.k === 'const' ? Number(b.value) : null];
  if (op === 'mul') {
    if (p === 1) return b;
    if (q === 1) return a;
  }
  if (op === 'div' && q === 1) return a;
  if (op === 'sub' && q === 0 && !Object.is(q, -0)) return a;
  if (p === null || q === null) return null;
  const round = (v: number): LExpr => lConst(type === 'f32' ? Math.fround(v) : v, type);
  const [x, y] = type === 'f32' ? [Math.fround(p), Math.fround(q)] : [p, q];
  if (op === 'add') return round(x + y);
  if (op === 'sub') return round(x - y);
  if (op === 'mul') return round(x * y);
  if (op === 'div') return round(x / y);
  return null;
}

export function lOp(op: LOp, args: readonly LExpr[], type: ComputeType): LExpr {
  if (op === 'select' && args[0]!.k === 'const') return args[0]!.value === true ? args[1]! : args[2]!;
  if (op === 'and' || op === 'or') {
    for (const i of [0, 1] as const) {
      const c = args[i]!;
      if (c.k === 'const') return (c.value === true) === (op === 'and') ? args[1 - i]! : c;
    }
  }
  const folded = fold(op, args, type);
  if (folded) return folded;
  return intern(`${op}(${args.map((a) => a.id).join(',')})`, {
    k: 'op',
    type,
    axes: union(args.map((a) => a.axes)),
    op,
    args,
  });
}
export function lCvt(a: LExpr, to: ComputeType): LExpr {
  if (a.type === to) return a;
  if (a.k === 'const') {
    const n = Number(a.value);
    if (to === 'b') return lConst(n !== 0, 'b');
    if (isFloat(to)) return lConst(a.type === 'f32' ? Math.fround(n) : n, to);
    if (Number.isFinite(n)) return lConst(Math.trunc(n), to);
  }
  return intern(`t${a.id}`, { k: 'cvt', type: to, axes: a.axes, a });
}
/** Dtypes whose values a narrow one holds without wrapping. */
const FITS: Readonly<Record<'int8' | 'int16' | 'uint8', readonly DType[]>> = {
  int8: ['int8', 'bool'],
  uint8: ['uint8', 'bool'],
  int16: ['int16', 'int8', 'uint8', 'bool'],
};
/** The value as it is after being stored in `dtype`: narrow integers wrap, numbers are truncated, anything else is unchanged. */
export function lStoreAs(a: LExpr, dtype: DType): LExpr {
  const v = lCvt(a, computeType(dtype));
  if (dtype !== 'int8' && dtype !== 'int16' && dtype !== 'uint8') return v;
  // What comes from memory is in range already, if that memory's dtype is.
  const from = v.k === 'load' || v.k === 'read' ? v.src.dtype : v.k === 'wrap' ? v.dtype : null;
  if (from !== null && FITS[dtype].includes(from)) return v;
  return intern(`w${dtype}${v.id}`, { k: 'wrap', type: 'i32', axes: v.axes, a: v, dtype });
}

export const exprAlgebra: Algebra<LExpr> = {
  constant: lConst,
  convert: (a, _from, to) => lCvt(a, to),
  call: (op, args, type) => lOp(op, args, COMPARISONS.has(op) ? 'b' : type),
  select: (c, a, b, type) => lOp('select', [c, a, b], type),
};
const COMPARISONS: ReadonlySet<string> = new Set(['lt', 'le', 'gt', 'ge', 'eq', 'ne', 'isnan', 'isfinite']);

/** Scalar IR with its parameters bound to loop expressions (or to numbers). */
export function lScalar(e: Expr, bind: (name: string) => Binding<LExpr> | undefined, type: ComputeType): LExpr {
  return buildScalar(e, bind, type, exprAlgebra).value;
}

export const bound = (e: LExpr): Binding<LExpr> => ({ value: e, type: e.type });

/** Rebuilds an expression: `leaf` replaces nodes (return undefined to keep going into the children). */
export function mapLeaves(e: LExpr, leaf: (e: LExpr) => LExpr | undefined, memo: Map<LExpr, LExpr> = new Map()): LExpr {
  const old = memo.get(e);
  if (old) return old;
  let out = leaf(e);
  if (out === undefined) {
    if (e.k === 'op') {
      const args = e.args.map((a) => mapLeaves(a, leaf, memo));
      out = args.every((a, i) => a === e.args[i]) ? e : lOp(e.op, args, e.type);
    } else if (e.k === 'cvt') out = lCvt(mapLeaves(e.a, leaf, memo), e.type);
    else if (e.k === 'wrap') out = lStoreAs(mapLeaves(e.a, leaf, memo), e.dtype);
    else out = e;
  }
  memo.set(e, out);
  return out;
}

/** Replaces axes by index expressions everywhere. */
export function lSubstitute(e: LExpr, by: ReadonlyMap<Axis, Index>): LExpr {
  if (by.size === 0) return e;
  return mapLeaves(e, (x) => {
    if (x.k === 'read')
      return lRead(
        x.src,
        x.idx.map((i) => ixSubstitute(i, by)),
      );
    if (x.k === 'load') return lLoad(x.src, ixSubstitute(x.offset, by));
    if (x.k === 'iota') return lIota(ixSubstitute(x.index, by), x.type as 'i32' | 'i64');
    if (x.k === 'uniform') return lUniform(ixSubstitute(x.index, by));
    return undefined;
  });
}

/** The expressions that an expression is made of; positions inside indices included. */
export function operandsOf(e: LExpr): readonly LExpr[] {
  switch (e.k) {
    case 'op':
      return e.args;
    case 'cvt':
    case 'wrap':
      return [e.a];
    case 'read':
      return e.idx.flatMap(positionsIn);
    case 'load':
      return positionsIn(e.offset);
    case 'iota':
    case 'uniform':
      return positionsIn(e.index);
    default:
      return [];
  }
}
const positionsIn = (i: Index): LExpr[] =>
  i.terms.flatMap((t) =>
    t.atoms.flatMap((a) =>
      a.k === 'dyn' ? [(a.expr as Position).expr] : a.k === 'div' || a.k === 'mod' ? positionsIn(a.a) : [],
    ),
  );

/** All nodes of an expression, children first, each once; positions inside indices included. */
export function walk(e: LExpr, visit: (e: LExpr) => void, seen: Set<LExpr> = new Set()): void {
  if (seen.has(e)) return;
  seen.add(e);
  for (const x of operandsOf(e)) walk(x, visit, seen);
  visit(e);
}

/** A position read from memory, as an atom of an index. `what` names the check's failure: "index" of which op. */
export class Position implements DynamicPosition {
  constructor(
    readonly expr: LExpr,
    readonly what: string,
  ) {}
  get id(): number {
    return this.expr.id;
  }
  get axes(): ReadonlySet<Axis> {
    return this.expr.axes;
  }
  substitute(by: ReadonlyMap<Axis, Index>): Position {
    return new Position(lSubstitute(this.expr, by), this.what);
  }
}
export const ixPosition = (e: LExpr, extent: Dim, what: string): Index =>
  ixDyn(new Position(lCvt(e, 'i64'), what), extent);
