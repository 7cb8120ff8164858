// Tensors of a model: from TensorProto, its data inside or in a file beside the model, to ours.
import { closeSync, fstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { itemSize, type DType } from '../../tensor/dtype.js';
import type { Tensor } from '../../tensor/handle.js';
import { tensorFromBytes } from '../../serialization/tensors.js';
import { encodeNumbers } from '../types.js';
import type { TensorProto } from '../schema/onnx_pb.cjs';
import { OnnxImportError, quote } from './errors.js';

/** Unsigned integers that we have no dtype for: they live in the next wider signed one. */
export type Wide = 'uint16' | 'uint32' | 'uint64';
export interface ElementType {
  readonly dtype: DType;
  readonly wide?: Wide;
}

// By the number in TensorProto.DataType.
const ELEMENTS: Readonly<Record<number, ElementType>> = {
  1: { dtype: 'float32' },
  2: { dtype: 'uint8' },
  3: { dtype: 'int8' },
  4: { dtype: 'int32', wide: 'uint16' },
  5: { dtype: 'int16' },
  6: { dtype: 'int32' },
  7: { dtype: 'int64' },
  9: { dtype: 'bool' },
  10: { dtype: 'float16' },
  11: { dtype: 'float64' },
  12: { dtype: 'int64', wide: 'uint32' },
  13: { dtype: 'int64', wide: 'uint64' },
  16: { dtype: 'bfloat16' },
};
const NAMES: Readonly<Record<number, string>> = {
  8: 'string',
  14: 'complex64',
  15: 'complex128',
  17: 'float8e4m3fn',
  18: 'float8e4m3fnuz',
  19: 'float8e5m2',
  20: 'float8e5m2fnuz',
  21: 'uint4',
  22: 'int4',
  23: 'float4e2m1',
};
const WIDE_BYTES: Readonly<Record<Wide, number>> = { uint16: 2, uint32: 4, uint64: 8 };

/** The element type of a number in the file. @throws through `fail` for those that we have no dtype for */
export function elementType(code: number, fail: (reason: string) => never): ElementType {
  const found = Object.hasOwn(ELEMENTS, code) ? ELEMENTS[code] : undefined;
  return found ?? fail(`data type ${NAMES[code] ?? code} is not supported`);
}

/** Tensors larger than this are refused. */
export const MAX_BYTES = 2 ** 36;

/** The tensor of a TensorProto. Nothing is allocated before the sizes agree with the data that is there. */
export function tensorOf(t: TensorProto, file: string, folder: string | null): { tensor: Tensor; wide?: Wide } {
  const fail = (reason: string): never => {
    throw new OnnxImportError(file, `tensor ${quote(t.name)}: ${reason}`);
  };
  const element = elementType(t.dataType, fail);
  const size = element.wide ? WIDE_BYTES[element.wide] : itemSize(element.dtype);
  let count = 1n;
  for (const d of t.dims) {
    if (d < 0n) fail(`it has a size of ${d}`);
    count *= d;
    if (count * BigInt(size) > BigInt(MAX_BYTES)) fail(`its sizes [${t.dims.join(', ')}] are too large`);
  }
  const n = Number(count);
  const shape = t.dims.map(Number);
  const bytes = t.dataLocation === 1 ? external(t, n * size, folder, fail) : inside(t, element, n, size, fail);
  if (element.dtype === 'bool' && bytes.some((b) => b > 1)) bytes.forEach((b, i) => (bytes[i] = b ? 1 : 0));
  const data = element.wide ? widened(bytes, element.wide, n) : bytes;
  return {
    tensor: tensorFromBytes({ dtype: element.dtype, shape, data }),
    ...(element.wide ? { wide: element.wide } : {}),
  };
}

function inside(t: TensorProto, e: ElementType, n: number, size: number, fail: (reason: string) => never): Uint8Array {
  if (t.rawData.length > 0 || n === 0) {
    if (t.rawData.length !== n * size) fail(`it needs ${n * size} bytes and has ${t.rawData.length}`);
    return e.dtype === 'bool' ? t.rawData.slice() : t.rawData;
  }
  const numbers = (list: readonly (number | bigint)[], where: string): readonly (number | bigint)[] =>
    list.length === n ? list : fail(`it has ${n} elements and ${list.length} values in ${where}`);
  if (e.wide === 'uint32' || e.wide === 'uint64') {
    const values = numbers(t.uint64Data, 'uint64_data');
    const out = new DataView(new ArrayBuffer(n * size));
    values.forEach((v, i) =>
      size === 4 ? out.setUint32(i * 4, Number(v), true) : out.setBigUint64(i * 8, BigInt(v), true),
    );
    return new Uint8Array(out.buffer);
  }
  switch (e.dtype) {
    case 'float32':
      return encodeNumbers(numbers(t.floatData, 'float_data') as number[], 'float32');
    case 'float64':
      return encodeNumbers(numbers(t.doubleData, 'double_data') as number[], 'float64');
    case 'int64': {
      const values = numbers(t.int64Data, 'int64_data') as bigint[];
      return new Uint8Array(BigInt64Array.from(values).buffer);
    }
    case 'float16':
    case 'bfloat16': {
      const values = numbers(t.int32Data, 'int32_data') as number[];
      return new Uint8Array(Uint16Array.from(values).buffer);
    }
    default: {
      const values = numbers(t.int32Data, 'int32_data') as number[];
      if (e.wide === 'uint16') return new Uint8Array(Uint16Array.from(values).buffer);
      return encodeNumbers(values, e.dtype);
    }
  }
}

function widened(bytes: Uint8Array, wide: Wide, n: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (wide === 'uint16')
    return new Uint8Array(Int32Array.from({ length: n }, (_, i) => view.getUint16(i * 2, true)).buffer);
  const value = (i: number): bigint =>
    wide === 'uint32' ? BigInt(view.getUint32(i * 4, true)) : view.getBigInt64(i * 8, true);
  return new Uint8Array(BigInt64Array.from({ length: n }, (_, i) => value(i)).buffer);
}

/** Bytes of a file in the model's folder. Neither the path nor a link in it may lead outside. */
function external(t: TensorProto, bytes: number, folder: string | null, fail: (reason: string) => never): Uint8Array {
  const entries = new Map(t.externalData.map((e) => [e.key, e.value]));
  const location = entries.get('location');
  if (location === undefined || location === '') return fail('external data without a location');
  if (folder === null) return fail(`its data are in ${quote(location)}: load the model from its path`);
  const number = (key: string, missing: number): number => {
    const text = entries.get(key);
    if (text === undefined) return missing;
    const value = Number(text);
    return /^\d+$/.test(text) && Number.isSafeInteger(value) ? value : fail(`external data: ${key} is ${quote(text)}`);
  };
  const offset = number('offset', 0);
  const length = number('length', bytes);
  if (length !== bytes) fail(`it needs ${bytes} bytes, its external data have ${length}`);
  if (isAbsolute(location) || location.includes('\0') || location.split(/[\\/]/).includes('..'))
    fail(`external data at ${quote(location)}: outside of the model's folder`);
  let path: string;
  try {
    path = realpathSync(join(folder, location));
  } catch {
    return fail(`external data: there is no file ${quote(location)}`);
  }
  const inFolder = relative(realpathSync(folder), path);
  if (inFolder.startsWith(`..${sep}`) || inFolder === '..' || isAbsolute(inFolder))
    fail(`external data at ${quote(location)}: outside of the model's folder`);
  const fd = openSync(path, 'r');
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) fail(`external data: ${quote(location)} is no file`);
    if (offset + length > stat.size)
      fail(`external data: ${quote(location)} has ${stat.size} bytes, not ${offset + length}`);
    const out = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const got = readSync(fd, out, done, Math.min(length - done, 2 ** 30), offset + done);
      if (got === 0) fail(`external data: ${quote(location)} ended early`);
      done += got;
    }
    return out;
  } finally {
    closeSync(fd);
  }
}

/** The folder that external data may be in. */
export const folderOf = (path: string): string => dirname(path);
