// Making tensors: from data, filled, ranges, random, and like another one.
import { native } from '../native.js';
import { defaultGeneratorHandle, type Generator } from '../random.js';
import {
  checkDevice,
  dtypeCode,
  getDefaultDtype,
  isFloatingDtype,
  optionalDtypeCode,
  type DType,
  type Device,
  TYPED_ARRAYS,
} from './dtype.js';
import { DTypeError, ShapeError, ValueError } from './errors.js';
import { isTensor, wrap, type Handle, type Tensor } from './handle.js';
import { checkTensor } from './args.js';
import { emptyInOrderOf } from './layout.js';
import { sizeArgs, type SizeArgs } from './size_args.js';

export interface TensorOptions {
  /** Element type; the default depends on the function. */
  dtype?: DType | null;
  device?: Device;
  /** Record operations on the tensor for backward. Floating dtypes only. */
  requiresGrad?: boolean;
}
export interface RandomOptions extends TensorOptions {
  /** Source of the numbers; the default generator when absent. */
  generator?: Generator | null;
}

/** Nested arrays of numbers, booleans or bigints; rows must have equal lengths. */
export type NestedArray = number | boolean | bigint | readonly NestedArray[];
export type TypedArray =
  Float32Array | Float64Array | Int8Array | Int16Array | Int32Array | Uint8Array | Uint8ClampedArray | BigInt64Array;
export type TensorData = NestedArray | TypedArray | Tensor | readonly Tensor[];

export type { SizeArgs } from './size_args.js';

/** Applies device and requiresGrad to a fresh handle. */
function finish(h: Handle, o: TensorOptions): Tensor {
  checkDevice(o.device);
  const t = wrap(h);
  if (o.requiresGrad === true) t.requiresGrad = true;
  return t;
}

const defaultCode = (o: TensorOptions): number => optionalDtypeCode(o.dtype) ?? native.defaultDtype();

// ---- from data ----

interface Flat {
  readonly shape: number[];
  readonly kind: 'number' | 'boolean' | 'bigint';
  readonly values: (number | boolean | bigint)[];
}

function flatten(data: NestedArray): Flat {
  const shape: number[] = [];
  for (let x: NestedArray = data; Array.isArray(x); x = (x as readonly NestedArray[])[0]!) {
    shape.push(x.length);
    if (x.length === 0) break;
  }
  const values: (number | boolean | bigint)[] = [];
  let kind: Flat['kind'] | null = null;
  const walk = (x: NestedArray, d: number): void => {
    if (Array.isArray(x)) {
      const list = x as readonly NestedArray[];
      if (d >= shape.length) throw new ValueError(`tensor(): nested arrays of unequal depth at dim ${d}`);
      if (list.length !== shape[d]) {
        throw new ValueError(`expected sequence of length ${shape[d]} at dim ${d} (got ${list.length})`);
      }
      for (const item of list) walk(item, d + 1);
      return;
    }
    if (d !== shape.length) throw new ValueError(`tensor(): expected an array at dim ${d}, got ${String(x)}`);
    const t = typeof x;
    if (t !== 'number' && t !== 'boolean' && t !== 'bigint') {
      throw new DTypeError(
        `tensor(): cannot make an element from ${x === null ? 'null' : t} (expected numbers, booleans or bigints)`,
      );
    }
    // A mixture takes the wider kind: number over bigint over boolean.
    if (kind === null || (kind !== t && (t === 'number' || kind === 'boolean'))) kind = t as Flat['kind'];
    values.push(x as number | boolean | bigint);
  };
  walk(data, 0);
  return { shape, kind: kind ?? 'number', values };
}

const TYPED_DTYPE: ReadonlyMap<string, DType> = new Map([
  ['Float32Array', 'float32'],
  ['Float64Array', 'float64'],
  ['Int8Array', 'int8'],
  ['Int16Array', 'int16'],
  ['Int32Array', 'int32'],
  ['Uint8Array', 'uint8'],
  ['Uint8ClampedArray', 'uint8'],
  ['Buffer', 'uint8'],
  ['BigInt64Array', 'int64'],
]);

/** The dtype that shares a typed array's layout. Throws DTypeError for kinds without a counterpart (Uint16Array, ...). */
export function typedArrayDtype(a: ArrayBufferView): DType {
  if (!ArrayBuffer.isView(a)) throw new DTypeError(`expected a typed array, got ${a === null ? 'null' : typeof a}`);
  const t = TYPED_DTYPE.get(a.constructor.name);
  if (t === undefined) throw new DTypeError(`no dtype corresponds to ${a.constructor.name}`);
  return t;
}

/** Values laid out for `dtype`: the typed array that native.fromTypedArray takes (float16 types go through float32). */
function pack(values: readonly (number | boolean | bigint)[], dtype: DType): TypedArray {
  const n = values.length;
  switch (dtype) {
    case 'float64':
      return Float64Array.from({ length: n }, (_, i) => Number(values[i]));
    case 'int64':
      return BigInt64Array.from({ length: n } as ArrayLike<bigint>, (_, i) => toBigInt(values[i]!));
    case 'int8':
      return Int8Array.from({ length: n }, (_, i) => integer(values[i]!, dtype));
    case 'int16':
      return Int16Array.from({ length: n }, (_, i) => integer(values[i]!, dtype));
    case 'int32':
      return Int32Array.from({ length: n }, (_, i) => integer(values[i]!, dtype));
    case 'uint8':
      return Uint8Array.from({ length: n }, (_, i) => integer(values[i]!, dtype));
    case 'bool':
      return Uint8Array.from({ length: n }, (_, i) => (Number(values[i]) !== 0 ? 1 : 0));
    case 'float32':
    case 'float16':
    case 'bfloat16': {
      const out = new Float32Array(n);
      for (let i = 0; i < n; i++) out[i] = Number(values[i]);
      return out;
    }
  }
}

function integer(v: number | boolean | bigint, dtype: DType): number {
  const x = Number(v);
  if (!Number.isFinite(x)) throw new ValueError(`cannot convert ${x} to ${dtype}`);
  return Math.trunc(x);
}
function toBigInt(v: number | boolean | bigint): bigint {
  if (typeof v !== 'number') return BigInt(v);
  if (!Number.isFinite(v)) throw new ValueError(`cannot convert ${v} to int64`);
  return BigInt(Math.trunc(v));
}

function fromPacked(a: TypedArray, shape: readonly number[], dtype: DType): Handle {
  if (dtype === 'float16' || dtype === 'bfloat16') {
    return native.ops.toDtype(native.fromTypedArray(a, shape, dtypeCode('float32'), false), dtypeCode(dtype));
  }
  return native.fromTypedArray(a, shape, dtypeCode(dtype), false);
}

/**
 * A tensor with a copy of `data`: nested arrays, a typed array, or a tensor. Without a dtype, numbers become the default
 * floating dtype, booleans bool, bigints int64; typed arrays and tensors keep theirs.
 * Throws ValueError for ragged arrays, DTypeError for other elements. Source: torch.tensor.
 */
export function tensor(data: TensorData, options: TensorOptions = {}): Tensor {
  if (isTensor(data)) {
    const dtype = options.dtype ?? data.dtype;
    const copy = native.ops.clone(native.ops.detach(data._h));
    return finish(dtype === data.dtype ? copy : native.ops.toDtype(copy, dtypeCode(dtype)), options);
  }
  if (ArrayBuffer.isView(data)) {
    const own = typedArrayDtype(data as ArrayBufferView);
    const a = data as TypedArray;
    const h = native.fromTypedArray(a, [a.length], dtypeCode(own), false);
    return finish(
      options.dtype == null || options.dtype === own ? h : native.ops.toDtype(h, dtypeCode(options.dtype)),
      options,
    );
  }
  if (Array.isArray(data) && data.length > 0 && isTensor((data as unknown[])[0])) {
    const parts = (data as readonly Tensor[]).map((t) => t.tolist() as NestedArray);
    return tensor(parts, { dtype: (data as readonly Tensor[])[0]!.dtype, ...options });
  }
  if (data === undefined || data === null) throw new DTypeError(`tensor(): expected data, got ${String(data)}`);
  const flat = flatten(data as NestedArray);
  const inferred: DType = flat.kind === 'boolean' ? 'bool' : flat.kind === 'bigint' ? 'int64' : getDefaultDtype();
  const dtype = options.dtype ?? inferred;
  return finish(fromPacked(pack(flat.values, dtype), flat.shape, dtype), options);
}

/** `data` itself when it is a tensor that fits the options, else as `tensor` (typed arrays share memory where they can). */
export function asTensor(data: TensorData, options: TensorOptions = {}): Tensor {
  if (isTensor(data)) return options.dtype == null || options.dtype === data.dtype ? data : data.to(options.dtype);
  if (ArrayBuffer.isView(data)) {
    const t = fromTypedArray(data as TypedArray);
    return options.dtype == null || options.dtype === t.dtype ? t : t.to(options.dtype);
  }
  return tensor(data, options);
}

/** A 1-d (or `shape`d) tensor over the memory of a typed array: writes through one are seen by the other. */
export function fromTypedArray(data: TypedArray, shape?: readonly number[]): Tensor {
  const code = dtypeCode(typedArrayDtype(data as ArrayBufferView));
  return wrap(native.fromTypedArray(data, shape ?? [data.length], code, true));
}

/** A tensor over the memory of an ArrayBuffer. `offset` is in bytes, `count` in elements (-1: all that follow). */
export function frombuffer(
  buffer: ArrayBuffer | SharedArrayBuffer | ArrayBufferView,
  options: { dtype: DType; count?: number; offset?: number; requiresGrad?: boolean },
): Tensor {
  const bytes = ArrayBuffer.isView(buffer)
    ? new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.byteLength)
    : new Uint8Array(buffer as ArrayBuffer);
  if (typeof options !== 'object' || options === null)
    throw new DTypeError('frombuffer(): the options must name a dtype');
  dtypeCode(options.dtype);
  const make = TYPED_ARRAYS[options.dtype];
  if (make === null) throw new DTypeError(`frombuffer(): ${options.dtype} is not supported`);
  const { offset = 0, count = -1 } = options;
  for (const v of [offset, count])
    if (!Number.isInteger(v)) throw new ValueError(`frombuffer(): offset and count must be integers, got ${String(v)}`);
  if (offset < 0 || offset > bytes.byteLength)
    throw new ValueError(
      `offset (${offset} bytes) must be non-negative and no greater than buffer length (${bytes.byteLength} bytes)`,
    );
  const length = count < 0 ? Math.floor((bytes.byteLength - offset) / make.BYTES_PER_ELEMENT) : count;
  if (offset + length * make.BYTES_PER_ELEMENT > bytes.byteLength) {
    throw new ValueError(
      `requested buffer length (${length} * ${make.BYTES_PER_ELEMENT} bytes) after offset (${offset} bytes) must not be greater than actual buffer length (${bytes.byteLength} bytes)`,
    );
  }
  const a = new make(bytes.buffer, bytes.byteOffset + offset, length) as TypedArray;
  return finish(native.fromTypedArray(a, [length], dtypeCode(options.dtype), true), options);
}

// ---- filled ----

export function zeros(...args: SizeArgs<TensorOptions>): Tensor {
  const [shape, o] = sizeArgs<TensorOptions>('zeros', args);
  return finish(native.ops.full(shape, 0, defaultCode(o)), o);
}
export function ones(...args: SizeArgs<TensorOptions>): Tensor {
  const [shape, o] = sizeArgs<TensorOptions>('ones', args);
  return finish(native.ops.full(shape, 1, defaultCode(o)), o);
}
/** Uninitialised memory. */
export function empty(...args: SizeArgs<TensorOptions>): Tensor {
  const [shape, o] = sizeArgs<TensorOptions>('empty', args);
  return finish(native.ops.empty(shape, defaultCode(o)), o);
}
/** Uninitialised memory with the given strides. */
export function emptyStrided(size: readonly number[], stride: readonly number[], o: TensorOptions = {}): Tensor {
  const [shape] = sizeArgs<TensorOptions>('emptyStrided', [size]);
  if (stride.length !== shape.length)
    throw new ShapeError(
      `dimensionality of sizes (${shape.length}) must match dimensionality of strides (${stride.length})`,
    );
  const count = shape.includes(0) ? 0 : shape.reduce((n, s, d) => n + (s - 1) * stride[d]!, 1);
  return finish(native.ops.asStrided(native.ops.empty([count], defaultCode(o)), shape, stride, 0), o);
}
/** A 0-d tensor of the default dtype unless another is given. */
export function scalarTensor(value: number | boolean | bigint, o: TensorOptions = {}): Tensor {
  return finish(native.ops.full([], Number(value), defaultCode(o)), o);
}
/** Every element is `fillValue`; the dtype follows it as in `tensor`. */
export function full(
  size: readonly number[],
  fillValue: number | boolean | bigint,
  options: TensorOptions = {},
): Tensor {
  const [shape] = sizeArgs<TensorOptions>('full', [size]);
  const kind = typeof fillValue;
  const code =
    optionalDtypeCode(options.dtype) ??
    (kind === 'boolean' ? dtypeCode('bool') : kind === 'bigint' ? dtypeCode('int64') : native.defaultDtype());
  return finish(native.ops.full(shape, Number(fillValue), code), options);
}
export function zerosLike(t: Tensor, o: TensorOptions = {}): Tensor {
  checkTensor('zerosLike', t);
  return finish(native.ops.full(t.shape, 0, dtypeCode(o.dtype ?? t.dtype)), o);
}
export function onesLike(t: Tensor, o: TensorOptions = {}): Tensor {
  checkTensor('onesLike', t);
  return finish(native.ops.full(t.shape, 1, dtypeCode(o.dtype ?? t.dtype)), o);
}
export function fullLike(t: Tensor, fillValue: number | boolean, o: TensorOptions = {}): Tensor {
  checkTensor('fullLike', t);
  return finish(native.ops.full(t.shape, Number(fillValue), dtypeCode(o.dtype ?? t.dtype)), o);
}
export function emptyLike(t: Tensor, o: TensorOptions = {}): Tensor {
  checkTensor('emptyLike', t);
  return finish(native.ops.empty(t.shape, dtypeCode(o.dtype ?? t.dtype)), o);
}
/** n x m (default n) with ones on the diagonal. */
export function eye(n: number, m?: number | TensorOptions, options: TensorOptions = {}): Tensor {
  const o = typeof m === 'object' ? m : options;
  const columns = typeof m === 'number' ? m : n;
  return finish(native.ops.eye(n, columns, defaultCode(o)), o);
}

// ---- ranges ----

/** `arange(end)`, `arange(start, end)`, `arange(start, end, step)`: int64 when all are integers, else the default dtype. */
export function arange(...args: [...numbers: number[]] | [...numbers: number[], options: TensorOptions]): Tensor {
  const last = args.at(-1);
  const o: TensorOptions = typeof last === 'object' ? last : {};
  const numbers = (typeof last === 'object' || last === undefined ? args.slice(0, -1) : args) as number[];
  if (numbers.length < 1 || numbers.length > 3)
    throw new ValueError(`arange() takes 1 to 3 numbers, got ${numbers.length}`);
  const [start, end, step] = numbers.length === 1 ? [0, numbers[0]!, 1] : [numbers[0]!, numbers[1]!, numbers[2] ?? 1];
  for (const v of [start, end, step]) {
    if (!Number.isFinite(v)) throw new ValueError(`arange(): unsupported range: ${start} -> ${end} step ${step}`);
  }
  if (step === 0) throw new ValueError('step must be nonzero');
  if ((end - start) / step < 0) throw new ValueError('upper bound and larger bound inconsistent with step sign');
  const code =
    optionalDtypeCode(o.dtype) ?? (numbers.every(Number.isInteger) ? dtypeCode('int64') : native.defaultDtype());
  return finish(native.ops.arange(start, end, step, code), o);
}
/** `steps` values from start to end, both included. */
export function linspace(start: number, end: number, steps: number, o: TensorOptions = {}): Tensor {
  if (!Number.isInteger(steps) || steps < 0) throw new ValueError('number of steps must be non-negative');
  return finish(native.ops.linspace(start, end, steps, defaultCode(o)), o);
}
/** `steps` values from base^start to base^end. Where there are several, integer dtypes take whole exponents. */
export function logspace(start: number, end: number, steps: number, o: TensorOptions & { base?: number } = {}): Tensor {
  const dtype = o.dtype ?? getDefaultDtype();
  const whole = steps > 1 && !isFloatingDtype(dtype);
  const [from, to] = whole ? [Math.trunc(start), Math.trunc(end)] : [start, end];
  // Narrow floats round their exponents, as PyTorch does.
  const narrow = steps > 1 && (dtype === 'float16' || dtype === 'bfloat16');
  const exponents = linspace(from, to, steps, { dtype: narrow ? dtype : 'float64' }).to('float64');
  return finish(native.ops.toDtype(native.ops.powScalar(o.base ?? 10, exponents._h), dtypeCode(dtype)), o);
}

// ---- random ----

const generatorOf = (o: RandomOptions): Handle | null =>
  o.generator == null ? null : defaultGeneratorHandle(o.generator);

function floating(op: string, o: TensorOptions): number {
  const code = defaultCode(o);
  if (o.dtype != null && !isFloatingDtype(o.dtype)) throw new DTypeError(`"${op}" not implemented for '${o.dtype}'`);
  return code;
}

/** Uniform on [0, 1). */
export function rand(...args: SizeArgs<RandomOptions>): Tensor {
  const [shape, o] = sizeArgs<RandomOptions>('rand', args);
  const h = native.ops.empty(shape, floating('rand', o));
  native.ops.uniform_(h, 0, 1, generatorOf(o));
  return finish(h, o);
}
/** Standard normal. */
export function randn(...args: SizeArgs<RandomOptions>): Tensor {
  const [shape, o] = sizeArgs<RandomOptions>('randn', args);
  const h = native.ops.empty(shape, floating('randn', o));
  native.ops.normal_(h, 0, 1, generatorOf(o));
  return finish(h, o);
}
/** Uniform on [0, 1), in t's shape, dtype and order of memory. */
export function randLike(t: Tensor, o: RandomOptions = {}): Tensor {
  checkTensor('randLike', t);
  const h = emptyInOrderOf(t, dtypeCode(o.dtype ?? t.dtype));
  native.ops.uniform_(h, 0, 1, generatorOf(o));
  return finish(h, o);
}
/** Standard normal, in t's shape, dtype and order of memory. */
export function randnLike(t: Tensor, o: RandomOptions = {}): Tensor {
  checkTensor('randnLike', t);
  const h = emptyInOrderOf(t, dtypeCode(o.dtype ?? t.dtype));
  native.ops.normal_(h, 0, 1, generatorOf(o));
  return finish(h, o);
}
/** Integers in [low, high): `randint(high, size)` or `randint(low, high, size)`; int64 unless another dtype is given. */
export function randint(high: number, size: readonly number[], options?: RandomOptions): Tensor;
export function randint(low: number, high: number, size: readonly number[], options?: RandomOptions): Tensor;
export function randint(
  a: number,
  b: number | readonly number[],
  c?: readonly number[] | RandomOptions,
  d?: RandomOptions,
): Tensor {
  const short = typeof b !== 'number';
  const [low, high, size, o] = short ? [0, a, b, (c ?? {}) as RandomOptions] : [a, b, c as readonly number[], d ?? {}];
  const [shape] = sizeArgs<RandomOptions>('randint', [size]);
  if (!(high > low))
    throw new ValueError(`random_ expects 'from' to be less than 'to', but got from=${low} >= to=${high}`);
  const h = native.ops.empty(shape, dtypeCode(o.dtype ?? 'int64'));
  native.ops.randint_(h, low, high, generatorOf(o));
  return finish(h, o);
}
/** `randint` in the shape and dtype of another tensor. */
export function randintLike(t: Tensor, high: number, o?: RandomOptions): Tensor;
export function randintLike(t: Tensor, low: number, high: number, o?: RandomOptions): Tensor;
export function randintLike(t: Tensor, a: number, b?: number | RandomOptions, c: RandomOptions = {}): Tensor {
  checkTensor('randintLike', t);
  const [low, high, o] = typeof b === 'number' ? [a, b, c] : [0, a, b ?? {}];
  return randint(low, high, t.shape, { ...o, dtype: o.dtype ?? t.dtype });
}
/** A random permutation of 0 .. n-1, int64. */
export function randperm(n: number, o: RandomOptions = {}): Tensor {
  if (!Number.isInteger(n) || n < 0) throw new ValueError(`n must be non-negative, got ${n}`);
  return finish(native.ops.randperm(n, dtypeCode(o.dtype ?? 'int64'), generatorOf(o)), o);
}
/** Normal numbers: mean and/or std are tensors (shapes as in PyTorch), or both numbers with a size. */
export function normal(mean: Tensor | number, std?: Tensor | number, o?: RandomOptions): Tensor;
export function normal(mean: number, std: number, size: readonly number[], o?: RandomOptions): Tensor;
export function normal(
  mean: Tensor | number,
  std: Tensor | number = 1,
  sizeOrOptions?: readonly number[] | RandomOptions,
  options: RandomOptions = {},
): Tensor {
  const size = Array.isArray(sizeOrOptions) ? (sizeOrOptions as readonly number[]) : null;
  const o = size === null ? ((sizeOrOptions as RandomOptions | undefined) ?? {}) : options;
  if (typeof mean === 'number' && typeof std === 'number') {
    if (size === null) throw new ValueError('normal(): a size is needed when mean and std are numbers');
    const h = native.ops.empty(sizeArgs<RandomOptions>('normal', [size])[0], floating('normal', o));
    native.ops.normal_(h, mean, std, generatorOf(o));
    return finish(h, o);
  }
  // As PyTorch: draw N(0, 1), then scale and shift.
  const m = isTensor(mean) ? mean : null;
  const s = isTensor(std) ? std : null;
  const model = s !== null && m !== null ? m.add(s) : (m ?? s)!;
  if (!isFloatingDtype(model.dtype)) throw new DTypeError(`"normal" not implemented for '${model.dtype}'`);
  const h = native.ops.empty(model.shape, dtypeCode(model.dtype));
  // With a tensor mean and a number std PyTorch draws with that std and adds the mean.
  native.ops.normal_(h, 0, s === null ? (std as number) : 1, generatorOf(o));
  const out = wrap(h);
  if (s !== null) out.mul_(s.detach());
  if (m !== null) out.add_(m.detach());
  else if (mean !== 0) out.add_(mean as number);
  return finish(out._h, o);
}
// ---- legacy constructors ----

export interface LegacyConstructor {
  /** Data (a nested or typed array), or sizes: FloatTensor([1, 2]) holds 1 and 2, FloatTensor(2, 3) is 2 x 3 uninitialised. */
  (...args: [data: NestedArray | TypedArray] | number[]): Tensor;
  readonly dtype: DType;
}
function legacy(dtype: DType): LegacyConstructor {
  const make = (...args: [data: NestedArray | TypedArray] | number[]): Tensor =>
    args.length === 1 && typeof args[0] === 'object' ? tensor(args[0], { dtype }) : empty(args as number[], { dtype });
  return Object.assign(make, { dtype });
}
export const FloatTensor = legacy('float32');
export const DoubleTensor = legacy('float64');
export const HalfTensor = legacy('float16');
export const BFloat16Tensor = legacy('bfloat16');
export const CharTensor = legacy('int8');
export const ShortTensor = legacy('int16');
export const IntTensor = legacy('int32');
export const LongTensor = legacy('int64');
export const ByteTensor = legacy('uint8');
export const BoolTensor = legacy('bool');
