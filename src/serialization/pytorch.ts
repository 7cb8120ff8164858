// PyTorch's checkpoint files: the zip archive since 1.6 (data.pkl and one record per storage) and the format before it (five
// pickles, then the storages). The pickles are read by the restricted machine of unpickler.ts.
// Source: the layout that torch.save writes, as torch/serialization.py documents it.
import type { ByteSource } from './bytes.js';
import { checkLocation, type MapLocation } from './devices.js';
import { failer, quote, type Fail } from './errors.js';
import { finish } from './pickle.js';
import { Globals } from './pickle_globals.js';
import { Storage, StorageType, StorageView } from './storage.js';
import { swapBytes } from './tensors.js';
import { unpickle } from './unpickler.js';
import { ZipReader, type ZipEntry } from './zip.js';

export interface PyTorchOptions {
  readonly mapLocation: MapLocation | null;
}

/** Magic number of the format before 1.6, as its pickle gives it. */
export const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;
export const LEGACY_PROTOCOL = 1001;
/** Pickles are stored; a compressed one larger than this is no checkpoint's. */
const MAX_INFLATED_PICKLE = 256 * 2 ** 20;

/** Reads a checkpoint: whatever value it holds. */
export function readPyTorch(source: ByteSource, options: PyTorchOptions): unknown {
  const fail = failer(source.name);
  const start = source.read(0, Math.min(source.size, 4));
  if (start.length === 0) fail('not a PyTorch file: it is empty');
  if (start[0] === 0x50 && start[1] === 0x4b) return readZip(new ZipReader(source), fail, options);
  if (start[0] === 0x80) return readLegacy(source, fail, options);
  return fail('not a PyTorch file: it is neither a zip archive nor a pickle');
}

/** The parts of a persistent id ('storage', class, key, location, elements). */
function storageId(id: unknown, fail: Fail): [StorageType, string, string, number, unknown] {
  const bad: Fail = (what) => fail(`a persistent id ${what}`);
  if (!Array.isArray(id) || id[0] !== 'storage' || id.length < 5 || id.length > 6)
    return bad('is not that of a storage');
  const [, type, key, location, numel, view = null] = id as unknown[];
  if (!(type instanceof StorageType)) return bad('names no storage class');
  if (typeof key !== 'string') return bad('has a storage key that is no string');
  if (typeof location !== 'string') return bad('has a device that is no string');
  if (typeof numel !== 'number' || !Number.isSafeInteger(numel) || numel < 0)
    return bad('has a number of elements that is none');
  return [type, key, location, numel, view];
}

/** The storages of one file by key. Naming one twice must name the same. */
class Storages {
  private readonly byKey = new Map<string, Storage>();
  constructor(
    private readonly fail: Fail,
    private readonly options: PyTorchOptions,
    private readonly reader: (s: Storage) => (target: Uint8Array, width: number) => void,
  ) {}
  get(type: StorageType, key: string, location: string, numel: number): Storage {
    const known = this.byKey.get(key);
    if (known !== undefined) {
      if (known.type.dtype !== type.dtype || known.numel !== numel)
        this.fail(
          `storage ${quote(key)} is named as ${known.numel} elements of ${known.type.name} and as ${numel} of ${type.name}`,
        );
      return known;
    }
    checkLocation(location, this.options.mapLocation, this.fail);
    const storage: Storage = new Storage(key, type, location, numel, (t, w) => this.reader(storage)(t, w), this.fail);
    this.byKey.set(key, storage);
    return storage;
  }
  find(key: string): Storage | undefined {
    return this.byKey.get(key);
  }
  all(): Iterable<Storage> {
    return this.byKey.values();
  }
}

function readZip(zip: ZipReader, fail: Fail, options: PyTorchOptions): unknown {
  const names = [...zip.entries.keys()];
  if (names.some((n) => n.endsWith('constants.pkl') || /(^|\/)code\//.test(n)))
    fail('it is a TorchScript archive (a program), not a checkpoint; save the module’s state_dict() in Python');
  const pickles = names.filter((n) => /^(?:[^/]+\/)?data\.pkl$/.test(n));
  if (pickles.length !== 1)
    fail(`not a PyTorch archive: it has ${pickles.length === 0 ? 'no data.pkl' : `${pickles.length} data.pkl`}`);
  const folder = pickles[0]!.slice(0, -'data.pkl'.length);
  const order = zip.entries.get(`${folder}byteorder`);
  const swap = order !== undefined && bigEndian(zip, order, fail);
  const recordOf = (s: Storage): ZipEntry =>
    zip.entries.get(`${folder}data/${s.key}`) ?? fail(`it has no record for storage ${quote(s.key)}`);
  const storages = new Storages(fail, options, (s) => (target, width) => {
    // A shared storage may end with bytes that make no whole element.
    const entry = recordOf(s);
    if (entry.size === target.byteLength) zip.readInto(entry, target);
    else target.set(zip.read(entry).subarray(0, target.byteLength));
    if (swap) swapBytes(target, width);
  });
  const globals = new Globals(fail);
  const pickle = zip.entries.get(pickles[0]!)!;
  if (pickle.deflated && pickle.size > MAX_INFLATED_PICKLE) fail(`its data.pkl inflates to ${pickle.size} bytes`);
  const bytes = zip.read(pickle);
  const { value, end } = unpickle(
    bytes,
    0,
    {
      find: (module, name) => globals.find(module, name),
      persistent: (id) => {
        const [type, key, location, numel] = storageId(id, fail);
        const s = storages.get(type, key, location, numel);
        const { size } = recordOf(s);
        if (size < s.bytes || size - s.bytes >= 16)
          fail(
            `storage ${quote(key)} is said to have ${numel} elements (${s.bytes} bytes), its record has ${size} bytes`,
          );
        return s;
      },
    },
    fail,
  );
  if (end !== bytes.length) fail(`${bytes.length - end} bytes follow its pickle`);
  return finish(value, fail);
}

function bigEndian(zip: ZipReader, entry: ZipEntry, fail: Fail): boolean {
  const text = entry.size > 16 ? '' : Buffer.from(zip.read(entry)).toString('latin1');
  if (text !== 'little' && text !== 'big') fail(`its record byteorder says ${quote(text)}`);
  return text === 'big';
}

/** Element counts are eight bytes before each storage. */
function readLegacy(source: ByteSource, fail: Fail, options: PyTorchOptions): unknown {
  const places = new Map<string, number>();
  const storages = new Storages(fail, options, (s) => (target) => source.readInto(target, places.get(s.key)!));
  const views = new Map<string, StorageView>();
  const globals = new Globals(fail);
  const persistent = (id: unknown): Storage | StorageView => {
    const [type, key, location, numel, view] = storageId(id, fail);
    const s = storages.get(type, key, location, numel);
    if (view === null) return s;
    const [viewKey, offset, size] = Array.isArray(view) ? (view as unknown[]) : [];
    if (typeof viewKey !== 'string' || !Number.isSafeInteger(offset) || !Number.isSafeInteger(size))
      return fail('a view of a storage is damaged');
    if ((offset as number) < 0 || (size as number) < 0 || (offset as number) + (size as number) > numel)
      fail(`a view of storage ${quote(key)} leads outside`);
    const known = views.get(viewKey) ?? new StorageView(s, offset as number, size as number);
    views.set(viewKey, known);
    return known;
  };
  const plain: Globals['find'] = (module, name) =>
    fail(`it uses the name ${quote(`${module}.${name}`)} where none is needed`);
  // Everything but the storages is small; it is read as one piece.
  const bytes = source.read(0, source.size);
  let at = 0;
  const next = (full: boolean): unknown => {
    const host = full
      ? { find: (m: string, n: string) => globals.find(m, n), persistent }
      : { find: plain, persistent: () => fail('a persistent id where none is needed') };
    const { value, end } = unpickle(bytes, at, host, fail);
    at = end;
    return value;
  };
  const magic = next(false);
  if (magic !== LEGACY_MAGIC) fail('not a PyTorch file: a pickle without the magic number of torch.save');
  const version = next(false);
  if (version !== LEGACY_PROTOCOL) fail(`its protocol version is ${String(version)}, ${LEGACY_PROTOCOL} is known`);
  next(false); // the writer's system: numbers are little-endian whatever it says
  const root = next(true);
  const keys = next(false);
  if (!Array.isArray(keys)) return fail('its list of storage keys is damaged');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const key of keys as unknown[]) {
    const s = typeof key === 'string' ? storages.find(key) : undefined;
    if (s === undefined) return fail(`its list of storages names ${quote(String(key))}, which no tensor has`);
    if (places.has(s.key)) fail(`its list of storages names ${quote(s.key)} twice`);
    if (at + 8 > bytes.length) fail(`it is cut off before storage ${quote(s.key)}`);
    const count = view.getBigInt64(at, true);
    if (count !== BigInt(s.numel)) fail(`storage ${quote(s.key)} has ${count} elements, the pickle says ${s.numel}`);
    if (s.bytes > bytes.length - at - 8) fail(`it is cut off in storage ${quote(s.key)}`);
    places.set(s.key, at + 8);
    at += 8 + s.bytes;
  }
  for (const s of storages.all()) if (!places.has(s.key)) fail(`it has no values for storage ${quote(s.key)}`);
  if (at !== bytes.length) fail(`${bytes.length - at} bytes follow its last storage`);
  return finish(root, fail);
}
