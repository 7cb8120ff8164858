// Reader of MATLAB's .mat files, level 5, as far as data sets need it: full arrays of real numbers.
// Format: https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf
import { inflateSync } from 'node:zlib';
import { FileError } from '../../tensor/errors.js';

/** Numbers in column-major order. */
export interface MatArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array | Float64Array;
}
const MI = {
  int8: 1,
  uint8: 2,
  int16: 3,
  uint16: 4,
  int32: 5,
  uint32: 6,
  single: 7,
  double: 9,
  matrix: 14,
  compressed: 15,
};
/** An array of a file cannot be larger than this many bytes: a damaged size must not take all memory. */
const LARGEST = 4e9;

interface Element {
  readonly type: number;
  readonly bytes: Buffer;
  readonly next: number;
}
function element(file: Buffer, at: number): Element {
  if (at + 8 > file.length) throw new RangeError('it ends within a tag');
  const word = file.readUInt32LE(at);
  const small = word >>> 16;
  if (small !== 0) {
    if (small > 4) throw new RangeError('a short element is longer than four bytes');
    return { type: word & 0xffff, bytes: file.subarray(at + 4, at + 4 + small), next: at + 8 };
  }
  const size = file.readUInt32LE(at + 4);
  if (at + 8 + size > file.length) throw new RangeError(`an element of ${size} bytes does not fit`);
  const padded = word === MI.compressed ? size : Math.ceil(size / 8) * 8;
  return { type: word, bytes: file.subarray(at + 8, at + 8 + size), next: at + 8 + padded };
}
function numbers({ type, bytes }: Element): Uint8Array | Float64Array {
  const all = (size: number, at: (i: number) => number): Float64Array =>
    Float64Array.from({ length: Math.floor(bytes.length / size) }, (_, i) => at(i * size));
  switch (type) {
    case MI.uint8:
      return new Uint8Array(bytes);
    case MI.int8:
      return all(1, (i) => bytes.readInt8(i));
    case MI.int16:
      return all(2, (i) => bytes.readInt16LE(i));
    case MI.uint16:
      return all(2, (i) => bytes.readUInt16LE(i));
    case MI.int32:
      return all(4, (i) => bytes.readInt32LE(i));
    case MI.uint32:
      return all(4, (i) => bytes.readUInt32LE(i));
    case MI.single:
      return all(4, (i) => bytes.readFloatLE(i));
    case MI.double:
      return all(8, (i) => bytes.readDoubleLE(i));
    default:
      throw new RangeError(`numbers of type ${type} are not known`);
  }
}
function matrix(bytes: Buffer): [string, MatArray] {
  const flags = element(bytes, 0);
  const dimensions = element(bytes, flags.next);
  const name = element(bytes, dimensions.next);
  const shape = [...numbers(dimensions)];
  const data = numbers(element(bytes, name.next));
  if (shape.reduce((a, b) => a * b, 1) !== data.length)
    throw new RangeError(`an array of [${shape.join(', ')}] has ${data.length} numbers`);
  return [name.bytes.toString('latin1'), { shape, data }];
}

/** The arrays of a file by name. Throws FileError when it is no such file or damaged. */
export function readMat(file: Buffer, path: string): Map<string, MatArray> {
  const out = new Map<string, MatArray>();
  try {
    if (file.length < 128 || file.toString('latin1', 126, 128) !== 'IM')
      throw new RangeError('it is no little-endian MATLAB 5 file');
    for (let at = 128; at < file.length;) {
      const outer = element(file, at);
      at = outer.next;
      const inner =
        outer.type === MI.compressed ? element(inflateSync(outer.bytes, { maxOutputLength: LARGEST }), 0) : outer;
      if (inner.type === MI.matrix) out.set(...matrix(inner.bytes));
    }
  } catch (e) {
    throw new FileError(`${path}: cannot be read: ${(e as Error).message}`);
  }
  return out;
}
