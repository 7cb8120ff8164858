// Adaptive pooling: windows of different lengths become gathered ones of one length.
import type { Dim } from '../../ir/graph.js';
import type { OnnxBuilder, Ref } from '../builder.js';
import type { Call, Symbolic } from '../call.js';
import { batched } from './images.js';
import { reduceLast } from './reduce.js';

/** Where the windows of one dimension begin, and how long they are. */
function windows(size: number, out: number): { starts: number[]; lengths: number[] } {
  const starts = Array.from({ length: out }, (_, i) => Math.floor((i * size) / out));
  return { starts, lengths: starts.map((s, i) => Math.ceil(((i + 1) * size) / out) - s) };
}

interface Plan {
  readonly x: Ref;
  readonly undo: (r: Ref) => Ref;
  readonly outShape: readonly Dim[];
  readonly sizes: readonly number[];
  readonly target: readonly number[];
}

function planOf(b: OnnxBuilder, call: Call): Plan {
  const { x, undo, outShape } = batched(b, call, call.tensor('self'), call.dims('outputSize').length);
  const fixed = (dims: readonly Dim[]): number[] =>
    dims.map((d) => (typeof d === 'number' ? d : call.fail('adaptive pooling needs fixed image sizes')));
  return { x, undo, outShape, sizes: fixed(x.type.shape.slice(2)), target: fixed(outShape.slice(2)) };
}

/** Equal windows side by side: an ordinary pooling. */
const divides = ({ sizes, target }: Plan): boolean => target.every((out, i) => out > 0 && sizes[i]! % out === 0);
const kernelOf = ({ sizes, target }: Plan): number[] => target.map((out, i) => sizes[i]! / out);

/**
 * [n, c, o1, k1, o2, k2, ...]: the windows of every dimension, the last element repeated where one is shorter, moved to
 * [n, c, o1, o2, ..., k1 k2 ...].
 */
function gathered(b: OnnxBuilder, { x, sizes, target }: Plan): { x: Ref; widths: number[] } {
  let r = x;
  const widths: number[] = [];
  target.forEach((out, i) => {
    const { starts, lengths } = windows(sizes[i]!, out);
    const width = Math.max(1, ...lengths);
    widths.push(width);
    const at = starts.flatMap((s, o) => Array.from({ length: width }, (_, j) => s + Math.min(j, lengths[o]! - 1)));
    const axis = 2 + 2 * i;
    const shape = [...r.type.shape.slice(0, axis), out, width, ...r.type.shape.slice(axis + 1)];
    r = b.op('Gather', [r, b.constant(at, 'int64', [out, width])], { dtype: r.type.dtype, shape }, { axis });
  });
  const k = target.length;
  const perm = [0, 1, ...target.map((_, i) => 2 + 2 * i), ...target.map((_, i) => 3 + 2 * i)];
  const moved =
    k === 1 ? r : b.op('Transpose', [r], { dtype: r.type.dtype, shape: perm.map((p) => r.type.shape[p]!) }, { perm });
  const flat = [...x.type.shape.slice(0, 2), ...target, widths.reduce((p, q) => p * q, 1)];
  const shape = b.int64s([0, 0, ...flat.slice(2).map(Number)]);
  return { x: k === 1 ? moved : b.op('Reshape', [moved, shape], { dtype: r.type.dtype, shape: flat }), widths };
}

/** For every output place and position in its window: the place in the image, and whether it is a repeated one. */
function places(
  { sizes, target }: Plan,
  widths: readonly number[],
): { at: number[]; real: boolean[]; counts: number[] } {
  const lists = target.map((out, i) => windows(sizes[i]!, out));
  const outs = product(target);
  const all = outs.map((o) =>
    product(widths).map((k) => {
      const inside = k.every((j, i) => j < lists[i]!.lengths[o[i]!]!);
      const at = k.reduce((n, j, i) => {
        const { starts, lengths } = lists[i]!;
        return n * sizes[i]! + starts[o[i]!]! + Math.min(j, lengths[o[i]!]! - 1);
      }, 0);
      return { at, inside };
    }),
  );
  return {
    at: all.flatMap((w) => w.map((p) => p.at)),
    real: all.flatMap((w) => w.map((p) => p.inside)),
    counts: all.map((w) => w.filter((p) => p.inside).length),
  };
}

/** All index tuples of a box, the last one fastest. */
const product = (sizes: readonly number[]): number[][] =>
  sizes.reduce<number[][]>((list, n) => list.flatMap((t) => Array.from({ length: n }, (_, i) => [...t, i])), [[]]);

const adaptiveAvgPoolNd: Symbolic = (b, call) => {
  const target = call.type().shape.slice(-call.dims('outputSize').length);
  if (target.every((d) => d === 1)) {
    const { x, undo, outShape } = batched(b, call, call.tensor('self'), target.length);
    return [undo(b.op('GlobalAveragePool', [x], { dtype: x.type.dtype, shape: outShape }))];
  }
  const plan = planOf(b, call);
  const type = { dtype: plan.x.type.dtype, shape: plan.outShape };
  if (divides(plan)) {
    const kernel = kernelOf(plan);
    return [plan.undo(b.op('AveragePool', [plan.x], type, { kernel_shape: kernel, strides: kernel }))];
  }
  const { x, widths } = gathered(b, plan);
  const { real, counts } = places(plan, widths);
  const width = widths.reduce((p, q) => p * q, 1);
  const mask = b.constant(real, 'bool', [...plan.target, width]);
  const kept = b.op('Where', [mask, x, b.scalar(0, x.type.dtype)], x.type);
  const sum = reduceLast(b, 'ReduceSum', kept);
  return [plan.undo(b.op('Div', [sum, b.constant(counts, type.dtype, plan.target)], type))];
};

const adaptiveMaxPoolNd: Symbolic = (b, call) => {
  const plan = planOf(b, call);
  const type = { dtype: plan.x.type.dtype, shape: plan.outShape };
  const { x, widths } = gathered(b, plan);
  const { at } = places(plan, widths);
  const width = widths.reduce((p, q) => p * q, 1);
  // Nobody may want the places; nodes without a use are left out.
  const kernel = divides(plan) ? kernelOf(plan) : null;
  const values = kernel
    ? b.op('MaxPool', [plan.x], type, { kernel_shape: kernel, strides: kernel })
    : reduceLast(b, 'ReduceMax', x);
  const int64 = (shape: readonly Dim[]) => ({ dtype: 'int64', shape }) as const;
  const first = b.op('ArgMax', [x], int64([...plan.outShape, 1]), { axis: -1, keepdims: 1 });
  const table = b.op(
    'Expand',
    [b.constant(at, 'int64', [...plan.target, width]), b.op('Shape', [x], int64([x.type.shape.length]))],
    int64(x.type.shape),
  );
  const picked = b.op('GatherElements', [table, first], int64([...plan.outShape, 1]), { axis: -1 });
  const indices = b.op('Squeeze', [picked, b.int64s([plan.outShape.length])], int64(plan.outShape));
  return [plan.undo(values), plan.undo(indices)];
};

export const pools: Readonly<Record<string, Symbolic>> = { adaptiveAvgPoolNd, adaptiveMaxPoolNd };
