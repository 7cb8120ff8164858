// Bytes that are read piece by piece: a file, or an array in memory. Readers of large files take only what they need, so that
// a tensor's bytes go from the disk into the tensor's memory without a copy of the file between.
import { closeSync, fstatSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { FileError } from '../tensor/errors.js';
import { FileFormatError } from './errors.js';

/** Random access to bytes. Ranges outside throw `FileFormatError`. */
export interface ByteSource {
  /** What messages call it. */
  readonly name: string;
  readonly size: number;
  /** A copy or a view of `length` bytes. */
  read(offset: number, length: number): Uint8Array;
  /** Fills `target`. */
  readInto(target: Uint8Array, offset: number): void;
  close(): void;
}

function checkRange(source: ByteSource, offset: number, length: number): void {
  if (!(offset >= 0 && length >= 0 && offset + length <= source.size))
    throw new FileFormatError(
      source.name,
      `it ends at ${source.size}, bytes ${offset} to ${offset + length} are needed`,
    );
}

class MemorySource implements ByteSource {
  readonly size: number;
  constructor(
    private readonly bytes: Uint8Array,
    readonly name: string,
  ) {
    this.size = bytes.byteLength;
  }
  read(offset: number, length: number): Uint8Array {
    checkRange(this, offset, length);
    return this.bytes.subarray(offset, offset + length);
  }
  readInto(target: Uint8Array, offset: number): void {
    target.set(this.read(offset, target.byteLength));
  }
  close(): void {
    // nothing is held
  }
}

/** One read takes at most this much: the system call's limit is 2 GiB. */
const MAX_READ = 1 << 30;

class FileSource implements ByteSource {
  readonly size: number;
  private readonly fd: number;
  constructor(readonly name: string) {
    try {
      this.fd = openSync(name, 'r');
    } catch (e) {
      throw new FileError(`cannot open '${name}': ${(e as NodeJS.ErrnoException).code ?? String(e)}`);
    }
    const stat = fstatSync(this.fd);
    if (!stat.isFile()) {
      closeSync(this.fd);
      throw new FileError(`cannot read '${name}': it is not a file`);
    }
    this.size = stat.size;
  }
  read(offset: number, length: number): Uint8Array {
    checkRange(this, offset, length);
    const out = new Uint8Array(length);
    this.readInto(out, offset);
    return out;
  }
  readInto(target: Uint8Array, offset: number): void {
    checkRange(this, offset, target.byteLength);
    for (let at = 0; at < target.byteLength;) {
      const got = readSync(this.fd, target, at, Math.min(MAX_READ, target.byteLength - at), offset + at);
      if (got === 0) throw new FileFormatError(this.name, `it became shorter while it was read`);
      at += got;
    }
  }
  close(): void {
    closeSync(this.fd);
  }
}

/** What readers accept: a path, or the bytes themselves. */
export type FileLike = string | URL | Uint8Array | ArrayBuffer;

/** Opens a file, or bytes in memory. Throws FileError when it cannot be opened. */
export function openSource(from: FileLike): ByteSource {
  if (from instanceof Uint8Array) return new MemorySource(from, '<bytes>');
  if (from instanceof ArrayBuffer) return new MemorySource(new Uint8Array(from), '<bytes>');
  return new FileSource(pathOf(from));
}

export const memorySource = (bytes: Uint8Array, name: string): ByteSource => new MemorySource(bytes, name);

/** The path of a string or a file URL. */
export function pathOf(path: string | URL): string {
  if (typeof path === 'string') return path;
  if (path instanceof URL && path.protocol === 'file:') return decodeURIComponent(path.pathname);
  throw new FileError(`expected a path, got ${String(path)}`);
}

/** Writes the chunks next to `path` and renames, so that readers and crashes never see half a file. */
export function writeFileAtomic(path: string, chunks: Uint8Array | Iterable<Uint8Array>): void {
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    const fd = openSync(temporary, 'wx');
    try {
      for (const bytes of chunks instanceof Uint8Array ? [chunks] : chunks) {
        for (let at = 0; at < bytes.byteLength;)
          at += writeSync(fd, bytes, at, Math.min(MAX_READ, bytes.byteLength - at));
      }
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

/** Joins chunks. */
export function concatBytes(chunks: Iterable<Uint8Array>): Uint8Array {
  const list = [...chunks];
  const out = new Uint8Array(list.reduce((n, c) => n + c.byteLength, 0));
  let at = 0;
  for (const c of list) {
    out.set(c, at);
    at += c.byteLength;
  }
  return out;
}
