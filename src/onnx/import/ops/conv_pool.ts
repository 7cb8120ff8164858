// Convolutions and pooling: windows that slide over the dimensions behind batch and channels.
import * as t from './t.js';
import * as F from '../../../nn/functional.js';
import type { Tensor } from '../../../tensor/handle.js';
import { op, type NodeContext, type OperatorTable } from '../node.js';
import { checkedShape, padded } from './shape.js';

export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly ceil: boolean;
}

const LIMIT = 2 ** 31;
function sizes(n: NodeContext, name: string, rank: number, missing: number, least: number): number[] {
  const given = n.attributeInts(name) ?? Array<number>(rank).fill(missing);
  if (given.length !== rank || given.some((v) => v < least || v > LIMIT))
    n.fail(`${name} is [${given}] for ${rank} dimensions`);
  return given;
}

/** Attributes of a window over `spatial`; auto_pad is resolved. */
export function windowOf(n: NodeContext, spatial: readonly number[], kernel: readonly number[]): Window {
  const rank = spatial.length;
  const strides = sizes(n, 'strides', rank, 1, 1);
  const dilations = sizes(n, 'dilations', rank, 1, 1);
  const auto = n.oneOf('auto_pad', ['NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID', ''], 'NOTSET');
  const ceil = n.flag('ceil_mode');
  if (kernel.some((k) => k < 1)) n.fail(`kernel_shape is [${kernel}]`);
  if (auto === 'SAME_UPPER' || auto === 'SAME_LOWER') {
    const total = spatial.map((s, i) => {
      const out = Math.ceil(s / strides[i]!);
      return Math.max(0, (out - 1) * strides[i]! + (kernel[i]! - 1) * dilations[i]! + 1 - s);
    });
    const small = total.map((p) => Math.floor(p / 2));
    const large = total.map((p, i) => p - small[i]!);
    return {
      kernel,
      strides,
      dilations,
      ceil,
      before: auto === 'SAME_UPPER' ? small : large,
      after: auto === 'SAME_UPPER' ? large : small,
    };
  }
  const pads =
    auto === 'VALID' ? Array<number>(2 * rank).fill(0) : (n.attributeInts('pads') ?? Array<number>(2 * rank).fill(0));
  if (pads.length !== 2 * rank || pads.some((p) => p < 0 || p > LIMIT))
    n.fail(`pads are [${pads}] for ${rank} dimensions`);
  return { kernel, strides, dilations, ceil, before: pads.slice(0, rank), after: pads.slice(rank) };
}

/** Padded outside of the op where both sides differ. */
export function evened(n: NodeContext, x: Tensor, w: Window, value = 0): { x: Tensor; padding: readonly number[] } {
  if (w.before.every((p, i) => p === w.after[i])) return { x, padding: w.before };
  return {
    x: padded(n, x, [0, 0, ...w.before], [0, 0, ...w.after], 'constant', value),
    padding: w.before.map(() => 0),
  };
}

export function spatialOf(n: NodeContext, x: Tensor): number[] {
  if (x.dim() < 3 || x.dim() > 5) n.fail(`an input of 3 to 5 dimensions expected, got shape [${x.shape}]`);
  return x.shape.slice(2);
}

function outputsOf(n: NodeContext, x: Tensor, w: Window): void {
  const shape = spatialOf(n, x).map((s, i) => {
    const extent = (w.kernel[i]! - 1) * w.dilations[i]! + 1;
    const room = s + w.before[i]! + w.after[i]! - extent;
    if (room < 0) n.fail(`a window of ${extent} over a size of ${s}, padded by ${w.before[i]} and ${w.after[i]}`);
    return Math.floor(room / w.strides[i]!) + 1;
  });
  checkedShape(n, [...x.shape.slice(0, 2), ...shape]);
  checkedShape(n, [...x.shape.slice(0, 2), ...spatialOf(n, x).map((s, i) => s + w.before[i]! + w.after[i]!)]);
}

export function convolve(n: NodeContext, x: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
  const spatial = spatialOf(n, x);
  if (weight.dim() !== x.dim()) n.fail(`a weight of shape [${weight.shape}] for an input of shape [${x.shape}]`);
  const kernel = weight.shape.slice(2);
  const given = n.attributeInts('kernel_shape');
  if (given && given.join() !== kernel.join()) n.fail(`kernel_shape is [${given}], the weight's is [${kernel}]`);
  const groups = n.attributeInt('group', 1);
  const [channels, outputs] = [x.shape[1]!, weight.shape[0]!];
  if (groups < 1 || channels % groups !== 0 || outputs % groups !== 0 || weight.shape[1] !== channels / groups)
    n.fail(`a weight of shape [${weight.shape}] in ${groups} groups for ${channels} channels`);
  const w = windowOf(n, spatial, kernel);
  outputsOf(n, x, w);
  const e = evened(n, x, w);
  const options = { stride: w.strides, padding: e.padding, dilation: w.dilations, groups };
  return [F.conv1d, F.conv2d, F.conv3d][spatial.length - 1]!(e.x, weight, bias, options as never);
}

function convTranspose(n: NodeContext): Tensor {
  const [x, weight] = [n.tensor(0), n.tensor(1)];
  const spatial = spatialOf(n, x);
  const rank = spatial.length;
  if (weight.dim() !== x.dim() || weight.shape[0] !== x.shape[1])
    n.fail(`a weight of shape [${weight.shape}] for an input of shape [${x.shape}]`);
  const kernel = weight.shape.slice(2);
  const strides = sizes(n, 'strides', rank, 1, 1);
  const dilations = sizes(n, 'dilations', rank, 1, 1);
  const extra = sizes(n, 'output_padding', rank, 0, 0);
  const groups = n.attributeInt('group', 1);
  if (groups < 1 || x.shape[1]! % groups !== 0) n.fail(`${groups} groups of ${x.shape[1]} channels`);
  const full = spatial.map((s, i) => (s - 1) * strides[i]! + (kernel[i]! - 1) * dilations[i]! + 1);
  const auto = n.oneOf('auto_pad', ['NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID', ''], 'NOTSET');
  const shape = n.attributeInts('output_shape');
  let before: number[];
  let after: number[];
  if (shape || auto === 'SAME_UPPER' || auto === 'SAME_LOWER') {
    const wanted = shape ? shape.slice(-rank) : spatial.map((s, i) => s * strides[i]!);
    const total = full.map((f, i) => f + extra[i]! - wanted[i]!);
    const half = total.map((p) => Math.floor(p / 2));
    const rest = total.map((p, i) => p - half[i]!);
    [before, after] = auto === 'SAME_UPPER' ? [half, rest] : [rest, half];
  } else {
    const pads = n.attributeInts('pads') ?? Array<number>(2 * rank).fill(0);
    if (pads.length !== 2 * rank) n.fail(`pads are [${pads}] for ${rank} dimensions`);
    [before, after] = [pads.slice(0, rank), pads.slice(rank)];
  }
  checkedShape(n, [x.shape[0]!, weight.shape[1]! * groups, ...full]);
  const conv = [F.convTranspose1d, F.convTranspose2d, F.convTranspose3d][rank - 1]!;
  const bias = n.optional(2) ?? null;
  const even = before.every((p, i) => p === after[i] && p >= 0 && extra[i]! < Math.max(strides[i]!, dilations[i]!));
  if (even)
    return conv(x, weight, bias, {
      stride: strides,
      padding: before,
      outputPadding: extra,
      dilation: dilations,
      groups,
    } as never);
  // The whole result, of which the pads are cut off; where they are negative it grows, and bias is there too.
  const y = conv(x, weight, null, { stride: strides, dilation: dilations, groups } as never);
  const cut = padded(
    n,
    y,
    [0, 0, ...before.map((p) => -p)],
    [0, 0, ...after.map((p, i) => extra[i]! - p)],
    'constant',
    0,
  );
  return bias ? cut.add(bias.reshape([-1, ...Array<number>(rank).fill(1)])) : cut;
}

function kernelOf(n: NodeContext, rank: number): number[] {
  const kernel = n.attributeInts('kernel_shape') ?? n.fail('attribute kernel_shape is missing');
  if (kernel.length !== rank || kernel.some((k) => k < 1 || k > LIMIT))
    n.fail(`kernel_shape is [${kernel}] for ${rank} dimensions`);
  return kernel;
}

/** Positions that each window reads, one dimension; windows past the end are cut (ceil_mode). */
function starts(size: number, w: Window, i: number): number[] {
  const extent = (w.kernel[i]! - 1) * w.dilations[i]! + 1;
  const room = size + w.before[i]! + w.after[i]! - extent;
  let count = (w.ceil ? Math.ceil(room / w.strides[i]!) : Math.floor(room / w.strides[i]!)) + 1;
  // A window that would start in the padding behind does not count.
  if (w.ceil && (count - 1) * w.strides[i]! >= size + w.before[i]!) count--;
  return Array.from({ length: Math.max(0, count) }, (_, k) => k * w.strides[i]! - w.before[i]!);
}

/** Every window's elements along new last dimensions: `[N, C, out..., kernel...]`. `value` fills what is outside. */
export function windows(n: NodeContext, x: Tensor, w: Window, value: number): Tensor {
  const spatial = spatialOf(n, x);
  const ends = spatial.map((s, i) => {
    const first = starts(s, w, i);
    const last = (first.at(-1) ?? 0) + (w.kernel[i]! - 1) * w.dilations[i]!;
    return { count: first.length, after: Math.max(0, last - (s - 1)) };
  });
  let y = padded(n, x, [0, 0, ...w.before], [0, 0, ...ends.map((e) => e.after)], 'constant', value);
  spatial.forEach((_, i) => {
    const extent = (w.kernel[i]! - 1) * w.dilations[i]! + 1;
    y = y.unfold(2 + i, extent, w.strides[i]!).narrow(2 + i, 0, ends[i]!.count);
    y = t.slice(y, y.dim() - 1, 0, extent, w.dilations[i]!);
  });
  return y;
}
const kernelDims = (rank: number): number[] => Array.from({ length: rank }, (_, i) => 2 + rank + i);

function averagePool(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const spatial = spatialOf(n, x);
  const w = windowOf(n, spatial, kernelOf(n, spatial.length));
  outputsOf(n, x, w);
  const all = n.flag('count_include_pad');
  const plain =
    w.dilations.every((d) => d === 1) && !w.ceil && w.before.every((p, i) => p === w.after[i] && p <= w.kernel[i]! / 2);
  if (plain) {
    const pool = [F.avgPool1d, F.avgPool2d, F.avgPool3d][spatial.length - 1]!;
    return pool(x, w.kernel as never, { stride: w.strides, padding: w.before, countIncludePad: all } as never);
  }
  const dims = kernelDims(spatial.length);
  const sums = windows(n, x, w, 0).sum(dims);
  // What counts: the input, or the input with its padding, but never what ceil_mode reads beyond that.
  const ones = t.ones(all ? [1, 1, ...spatial.map((s, i) => s + w.before[i]! + w.after[i]!)] : [1, 1, ...spatial], {
    dtype: x.dtype,
  });
  const counted: Window = all ? { ...w, before: w.before.map(() => 0), after: w.after.map(() => 0) } : w;
  let counts = windows(n, ones, counted, 0).sum(dims);
  spatial.forEach((_, i) => (counts = counts.narrow(2 + i, 0, sums.shape[2 + i]!)));
  return sums.div(counts);
}

function maxPool(n: NodeContext): Tensor[] {
  const x = n.tensor(0);
  const spatial = spatialOf(n, x);
  const w = windowOf(n, spatial, kernelOf(n, spatial.length));
  outputsOf(n, x, w);
  const wantsIndices = n.node.outputs.length > 1;
  const even = w.before.every((p, i) => p === w.after[i] && p <= Math.floor(w.kernel[i]! / 2)) && /float/.test(x.dtype);
  if (even && !wantsIndices && !w.ceil) {
    const pool = [F.maxPool1d, F.maxPool2d, F.maxPool3d][spatial.length - 1] as typeof F.maxPool2d;
    return [
      pool(
        x,
        w.kernel as never,
        { stride: w.strides, padding: w.before, dilation: w.dilations } as never,
      ) as unknown as Tensor,
    ];
  }
  const least = /float/.test(x.dtype) ? -Infinity : x.dtype === 'uint8' ? 0 : -128;
  const all = windows(n, x, w, least);
  const rank = spatial.length;
  const flat = all.reshape([...all.shape.slice(0, 2 + rank), -1]);
  const values = flat.amax([-1]);
  if (!wantsIndices) return [values];
  // Indices into the whole tensor, row-major or with the first spatial dimension fastest.
  const column = n.attributeInt('storage_order', 0) === 1;
  const order = column ? [...spatial.keys()] : [...spatial.keys()].reverse();
  let stride = 1;
  let position = t.zeros([1, 1, ...spatial], { dtype: 'int64' });
  for (const d of order) {
    const shape = spatial.map((s, i) => (i === d ? s : 1));
    position = position.add(
      t
        .arange(0, spatial[d]!, 1, { dtype: 'int64' })
        .reshape([1, 1, ...shape])
        .mul(stride),
    );
    stride *= spatial[d]!;
  }
  const [N, C] = x.shape as [number, number];
  const base = t
    .arange(0, N * C, 1, { dtype: 'int64' })
    .reshape([N, C, ...spatial.map(() => 1)])
    .mul(stride);
  const where = windows(n, position.add(base), w, -1).reshape(flat.shape);
  const best = t.where(where.ge(0), flat.double(), -Infinity).argmax(-1, true);
  return [values, where.gather(flat.dim() - 1, best).squeeze(-1)];
}

function lpPool(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const spatial = spatialOf(n, x);
  const w = windowOf(n, spatial, kernelOf(n, spatial.length));
  outputsOf(n, x, w);
  const p = n.attributeInt('p', 2);
  return windows(n, x.abs().pow(p), w, 0)
    .sum(kernelDims(spatial.length))
    .pow(1 / p);
}

function maxUnpool(n: NodeContext): Tensor {
  const [x, at] = [n.tensor(0), n.tensor(1)];
  const spatial = spatialOf(n, x);
  const w = windowOf(n, spatial, kernelOf(n, spatial.length));
  const natural = spatial.map((s, i) => (s - 1) * w.strides[i]! + w.kernel[i]! - w.before[i]! - w.after[i]!);
  const inferred = [...x.shape.slice(0, 2), ...natural];
  const shape = n.has(2) ? n.ints(2) : inferred;
  if (shape.length !== inferred.length) n.fail(`output_shape [${shape}] for an input of shape [${x.shape}]`);
  const count = checkedShape(n, inferred).reduce((a, b) => a * b, 1);
  // Indices are those of the natural result, which a larger output_shape holds in its corner.
  const flat = t.zeros([count], { dtype: x.dtype }).scatter(0, at.to('int64').flatten(), x.flatten()).reshape(inferred);
  return padded(
    n,
    flat,
    shape.map(() => 0),
    shape.map((s, i) => s - inferred[i]!),
    'constant',
    0,
  );
}

function col2im(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const image = n.ints(1);
  const block = n.ints(2);
  const rank = image.length;
  const w = windowOf(n, image, block);
  const blocks = image.map((s, i) => starts(s, { ...w, ceil: false }, i));
  const [N, rows] = x.shape as [number, number];
  const size = block.reduce((a, b) => a * b, 1);
  const C = rows / size;
  if (x.dim() !== 3 || !Number.isInteger(C) || x.shape[2] !== blocks.reduce((a, b) => a * b.length, 1))
    n.fail(`columns of shape [${x.shape}] for an image [${image}] in blocks [${block}]`);
  // Where each element of a column lands in the image, padded so that all land inside.
  const padded0 = image.map((s, i) => s + w.before[i]! + w.after[i]!);
  let index = t.zeros([1], { dtype: 'int64' }).reshape([...Array<number>(2 * rank).fill(1)]);
  let stride = 1;
  for (let i = rank - 1; i >= 0; i--) {
    const offset = t
      .arange(0, block[i]!, 1, { dtype: 'int64' })
      .mul(w.dilations[i]!)
      .reshape(Array.from({ length: 2 * rank }, (_, d) => (d === i ? block[i]! : 1)));
    const start = t
      .arange(0, blocks[i]!.length, 1, { dtype: 'int64' })
      .mul(w.strides[i]!)
      .reshape(Array.from({ length: 2 * rank }, (_, d) => (d === rank + i ? blocks[i]!.length : 1)));
    index = index.add(offset.add(start).mul(stride));
    stride *= padded0[i]!;
  }
  const flat = index.flatten();
  const image0 = t.zeros(checkedShape(n, [N * C, stride]) as number[], { dtype: x.dtype });
  const values = x.reshape([N * C, -1]);
  const y = image0.scatterAdd(1, flat.unsqueeze(0).expand(values.shape), values).reshape([N, C, ...padded0]);
  return padded(n, y, [0, 0, ...w.before.map((p) => -p)], [0, 0, ...w.after.map((p) => -p)], 'constant', 0);
}

const global = (n: NodeContext): number[] => spatialOf(n, n.tensor(0)).map((_, i) => 2 + i);

export const CONV_POOL: OperatorTable = {
  Conv: op((n) => convolve(n, n.tensor(0), n.tensor(1), n.optional(2) ?? null), [2, 3]),
  ConvTranspose: op(convTranspose, [2, 3]),
  AveragePool: op(averagePool),
  MaxPool: op(maxPool, 1, { outputs: [1, 2] }),
  LpPool: op(lpPool),
  MaxUnpool: op(maxUnpool, [2, 3]),
  GlobalAveragePool: op((n) => n.tensor(0).mean(global(n), true)),
  GlobalMaxPool: op((n) => n.tensor(0).amax(global(n), true)),
  GlobalLpPool: op((n) =>
    n
      .tensor(0)
      .abs()
      .pow(n.attributeInt('p', 2))
      .sum(global(n), true)
      .pow(1 / n.attributeInt('p', 2)),
  ),
  Col2Im: op(col2im, 3),
};
