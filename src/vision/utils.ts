// vision.utils: grids of pictures, boxes, masks and points drawn on them. Source: torchvision/utils.py, 0.14.
import { writeFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { DTypeError, ShapeError, ValueError } from '../tensor/errors.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { full, tensor } from '../tensor/create.js';
import { cat, stack, where } from '../../generated/ts/functions.js';
import { encode } from './codec.js';
import { Image } from './image.js';

export interface GridOptions {
  /** Pictures in a row. */
  nrow?: number;
  padding?: number;
  /** Stretch the values to [0, 1]. */
  normalize?: boolean;
  valueRange?: readonly [number, number] | null;
  /** Stretch each picture by itself. */
  scaleEach?: boolean;
  padValue?: number;
}
function stretch(t: Tensor, range: readonly [number, number] | null): Tensor {
  const [low, high] = range ?? [t.min().item(), t.max().item()];
  return t
    .clamp(low, high)
    .sub(low)
    .div(Math.max(high - low, 1e-5));
}
/** One picture [C, H, W] of many [N, C, H, W] (or a list of pictures), row by row. */
export function makeGrid(pictures: Tensor | readonly Tensor[], options: GridOptions | number = {}): Tensor {
  const o = typeof options === 'number' ? { nrow: options } : options;
  const { nrow = 8, padding = 2, normalize = false, valueRange = null, scaleEach = false, padValue = 0 } = o;
  let t = isTensor(pictures) ? pictures : stack(pictures, 0);
  if (t.ndim === 2) t = t.unsqueeze(0);
  if (t.ndim === 3) t = t.unsqueeze(0);
  if (t.ndim !== 4) throw new ShapeError(`makeGrid: expected pictures [N, C, H, W], got [${t.shape.join(', ')}]`);
  if (t.shape[1] === 1) t = cat([t, t, t], 1);
  if (normalize) {
    t = scaleEach ? stack(t.unbind(0).map((x) => stretch(x, valueRange)), 0) : stretch(t, valueRange); // prettier-ignore
  }
  const [n, c, height, width] = t.shape as [number, number, number, number];
  if (n === 1) return t.squeeze(0);
  const across = Math.min(nrow, n);
  const down = Math.ceil(n / across);
  const [h, w] = [height + padding, width + padding];
  const grid = full([c, h * down + padding, w * across + padding], padValue, { dtype: t.dtype });
  for (let k = 0; k < n; k++) {
    const [y, x] = [Math.floor(k / across), k % across];
    grid.narrow(1, y * h + padding, height).narrow(2, x * w + padding, width).copy_(t.select(0, k)); // prettier-ignore
  }
  return grid;
}
/** Writes pictures with values in [0, 1] as one image file; the format is that of the ending, or `format`. */
export async function saveImage(
  pictures: Tensor | readonly Tensor[],
  fp: string,
  options: GridOptions & { format?: string | null } = {},
): Promise<void> {
  const grid = makeGrid(pictures, options).detach();
  const bytes = grid.mul(255).add(0.5).clamp(0, 255).to('uint8');
  await writeFile(fp, await encode(Image.fromTensor(bytes), options.format ?? extname(fp).slice(1).toLowerCase()));
}

/** A colour name of CSS, '#rrggbb', or [r, g, b]. */
export type Color = string | readonly [number, number, number];
const NAMES: Readonly<Record<string, readonly [number, number, number]>> = {
  black: [0, 0, 0],
  white: [255, 255, 255],
  red: [255, 0, 0],
  green: [0, 128, 0],
  lime: [0, 255, 0],
  blue: [0, 0, 255],
  yellow: [255, 255, 0],
  cyan: [0, 255, 255],
  magenta: [255, 0, 255],
  orange: [255, 165, 0],
  purple: [128, 0, 128],
  gray: [128, 128, 128],
};
function rgb(color: Color): readonly [number, number, number] {
  if (typeof color !== 'string') return color;
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(color);
  const named = NAMES[color.toLowerCase()];
  if (hex === null && named === undefined) throw new ValueError(`unknown colour '${color}' (names: ${Object.keys(NAMES).join(', ')}; or '#rrggbb')`); // prettier-ignore
  return named ?? ([1, 2, 3].map((i) => parseInt(hex![i]!, 16)) as [number, number, number]);
}
/** Colours for n things: given ones, one for all, or torchvision's palette. */
function colorsFor(n: number, colors: Color | readonly Color[] | null): (readonly [number, number, number])[] {
  if (colors === null) {
    const palette = [2 ** 25 - 1, 2 ** 15 - 1, 2 ** 21 - 1];
    return Array.from({ length: n }, (_, i) => palette.map((p) => (i * p) % 255) as [number, number, number]);
  }
  const list = typeof colors === 'string' || typeof colors[0] === 'number' ? new Array<Color>(n).fill(colors as Color) : (colors as readonly Color[]); // prettier-ignore
  if (list.length < n) throw new ValueError(`Number of colors (${list.length}) is less than number of objects (${n}).`);
  return list.map(rgb);
}
/** A colour image to draw on. */
function canvas(image: Tensor): Image {
  if (!isTensor(image)) throw new DTypeError(`Tensor expected, got ${typeof image}`);
  if (image.dtype !== 'uint8') throw new DTypeError(`Tensor uint8 expected, got ${image.dtype}`);
  if (image.ndim !== 3) throw new ShapeError('Pass individual images, not batches');
  if (image.shape[0] !== 1 && image.shape[0] !== 3) throw new ShapeError('Only grayscale and RGB images are supported');
  return Image.fromTensor(image.shape[0] === 1 ? cat([image, image, image], 0) : image);
}
function put(img: Image, x: number, y: number, [r, g, b]: readonly [number, number, number], opacity = 1): void {
  if (x < 0 || y < 0 || x >= img.width || y >= img.height) return;
  const at = (y * img.width + x) * 3;
  [r, g, b].forEach((v, k) => {
    img.data[at + k] = Math.round(img.data[at + k]! * (1 - opacity) + v * opacity);
  });
}
export interface BoxOptions {
  colors?: Color | readonly Color[] | null;
  /** Fill the boxes, half transparent. */
  fill?: boolean;
  /** Width of the lines in pixels, inwards. */
  width?: number;
}
/** A uint8 picture [3, H, W] with the outlines of boxes [N, 4] (x1, y1, x2, y2; ends included) on it. */
export function drawBoundingBoxes(image: Tensor, boxes: Tensor, options: BoxOptions = {}): Tensor {
  const { colors = null, fill = false, width = 1 } = options;
  const img = canvas(image);
  const rows = boxes.tolist() as [number, number, number, number][];
  const palette = colorsFor(rows.length, colors);
  rows.forEach((row, i) => {
    const [x1, y1, x2, y2] = row.map(Math.trunc) as [number, number, number, number];
    if (x2 < x1 || y2 < y1) throw new ValueError(`box ${i} [${row.join(', ')}] ends before it starts`);
    for (let y = Math.max(0, y1); y <= Math.min(y2, img.height - 1); y++) {
      for (let x = Math.max(0, x1); x <= Math.min(x2, img.width - 1); x++) {
        const edge = x < x1 + width || x > x2 - width || y < y1 + width || y > y2 - width;
        if (edge || fill) put(img, x, y, palette[i]!, edge ? 1 : 100 / 255);
      }
    }
  });
  return img.toTensor();
}
/** A uint8 picture [3, H, W] with masks ([H, W] or [N, H, W], bool) in colours over it. */
export function drawSegmentationMasks(
  image: Tensor,
  masks: Tensor,
  options: { alpha?: number; colors?: Color | readonly Color[] | null } = {},
): Tensor {
  const { alpha = 0.8, colors = null } = options;
  const base = canvas(image).toTensor();
  const all = masks.ndim === 2 ? masks.unsqueeze(0) : masks;
  if (all.ndim !== 3) throw new ShapeError('masks must be of shape (H, W) or (batch_size, H, W)');
  if (all.dtype !== 'bool') throw new DTypeError(`The masks must be of dtype bool. Got ${all.dtype}`);
  if (all.shape.slice(1).join() !== base.shape.slice(1).join())
    throw new ShapeError('The image and the masks must have the same height and width');
  const painted = colorsFor(all.shape[0]!, colors).reduce((img, color, i) => {
    const paint = tensor([...color], { dtype: 'uint8' }).view([3, 1, 1]);
    return where(all.select(0, i), paint, img);
  }, base);
  return base
    .mul(1 - alpha)
    .add(painted.mul(alpha))
    .to('uint8');
}
export interface KeypointOptions {
  /** Pairs of points that lines join. */
  connectivity?: readonly (readonly [number, number])[] | null;
  colors?: Color | null;
  radius?: number;
  width?: number;
}
/** A uint8 picture [3, H, W] with points [N, K, 2] (x, y) and lines between them on it. */
export function drawKeypoints(image: Tensor, keypoints: Tensor, options: KeypointOptions = {}): Tensor {
  const { connectivity = null, colors = null, radius = 2, width = 3 } = options;
  if (keypoints.ndim !== 3) throw new ShapeError('keypoints must be of shape (num_instances, K, 2)');
  const img = canvas(image);
  const color = colors === null ? ([255, 255, 255] as const) : rgb(colors);
  const disc = (cx: number, cy: number, r: number): void => {
    for (let y = Math.ceil(cy - r); y <= cy + r; y++)
      for (let x = Math.ceil(cx - r); x <= cx + r; x++)
        if ((x - cx) ** 2 + (y - cy) ** 2 <= r * r) put(img, x, y, color);
  };
  for (const points of keypoints.tolist() as [number, number][][]) {
    for (const [x, y] of points) disc(Math.trunc(x), Math.trunc(y), radius);
    for (const [a, b] of connectivity ?? []) {
      const [p, q] = [points[a]!, points[b]!];
      const steps = Math.max(1, Math.ceil(Math.hypot(q[0] - p[0], q[1] - p[1])));
      for (let k = 0; k <= steps; k++) disc(Math.round(p[0] + ((q[0] - p[0]) * k) / steps), Math.round(p[1] + ((q[1] - p[1]) * k) / steps), (width - 1) / 2); // prettier-ignore
    }
  }
  return img.toTensor();
}
