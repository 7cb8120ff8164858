// The safetensors format: eight bytes of header length (little-endian), a JSON header, then the tensors' bytes.
// Bytes in, bytes out: this file knows no Tensor, so graph files (.fbg) and checkpoints share it.
// Source of the format: https://huggingface.co/docs/safetensors (header at most 100 MB, no holes, no overlaps).
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import type { DType } from '../ir/graph.js';
import { FileFormatError } from './errors.js';
import { parseHeader, quote, type HeaderEntry } from './header.js';

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
const MAX_HEADER = 100_000_000;
const MAX_DIMS = 1024;

/**
 * Reads a safetensors file from memory.
 * Errors (`FileFormatError`, with `file` in the message): a damaged or oversized header, unknown dtypes, sizes that do not
 * match the offsets, overlapping tensors, holes, bytes after the last tensor, BOOL bytes other than 0 and 1.
 */
export function parseSafetensors(bytes: Uint8Array, file = 'safetensors data'): SafetensorsFile {
  const fail = (reason: string): never => {
    throw new FileFormatError(file, `not a valid safetensors file: ${reason}`);
  };
  if (bytes.byteLength < 8) fail(`it has ${bytes.byteLength} bytes, the header length alone takes 8`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const declared = view.getBigUint64(0, true);
  const available = bytes.byteLength - 8;
  if (declared === 0n) fail('the header is empty');
  if (declared > BigInt(MAX_HEADER)) fail(`the header length ${declared} is beyond the limit of ${MAX_HEADER} bytes`);
  const headerLength = Number(declared);
  if (headerLength > available)
    fail(`the header length ${headerLength} is beyond the end of the file (${available} left)`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, 8 + headerLength));
  } catch {
    return fail('the header is not UTF-8');
  }
  const { entries, metadata } = parseHeader(text, fail);
  const body = bytes.subarray(8 + headerLength);
  const tensors = new Map<string, TensorBytes>();
  for (const [name, entry] of entries) tensors.set(name, tensorOf(name, entry, body, fail));
  checkLayout(entries, body.byteLength, fail);
  return { tensors, metadata };
}

function tensorOf(name: string, entry: HeaderEntry, body: Uint8Array, fail: (reason: string) => never): TensorBytes {
  const what = `tensor ${quote(name)}`;
  const format = FORMATS.get(entry.dtype);
  if (!format) {
    return fail(
      `${what} has dtype ${quote(entry.dtype)}, which is not supported; supported: ${[...FORMATS.keys()].join(' ')}`,
    );
  }
  if (entry.shape.length > MAX_DIMS)
    fail(`${what} has ${entry.shape.length} dimensions, at most ${MAX_DIMS} are allowed`);
  // The product is taken over the non-zero sizes too, so that a size of 0 cannot hide sizes that wrap later.
  let count = 1;
  for (const size of entry.shape) {
    if (size !== 0) count *= size;
    if (!Number.isSafeInteger(count * format.bytes))
      fail(`${what}: its shape [${entry.shape.join(', ')}] is too large`);
  }
  if (entry.shape.includes(0)) count = 0;
  if (entry.end < entry.begin) fail(`${what} ends (${entry.end}) before it begins (${entry.begin})`);
  if (entry.end > body.byteLength) {
    fail(`${what} ends at ${entry.end}, beyond the data, which have ${body.byteLength} bytes`);
  }
  const have = entry.end - entry.begin;
  if (have !== count * format.bytes) {
    fail(
      `${what} of shape [${entry.shape.join(', ')}] and dtype ${entry.dtype} needs ${count * format.bytes} bytes, its offsets give ${have}`,
    );
  }
  const data = body.subarray(entry.begin, entry.end);
  if (format.dtype === 'bool' && data.some((b) => b > 1))
    fail(`${what} has dtype BOOL and holds a byte that is neither 0 nor 1`);
  return { dtype: format.dtype, shape: entry.shape, data };
}

function checkLayout(entries: Map<string, HeaderEntry>, size: number, fail: (reason: string) => never): void {
  const sorted = [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const [name, { begin, end }] of sorted) {
    if (begin < at) fail(`tensor ${quote(name)} overlaps the one before it`);
    if (begin > at) fail(`${begin - at} bytes before tensor ${quote(name)} belong to no tensor`);
    at = end;
  }
  if (at !== size) fail(`${size - at} bytes after the last tensor belong to none`);
}

/**
 * Writes tensors as safetensors bytes. The header keeps the given order; the data lie by descending element size, so
 * every tensor is aligned. Throws `TypeError` for byte counts that do not match, duplicate or ill-formed names.
 */
export function serializeSafetensors(
  tensors: Iterable<readonly [string, TensorBytes]>,
  metadata: Iterable<readonly [string, string]> = [],
): Uint8Array {
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
  const out = new Uint8Array(8 + padded + at);
  new DataView(out.buffer).setBigUint64(0, BigInt(padded), true);
  out.fill(0x20, 8, 8 + padded);
  out.set(header, 8);
  for (const { at: begin, tensor } of places.values()) out.set(tensor.data, 8 + padded + begin);
  return out;
}

function formatOf(tensor: TensorBytes): { name: string; bytes: number } {
  const format = NAMES.get(tensor.dtype);
  if (!format) throw new TypeError(`safetensors: dtype ${String(tensor.dtype)} cannot be stored`);
  return format;
}

/** `parseSafetensors` of a file. */
export function readSafetensorsFile(path: string): SafetensorsFile {
  const data = readFileSync(path);
  return parseSafetensors(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), path);
}

/** `serializeSafetensors` into a file; the file appears whole or not at all. */
export function writeSafetensorsFile(
  path: string,
  tensors: Iterable<readonly [string, TensorBytes]>,
  metadata: Iterable<readonly [string, string]> = [],
): void {
  writeFileAtomic(path, serializeSafetensors(tensors, metadata));
}

/** Writes next to `path` and renames, so that readers and crashes never see half a file. */
export function writeFileAtomic(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    const fd = openSync(temporary, 'wx');
    try {
      for (let at = 0; at < bytes.byteLength;) at += writeSync(fd, bytes, at, bytes.byteLength - at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
