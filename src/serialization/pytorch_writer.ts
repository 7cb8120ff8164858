// Writing PyTorch's checkpoint files, so that torch.load(path, weights_only=True) reads them: a pickle of protocol 2 out of the
// instructions that PyTorch's own restricted reader knows, and one record per storage. Tensors that share memory share a record.
import { native } from '../native.js';
import { Parameter } from '../nn/parameter.js';
import { itemSize, type DType } from '../tensor/dtype.js';
import { DTypeError, ValueError } from '../tensor/errors.js';
import { isTensor, unwrap, type Tensor } from '../tensor/handle.js';
import { locationTag } from './devices.js';
import { LEGACY_MAGIC, LEGACY_PROTOCOL } from './pytorch.js';
import { zipChunks } from './zip.js';

const CLASSES: Readonly<Record<DType, string>> = {
  float32: 'FloatStorage',
  float64: 'DoubleStorage',
  float16: 'HalfStorage',
  bfloat16: 'BFloat16Storage',
  int8: 'CharStorage',
  int16: 'ShortStorage',
  int32: 'IntStorage',
  int64: 'LongStorage',
  uint8: 'ByteStorage',
  bool: 'BoolStorage',
};
const MAX_DEPTH = 500;
const BATCH = 1000;

interface StorageRecord {
  readonly key: string;
  readonly dtype: DType;
  readonly numel: number;
  readonly data: Uint8Array;
  readonly location: string;
  /** Keeps the memory alive until it is written. */
  readonly owner: Tensor;
}

/** The archive that torch.save writes, in pieces. */
export function pytorchChunks(value: unknown): Iterable<Uint8Array> {
  const pickler = new Pickler(false);
  const pickle = pickler.pickle(value);
  const text = (s: string): Uint8Array => new TextEncoder().encode(s);
  return zipChunks([
    { name: 'archive/data.pkl', data: pickle, align: 64 },
    { name: 'archive/byteorder', data: text('little'), align: 64 },
    ...[...pickler.storages.values()].map((s) => ({ name: `archive/data/${s.key}`, data: s.data, align: 64 })),
    { name: 'archive/version', data: text('3\n'), align: 64 },
  ]);
}

/** The format before PyTorch 1.6, in pieces. */
export function legacyChunks(value: unknown): Uint8Array[] {
  const one = (x: unknown): Uint8Array => new Pickler(true).pickle(x);
  const pickler = new Pickler(true);
  const object = pickler.pickle(value);
  const system = {
    protocol_version: LEGACY_PROTOCOL,
    little_endian: true,
    type_sizes: { short: 2, int: 4, long: 4 },
  };
  const storages = [...pickler.storages.values()];
  const counts = storages.map((s) => {
    const out = new Uint8Array(8);
    new DataView(out.buffer).setBigInt64(0, BigInt(s.numel), true);
    return out;
  });
  return [
    one(LEGACY_MAGIC),
    one(LEGACY_PROTOCOL),
    one(system),
    object,
    one(storages.map((s) => s.key)),
    ...storages.flatMap((s, i) => [counts[i]!, s.data]),
  ];
}

/** Bytes that grow. */
class Output {
  private bytes = new Uint8Array(1024);
  private length = 0;
  private room(n: number): number {
    if (this.length + n > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + n));
      larger.set(this.bytes.subarray(0, this.length));
      this.bytes = larger;
    }
    this.length += n;
    return this.length - n;
  }
  u8(...values: number[]): void {
    const at = this.room(values.length);
    values.forEach((v, i) => (this.bytes[at + i] = v));
  }
  u32(value: number): void {
    const at = this.room(4);
    new DataView(this.bytes.buffer).setUint32(at, value, true);
  }
  f64(value: number): void {
    const at = this.room(8);
    new DataView(this.bytes.buffer).setFloat64(at, value, false);
  }
  raw(data: Uint8Array): void {
    const at = this.room(data.length); // may move the bytes
    this.bytes.set(data, at);
  }
  done(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}

class Pickler {
  readonly storages = new Map<string, StorageRecord>();
  private readonly out = new Output();
  private readonly memo = new Map<unknown, number>();
  private depth = 0;

  constructor(private readonly legacy: boolean) {}

  pickle(value: unknown): Uint8Array {
    this.out.u8(0x80, 2); // PROTO
    this.save(value, 'the value');
    this.out.u8(0x2e); // STOP
    return this.out.done();
  }

  private save(x: unknown, where: string): void {
    switch (typeof x) {
      case 'undefined':
        return this.out.u8(0x4e);
      case 'boolean':
        return this.out.u8(x ? 0x88 : 0x89);
      case 'number':
        if (Number.isSafeInteger(x) && !Object.is(x, -0)) return this.integer(x);
        this.out.u8(0x47);
        return this.out.f64(x);
      case 'bigint':
        return this.long(x);
      case 'string':
        return this.text(x, where);
      case 'object':
        if (x === null) return this.out.u8(0x4e);
        return this.object(x, where);
      default:
        throw new DTypeError(`save(): ${where} is a ${typeof x}, which a checkpoint cannot hold${moduleHint(x)}`);
    }
  }

  private object(x: object, where: string): void {
    if (this.known(x)) return;
    if (++this.depth > MAX_DEPTH) throw new ValueError(`save(): ${where} is nested more than ${MAX_DEPTH} deep`);
    if (isTensor(x)) this.tensor(x);
    else if (Array.isArray(x)) this.list(x as unknown[], where);
    else if (x instanceof Map) this.dict(x, x.entries(), where);
    else if (x instanceof Set) this.set(x, where);
    else if (x instanceof Uint8Array) this.bytesObject(x);
    else if (Object.getPrototypeOf(x) === Object.prototype || Object.getPrototypeOf(x) === null)
      this.dict(x, keyed(x as Record<string, unknown>), where);
    else {
      throw new DTypeError(
        `save(): ${where} is a ${x.constructor.name}, which a checkpoint cannot hold (tensors, numbers, strings, booleans, null, ` +
          'arrays, records, Maps, Sets and Uint8Arrays can be saved)',
      );
    }
    this.depth--;
  }

  // ---- numbers and text ----

  private integer(x: number): void {
    if (x >= 0 && x < 256) this.out.u8(0x4b, x);
    else if (x >= 0 && x < 65536) this.out.u8(0x4d, x & 255, x >> 8);
    else if (x >= -(2 ** 31) && x < 2 ** 31) {
      this.out.u8(0x4a);
      this.out.u32(x >>> 0);
    } else this.long(BigInt(x));
  }
  private long(x: bigint): void {
    let n = 1;
    while (BigInt.asIntN(n * 8, x) !== x) n++;
    if (n > 255) throw new ValueError(`save(): an integer of ${n} bytes is too large for a checkpoint`);
    this.out.u8(0x8a, n);
    for (let i = 0; i < n; i++) this.out.u8(Number((x >> BigInt(8 * i)) & 255n));
  }
  private text(x: string, where: string): void {
    if (/\p{Surrogate}/u.test(x)) throw new ValueError(`save(): ${where} is a string with half a surrogate pair`);
    const data = new TextEncoder().encode(x);
    this.out.u8(0x58);
    this.out.u32(data.length);
    this.out.raw(data);
  }
  private global(module: string, name: string): void {
    if (this.known(`${module} ${name}`)) return;
    this.out.u8(0x63);
    this.out.raw(new TextEncoder().encode(`${module}\n${name}\n`));
    this.remember(`${module} ${name}`);
  }

  // ---- containers ----

  private list(x: unknown[], where: string): void {
    this.out.u8(0x5d);
    this.remember(x);
    for (let at = 0; at < x.length; at += BATCH) {
      this.out.u8(0x28);
      for (let i = at; i < Math.min(at + BATCH, x.length); i++) this.save(x[i], `${where}[${i}]`);
      this.out.u8(0x65);
    }
  }
  private dict(x: object, entries: Iterable<readonly [unknown, unknown]>, where: string): void {
    this.out.u8(0x7d);
    this.remember(x);
    const list = [...entries];
    for (let at = 0; at < list.length; at += BATCH) {
      this.out.u8(0x28);
      for (const [k, v] of list.slice(at, at + BATCH)) {
        if (typeof k === 'object' && k !== null) throw new DTypeError(`save(): a key of ${where} is an object`);
        this.save(k, `a key of ${where}`);
        this.save(v, `${where}[${typeof k === 'string' ? JSON.stringify(k) : String(k)}]`);
      }
      this.out.u8(0x75);
    }
  }
  private set(x: Set<unknown>, where: string): void {
    this.global('__builtin__', 'set');
    this.save([...x], where);
    this.out.u8(0x85, 0x52);
    this.remember(x);
  }
  /** As Python's own protocol 2 writes bytes. */
  private bytesObject(x: Uint8Array): void {
    this.global('_codecs', 'encode');
    this.text(Buffer.from(x).toString('latin1'), 'bytes');
    this.text('latin1', 'bytes');
    this.out.u8(0x86, 0x52);
    this.remember(x);
  }

  // ---- tensors ----

  private tensor(x: Tensor): void {
    if (x instanceof Parameter) {
      this.global('torch._utils', '_rebuild_parameter');
      this.out.u8(0x28);
      this.rebuild(x, false);
      this.out.u8(x.requiresGrad ? 0x88 : 0x89);
      this.hooks();
      this.out.u8(0x74, 0x52);
    } else this.rebuild(x, x.requiresGrad);
    this.remember(x);
  }
  private rebuild(x: Tensor, requiresGrad: boolean): void {
    const record = this.storage(x);
    this.global('torch._utils', '_rebuild_tensor_v2');
    this.out.u8(0x28, 0x28);
    this.text('storage', '');
    this.global('torch', CLASSES[record.dtype]);
    this.text(record.key, '');
    this.text(record.location, '');
    this.integer(record.numel);
    if (this.legacy) this.out.u8(0x4e); // no view of another storage
    this.out.u8(0x74, 0x51); // TUPLE, BINPERSID
    this.integer(native.offset(unwrap(x)));
    this.sizes(x.shape);
    this.sizes(x.stride());
    this.out.u8(requiresGrad ? 0x88 : 0x89);
    this.hooks();
    this.out.u8(0x74, 0x52);
  }
  private sizes(x: readonly number[]): void {
    this.out.u8(0x28);
    for (const n of x) this.integer(n);
    this.out.u8(0x74);
  }
  /** No hooks: an empty OrderedDict. */
  private hooks(): void {
    this.global('collections', 'OrderedDict');
    this.out.u8(0x29, 0x52);
  }
  private storage(x: Tensor): StorageRecord {
    const h = unwrap(x);
    const id = x.numel() === 0 ? `empty ${this.storages.size}` : String(native.storageId(h));
    const known = this.storages.get(id);
    if (known !== undefined) {
      if (known.dtype !== x.dtype)
        throw new DTypeError(
          `save(): tensors of dtype ${known.dtype} and ${x.dtype} share one storage: a checkpoint cannot hold both`,
        );
      return known;
    }
    const width = itemSize(x.dtype);
    const numel = x.numel() === 0 ? native.offset(h) : Math.floor(native.storageBytes(h) / width);
    const data = x.numel() === 0 ? new Uint8Array(numel * width) : new Uint8Array(native.buffer(h), 0, numel * width);
    const record = { key: String(this.storages.size), dtype: x.dtype, numel, data, location: locationTag(x), owner: x };
    this.storages.set(id, record);
    return record;
  }

  // ---- the memo ----

  private remember(x: unknown): void {
    const index = this.memo.size;
    this.memo.set(x, index);
    if (index < 256) this.out.u8(0x71, index);
    else {
      this.out.u8(0x72);
      this.out.u32(index);
    }
  }
  private known(x: unknown): boolean {
    const index = this.memo.get(x);
    if (index === undefined) return false;
    if (index < 256) this.out.u8(0x68, index);
    else {
      this.out.u8(0x6a);
      this.out.u32(index);
    }
    return true;
  }
}

/**
 * Entries of a record. An optimizer's state (`{ state, param_groups }`) numbers its parameters: JavaScript has these numbers as
 * text, PyTorch needs them as integers.
 */
function keyed(x: Record<string, unknown>): Iterable<readonly [unknown, unknown]> {
  const entries = Object.entries(x);
  const { state } = x;
  if (!Array.isArray(x['param_groups']) || typeof state !== 'object' || state === null || state instanceof Map)
    return entries;
  const numbered = Object.entries(state).map(([k, v]): [unknown, unknown] => [/^\d+$/.test(k) ? Number(k) : k, v]);
  return entries.map(([k, v]): [unknown, unknown] => [k, k === 'state' ? new Map(numbered) : v]);
}

const moduleHint = (x: unknown): string =>
  typeof x === 'function' && 'stateDict' in x ? '; save its stateDict()' : '';
