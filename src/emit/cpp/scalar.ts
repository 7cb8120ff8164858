// Scalar IR → C++ over the names of native/kernels/prelude.h. The printer decides types (which operand is converted, what a literal is);
// `Leaves` holds the spelling, so that CUDA prints the same expressions with scalar names.
import { type Expr, type UnaryOp, type BinaryOp, printExpr } from '../../ir/scalar.js';

/** What arithmetic runs in: float32 (also for float16/bfloat16), float64, int32 (also for narrower integers), int64, bool. */
export type ComputeType = 'f32' | 'f64' | 'i32' | 'i64' | 'b';

export interface Typed {
  readonly text: string;
  readonly type: ComputeType;
}

/** How one target spells a literal, a conversion, a call and a select. */
export interface Leaves {
  constant(value: number | boolean, type: ComputeType): string;
  convert(text: string, from: ComputeType, to: ComputeType): string;
  call(op: UnaryOp | BinaryOp, args: readonly string[], type: ComputeType): string;
  select(cond: string, a: string, b: string, type: ComputeType): string;
}

const RANK: Record<ComputeType, number> = { b: 0, i32: 1, i64: 2, f32: 3, f64: 4 };
export const isFloat = (t: ComputeType): boolean => t === 'f32' || t === 'f64';

const COMPARE: ReadonlySet<string> = new Set(['lt', 'le', 'gt', 'ge', 'eq', 'ne']);
const LOGICAL: ReadonlySet<string> = new Set(['and', 'or', 'xor', 'not']);
const BITWISE: ReadonlySet<string> = new Set(['bitand', 'bitor', 'bitxor', 'bitnot']);
/** Defined on integers as well; every other function computes in floating point. */
const INTEGER_TOO: ReadonlySet<string> = new Set([
  'neg', 'abs', 'sign', 'floor', 'ceil', 'round', 'trunc', 'isnan', 'isfinite', 'add', 'sub', 'mul', 'idiv', 'fmod', 'mod', 'pow', 'max', 'min',
  'shl', 'shr',
]);

/** A C++ literal of a float: shortest decimal that reads back, with a suffix for float32. */
export function floatLiteral(value: number, type: 'f32' | 'f64'): string {
  const f = type === 'f32' ? 'f' : '';
  if (Number.isNaN(value)) return `__builtin_nan${f}("")`;
  if (!Number.isFinite(value)) return `${value < 0 ? '-' : ''}__builtin_inf${f}()`;
  const v = type === 'f32' ? Math.fround(value) : value;
  if (!Number.isFinite(v)) return `${v < 0 ? '-' : ''}__builtin_inff()`;
  let text = Object.is(v, -0) ? '-0' : String(v);
  if (type === 'f32' && text.length > 10) {
    for (let digits = 6; digits <= 9; digits++) {
      const short = Number(v.toPrecision(digits));
      if (Math.fround(short) === v) {
        text = String(short);
        break;
      }
    }
  }
  return /[.e]/.test(text) ? text + f : `${text}.0${f}`;
}

/** The scalar text of a literal of any compute type. */
export function literal(value: number | boolean, type: ComputeType): string {
  if (type === 'f32' || type === 'f64') return floatLiteral(Number(value), type);
  if (type === 'b') return value ? 'true' : 'false';
  const n = Number(value);
  const lo = type === 'i32' ? -2147483648n : -9223372036854775808n;
  const hi = type === 'i32' ? 2147483647n : 9223372036854775807n;
  // An infinity stands for the type's largest value.
  let v = n === Infinity ? hi : n === -Infinity ? lo : BigInt(Math.trunc(n));
  if (v < lo) v = lo;
  if (v > hi) v = hi;
  if (v === -9223372036854775808n) return '(-9223372036854775807LL - 1)';
  if (v === -2147483648n) return '(-2147483647 - 1)';
  return type === 'i64' ? `${v}LL` : `${v}`;
}

export const cppLeaves: Leaves = {
  constant: (value, type) => `fb_splat_${type}(${literal(value, type)})`,
  convert: (text, from, to) => `fb_cvt_${from}_${to}(${text})`,
  call: (op, args) => `fb_${op}(${args.join(', ')})`,
  select: (cond, a, b) => `fb_select(${cond}, ${a}, ${b})`,
};

interface Piece {
  /** Text in a wanted type. */
  as(type: ComputeType): string;
  /** Own type; null for a number, which takes the type of its neighbour. */
  readonly type: ComputeType | null;
  /** A literal with a fraction or a non-finite one: does not fit an integer neighbour. */
  readonly fractional: boolean;
}

function typed(text: string, type: ComputeType, leaves: Leaves): Piece {
  return { type, fractional: false, as: (t) => (t === type ? text : leaves.convert(text, type, t)) };
}

/** The type in which two operands meet. */
function meet(a: Piece, b: Piece, fallback: ComputeType): ComputeType {
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

function asFloat(t: ComputeType): ComputeType {
  return isFloat(t) ? t : t === 'i64' ? 'f32' : 'f32';
}

/**
 * Prints an expression. `types`: compute type of each parameter (the text of a parameter is its name, or what `names` says);
 * `computeType`: the type of literals that stand alone. Throws Error for a parameter without a type.
 */
export function printScalar(
  e: Expr, types: ReadonlyMap<string, ComputeType>, computeType: ComputeType, leaves: Leaves, names?: ReadonlyMap<string, string>,
): Typed {
  const go = (x: Expr): Piece => {
    switch (x.kind) {
      case 'arg': {
        const t = types.get(x.name);
        if (!t) throw new Error(`scalar expression '${printExpr(e)}': no type for parameter '${x.name}'`);
        return typed(names?.get(x.name) ?? x.name, t, leaves);
      }
      case 'const': {
        const v = x.value;
        if (typeof v === 'boolean') return typed(leaves.constant(v, 'b'), 'b', leaves);
        return { type: null, fractional: !Number.isInteger(v) || Object.is(v, -0), as: (t) => leaves.constant(v, t) };
      }
      case 'unary': {
        const a = go(x.a);
        if (x.op === 'not') return typed(leaves.call('not', [a.as('b')], 'b'), 'b', leaves);
        let t = a.type ?? (a.fractional && !isFloat(computeType) ? 'f32' : computeType);
        if (x.op === 'bitnot') {
          if (t === 'b') return typed(leaves.call('not', [a.as('b')], 'b'), 'b', leaves);
        } else if (t === 'b') t = 'i32';
        if (!INTEGER_TOO.has(x.op) && !BITWISE.has(x.op)) t = asFloat(t);
        const result: ComputeType = x.op === 'isnan' || x.op === 'isfinite' ? 'b' : t;
        return typed(leaves.call(x.op, [a.as(t)], t), result, leaves);
      }
      case 'binary': {
        const a = go(x.a);
        const b = go(x.b);
        if (LOGICAL.has(x.op)) return typed(leaves.call(x.op, [a.as('b'), b.as('b')], 'b'), 'b', leaves);
        let t = meet(a, b, computeType);
        if (BITWISE.has(x.op) && t === 'b') {
          const op = x.op === 'bitand' ? 'and' : x.op === 'bitor' ? 'or' : 'xor';
          return typed(leaves.call(op, [a.as('b'), b.as('b')], 'b'), 'b', leaves);
        }
        if (t === 'b') t = 'i32';
        if (COMPARE.has(x.op)) return typed(leaves.call(x.op, [a.as(t), b.as(t)], t), 'b', leaves);
        if (!INTEGER_TOO.has(x.op) && !BITWISE.has(x.op)) t = asFloat(t);
        return typed(leaves.call(x.op, [a.as(t), b.as(t)], t), t, leaves);
      }
      case 'select': {
        const c = go(x.cond);
        const a = go(x.a);
        const b = go(x.b);
        let t = meet(a, b, computeType);
        if (t === 'b' && (a.type !== 'b' || b.type !== 'b')) t = 'i32';
        return typed(leaves.select(c.as('b'), a.as(t), b.as(t), t), t, leaves);
      }
    }
  };
  const p = go(e);
  const type = p.type ?? (p.fractional && !isFloat(computeType) ? 'f32' : computeType);
  return { text: p.as(type), type };
}

/** Prints an expression as C++ over the vector prelude. See printScalar. */
export function printScalarCpp(
  e: Expr, types: ReadonlyMap<string, ComputeType>, computeType: ComputeType, names?: ReadonlyMap<string, string>,
): Typed {
  return printScalar(e, types, computeType, cppLeaves, names);
}
