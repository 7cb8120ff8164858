// Histograms, heat maps and images as SVG.
import { ShapeError, ValueError } from '../tensor/errors.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { escape, frame, numbers, Plot, type Numbers, type PlotOptions } from './plot.js';

export interface HistOptions extends PlotOptions {
  /** Number of bars (default 30). */
  bins?: number;
  range?: readonly [number, number] | null;
}
/** How often values fall into each of `bins` equal ranges. Values that are not finite are left out. */
export function hist(values: Numbers, options: HistOptions = {}): Plot {
  const { bins = 30, range = null } = options;
  if (!Number.isInteger(bins) || bins < 1)
    throw new ValueError(`hist: bins must be a positive whole number, got ${bins}`);
  const all = numbers(values).filter(Number.isFinite);
  if (all.length === 0) throw new ValueError('hist: there is no finite value to draw');
  let [lo, hi] = range ?? [all.reduce((a, b) => Math.min(a, b)), all.reduce((a, b) => Math.max(a, b))];
  if (lo === hi) [lo, hi] = [lo - 0.5, hi + 0.5];
  const counts = new Array<number>(bins).fill(0);
  for (const v of all) {
    if (v >= lo && v <= hi) counts[Math.min(bins - 1, Math.floor(((v - lo) / (hi - lo)) * bins))]!++;
  }
  const { head, px, py, tail } = frame({ x: [lo, hi], y: [0, Math.max(1, ...counts)] }, options);
  const bars = counts.map((n, i) => {
    const [x0, x1] = [px(lo + ((hi - lo) * i) / bins), px(lo + ((hi - lo) * (i + 1)) / bins)];
    return `<rect x="${x0.toFixed(2)}" y="${py(n).toFixed(2)}" width="${(x1 - x0).toFixed(2)}" height="${(py(0) - py(n)).toFixed(2)}" fill="#0072b2" stroke="white" stroke-width="0.5"/>`;
  });
  return new Plot([...head, ...bars, ...tail].join('\n'));
}

/** Stops of the colour map viridis (https://bids.github.io/colormap/). */
const VIRIDIS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]] as const; // prettier-ignore
function viridis(t: number): string {
  const at = Math.min(Math.max(t, 0), 1) * (VIRIDIS.length - 1);
  const i = Math.min(Math.floor(at), VIRIDIS.length - 2);
  const mixed = VIRIDIS[i]!.map((v, k) => Math.round(v + (VIRIDIS[i + 1]![k]! - v) * (at - i)));
  return `rgb(${mixed.join(',')})`;
}
export interface HeatmapOptions extends PlotOptions {
  /** Values of the darkest and the lightest colour; default: the smallest and the largest. */
  range?: readonly [number, number] | null;
  xLabels?: readonly string[];
  yLabels?: readonly string[];
  /** Write the numbers into the cells. */
  annotate?: boolean;
}
/** A matrix as coloured cells: confusion matrices, attention. */
export function heatmap(matrix: Tensor | readonly (readonly number[])[], options: HeatmapOptions = {}): Plot {
  const rows: readonly (readonly number[])[] = isTensor(matrix)
    ? (matrix.detach().double().tolist() as number[][])
    : matrix;
  const width = rows[0]?.length ?? 0;
  if (width === 0 || rows.some((r) => r.length !== width))
    throw new ShapeError('heatmap: expected a matrix with at least one element');
  const finite = rows.flat().filter(Number.isFinite);
  const [lo, hi] = options.range ?? [Math.min(...finite), Math.max(...finite)];
  const cell = Math.max(4, Math.min(40, Math.floor((options.width ?? 560) / width)));
  const [left, top] = [options.yLabels === undefined ? 16 : 96, options.title === undefined ? 16 : 40];
  const bottom = options.xLabels === undefined ? 16 : 36;
  const [w, h] = [left + cell * width + 16, top + cell * rows.length + bottom];
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}" font-family="sans-serif" font-size="11">`,
    `<rect width="${w}" height="${h}" fill="white"/>`,
  ];
  rows.forEach((row, i) =>
    row.forEach((v, j) => {
      const t = hi > lo ? (v - lo) / (hi - lo) : 0.5;
      const [x, y] = [left + j * cell, top + i * cell];
      out.push(
        `<rect x="${x}" y="${y}" width="${cell}" height="${cell}" fill="${Number.isFinite(v) ? viridis(t) : '#dddddd'}"/>`,
      );
      if (options.annotate === true)
        out.push(
          `<text x="${x + cell / 2}" y="${y + cell / 2 + 4}" text-anchor="middle" fill="${t > 0.6 ? 'black' : 'white'}">${Number(v.toPrecision(3))}</text>`,
        );
    }),
  );
  options.yLabels?.forEach((s, i) =>
    out.push(`<text x="${left - 6}" y="${top + (i + 0.5) * cell + 4}" text-anchor="end">${escape(s)}</text>`),
  );
  options.xLabels?.forEach((s, j) =>
    out.push(
      `<text x="${left + (j + 0.5) * cell}" y="${top + rows.length * cell + 16}" text-anchor="middle">${escape(s)}</text>`,
    ),
  );
  if (options.title !== undefined)
    out.push(`<text x="${w / 2}" y="24" text-anchor="middle" font-size="15">${escape(options.title)}</text>`);
  return new Plot([...out, '</svg>', ''].join('\n'));
}

export interface ImshowOptions {
  /** Sides of a pixel (default: what makes the picture about 280 wide). */
  scale?: number;
  title?: string;
}
/** A picture [H, W], [1, H, W] or [3, H, W]: bytes, or floating values in [0, 1]. */
export function imshow(image: Tensor, options: ImshowOptions = {}): Plot {
  const t = image.ndim === 2 ? image.unsqueeze(0) : image;
  if (t.ndim !== 3 || (t.shape[0] !== 1 && t.shape[0] !== 3))
    throw new ShapeError(`imshow: expected [H, W], [1, H, W] or [3, H, W], got [${image.shape.join(', ')}]`);
  const [c, h, w] = t.shape as [number, number, number];
  const factor = t.isFloatingPoint() ? 255 : 1;
  const v = t.detach().double().contiguous().toTypedArray() as Float64Array;
  const scale = options.scale ?? Math.max(1, Math.round(280 / w));
  const top = options.title === undefined ? 0 : 28;
  const byte = (k: number, p: number): number =>
    Math.min(255, Math.max(0, Math.round(v[(c === 1 ? 0 : k) * h * w + p]! * factor)));
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${w * scale}" height="${h * scale + top}" viewBox="0 0 ${w * scale} ${h * scale + top}" shape-rendering="crispEdges">`,
  ];
  if (options.title !== undefined)
    out.push(
      `<text x="${(w * scale) / 2}" y="19" text-anchor="middle" font-family="sans-serif" font-size="14">${escape(options.title)}</text>`,
    );
  for (let y = 0; y < h; y++) {
    // Equal neighbours are one rectangle.
    for (let x = 0; x < w;) {
      const color = [0, 1, 2].map((k) => byte(k, y * w + x)).join(',');
      let end = x + 1;
      while (end < w && [0, 1, 2].map((k) => byte(k, y * w + end)).join(',') === color) end++;
      out.push(
        `<rect x="${x * scale}" y="${top + y * scale}" width="${(end - x) * scale}" height="${scale}" fill="rgb(${color})"/>`,
      );
      x = end;
    }
  }
  return new Plot([...out, '</svg>', ''].join('\n'));
}
