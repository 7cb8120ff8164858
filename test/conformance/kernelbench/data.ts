// The format of kernelbench/cases.json, its reference files, and its generated data (kernelbench/SPEC.md in the data directory).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fb from '../../../src/index.js';
import type { Tensor } from '../../../src/index.js';

export type Fill =
  | { readonly kind: 'uniform' | 'randint'; readonly lo: number; readonly hi: number }
  | { readonly kind: 'const'; readonly value: number }
  | { readonly kind: 'bool' | 'tril_ones' };
export interface Declared {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype?: string;
  readonly fill: Fill;
}
export interface Param extends Declared {
  readonly kind: 'param' | 'buffer';
  readonly unused?: boolean;
}
export type Ref = string | number | null;
export interface Op {
  readonly op: string;
  readonly in: readonly (Ref | readonly Ref[])[];
  readonly out: string | readonly string[];
  readonly attrs?: Readonly<Record<string, unknown>>;
  readonly shape?: unknown;
}
export interface Size {
  readonly inputs: readonly Declared[];
  readonly params: readonly Param[];
  readonly ops: readonly Op[];
  readonly outputs: readonly { readonly ref: string; readonly shape: readonly number[]; readonly dtype: string }[];
  readonly expect?: readonly {
    readonly mean_abs: number;
    readonly max_abs: number;
    readonly samples: readonly (readonly [index: number, value: number])[];
  }[];
  readonly cost?: Readonly<Record<string, number>>;
  readonly file?: string;
}
export interface Case {
  readonly id: string;
  readonly name: string;
  readonly level: number;
  readonly family: string;
  readonly flags: readonly string[];
  readonly tolerance: { readonly rel_to_max_abs: number };
  readonly sizes: { readonly tiny: Size; readonly bench: Size };
}

export function readCases(folder: string): Case[] {
  const { format, cases } = JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8')) as {
    format: number;
    cases: Case[];
  };
  if (format !== 1) throw new Error(`kernelbench: cases.json has format ${format}, expected 1`);
  return cases;
}

const DTYPES: Readonly<Record<string, fb.DType>> = {
  f32: 'float32',
  f64: 'float64',
  i32: 'int32',
  i64: 'int64',
  u8: 'uint8',
  bool: 'bool',
};
export function dtypeOf(name = 'f32'): fb.DType {
  const dtype = DTYPES[name];
  if (dtype === undefined) throw new Error(`kernelbench: unknown dtype '${name}'`);
  return dtype;
}

function fnv1a(text: string): number {
  let h = 0x811c9dc5;
  for (const byte of Buffer.from(text, 'utf8')) h = Math.imul(h ^ byte, 0x01000193);
  return h >>> 0;
}

/** The first `count` numbers in [0, 1) of the stream `name`. */
export function uniforms(name: string, count: number): Float64Array {
  const seed = fnv1a(name);
  return Float64Array.from({ length: count }, (_, i) => {
    let x = (seed + Math.imul(i, 0x9e3779b1)) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    x = (x ^ (x >>> 16)) >>> 0;
    return (x >>> 8) / 2 ** 24;
  });
}

/** The generated tensor of a stream. */
export function generate(stream: string, d: Declared): Tensor {
  const { fill, shape } = d;
  const dtype = dtypeOf(d.dtype);
  const count = shape.reduce((a, b) => a * b, 1);
  if (fill.kind === 'const') return fb.full(shape, fill.value, { dtype });
  if (fill.kind === 'tril_ones') return fb.ones(shape, { dtype }).tril();
  const u = uniforms(stream, count);
  const value =
    fill.kind === 'uniform'
      ? (x: number) => fill.lo + (fill.hi - fill.lo) * x
      : fill.kind === 'randint'
        ? (x: number) => fill.lo + Math.floor((fill.hi - fill.lo) * x)
        : (x: number) => (x < 0.5 ? 1 : 0);
  for (let i = 0; i < count; i++) u[i] = value(u[i]!);
  return fb.tensor(u, { dtype }).reshape([...shape]);
}

/** What is wrong with `got`; null: nothing. `tol` is relative to the largest reference value, integers must be equal. */
export function difference(got: Tensor, want: Tensor, tol: number): string | null {
  if (got.dtype !== want.dtype) return `expected dtype ${want.dtype}, got ${got.dtype}`;
  if (String(got.shape) !== String(want.shape)) return `expected shape [${want.shape}], got [${got.shape}]`;
  const [a, b] = [got, want].map((t) => Array.from(t.detach().toTypedArray() as ArrayLike<number | bigint>, Number));
  const exact = want.dtype !== 'float32' && want.dtype !== 'float64';
  const largest = b!.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
  const limit = exact ? 0 : largest === 0 ? 1e-6 : tol * largest;
  let worst = 0;
  let at = -1;
  b!.forEach((w, i) => {
    const g = a![i]!;
    const d = Object.is(g, w) || g === w ? 0 : Math.abs(g - w);
    if (!(d <= worst)) [worst, at] = [Number.isNaN(d) ? Infinity : d, i];
  });
  if (worst <= limit) return null;
  return `element ${at} is ${a![at]}, expected ${b![at]} (off by ${worst.toExponential(2)}, allowed ${limit.toExponential(2)})`;
}
