// Reductions, and what orders or accumulates along an axis.
import { productOf } from '../../ir/dim.js';
import { isFloatType } from '../../ir/dtype.js';
import type { TensorType } from '../../ir/graph.js';
import type { OnnxBuilder, Ref } from '../builder.js';
import { axisOf, type Call, type Symbolic } from '../call.js';
import type { Shapes } from '../shapes.js';

/** The reduced axes: `dim` as a number, a list (empty: all), or null (all). */
function axesOf(call: Call, rank: number, name = 'dim'): number[] {
  const all = [...new Array<number>(rank).keys()];
  // A scalar has no axis, though PyTorch takes 0 and -1 for it.
  if (!call.has(name) || rank === 0) return all;
  const value = call.attr(name);
  const list = typeof value === 'number' ? [value] : call.ints(name);
  return list.length === 0 ? all : list.map((d) => axisOf(d, rank));
}

/** A reduction of `x` over axes. ReduceSum takes them as an input since opset 13, the others since 18. */
export function reduce(
  b: OnnxBuilder,
  type: string,
  x: Ref,
  axes: readonly number[],
  keepdim: boolean,
  out: TensorType,
): Ref {
  if (axes.length === 0) return x; // a scalar: nothing to reduce
  if (!keepdim && x.type.shape.includes(0)) {
    // onnxruntime keeps the axes of an empty tensor whatever it is told.
    const kept = { dtype: out.dtype, shape: x.type.shape.map((d, i) => (axes.includes(i) ? 1 : d)) };
    return b.op('Squeeze', [reduce(b, type, x, axes, true, kept), b.int64s(axes)], out);
  }
  const keepdims = keepdim ? 1 : 0;
  if (type === 'ReduceSum' || b.opset >= 18) return b.op(type, [x, b.int64s(axes)], out, { keepdims });
  return b.op(type, [x], out, { axes, keepdims });
}

/** A reduction over the last axis, which goes. */
export const reduceLast = (b: OnnxBuilder, type: string, x: Ref): Ref => {
  const out = { dtype: x.type.dtype, shape: x.type.shape.slice(0, -1) };
  return reduce(b, type, x, [x.type.shape.length - 1], false, out);
};

const simple =
  (type: string): Symbolic =>
  (b, call) => {
    const out = call.type();
    const x = b.cast(call.tensor('self'), out.dtype);
    return [reduce(b, type, x, axesOf(call, x.type.shape.length), call.bool('keepdim'), out)];
  };

/** A reduction over exactly the image's dimensions, kept, is what images' operators call global pooling. */
const pooled =
  (type: string, global: string): Symbolic =>
  (b, call) => {
    const x = call.tensor('self');
    const axes = axesOf(call, x.type.shape.length);
    const image = axes.length >= 1 && axes.every((a, i) => a === i + 2) && axes.length === x.type.shape.length - 2;
    if (!image || !call.bool('keepdim') || !isFloatType(x.type.dtype) || x.type.dtype !== call.type().dtype)
      return simple(type)(b, call);
    return [b.op(global, [x], call.type())];
  };

/** any, all: ONNX reduces no booleans. */
const logical =
  (type: 'ReduceMax' | 'ReduceMin'): Symbolic =>
  (b, call) => {
    const x = call.tensor('self');
    const numbers = b.cast(b.cast(x, 'bool'), 'int32');
    const out = { dtype: 'int32', shape: call.type().shape } as const;
    return [
      b.cast(reduce(b, type, numbers, axesOf(call, x.type.shape.length), call.bool('keepdim'), out), call.type().dtype),
    ];
  };

function argIndex(b: OnnxBuilder, call: Call, type: 'ArgMax' | 'ArgMin', out: TensorType): Ref {
  const x = call.tensor('self');
  if (x.type.shape.length === 0) return b.scalar(0, out.dtype);
  if (call.has('dim')) {
    const axis = axisOf(call.number('dim'), Math.max(1, x.type.shape.length));
    return b.op(type, [x], out, { axis, keepdims: call.bool('keepdim') ? 1 : 0 });
  }
  const flat = b.op('Reshape', [x, b.int64s([-1])], { dtype: x.type.dtype, shape: [productOf(x.type.shape)] });
  const kept = call.takes('keepdim') && call.bool('keepdim');
  const found = b.op(type, [flat], { dtype: 'int64', shape: [] }, { axis: 0, keepdims: 0 });
  return kept ? b.op('Reshape', [found, b.int64s(out.shape.map(() => 1))], out) : found;
}

const extreme =
  (value: 'ReduceMax' | 'ReduceMin', index: 'ArgMax' | 'ArgMin'): Symbolic =>
  (b, call) => {
    const x = call.tensor('self');
    const axis = axesOf(call, x.type.shape.length);
    const values = reduce(b, value, x, axis, call.bool('keepdim'), call.type(0));
    return [values, argIndex(b, call, index, call.type(1))];
  };

const variance =
  (shapes: Shapes): Symbolic =>
  (b, call) => {
    const x = call.tensor('self');
    const shape = x.type.shape;
    const axes = axesOf(call, shape.length);
    const n = shapes.plus(productOf(axes.map((a) => shape[a]!)), -call.number('correction'));
    // Elements less the correction; of a dynamic axis at run time.
    const divisor =
      typeof n === 'number' ? b.scalar(Math.max(0, n), x.type.dtype) : b.cast(shapes.scalar(n), x.type.dtype);
    const kept = { dtype: x.type.dtype, shape: shape.map((d, i) => (axes.includes(i) ? 1 : d)) };
    const centred = b.op('Sub', [x, reduce(b, 'ReduceMean', x, axes, true, kept)], x.type);
    const squares = b.op('Mul', [centred, centred], x.type);
    const sum = reduce(b, 'ReduceSum', squares, axes, call.bool('keepdim'), call.type());
    return [b.op('Div', [sum, divisor], call.type())];
  };

const cumsum: Symbolic = (b, call) => {
  const out = call.type();
  const x = b.cast(call.tensor('self'), out.dtype);
  if (out.shape.length === 0) return [x];
  return [b.op('CumSum', [x, b.scalar(axisOf(call.number('dim'), out.shape.length), 'int64')], out)];
};

function topk(b: OnnxBuilder, call: Call, k: Ref, largest: boolean, sorted: boolean): Ref[] {
  const x = call.tensor('self');
  if (x.type.shape.length === 0) return [x, b.scalar(0, 'int64')];
  const axis = axisOf(call.number('dim'), x.type.shape.length);
  const attrs = { axis, largest: largest ? 1 : 0, sorted: sorted ? 1 : 0 };
  return b.multi('TopK', [x, k], [call.type(0), call.type(1)], attrs);
}

const sort =
  (shapes: Shapes): Symbolic =>
  (b, call) => {
    const shape = call.tensor('self').type.shape;
    const size = shape.length === 0 ? 1 : shape[axisOf(call.number('dim'), shape.length)]!;
    return topk(b, call, shapes.vector([size]), call.bool('descending'), true);
  };

export const reductions = (shapes: Shapes): Readonly<Record<string, Symbolic>> => ({
  sum: simple('ReduceSum'),
  mean: pooled('ReduceMean', 'GlobalAveragePool'),
  prod: simple('ReduceProd'),
  amax: pooled('ReduceMax', 'GlobalMaxPool'),
  amin: simple('ReduceMin'),
  logsumexp: simple('ReduceLogSumExp'),
  any: logical('ReduceMax'),
  all: logical('ReduceMin'),
  argmax: (b, call) => [argIndex(b, call, 'ArgMax', call.type())],
  argmin: (b, call) => [argIndex(b, call, 'ArgMin', call.type())],
  maxDim: extreme('ReduceMax', 'ArgMax'),
  minDim: extreme('ReduceMin', 'ArgMin'),
  var: variance(shapes),
  cumsum,
  sort: sort(shapes),
  topk: (b, call) => topk(b, call, b.int64s([call.number('k')]), call.bool('largest'), call.bool('sorted')),
});
