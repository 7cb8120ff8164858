// CIFAR10 and CIFAR100 from the archives' binary version: records of label bytes and 3072 bytes of picture, planes R, G, B.
// Format: https://www.cs.toronto.edu/~kriz/cifar.html
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FileError } from '../../tensor/errors.js';
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

export interface CIFAROptions extends VisionOptions, DownloadableOptions {
  /** 50,000 training pictures, or the 10,000 test pictures. */
  train?: boolean;
}
interface CifarSet {
  readonly name: string;
  /** Folder in the archive. */
  readonly folder: string;
  readonly archive: string;
  readonly md5: string;
  readonly files: { readonly train: readonly string[]; readonly test: readonly string[] };
  /** Bytes before each picture; the last is the label. */
  readonly labelBytes: number;
  readonly names: string;
}
const URL = 'https://www.cs.toronto.edu/~kriz/';
const PIXELS = 32 * 32;

const CIFAR10_SET: CifarSet = {
  name: 'CIFAR10',
  folder: 'cifar-10-batches-bin',
  archive: 'cifar-10-binary.tar.gz',
  md5: 'c32a1d4ab5d03f1284b67883e8d87530',
  files: { train: [1, 2, 3, 4, 5].map((k) => `data_batch_${k}.bin`), test: ['test_batch.bin'] },
  labelBytes: 1,
  names: 'batches.meta.txt',
};
const CIFAR100_SET: CifarSet = {
  name: 'CIFAR100',
  folder: 'cifar-100-binary',
  archive: 'cifar-100-binary.tar.gz',
  md5: '03b5dce01913d631647c71ecec9e9cb8',
  files: { train: ['train.bin'], test: ['test.bin'] },
  labelBytes: 2,
  names: 'fine_label_names.txt',
};

function folderOf(o: CIFAROptions & RootOptions, set: CifarSet): string {
  const place = [join(o.root, set.folder), o.root].find((f) => existsSync(join(f, set.files.test[0]!)));
  if (place !== undefined) return place;
  if (o.download === true) {
    downloadSync([remote(baseUrl(set.name, URL, o.mirror), o.root, set.archive, set.md5, o.root)]);
    return join(o.root, set.folder);
  }
  throw new FileError(
    `${set.name}: ${set.files.test[0]} not found in ${join(o.root, set.folder)} or ${o.root}; unpack ${URL}${set.archive} there, or say download: true`,
  );
}
function read(folder: string, set: CifarSet, train: boolean, classes: number): ImageArrays {
  const record = set.labelBytes + 3 * PIXELS;
  const parts = set.files[train ? 'train' : 'test'].map((name) => {
    const path = join(folder, name);
    if (!existsSync(path)) throw new FileError(`${path}: no such file; it belongs to ${set.archive}`);
    const bytes = readFileSync(path);
    if (bytes.length === 0 || bytes.length % record !== 0)
      throw new FileError(`${path}: ${bytes.length} bytes are no whole number of records of ${record}`);
    return bytes;
  });
  const n = parts.reduce((sum, p) => sum + p.length / record, 0);
  const data = new Uint8Array(n * 3 * PIXELS);
  const labels: number[] = [];
  for (const bytes of parts) {
    for (let at = 0; at < bytes.length; at += record) {
      const label = bytes[at + set.labelBytes - 1]!;
      if (label >= classes)
        throw new FileError(`${folder}: label ${label} of picture ${labels.length} is not below ${classes}`);
      // Planes become channels of pixels.
      let q = labels.length * 3 * PIXELS;
      const planes = at + set.labelBytes;
      for (let p = 0; p < PIXELS; p++) {
        data[q++] = bytes[planes + p]!;
        data[q++] = bytes[planes + PIXELS + p]!;
        data[q++] = bytes[planes + 2 * PIXELS + p]!;
      }
      labels.push(label);
    }
  }
  return { data: bytesTensor(data, [n, 32, 32, 3]), targets: labelsTensor(labels) };
}
function readNames(path: string): string[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .map((l) => l.trim())
    .filter((l) => l !== '');
}

abstract class CIFAR<I> extends ArrayImages<I> {
  readonly train: boolean;
  readonly classes: readonly string[];
  constructor(set: CifarSet, count: number, root: string | (CIFAROptions & RootOptions), options?: CIFAROptions) {
    const o = rootAndOptions<CIFAROptions>(set.name, root, options);
    const folder = folderOf(o, set);
    const train = o.train ?? true;
    super(o.root, read(folder, set, train, count), o);
    this.train = train;
    this.classes = readNames(join(folder, set.names));
  }
  get classToIdx(): Record<string, number> {
    return Object.fromEntries(this.classes.map((c, i) => [c, i]));
  }
  protected override extraRepr(): string[] {
    return [`Split: ${this.train ? 'Train' : 'Test'}`];
  }
}
/** 60,000 pictures [32, 32, 3] of ten kinds of things: `new CIFAR10(root, { train, transform, download: false })`. */
export class CIFAR10<I = Tensor> extends CIFAR<I> {
  constructor(root: string | (CIFAROptions & RootOptions), options?: CIFAROptions) {
    super(CIFAR10_SET, 10, root, options);
  }
}
/** 60,000 pictures [32, 32, 3] of a hundred kinds of things. */
export class CIFAR100<I = Tensor> extends CIFAR<I> {
  constructor(root: string | (CIFAROptions & RootOptions), options?: CIFAROptions) {
    super(CIFAR100_SET, 100, root, options);
  }
}
