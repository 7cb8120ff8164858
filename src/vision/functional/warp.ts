// Rotation, affine and perspective maps, elastic deformation: for each new pixel the place in the old picture it comes from,
// then the pixels there. Coordinates are in pixels; pixel centres lie at whole numbers.
import { ShapeError, ValueError } from '../../tensor/errors.js';
import { isTensor, type Tensor } from '../../tensor/handle.js';
import { tensor } from '../../tensor/create.js';
import { indexSelect, where } from '../../../generated/ts/functions.js';
import { indexTensor } from '../../data/dataset.js';
import { merge, type Rest } from '../../nn/args.js';
import type { Picture } from '../image.js';
import { getDimensions, inFloat, onTensor, type InterpolationMode } from './common.js';
import { fillFor } from './geometry.js';

/** Fill value of all channels, or one per channel. null: 0, without softening the picture's border. */
export type Fill = number | readonly number[] | null;
export type Point = readonly [number, number];

/** Where the pixels of an output of `height` x `width` come from. */
interface Places {
  readonly height: number;
  readonly width: number;
  readonly x: Float64Array;
  readonly y: Float64Array;
}
function places(height: number, width: number, at: (x: number, y: number) => readonly [number, number]): Places {
  const out = { height, width, x: new Float64Array(height * width), y: new Float64Array(height * width) };
  let i = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) [out.x[i], out.y[i]] = at(x, y);
  }
  return out;
}

/** Keys cubic with a = -0.75, as grid sampling has it. */
function cubicWeight(d: number): number {
  const x = Math.abs(d);
  if (x < 1) return (1.25 * x - 2.25) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.75 : 0;
}
/** Neighbours per dimension: offset of the first from the floor, and the weight of the k-th at fraction t. */
const KERNELS = {
  nearest: { count: 1, first: 0, weight: () => 1 },
  bilinear: { count: 2, first: 0, weight: (k: number, t: number) => (k === 0 ? 1 - t : t) },
  bicubic: { count: 4, first: -1, weight: (k: number, t: number) => cubicWeight(k - 1 - t) },
} as const;

/** Halves go to the even pixel, as in grid sampling. */
function roundEven(v: number): number {
  const r = Math.round(v);
  return r - v === 0.5 && r % 2 !== 0 ? r - 1 : r;
}

/** The picture [..., H, W] seen at these places; outside lies `fill`. */
function sample(t: Tensor, p: Places, mode: InterpolationMode, fill: Fill): Tensor {
  if (mode !== 'nearest' && mode !== 'bilinear' && mode !== 'bicubic')
    throw new ValueError(`Resampling method '${mode}' is not supported here (nearest, bilinear, bicubic are)`);
  const kernel = KERNELS[mode];
  const [h, w] = t.shape.slice(-2) as [number, number];
  const n = p.height * p.width;
  const baseX = new Int32Array(n);
  const baseY = new Int32Array(n);
  for (let i = 0; i < n; i++) {
    // Far away is as good as outside, and fits an integer.
    const [x, y] = [Math.min(Math.max(p.x[i]!, -8), w + 8), Math.min(Math.max(p.y[i]!, -8), h + 8)];
    baseX[i] = mode === 'nearest' ? roundEven(x) : Math.floor(x) + kernel.first;
    baseY[i] = mode === 'nearest' ? roundEven(y) : Math.floor(y) + kernel.first;
  }
  return inFloat(t, (x) => {
    const flat = x.reshape([...t.shape.slice(0, -2), h * w]);
    let sum: Tensor | null = null;
    const inside = new Float64Array(n);
    for (let ky = 0; ky < kernel.count; ky++) {
      for (let kx = 0; kx < kernel.count; kx++) {
        const index = new Array<number>(n);
        const weight = new Float64Array(n);
        for (let i = 0; i < n; i++) {
          const [px, py] = [baseX[i]! + kx, baseY[i]! + ky];
          const valid = px >= 0 && px < w && py >= 0 && py < h;
          index[i] = valid ? py * w + px : 0;
          weight[i] = valid
            ? kernel.weight(kx, p.x[i]! - Math.floor(p.x[i]!)) * kernel.weight(ky, p.y[i]! - Math.floor(p.y[i]!))
            : 0;
          inside[i]! += weight[i]!;
        }
        const part = indexSelect(flat, -1, indexTensor(index)).mul(tensor(weight, { dtype: x.dtype }));
        sum = sum === null ? part : sum.add(part);
      }
    }
    let out = sum!.reshape([...t.shape.slice(0, -2), p.height, p.width]);
    if (fill !== null) {
      const mask = tensor(inside, { dtype: x.dtype }).view([p.height, p.width]);
      const value = fillFor(x, fill);
      if (mode === 'nearest') out = where(mask.lt(0.5), value, out);
      else {
        const rest = mask.neg().add(1);
        out = out.mul(mask).add(isTensor(value) ? rest.mul(value) : rest.mul(value));
      }
    }
    return out;
  });
}

/** [a, b, c, d, e, f]: new (x, y), counted from the centre, comes from (a x + b y + c, d x + e y + f). */
export function inverseAffineMatrix(
  center: Point,
  angle: number,
  translate: Point,
  scale: number,
  shear: Point,
): number[] {
  const rot = (angle * Math.PI) / 180;
  const [sx, sy] = [(shear[0] * Math.PI) / 180, (shear[1] * Math.PI) / 180];
  const a = Math.cos(rot - sy) / Math.cos(sy);
  const b = (-Math.cos(rot - sy) * Math.tan(sx)) / Math.cos(sy) - Math.sin(rot);
  const c = Math.sin(rot - sy) / Math.cos(sy);
  const d = (-Math.sin(rot - sy) * Math.tan(sx)) / Math.cos(sy) + Math.cos(rot);
  const m = [d / scale, -b / scale, 0, -c / scale, a / scale, 0];
  const [x, y] = [-center[0] - translate[0], -center[1] - translate[1]];
  m[2] = m[0]! * x + m[1]! * y + center[0];
  m[5] = m[3]! * x + m[4]! * y + center[1];
  return m;
}
function warpAffine(t: Tensor, m: readonly number[], size: Point, mode: InterpolationMode, fill: Fill): Tensor {
  const [h, w] = t.shape.slice(-2) as [number, number];
  const [ow, oh] = size;
  const [a, b, c, d, e, f] = m as [number, number, number, number, number, number];
  const p = places(oh, ow, (x, y) => {
    const [cx, cy] = [x - ow / 2 + 0.5, y - oh / 2 + 0.5];
    return [a * cx + b * cy + c + w / 2 - 0.5, d * cx + e * cy + f + h / 2 - 0.5];
  });
  return sample(t, p, mode, fill);
}
/** The centre relative to the middle of the picture. */
const fromMiddle = (img: Picture, center: Point | null): Point => {
  const [, h, w] = getDimensions(img);
  return center === null ? [0, 0] : [center[0] - w * 0.5, center[1] - h * 0.5];
};

export interface AffineOptions {
  interpolation?: InterpolationMode;
  fill?: Fill;
  /** [x, y] of the fixed point, from the upper left corner; null: the middle. */
  center?: Point | null;
}
/** Rotation by `angle` degrees (clockwise), shift by `translate` pixels, scale and shear (degrees) about the centre. */
export function affine<P extends Picture>(
  img: P,
  angle: number,
  translate: Point,
  scale: number,
  shear: number | readonly number[],
  ...rest: Rest<[interpolation: InterpolationMode, fill: Fill, center: Point | null], AffineOptions>
): P {
  const o = merge<AffineOptions>('affine', rest, ['interpolation', 'fill', 'center'], {
    interpolation: 'nearest',
    fill: null,
    center: null,
  });
  if (!(scale > 0)) throw new ValueError('Argument scale should be positive');
  if (!Array.isArray(translate) || translate.length !== 2)
    throw new ValueError('Argument translate should be a sequence of length 2');
  const s: Point = typeof shear === 'number' ? [shear, 0] : [shear[0] ?? 0, shear[1] ?? 0];
  const m = inverseAffineMatrix(fromMiddle(img, o.center), angle, translate, scale, s);
  return onTensor(img, (t) => warpAffine(t, m, [t.shape.at(-1)!, t.shape.at(-2)!], o.interpolation, o.fill));
}

export interface RotateOptions extends AffineOptions {
  /** Make the result large enough to hold the whole picture. */
  expand?: boolean;
}
/** Size that holds the whole transformed picture. */
function expandedSize(m: readonly number[], w: number, h: number): Point {
  const corners: readonly Point[] = [
    [-0.5 * w, -0.5 * h],
    [-0.5 * w, 0.5 * h],
    [0.5 * w, 0.5 * h],
    [0.5 * w, -0.5 * h],
  ];
  const extent = (a: number, b: number, c: number, half: number): number => {
    const values = corners.map(([x, y]) => a * x + b * y + c + half);
    // Rounding of the corners must not add a row.
    const snap = (v: number): number => Math.trunc(v / 1e-4) * 1e-4;
    return Math.trunc(Math.ceil(snap(Math.max(...values))) - Math.floor(snap(Math.min(...values))));
  };
  return [extent(m[0]!, m[1]!, m[2]!, w * 0.5), extent(m[3]!, m[4]!, m[5]!, h * 0.5)];
}
/** Rotation by `angle` degrees, counter-clockwise. */
export function rotate<P extends Picture>(
  img: P,
  angle: number,
  ...rest: Rest<[interpolation: InterpolationMode, expand: boolean, center: Point | null, fill: Fill], RotateOptions>
): P {
  const o = merge<RotateOptions>('rotate', rest, ['interpolation', 'expand', 'center', 'fill'], {
    interpolation: 'nearest',
    expand: false,
    center: null,
    fill: null,
  });
  if (typeof angle !== 'number') throw new ValueError('Argument angle should be int or float');
  const m = inverseAffineMatrix(fromMiddle(img, o.center), -angle, [0, 0], 1, [0, 0]);
  return onTensor(img, (t) => {
    const [h, w] = t.shape.slice(-2) as [number, number];
    return warpAffine(t, m, o.expand ? expandedSize(m, w, h) : [w, h], o.interpolation, o.fill);
  });
}

/** The eight coefficients that take `end` points to `start` points: a linear system, solved by elimination. */
function perspectiveCoefficients(start: readonly Point[], end: readonly Point[]): number[] {
  const rows: number[][] = [];
  end.forEach(([x, y], i) => {
    const [u, v] = start[i]!;
    rows.push([x, y, 1, 0, 0, 0, -u * x, -u * y, u], [0, 0, 0, x, y, 1, -v * x, -v * y, v]);
  });
  const n = 8;
  for (let k = 0; k < n; k++) {
    let best = k;
    for (let r = k; r < n; r++) if (Math.abs(rows[r]![k]!) > Math.abs(rows[best]![k]!)) best = r;
    [rows[k], rows[best]] = [rows[best]!, rows[k]!];
    const head = rows[k]!;
    if (Math.abs(head[k]!) < 1e-12) throw new ValueError('perspective: three of the points lie on one line');
    for (let r = 0; r < n; r++) {
      if (r === k) continue;
      const factor = rows[r]![k]! / head[k]!;
      for (let c = k; c <= n; c++) rows[r]![c]! -= factor * head[c]!;
    }
  }
  return rows.map((r, i) => r[n]! / r[i]!);
}
export interface PerspectiveOptions {
  interpolation?: InterpolationMode;
  fill?: Fill;
}
/** The perspective map that takes the four `startpoints` [x, y] to the four `endpoints`. */
export function perspective<P extends Picture>(
  img: P,
  startpoints: readonly Point[],
  endpoints: readonly Point[],
  ...rest: Rest<[interpolation: InterpolationMode, fill: Fill], PerspectiveOptions>
): P {
  const o = merge<PerspectiveOptions>('perspective', rest, ['interpolation', 'fill'], {
    interpolation: 'bilinear',
    fill: null,
  });
  if (startpoints.length !== 4 || endpoints.length !== 4)
    throw new ValueError('perspective: four start points and four end points are needed');
  const [a, b, c, d, e, f, g, h] = perspectiveCoefficients(startpoints, endpoints) as [
    number, number, number, number, number, number, number, number,
  ]; // prettier-ignore
  return onTensor(img, (t) => {
    const p = places(t.shape.at(-2)!, t.shape.at(-1)!, (x, y) => {
      const [px, py] = [x + 0.5, y + 0.5];
      const scale = g * px + h * py + 1;
      return [(a * px + b * py + c) / scale - 0.5, (d * px + e * py + f) / scale - 0.5];
    });
    return sample(t, p, o.interpolation, o.fill);
  });
}

/** Moves each pixel by `displacement` [1, H, W, 2] (x, y; in units of half the picture). */
export function elasticTransform<P extends Picture>(
  img: P,
  displacement: Tensor,
  ...rest: Rest<[interpolation: InterpolationMode, fill: Fill], PerspectiveOptions>
): P {
  const o = merge<PerspectiveOptions>('elasticTransform', rest, ['interpolation', 'fill'], {
    interpolation: 'bilinear',
    fill: null,
  });
  if (!isTensor(displacement)) throw new ValueError('Argument displacement should be a Tensor');
  const [, h, w] = getDimensions(img);
  if (displacement.shape.join() !== [1, h, w, 2].join()) {
    throw new ShapeError(
      `Argument displacement shape should be 1xHxWx2 = [1, ${h}, ${w}, 2], got [${displacement.shape.join(', ')}]`,
    );
  }
  const d = displacement.double().contiguous().toTypedArray() as Float64Array;
  return onTensor(img, (t) => {
    const p = places(h, w, (x, y) => {
      const i = 2 * (y * w + x);
      return [x + (d[i]! * w) / 2, y + (d[i + 1]! * h) / 2];
    });
    return sample(t, p, o.interpolation, o.fill);
  });
}
