// The safetensors format: eight bytes of header length (little-endian), a JSON header, then the tensors' bytes.
// Bytes in, bytes out: this file knows no Tensor, so graph files (.fbg) and checkpoints share it.
// Source of the format: https://huggingface.co/docs/safetensors (header at most 100 MB, no holes, no overlaps).
import type { DType } from '../ir/graph.js';
import { concatBytes, memorySource, openSource, writeFileAtomic, type ByteSource } from './bytes.js';
import { failer, quote, type Fail } from './errors.js';
import { parseHeader, type HeaderEntry } from './header.js';

/** One tensor as bytes: row-major, little-endian. */
export interface TensorBytes {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

export interface SafetensorsFile {
  /** In the order of the header. `data` are views into the given bytes, possibly unaligned. */
  readonly tensors: Map<string, TensorBytes>;
  readonly metadata: Map<string, string>;
}

interface Format {
  readonly dtype: DType;
  readonly bytes: number;
}
const FORMATS: ReadonlyMap<string, Format> = new Map<string, Format>([
  ['F64', { dtype: 'float64', bytes: 8 }],
  ['F32', { dtype: 'float32', bytes: 4 }],
  ['F16', { dtype: 'float16', bytes: 2 }],
  ['BF16', { dtype: 'bfloat16', bytes: 2 }],
  ['I64', { dtype: 'int64', bytes: 8 }],
  ['I32', { dtype: 'int32', bytes: 4 }],
  ['I16', { dtype: 'int16', bytes: 2 }],
  ['I8', { dtype: 'int8', bytes: 1 }],
  ['U8', { dtype: 'uint8', bytes: 1 }],
  ['BOOL', { dtype: 'bool', bytes: 1 }],
]);
const NAMES = new Map([...FORMATS].map(([name, f]) => [f.dtype, { name, bytes: f.bytes }]));
/** Unsigned types that this library has no dtype for: `load` widens them. */
const WIDE: ReadonlyMap<string, number> = new Map([
  ['U16', 2],
  ['U32', 4],
  ['U64', 8],
]);
const MAX_HEADER = 100_000_000;
const MAX_DIMS = 1024;

/** Where a tensor lies: `format` is the file's own name of the dtype, `offset` counts from the start of the file. */
export interface SafetensorsPlace {
  readonly format: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly bytes: number;
}
export interface SafetensorsIndex {
  readonly places: Map<string, SafetensorsPlace>;
  readonly metadata: Map<string, string>;
}

/**
 * Reads the header and checks it against the size of the file; no tensor is read.
 * Errors (`FileFormatError`, with the file in the message): a damaged or oversized header, unknown dtypes, sizes that do not
 * match the offsets, overlapping tensors, holes, bytes after the last tensor.
 */
export function readSafetensorsIndex(source: ByteSource): SafetensorsIndex {
  const fail = failOf(source);
  if (source.size < 8) fail(`it has ${source.size} bytes, the header length alone takes 8`);
  const start = source.read(0, 8);
  const declared = new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true);
  const available = source.size - 8;
  if (declared === 0n) fail('the header is empty');
  if (declared > BigInt(MAX_HEADER)) fail(`the header length ${declared} is beyond the limit of ${MAX_HEADER} bytes`);
  const headerLength = Number(declared);
  if (headerLength > available)
    fail(`the header length ${headerLength} is beyond the end of the file (${available} left)`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(source.read(8, headerLength));
  } catch {
    return fail('the header is not UTF-8');
  }
  const { entries, metadata } = parseHeader(text, fail);
  const places = new Map<string, SafetensorsPlace>();
  for (const [name, entry] of entries) {
    const bytes = checkEntry(name, entry, available - headerLength, fail);
    places.set(name, { format: entry.dtype, shape: entry.shape, offset: 8 + headerLength + entry.begin, bytes });
  }
  checkLayout(entries, available - headerLength, fail);
  return { places, metadata };
}

/** `readSafetensorsIndex` and the tensors' bytes, from memory. Also refuses BOOL bytes other than 0 and 1. */
export function parseSafetensors(bytes: Uint8Array, file = 'safetensors data'): SafetensorsFile {
  return readAll(memorySource(bytes, file));
}

function readAll(source: ByteSource): SafetensorsFile {
  const fail = failOf(source);
  const { places, metadata } = readSafetensorsIndex(source);
  const tensors = new Map<string, TensorBytes>();
  for (const [name, place] of places) {
    const dtype = FORMATS.get(place.format)?.dtype;
    if (dtype === undefined) return fail(unsupported(name, place.format));
    const data = source.read(place.offset, place.bytes);
    if (dtype === 'bool') checkBools(name, data, fail);
    tensors.set(name, { dtype, shape: place.shape, data });
  }
  return { tensors, metadata };
}

function failOf(source: ByteSource): Fail {
  const fail = failer(source.name);
  return (reason) => fail(`not a valid safetensors file: ${reason}`);
}

/** The dtype of a format name; null for those that only a wider type holds. */
export const dtypeOfFormat = (format: string): DType | null => FORMATS.get(format)?.dtype ?? null;

export function checkBools(name: string, data: Uint8Array, fail: Fail): void {
  if (data.some((b) => b > 1)) fail(`tensor ${quote(name)} has dtype BOOL and holds a byte that is neither 0 nor 1`);
}

const unsupported = (name: string, format: string): string =>
  `tensor ${quote(name)} has dtype ${quote(format)}, which is not supported; supported: ${[...FORMATS.keys()].join(' ')}`;

/** Checks one entry; the bytes that its tensor takes. */
function checkEntry(name: string, entry: HeaderEntry, size: number, fail: Fail): number {
  const what = `tensor ${quote(name)}`;
  const width = FORMATS.get(entry.dtype)?.bytes ?? WIDE.get(entry.dtype);
  if (width === undefined) return fail(unsupported(name, entry.dtype));
  if (entry.shape.length > MAX_DIMS)
    fail(`${what} has ${entry.shape.length} dimensions, at most ${MAX_DIMS} are allowed`);
  // The product is taken over the non-zero sizes too, so that a size of 0 cannot hide sizes that wrap later.
  let count = 1;
  for (const d of entry.shape) {
    if (d !== 0) count *= d;
    if (!Number.isSafeInteger(count * width)) fail(`${what}: its shape [${entry.shape.join(', ')}] is too large`);
  }
  if (entry.shape.includes(0)) count = 0;
  if (entry.end < entry.begin) fail(`${what} ends (${entry.end}) before it begins (${entry.begin})`);
  if (entry.end > size) fail(`${what} ends at ${entry.end}, beyond the data, which have ${size} bytes`);
  const have = entry.end - entry.begin;
  if (have !== count * width) {
    fail(
      `${what} of shape [${entry.shape.join(', ')}] and dtype ${entry.dtype} needs ${count * width} bytes, its offsets give ${have}`,
    );
  }
  return have;
}

function checkLayout(entries: Map<string, HeaderEntry>, size: number, fail: Fail): void {
  const sorted = [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const [name, { begin, end }] of sorted) {
    if (begin < at) fail(`tensor ${quote(name)} overlaps the one before it`);
    if (begin > at) fail(`${begin - at} bytes before tensor ${quote(name)} belong to no tensor`);
    at = end;
  }
  if (at !== size) fail(`${size - at} bytes after the last tensor belong to none`);
}

/** `safetensorsChunks` in one array. */
export function serializeSafetensors(
  tensors: Iterable<readonly [string, TensorBytes]>,
  metadata: Iterable<readonly [string, string]> = [],
): Uint8Array {
  return concatBytes(safetensorsChunks(tensors, metadata));
}

/**
 * Writes tensors as safetensors bytes, piece by piece: the data are passed on as they are. The header keeps the given order; the data lie by descending element size, so
 * every tensor is aligned. Throws `TypeError` for byte counts that do not match, duplicate or ill-formed names.
 */
export function safetensorsChunks(
  tensors: Iterable<readonly [string, TensorBytes]>,
  metadata: Iterable<readonly [string, string]> = [],
): Uint8Array[] {
  const list = [...tensors];
  const places = new Map<string, { readonly at: number; readonly format: string; readonly tensor: TensorBytes }>();
  let at = 0;
  const width = (t: TensorBytes): number => formatOf(t).bytes;
  for (const [name, tensor] of [...list].sort(([, a], [, b]) => width(b) - width(a))) {
    const format = formatOf(tensor);
    const wanted = tensor.shape.reduce((a, b) => a * b, 1) * format.bytes;
    if (tensor.data.byteLength !== wanted) {
      throw new TypeError(
        `safetensors: tensor ${quote(name)} of shape [${tensor.shape.join(', ')}] and dtype ${tensor.dtype} needs ${wanted} bytes, got ${tensor.data.byteLength}`,
      );
    }
    if (name === '__metadata__') throw new TypeError(`safetensors: "__metadata__" cannot be a tensor's name`);
    if (/\p{Surrogate}/u.test(name))
      throw new TypeError(`safetensors: the name ${quote(name)} holds half a surrogate pair`);
    if (places.has(name)) throw new TypeError(`safetensors: two tensors are named ${quote(name)}`);
    places.set(name, { at, format: format.name, tensor });
    at += wanted;
  }
  const parts: string[] = [];
  const meta = [...metadata];
  if (meta.length > 0) {
    const pairs = meta.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`);
    if (new Set(meta.map(([k]) => k)).size !== meta.length)
      throw new TypeError('safetensors: a metadata key occurs twice');
    parts.push(`"__metadata__":{${pairs.join(',')}}`);
  }
  for (const [name] of list) {
    const { at: begin, format, tensor } = places.get(name)!;
    const fields = `"dtype":"${format}","shape":[${tensor.shape.join(',')}],"data_offsets":[${begin},${begin + tensor.data.byteLength}]`;
    parts.push(`${JSON.stringify(name)}:{${fields}}`);
  }
  const header = new TextEncoder().encode(`{${parts.join(',')}}`);
  const padded = Math.ceil(header.byteLength / 8) * 8;
  const head = new Uint8Array(8 + padded).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(padded), true);
  head.set(header, 8);
  return [head, ...[...places.values()].map((p) => p.tensor.data)];
}

function formatOf(tensor: TensorBytes): { name: string; bytes: number } {
  const format = NAMES.get(tensor.dtype);
  if (!format) throw new TypeError(`safetensors: dtype ${String(tensor.dtype)} cannot be stored`);
  return format;
}

/** `parseSafetensors` of a file. */
export function readSafetensorsFile(path: string): SafetensorsFile {
  const source = openSource(path);
  try {
    return readAll(source);
  } finally {
    source.close();
  }
}

/** `serializeSafetensors` into a file; the file appears whole or not at all. */
export function writeSafetensorsFile(
  path: string,
  tensors: Iterable<readonly [string, TensorBytes]>,
  metadata: Iterable<readonly [string, string]> = [],
): void {
  writeFileAtomic(path, safetensorsChunks(tensors, metadata));
}
