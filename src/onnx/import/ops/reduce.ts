// Reductions, softmaxes, products of matrices.
import * as t from './t.js';
import * as F from '../../../nn/functional.js';
import { isFloatingDtype } from '../../../tensor/dtype.js';
import { full } from '../../../tensor/create.js';
import type { Tensor } from '../../../tensor/handle.js';
import { MANY, op, type Entry, type NodeContext, type OperatorTable } from '../node.js';

type Over = (x: Tensor, axes: number[], keep: boolean) => Tensor;

/** `since`: the opset from which the axes are an input. */
const reduction = (over: Over, since = 18): Entry =>
  op(
    (n) => {
      const x = n.tensor(0);
      const keep = n.flag('keepdims', true);
      let axes = n.axesBefore(since, 1, x.dim());
      if (axes?.length === 0 || (!axes && n.flag('noop_with_empty_axes'))) {
        if (n.flag('noop_with_empty_axes')) return over(x.unsqueeze(0), [0], false).to(x.dtype);
        axes = undefined;
      }
      axes ??= x.shape.map((_, i) => i);
      if (axes.length === 0) return over(x.unsqueeze(0), [0], false).to(x.dtype);
      return over(x, axes, keep).to(x.dtype);
    },
    [1, 2],
  );

const reducedShape = (x: Tensor, axes: readonly number[], keep: boolean): number[] =>
  x.shape.flatMap((s, i) => (axes.includes(i) ? (keep ? [1] : []) : [s]));

/** The largest or smallest element; of none: what loses against every other. */
function extreme(x: Tensor, axes: number[], keep: boolean, largest: boolean): Tensor {
  if (x.dtype === 'bool') return extreme(x.to('uint8'), axes, keep, largest).to('bool');
  if (axes.some((a) => x.shape[a] === 0) && isFloatingDtype(x.dtype))
    return full(reducedShape(x, axes, keep), largest ? -Infinity : Infinity, { dtype: x.dtype });
  return largest ? x.amax(axes, keep) : x.amin(axes, keep);
}
function product(x: Tensor, axes: number[], keep: boolean): Tensor {
  let y = x;
  for (const a of [...axes].sort((p, q) => q - p)) y = y.prod(a, keep);
  return y;
}
const floats = (x: Tensor): Tensor => (isFloatingDtype(x.dtype) ? x : x.double());

/** Before opset 13 the input is taken for a matrix: the dimensions from `axis` on are one. */
function alongAxis(n: NodeContext, fn: (x: Tensor, axis: number) => Tensor): Tensor {
  const x = n.tensor(0);
  const old = n.opset < 13;
  const axis = n.axis(n.attributeInt('axis', old ? 1 : -1), x.dim());
  if (!old) return fn(x, axis);
  const rows = x.shape.slice(0, axis).reduce((a, b) => a * b, 1);
  return fn(x.reshape([rows, x.numel() / Math.max(rows, 1)]), 1).reshape(x.shape);
}
function hardmax(x: Tensor, axis: number): Tensor {
  const i = x.argmax(axis, true);
  const shape = x.shape.map((s, d) => (d === axis ? s : 1));
  return t.arange(0, x.shape[axis]!, 1, { dtype: 'int64' }).reshape(shape).eq(i).to(x.dtype);
}

function gemm(n: NodeContext): Tensor {
  let [a, b] = [n.tensor(0), n.tensor(1)];
  if (a.dim() !== 2 || b.dim() !== 2) n.fail(`matrices expected, got shapes [${a.shape}] and [${b.shape}]`);
  if (n.flag('transA')) a = a.t();
  if (n.flag('transB')) b = b.t();
  const [alpha, beta] = [n.float('alpha', 1), n.float('beta', 1)];
  if (!n.has(2)) return scaled(a.matmul(b), alpha);
  const c = n.tensor(2);
  const whole = alpha === 1 && beta === 1;
  if (whole && n.flag('transB') && c.dim() === 1 && c.shape[0] === b.shape[1]) return F.linear(a, n.tensor(1), c);
  return isFloatingDtype(a.dtype)
    ? t.addmm(c, a, b, { alpha, beta })
    : scaled(a.matmul(b), alpha).add(scaled(c, beta)).to(a.dtype);
}
const scaled = (x: Tensor, by: number): Tensor => (by === 1 ? x : x.mul(by).to(x.dtype));

export const REDUCE: OperatorTable = {
  ReduceSum: reduction((x, axes, keep) => x.sum(axes, keep), 13),
  ReduceMean: reduction((x, axes, keep) => floats(x).mean(axes, keep)),
  ReduceMax: reduction((x, axes, keep) => extreme(x, axes, keep, true)),
  ReduceMin: reduction((x, axes, keep) => extreme(x, axes, keep, false)),
  ReduceProd: reduction(product),
  ReduceL1: reduction((x, axes, keep) => x.abs().sum(axes, keep)),
  ReduceL2: reduction((x, axes, keep) => floats(x).square().sum(axes, keep).sqrt()),
  ReduceLogSum: reduction((x, axes, keep) => floats(x).sum(axes, keep).log()),
  ReduceSumSquare: reduction((x, axes, keep) => x.square().sum(axes, keep)),
  ReduceLogSumExp: reduction((x, axes, keep) =>
    axes.some((a) => x.shape[a] === 0)
      ? full(reducedShape(x, axes, keep), -Infinity, { dtype: x.dtype })
      : floats(x).logsumexp(axes, keep),
  ),
  Softmax: op((n) => alongAxis(n, (x, axis) => x.softmax(axis))),
  LogSoftmax: op((n) => alongAxis(n, (x, axis) => x.logSoftmax(axis))),
  Hardmax: op((n) => alongAxis(n, hardmax)),
  MatMul: op((n) => {
    const [a, b] = [n.tensor(0), n.tensor(1)];
    if (a.dtype !== b.dtype) n.fail(`operands of ${a.dtype} and ${b.dtype}`);
    return a.matmul(b);
  }, 2),
  Gemm: op(gemm, [2, 3]),
  Einsum: op((n) => t.einsum(n.string('equation').replaceAll(' ', ''), n.all()), [1, MANY]),
  Det: op((n) => t.det(n.tensor(0))),
};
