// Cutting, padding and flipping.
import { ShapeError, ValueError } from '../../tensor/errors.js';
import type { Tensor } from '../../tensor/handle.js';
import { full, tensor } from '../../tensor/create.js';
import { indexSelect } from '../../../generated/ts/functions.js';
import { indexTensor } from '../../data/dataset.js';
import { merge, type Rest } from '../../nn/args.js';
import type { Picture } from '../image.js';
import { getDimensions, onTensor, pair } from './common.js';
import { pyRound } from '../random.js';
import { resize, type ResizeOptions, type Size } from './resize.js';

export type PaddingMode = 'constant' | 'edge' | 'reflect' | 'symmetric';
/** All sides, [left and right, top and bottom], or [left, top, right, bottom]. */
export type Padding = number | readonly number[];
export interface PadOptions {
  /** Value of the new pixels, or one per channel (mode 'constant'). */
  fill?: number | readonly number[];
  paddingMode?: PaddingMode;
}

/** [left, top, right, bottom]. */
export function parsePadding(padding: Padding): [number, number, number, number] {
  const p = typeof padding === 'number' ? [padding] : [...padding];
  if (![1, 2, 4].includes(p.length))
    throw new ValueError(`Padding must be an int or a 1, 2, or 4 element tuple, not a ${p.length} element tuple`);
  const [a, b = a, c = a, d = b] = p as [number, ...number[]];
  return p.length === 1 ? [a, a, a, a] : [a, b, c, d];
}

/** Indices of old pixels along one dimension, with `before` and `after` new ones. */
function borderIndices(n: number, before: number, after: number, mode: Exclude<PaddingMode, 'constant'>): number[] {
  const limit = mode === 'reflect' ? n - 1 : n;
  if (mode !== 'edge' && Math.max(before, after) > limit) {
    throw new ShapeError(
      `Padding size should be less than the corresponding input dimension, but got: padding (${before}, ${after}) at a dimension of ${n} pixels`,
    );
  }
  return Array.from({ length: Math.max(0, n + before + after) }, (_, k) => {
    const i = k - before;
    if (mode === 'edge') return Math.min(Math.max(i, 0), n - 1);
    const edge = mode === 'reflect' ? 0 : 1;
    if (i < 0) return -i - edge;
    return i >= n ? 2 * n - 2 + edge - i : i;
  });
}

/** `fill` as a tensor that broadcasts over [..., C, H, W], or a plain number. */
export function fillFor(t: Tensor, fill: number | readonly number[]): number | Tensor {
  if (typeof fill === 'number') return fill;
  const c = t.ndim < 3 ? 1 : t.shape.at(-3)!;
  if (fill.length === 1) return fill[0]!;
  if (fill.length !== c)
    throw new ValueError(
      `The number of elements in 'fill' does not match the number of channels of the image (${fill.length} != ${c})`,
    );
  return tensor([...fill], { dtype: t.dtype }).view([c, 1, 1]);
}

function padTensor(t: Tensor, [left, top, right, bottom]: readonly number[], o: Required<PadOptions>): Tensor {
  const [h, w] = t.shape.slice(-2) as [number, number];
  if (o.paddingMode !== 'constant') {
    const rows = borderIndices(h, top!, bottom!, o.paddingMode);
    const columns = borderIndices(w, left!, right!, o.paddingMode);
    return indexSelect(indexSelect(t, -2, indexTensor(rows)), -1, indexTensor(columns));
  }
  const shape = [...t.shape.slice(0, -2), h + top! + bottom!, w + left! + right!];
  if (shape.some((n) => n < 0))
    throw new ShapeError(
      `padding [${[left, top, right, bottom].join(', ')}] leaves nothing of [${t.shape.join(', ')}]`,
    );
  const value = fillFor(t, o.fill);
  const out = typeof value === 'number' ? full(shape, value, { dtype: t.dtype }) : value.expand(shape).clone();
  // What is seen of the old picture: negative padding cuts.
  const [x, y] = [Math.max(0, -left!), Math.max(0, -top!)];
  const [x1, y1] = [w - Math.max(0, -right!), h - Math.max(0, -bottom!)];
  if (x1 > x && y1 > y) {
    const target = out.narrow(-2, Math.max(0, top!), y1 - y).narrow(-1, Math.max(0, left!), x1 - x);
    target.copy_(t.narrow(-2, y, y1 - y).narrow(-1, x, x1 - x));
  }
  return out;
}

/** The picture with new pixels around it. Throws ShapeError where reflection would need more pixels than there are. */
export function pad<P extends Picture>(
  img: P,
  padding: Padding,
  ...rest: Rest<[fill: number | readonly number[], paddingMode: PaddingMode], PadOptions>
): P {
  const o = merge<PadOptions>('pad', rest, ['fill', 'paddingMode'], { fill: 0, paddingMode: 'constant' });
  if (!['constant', 'edge', 'reflect', 'symmetric'].includes(o.paddingMode))
    throw new ValueError('Padding mode should be either constant, edge, reflect or symmetric');
  return onTensor(img, (t) => padTensor(t, parsePadding(padding), o));
}

/** The part of the picture from row `top` and column `left`; what lies outside is 0. */
export function crop<P extends Picture>(img: P, top: number, left: number, height: number, width: number): P {
  return onTensor(img, (t) => {
    const [h, w] = t.shape.slice(-2) as [number, number];
    if (left < 0 || top < 0 || left + width > w || top + height > h) {
      return padTensor(t, [-left, -top, left + width - w, top + height - h], { fill: 0, paddingMode: 'constant' });
    }
    return t.narrow(-2, top, height).narrow(-1, left, width);
  });
}
/** The middle of the picture; a picture that is too small gets 0 around it first. */
export function centerCrop<P extends Picture>(img: P, outputSize: Size): P {
  const [ch, cw] = pair(outputSize);
  let image = img;
  let [, h, w] = getDimensions(image);
  if (cw > w || ch > h) {
    const before = (crop: number, n: number): number => (crop > n ? Math.floor((crop - n) / 2) : 0);
    const after = (crop: number, n: number): number => (crop > n ? Math.floor((crop - n + 1) / 2) : 0);
    image = pad(image, [before(cw, w), before(ch, h), after(cw, w), after(ch, h)]);
    [, h, w] = getDimensions(image);
    if (cw === w && ch === h) return image;
  }
  return crop(image, pyRound((h - ch) / 2), pyRound((w - cw) / 2), ch, cw);
}
/** crop, then resize. */
export function resizedCrop<P extends Picture>(
  img: P,
  top: number,
  left: number,
  height: number,
  width: number,
  size: Size,
  options: Omit<ResizeOptions, 'maxSize'> = {},
): P {
  return resize(crop(img, top, left, height, width), size, options);
}

const reversed = (n: number): Tensor => indexTensor(Array.from({ length: n }, (_, i) => n - 1 - i));
/** Left and right exchanged. */
export function hflip<P extends Picture>(img: P): P {
  return onTensor(img, (t) => indexSelect(t, -1, reversed(t.shape.at(-1)!)));
}
/** Top and bottom exchanged. */
export function vflip<P extends Picture>(img: P): P {
  return onTensor(img, (t) => indexSelect(t, -2, reversed(t.shape.at(-2)!)));
}

/** The four corners and the middle: [top left, top right, bottom left, bottom right, centre]. */
export function fiveCrop<P extends Picture>(img: P, size: Size): [P, P, P, P, P] {
  const [, h, w] = getDimensions(img);
  const [ch, cw] = pair(size);
  if (cw > w || ch > h)
    throw new ValueError(`Requested crop size (${ch}, ${cw}) is bigger than input size (${h}, ${w})`);
  return [
    crop(img, 0, 0, ch, cw),
    crop(img, 0, w - cw, ch, cw),
    crop(img, h - ch, 0, ch, cw),
    crop(img, h - ch, w - cw, ch, cw),
    centerCrop(img, [ch, cw]),
  ];
}
/** fiveCrop of the picture and of its mirror image. */
export function tenCrop<P extends Picture>(img: P, size: Size, verticalFlip = false): P[] {
  return [...fiveCrop(img, size), ...fiveCrop(verticalFlip ? vflip(img) : hflip(img), size)];
}
