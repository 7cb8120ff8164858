// Resampling: Resize and Upsample as one matrix of weights per dimension, GridSample, AffineGrid.
import * as t from './t.js';
import * as F from '../../../nn/functional.js';
import { tensor } from '../../../tensor/create.js';
import type { Tensor } from '../../../tensor/handle.js';
import { op, unrecorded, type NodeContext, type OperatorTable } from '../node.js';
import { checkedShape } from './shape.js';

type Coordinates =
  | 'half_pixel'
  | 'half_pixel_symmetric'
  | 'pytorch_half_pixel'
  | 'align_corners'
  | 'asymmetric'
  | 'tf_crop_and_resize'
  | 'tf_half_pixel_for_nn';
type Nearest = 'round_prefer_floor' | 'round_prefer_ceil' | 'floor' | 'ceil';
interface Axis {
  readonly size: number;
  readonly out: number;
  readonly scale: number;
  /** Of the region that tf_crop_and_resize reads. */
  readonly roi: readonly [number, number];
}
interface Settings {
  readonly mode: 'nearest' | 'linear' | 'cubic';
  readonly coordinates: Coordinates;
  readonly nearest: Nearest;
  readonly a: number;
  readonly antialias: boolean;
  readonly excludeOutside: boolean;
}

/** Where output element i lies in the input. */
function source(i: number, s: Axis, how: Coordinates): number {
  const exact = s.scale * s.size;
  switch (how) {
    case 'align_corners':
      return s.out === 1 ? 0 : (i * (s.size - 1)) / (exact - 1);
    case 'asymmetric':
      return i / s.scale;
    case 'tf_crop_and_resize': {
      const [start, end] = s.roi;
      return s.out > 1
        ? start * (s.size - 1) + (i * (end - start) * (s.size - 1)) / (s.out - 1)
        : 0.5 * (start + end) * (s.size - 1);
    }
    case 'pytorch_half_pixel':
      return s.out === 1 ? 0 : (i + 0.5) / s.scale - 0.5;
    case 'tf_half_pixel_for_nn':
      return (i + 0.5) / s.scale;
    case 'half_pixel_symmetric': {
      const offset = (s.size / 2) * (1 - s.out / exact);
      return offset + (i + 0.5) / s.scale - 0.5;
    }
    case 'half_pixel':
      return (i + 0.5) / s.scale - 0.5;
  }
}

function nearestIndex(x: number, how: Nearest): number {
  const low = Math.floor(x);
  const part = x - low;
  switch (how) {
    case 'floor':
      return low;
    case 'ceil':
      return Math.ceil(x);
    case 'round_prefer_floor':
      return part <= 0.5 ? low : low + 1;
    case 'round_prefer_ceil':
      return part < 0.5 ? low : low + 1;
  }
}

const cubicAt = (x: number, a: number): number => {
  const d = Math.abs(x);
  if (d <= 1) return (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1;
  return d < 2 ? a * d ** 3 - 5 * a * d ** 2 + 8 * a * d - 4 * a : 0;
};
/** The first neighbour that counts, relative to the one at or below x, and the weights from there on. */
function weightsAt(part: number, scale: number, s: Settings): { first: number; weights: number[] } {
  const width = s.mode === 'linear' ? 1 : 2;
  const by = s.antialias ? Math.min(scale, 1) : 1;
  const first = Math.floor(-width / by) + 1;
  const count = 2 - 2 * first;
  const weights = Array.from({ length: count }, (_, k) => {
    const d = (first + k - part) * by;
    return s.mode === 'linear' ? Math.max(0, 1 - Math.abs(d)) : cubicAt(d, s.a);
  });
  if (!s.antialias) return { first, weights };
  const sum = weights.reduce((p, q) => p + q, 0);
  return { first, weights: weights.map((w) => w / sum) };
}

/** [out, size]: how much of each input element an output element takes. */
function matrix(axis: Axis, s: Settings): Float64Array {
  const m = new Float64Array(axis.out * axis.size);
  for (let i = 0; i < axis.out; i++) {
    const x = source(i, axis, s.coordinates);
    // A whole position counts as the end of the cell before it.
    const whole = Number.isInteger(x);
    const base = whole ? x - 1 : Math.floor(x);
    const { first, weights } = weightsAt(whole ? 1 : x - base, axis.scale, s);
    let kept = weights;
    if (s.excludeOutside) {
      kept = weights.map((w, k) => (base + first + k < 0 || base + first + k >= axis.size ? 0 : w));
      const sum = kept.reduce((p, q) => p + q, 0);
      kept = kept.map((w) => w / sum);
    }
    kept.forEach((w, k) => {
      const at = Math.min(Math.max(base + first + k, 0), axis.size - 1);
      m[i * axis.size + at]! += w;
    });
  }
  return m;
}

function resampled(x: Tensor, dim: number, axis: Axis, s: Settings): Tensor {
  if (s.mode === 'nearest') {
    const index = Array.from({ length: axis.out }, (_, i) =>
      Math.min(Math.max(nearestIndex(source(i, axis, s.coordinates), s.nearest), 0), axis.size - 1),
    );
    return x.indexSelect(
      dim,
      unrecorded(() => tensor(index, { dtype: 'int64' })),
    );
  }
  const w = unrecorded(() =>
    tensor(matrix(axis, s), { dtype: 'float64' })
      .reshape([axis.out, axis.size])
      .to(x.dtype === 'float64' ? 'float64' : 'float32'),
  );
  return x.movedim(dim, -1).to(w.dtype).matmul(w.t()).movedim(-1, dim);
}

function resize(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const old = n.opset < 11;
  const scalesAt = old ? 1 : 2;
  const axes = n.axes(n.attributeInts('axes') ?? x.shape.map((_, i) => i), x.dim());
  const mode = n.oneOf('mode', ['nearest', 'linear', 'cubic'], 'nearest');
  const s: Settings = {
    mode,
    coordinates: old
      ? 'asymmetric'
      : n.oneOf(
          'coordinate_transformation_mode',
          [
            'half_pixel',
            'half_pixel_symmetric',
            'pytorch_half_pixel',
            'align_corners',
            'asymmetric',
            'tf_crop_and_resize',
            'tf_half_pixel_for_nn',
          ] as const,
          'half_pixel',
        ),
    nearest: old
      ? 'floor'
      : n.oneOf('nearest_mode', ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'], 'round_prefer_floor'),
    a: n.float('cubic_coeff_a', -0.75),
    antialias: n.flag('antialias'),
    excludeOutside: n.flag('exclude_outside'),
  };
  const hasSizes = !old && n.has(3) && n.tensor(3).numel() > 0;
  const given = hasSizes ? n.ints(3) : n.numbers(scalesAt);
  if (given.length !== axes.length)
    n.fail(`${given.length} ${hasSizes ? 'sizes' : 'scales'} for ${axes.length} dimensions`);
  if (given.some((g) => !Number.isFinite(g) || g <= 0)) n.fail(`${hasSizes ? 'sizes' : 'scales'} of [${given}]`);
  const roi = !old && n.has(1) ? n.numbers(1) : [];
  const policy = n.oneOf('keep_aspect_ratio_policy', ['stretch', 'not_larger', 'not_smaller'], 'stretch');
  let scales = given;
  let outs: number[];
  if (hasSizes) {
    scales = given.map((g, i) => g / x.shape[axes[i]!]!);
    outs = given;
    if (policy !== 'stretch') {
      const one = policy === 'not_larger' ? Math.min(...scales) : Math.max(...scales);
      scales = scales.map(() => one);
      outs = axes.map((a) => Math.floor(one * x.shape[a]! + 0.5));
    }
  } else outs = axes.map((a, i) => Math.floor(x.shape[a]! * given[i]!));
  const shape = x.shape.map((size, d) => outs[axes.indexOf(d)] ?? size);
  checkedShape(n, shape);
  return resizedTo(n, x, axes, outs, scales, roi, s);
}

function resizedTo(
  n: NodeContext,
  x: Tensor,
  axes: readonly number[],
  outs: readonly number[],
  scales: readonly number[],
  roi: readonly number[],
  s: Settings,
): Tensor {
  let y = x;
  let outside: Tensor | null = null;
  axes.forEach((d, i) => {
    const size = x.shape[d]!;
    const axis: Axis = { size, out: outs[i]!, scale: scales[i]!, roi: [roi[i] ?? 0, roi[i + axes.length] ?? 1] };
    const same = axis.out === size && axis.scale === 1 && s.coordinates !== 'tf_crop_and_resize';
    if (!same) y = resampled(y, d, axis, s);
    if (s.coordinates !== 'tf_crop_and_resize') return;
    const out = Array.from({ length: axis.out }, (_, k) => {
      const at = source(k, axis, s.coordinates);
      return at < 0 || at > size - 1;
    });
    const mask = unrecorded(() =>
      tensor(out, { dtype: 'bool' }).reshape(x.shape.map((_, k) => (k === d ? axis.out : 1))),
    );
    outside = outside === null ? mask : t.logicalOr(outside, mask);
  });
  const z = outside === null ? y : t.where(outside, n.float('extrapolation_value', 0), y);
  if (z.dtype === x.dtype) return z;
  return /float/.test(x.dtype) ? z.to(x.dtype) : z.round().to(x.dtype);
}

function upsample(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const scales = n.opset < 9 ? [...(n.floats('scales') ?? n.fail('attribute scales is missing'))] : n.numbers(1);
  if (scales.length !== x.dim() || scales.some((v) => !Number.isFinite(v) || v <= 0))
    n.fail(`scales of [${scales}] for ${x.dim()} dimensions`);
  const mode = n.oneOf('mode', ['nearest', 'linear', 'bilinear'], 'nearest');
  const outs = x.shape.map((size, i) => Math.floor(size * scales[i]!));
  checkedShape(n, outs);
  const s: Settings = {
    mode: mode === 'nearest' ? 'nearest' : 'linear',
    coordinates: 'asymmetric',
    nearest: 'floor',
    a: -0.75,
    antialias: false,
    excludeOutside: false,
  };
  return resizedTo(
    n,
    x,
    x.shape.map((_, i) => i),
    outs,
    scales,
    [],
    s,
  );
}

function gridSample(n: NodeContext): Tensor {
  const mode = n.oneOf('mode', ['linear', 'nearest', 'cubic', 'bilinear', 'bicubic'], 'linear');
  return F.gridSample(n.tensor(0), n.tensor(1), {
    mode: mode === 'linear' ? 'bilinear' : mode === 'cubic' ? 'bicubic' : mode,
    paddingMode: n.oneOf('padding_mode', ['zeros', 'border', 'reflection'], 'zeros'),
    alignCorners: n.flag('align_corners'),
  });
}

export const RESIZE: OperatorTable = {
  Resize: op(resize, [1, 4], { settings: [1, 2], since: 10 }),
  Upsample: op(upsample, [1, 2], { settings: [1] }),
  GridSample: op(gridSample, 2, { since: 16 }),
  AffineGrid: op(
    (n) => F.affineGrid(n.tensor(0), checkedShape(n, n.ints(1)), { alignCorners: n.flag('align_corners') }),
    2,
    { since: 20 },
  ),
};
