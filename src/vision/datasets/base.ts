// What data sets of pictures share: a folder, transforms of pictures and targets, and the fast way for pictures in memory.
import { Dataset, indexTensor } from '../../data/dataset.js';
import type { WorkerSource } from '../../data/worker_source.js';
import { native } from '../../native.js';
import { IndexError, ValueError } from '../../tensor/errors.js';
import { isTensor, wrap, type Tensor } from '../../tensor/handle.js';
import { dtypeCode } from '../../tensor/dtype.js';
import { Image } from '../image.js';
import { transformSource, type ImageTransform } from '../transforms/base.js';

export type TargetTransform = (target: never) => unknown;
export interface VisionOptions {
  /** Applied to each picture. */
  transform?: ImageTransform | null;
  targetTransform?: TargetTransform | null;
  /** Applied to picture and target together, instead of the two. */
  transforms?: ((image: never, target: never) => readonly [unknown, unknown]) | null;
}
export interface RootOptions {
  /** Folder of the files. */
  root: string;
}
export interface DownloadableOptions {
  /** Fetch the files unless they are there. Nothing is ever fetched without it. */
  download?: boolean;
  /** Address of a folder with the original files, instead of the original place. */
  mirror?: string | null;
}

/** `(root, options)` or `({ root, ...options })`. */
export function rootAndOptions<O extends object>(
  what: string,
  root: string | (O & RootOptions),
  options: O | undefined,
): O & RootOptions {
  const o = typeof root === 'string' ? ({ ...options, root } as O & RootOptions) : root;
  if (typeof o !== 'object' || o === null || typeof o.root !== 'string')
    throw new ValueError(`${what}(): the folder of the files (root) must be given`);
  return o;
}

/** A data set of pictures in files: subclasses say what `load` reads. */
export abstract class VisionDataset<T = [unknown, unknown]> extends Dataset<T> {
  readonly root: string;
  readonly transform: ImageTransform | null;
  readonly targetTransform: TargetTransform | null;
  readonly transforms: NonNullable<VisionOptions['transforms']> | null;
  constructor(root: string, options: VisionOptions = {}) {
    super();
    this.root = root;
    this.transform = options.transform ?? null;
    this.targetTransform = options.targetTransform ?? null;
    this.transforms = options.transforms ?? null;
    if (this.transforms !== null && (this.transform !== null || this.targetTransform !== null))
      throw new ValueError('Only transforms or transform/target_transform can be passed as argument');
  }
  /** The pair after the transforms; a promise as soon as a part is one. */
  protected transformed(image: unknown, target: unknown): T | Promise<T> {
    if (image instanceof Promise || target instanceof Promise)
      return Promise.all([image, target]).then(([i, t]) => this.transformed(i, t));
    if (this.transforms !== null) return this.transforms(image as never, target as never) as T;
    const i = this.transform === null ? image : this.transform(image as never);
    const t = this.targetTransform === null ? target : this.targetTransform(target as never);
    return i instanceof Promise || t instanceof Promise
      ? (Promise.all([i, t]) as Promise<unknown> as Promise<T>)
      : ([i, t] as T);
  }
  /** Lines below the head of what prints. */
  protected extraRepr(): string[] {
    return [];
  }
  override toString(): string {
    const lines = [`Number of datapoints: ${this.length}`, `Root location: ${this.root}`, ...this.extraRepr()];
    if (this.transform !== null)
      lines.push(`Transform: ${String(this.transform).replaceAll('\n', '\n               ')}`);
    return `Dataset ${this.constructor.name}\n${lines.map((l) => `    ${l}`).join('\n')}`;
  }
}

/** Checks an index and counts negative ones from the end. */
export function checkedIndex(index: number, length: number): number {
  const at = index < 0 ? index + length : index;
  if (!Number.isInteger(at) || at < 0 || at >= length)
    throw new IndexError(`index ${index} is out of range for ${length} images`);
  return at;
}

export interface ImageArrays {
  /** uint8 [n, H, W] or [n, H, W, C]. */
  readonly data: Tensor;
  /** int64 [n]. */
  readonly targets: Tensor;
}
/**
 * Pictures of one size in memory: sample i is [picture, label]. A transform gets an Image; without one the picture is a
 * uint8 tensor [H, W] or [H, W, C].
 */
export class ArrayImages<I = Tensor> extends VisionDataset<[I, number]> {
  readonly data: Tensor;
  readonly targets: Tensor;
  readonly #labels: readonly number[];
  #bytes: Uint8Array | undefined;

  constructor(root: string, arrays: ImageArrays, options: VisionOptions = {}) {
    super(root, options);
    this.data = arrays.data;
    this.targets = arrays.targets;
    this.#labels = Array.from(arrays.targets.toTypedArray() as BigInt64Array, Number);
  }
  get length(): number {
    return this.#labels.length;
  }
  #image(at: number): Image {
    const [, h, w, c = 1] = this.data.shape as [number, number, number, number?];
    this.#bytes ??= this.data.contiguous().toTypedArray() as Uint8Array;
    return new Image(w, h, c, this.#bytes.subarray(at * h * w * c, (at + 1) * h * w * c));
  }
  get(index: number): [I, number] {
    const at = checkedIndex(index, this.length);
    const plain = this.transform === null && this.transforms === null;
    const image = plain ? wrap(native.ops.select(this.data._h, 0, at)) : this.#image(at);
    return this.transformed(image, this.#labels[at]!) as [I, number];
  }
  /** Whether samples are what this class makes of them. */
  #plain(): boolean {
    return this.get === ArrayImages.prototype.get && this.targetTransform === null && this.transforms === null;
  }
  /** A whole batch at once, when the transform can take one: the same numbers as sample by sample. */
  override getBatch(indices: readonly number[]): unknown {
    if (!this.#plain()) return undefined;
    const batch =
      this.transform === null ? (images: Tensor): Tensor => images : this.transform.batch?.bind(this.transform);
    if (batch === undefined) return undefined;
    const i = indexTensor(indices);
    const images = batch(wrap(native.ops.indexSelect(this.data._h, 0, i._h)));
    if (!isTensor(images)) return undefined;
    return [images, wrap(native.ops.indexSelect(this.targets._h, 0, i._h))];
  }
  override workerSource(): WorkerSource | undefined {
    if (!this.#plain()) return undefined;
    const transform = this.transform === null ? null : transformSource(this.transform);
    if (transform === undefined) return undefined;
    return {
      module: import.meta.url,
      name: 'ArrayImagesInWorker',
      args: [this.data, this.targets, transform === null ? null : { source: transform }],
    };
  }
}
/** What a worker thread makes of ArrayImages: the tensors of the main thread, the transform made again. */
export class ArrayImagesInWorker extends ArrayImages {
  constructor(data: Tensor, targets: Tensor, transform: ImageTransform | null) {
    super('', { data, targets }, { transform });
  }
}

/** A uint8 tensor over these bytes. */
export const bytesTensor = (bytes: Uint8Array, shape: readonly number[]): Tensor =>
  wrap(native.fromTypedArray(bytes, [...shape], dtypeCode('uint8'), true));
/** An int64 tensor of labels. */
export const labelsTensor = (labels: ArrayLike<number>): Tensor =>
  wrap(native.fromTypedArray(BigInt64Array.from(labels, BigInt), [labels.length], dtypeCode('int64'), false));
