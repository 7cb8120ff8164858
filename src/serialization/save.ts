// fb.save and fb.load: values in files, the format by the extension or by what the file begins with.
import { extname } from 'node:path';
import { DTypeError, FileError } from '../tensor/errors.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { concatBytes, openSource, pathOf, writeFileAtomic, type ByteSource, type FileLike } from './bytes.js';
import { checkLocation, type MapLocation } from './devices.js';
import { failer } from './errors.js';
import { npyChunks, npzChunks, readNpy, readNpz } from './npy.js';
import { isOptimizerState, OPTIMIZER_TEXT, packOptimizerState, unpackOptimizerState } from './optimizer_state.js';
import { readPyTorch } from './pytorch.js';
import { legacyChunks, pytorchChunks } from './pytorch_writer.js';
import { checkBools, dtypeOfFormat, readSafetensorsIndex, safetensorsChunks } from './safetensors.js';
import { tensorFilled, tensorToBytes, widenUnsigned } from './tensors.js';

/** `pytorch-legacy` is the format before PyTorch 1.6; reading tells the two apart itself. */
export type FileFormat = 'safetensors' | 'pytorch' | 'pytorch-legacy' | 'npy' | 'npz';

const EXTENSIONS: ReadonlyMap<string, FileFormat> = new Map([
  ['.safetensors', 'safetensors'],
  ['.pt', 'pytorch'],
  ['.pth', 'pytorch'],
  ['.bin', 'pytorch'],
  ['.ckpt', 'pytorch'],
  ['.tar', 'pytorch'],
  ['.npy', 'npy'],
  ['.npz', 'npz'],
]);

export interface SaveOptions {
  /** Instead of the one that the extension names. */
  readonly format?: FileFormat;
  /** safetensors: text to store with the tensors. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** npz: deflate the arrays. */
  readonly compressed?: boolean;
}
export interface LoadOptions {
  /** Instead of the one that the extension or the file's first bytes name. */
  readonly format?: FileFormat;
  /** Where tensors go: needed for files that were saved on a device that is not here. */
  readonly mapLocation?: MapLocation | null;
  /**
   * Accepted for PyTorch's sake: files are always read as values only. No code of a file ever runs, and only the names of
   * `addSafeGlobals` are called.
   */
  readonly weightsOnly?: boolean;
}

function unknownType(path: string): never {
  throw new FileError(
    `${path}: files of type '${extname(path)}' are not supported (supported: ${[...EXTENSIONS.keys()].join(', ')}; or give the option format)`,
  );
}

/**
 * Writes a value to a file; the format is that of the extension: `.safetensors` (named tensors, or an
 * optimizer's state dict), `.pt`, `.pth`, `.bin`, `.ckpt`
 * (PyTorch's: any value of tensors, numbers, strings, arrays, records, Maps), `.npy` (one tensor), `.npz` (named tensors, or an
 * array of them). The file appears whole or not at all. Throws FileError for another extension, DTypeError for values that
 * the format cannot hold.
 * @example fb.save(net.stateDict(), 'net.pt');  fb.save({ model: net.stateDict(), optimizer: opt.stateDict(), epoch }, 'run.pt')
 */
export function save(value: unknown, path: string | URL, options: SaveOptions = {}): void {
  const file = pathOf(path);
  const format = options.format ?? EXTENSIONS.get(extname(file).toLowerCase()) ?? unknownType(file);
  writeFileAtomic(file, chunksOf(value, format, options));
}

/** What `save` writes, in memory. @example const bytes = fb.serialization.serialize(net.stateDict(), { format: 'pytorch' }) */
export function serialize(value: unknown, options: SaveOptions & { readonly format: FileFormat }): Uint8Array {
  return concatBytes(chunksOf(value, options.format, options));
}

function chunksOf(value: unknown, format: FileFormat, options: SaveOptions): Iterable<Uint8Array> {
  switch (format) {
    case 'pytorch':
      return pytorchChunks(value);
    case 'pytorch-legacy':
      return legacyChunks(value);
    case 'safetensors':
      return safetensorsOf(value, options.metadata ?? {});
    case 'npy':
      if (!isTensor(value)) throw new DTypeError('save(): a .npy file holds one tensor; use .npz for several');
      return npyChunks(value);
    case 'npz':
      return npzChunks(
        namedTensors(
          Array.isArray(value) ? Object.fromEntries(value.map((t, i) => [`arr_${i}`, t as unknown])) : value,
        ),
        options.compressed ?? false,
      );
    default:
      throw new FileError(`save(): unknown format '${String(format satisfies never)}'`);
  }
}

function safetensorsOf(value: unknown, metadata: Readonly<Record<string, string>>): Iterable<Uint8Array> {
  const state = isOptimizerState(value) ? packOptimizerState(value) : null;
  const tensors = state === null ? namedTensors(value) : state.tensors;
  return safetensorsChunks(
    tensors.map(([name, t]) => [name, tensorToBytes(t)] as const),
    Object.entries(state === null ? metadata : { ...metadata, [OPTIMIZER_TEXT]: state.text }),
  );
}

function namedTensors(value: unknown): [string, Tensor][] {
  if (typeof value !== 'object' || value === null || isTensor(value) || Array.isArray(value))
    throw new DTypeError('save(): named tensors are needed in this format: { name: tensor, ... }');
  const entries: [unknown, unknown][] = value instanceof Map ? [...value] : Object.entries(value);
  for (const [name, t] of entries) {
    if (!isTensor(t)) {
      throw new DTypeError(
        `save(): the value of '${String(name)}' is no tensor; only named tensors can be stored in this format`,
      );
    }
  }
  return entries as [string, Tensor][];
}

/**
 * Reads a value from a file (or from bytes): PyTorch's checkpoints, safetensors, NumPy's arrays. Named tensors come as a plain
 * object, one array of a .npy file as a tensor; Python's dicts with other keys than strings as Maps, tuples as arrays,
 * integers beyond 2^53 as bigints. Throws FileError when the file is missing, damaged, of another type, or would run code.
 * @example net.loadStateDict(fb.load('resnet18-from-pytorch.pt'));  const x = fb.load('x.npy')
 */
export function load(path: `${string}.npy`, options?: LoadOptions): Tensor;
export function load<T = Record<string, Tensor>>(path: FileLike, options?: LoadOptions): T;
export function load(from: FileLike, options: LoadOptions = {}): unknown {
  const source = openSource(from);
  try {
    const format = options.format ?? EXTENSIONS.get(extname(source.name).toLowerCase()) ?? sniff(source);
    const mapLocation = options.mapLocation ?? null;
    switch (format) {
      case 'pytorch':
      case 'pytorch-legacy':
        return readPyTorch(source, { mapLocation });
      case 'safetensors':
        checkLocation('cpu', mapLocation, failer(source.name));
        return readSafetensors(source);
      case 'npy':
        return readNpy(source);
      case 'npz':
        return readNpz(source);
      default:
        throw new FileError(`load(): unknown format '${String(format satisfies never)}'`);
    }
  } finally {
    source.close();
  }
}

/** The format by the first bytes, for files with another extension and for bytes in memory. */
function sniff(source: ByteSource): FileFormat {
  const start = Buffer.from(source.read(0, Math.min(source.size, 9)));
  if (start[0] === 0x80) return 'pytorch';
  if (start[0] === 0x93 && start.toString('latin1', 1, 6) === 'NUMPY') return 'npy';
  if (start.length === 9 && start[8] === 0x7b) return 'safetensors';
  if (start.toString('latin1', 0, 2) !== 'PK') return unknownType(source.name);
  const name = Buffer.from(source.read(0, Math.min(source.size, 300))).toString('latin1', 30);
  return name.includes('.npy') ? 'npz' : 'pytorch';
}

/** Each tensor goes from the file into its own memory. */
function readSafetensors(source: ByteSource): unknown {
  const fail = failer(source.name);
  const { places, metadata } = readSafetensorsIndex(source);
  const tensors = [...places].map(([name, place]): [string, Tensor] => {
    const dtype = dtypeOfFormat(place.format);
    if (dtype === null) {
      const width = Number(place.format.slice(1)) / 8;
      return [name, widenUnsigned(source.read(place.offset, place.bytes), width, place.shape, fail)];
    }
    return [
      name,
      tensorFilled(dtype, place.shape, (bytes) => {
        source.readInto(bytes, place.offset);
        if (dtype === 'bool') checkBools(name, bytes, fail);
      }),
    ];
  });
  const state = metadata.get(OPTIMIZER_TEXT);
  if (state !== undefined) return unpackOptimizerState(state, new Map(tensors), fail);
  // fromEntries makes own properties of all names, `__proto__` included.
  return Object.fromEntries(tensors);
}

/** The text that a safetensors file carries beside its tensors. */
export function readMetadata(from: FileLike): Record<string, string> {
  const source = openSource(from);
  try {
    return Object.fromEntries(readSafetensorsIndex(source).metadata);
  } finally {
    source.close();
  }
}
