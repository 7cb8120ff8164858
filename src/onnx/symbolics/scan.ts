// Running values along an axis without an operator of their own: reductions of all prefixes, which a triangular mask selects.
import { isFloatType } from '../../ir/dtype.js';
import type { OnnxBuilder, Ref } from '../builder.js';
import { axisOf, type Call, type Symbolic } from '../call.js';
import { reduceLast } from './reduce.js';

/** The prefixes need the square of the axis in memory. */
const LONGEST = 4096;

/** [..., n, n]: row i holds the first i + 1 elements and `fill` behind them; and how to put a reduced row back in place. */
function prefixes(b: OnnxBuilder, call: Call, x: Ref, fill: number): { rows: Ref; back: (r: Ref) => Ref } {
  const rank = x.type.shape.length;
  const axis = axisOf(call.number('dim'), rank);
  const n = x.type.shape[axis];
  if (typeof n !== 'number' || n > LONGEST) return call.fail(`the axis must have a fixed size, of at most ${LONGEST}`);
  const order = [...x.type.shape.keys()].filter((d) => d !== axis);
  const perm = [...order, axis];
  const last = axis === rank - 1;
  const moved = perm.map((p) => x.type.shape[p]!);
  const end = last ? x : b.op('Transpose', [x], { dtype: x.type.dtype, shape: moved }, { perm });
  const wide = [...moved.slice(0, -1), 1, n];
  const row = b.op('Unsqueeze', [end, b.int64s([rank - 1])], { dtype: x.type.dtype, shape: wide });
  const mask = b.constant(
    Array.from({ length: n * n }, (_, i) => i % n <= Math.floor(i / n)),
    'bool',
    [n, n],
  );
  const square = { dtype: x.type.dtype, shape: [...moved, n] };
  const rows = b.op('Where', [mask, row, b.scalar(fill, x.type.dtype)], square);
  const undo = x.type.shape.map((_, d) => perm.indexOf(d));
  const back = (r: Ref): Ref =>
    last ? r : b.op('Transpose', [r], { dtype: r.type.dtype, shape: x.type.shape }, { perm: undo });
  return { rows, back };
}

const running =
  (op: string, fill: number): Symbolic =>
  (b, call) => {
    const x = b.cast(call.tensor('self'), call.type().dtype);
    if (x.type.shape.length === 0) return [x];
    const { rows, back } = prefixes(b, call, x, fill);
    return [back(reduceLast(b, op, rows))];
  };

/** The largest (or smallest) so far, and the last place where it is. */
const extreme =
  (sign: 1 | -1): Symbolic =>
  (b, call) => {
    const x = call.tensor('self');
    if (x.type.shape.length === 0) return [x, b.scalar(0, 'int64')];
    // Of integers float64 numbers stand for them, exact up to 2^53.
    const { dtype } = x.type;
    if (dtype === 'int64') return call.fail('of int64 it has no ONNX form');
    const numbers = isFloatType(dtype) ? x : b.cast(x, 'float64');
    const { rows, back } = prefixes(b, call, numbers, -sign * Infinity);
    const type = { dtype: 'int64', shape: rows.type.shape.slice(0, -1) } as const;
    const attrs = { axis: -1, keepdims: 0, select_last_index: 1 };
    const at = b.op(sign === 1 ? 'ArgMax' : 'ArgMin', [rows], type, attrs);
    const values = back(reduceLast(b, sign === 1 ? 'ReduceMax' : 'ReduceMin', rows));
    return [b.cast(values, dtype), back(at)];
  };

export const scans: Readonly<Record<string, Symbolic>> = {
  cumprod: running('ReduceProd', 1),
  logcumsumexp: running('ReduceLogSumExp', -Infinity),
  cummax: extreme(1),
  cummin: extreme(-1),
};
