// Reading and writing by index, order and counting.
import * as t from './t.js';
import { tensor } from '../../../tensor/create.js';
import type { Tensor } from '../../../tensor/handle.js';
import { op, type NodeContext, type OperatorTable } from '../node.js';
import { checkedShape } from './shape.js';

/** Indices from the end become those from the start. What is outside stays so, and the op that reads it says so. */
function positive(index: Tensor, size: number): Tensor {
  const i = index.to('int64');
  return t.where(i.lt(0), i.add(size), i);
}
function indices(n: NodeContext, i: number): Tensor {
  const x = n.tensor(i);
  if (x.dtype !== 'int64' && x.dtype !== 'int32') n.fail(`indices must be int32 or int64, got ${x.dtype}`);
  return x;
}

function gather(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const axis = n.axis(n.attributeInt('axis', 0), x.dim());
  const index = positive(indices(n, 1), x.shape[axis]!);
  const shape = [...x.shape.slice(0, axis), ...index.shape, ...x.shape.slice(axis + 1)];
  return x.indexSelect(axis, index.reshape([-1])).reshape(shape);
}

function gatherND(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const index = indices(n, 1).to('int64');
  const batch = n.attributeInt('batch_dims', 0);
  const depth = index.shape.at(-1) ?? n.fail('indices need a dimension');
  if (batch < 0 || batch >= Math.min(x.dim(), index.dim()) || depth < 1 || batch + depth > x.dim())
    n.fail(`indices of shape [${index.shape}] into [${x.shape}] with batch_dims ${batch}`);
  const lead = x.shape.slice(0, batch);
  const B = lead.reduce((a, b) => a * b, 1);
  const data = x.reshape([B, ...x.shape.slice(batch)]);
  const flat = index.reshape([B, -1, depth]);
  const columns = Array.from({ length: depth }, (_, d) => positive(flat.select(2, d), data.shape[d + 1]!));
  const rows = t.arange(0, B, 1, { dtype: 'int64' }).unsqueeze(1).expand(columns[0]!.shape);
  return data.index(rows, ...columns).reshape([...index.shape.slice(0, -1), ...x.shape.slice(batch + depth)]);
}

const REDUCTIONS = { add: 'sum', mul: 'prod', max: 'amax', min: 'amin' } as const;
type Reduction = 'none' | keyof typeof REDUCTIONS;
const reductionOf = (n: NodeContext): Reduction =>
  n.oneOf('reduction', ['none', 'add', 'mul', 'max', 'min'] as const, 'none');

function scatterElements(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const axis = n.axis(n.attributeInt('axis', 0), x.dim());
  const index = positive(indices(n, 1), x.shape[axis]!);
  const updates = n.tensor(2);
  if (updates.shape.join() !== index.shape.join()) n.fail(`updates [${updates.shape}] for indices [${index.shape}]`);
  const by = reductionOf(n);
  return by === 'none' ? x.scatter(axis, index, updates) : x.scatterReduce(axis, index, updates, REDUCTIONS[by]);
}

function scatterND(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const index = indices(n, 1).to('int64');
  const updates = n.tensor(2);
  const depth = index.shape.at(-1) ?? n.fail('indices need a dimension');
  const inner = x.shape.slice(depth);
  const wanted = [...index.shape.slice(0, -1), ...inner];
  if (depth > x.dim() || updates.shape.join() !== wanted.join())
    n.fail(`updates [${updates.shape}] for indices [${index.shape}] into [${x.shape}]`);
  const size = inner.reduce((a, b) => a * b, 1);
  const rows = index.reshape([-1, depth]);
  let flat = t.zeros([rows.shape[0]!], { dtype: 'int64' });
  for (let d = 0; d < depth; d++) {
    const column = positive(rows.select(1, d), x.shape[d]!);
    if (column.numel() > 0 && (column.lt(0).any().item() || column.ge(x.shape[d]!).any().item()))
      n.fail(`an index is outside of dimension ${d} of size ${x.shape[d]}`);
    flat = flat.mul(x.shape[d]!).add(column);
  }
  const data = x.reshape([-1, size]);
  const where = flat.unsqueeze(1).expand([flat.shape[0]!, size]);
  const values = updates.reshape([-1, size]);
  const by = reductionOf(n);
  const out = by === 'none' ? data.scatter(0, where, values) : data.scatterReduce(0, where, values, REDUCTIONS[by]);
  return out.reshape(x.shape);
}

function oneHot(n: NodeContext): Tensor {
  const index = n.tensor(0).to('int64');
  const depth = Math.trunc(n.number(1));
  const values = n.tensor(2).flatten();
  const axis = n.axis(n.attributeInt('axis', -1), index.dim() + 1);
  checkedShape(n, [...index.shape, depth]);
  const i = positive(index, depth).unsqueeze(axis);
  const classes = t
    .arange(0, depth, 1, { dtype: 'int64' })
    .reshape([depth, ...Array<number>(index.dim() - axis).fill(1)]);
  return t.where(i.eq(classes), values.select(0, 1), values.select(0, 0));
}

function compress(n: NodeContext): Tensor {
  let x = n.tensor(0);
  const axis = n.hasAttribute('axis') ? n.axis(n.attributeInt('axis'), x.dim()) : 0;
  if (!n.hasAttribute('axis')) x = x.flatten();
  const keep = n.numbers(1).flatMap((c, i) => (c ? [i] : []));
  if (keep.some((i) => i >= x.shape[axis]!))
    n.fail(`the condition is longer than the dimension of size ${x.shape[axis]}`);
  return x.indexSelect(axis, tensor(keep, { dtype: 'int64' }));
}

function reverseSequence(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const [time, batch] = [n.attributeInt('time_axis', 0), n.attributeInt('batch_axis', 1)];
  if (time + batch !== 1 || time * batch !== 0 || x.dim() < 2) n.fail('time_axis and batch_axis must be 0 and 1');
  const lengths = n.tensor(1).to('int64');
  if (lengths.dim() !== 1 || lengths.numel() !== x.shape[batch])
    n.fail(`${lengths.numel()} lengths for a batch of ${x.shape[batch]}`);
  const T = x.shape[time]!;
  const steps = t.arange(0, T, 1, { dtype: 'int64' }).unsqueeze(time === 0 ? 1 : 0);
  const len = lengths.unsqueeze(time === 0 ? 0 : 1);
  const at = t.where(steps.lt(len), len.sub(1).sub(steps), steps);
  const index = at.reshape([...at.shape, ...Array<number>(x.dim() - 2).fill(1)]).expand(x.shape);
  return x.gather(time, index);
}

function topK(n: NodeContext): Tensor[] {
  const x = n.tensor(0);
  const axis = n.axis(n.attributeInt('axis', -1), x.dim());
  const k = n.opset < 10 ? n.attributeInt('k') : n.int(1);
  if (k < 0 || k > (x.shape[axis] ?? 1)) n.fail(`k of ${k} along a dimension of ${x.shape[axis]}`);
  // Of equal elements the one with the lower index comes first: a stable sort.
  const { values, indices: order } = t.sort(x, { dim: axis, descending: n.flag('largest', true), stable: true });
  return [values.narrow(axis, 0, k), order.narrow(axis, 0, k)];
}

function unique(n: NodeContext): (Tensor | null)[] {
  const axis = n.hasAttribute('axis') ? n.axis(n.attributeInt('axis'), n.tensor(0).dim()) : null;
  const x = axis === null ? n.tensor(0).flatten() : n.tensor(0);
  const dim = axis ?? 0;
  const sorted = n.flag('sorted', true);
  const rows = x.movedim(dim, 0).reshape([x.shape[dim]!, -1]);
  const values = rows.double().tolist() as number[][];
  const groups = new Map<string, number[]>();
  values.forEach((row, i) => {
    const key = row.join();
    const at = groups.get(key);
    if (at) at.push(i);
    else groups.set(key, [i]);
  });
  const list = [...groups.values()];
  if (sorted)
    list.sort((a, b) => {
      const [p, q] = [values[a[0]!]!, values[b[0]!]!];
      const d = p.findIndex((v, i) => v !== q[i]);
      return d < 0 ? 0 : p[d]! - q[d]!;
    });
  const inverse = Array<number>(values.length).fill(0);
  list.forEach((members, g) => members.forEach((i) => (inverse[i] = g)));
  const ints = (v: number[]): Tensor => tensor(v, { dtype: 'int64' });
  const first = ints(list.map((m) => m[0]!));
  return [x.indexSelect(dim, first), first, ints(inverse), ints(list.map((m) => m.length))];
}

function tensorScatter(n: NodeContext): Tensor {
  const past = n.tensor(0);
  const update = n.tensor(1);
  const axis = n.axis(n.attributeInt('axis', -2), past.dim());
  const circular = n.oneOf('mode', ['linear', 'circular'], 'linear') === 'circular';
  const [size, length, batch] = [past.shape[axis]!, update.shape[axis]!, past.shape[0]!];
  const start = n.has(2) ? n.tensor(2).to('int64') : t.zeros([batch], { dtype: 'int64' });
  let at = start.unsqueeze(1).add(t.arange(0, length, 1, { dtype: 'int64' }));
  if (circular) at = at.remainder(size);
  const shape = update.shape.map((_, i) => (i === 0 ? batch : i === axis ? length : 1));
  return past.scatter(axis, at.reshape(shape).expand(update.shape), update);
}

function arg(n: NodeContext, largest: boolean): Tensor {
  const x = n.tensor(0);
  const axis = n.axis(n.attributeInt('axis', 0), x.dim());
  const keepdim = n.flag('keepdims', true);
  const last = n.flag('select_last_index');
  const y = last ? x.flip([axis]) : x;
  const i = largest ? y.argmax(axis, keepdim) : y.argmin(axis, keepdim);
  return last ? i.neg().add(x.shape[axis]! - 1) : i;
}

function cumulative(n: NodeContext, fn: (x: Tensor, axis: number) => Tensor, start: number): Tensor {
  const x = n.tensor(0);
  const axis = n.axis(n.int(1), x.dim());
  const reverse = n.flag('reverse');
  let y = reverse ? x.flip([axis]) : x;
  y = fn(y, axis).to(x.dtype);
  if (n.flag('exclusive')) {
    const first = t.full(
      x.shape.map((s, i) => (i === axis ? Math.min(1, s) : s)),
      start,
      { dtype: x.dtype },
    );
    y = t.cat([first, y.narrow(axis, 0, Math.max(0, x.shape[axis]! - 1))], axis);
  }
  return reverse ? y.flip([axis]) : y;
}

export const INDEX: OperatorTable = {
  Gather: op(gather, 2),
  GatherElements: op((n) => {
    const x = n.tensor(0);
    const axis = n.axis(n.attributeInt('axis', 0), x.dim());
    return x.gather(axis, positive(indices(n, 1), x.shape[axis]!));
  }, 2),
  GatherND: op(gatherND, 2),
  Scatter: op(scatterElements, 3),
  ScatterElements: op(scatterElements, 3),
  ScatterND: op(scatterND, 3),
  OneHot: op(oneHot, 3, { wideAs: 2 }),
  NonZero: op((n) => n.tensor(0).nonzero().t(), 1, { wideAs: null }),
  Compress: op(compress, 2),
  ReverseSequence: op(reverseSequence, 2),
  TopK: op(topK, [1, 2], { outputs: [1, 2], wideAs: null }),
  Unique: op(unique, 1, { outputs: [1, 4], wideAs: null }),
  TensorScatter: op(tensorScatter, [2, 3]),
  ArgMax: op((n) => arg(n, true), 1, { wideAs: null }),
  ArgMin: op((n) => arg(n, false), 1, { wideAs: null }),
  CumSum: op((n) => cumulative(n, (x, axis) => x.cumsum(axis), 0), 2),
  CumProd: op((n) => cumulative(n, (x, axis) => x.cumprod(axis), 1), 2),
};
