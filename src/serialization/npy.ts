// NumPy's array files: .npy (versions 1 to 3) and .npz (a zip archive of them). The header is a Python literal, read by a
// grammar of our own that knows strings, booleans, integers and tuples: nothing is ever evaluated.
// Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
import { native } from '../native.js';
import type { DType } from '../tensor/dtype.js';
import { DTypeError, ValueError } from '../tensor/errors.js';
import { unwrap, wrap, type Tensor } from '../tensor/handle.js';
import type { ByteSource } from './bytes.js';
import { failer, quote, type Fail } from './errors.js';
import { swapBytes, tensorFilled, tensorToBytes, widenUnsigned } from './tensors.js';
import { ZipReader, zipChunks, type ZipMember } from './zip.js';

/** Element types by NumPy's code without the byte order; `null`: there is no such dtype here, the values go to int64. */
const TYPES: ReadonlyMap<string, { readonly dtype: DType | null; readonly width: number }> = new Map([
  ['f2', { dtype: 'float16', width: 2 }],
  ['f4', { dtype: 'float32', width: 4 }],
  ['f8', { dtype: 'float64', width: 8 }],
  ['i1', { dtype: 'int8', width: 1 }],
  ['i2', { dtype: 'int16', width: 2 }],
  ['i4', { dtype: 'int32', width: 4 }],
  ['i8', { dtype: 'int64', width: 8 }],
  ['u1', { dtype: 'uint8', width: 1 }],
  ['u2', { dtype: null, width: 2 }],
  ['u4', { dtype: null, width: 4 }],
  ['u8', { dtype: null, width: 8 }],
  ['b1', { dtype: 'bool', width: 1 }],
]);
const CODES: ReadonlyMap<DType, string> = new Map(
  [...TYPES].flatMap(([code, { dtype, width }]) => (dtype === null ? [] : [[dtype, (width === 1 ? '|' : '<') + code]])),
);
const MAX_DIMS = 64;
/** NumPy itself refuses longer ones unless it is told to trust the file. */
const MAX_HEADER = 1 << 20;

/** An array's elements as a file describes them. */
export interface ArrayLayout {
  readonly dtype: DType | null;
  readonly width: number;
  readonly bigEndian: boolean;
  readonly fortran: boolean;
  readonly shape: readonly number[];
  /** Bytes of all elements. */
  readonly bytes: number;
}

/** Checks a NumPy dtype code ('<f4') and a shape. */
export function arrayLayout(descr: string, shape: readonly unknown[], fortran: boolean, fail: Fail): ArrayLayout {
  const parsed = /^([<>=|]?)([a-zA-Z?]\d*)$/.exec(descr);
  const type = parsed ? TYPES.get(parsed[2]!) : undefined;
  if (!parsed || !type) {
    const cure = /O/.test(descr) ? ' (objects are pickles of any Python value)' : '';
    return fail(`the dtype ${quote(descr)} is not supported${cure}; supported: ${[...TYPES.keys()].join(' ')}`);
  }
  if (shape.length > MAX_DIMS) fail(`it has ${shape.length} dimensions, at most ${MAX_DIMS} are allowed`);
  let count = 1;
  for (const size of shape) {
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
      return fail(`its shape holds ${String(size)}; sizes are integers of 0 and more`);
    if (size !== 0) count *= size;
    if (!Number.isSafeInteger(count * type.width)) fail(`its shape (${shape.join(', ')}) is too large`);
  }
  if (shape.includes(0)) count = 0;
  const sizes = shape as readonly number[];
  return { ...type, bigEndian: parsed[1] === '>', fortran, shape: sizes, bytes: count * type.width };
}

/** The tensor of a layout; `fill` writes the file's bytes. Row-major, whatever the file's order is. */
export function tensorOfLayout(a: ArrayLayout, fill: (bytes: Uint8Array) => void, fail: Fail): Tensor {
  const stored = a.fortran && a.shape.length > 1 ? [...a.shape].reverse() : a.shape;
  const filled = (bytes: Uint8Array): void => {
    fill(bytes);
    if (a.bigEndian) swapBytes(bytes, a.width);
    // Any byte but 0 is true to NumPy; ours holds 0 and 1 only.
    if (a.dtype === 'bool') bytes.forEach((b, i) => (bytes[i] = b === 0 ? 0 : 1));
  };
  let t: Tensor;
  if (a.dtype === null) {
    const bytes = new Uint8Array(a.bytes);
    filled(bytes);
    t = widenUnsigned(bytes, a.width, stored, fail);
  } else {
    t = tensorFilled(a.dtype, stored, filled);
  }
  if (stored === a.shape) return t;
  const axes = stored.map((_, i) => stored.length - 1 - i);
  return wrap(native.ops.contiguous(native.ops.permute(unwrap(t), axes)));
}

interface Header {
  readonly layout: ArrayLayout;
  /** Where the elements begin. */
  readonly start: number;
}

/** The header at the start of `bytes`, which may be only the beginning of the file. */
function parseHeader(bytes: Uint8Array, fail: Fail): Header {
  const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
  if (bytes.byteLength < 10 || magic.some((m, i) => bytes[i] !== m)) fail('it does not begin with \\x93NUMPY');
  const [major, minor] = [bytes[6]!, bytes[7]!];
  if (major < 1 || major > 3 || minor !== 0)
    fail(`its format version is ${major}.${minor}; 1.0, 2.0 and 3.0 are known`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = major > 1;
  if (wide && bytes.byteLength < 12) fail('it is cut off in its header');
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  const start = (wide ? 12 : 10) + length;
  if (length > MAX_HEADER) fail(`its header is said to have ${length} bytes, at most ${MAX_HEADER} are allowed`);
  if (start > bytes.byteLength) fail(`its header is said to have ${length} bytes, beyond the end of the file`);
  let text: string;
  try {
    text = new TextDecoder(major === 3 ? 'utf-8' : 'latin1', { fatal: true }).decode(
      bytes.subarray(start - length, start),
    );
  } catch {
    return fail('its header is not UTF-8');
  }
  return { layout: new LiteralReader(text, fail).read(), start };
}

const STRING = /'([^'\\\n]*)'|"([^"\\\n]*)"/y;
const INTEGER = /(-?[0-9]+)L?(?![0-9A-Za-z_.])/y;
const WORD = /True|False/y;
const SPACE = /[ \t\n]*/y;

/** Reads {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }. */
class LiteralReader {
  private at = 0;
  constructor(
    private readonly text: string,
    private readonly fail: Fail,
  ) {}

  read(): ArrayLayout {
    const found = new Map<string, unknown>();
    this.expect('{');
    while (!this.take('}')) {
      const key = this.string();
      if (!['descr', 'fortran_order', 'shape'].includes(key)) this.fail(`unknown key ${quote(key)} in its header`);
      if (found.has(key)) this.fail(`the key ${quote(key)} occurs twice in its header`);
      this.expect(':');
      found.set(key, key === 'descr' ? this.descr() : key === 'shape' ? this.shape() : this.boolean());
      if (!this.take(',')) {
        this.expect('}');
        break;
      }
    }
    this.space();
    if (this.at !== this.text.length) this.fail(`something follows its header: ${this.here()}`);
    for (const key of ['descr', 'fortran_order', 'shape']) if (!found.has(key)) this.fail(`its header has no ${key}`);
    return arrayLayout(
      found.get('descr') as string,
      found.get('shape') as number[],
      found.get('fortran_order') as boolean,
      this.fail,
    );
  }
  private descr(): string {
    this.space();
    if (this.text[this.at] === '[') this.fail('its dtype is structured (several fields), which is not supported');
    return this.string();
  }
  private shape(): number[] {
    const sizes: number[] = [];
    this.expect('(');
    let commas = 0;
    while (!this.take(')')) {
      const digits = this.match(INTEGER);
      if (digits === null) return this.fail(`its shape must hold integers, got ${this.here()}`);
      sizes.push(Number(digits[1]));
      if (!this.take(',')) {
        this.expect(')');
        break;
      }
      commas++;
    }
    if (sizes.length === 1 && commas === 0) this.fail('its shape is a number, not a tuple');
    return sizes;
  }
  private boolean(): boolean {
    const word = this.match(WORD);
    if (word === null) return this.fail(`fortran_order must be True or False, got ${this.here()}`);
    return word[0] === 'True';
  }
  private string(): string {
    const found = this.match(STRING);
    if (found === null) return this.fail(`its header must hold a string here: ${this.here()}`);
    return found[1] ?? found[2]!;
  }
  private match(pattern: RegExp): RegExpExecArray | null {
    this.space();
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at += found[0].length;
    return found;
  }
  private take(char: string): boolean {
    this.space();
    if (this.text[this.at] !== char) return false;
    this.at++;
    return true;
  }
  private expect(char: string): void {
    if (!this.take(char)) this.fail(`its header should have '${char}' here: ${this.here()}`);
  }
  private space(): void {
    SPACE.lastIndex = this.at;
    this.at += SPACE.exec(this.text)![0].length;
  }
  private here(): string {
    return this.at < this.text.length ? quote(this.text.slice(this.at, this.at + 16)) : 'the end';
  }
}

const failNpy = (name: string): Fail => {
  const fail = failer(name);
  return (reason) => fail(`not a .npy file that can be read: ${reason}`);
};

/** The array of a .npy file. */
export function readNpy(source: ByteSource): Tensor {
  const fail = failNpy(source.name);
  const { layout, start } = parseHeader(source.read(0, Math.min(source.size, MAX_HEADER + 12)), fail);
  checkSize(layout, start, source.size, fail);
  return tensorOfLayout(layout, (bytes) => source.readInto(bytes, start), fail);
}

function checkSize(layout: ArrayLayout, start: number, size: number, fail: Fail): void {
  if (start + layout.bytes !== size)
    fail(`its shape (${layout.shape.join(', ')}) needs ${layout.bytes} bytes, ${size - start} follow the header`);
}

/** Bytes of a member that are inflated to see its header. */
const HEAD = 4096;

/** The arrays of a .npz file by name, in order. */
export function readNpz(source: ByteSource): Record<string, Tensor> {
  const zip = new ZipReader(source);
  const arrays = [...zip.entries.values()].map((entry): [string, Tensor] => {
    const fail = failNpy(`${source.name}: member ${quote(entry.name)}`);
    if (!entry.name.endsWith('.npy')) fail('its name does not end in .npy');
    // The header first: what it declares must be what the archive holds before all of it is inflated.
    const { layout, start } = parseHeader(zip.head(entry, HEAD), fail);
    checkSize(layout, start, entry.size, fail);
    const bytes = zip.read(entry);
    return [entry.name.slice(0, -4), tensorOfLayout(layout, (target) => target.set(bytes.subarray(start)), fail)];
  });
  return Object.fromEntries(arrays);
}

/** The header of a row-major array; its length makes the elements begin at a multiple of 64. */
function header(descr: string, shape: readonly number[]): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const out = new Uint8Array(10 + length).fill(0x20);
  out.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  new DataView(out.buffer).setUint16(8, length, true);
  out.set(new TextEncoder().encode(text), 10);
  out[out.length - 1] = 0x0a;
  return out;
}

/** A .npy file, in pieces. Throws DTypeError for bfloat16, which NumPy lacks. */
export function npyChunks(t: Tensor): Uint8Array[] {
  const descr = CODES.get(t.dtype);
  if (descr === undefined) throw new DTypeError(`save(): NumPy has no ${t.dtype}; use .float() or another file format`);
  const { shape, data } = tensorToBytes(t);
  return [header(descr, shape), data];
}

/** A .npz file, in pieces. */
export function npzChunks(arrays: Iterable<readonly [string, Tensor]>, compressed: boolean): Iterable<Uint8Array> {
  const members: ZipMember[] = [];
  for (const [name, t] of arrays) {
    if (members.some((m) => m.name === `${name}.npy`))
      throw new ValueError(`save(): two arrays are named ${quote(name)}`);
    const [head, data] = npyChunks(t) as [Uint8Array, Uint8Array];
    const all = new Uint8Array(head.byteLength + data.byteLength);
    all.set(head);
    all.set(data, head.byteLength);
    members.push({ name: `${name}.npy`, data: all, deflate: compressed });
  }
  return zipChunks(members);
}
