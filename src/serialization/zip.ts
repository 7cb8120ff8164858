// Zip archives, as PyTorch (.pt) and NumPy (.npz) use them. Reading is our own because no package checks what a hostile archive
// needs checked while reading at offsets: checksums, sizes before anything is allocated, local headers against the directory,
// names that occur twice. Inflating is zlib's. Source: PKWARE's APPNOTE 6.3.10.
import { deflateRawSync, inflateRawSync, constants } from 'node:zlib';
import type { ByteSource } from './bytes.js';
import { crc32 } from './crc.js';
import { failer, quote, type Fail } from './errors.js';

export interface ZipEntry {
  readonly name: string;
  /** Sizes in the archive and inflated. */
  readonly packed: number;
  readonly size: number;
  readonly deflated: boolean;
  readonly crc: number;
  readonly offset: number;
}

const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
/** Deflate turns one byte into at most 1032. */
const MAX_RATIO = 1032;

const viewOf = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);

/** The directory of an archive. Reading a member checks its local header, its size and its checksum. */
export class ZipReader {
  readonly entries = new Map<string, ZipEntry>();
  private readonly fail: Fail;
  private readonly directory: number;

  constructor(private readonly source: ByteSource) {
    const fail = failer(source.name);
    this.fail = (reason) => fail(`not a valid zip archive: ${reason}`);
    const { count, size, offset, end } = this.findDirectory();
    if (offset + size !== end)
      this.fail(`its directory (${size} bytes at ${offset}) does not lead to its end record at ${end}`);
    this.directory = offset;
    this.readDirectory(source.read(offset, size), count);
  }

  private findDirectory(): { count: number; size: number; offset: number; end: number } {
    const { source } = this;
    const tail = Math.min(source.size, 22 + 0xffff);
    const bytes = source.read(source.size - tail, tail);
    const view = viewOf(bytes);
    let at = bytes.byteLength - 22;
    while (at >= 0 && !(view.getUint32(at, true) === END && at + 22 + view.getUint16(at + 20, true) === tail)) at--;
    if (at < 0) this.fail('it has no end record (is it cut off?)');
    const end = source.size - tail + at;
    const [disk, count, size, offset] = [
      view.getUint16(at + 4, true),
      view.getUint16(at + 10, true),
      view.getUint32(at + 12, true),
      view.getUint32(at + 16, true),
    ];
    const locator = end >= 20 ? viewOf(source.read(end - 20, 20)) : null;
    if (locator?.getUint32(0, true) === LOCATOR64) {
      const at64 = this.big(locator, 8, 'the ZIP64 end record');
      if (at64 + 56 > end - 20) this.fail(`its ZIP64 end record is said to be at ${at64}, outside`);
      const v = viewOf(source.read(at64, 56));
      if (v.getUint32(0, true) !== END64) this.fail(`there is no ZIP64 end record at ${at64}`);
      return {
        count: this.big(v, 32, 'the number of members'),
        size: this.big(v, 40, 'the directory size'),
        offset: this.big(v, 48, 'the directory offset'),
        end: at64,
      };
    }
    if (disk !== 0) this.fail('it is one part of several');
    return { count, size, offset, end };
  }

  private big(view: DataView, at: number, what: string): number {
    const n = view.getBigUint64(at, true);
    if (n > BigInt(Number.MAX_SAFE_INTEGER)) this.fail(`${what} is ${n}`);
    return Number(n);
  }

  private readDirectory(bytes: Uint8Array, count: number): void {
    const view = viewOf(bytes);
    let at = 0;
    let seen = 0;
    while (at < bytes.byteLength) {
      if (at + 46 > bytes.byteLength || view.getUint32(at, true) !== CENTRAL) this.fail('its directory is damaged');
      const [flags, method] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)];
      const lengths = [28, 30, 32].map((k) => view.getUint16(at + k, true)) as [number, number, number];
      const next = at + 46 + lengths[0] + lengths[1] + lengths[2];
      if (next > bytes.byteLength) this.fail('its directory is damaged');
      const name = this.text(bytes.subarray(at + 46, at + 46 + lengths[0]));
      if (flags & 1) this.fail(`member ${quote(name)} is encrypted`);
      if (method !== 0 && method !== 8) this.fail(`member ${quote(name)} uses compression method ${method}`);
      const extra = bytes.subarray(at + 46 + lengths[0], at + 46 + lengths[0] + lengths[1]);
      const sizes = this.sizes64(
        name,
        extra,
        [24, 20, 42].map((k) => view.getUint32(at + k, true)),
      );
      const entry: ZipEntry = {
        name,
        size: sizes[0]!,
        packed: sizes[1]!,
        offset: sizes[2]!,
        deflated: method === 8,
        crc: view.getUint32(at + 16, true),
      };
      if (entry.offset + 30 + entry.packed > this.directory)
        this.fail(`member ${quote(name)} (${entry.packed} bytes at ${entry.offset}) lies outside`);
      if (!entry.deflated && entry.size !== entry.packed)
        this.fail(`member ${quote(name)} is stored, and its two sizes differ (${entry.packed} and ${entry.size})`);
      if (entry.size > entry.packed * MAX_RATIO)
        this.fail(`member ${quote(name)} is said to inflate from ${entry.packed} to ${entry.size} bytes: not possible`);
      if (this.entries.has(name)) this.fail(`two members are named ${quote(name)}`);
      this.entries.set(name, entry);
      at = next;
      seen++;
    }
    if (seen !== count) this.fail(`it is said to have ${count} members and has ${seen}`);
  }

  /** Sizes and offset from the ZIP64 field where the short ones say 0xffffffff. */
  private sizes64(name: string, extra: Uint8Array, short: number[]): number[] {
    if (!short.includes(0xffffffff)) return short;
    const view = viewOf(extra);
    for (let at = 0; at + 4 <= extra.byteLength; at += 4 + view.getUint16(at + 2, true)) {
      if (view.getUint16(at, true) !== 1) continue;
      let field = at + 4;
      const end = Math.min(field + view.getUint16(at + 2, true), extra.byteLength);
      return short.map((n) => {
        if (n !== 0xffffffff) return n;
        if (field + 8 > end) this.fail(`the ZIP64 field of member ${quote(name)} is too short`);
        field += 8;
        return this.big(view, field - 8, `a size of member ${quote(name)}`);
      });
    }
    return short;
  }

  private text(bytes: Uint8Array): string {
    if (bytes.includes(0)) this.fail('a member name holds a NUL character');
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return new TextDecoder('latin1').decode(bytes);
    }
  }

  /** Where the member's bytes begin. */
  private start(e: ZipEntry): number {
    const header = viewOf(this.source.read(e.offset, 30));
    if (header.getUint32(0, true) !== LOCAL) this.fail(`there is no member at ${e.offset} (${quote(e.name)})`);
    const [nameLength, extraLength] = [header.getUint16(26, true), header.getUint16(28, true)];
    const start = e.offset + 30 + nameLength + extraLength;
    if (start + e.packed > this.directory) this.fail(`member ${quote(e.name)} lies outside`);
    const name = this.text(this.source.read(e.offset + 30, nameLength));
    if (name !== e.name) this.fail(`the member ${quote(e.name)} is named ${quote(name)} in its own header`);
    if (header.getUint16(8, true) !== (e.deflated ? 8 : 0))
      this.fail(`the directory and the header of member ${quote(e.name)} name different compression methods`);
    return start;
  }

  private checked(e: ZipEntry, bytes: Uint8Array): Uint8Array {
    if (bytes.byteLength !== e.size)
      this.fail(`member ${quote(e.name)} is said to have ${e.size} bytes and has ${bytes.byteLength}`);
    if (crc32(bytes) !== e.crc) this.fail(`the checksum of member ${quote(e.name)} is wrong`);
    return bytes;
  }

  private inflate(e: ZipEntry): Uint8Array {
    const packed = this.source.read(this.start(e), e.packed);
    try {
      // One chunk for all of it: zlib would otherwise join many.
      const bytes = inflateRawSync(packed, { maxOutputLength: Math.max(e.size, 1), chunkSize: e.size + 64 });
      return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    } catch (error) {
      return this.fail(`member ${quote(e.name)} does not inflate to ${e.size} bytes: ${(error as Error).message}`);
    }
  }

  /** The member's bytes. */
  read(e: ZipEntry): Uint8Array {
    return this.checked(e, e.deflated ? this.inflate(e) : this.source.read(this.start(e), e.packed));
  }

  /** The member's bytes into `target`, which has its size. */
  readInto(e: ZipEntry, target: Uint8Array): void {
    if (e.deflated) target.set(this.read(e));
    else {
      this.source.readInto(target, this.start(e));
      this.checked(e, target);
    }
  }

  /** The first bytes of a member, at most about `length`, without inflating the rest. No checksum is compared. */
  head(e: ZipEntry, length: number): Uint8Array {
    const start = this.start(e);
    if (!e.deflated) return this.source.read(start, Math.min(length, e.packed));
    const packed = this.source.read(start, Math.min(length, e.packed));
    try {
      return inflateRawSync(packed, { finishFlush: constants.Z_SYNC_FLUSH });
    } catch (error) {
      return this.fail(`member ${quote(e.name)} does not inflate: ${(error as Error).message}`);
    }
  }
}

export interface ZipMember {
  readonly name: string;
  readonly data: Uint8Array;
  /** The data begin at a multiple of this. */
  readonly align?: number;
  readonly deflate?: boolean;
}

const MAX32 = 0xffffffff;
/** 1 January 1980: files of equal content are equal. */
const DOS_DATE = 0x21;

/** The bytes of an archive, piece by piece; the data of stored members are passed on as they are. */
export function* zipChunks(members: Iterable<ZipMember>): Generator<Uint8Array> {
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const { name, data, align = 1, deflate = false } of members) {
    const body = deflate ? deflateRawSync(data) : data;
    const crc = crc32(data);
    const encoded = new TextEncoder().encode(name);
    const large = data.byteLength >= MAX32 || body.byteLength >= MAX32;
    const local64 = large ? field64([data.byteLength, body.byteLength]) : new Uint8Array(0);
    const bare = at + 30 + encoded.byteLength + local64.byteLength;
    const padding = bare % align === 0 ? new Uint8Array(0) : paddingField((align - ((bare + 4) % align)) % align);
    const fixed = (signature: number, head: number): DataView => {
      const v = new DataView(new ArrayBuffer(head));
      const o = signature === CENTRAL ? 2 : 0; // the directory has one more field in front
      v.setUint32(0, signature, true);
      if (o) v.setUint16(4, 45, true);
      v.setUint16(4 + o, 45, true);
      v.setUint16(6 + o, 0x800, true); // names are UTF-8
      v.setUint16(8 + o, deflate ? 8 : 0, true);
      v.setUint16(12 + o, DOS_DATE, true);
      v.setUint32(14 + o, crc, true);
      v.setUint32(18 + o, large ? MAX32 : body.byteLength, true);
      v.setUint32(22 + o, large ? MAX32 : data.byteLength, true);
      v.setUint16(26 + o, encoded.byteLength, true);
      return v;
    };
    const local = fixed(LOCAL, 30);
    local.setUint16(28, local64.byteLength + padding.byteLength, true);
    const central = fixed(CENTRAL, 46);
    const far = at >= MAX32;
    const central64 =
      large || far ? field64([...(large ? [data.byteLength, body.byteLength] : []), ...(far ? [at] : [])]) : null;
    central.setUint16(30, central64?.byteLength ?? 0, true);
    central.setUint32(42, far ? MAX32 : at, true);
    directory.push(new Uint8Array(central.buffer), encoded, central64 ?? new Uint8Array(0));
    for (const chunk of [new Uint8Array(local.buffer), encoded, local64, padding, body]) {
      if (chunk.byteLength > 0) yield chunk;
      at += chunk.byteLength;
    }
  }
  yield* directory;
  yield endRecords(
    at,
    directory.reduce((n, d) => n + d.byteLength, 0),
    directory.length / 3,
  );
}

/** An extra field of `length` bytes after its four of header. Its id is the one that PyTorch's own padding has. */
function paddingField(length: number): Uint8Array {
  const field = new Uint8Array(4 + length).fill(0x5a);
  viewOf(field).setUint16(0, 0x4246, true);
  viewOf(field).setUint16(2, length, true);
  return field;
}

function field64(numbers: readonly number[]): Uint8Array {
  const field = new Uint8Array(4 + 8 * numbers.length);
  const v = viewOf(field);
  v.setUint16(0, 1, true);
  v.setUint16(2, 8 * numbers.length, true);
  numbers.forEach((n, i) => v.setBigUint64(4 + 8 * i, BigInt(n), true));
  return field;
}

function endRecords(offset: number, size: number, count: number): Uint8Array {
  const large = offset >= MAX32 || size >= MAX32 || count >= 0xffff;
  const out = new Uint8Array((large ? 76 : 0) + 22);
  const v = viewOf(out);
  let at = 0;
  if (large) {
    v.setUint32(0, END64, true);
    v.setBigUint64(4, 44n, true);
    v.setUint16(12, 45, true);
    v.setUint16(14, 45, true);
    [count, count, size, offset].forEach((n, i) => v.setBigUint64(24 + 8 * i, BigInt(n), true));
    v.setUint32(56, LOCATOR64, true);
    v.setBigUint64(64, BigInt(offset + size), true);
    v.setUint32(72, 1, true);
    at = 76;
  }
  v.setUint32(at, END, true);
  v.setUint16(at + 8, Math.min(count, 0xffff), true);
  v.setUint16(at + 10, Math.min(count, 0xffff), true);
  v.setUint32(at + 12, Math.min(size, MAX32), true);
  v.setUint32(at + 16, Math.min(offset, MAX32), true);
  return out;
}
