// Types of scalar expressions: which operand is converted, what a literal is. `buildScalar` applies the rules once; an algebra says what
// comes out (C++ text, CUDA text, loop expressions).
import { type Expr, type UnaryOp, type BinaryOp, printExpr } from '../ir/scalar.js';

/** What arithmetic runs in: float32 (also for float16/bfloat16), float64, int32 (also for narrower integers), int64, bool. */
export type ComputeType = 'f32' | 'f64' | 'i32' | 'i64' | 'b';

/** What an expression is turned into: text for one target, or a loop expression. The typing rules below are the same for all. */
export interface Algebra<R> {
  constant(value: number | boolean, type: ComputeType): R;
  convert(a: R, from: ComputeType, to: ComputeType): R;
  call(op: UnaryOp | BinaryOp, args: readonly R[], type: ComputeType): R;
  select(cond: R, a: R, b: R, type: ComputeType): R;
}
const RANK: Record<ComputeType, number> = { b: 0, i32: 1, i64: 2, f32: 3, f64: 4 };
export const isFloat = (t: ComputeType): boolean => t === 'f32' || t === 'f64';

const COMPARE: ReadonlySet<string> = new Set(['lt', 'le', 'gt', 'ge', 'eq', 'ne']);
const LOGICAL: ReadonlySet<string> = new Set(['and', 'or', 'xor', 'not']);
const BITWISE: ReadonlySet<string> = new Set(['bitand', 'bitor', 'bitxor', 'bitnot']);
/** Defined on integers as well; every other function computes in floating point. */
const INTEGER_TOO: ReadonlySet<string> = new Set([
  'neg',
  'abs',
  'sign',
  'floor',
  'ceil',
  'round',
  'trunc',
  'isnan',
  'isfinite',
  'add',
  'sub',
  'mul',
  'idiv',
  'fmod',
  'mod',
  'pow',
  'max',
  'min',
  'shl',
  'shr',
  'gcd',
]);

interface Piece<R> {
  /** The value in a wanted type. */
  as(type: ComputeType): R;
  /** Own type; null for a number, which takes the type of its neighbour. */
  readonly type: ComputeType | null;
  /** A literal with a fraction or a non-finite one: does not fit an integer neighbour. */
  readonly fractional: boolean;
}

function typed<R>(value: R, type: ComputeType, alg: Algebra<R>): Piece<R> {
  return { type, fractional: false, as: (t) => (t === type ? value : alg.convert(value, type, t)) };
}

/** The type in which two operands meet. */
function meet(a: Piece<unknown>, b: Piece<unknown>, fallback: ComputeType): ComputeType {
  const floating = isFloat(fallback) ? fallback : 'f32';
  if (a.type === null && b.type === null) return a.fractional || b.fractional ? floating : fallback;
  if (a.type === null || b.type === null) {
    const t = (a.type ?? b.type) as ComputeType;
    const lit = a.type === null ? a : b;
    if (lit.fractional && !isFloat(t)) return floating;
    return t === 'b' ? 'i32' : t;
  }
  return RANK[a.type] >= RANK[b.type] ? a.type : b.type;
}

const asFloat = (t: ComputeType): ComputeType => (isFloat(t) ? t : 'f32');

/** A parameter's value: of a fixed type, or a number that adapts to its neighbours as a literal does. */
export type Binding<R> = { readonly value: R; readonly type: ComputeType } | { readonly literal: number | boolean };

/**
 * Builds a scalar expression in an algebra. `computeType`: the type of literals that stand alone.
 * Throws Error for a parameter that is not bound.
 */
export function buildScalar<R>(
  e: Expr,
  bind: (name: string) => Binding<R> | undefined,
  computeType: ComputeType,
  alg: Algebra<R>,
): { value: R; type: ComputeType } {
  const number = (v: number | boolean): Piece<R> => {
    if (typeof v === 'boolean') return typed(alg.constant(v, 'b'), 'b', alg);
    return { type: null, fractional: !Number.isInteger(v) || Object.is(v, -0), as: (t) => alg.constant(v, t) };
  };
  const go = (x: Expr): Piece<R> => {
    switch (x.kind) {
      case 'arg': {
        const b = bind(x.name);
        if (!b) throw new Error(`scalar expression '${printExpr(e)}': no type for parameter '${x.name}'`);
        return 'literal' in b ? number(b.literal) : typed(b.value, b.type, alg);
      }
      case 'const':
        return number(x.value);
      case 'unary': {
        const a = go(x.a);
        if (x.op === 'not') return typed(alg.call('not', [a.as('b')], 'b'), 'b', alg);
        let t = a.type ?? (a.fractional && !isFloat(computeType) ? 'f32' : computeType);
        if (x.op === 'bitnot') {
          if (t === 'b') return typed(alg.call('not', [a.as('b')], 'b'), 'b', alg);
        } else if (t === 'b') t = 'i32';
        if (!INTEGER_TOO.has(x.op) && !BITWISE.has(x.op)) t = asFloat(t);
        const result: ComputeType = x.op === 'isnan' || x.op === 'isfinite' ? 'b' : t;
        return typed(alg.call(x.op, [a.as(t)], t), result, alg);
      }
      case 'binary': {
        const a = go(x.a);
        const b = go(x.b);
        if (LOGICAL.has(x.op)) return typed(alg.call(x.op, [a.as('b'), b.as('b')], 'b'), 'b', alg);
        let t = meet(a, b, computeType);
        if (BITWISE.has(x.op) && t === 'b') {
          const op = x.op === 'bitand' ? 'and' : x.op === 'bitor' ? 'or' : 'xor';
          return typed(alg.call(op, [a.as('b'), b.as('b')], 'b'), 'b', alg);
        }
        if (t === 'b') t = 'i32';
        if (COMPARE.has(x.op)) return typed(alg.call(x.op, [a.as(t), b.as(t)], t), 'b', alg);
        if (!INTEGER_TOO.has(x.op) && !BITWISE.has(x.op)) t = asFloat(t);
        return typed(alg.call(x.op, [a.as(t), b.as(t)], t), t, alg);
      }
      case 'select': {
        const c = go(x.cond);
        const a = go(x.a);
        const b = go(x.b);
        let t = meet(a, b, computeType);
        if (t === 'b' && (a.type !== 'b' || b.type !== 'b')) t = 'i32';
        return typed(alg.select(c.as('b'), a.as(t), b.as(t), t), t, alg);
      }
    }
  };
  const p = go(e);
  const type = p.type ?? (p.fractional && !isFloat(computeType) ? 'f32' : computeType);
  return { value: p.as(type), type };
}
