// Compares results with recorded values, by the rules of opinfo/README.md, "What to compare".
import type { Tensor } from '../../src/index.js';
import { camel } from './calls.js';
import { isTensor, isTensorValue, type Decoder, type Numbers, type TensorValue } from './values.js';

export interface Tolerance {
  readonly rtol?: number;
  readonly atol?: number;
  readonly gradRtol?: number;
  readonly gradAtol?: number;
}
export type Defaults = Readonly<Record<string, { readonly rtol: number; readonly atol: number }>>;

export interface Rules {
  readonly defaults: Defaults;
  readonly tolerance?: Tolerance | undefined;
  readonly gradient?: boolean;
  /** Shapes and dtypes only. */
  readonly typeOnly?: boolean;
  /** Values of the same order are enough. */
  readonly sensitive?: boolean;
  /** Elements where this is 0 are not compared. */
  readonly mask?: Numbers | null;
}

/** Throws an Error that says what differs; returns when nothing does. */
export function compareValue(got: unknown, want: unknown, decoder: Decoder, rules: Rules, path = 'output'): void {
  if (isTensorValue(want)) {
    if (!isTensor(got)) throw new Error(`${path}: expected a tensor, got ${describe(got)}`);
    return compareTensor(got, want, decoder, rules, path);
  }
  if (typeof want === 'object' && want !== null) {
    const v = want as Record<string, unknown>;
    const list = (v.list ?? v.tuple) as unknown[] | undefined;
    if (list) {
      const names = v.names as string[] | undefined;
      const items = Array.isArray(got)
        ? got
        : names && typeof got === 'object' && got !== null
          ? names.map((n) => (got as Record<string, unknown>)[n in got ? n : camel(n)])
          : null;
      if (!items) throw new Error(`${path}: expected ${list.length} results, got ${describe(got)}`);
      if (items.length !== list.length)
        throw new Error(`${path}: expected ${list.length} results, got ${items.length}`);
      return list.forEach((w, i) => compareValue(items[i], w, decoder, rules, `${path}[${i}]`));
    }
    if ('float' in v || 'number' in v) return compareNumber(got, decoder.decode(v), rules, path);
    const decoded = decoder.decode(want);
    if (String(got) !== String(decoded)) throw new Error(`${path}: expected ${String(decoded)}, got ${describe(got)}`);
    return;
  }
  if (typeof want === 'number') return compareNumber(got, want, rules, path);
  if ((got ?? null) !== want) throw new Error(`${path}: expected ${String(want)}, got ${describe(got)}`);
}

function compareNumber(got: unknown, want: unknown, rules: Rules, path: string): void {
  const w =
    typeof want === 'object' && want !== null && 'value' in want ? (want as { value: number }).value : (want as number);
  if (typeof got !== 'number' && typeof got !== 'bigint')
    throw new Error(`${path}: expected ${w}, got ${describe(got)}`);
  const { rtol, atol } = rules.defaults.float32!;
  if (!rules.typeOnly && !close(Number(got), w, rtol, atol)) throw new Error(`${path}: expected ${w}, got ${got}`);
}

export function compareTensor(got: Tensor, want: TensorValue, decoder: Decoder, rules: Rules, path: string): void {
  if (got.dtype !== want.dtype) throw new Error(`${path}: expected dtype ${want.dtype}, got ${got.dtype}`);
  if (String(got.shape) !== String(want.shape))
    throw new Error(`${path}: expected shape [${want.shape}], got [${got.shape}]`);
  if (rules.typeOnly || want.tensor === null) return;
  compareNumbers(got.detach().toTypedArray() as Numbers, decoder.numbers(want), want.dtype, rules, path);
}

export function compareNumbers(got: Numbers, want: Numbers, dtype: string, rules: Rules, path: string): void {
  const defaults = rules.defaults[dtype];
  const t = rules.tolerance ?? {};
  const grad = rules.gradient === true;
  const rtol = defaults ? Math.max(defaults.rtol, t.rtol ?? 0, grad ? (t.gradRtol ?? 0) : 0) : 0;
  const atol = defaults ? Math.max(defaults.atol, t.atol ?? 0, grad ? (t.gradAtol ?? 0) : 0) : 0;
  let bad = 0;
  let first = '';
  for (let i = 0; i < want.length; i++) {
    if (rules.mask && !rules.mask[i]) continue;
    const [g, w] = [got[i]!, want[i]!];
    const fine = !defaults
      ? g === w
      : rules.sensitive
        ? sameOrder(Number(g), Number(w))
        : close(Number(g), Number(w), rtol, atol);
    if (fine) continue;
    if (bad++ === 0) first = `element ${i} is ${g}, expected ${w} (rtol ${rtol}, atol ${atol})`;
  }
  if (bad > 0) throw new Error(`${path}: ${bad} of ${want.length} elements differ; ${first}`);
}

function close(a: number, b: number, rtol: number, atol: number): boolean {
  if (Number.isNaN(b)) return Number.isNaN(a);
  if (!Number.isFinite(b)) return a === b;
  return Math.abs(a - b) <= atol + rtol * Math.abs(b);
}

function sameOrder(a: number, b: number): boolean {
  if (!Number.isFinite(a) || !Number.isFinite(b)) return true; // next to a pole
  return Math.abs(a) <= 10 * Math.abs(b) + 1 && Math.abs(b) <= 10 * Math.abs(a) + 1;
}

const describe = (v: unknown): string =>
  isTensor(v) ? `a tensor of shape [${v.shape}]` : Array.isArray(v) ? `${v.length} results` : String(v);

/** For results with ties: recorded and found indices must lead to equal elements of `source` along `dim`. */
export function compareTiedIndices(
  got: Tensor,
  want: TensorValue,
  source: TensorValue,
  dim: number,
  keepdim: boolean,
  decoder: Decoder,
): void {
  if (got.dtype !== want.dtype || String(got.shape) !== String(want.shape)) {
    throw new Error(`indices: expected ${want.dtype} [${want.shape}], got ${got.dtype} [${got.shape}]`);
  }
  const values = decoder.numbers(source);
  const shape = source.shape;
  const axis = shape.length === 0 ? 0 : dim < 0 ? dim + shape.length : dim;
  const size = shape[axis] ?? 1;
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const found = got.toTypedArray() as BigInt64Array;
  const recorded = decoder.numbers(want) as BigInt64Array;
  const kept = keepdim || want.shape.length === shape.length ? (want.shape[axis] ?? 1) : 1;
  for (let i = 0; i < recorded.length; i++) {
    const outer = Math.floor(i / (kept * inner));
    const at = (index: bigint): unknown => values[(outer * size + Number(index)) * inner + (i % inner)];
    const [a, b] = [at(found[i]!), at(recorded[i]!)];
    if (a !== b && !(Number.isNaN(a) && Number.isNaN(b))) {
      throw new Error(`indices: element ${i} leads to ${String(a)}, the recorded one to ${String(b)}`);
    }
  }
}
