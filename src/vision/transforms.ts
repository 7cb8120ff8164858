// vision.transforms: from images to normalised tensors. Source: torchvision.transforms.
import { inspect } from 'node:util';
import { native } from '../native.js';
import { dtypeCode, isFloatingDtype } from '../tensor/dtype.js';
import { DTypeError, ShapeError, ValueError } from '../tensor/errors.js';
import { isTensor, wrap, type Tensor } from '../tensor/handle.js';
import { pyFloat } from '../tensor/print.js';
import { fromNumpy, type NdArray } from '../tensor/interop.js';
import { tensor, type TypedArray } from '../tensor/create.js';
import type { WorkerSource } from '../data/worker_source.js';
import { Transform, transformSource, type ImageTransform } from './transform.js';

/** An image in memory: height x width x channels, 8 bits (channels 1 may be left out of `data`'s layout). */
export interface ImageData8 {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  /** Default: what the size of `data` says. */
  readonly channels?: number;
}
/** What ToTensor takes: tensors [H, W] or [H, W, C], ndarrays of that shape, image objects. */
export type ImageLike = Tensor | NdArray | ImageData8;

/** Calls its transforms one after another. */
export class Compose extends Transform<never, Tensor> {
  readonly transforms: readonly ImageTransform[];
  declare batch?: (images: Tensor) => Tensor;
  constructor(transforms: readonly ImageTransform[]) {
    super();
    for (const t of transforms)
      if (typeof t !== 'function') throw new ValueError(`Compose(): ${String(t)} is not a transform`);
    this.transforms = transforms;
    // Only when every part can do a whole batch; an own property, so that its absence shows.
    if (transforms.every((t) => t.batch !== undefined)) {
      Object.defineProperty(this, 'batch', {
        value: (images: Tensor): Tensor => transforms.reduce((x, t) => t.batch!(x), images),
      });
    }
  }
  forward(image: never): Tensor {
    return this.transforms.reduce<unknown>((x, t) => t(x as never), image) as Tensor;
  }
  workerSource(): WorkerSource | undefined {
    const parts = this.transforms.map(transformSource);
    return parts.includes(undefined)
      ? undefined
      : { module: import.meta.url, name: 'Compose', args: [parts.map((source) => ({ source }))] };
  }
  toString(): string {
    return `Compose(\n${this.transforms.map((t) => `    ${String(t)}`).join('\n')}\n)`;
  }
  [inspect.custom](): string {
    return this.toString();
  }
}

/** uint8 values over 255 as float32, other dtypes as they are. */
function scale(t: Tensor): Tensor {
  if (t.dtype !== 'uint8') return t;
  return wrap(native.ops.div(native.ops.toDtype(t._h, dtypeCode('float32')), 255, null));
}

/** An image [H, W] or [H, W, C] as a float32 tensor [C, H, W] in [0, 1] (8-bit images are divided by 255). */
export class ToTensor extends Transform<ImageLike, Tensor> {
  forward(image: ImageLike): Tensor {
    const t = this.#asTensor(image);
    if (t.ndim !== 2 && t.ndim !== 3) throw new ShapeError(`pic should be 2/3 dimensional. Got ${t.ndim} dimensions.`);
    return scale(t.ndim === 2 ? t.unsqueeze(0) : t.permute(2, 0, 1).contiguous());
  }
  #asTensor(image: ImageLike): Tensor {
    if (isTensor(image)) return image;
    if (typeof image !== 'object' || image === null)
      throw new DTypeError(`pic should be an image, an ndarray or a tensor. Got ${typeof image}`);
    if ('width' in image && 'height' in image) {
      const { data, width, height } = image;
      const channels = image.channels ?? data.length / (width * height);
      if (!Number.isInteger(channels) || data.length !== width * height * channels) {
        throw new ShapeError(`an image of ${width} x ${height} does not fit ${data.length} bytes`);
      }
      return tensor(data as TypedArray).reshape(channels === 1 ? [height, width] : [height, width, channels]);
    }
    if (ArrayBuffer.isView((image as NdArray).data)) return fromNumpy(image as NdArray);
    throw new DTypeError('pic should be an image, an ndarray or a tensor');
  }
  /** Images [N, H, W] or [N, H, W, C]. */
  batch(images: Tensor): Tensor {
    return scale(images.ndim === 3 ? images.unsqueeze(1) : images.permute(0, 3, 1, 2).contiguous());
  }
  workerSource(): WorkerSource {
    return { module: import.meta.url, name: 'ToTensor', args: [] };
  }
  toString(): string {
    return 'ToTensor()';
  }
}

/** (image - mean) / std for each channel of a floating tensor [..., C, H, W]. */
export class Normalize extends Transform<Tensor, Tensor> {
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
    if (this.std.includes(0)) throw new ValueError('std evaluated to zero, leading to division by zero.');
    this.inplace = typeof options === 'boolean' ? options : (options.inplace ?? false);
  }
  forward(image: Tensor): Tensor {
    if (!isTensor(image)) throw new DTypeError(`img should be Tensor Image. Got ${typeof image}`);
    if (!isFloatingDtype(image.dtype))
      throw new DTypeError(`Input tensor should be a float tensor. Got ${image.dtype}.`);
    if (image.ndim < 3) {
      throw new ShapeError(
        `Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = [${image.shape.join(', ')}]`,
      );
    }
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
  workerSource(): WorkerSource {
    return {
      module: import.meta.url,
      name: 'Normalize',
      args: [[...this.mean], [...this.std], { inplace: this.inplace }],
    };
  }
  toString(): string {
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
  toString(): string {
    return 'Lambda()';
  }
}

/** Converts the dtype with rescaling between integer and floating ranges (uint8 and floating only). */
export class ConvertImageDtype extends Transform<Tensor, Tensor> {
  readonly dtype: 'float32' | 'float64' | 'uint8';
  constructor(dtype: 'float32' | 'float64' | 'uint8') {
    super();
    this.dtype = dtype;
  }
  forward(image: Tensor): Tensor {
    if (image.dtype === this.dtype) return image;
    if (image.dtype === 'uint8') return image.to(this.dtype).div_(255);
    if (this.dtype === 'uint8') return image.mul(256 - 1e-3).to('uint8');
    return image.to(this.dtype);
  }
  batch(images: Tensor): Tensor {
    return this.forward(images);
  }
  workerSource(): WorkerSource {
    return { module: import.meta.url, name: 'ConvertImageDtype', args: [this.dtype] };
  }
  toString(): string {
    return 'ConvertImageDtype()';
  }
}
