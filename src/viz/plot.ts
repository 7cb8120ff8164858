// Line and scatter plots as SVG text, drawn by hand: vega and vega-lite would take more room than the rest of the installed
// package may (30 MB), and curves of losses need no more than axes, ticks, lines and a legend.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { ValueError } from '../tensor/errors.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { linearAxis, logAxis } from './scale.js';

export interface PlotOptions {
  /** One name per series: shown in a legend. */
  labels?: readonly string[];
  /** Axis titles. */
  x?: string;
  y?: string;
  title?: string;
  /** Logarithmic y axis. */
  logY?: boolean;
  width?: number;
  height?: number;
}
export type Numbers = readonly number[] | Float32Array | Float64Array | Tensor;
interface Series {
  readonly x: readonly number[];
  readonly y: readonly number[];
}

// Okabe and Ito's palette: distinguishable with colour blindness (https://jfly.uni-koeln.de/color/).
const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000', '#f0e442'];
export const escape = (s: string): string =>
  s.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]!);
const round = (v: number): string => String(Math.round(v * 100) / 100);
export const numbers = (v: Numbers): number[] =>
  isTensor(v) ? Array.from(v.detach().double().toTypedArray() as Float64Array) : Array.from(v);

/** A finished picture. */
export class Plot {
  /** The SVG document. */
  readonly svg: string;
  constructor(svg: string) {
    this.svg = svg;
  }
  /** The picture as the bytes of a PNG file, `scale` times its size; needs the package sharp. */
  async png(scale = 2): Promise<Uint8Array> {
    const { rasterize } = await import('../vision/codec.js');
    return rasterize(this.svg, scale);
  }
  /** Writes a PNG file, making its folder when needed. */
  async savePng(path: string, scale = 2): Promise<void> {
    const bytes = await this.png(scale);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  }
  /** Writes the SVG file, making its folder when needed. Throws ValueError for other formats. */
  save(path: string): this {
    if (!path.endsWith('.svg'))
      throw new ValueError(`plots are saved as .svg, got '${path}' (for PNG: await plot.savePng(path))`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, this.svg);
    return this;
  }
  toString(): string {
    return this.svg;
  }
}

/** At most about two points per pixel column: the lowest and the highest, so that no spike is lost. */
function thin(s: Series, columns: number): Series {
  if (s.y.length <= columns * 4) return s;
  const keep: number[] = [];
  const per = s.y.length / columns;
  for (let c = 0; c < columns; c++) {
    const [from, to] = [Math.floor(c * per), Math.floor((c + 1) * per)];
    let lo = from;
    let hi = from;
    for (let i = from; i < to; i++) {
      if (s.y[i]! < s.y[lo]!) lo = i;
      if (s.y[i]! > s.y[hi]!) hi = i;
    }
    keep.push(Math.min(lo, hi));
    if (lo !== hi) keep.push(Math.max(lo, hi));
  }
  return { x: keep.map((i) => s.x[i]!), y: keep.map((i) => s.y[i]!) };
}

/** Axes with their ticks, grid and titles, and the maps from values to places. `tail` closes the drawing. */
export function frame(
  limits: { readonly x: readonly [number, number]; readonly y: readonly [number, number] },
  o: PlotOptions,
): {
  head: string[];
  px: (x: number) => number;
  py: (y: number) => number;
  left: number;
  top: number;
  w: number;
  tail: string[];
} {
  const { width = 720, height = 440, logY = false } = o;
  const left = 64;
  const top = o.title === undefined ? 16 : 40;
  const w = width - left - 16;
  const h = height - top - 52;
  const ax = linearAxis(...limits.x, 8);
  const ay = logY ? logAxis(...limits.y) : linearAxis(...limits.y, 6);
  const px = (x: number): number => left + ax.at(x) * w;
  const py = (y: number): number => top + (1 - ay.at(y)) * h;
  const head: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
  ];
  for (const t of ax.ticks) {
    const x = round(px(t));
    head.push(
      `<line x1="${x}" y1="${top}" x2="${x}" y2="${top + h}" stroke="#e5e5e5"/>`,
      `<text x="${x}" y="${top + h + 18}" text-anchor="middle">${ax.label(t)}</text>`,
    );
  }
  for (const t of ay.ticks) {
    const y = round(py(t));
    head.push(
      `<line x1="${left}" y1="${y}" x2="${left + w}" y2="${y}" stroke="#e5e5e5"/>`,
      `<text x="${left - 6}" y="${y}" dy="4" text-anchor="end">${ay.label(t)}</text>`,
    );
  }
  head.push(`<rect x="${left}" y="${top}" width="${w}" height="${h}" fill="none" stroke="#444"/>`);
  const tail: string[] = [];
  if (o.title !== undefined)
    tail.push(`<text x="${left + w / 2}" y="24" text-anchor="middle" font-size="15">${escape(o.title)}</text>`);
  if (o.x !== undefined)
    tail.push(`<text x="${left + w / 2}" y="${height - 12}" text-anchor="middle">${escape(o.x)}</text>`);
  if (o.y !== undefined)
    tail.push(`<text transform="translate(16 ${top + h / 2}) rotate(-90)" text-anchor="middle">${escape(o.y)}</text>`);
  return { head, px, py, left, top, w, tail: [...tail, '</svg>', ''] };
}

function draw(series: readonly Series[], o: PlotOptions, mark: 'line' | 'dot'): Plot {
  const { labels = [], logY = false } = o;
  const shown = (y: number): boolean => Number.isFinite(y) && (!logY || y > 0);
  let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const s of series) {
    s.y.forEach((y, i) => {
      const x = s.x[i]!;
      if (!shown(y) || !Number.isFinite(x)) return;
      [x0, x1, y0, y1] = [Math.min(x0, x), Math.max(x1, x), Math.min(y0, y), Math.max(y1, y)];
    });
  }
  if (x0 > x1) throw new ValueError('plot: there is no finite value to draw');
  const { head, px, py, left, top, w, tail } = frame({ x: [x0, x1], y: [y0, y1] }, o);
  const out = [...head];
  series.forEach((s, k) => {
    const color = COLORS[k % COLORS.length]!;
    if (mark === 'dot') {
      s.y.forEach((y, i) => {
        if (shown(y))
          out.push(
            `<circle cx="${round(px(s.x[i]!))}" cy="${round(py(y))}" r="2.5" fill="${color}" fill-opacity="0.6"/>`,
          );
      });
      return;
    }
    // Values that cannot be shown break the line.
    const t = thin(s, w);
    let path = '';
    let pen = 'M';
    t.y.forEach((y, i) => {
      if (!shown(y)) return void (pen = 'M');
      path += `${pen}${round(px(t.x[i]!))} ${round(py(y))}`;
      pen = 'L';
    });
    out.push(`<path d="${path}" fill="none" stroke="${color}" stroke-width="1.5" stroke-linejoin="round"/>`);
  });
  if (labels.length > 0) {
    const wide = Math.max(...labels.map((l) => l.length)) * 7 + 36;
    const x = left + w - wide - 8;
    out.push(
      `<rect x="${x}" y="${top + 8}" width="${wide}" height="${labels.length * 18 + 6}" fill="white" fill-opacity="0.85" stroke="#ccc"/>`,
    );
    labels.forEach((l, k) => {
      const y = top + 20 + k * 18;
      out.push(
        `<line x1="${x + 6}" y1="${y}" x2="${x + 24}" y2="${y}" stroke="${COLORS[k % COLORS.length]!}" stroke-width="3"/>`,
        `<text x="${x + 30}" y="${y}" dy="4">${escape(l)}</text>`,
      );
    });
  }
  return new Plot([...out, ...tail].join('\n'));
}

/**
 * Lines of one or several series against their index: `plot([[...], [...]], { labels, x: 'step', y: 'loss' }).save('a.svg')`.
 * Points that are not finite break the line. Throws ValueError when nothing can be drawn.
 */
export function plot(series: Numbers | readonly Numbers[], options: PlotOptions = {}): Plot {
  const nested = Array.isArray(series) && series.length > 0 && typeof series[0] !== 'number';
  const list = (nested ? (series as readonly Numbers[]) : [series as Numbers]).map(numbers);
  if (options.labels !== undefined && options.labels.length !== list.length) {
    throw new ValueError(`plot: ${options.labels.length} labels for ${list.length} series`);
  }
  return draw(
    list.map((y) => ({ x: y.map((_, i) => i), y })),
    options,
    'line',
  );
}

/** Dots at (x[i], y[i]). Tensors of any shape are taken in row-major order. */
export function scatter(x: Numbers, y: Numbers, options: PlotOptions = {}): Plot {
  const [xs, ys] = [numbers(x), numbers(y)];
  if (xs.length !== ys.length) throw new ValueError(`scatter: ${xs.length} x values for ${ys.length} y values`);
  return draw([{ x: xs, y: ys }], options, 'dot');
}
