// The MNIST data set from its original idx files. Nothing is downloaded: the files must be there, plain or gzipped.
// File format: http://yann.lecun.com/exdb/mnist/ (big-endian header, then bytes).
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Dataset, indexTensor } from '../data/dataset.js';
import type { WorkerSource } from '../data/worker_source.js';
import { native } from '../native.js';
import { dtypeCode } from '../tensor/dtype.js';
import { FileError, IndexError } from '../tensor/errors.js';
import { isTensor, wrap, type Tensor } from '../tensor/handle.js';
import { transformSource, type ImageTransform } from './transforms/base.js';

export interface MNISTOptions {
  /** Folder of the files: they lie in root/MNIST/raw, root/raw or root itself. */
  root: string;
  /** 60,000 training images, or the 10,000 test images. */
  train?: boolean;
  /** Applied to each image: by default a uint8 tensor [28, 28]. */
  transform?: ImageTransform | null;
  targetTransform?: ((target: number) => number) | null;
  /** Accepted for PyTorch's sake; only `false` can be obeyed: files are never fetched. */
  download?: boolean;
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

function locate(root: string, set: string, name: string): string {
  for (const folder of [join(root, set, 'raw'), join(root, 'raw'), root]) {
    for (const file of [name, name.replace('-idx', '.idx')]) {
      for (const suffix of ['', '.gz']) {
        const path = join(folder, file + suffix);
        if (existsSync(path)) return path;
      }
    }
  }
  throw new FileError(
    `${set}: ${name}(.gz) not found in ${root}, ${join(root, 'raw')} or ${join(root, set, 'raw')}; put the four idx files there`,
  );
}

/** Handwritten digits: sample i is [image, label]. */
export class MNIST<I = Tensor> extends Dataset<[I, number]> {
  static readonly classes: readonly string[] = [
    '0 - zero',
    '1 - one',
    '2 - two',
    '3 - three',
    '4 - four',
    '5 - five',
    '6 - six',
    '7 - seven',
    '8 - eight',
    '9 - nine',
  ];
  readonly train: boolean;
  readonly transform: ImageTransform | null;
  readonly targetTransform: ((target: number) => number) | null;
  /** All images, uint8 [n, 28, 28]. */
  readonly data: Tensor;
  /** All labels, int64 [n]. */
  readonly targets: Tensor;
  readonly #labels: Uint8Array;

  constructor(options: MNISTOptions | MNISTParts, folder = 'MNIST') {
    super();
    this.transform = options.transform ?? null;
    if ('data' in options) {
      // In a worker thread: the tensors of the main thread.
      this.train = options.train;
      this.targetTransform = null;
      this.data = options.data;
      this.targets = options.targets;
      this.#labels = Uint8Array.from(options.targets.toTypedArray() as BigInt64Array, Number);
      return;
    }
    this.train = options.train ?? true;
    this.targetTransform = options.targetTransform ?? null;
    const prefix = this.train ? 'train' : 't10k';
    const images = readIdx(locate(options.root, folder, `${prefix}-images-idx3-ubyte`), 3);
    const labels = readIdx(locate(options.root, folder, `${prefix}-labels-idx1-ubyte`), 1);
    if (images.shape[0] !== labels.shape[0]) {
      throw new FileError(`MNIST: ${images.shape[0]} images but ${labels.shape[0]} labels in ${options.root}`);
    }
    const wrong = labels.data.findIndex((l) => l > 9);
    if (wrong >= 0)
      throw new FileError(`MNIST: label ${labels.data[wrong]} of image ${wrong} in ${options.root} is not a digit`);
    this.data = wrap(native.fromTypedArray(images.data, images.shape, dtypeCode('uint8'), false));
    this.targets = wrap(
      native.fromTypedArray(BigInt64Array.from(labels.data, BigInt), labels.shape, dtypeCode('int64'), false),
    );
    this.#labels = labels.data;
  }
  get length(): number {
    return this.#labels.length;
  }
  get(index: number): [I, number] {
    const at = index < 0 ? index + this.length : index;
    const label = this.#labels[at];
    if (label === undefined) throw new IndexError(`index ${index} is out of range for ${this.length} images`);
    const image = wrap(native.ops.select(this.data._h, 0, at));
    return [
      (this.transform === null ? image : this.transform(image as never)) as I,
      this.targetTransform === null ? label : this.targetTransform(label),
    ];
  }
  /** A whole batch at once, when the transform can take one: the same numbers as sample by sample. */
  override getBatch(indices: readonly number[]): unknown {
    if (this.get !== MNIST.prototype.get || this.targetTransform !== null) return undefined;
    const batch =
      this.transform === null ? (images: Tensor): Tensor => images : this.transform.batch?.bind(this.transform);
    if (batch === undefined) return undefined;
    const i = indexTensor(indices);
    const images = batch(wrap(native.ops.indexSelect(this.data._h, 0, i._h)));
    if (!isTensor(images)) return undefined;
    return [images, wrap(native.ops.indexSelect(this.targets._h, 0, i._h))];
  }
  override workerSource(): WorkerSource | undefined {
    if (this.get !== MNIST.prototype.get || this.targetTransform !== null) return undefined;
    const transform = this.transform === null ? null : transformSource(this.transform);
    if (transform === undefined) return undefined;
    return {
      module: import.meta.url,
      name: 'mnistFromParts',
      args: [this.data, this.targets, this.train, transform === null ? null : { source: transform }],
    };
  }
  override toString(): string {
    return `Dataset ${this.constructor.name}\n    Number of datapoints: ${this.length}\n    Split: ${this.train ? 'Train' : 'Test'}`;
  }
}
/** Zalando's pictures of clothes: the same format under another name. */
export class FashionMNIST<I = Tensor> extends MNIST<I> {
  static override readonly classes: readonly string[] = [
    'T-shirt/top',
    'Trouser',
    'Pullover',
    'Dress',
    'Coat',
    'Sandal',
    'Shirt',
    'Sneaker',
    'Bag',
    'Ankle boot',
  ];
  constructor(options: MNISTOptions) {
    super(options, 'FashionMNIST');
  }
}
interface MNISTParts {
  readonly data: Tensor;
  readonly targets: Tensor;
  readonly train: boolean;
  readonly transform: ImageTransform | null;
}
/** What a worker thread calls. */
export class mnistFromParts extends MNIST {
  constructor(data: Tensor, targets: Tensor, train: boolean, transform: ImageTransform | null) {
    super({ data, targets, train, transform });
  }
}
