// One-dimensional resampling: which pixels make a new pixel, and with which weights. Tensors are resized with these weights
// in floating point, images in Pillow's integers. Sources: PyTorch's UpSampleKernel.cpp, Pillow's Resample.c.
import { ValueError } from '../../tensor/errors.js';
import { Image } from '../image.js';
import type { InterpolationMode } from './common.js';

/** New pixel i is the sum of weights[j] * pixel[first + j]. */
export interface Taps {
  readonly first: number;
  readonly weights: readonly number[];
}

const cubic =
  (a: number) =>
  (v: number): number => {
    const x = Math.abs(v);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
  };
const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const FILTERS: Readonly<Record<string, { support: number; at: (x: number) => number }>> = {
  box: { support: 0.5, at: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    at: (x) => (Math.abs(x) >= 1 ? 0 : sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x))),
  },
  bicubic: { support: 2, at: cubic(-0.5) },
  lanczos: { support: 3, at: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Filters that widen with the reduction, so that every old pixel counts. */
export function antialiasedTaps(from: number, to: number, mode: InterpolationMode): Taps[] {
  const filter = FILTERS[mode];
  if (filter === undefined) throw new ValueError(`resize: antialiasing is not defined for mode '${mode}'`);
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const support = filter.support * stretch;
  return Array.from({ length: to }, (_, i) => {
    const center = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(from, Math.trunc(center + support + 0.5));
    const raw = Array.from({ length: end - first }, (_, j) => filter.at((first + j - center + 0.5) / stretch));
    const sum = raw.reduce((a, b) => a + b, 0);
    return { first, weights: sum === 0 ? raw : raw.map((w) => w / sum) };
  });
}

/** Interpolation between the neighbours only (2 for bilinear, 4 for bicubic), edges repeated. */
export function plainTaps(from: number, to: number, mode: 'bilinear' | 'bicubic'): Taps[] {
  const scale = from / to;
  const weight = cubic(-0.75);
  return Array.from({ length: to }, (_, i) => {
    const at = (i + 0.5) * scale - 0.5;
    const source = mode === 'bilinear' ? Math.max(0, at) : at;
    const base = Math.floor(source);
    const t = source - base;
    const pixels: [number, number][] =
      mode === 'bilinear'
        ? [
            [base, 1 - t],
            [base + 1, t],
          ]
        : [-1, 0, 1, 2].map((d) => [base + d, weight(d - t)]);
    const inside = pixels.map(([p, w]): [number, number] => [Math.min(Math.max(p, 0), from - 1), w]);
    const first = inside[0]![0];
    const weights = new Array<number>(inside.at(-1)![0] - first + 1).fill(0);
    for (const [p, w] of inside) weights[p - first]! += w;
    return { first, weights };
  });
}

/** The nearest old pixel for each new one, as PyTorch counts ('nearest': from the corners) or as Pillow ('nearest-exact'). */
export function nearestIndices(from: number, to: number, mode: 'nearest' | 'nearest-exact'): number[] {
  const scale = Math.fround(from / to);
  return Array.from({ length: to }, (_, i) =>
    Math.min(Math.floor(Math.fround((mode === 'nearest' ? i : i + 0.5) * scale)), from - 1),
  );
}

// ---- Pillow's resize of 8-bit images ----

/** Weights are multiples of 2^-22, so that sums of bytes stay within 32 bits. */
const PRECISION = 2 ** 22;
const clip8 = (sum: number): number => Math.min(255, Math.max(0, Math.floor((sum + PRECISION / 2) / PRECISION)));

/** One pass: `lines` rows of `from` pixels whose elements lie `step` apart. */
function pass(
  input: Uint8Array,
  output: Uint8Array,
  taps: readonly Taps[],
  lines: number,
  layout: { line: (i: number) => number; outLine: (i: number) => number; step: number },
): void {
  const { line, outLine, step } = layout;
  const fixed = taps.map(({ first, weights }) => ({
    first,
    weights: weights.map((w) => Math.trunc(w * PRECISION + (w < 0 ? -0.5 : 0.5))),
  }));
  for (let i = 0; i < lines; i++) {
    const start = line(i);
    let q = outLine(i);
    for (const { first, weights } of fixed) {
      let sum = 0;
      let p = start + first * step;
      for (const w of weights) {
        sum += w * input[p]!;
        p += step;
      }
      output[q] = clip8(sum);
      q += step;
    }
  }
}
const multiply255 = (a: number, b: number): number => {
  const t = a * b + 128;
  return ((t >> 8) + t) >> 8;
};
/** Colours times alpha (or back): colours of transparent pixels must not leak into their neighbours. */
function premultiply(image: Image, back: boolean): Image {
  const out = new Image(image.width, image.height, image.channels);
  const last = image.channels - 1;
  for (let p = 0; p < image.data.length; p += image.channels) {
    const a = image.data[p + last]!;
    for (let c = 0; c < last; c++) {
      const v = image.data[p + c]!;
      if (back) out.data[p + c] = a === 0 || a === 255 ? v : Math.min(255, Math.trunc((255 * v) / a));
      else out.data[p + c] = multiply255(v, a);
    }
    out.data[p + last] = a;
  }
  return out;
}

/** Pillow's Image.resize, byte for byte. */
export function resizeImage(image: Image, height: number, width: number, mode: InterpolationMode): Image {
  if (image.height === height && image.width === width) return image;
  const { channels } = image;
  if (mode === 'nearest' || mode === 'nearest-exact') {
    const rows = Array.from({ length: height }, (_, i) => Math.floor((i + 0.5) * (image.height / height)));
    const columns = Array.from({ length: width }, (_, i) => Math.floor((i + 0.5) * (image.width / width)));
    const out = new Image(width, height, channels);
    let q = 0;
    for (const y of rows)
      for (const x of columns)
        for (let c = 0; c < channels; c++) out.data[q++] = image.data[(y * image.width + x) * channels + c]!;
    return out;
  }
  const alpha = channels === 2 || channels === 4;
  let current = alpha ? premultiply(image, false) : image;
  if (current.width !== width) {
    const next = new Image(width, current.height, channels);
    pass(current.data, next.data, antialiasedTaps(current.width, width, mode), current.height * channels, {
      line: (i) => Math.floor(i / channels) * image.width * channels + (i % channels),
      outLine: (i) => Math.floor(i / channels) * width * channels + (i % channels),
      step: channels,
    });
    current = next;
  }
  if (current.height !== height) {
    const next = new Image(width, height, channels);
    pass(current.data, next.data, antialiasedTaps(current.height, height, mode), width * channels, {
      line: (i) => i,
      outLine: (i) => i,
      step: width * channels,
    });
    current = next;
  }
  return alpha ? premultiply(current, true) : current;
}
