// Storage types and compute types of the loop compiler.
import { type DType } from '../ir/graph.js';
import { type ComputeType, isFloat } from './typing.js';

interface TypeInfo {
  readonly compute: ComputeType;
  readonly bytes: number;
  /** Suffix of the prelude's loads and stores. */
  readonly tag: string;
  /** The C type of one stored element. */
  readonly c: string;
}
export const TYPES: Readonly<Record<DType, TypeInfo>> = {
  float32: { compute: 'f32', bytes: 4, tag: 'f32', c: 'float' },
  float64: { compute: 'f64', bytes: 8, tag: 'f64', c: 'double' },
  float16: { compute: 'f32', bytes: 2, tag: 'f16', c: 'unsigned short' },
  bfloat16: { compute: 'f32', bytes: 2, tag: 'bf16', c: 'unsigned short' },
  int8: { compute: 'i32', bytes: 1, tag: 'i8', c: 'signed char' },
  int16: { compute: 'i32', bytes: 2, tag: 'i16', c: 'short' },
  int32: { compute: 'i32', bytes: 4, tag: 'i32', c: 'int' },
  int64: { compute: 'i64', bytes: 8, tag: 'i64', c: 'long long' },
  uint8: { compute: 'i32', bytes: 1, tag: 'u8', c: 'unsigned char' },
  bool: { compute: 'b', bytes: 1, tag: 'b8', c: 'unsigned char' },
};
export const computeType = (d: DType): ComputeType => TYPES[d].compute;
export const byteSize = (d: DType): number => TYPES[d].bytes;

const BITS: Readonly<Partial<Record<DType, number>>> = { int8: 8, int16: 16, int32: 32, int64: 64 };
/** A number as an element of `d` where arithmetic runs in `compute`: integers truncate it and wrap it to their width (-1 is 255 in uint8). */
export function literalAs(v: number | boolean, d: DType, compute: ComputeType): number | boolean {
  if (typeof v !== 'number' || isFloat(compute) || !Number.isFinite(v)) return v;
  const whole = Math.trunc(v);
  if (d === 'uint8') return Number(BigInt.asUintN(8, BigInt(whole)));
  const bits = BITS[d] ?? 64;
  return bits === 64 ? whole : Number(BigInt.asIntN(bits, BigInt(whole)));
}
