// Conversions, normalisation and the ways to put transforms together.
import { ValueError } from '../../tensor/errors.js';
import type { DType } from '../../tensor/dtype.js';
import { type Tensor } from '../../tensor/handle.js';
import { pyFloat } from '../../tensor/print.js';
import { tensor } from '../../tensor/create.js';
import type { WorkerSource } from '../../data/worker_source.js';
import type { Image, ImageMode } from '../image.js';
import {
  checkNormalizable,
  checkStd,
  convertImageDtype,
  imageToTensor,
  scaleBytes,
  toImage,
  toTensor,
  type ImageLike,
} from '../functional/convert.js';
import { permutation, uniform } from '../random.js';
import { Transform, type ImageTransform } from './base.js';

/** Calls transforms one after another; from the first promise on the result is one too. */
export function chain(transforms: readonly ImageTransform[], image: unknown): unknown {
  return transforms.reduce<unknown>(
    (x, t) => (x instanceof Promise ? x.then((v: unknown) => t(v as never)) : t(x as never)),
    image,
  );
}
function checkTransforms(what: string, transforms: unknown): asserts transforms is readonly ImageTransform[] {
  if (!Array.isArray(transforms)) throw new ValueError(`${what}(): the argument transforms should be an array`);
  for (const t of transforms)
    if (typeof t !== 'function') throw new ValueError(`${what}(): ${String(t)} is not a transform`);
}
/** A list of transforms, printed one to a line. */
abstract class TransformList extends Transform<never, Tensor> {
  readonly transforms: readonly ImageTransform[];
  constructor(what: string, transforms: readonly ImageTransform[]) {
    super();
    checkTransforms(what, transforms);
    this.transforms = transforms;
  }
  protected override settings(): readonly unknown[] {
    return [this.transforms];
  }
  protected heading(): string {
    return '';
  }
  override toString(): string {
    const lines = this.transforms.map((t) => `    ${String(t).replaceAll('\n', '\n    ')}`);
    return `${this.constructor.name}(\n${[...(this.heading() === '' ? [] : [`    ${this.heading()}`]), ...lines].join('\n')}\n)`;
  }
}

/** Calls its transforms one after another. Steps may be asynchronous; then the result is a promise. */
export class Compose extends TransformList {
  static override readonly source: string = import.meta.url;
  declare batch?: (images: Tensor) => Tensor;
  constructor(transforms: readonly ImageTransform[]) {
    super('Compose', transforms);
    // Only when every part can do a whole batch; an own property, so that its absence shows.
    if (transforms.every((t) => t.batch !== undefined)) {
      Object.defineProperty(this, 'batch', {
        value: (images: Tensor): Tensor => transforms.reduce((x, t) => t.batch!(x), images),
      });
    }
  }
  forward(image: never): Tensor {
    return chain(this.transforms, image) as Tensor;
  }
}
/** Applies all its transforms, or none: with probability p. */
export class RandomApply extends TransformList {
  static override readonly source: string = import.meta.url;
  readonly p: number;
  constructor(transforms: readonly ImageTransform[], p: number | { p?: number } = 0.5) {
    super('RandomApply', transforms);
    this.p = typeof p === 'number' ? p : (p.p ?? 0.5);
  }
  forward(image: never): Tensor {
    return (uniform(0, 1) > Math.fround(this.p) ? image : chain(this.transforms, image)) as Tensor;
  }
  protected override settings(): readonly unknown[] {
    return [this.transforms, this.p];
  }
  protected override heading(): string {
    return `p=${pyFloat(this.p)}`;
  }
}
/** Applies all its transforms in a random order. */
export class RandomOrder extends TransformList {
  static override readonly source: string = import.meta.url;
  constructor(transforms: readonly ImageTransform[]) {
    super('RandomOrder', transforms);
  }
  forward(image: never): Tensor {
    return chain(
      permutation(this.transforms.length).map((i) => this.transforms[i]!),
      image,
    ) as Tensor;
  }
}
/** Applies one of its transforms, with the weights `p` when given. */
export class RandomChoice extends TransformList {
  static override readonly source: string = import.meta.url;
  readonly p: readonly number[] | null;
  constructor(
    transforms: readonly ImageTransform[],
    p: readonly number[] | { p?: readonly number[] | null } | null = null,
  ) {
    super('RandomChoice', transforms);
    this.p =
      p === null
        ? null
        : Array.isArray(p)
          ? (p as readonly number[])
          : ((p as { p?: readonly number[] | null }).p ?? null);
    if (this.p !== null && this.p.length !== transforms.length)
      throw new ValueError(`RandomChoice(): ${this.p.length} weights for ${transforms.length} transforms`);
  }
  forward(image: never): Tensor {
    const weights = this.p ?? this.transforms.map(() => 1);
    let left = uniform(0, 1) * weights.reduce((a, b) => a + b, 0);
    const at = weights.findIndex((w) => (left -= w) < 0);
    return this.transforms.at(at)!(image) as Tensor;
  }
  protected override settings(): readonly unknown[] {
    return [this.transforms, this.p];
  }
}

/** An image [H, W] or [H, W, C] as a float32 tensor [C, H, W] in [0, 1] (8-bit images are divided by 255). */
export class ToTensor extends Transform<ImageLike, Tensor> {
  static override readonly source: string = import.meta.url;
  forward(image: ImageLike): Tensor {
    return toTensor(image);
  }
  /** Images [N, H, W] or [N, H, W, C]. */
  batch(images: Tensor): Tensor {
    return scaleBytes(images.ndim === 3 ? images.unsqueeze(1) : images.permute(0, 3, 1, 2).contiguous());
  }
}
/** An image as a uint8 tensor [C, H, W], values as they are. */
export class ImageToTensor extends Transform<ImageLike, Tensor> {
  static override readonly source: string = import.meta.url;
  forward(image: ImageLike): Tensor {
    return imageToTensor(image);
  }
}
/** A tensor [C, H, W] or [H, W] (floating: values in [0, 1]) or an ndarray [H, W, C] as an Image. */
export class ToImage extends Transform<ImageLike, Image> {
  static override readonly source: string = import.meta.url;
  readonly mode: ImageMode | null;
  constructor(mode: ImageMode | null = null) {
    super();
    this.mode = mode;
  }
  forward(pic: ImageLike): Image {
    return toImage(pic, this.mode);
  }
  protected override settings(): readonly unknown[] {
    return this.mode === null ? [] : [this.mode];
  }
}
/** torchvision's names of the last two. */
export { ImageToTensor as PILToTensor, ToImage as ToPILImage };

/** (image - mean) / std for each channel of a floating tensor [..., C, H, W]. */
export class Normalize extends Transform<Tensor, Tensor> {
  static override readonly source: string = import.meta.url;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly inplace: boolean;
  #cache: { dtype: string; mean: Tensor; std: Tensor } | null = null;
  constructor(
    mean: readonly number[] | number,
    std: readonly number[] | number,
    options: { inplace?: boolean } | boolean = {},
  ) {
    super();
    this.mean = typeof mean === 'number' ? [mean] : [...mean];
    this.std = typeof std === 'number' ? [std] : [...std];
    checkStd(this.std);
    this.inplace = typeof options === 'boolean' ? options : (options.inplace ?? false);
  }
  forward(image: Tensor): Tensor {
    checkNormalizable(image);
    if (this.#cache?.dtype !== image.dtype) {
      const make = (v: readonly number[]): Tensor => tensor([...v], { dtype: image.dtype }).view([-1, 1, 1]);
      this.#cache = { dtype: image.dtype, mean: make(this.mean), std: make(this.std) };
    }
    const { mean, std } = this.#cache;
    return this.inplace ? image.sub_(mean).div_(std) : image.sub(mean).div_(std);
  }
  batch(images: Tensor): Tensor {
    return this.forward(images);
  }
  protected override settings(): readonly unknown[] {
    return [this.mean, this.std, this.inplace];
  }
  override toString(): string {
    const list = (v: readonly number[]): string => `[${v.map(pyFloat).join(', ')}]`;
    return `Normalize(mean=${list(this.mean)}, std=${list(this.std)})`;
  }
}

/** A function of one's own. It cannot cross to worker threads and runs image by image. */
export class Lambda<I, O> extends Transform<I, O> {
  readonly lambd: (image: I) => O;
  constructor(lambd: (image: I) => O) {
    super();
    if (typeof lambd !== 'function') throw new ValueError(`Argument lambd should be callable, got ${typeof lambd}`);
    this.lambd = lambd;
  }
  forward(image: I): O {
    return this.lambd(image);
  }
  override workerSource(): WorkerSource | undefined {
    return undefined;
  }
}

/** Converts the dtype, with values rescaled between the ranges of the dtypes. */
export class ConvertImageDtype extends Transform<Tensor, Tensor> {
  static override readonly source: string = import.meta.url;
  readonly dtype: DType;
  constructor(dtype: DType) {
    super();
    this.dtype = dtype;
  }
  forward(image: Tensor): Tensor {
    return convertImageDtype(image, this.dtype);
  }
  batch(images: Tensor): Tensor {
    return this.forward(images);
  }
  protected override settings(): readonly unknown[] {
    return [this.dtype];
  }
  override toString(): string {
    return 'ConvertImageDtype()';
  }
}

/** (x - mean) flattened, times a matrix [D, D], for D = C * H * W: whitening. */
export class LinearTransformation extends Transform<Tensor, Tensor> {
  static override readonly source: string = import.meta.url;
  readonly transformationMatrix: Tensor;
  readonly meanVector: Tensor;
  constructor(transformationMatrix: Tensor, meanVector: Tensor) {
    super();
    const [n, m] = transformationMatrix.shape;
    if (n !== m) throw new ValueError(`transformation_matrix should be square. Got [${n} x ${m}] rectangular matrix.`);
    if (meanVector.shape[0] !== n)
      throw new ValueError(
        `mean_vector should have the same length ${meanVector.shape[0]} as any one of the dimensions of the transformation_matrix [${n} x ${m}]`,
      );
    this.transformationMatrix = transformationMatrix;
    this.meanVector = meanVector;
  }
  forward(image: Tensor): Tensor {
    const shape = image.shape;
    const n = shape.slice(-3).reduce((a, b) => a * b, 1);
    if (n !== this.transformationMatrix.shape[0])
      throw new ValueError(
        `Input tensor and transformation matrix have incompatible shape. [${shape.join(' x ')}] != ${this.transformationMatrix.shape[0]}`,
      );
    return image.reshape([-1, n]).sub(this.meanVector).mm(this.transformationMatrix).view(shape);
  }
  protected override settings(): readonly unknown[] {
    return [this.transformationMatrix, this.meanVector];
  }
}
