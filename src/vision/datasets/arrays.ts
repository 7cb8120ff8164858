// Sets of small pictures in files of their own formats: SVHN (.mat), STL10 (binary), USPS (text), SEMEION (text).
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FileError, ValueError } from '../../tensor/errors.js';
import type { Tensor } from '../../tensor/handle.js';
import {
  ArrayImages,
  bytesTensor,
  labelsTensor,
  rootAndOptions,
  type DownloadableOptions,
  type ImageArrays,
  type RootOptions,
  type VisionOptions,
} from './base.js';
import { baseUrl, remote } from './download.js';
import { downloadSync } from './download_sync.js';
import { readMat } from './mat.js';

/** Throws ValueError unless `value` is one of `allowed`. */
export function oneOf<T extends string>(what: string, value: string, allowed: readonly T[]): T {
  if (!(allowed as readonly string[]).includes(value))
    throw new ValueError(`Unknown value '${value}' for argument ${what}. Valid values are ${allowed.join(', ')}.`);
  return value as T;
}
function needed(set: string, path: string, from: string, how = 'or say download: true'): string {
  if (existsSync(path)) return path;
  throw new FileError(`${set}: ${path} not found; get it from ${from}, ${how}`);
}

export interface SVHNOptions extends VisionOptions, DownloadableOptions {
  split?: 'train' | 'test' | 'extra';
}
const SVHN_URL = 'http://ufldl.stanford.edu/housenumbers/';
const SVHN_MD5 = {
  train: 'e26dedcc434d2e4c54c9b2d4a06d8373',
  test: 'eb5a983be6a315427106f1b164d9cef3',
  extra: 'a93ce644f1a588dc4d68dda5feec44a7',
} as const;
function readSvhn(path: string): ImageArrays {
  const file = readMat(readFileSync(path), path);
  const [x, y] = [file.get('X'), file.get('y')];
  const [h, w, c, n] = x?.shape ?? [];
  if (
    x === undefined ||
    y === undefined ||
    !(x.data instanceof Uint8Array) ||
    x.shape.length !== 4 ||
    n !== y.data.length
  )
    throw new FileError(`${path}: it has no bytes X [32, 32, 3, n] with labels y [n, 1]`);
  // Column-major [h, w, c, n] is row-major [n, c, w, h].
  const data = bytesTensor(x.data, [n, c!, w!, h!]).permute(0, 3, 2, 1).contiguous();
  return { data, targets: labelsTensor(Array.from(y.data, (l) => l % 10)) }; // the files say 10 for the digit 0
}
/** House numbers, [32, 32, 3]: `new SVHN(root, { split: 'train' })`. */
export class SVHN<I = Tensor> extends ArrayImages<I> {
  readonly split: string;
  constructor(root: string | (SVHNOptions & RootOptions), options?: SVHNOptions) {
    const o = rootAndOptions<SVHNOptions>('SVHN', root, options);
    const split = oneOf('split', o.split ?? 'train', ['train', 'test', 'extra']);
    const name = `${split}_32x32.mat`;
    if (o.download === true) downloadSync([remote(baseUrl('SVHN', SVHN_URL, o.mirror), o.root, name, SVHN_MD5[split])]);
    super(o.root, readSvhn(needed('SVHN', join(o.root, name), SVHN_URL)), o);
    this.split = split;
  }
  protected override extraRepr(): string[] {
    return [`Split: ${this.split}`];
  }
}

export interface STL10Options extends VisionOptions, DownloadableOptions {
  split?: 'train' | 'test' | 'unlabeled' | 'train+unlabeled';
  /** One of the ten folds of the training part. */
  folds?: number | null;
}
const STL10_URL = 'http://ai.stanford.edu/~acoates/stl10/';
/** Pictures of ten kinds of things, [96, 96, 3]; those without a label have -1. */
export class STL10<I = Tensor> extends ArrayImages<I> {
  readonly split: string;
  readonly classes: readonly string[];
  constructor(root: string | (STL10Options & RootOptions), options?: STL10Options) {
    const o = rootAndOptions<STL10Options>('STL10', root, options);
    const split = oneOf('split', o.split ?? 'train', ['train', 'test', 'unlabeled', 'train+unlabeled']);
    const folder = join(o.root, 'stl10_binary');
    if (o.download === true && !existsSync(folder)) {
      const base = baseUrl('STL10', STL10_URL, o.mirror);
      downloadSync([remote(base, o.root, 'stl10_binary.tar.gz', '91f7769df0f17e558f3565bffb0c7dfb', o.root)]);
    }
    super(o.root, STL10.#read(folder, split, o.folds ?? null), o);
    this.split = split;
    const names = join(folder, 'class_names.txt');
    this.classes = existsSync(names) ? readFileSync(names, 'utf8').trim().split(/\s+/) : [];
  }
  static #read(folder: string, split: string, fold: number | null): ImageArrays {
    const parts = split.split('+').map((part): { bytes: Buffer; labels: number[] } => {
      const bytes = readFileSync(needed('STL10', join(folder, `${part}_X.bin`), STL10_URL));
      const n = bytes.length / (3 * 96 * 96);
      if (!Number.isInteger(n)) throw new FileError(`${folder}: ${part}_X.bin has no whole number of pictures`);
      const labelFile = join(folder, `${part}_y.bin`);
      const labels = existsSync(labelFile)
        ? Array.from(readFileSync(labelFile), (l) => l - 1)
        : new Array<number>(n).fill(-1);
      if (labels.length !== n) throw new FileError(`${folder}: ${part} has ${n} pictures but ${labels.length} labels`);
      return { bytes, labels };
    });
    const labels = parts.flatMap((p) => p.labels);
    const bytes = Buffer.concat(parts.map((p) => p.bytes));
    // Planes are stored column by column.
    let data = bytesTensor(bytes, [labels.length, 3, 96, 96]).permute(0, 3, 2, 1).contiguous();
    let targets = labelsTensor(labels);
    if (fold !== null && split.startsWith('train')) {
      const lines = readFileSync(needed('STL10', join(folder, 'fold_indices.txt'), STL10_URL), 'utf8').split('\n');
      if (!Number.isInteger(fold) || fold < 0 || fold > 9)
        throw new ValueError(`Value for argument folds should be in the range [0, 10), but got ${fold}.`);
      const chosen = labelsTensor(lines[fold]!.trim().split(/\s+/).map(Number));
      [data, targets] = [data.indexSelect(0, chosen), targets.indexSelect(0, chosen)];
    }
    return { data, targets };
  }
  protected override extraRepr(): string[] {
    return [`Split: ${this.split}`];
  }
}

export interface USPSOptions extends VisionOptions {
  train?: boolean;
}
const USPS_URL = 'https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/';
/** Digits of the postal service, [16, 16], from the unpacked text files `usps` and `usps.t` (lines `label 1:value ...`). */
export class USPS<I = Tensor> extends ArrayImages<I> {
  readonly train: boolean;
  constructor(root: string | (USPSOptions & RootOptions), options?: USPSOptions) {
    const o = rootAndOptions<USPSOptions>('USPS', root, options);
    const train = o.train ?? true;
    const name = train ? 'usps' : 'usps.t';
    const path = needed('USPS', join(o.root, name), `${USPS_URL}${name}.bz2`, 'and unpack it with bunzip2');
    const rows = readFileSync(path, 'utf8')
      .split('\n')
      .filter((l) => l.trim() !== '');
    const data = new Uint8Array(rows.length * 256);
    const labels = rows.map((line, i) => {
      const [label, ...values] = line.trim().split(/\s+/);
      for (const v of values) {
        const [at, x] = v.split(':').map(Number) as [number, number];
        if (!(at >= 1 && at <= 256)) throw new FileError(`${path}: line ${i + 1} has the column ${at}`);
        data[i * 256 + at - 1] = Math.trunc(((x + 1) / 2) * 255);
      }
      return Number(label) - 1;
    });
    super(o.root, { data: bytesTensor(data, [rows.length, 16, 16]), targets: labelsTensor(labels) }, o);
    this.train = train;
  }
}

export interface SEMEIONOptions extends VisionOptions, DownloadableOptions {}
const SEMEION_URL = 'http://archive.ics.uci.edu/ml/machine-learning-databases/semeion/';
/** 1,593 handwritten digits, [16, 16], pixels 0 or 255. */
export class SEMEION<I = Tensor> extends ArrayImages<I> {
  constructor(root: string | (SEMEIONOptions & RootOptions), options?: SEMEIONOptions) {
    const o = rootAndOptions<SEMEIONOptions>('SEMEION', root, options);
    if (o.download === true) {
      const base = baseUrl('SEMEION', SEMEION_URL, o.mirror);
      downloadSync([remote(base, o.root, 'semeion.data', 'cb545d371d2ce14ec121470795a77432')]);
    }
    const path = needed('SEMEION', join(o.root, 'semeion.data'), SEMEION_URL);
    const rows = readFileSync(path, 'utf8')
      .split('\n')
      .filter((l) => l.trim() !== '');
    const data = new Uint8Array(rows.length * 256);
    const labels = rows.map((line, i) => {
      const values = line.trim().split(/\s+/).map(Number);
      if (values.length !== 266)
        throw new FileError(`${path}: line ${i + 1} has ${values.length} numbers, expected 266`);
      for (let p = 0; p < 256; p++) data[i * 256 + p] = values[p]! * 255;
      return values.slice(256).indexOf(1);
    });
    super(o.root, { data: bytesTensor(data, [rows.length, 16, 16]), targets: labelsTensor(labels) }, o);
  }
}
