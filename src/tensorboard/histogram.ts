// Counting values into the buckets of a histogram, as torch.utils.tensorboard does.
import { ValueError } from '../tensor/errors.js';
import type { Histogram } from './summary.js';

/** Bucket ends: TensorFlow's (growing by a tenth from 1e-12), a number of equal ones, a rule for that number, or the ends. */
export type Bins = 'tensorflow' | 'auto' | 'fd' | 'sturges' | number | readonly number[];

function tensorflowEdges(): number[] {
  const edges: number[] = [];
  for (let v = 1e-12; v < 1e20; v *= 1.1) edges.push(v);
  return [...edges.map((e) => -e).reverse(), 0, ...edges];
}

function edgesOf(values: Float64Array, bins: Bins, min: number, max: number): readonly number[] {
  if (typeof bins === 'object') return bins;
  if (bins === 'tensorflow') return tensorflowEdges();
  let count: number;
  if (typeof bins === 'number') count = bins;
  else {
    const sorted = [...values].sort((a, b) => a - b);
    const at = (q: number): number => sorted[Math.floor(q * (sorted.length - 1))]!;
    const sturges = Math.ceil(Math.log2(values.length) + 1);
    const width = (2 * (at(0.75) - at(0.25))) / Math.cbrt(values.length);
    const fd = width > 0 ? Math.min(Math.ceil((max - min) / width), 10_000) : 1;
    count = bins === 'sturges' ? sturges : bins === 'fd' ? fd : Math.max(sturges, fd);
  }
  if (!Number.isInteger(count) || count < 1)
    throw new ValueError(`addHistogram(): bins must be positive, got ${count}`);
  const [lo, hi] = min === max ? [min - 0.5, max + 0.5] : [min, max];
  return Array.from({ length: count + 1 }, (_, i) => lo + ((hi - lo) * i) / count);
}

/** The histogram of values; buckets before the first and after the last that has any are left out. */
export function histogramOf(values: Float64Array, bins: Bins, maxBins: number | null): Histogram {
  if (values.length === 0) throw new ValueError('addHistogram(): the input has no element.');
  let [min, max, sum, sumSquares] = [Infinity, -Infinity, 0, 0];
  for (const v of values) {
    if (!Number.isFinite(v)) throw new ValueError(`addHistogram(): the input holds ${v}`);
    if (v < min) min = v;
    if (v > max) max = v;
    sum += v;
    sumSquares += v * v;
  }
  let edges = edgesOf(values, bins, min, max);
  let counts: number[] = new Array<number>(edges.length - 1).fill(0);
  for (const v of values) {
    // The last bucket includes its upper end.
    let [lo, hi] = [0, edges.length - 1];
    if (v < edges[0]! || v > edges[hi]!) continue;
    while (hi - lo > 1) {
      const mid = (lo + hi) >> 1;
      if (v >= edges[mid]!) lo = mid;
      else hi = mid;
    }
    counts[lo]!++;
  }
  if (maxBins !== null && counts.length > maxBins) {
    const join = Math.ceil(counts.length / maxBins);
    const joined: number[] = [];
    for (let i = 0; i < counts.length; i += join) joined.push(counts.slice(i, i + join).reduce((a, b) => a + b, 0));
    edges = [...edges.filter((_, i) => i % join === 0).slice(0, joined.length), edges.at(-1)!];
    counts = joined;
  }
  const first = counts.findIndex((c) => c > 0);
  if (first < 0) throw new ValueError('addHistogram(): no value lies in the given bins');
  const last = counts.findLastIndex((c) => c > 0);
  // A bucket of count 0 in front gives the first one its lower end.
  return {
    min,
    max,
    num: values.length,
    sum,
    sumSquares,
    limits: edges.slice(first, last + 2),
    counts: [0, ...counts.slice(first, last + 1)],
  };
}
