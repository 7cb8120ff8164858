// MNIST and the sets in its format: idx files, plain or gzipped.
// File format: http://yann.lecun.com/exdb/mnist/ (big-endian header, then bytes).
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
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

export interface MNISTOptions extends VisionOptions, DownloadableOptions {
  /** 60,000 training images, or the 10,000 test images. */
  train?: boolean;
}

/** Reads an idx file of unsigned bytes. Throws FileError with the reason when it is damaged. */
export function readIdx(path: string, dimensions: number): { shape: number[]; data: Uint8Array } {
  let bytes: Uint8Array = readFileSync(path);
  if (path.endsWith('.gz') || (bytes[0] === 0x1f && bytes[1] === 0x8b)) {
    try {
      bytes = gunzipSync(bytes);
    } catch (e) {
      throw new FileError(`${path}: cannot be unpacked: ${(e as Error).message}`);
    }
  }
  const header = 4 + 4 * dimensions;
  if (bytes.length < header) throw new FileError(`${path}: ${bytes.length} bytes are too few for an idx file`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0);
  if (magic !== 0x0800 + dimensions) {
    throw new FileError(
      `${path}: bad magic number 0x${magic.toString(16).padStart(8, '0')} (expected 0x${(0x0800 + dimensions).toString(16).padStart(8, '0')}: unsigned bytes, ${dimensions} dimensions)`,
    );
  }
  const shape = Array.from({ length: dimensions }, (_, i) => view.getUint32(4 + 4 * i));
  const wanted = shape.reduce((a, b) => a * b, 1);
  if (bytes.length - header !== wanted) {
    throw new FileError(
      `${path}: the header says [${shape.join(', ')}] = ${wanted} bytes, the file has ${bytes.length - header}`,
    );
  }
  return { shape, data: bytes.subarray(header) };
}

function find(root: string, set: string, name: string): string | null {
  for (const folder of [join(root, set, 'raw'), join(root, 'raw'), root]) {
    for (const file of [name, name.replace('-idx', '.idx')]) {
      for (const suffix of ['', '.gz']) {
        const path = join(folder, file + suffix);
        if (existsSync(path)) return path;
      }
    }
  }
  return null;
}
function locate(root: string, set: string, name: string): string {
  const path = find(root, set, name);
  if (path !== null) return path;
  throw new FileError(
    `${set}: ${name}(.gz) not found in ${root}, ${join(root, 'raw')} or ${join(root, set, 'raw')}; put the idx files there, or say download: true`,
  );
}

/** Where a set comes from: its folder, its original address, and the MD5 of its gzipped files. */
export interface IdxSet {
  readonly name: string;
  readonly url: string;
  /** [images, labels] of the training and of the test part; null where the set cannot be fetched file by file. */
  readonly md5: { readonly train: readonly [string, string]; readonly test: readonly [string, string] } | null;
  readonly classes: number;
}
function read(
  o: MNISTOptions & RootOptions,
  set: IdxSet,
  names: readonly [string, string],
  md5: readonly [string, string] | null,
): ImageArrays {
  if (o.download === true && names.some((n) => find(o.root, set.name, n) === null)) {
    if (md5 === null)
      throw new FileError(
        `${set.name}: download: true is not possible here; fetch ${set.url} and put its idx files into ${join(o.root, set.name, 'raw')}`,
      );
    const base = baseUrl(set.name, set.url, o.mirror);
    downloadSync(names.map((n, i) => remote(base, join(o.root, set.name, 'raw'), `${n}.gz`, md5[i]!)));
  }
  const images = readIdx(locate(o.root, set.name, names[0]), 3);
  const labels = readIdx(locate(o.root, set.name, names[1]), 1);
  if (images.shape[0] !== labels.shape[0])
    throw new FileError(`${set.name}: ${images.shape[0]} images but ${labels.shape[0]} labels in ${o.root}`);
  const wrong = labels.data.findIndex((l) => l >= set.classes);
  if (wrong >= 0) {
    throw new FileError(
      `${set.name}: label ${labels.data[wrong]} of image ${wrong} in ${o.root} is not below ${set.classes}`,
    );
  }
  return { data: bytesTensor(images.data, images.shape), targets: labelsTensor(labels.data) };
}
const standardNames = (train: boolean): [string, string] => {
  const prefix = train ? 'train' : 't10k';
  return [`${prefix}-images-idx3-ubyte`, `${prefix}-labels-idx1-ubyte`];
};

const MNIST_SET: IdxSet = {
  name: 'MNIST',
  url: 'https://ossci-datasets.s3.amazonaws.com/mnist/',
  md5: {
    train: ['f68b3c2dcbeaaa9fbdd348bbdeb94873', 'd53e105ee54ea40749a09fcbcd1e9432'],
    test: ['9fb629c4189551a2d022fa330f9573f3', 'ec29112dd5afa0611ce80d1b7f02629c'],
  },
  classes: 10,
};
const FASHION_SET: IdxSet = {
  name: 'FashionMNIST',
  url: 'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/',
  md5: {
    train: ['8d4fb7e6c68d591d4c3dfef9ec88bf0d', '25c81989df183df01b3e8a0aad5dffbe'],
    test: ['bef4ecab320f06d8554ea6380940ec79', 'bb300cfdad3c16e7a12a480ee83cd310'],
  },
  classes: 10,
};
const KUZUSHIJI_SET: IdxSet = {
  name: 'KMNIST',
  url: 'http://codh.rois.ac.jp/kmnist/dataset/kmnist/',
  md5: {
    train: ['bdb82020997e1d708af4cf47b453dcf7', 'e144d726b3acfaa3e44228e80efcd344'],
    test: ['5c965bf0a639b31b8f53240b1b52f4d7', '7320c461ea6c1c855c0b718fb2a4b134'],
  },
  classes: 10,
};

/**
 * Handwritten digits, [28, 28]: `new MNIST(root, { train: true, transform, download: false })`. The files lie in
 * root/MNIST/raw, root/raw or root itself. Throws FileError when they are missing or damaged.
 */
export class MNIST<I = Tensor> extends ArrayImages<I> {
  static readonly classes: readonly string[] = '0 - zero|1 - one|2 - two|3 - three|4 - four|5 - five|6 - six|7 - seven|8 - eight|9 - nine'.split('|'); // prettier-ignore
  readonly train: boolean;
  constructor(root: string | (MNISTOptions & RootOptions), options?: MNISTOptions, set: IdxSet = MNIST_SET) {
    const o = rootAndOptions<MNISTOptions>(set.name, root, options);
    const train = o.train ?? true;
    super(o.root, read(o, set, standardNames(train), set.md5?.[train ? 'train' : 'test'] ?? null), o);
    this.train = train;
  }
  get classes(): readonly string[] {
    return (this.constructor as typeof MNIST).classes;
  }
  get classToIdx(): Record<string, number> {
    return Object.fromEntries(this.classes.map((c, i) => [c, i]));
  }
  protected override extraRepr(): string[] {
    return [`Split: ${this.train ? 'Train' : 'Test'}`];
  }
}
/** Zalando's pictures of clothes, [28, 28]. */
export class FashionMNIST<I = Tensor> extends MNIST<I> {
  static override readonly classes: readonly string[] =
    'T-shirt/top|Trouser|Pullover|Dress|Coat|Sandal|Shirt|Sneaker|Bag|Ankle boot'.split('|');
  constructor(root: string | (MNISTOptions & RootOptions), options?: MNISTOptions) {
    super(root, options, FASHION_SET);
  }
}
/** Handwritten Japanese characters, [28, 28]. */
export class KMNIST<I = Tensor> extends MNIST<I> {
  static override readonly classes: readonly string[] = 'o|ki|su|tsu|na|ha|ma|ya|re|wo'.split('|');
  constructor(root: string | (MNISTOptions & RootOptions), options?: MNISTOptions) {
    super(root, options, KUZUSHIJI_SET);
  }
}

const EMNIST_SPLITS = ['byclass', 'bymerge', 'balanced', 'letters', 'digits', 'mnist'] as const;
export type EMNISTSplit = (typeof EMNIST_SPLITS)[number];
export interface EMNISTOptions extends MNISTOptions {
  split?: EMNISTSplit;
}
const SYMBOLS = [...'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'];
/** Lower case letters that look like their capitals. */
const MERGED = new Set('cijklmopsuvwxyz');
function emnistClasses(split: EMNISTSplit): string[] {
  switch (split) {
    case 'byclass':
      return SYMBOLS;
    case 'bymerge':
    case 'balanced':
      return SYMBOLS.filter((c) => !MERGED.has(c));
    case 'letters':
      return ['N/A', ...SYMBOLS.filter((c) => /[a-z]/.test(c))];
    case 'digits':
    case 'mnist':
      return SYMBOLS.slice(0, 10);
    default:
      return split satisfies never;
  }
}
/** Handwritten letters and digits, [28, 28], lying on their sides as in the files: `new EMNIST(root, 'letters', { train })`. */
export class EMNIST<I = Tensor> extends ArrayImages<I> {
  readonly split: EMNISTSplit;
  readonly train: boolean;
  readonly classes: readonly string[];
  constructor(
    root: string | (EMNISTOptions & RootOptions),
    split?: EMNISTSplit | EMNISTOptions,
    options?: EMNISTOptions,
  ) {
    const o = rootAndOptions<EMNISTOptions>('EMNIST', root, typeof split === 'string' ? { ...options, split } : split);
    const chosen = o.split;
    if (chosen === undefined || !EMNIST_SPLITS.includes(chosen))
      throw new ValueError(
        `Unknown value '${String(chosen)}' for argument split. Valid values are ${EMNIST_SPLITS.join(', ')}.`,
      );
    const train = o.train ?? true;
    const classes = emnistClasses(chosen);
    const part = train ? 'train' : 'test';
    const set: IdxSet = {
      name: 'EMNIST',
      url: 'https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/gzip.zip',
      md5: null,
      classes: classes.length,
    };
    super(
      o.root,
      read(o, set, [`emnist-${chosen}-${part}-images-idx3-ubyte`, `emnist-${chosen}-${part}-labels-idx1-ubyte`], null),
      o,
    );
    this.split = chosen;
    this.train = train;
    this.classes = classes;
  }
  protected override extraRepr(): string[] {
    return [`Split: ${this.split}, ${this.train ? 'Train' : 'Test'}`];
  }
}
