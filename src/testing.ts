// The namespace `testing`: what users' own tests need. Source: torch.testing.
import { native } from './native.js';
import { isFloatingDtype, iinfo, type DType } from './tensor/dtype.js';
import { DTypeError, ValueError } from './tensor/errors.js';
import { isTensor, type Tensor } from './tensor/handle.js';
import { empty, randint, tensor, type NestedArray } from './tensor/create.js';
import { slice } from './tensor/indexing.js';
import type { Generator } from './random.js';

export interface AssertCloseOptions {
  /** Both or none; by default those of the less precise dtype. */
  rtol?: number | null;
  atol?: number | null;
  /** NaNs are equal. */
  equalNan?: boolean;
  checkDevice?: boolean;
  checkDtype?: boolean;
  checkStride?: boolean;
  /** Instead of the message, or made from it. */
  msg?: string | ((generated: string) => string) | null;
}

/** Relative and absolute tolerance by dtype; integers and booleans must be equal. */
const TOLERANCES: Partial<Record<DType, readonly [rtol: number, atol: number]>> = {
  float16: [1e-3, 1e-5],
  bfloat16: [1.6e-2, 1e-5],
  float32: [1.3e-6, 1e-5],
  float64: [1e-7, 1e-7],
};
function tolerances(a: Tensor, b: Tensor, o: AssertCloseOptions): readonly [number, number] {
  const { rtol = null, atol = null } = o;
  if ((rtol === null) !== (atol === null))
    throw new ValueError('rtol and atol must both be specified or both be unspecified');
  if (rtol !== null) return [rtol, atol!];
  const [x, y] = [a, b].map((t) => TOLERANCES[t.dtype] ?? ([0, 0] as const)) as [
    readonly [number, number],
    readonly [number, number],
  ];
  return [Math.max(x[0], y[0]), Math.max(x[1], y[1])];
}

/**
 * Throws an Error that describes the difference unless |actual - expected| <= atol + rtol * |expected| everywhere. Takes tensors,
 * numbers, and arrays and records of them.
 */
export function assertClose(actual: unknown, expected: unknown, options: AssertCloseOptions = {}): void {
  compare(actual, expected, options, '');
}

function compare(actual: unknown, expected: unknown, o: AssertCloseOptions, at: string): void {
  const where = at === '' ? '' : `\n\nThe failure occurred for item ${at}`;
  const fail = (message: string): never => {
    const text = message + where;
    throw new Error(typeof o.msg === 'function' ? o.msg(text) : (o.msg ?? text));
  };
  if (Array.isArray(actual) && Array.isArray(expected)) {
    if (actual.length !== expected.length)
      fail(`The length of the sequences mismatch: ${actual.length} != ${expected.length}`);
    actual.forEach((x, i) => compare(x, (expected as unknown[])[i], o, `${at}[${i}]`));
    return;
  }
  const plain = (x: unknown): x is Record<string, unknown> =>
    typeof x === 'object' && x !== null && Object.getPrototypeOf(x) === Object.prototype;
  if (plain(actual) && plain(expected)) {
    const [a, b] = [actual, expected].map((r) => Object.keys(r).sort());
    if (String(a) !== String(b)) fail(`The keys of the mappings do not match: ${String(a)} and ${String(b)}`);
    for (const k of a!) compare(actual[k], expected[k], o, `${at}['${k}']`);
    return;
  }
  const tensors = isTensor(actual) || isTensor(expected);
  if (tensors && !(isTensor(actual) && isTensor(expected))) fail('a tensor cannot be compared with another value');
  const number = (x: unknown): Tensor => {
    if (isTensor(x)) return x;
    if (typeof x !== 'number' && typeof x !== 'boolean' && typeof x !== 'bigint')
      throw new DTypeError(`assertClose(): cannot compare a ${x === null ? 'null' : typeof x}`);
    return tensor(x as NestedArray, typeof x === 'number' ? { dtype: 'float64' } : {});
  };
  compareTensors(number(actual), number(expected), o, tensors ? 'Tensor-likes' : 'Scalars', fail);
}

function compareTensors(a: Tensor, b: Tensor, o: AssertCloseOptions, what: string, fail: (m: string) => never): void {
  const { equalNan = false, checkDevice = true, checkDtype = true, checkStride = false } = o;
  if (String(a.shape) !== String(b.shape))
    fail(`The values for attribute 'shape' do not match: [${a.shape.join(', ')}] != [${b.shape.join(', ')}].`);
  if (checkDevice && a.device !== b.device)
    fail(`The values for attribute 'device' do not match: ${a.device} != ${b.device}.`);
  if (checkDtype && a.dtype !== b.dtype)
    fail(`The values for attribute 'dtype' do not match: ${a.dtype} != ${b.dtype}.`);
  if (checkStride && String(a.stride()) !== String(b.stride()))
    fail(`The values for attribute 'stride()' do not match: [${a.stride().join(', ')}] != [${b.stride().join(', ')}].`);
  const [rtol, atol] = tolerances(a, b, o);
  // int64 beyond 2^53 must not be compared as doubles.
  const exact = a.dtype === 'int64' && b.dtype === 'int64' && rtol === 0 && atol === 0;
  const read = (t: Tensor): ArrayLike<number | bigint> =>
    native.toTypedArray((exact ? t.detach() : t.detach().double())._h) as ArrayLike<number | bigint>;
  const [x, y] = [read(a), read(b)];
  let [bad, worst, worstAt, relative, relativeAt] = [0, 0, 0, 0, 0];
  for (let i = 0; i < y.length; i++) {
    const [p, q] = [x[i]!, y[i]!];
    if (p === q || (equalNan && Number.isNaN(p) && Number.isNaN(q))) continue;
    const difference = Math.abs(Number(exact ? (p as bigint) - (q as bigint) : (p as number) - (q as number)));
    const size = Math.abs(Number(q));
    if (difference <= atol + rtol * size && Number.isFinite(size)) continue;
    bad++;
    if (!(difference <= worst)) [worst, worstAt] = [difference, i];
    if (!(difference / size <= relative)) [relative, relativeAt] = [difference / size, i];
  }
  if (bad === 0) return;
  const index = (flat: number): string => {
    const out: number[] = [];
    for (let d = a.ndim - 1, rest = flat; d >= 0; d--) {
      out.unshift(rest % a.shape[d]!);
      rest = Math.floor(rest / a.shape[d]!);
    }
    return `(${out.join(', ')}${out.length === 1 ? ',' : ''})`;
  };
  const equal = rtol === 0 && atol === 0;
  const place = (i: number): string => (a.ndim === 0 ? '' : ` at index ${index(i)}`);
  const allowed = (n: number): string => (equal ? '' : ` (up to ${n} allowed)`);
  const count =
    a.ndim === 0 ? '' : `Mismatched elements: ${bad} / ${y.length} (${((100 * bad) / y.length).toFixed(1)}%)\n`;
  fail(
    `${what} are not ${equal ? 'equal' : 'close'}!\n\n${count}` +
      `Greatest absolute difference: ${worst}${place(worstAt)}${allowed(atol)}\n` +
      `Greatest relative difference: ${relative}${place(relativeAt)}${allowed(rtol)}`,
  );
}

export interface MakeTensorOptions {
  dtype: DType;
  device?: string;
  /** Numbers are drawn from [low, high); by default [-9, 9), and [0, 10) for uint8, [0, 2) for bool. */
  low?: number | null;
  high?: number | null;
  requiresGrad?: boolean;
  /** Every other element of a larger tensor. */
  noncontiguous?: boolean;
  excludeZero?: boolean;
  generator?: Generator | null;
}

/** A tensor of uniform random numbers. @example makeTensor([2, 3], { dtype: 'float32' }) */
export function makeTensor(shape: readonly number[], options: MakeTensorOptions): Tensor {
  const { dtype, requiresGrad = false, noncontiguous = false, excludeZero = false, generator = null } = options;
  const floating = isFloatingDtype(dtype);
  const [least, most] = dtype === 'bool' ? [0, 2] : dtype === 'uint8' ? [0, 10] : [-9, floating ? 9 : 10];
  const [low, high] = [options.low ?? least, options.high ?? most];
  if (!(low < high)) throw new ValueError(`makeTensor(): low must be below high, got ${low} and ${high}`);
  if (!floating && dtype !== 'bool' && low < Number(iinfo(dtype).min))
    throw new ValueError(`makeTensor(): low ${low} is below what ${dtype} holds`);
  if (requiresGrad && !floating)
    throw new ValueError('`requires_grad=True` is only supported for floating point tensors');
  const last = shape.length - 1;
  const drawn = noncontiguous && last >= 0 ? shape.map((n, i) => (i === last ? n * 2 : n)) : [...shape];
  let t = floating
    ? empty(drawn, { dtype: dtype === 'float64' ? 'float64' : 'float32' })
        .uniform_(low, high, { generator })
        .to(dtype)
    : randint(Math.ceil(low), Math.ceil(high), drawn, { generator }).to(dtype);
  if (drawn[last] !== shape[last]) t = t.index('...', slice(null, null, 2));
  if (excludeZero) t.maskedFill_(t.eq(0), floating ? 1e-3 : 1);
  t = t.detach();
  return requiresGrad ? t.requiresGrad_() : t;
}
