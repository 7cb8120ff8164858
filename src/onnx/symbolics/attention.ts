// Attention: one operator since opset 23, products around a softmax before.
import type { Dim, TensorType } from '../../ir/graph.js';
import type { OnnxBuilder, Ref } from '../builder.js';
import type { Symbolic } from '../call.js';
import type { Shapes } from '../shapes.js';
import { reduce } from './reduce.js';

/** softmax(q k^T scale + mask) v, of opset 23 for [batch, heads, length, size]. */
const whole: Symbolic = (b, call) => {
  const [q, k, v] = ['query', 'key', 'value'].map((n) => call.tensor(n)) as [Ref, Ref, Ref];
  const four = [q, k, v].every((r) => r.type.shape.length === 4);
  if (!b.has('Attention') || !four || call.number('dropoutP') !== 0 || call.bool('enableGqa')) return null;
  const attrs = {
    is_causal: call.bool('isCausal') ? 1 : 0,
    ...(call.has('scale') ? { scale: { float: call.number('scale') } } : {}),
  };
  return [b.op('Attention', [q, k, v, call.optional('attnMask')], call.type(), attrs)];
};

/** Its result. The other one, the logsumexp of each row, is for the gradient only, and no gradient is exported. */
const byParts =
  (shapes: Shapes): Symbolic =>
  (b, call) => {
    const [q, k, v] = ['query', 'key', 'value'].map((n) => call.tensor(n)) as [Ref, Ref, Ref];
    const { dtype } = q.type;
    const rank = q.type.shape.length;
    const [size, keys] = [q.type.shape.at(-1)!, k.type.shape.at(-2)!];
    const batch = q.type.shape.slice(0, -2);
    const scores: TensorType = { dtype, shape: [...q.type.shape.slice(0, -1), keys] };
    const perm = [...Array.from({ length: rank - 2 }, (_, d) => d), rank - 1, rank - 2];
    const turned = b.op('Transpose', [k], { dtype, shape: [...batch, size, keys] }, { perm });
    const scaled = b.op('Mul', [q, b.scalar(call.number('scale'), dtype)], q.type);
    let x = b.op('MatMul', [scaled, turned], scores);
    const mask = call.optional('attnMask');
    const nothing = b.scalar(-Infinity, dtype);
    if (call.bool('isCausal')) {
      const seen = causal(b, shapes, q.type.shape.at(-2)!, keys);
      x = b.op('Where', [seen, x, nothing], scores);
    } else if (mask !== null) {
      x = mask.type.dtype === 'bool' ? b.op('Where', [mask, x, nothing], scores) : b.op('Add', [x, mask], scores);
    }
    const unseen = mask !== null && call.bool('zeroUnseen') ? rowsOf(b, x, nothing) : null;
    const zero = b.scalar(0, dtype);
    if (unseen !== null) x = b.op('Where', [unseen, zero, x], scores);
    let weights = b.op('Softmax', [x], scores, { axis: rank - 1 });
    if (unseen !== null) weights = b.op('Where', [unseen, zero, weights], scores);
    return [b.op('MatMul', [weights, v], call.type())];
  };

/** [rows, columns]: true up to the diagonal. */
function causal(b: OnnxBuilder, shapes: Shapes, rows: Dim, columns: Dim): Ref {
  const count = (n: Dim): Ref =>
    b.op('Range', [b.scalar(0, 'int64'), shapes.scalar(n), b.scalar(1, 'int64')], { dtype: 'int64', shape: [n] });
  const row = b.op('Unsqueeze', [count(rows), b.int64s([1])], { dtype: 'int64', shape: [rows, 1] });
  return b.op('LessOrEqual', [count(columns), row], { dtype: 'bool', shape: [rows, columns] });
}

/** [..., rows, 1]: rows whose scores are all `nothing`. */
function rowsOf(b: OnnxBuilder, scores: Ref, nothing: Ref): Ref {
  const { dtype, shape } = scores.type;
  const kept = [...shape.slice(0, -1), 1];
  const max = reduce(b, 'ReduceMax', scores, [shape.length - 1], true, { dtype, shape: kept });
  return b.op('Equal', [max, nothing], { dtype: 'bool', shape: kept });
}

export const attention = (shapes: Shapes): Readonly<Record<string, Symbolic>> => ({
  scaledDotProductAttention: whole,
  attentionForward: byParts(shapes),
});
