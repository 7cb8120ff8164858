// CIFAR10 and CIFAR100 in both versions of the archives: the python version (pickled dicts that hold the pictures as a NumPy array
// [n, 3072]), which is preferred, and the binary version (records of label bytes and 3072 bytes). Pictures are planes R, G, B.
// Format: https://www.cs.toronto.edu/~kriz/cifar.html
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readPickledDict } from '../../serialization/pickled_dict.js';
import { FileError } from '../../tensor/errors.js';
import { isTensor, type Tensor } from '../../tensor/handle.js';
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
/** The pictures of one file: the planes of picture i begin at `start + i * stride`. */
interface Batch {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly stride: number;
  readonly labels: ArrayLike<unknown>;
}
/** One of the archives that a set comes in. */
interface Version {
  /** Folder in the archive. */
  readonly folder: string;
  readonly archive: string;
  readonly md5: string;
  readonly train: readonly string[];
  readonly test: string;
  /** File of the names of the classes. */
  readonly names: string;
  batch(path: string): Batch;
  classes(path: string): string[];
}
interface CifarSet {
  readonly name: string;
  readonly classes: number;
  /** The first one is fetched. */
  readonly versions: readonly [Version, ...Version[]];
}
const URL = 'https://www.cs.toronto.edu/~kriz/';
const PIXELS = 32 * 32;
const BYTES = 3 * PIXELS;

/** The python version: `labels` and `names` are keys of its dicts. */
function python(labels: string, names: string): Pick<Version, 'batch' | 'classes'> {
  return {
    batch(path) {
      const { data, [labels]: list } = readPickledDict(path, ['data', labels]);
      if (!isTensor(data) || data.dtype !== 'uint8' || data.shape.length !== 2 || data.shape[1] !== BYTES)
        throw new FileError(`${path}: its data is no uint8 array [n, ${BYTES}]`);
      if (!Array.isArray(list) || list.length !== data.shape[0])
        throw new FileError(`${path}: its ${labels} are no list of ${data.shape[0]}, one for each picture`);
      return { bytes: data.toTypedArray() as Uint8Array, start: 0, stride: BYTES, labels: list };
    },
    classes(path) {
      const list = readPickledDict(path, [names])[names];
      if (!Array.isArray(list) || !list.every((n) => typeof n === 'string'))
        throw new FileError(`${path}: its ${names} are no list of strings`);
      return list;
    },
  };
}
/** The binary version: the last of `labelBytes` bytes before each picture is the label. */
function binary(labelBytes: number): Pick<Version, 'batch' | 'classes'> {
  const stride = labelBytes + BYTES;
  return {
    batch(path) {
      const bytes = readFileSync(path);
      if (bytes.length === 0 || bytes.length % stride !== 0)
        throw new FileError(`${path}: ${bytes.length} bytes are no whole number of records of ${stride}`);
      const labels = Array.from({ length: bytes.length / stride }, (_, i) => bytes[i * stride + labelBytes - 1]);
      return { bytes, start: labelBytes, stride, labels };
    },
    classes: (path) =>
      readFileSync(path, 'utf8')
        .split('\n')
        .map((l) => l.trim())
        .filter((l) => l !== ''),
  };
}

const CIFAR10_SET: CifarSet = {
  name: 'CIFAR10',
  classes: 10,
  versions: [
    {
      folder: 'cifar-10-batches-py',
      archive: 'cifar-10-python.tar.gz',
      md5: 'c58f30108f718f92721af3b95e74349a',
      train: [1, 2, 3, 4, 5].map((k) => `data_batch_${k}`),
      test: 'test_batch',
      names: 'batches.meta',
      ...python('labels', 'label_names'),
    },
    {
      folder: 'cifar-10-batches-bin',
      archive: 'cifar-10-binary.tar.gz',
      md5: 'c32a1d4ab5d03f1284b67883e8d87530',
      train: [1, 2, 3, 4, 5].map((k) => `data_batch_${k}.bin`),
      test: 'test_batch.bin',
      names: 'batches.meta.txt',
      ...binary(1),
    },
  ],
};
const CIFAR100_SET: CifarSet = {
  name: 'CIFAR100',
  classes: 100,
  versions: [
    {
      folder: 'cifar-100-python',
      archive: 'cifar-100-python.tar.gz',
      md5: 'eb9058c3a382ffc7106e4002c42a8d85',
      train: ['train'],
      test: 'test',
      names: 'meta',
      ...python('fine_labels', 'fine_label_names'),
    },
    {
      folder: 'cifar-100-binary',
      archive: 'cifar-100-binary.tar.gz',
      md5: '03b5dce01913d631647c71ecec9e9cb8',
      train: ['train.bin'],
      test: 'test.bin',
      names: 'fine_label_names.txt',
      ...binary(2),
    },
  ],
};

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

/** The version that is there and its folder: below the root, or the root itself. */
function find(o: CIFAROptions & RootOptions, set: CifarSet): { version: Version; folder: string } {
  for (const version of set.versions) {
    const folder = [join(o.root, version.folder), o.root].find((f) => isFile(join(f, version.test)));
    if (folder !== undefined) return { version, folder };
  }
  const version = set.versions[0];
  const folder = join(o.root, version.folder);
  if (o.download === true) {
    downloadSync([remote(baseUrl(set.name, URL, o.mirror), o.root, version.archive, version.md5, o.root)]);
    return { version, folder };
  }
  throw new FileError(
    `${set.name}: ${set.versions.map((v) => v.test).join(' or ')} not found in ${set.versions.map((v) => join(o.root, v.folder)).join(', ')} or ${o.root}; ` +
      `unpack ${URL}${version.archive} there, or say download: true`,
  );
}
function read(folder: string, version: Version, train: boolean, classes: number): ImageArrays {
  const batches = (train ? version.train : [version.test]).map((name) => {
    const path = join(folder, name);
    if (!isFile(path)) throw new FileError(`${path}: no such file; it belongs to ${version.archive}`);
    return version.batch(path);
  });
  const n = batches.reduce((sum, b) => sum + b.labels.length, 0);
  const data = new Uint8Array(n * BYTES);
  const labels: number[] = [];
  for (const { bytes, start, stride, labels: own } of batches) {
    for (let i = 0; i < own.length; i++) {
      const label = own[i];
      if (typeof label !== 'number' || !Number.isInteger(label) || label < 0 || label >= classes)
        throw new FileError(
          `${folder}: label ${String(label)} of picture ${labels.length} is no whole number below ${classes}`,
        );
      // Planes become channels of pixels.
      let q = labels.length * BYTES;
      const planes = start + i * stride;
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

abstract class CIFAR<I> extends ArrayImages<I> {
  readonly train: boolean;
  readonly classes: readonly string[];
  constructor(set: CifarSet, root: string | (CIFAROptions & RootOptions), options?: CIFAROptions) {
    const o = rootAndOptions<CIFAROptions>(set.name, root, options);
    const { version, folder } = find(o, set);
    const train = o.train ?? true;
    super(o.root, read(folder, version, train, set.classes), o);
    this.train = train;
    const names = join(folder, version.names);
    this.classes = isFile(names) ? version.classes(names) : [];
  }
  get classToIdx(): Record<string, number> {
    return Object.fromEntries(this.classes.map((c, i) => [c, i]));
  }
  protected override extraRepr(): string[] {
    return [`Split: ${this.train ? 'Train' : 'Test'}`];
  }
}
/**
 * 60,000 pictures [32, 32, 3] of ten kinds of things: `new CIFAR10(root, { train, transform, download: false })`. Below `root` is
 * the folder of the python version (cifar-10-batches-py), which `download: true` fetches, or that of the binary version
 * (cifar-10-batches-bin). Pickles are read as data: nothing in them is run.
 */
export class CIFAR10<I = Tensor> extends CIFAR<I> {
  constructor(root: string | (CIFAROptions & RootOptions), options?: CIFAROptions) {
    super(CIFAR10_SET, root, options);
  }
}
/**
 * 60,000 pictures [32, 32, 3] of a hundred kinds of things, with their fine labels; from the folder cifar-100-python or
 * cifar-100-binary, as for CIFAR10.
 */
export class CIFAR100<I = Tensor> extends CIFAR<I> {
  constructor(root: string | (CIFAROptions & RootOptions), options?: CIFAROptions) {
    super(CIFAR100_SET, root, options);
  }
}
