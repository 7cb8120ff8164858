// Decodes the values of the conformance data (opinfo/README.md, "Values") into tensors and JavaScript values.
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';
import { readSafetensorsFile, type TensorBytes } from '../../src/serialization/safetensors.js';

export interface TensorValue {
  readonly tensor: string | null;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly requiresGrad?: boolean;
  readonly strides?: readonly number[];
  readonly aliases?: string;
}
type DType = TensorBytes['dtype'];
export type Value = null | boolean | number | { readonly [key: string]: unknown };

export const isTensorValue = (v: unknown): v is TensorValue => typeof v === 'object' && v !== null && 'tensor' in v;
export const isTensor = (v: unknown): v is Tensor => v instanceof fb.Tensor;

/** Numbers of a stored tensor, row-major. int64 stays bigint; sixteen-bit floats become float32. */
export type Numbers = Float32Array | Float64Array | Int8Array | Int16Array | Int32Array | Uint8Array | BigInt64Array;

/** Marks a Python float that is a whole number, until it is known which parameter it goes to. */
export class PythonFloat {
  constructor(readonly value: number) {}
}

/** What a manifest's calls (`{"call": ...}`) and functions (`{"function": ...}`) stand for. */
export interface Names {
  call(name: string, args: readonly unknown[], kwargs: Readonly<Record<string, unknown>>): unknown;
  find(name: string): unknown;
}

export class Decoder {
  private readonly file: ReadonlyMap<string, TensorBytes>;
  constructor(
    path: string,
    private readonly names: Names | null = null,
  ) {
    this.file = readSafetensorsFile(path).tensors;
  }

  numbers(value: TensorValue): Numbers {
    const stored = value.tensor === null ? undefined : this.file.get(value.tensor);
    if (!stored) throw new Error(`the data have no tensor '${value.tensor}'`);
    return numbersOf(stored);
  }

  /** The stored tensor of this name; null: there is none. */
  find(name: string): Tensor | null {
    const stored = this.file.get(name);
    return stored ? make(numbersOf(stored), stored.shape, stored.dtype) : null;
  }

  /** A new tensor with the value's shape, dtype, strides and requiresGrad. */
  tensor(value: TensorValue): Tensor {
    const numbers = this.numbers(value);
    const { shape, strides } = value;
    let tensor: Tensor;
    if (strides && numbers.length > 0) {
      const flat = new (numbers.constructor as new (n: number) => Numbers)(extent(shape, strides));
      offsets(shape, strides).forEach((at, i) => (flat[at] = numbers[i]!));
      tensor = make(flat, [flat.length], value.dtype)
        .asStrided([...shape], [...strides], 0)
        .detach();
    } else {
      tensor = make(numbers, shape, value.dtype);
    }
    if (value.requiresGrad) tensor.requiresGrad = true;
    return tensor;
  }

  /** Decodes a value; `met` is told every tensor with its path ('args.0', 'kwargs.weight') and may return another to take its place. */
  decode(value: unknown, path = '', met: (path: string, tensor: Tensor) => Tensor | void = () => undefined): unknown {
    if (typeof value !== 'object' || value === null) return value;
    if (isTensorValue(value)) {
      const tensor = this.tensor(value);
      return met(path, tensor) ?? tensor;
    }
    const inner = (v: unknown, key: string | number): unknown =>
      this.decode(v, path === '' ? String(key) : `${path}.${key}`, met);
    if (Array.isArray(value)) return value.map(inner);
    const v = value as Record<string, unknown>;
    if ('call' in v && this.names) {
      const args = (v.args as unknown[]).map((a, i) => inner(a, `args.${i}`));
      const kwargs = Object.entries(v.kwargs as object).map(([k, x]) => [k, inner(x, `kwargs.${k}`)]);
      return this.names.call(v.call as string, args, Object.fromEntries(kwargs) as Record<string, unknown>);
    }
    if ('function' in v && this.names) return this.names.find(v.function as string);
    if ('float' in v) return new PythonFloat(v.float as number);
    if ('number' in v) return { nan: NaN, inf: Infinity, '-inf': -Infinity }[v.number as string];
    if ('int' in v) return BigInt(v.int as string);
    if ('str' in v) return v.str;
    if ('list' in v) return (v.list as unknown[]).map(inner);
    if ('tuple' in v) return (v.tuple as unknown[]).map(inner);
    if ('dict' in v) return Object.fromEntries(Object.entries(v.dict as object).map(([k, x]) => [k, inner(x, k)]));
    if ('slice' in v) {
      const [start, stop, step] = (v.slice as unknown[]).map((x, i) => inner(x, i)) as (number | null)[];
      return fb.slice(start ?? null, stop ?? null, step ?? 1);
    }
    if ('ellipsis' in v) return '...';
    if ('dtype' in v) return v.dtype;
    if ('memoryFormat' in v) return v.memoryFormat;
    if ('layout' in v) return v.layout;
    if ('device' in v) return v.device;
    throw new Error(`cannot decode the value ${JSON.stringify(value)}`);
  }
}

function make(numbers: Numbers, shape: readonly number[], dtype: DType): Tensor {
  return fb.tensor(numbers, { dtype }).reshape([...shape]);
}

function numbersOf({ data, dtype }: TensorBytes): Numbers {
  const copy = data.slice().buffer;
  switch (dtype) {
    case 'float32':
      return new Float32Array(copy);
    case 'float64':
      return new Float64Array(copy);
    case 'int8':
      return new Int8Array(copy);
    case 'int16':
      return new Int16Array(copy);
    case 'int32':
      return new Int32Array(copy);
    case 'int64':
      return new BigInt64Array(copy);
    case 'uint8':
    case 'bool':
      return new Uint8Array(copy);
    case 'bfloat16': {
      const bits = Uint32Array.from(new Uint16Array(copy), (b) => b << 16);
      return new Float32Array(bits.buffer);
    }
    case 'float16':
      return Float32Array.from(new Uint16Array(copy), halfToNumber);
    default:
      return dtype satisfies never;
  }
}

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function extent(shape: readonly number[], strides: readonly number[]): number {
  return 1 + shape.reduce((n, size, i) => n + (size - 1) * strides[i]!, 0);
}

/** Storage offsets of the elements in row-major order. */
function offsets(shape: readonly number[], strides: readonly number[]): number[] {
  return shape.reduce<number[]>(
    (list, size, d) => list.flatMap((at) => [...new Array<number>(size).keys()].map((i) => at + i * strides[d]!)),
    [0],
  );
}
