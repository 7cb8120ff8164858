// Resizing: images exactly as Pillow, tensors exactly as PyTorch's interpolate.
import { ValueError } from '../../tensor/errors.js';
import type { Tensor } from '../../tensor/handle.js';
import { tensor } from '../../tensor/create.js';
import { indexSelect } from '../../../generated/ts/functions.js';
import { indexTensor } from '../../data/dataset.js';
import { merge, type Rest } from '../../nn/args.js';
import { Image, type Picture } from '../image.js';
import { checkPicture, getDimensions, inFloat, type InterpolationMode } from './common.js';
import { antialiasedTaps, nearestIndices, plainTaps, resizeImage, type Taps } from './resample.js';

export interface ResizeOptions {
  interpolation?: InterpolationMode;
  /** Largest length of the longer side, when `size` is one number. */
  maxSize?: number | null;
  /** Tensors: widen the filter when reducing (default: false). Images are always antialiased, as in Pillow. */
  antialias?: boolean | null;
}
export type Size = number | readonly [number] | readonly [number, number];

/** [height, width] of the result: one number is the length of the shorter side. */
export function resizedSize(height: number, width: number, size: Size, maxSize: number | null): [number, number] {
  const list = typeof size === 'number' ? [size] : [...size];
  if (list.length > 2) throw new ValueError('Size must be an int or a 1 or 2 element tuple/list, not a longer one');
  if (list.some((v) => !Number.isInteger(v) || v <= 0))
    throw new ValueError(`resize: sizes must be positive whole numbers, got [${list.join(', ')}]`);
  if (list.length === 2) {
    if (maxSize !== null)
      throw new ValueError('max_size should only be passed if size specifies the length of the smaller edge');
    return [list[0]!, list[1]!];
  }
  const [short, long] = width <= height ? [width, height] : [height, width];
  let newShort = list[0]!;
  let newLong = Math.trunc((newShort * long) / short);
  if (maxSize !== null) {
    if (maxSize <= newShort) {
      throw new ValueError(
        `max_size = ${maxSize} must be strictly greater than the requested size for the smaller edge size = ${newShort}`,
      );
    }
    if (newLong > maxSize) [newShort, newLong] = [Math.trunc((maxSize * newShort) / newLong), maxSize];
  }
  return width <= height ? [newLong, newShort] : [newShort, newLong];
}

/** The weights of one dimension as a matrix [to, from]. */
function matrix(taps: readonly Taps[], from: number, like: Tensor): Tensor {
  const values = new Float64Array(taps.length * from);
  taps.forEach(({ first, weights }, i) => weights.forEach((w, j) => (values[i * from + first + j] = w)));
  return tensor(values, { dtype: like.dtype }).view([taps.length, from]);
}

function resizeTensor(t: Tensor, h: number, w: number, mode: InterpolationMode, antialias: boolean): Tensor {
  const [oldH, oldW] = t.shape.slice(-2) as [number, number];
  if (oldH === h && oldW === w) return t;
  if (mode === 'nearest' || mode === 'nearest-exact') {
    return indexSelect(
      indexSelect(t, -2, indexTensor(nearestIndices(oldH, h, mode))),
      -1,
      indexTensor(nearestIndices(oldW, w, mode)),
    );
  }
  if (mode !== 'bilinear' && mode !== 'bicubic')
    throw new ValueError('This interpolation mode is unsupported with Tensor input');
  const taps = (from: number, to: number): Taps[] =>
    antialias ? antialiasedTaps(from, to, mode) : plainTaps(from, to, mode);
  return inFloat(t, (x) => {
    let out = x;
    if (oldW !== w) out = out.matmul(matrix(taps(oldW, w), oldW, x).t());
    if (oldH !== h) out = matrix(taps(oldH, h), oldH, x).matmul(out);
    return mode === 'bicubic' && t.dtype === 'uint8' ? out.clamp(0, 255) : out;
  });
}

/**
 * The picture in another size: [height, width], or one number for the shorter side (the ratio of the sides is kept).
 * Images are resized as by Pillow, tensors [..., H, W] as by torch.nn.functional.interpolate (alignCorners: false).
 * Throws ValueError for sizes that are not positive.
 */
export function resize<P extends Picture>(
  img: P,
  size: Size,
  ...rest: Rest<[interpolation: InterpolationMode, maxSize: number | null, antialias: boolean | null], ResizeOptions>
): P {
  checkPicture(img);
  const o = merge<ResizeOptions>('resize', rest, ['interpolation', 'maxSize', 'antialias'], {
    interpolation: 'bilinear',
    maxSize: null,
    antialias: null,
  });
  const [, oldH, oldW] = getDimensions(img);
  const [h, w] = resizedSize(oldH, oldW, size, o.maxSize);
  return (
    img instanceof Image
      ? resizeImage(img, h, w, o.interpolation)
      : resizeTensor(img as Tensor, h, w, o.interpolation, o.antialias ?? false)
  ) as P;
}
