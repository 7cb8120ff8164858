// The scalar vocabulary of op bodies as ordinary JavaScript functions, in float64: bodies run as they stand and are the
// reference that tests compare kernels with. The same names are the scalar IR's (src/ir/scalar.ts).
export const {
  abs,
  floor,
  ceil,
  trunc,
  sqrt,
  exp,
  expm1,
  log,
  log2,
  log10,
  log1p,
  sin,
  cos,
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  tanh,
  asinh,
  acosh,
  atanh,
  pow,
  atan2,
  hypot,
} = Math;
export const sign = (x: number): number => (Number.isNaN(x) ? NaN : x > 0 ? 1 : x < 0 ? -1 : 0);
/** Half to even, as PyTorch's round. */
export const round = (x: number): number => {
  const r = Math.round(x);
  return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r;
};
export const rsqrt = (x: number): number => 1 / Math.sqrt(x);
export const exp2 = (x: number): number => 2 ** x;
export const isnan = (x: number): boolean => Number.isNaN(x);
export const isfinite = (x: number): boolean => Number.isFinite(x);
export const not = (x: boolean): boolean => !x;
/** NaN wins, unlike C's fmax. */
export const max = (a: number, b: number): number => (a > b || Number.isNaN(a) ? a : b);
export const min = (a: number, b: number): number => (a < b || Number.isNaN(a) ? a : b);
export const fmod = (a: number, b: number): number => a % b;
/** Remainder with the divisor's sign (Python's %). */
export const mod = (a: number, b: number): number => {
  const r = a % b;
  return r !== 0 && r < 0 !== b < 0 ? r + b : r;
};
/** The next float64 after a towards b. */
export const nextafter = (a: number, b: number): number => {
  if (Number.isNaN(a) || Number.isNaN(b)) return NaN;
  if (a === b) return b;
  if (a === 0) return b > 0 ? Number.MIN_VALUE : -Number.MIN_VALUE;
  const bits = new BigInt64Array(new Float64Array([a]).buffer);
  bits[0]! += a > 0 === b > a ? 1n : -1n;
  return new Float64Array(bits.buffer)[0]!;
};
/** frexp: a = mantissa * 2^exponent, 0.5 <= |mantissa| < 1. */
export const exponent = (a: number): number => {
  if (a === 0 || !Number.isFinite(a)) return 0;
  let e = Math.floor(Math.log2(Math.abs(a))) + 1;
  if (Math.abs(a) >= 2 ** e) e++;
  if (Math.abs(a) < 2 ** (e - 1)) e--;
  return e;
};
export const mantissa = (a: number): number => (a === 0 || !Number.isFinite(a) ? a : a / 2 ** exponent(a));
export const gcd = (a: number, b: number): number => (b === 0 ? Math.abs(a) : gcd(b, a % b));
export const idiv = (a: number, b: number): number => Math.trunc(a / b);
export const xor = (a: boolean, b: boolean): boolean => a !== b;
export const select = <T>(cond: boolean, a: T, b: T): T => (cond ? a : b);
export const bitnot = (a: number): number => ~a;

/** erf by its Maclaurin series (|x| < 3) and continued fraction: relative error below 1e-14. */
export function erf(x: number): number {
  if (Number.isNaN(x)) return NaN;
  if (Math.abs(x) >= 3) return sign(x) * (1 - erfc(Math.abs(x)));
  let term = x;
  let sum = x;
  for (let n = 1; n < 120 && Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}
export function erfc(x: number): number {
  if (x < 1.5) return 1 - erf(x);
  if (x > 27) return 0;
  let f = 0;
  for (let k = 200; k >= 1; k--) f = k / 2 / (x + f);
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * (x + f));
}
/** |a| with b's sign, zeros included. */
export const copysign = (a: number, b: number): number =>
  Object.is(Math.sign(b), -0) || b < 0 ? -Math.abs(a) : Math.abs(a);
export * from './scalar_special.js';
