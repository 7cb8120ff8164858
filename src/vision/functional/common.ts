// What the functional transforms share: sizes of pictures, working dtypes, blending, and one body for tensors and images.
import { isFloatingDtype, type DType } from '../../tensor/dtype.js';
import { DTypeError, ShapeError, ValueError } from '../../tensor/errors.js';
import { isTensor, type Tensor } from '../../tensor/handle.js';
import { Image, type Picture } from '../image.js';

/** How pixels between pixels are found. Values are torchvision's. */
export const InterpolationMode = {
  NEAREST: 'nearest',
  NEAREST_EXACT: 'nearest-exact',
  BILINEAR: 'bilinear',
  BICUBIC: 'bicubic',
  BOX: 'box',
  HAMMING: 'hamming',
  LANCZOS: 'lanczos',
} as const;
export type InterpolationMode = (typeof InterpolationMode)[keyof typeof InterpolationMode];

export function checkPicture(img: unknown): asserts img is Picture {
  if (img instanceof Image) return;
  if (!isTensor(img)) throw new DTypeError(`img should be an Image or a tensor image. Got ${typeof img}`);
  if (img.ndim < 2) throw new ShapeError('Tensor is not a torch image.');
}

/** [channels, height, width]. */
export function getDimensions(img: Picture): [number, number, number] {
  checkPicture(img);
  if (img instanceof Image) return [img.channels, img.height, img.width];
  const [h, w] = img.shape.slice(-2) as [number, number];
  return [img.ndim === 2 ? 1 : img.shape.at(-3)!, h, w];
}
/** [width, height]. */
export function getImageSize(img: Picture): [number, number] {
  const [, h, w] = getDimensions(img);
  return [w, h];
}
export const getImageNumChannels = (img: Picture): number => getDimensions(img)[0];

/** Runs a function of tensors [..., H, W]; for an image, on its uint8 tensor [C, H, W]. */
export function onTensor<P extends Picture>(img: P, body: (t: Tensor) => Tensor): P {
  checkPicture(img);
  return (img instanceof Image ? Image.fromTensor(body(img.toTensor())) : body(img as Tensor)) as P;
}

/** Throws unless the channel count is one of those. */
export function checkChannels(t: Tensor, permitted: readonly number[]): void {
  const c = t.ndim < 3 ? 1 : t.shape.at(-3)!;
  if (!permitted.includes(c))
    throw new ValueError(`Input image tensor permitted channel values are [${permitted.join(', ')}], but found ${c}`);
}

/** 1 for floating images, the largest value for integers. */
export function maxValue(dtype: DType): number {
  switch (dtype) {
    case 'uint8':
      return 255;
    case 'int8':
      return 127;
    case 'int16':
      return 32767;
    case 'int32':
      return 2147483647;
    case 'int64':
      return Number.MAX_SAFE_INTEGER;
    case 'float16':
    case 'float32':
    case 'float64':
    case 'bfloat16':
    case 'bool':
      return 1;
    default:
      throw new DTypeError(`images of dtype ${String(dtype)} are not supported`);
  }
}
/** Upper end of pixel values when colours are changed. */
export const bound = (t: Tensor): number => (isFloatingDtype(t.dtype) ? 1 : 255);

/** ratio * a + (1 - ratio) * b, cut to the range of images and cast back (integers are truncated). */
export function blend(a: Tensor, b: Tensor | number, ratio: number): Tensor {
  const scaled = a.mul(ratio);
  const mixed = typeof b === 'number' ? scaled.add(b * (1 - ratio)) : scaled.add(b.mul(1 - ratio));
  return mixed.clamp(0, bound(a)).to(a.dtype);
}

/** Calls a body that needs float32 or float64, and casts (integers: rounds) the result back. */
export function inFloat(t: Tensor, body: (t: Tensor) => Tensor): Tensor {
  if (t.dtype === 'float32' || t.dtype === 'float64') return body(t);
  const out = body(t.to('float32'));
  return (isFloatingDtype(t.dtype) ? out : out.round()).to(t.dtype);
}

/** One number per side or channel: a number is repeated. */
export const pair = (size: number | readonly number[]): [number, number] =>
  typeof size === 'number' ? [size, size] : size.length === 1 ? [size[0]!, size[0]!] : [size[0]!, size[1]!];
