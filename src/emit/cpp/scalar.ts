// Scalar IR → C++ text over the names of native/kernels/prelude.h.
import { type Expr } from '../../ir/scalar.js';
import { type Algebra, type Binding, type ComputeType, buildScalar } from '../../schedule/typing.js';

export { type ComputeType } from '../../schedule/typing.js';
/** How one target spells a literal, a conversion, a call and a select. */
export type Leaves = Algebra<string>;

export interface Typed {
  readonly text: string;
  readonly type: ComputeType;
}

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

/** Prints an expression with the spelling of one target. `names`: text of parameters that is not their name. */
export function printScalar(
  e: Expr,
  types: ReadonlyMap<string, ComputeType>,
  computeType: ComputeType,
  leaves: Leaves,
  names?: ReadonlyMap<string, string>,
): Typed {
  const bind = (name: string): Binding<string> | undefined => {
    const type = types.get(name);
    return type && { value: names?.get(name) ?? name, type };
  };
  const { value, type } = buildScalar(e, bind, computeType, leaves);
  return { text: value, type };
}

/** Prints an expression as C++ over the vector prelude. See printScalar. */
export function printScalarCpp(
  e: Expr,
  types: ReadonlyMap<string, ComputeType>,
  computeType: ComputeType,
  names?: ReadonlyMap<string, string>,
): Typed {
  return printScalar(e, types, computeType, cppLeaves, names);
}
