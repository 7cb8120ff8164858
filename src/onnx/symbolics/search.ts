// Counting, ranking and distances: comparisons of all pairs.
import { isFloatType, resultType } from '../../ir/dtype.js';
import type { Dim, DType } from '../../ir/graph.js';
import type { OnnxBuilder, Ref } from '../builder.js';
import { axisOf, type Call, type Symbolic } from '../call.js';
import type { Shapes } from '../shapes.js';
import { operand } from './pointwise.js';
import { reduceLast } from './reduce.js';

const unsqueeze = (b: OnnxBuilder, x: Ref, axis: number): Ref => {
  const shape = [...x.type.shape.slice(0, axis), 1, ...x.type.shape.slice(axis)];
  return b.op('Unsqueeze', [x, b.int64s([axis])], { dtype: x.type.dtype, shape });
};

function commonType(call: Call, names: readonly string[]): DType {
  return resultType(
    names.map((n) => {
      const arg = call.arg(n);
      if (arg.kind === 'tensor') return { kind: 'value', value: { id: -1, type: arg.ref.type } };
      return arg.kind === 'number' ? { kind: 'const', value: arg.value, float: arg.float } : { kind: 'none' };
    }),
  );
}

/** How many elements of the sorted sequence lie before each value. */
const searchsorted: Symbolic = (b, call) => {
  const out = call.type();
  const dtype = commonType(call, ['sortedSequence', 'self']);
  let sorted = call.tensor('sortedSequence');
  const sorter = call.optional('sorter');
  if (sorter) sorted = b.op('GatherElements', [sorted, sorter], sorted.type, { axis: -1 });
  const values = operand(b, call, 'self', dtype);
  const right = call.bool('right') || call.attr('side') === 'right';
  const row =
    sorted.type.shape.length > 1
      ? unsqueeze(b, b.cast(sorted, dtype), sorted.type.shape.length - 1)
      : b.cast(sorted, dtype);
  const column = unsqueeze(b, values, values.type.shape.length);
  const n = sorted.type.shape.at(-1)!;
  const pairs = { dtype: 'bool', shape: [...values.type.shape, n] } as const;
  const before = b.op(right ? 'LessOrEqual' : 'Less', [row, column], pairs);
  const counted = b.cast(before, 'int64');
  return [b.cast(reduceLast(b, 'ReduceSum', counted), out.dtype)];
};

const isin =
  (shapes: Shapes): Symbolic =>
  (b, call) => {
    const dtype = commonType(call, ['elements', 'testElements']);
    const elements = operand(b, call, 'elements', dtype);
    const tests = shapes.flatten(operand(b, call, 'testElements', dtype));
    const shape = [...elements.type.shape, tests.type.shape[0]!];
    const equal = b.op('Equal', [unsqueeze(b, elements, elements.type.shape.length), tests], { dtype: 'bool', shape });
    const hits = reduceLast(b, 'ReduceSum', b.cast(equal, 'int64'));
    const compare = b.op('Greater', [hits, b.scalar(0, 'int64')], call.type());
    return [call.bool('invert') ? b.op('Not', [compare], call.type()) : compare];
  };

/** The k-th smallest and its place: the last of the k smallest ones. */
function kth(b: OnnxBuilder, call: Call, k: number): readonly Ref[] {
  const x = call.tensor('self');
  const rank = x.type.shape.length;
  if (rank === 0) return [x, b.scalar(0, 'int64')];
  const axis = axisOf(call.number('dim'), rank);
  const shape = x.type.shape.map((d, i): Dim => (i === axis ? k : d));
  const types = [{ dtype: x.type.dtype, shape }, { dtype: 'int64', shape } as const];
  const attrs = { axis, largest: 0, sorted: 1 };
  const lists = b.multi('TopK', [x, b.int64s([k])], types, attrs);
  const keep = call.bool('keepdim');
  return lists.map((list, i) => {
    const index = keep ? b.int64s([k - 1]) : b.scalar(k - 1, 'int64');
    return b.op('Gather', [list, index], call.type(i), { axis });
  });
}

const medianDim: Symbolic = (b, call) => {
  const x = call.tensor('self');
  const rank = x.type.shape.length;
  const n = rank === 0 ? 1 : x.type.shape[axisOf(call.number('dim'), rank)]!;
  if (typeof n !== 'number' || n === 0) return call.fail('the dimension must have a fixed size above 0');
  return kth(b, call, Math.floor((n + 1) / 2));
};

/** p-norms of the differences of all pairs of rows, x1 [..., p, m] and x2 [..., r, m]. */
const cdistForward: Symbolic = (b, call) => {
  const [x1, x2] = [call.tensor('x1'), call.tensor('x2')];
  const out = call.type();
  const p = call.number('p');
  const a = unsqueeze(b, x1, x1.type.shape.length - 1);
  const c = unsqueeze(b, x2, x2.type.shape.length - 2);
  const pairs = { dtype: out.dtype, shape: [...out.shape, x1.type.shape.at(-1)!] };
  const apart = b.op('Abs', [b.op('Sub', [a, c], pairs)], pairs);
  if (p === 2) return [reduceLast(b, 'ReduceL2', apart)];
  if (p === 1) return [reduceLast(b, 'ReduceSum', apart)];
  if (p === Infinity) return [reduceLast(b, 'ReduceMax', apart)];
  if (p === 0) return [reduceLast(b, 'ReduceSum', b.op('Sign', [apart], pairs))];
  const powers = reduceLast(b, 'ReduceSum', b.op('Pow', [apart, b.scalar(p, out.dtype)], pairs));
  return [b.op('Pow', [powers, b.scalar(1 / p, out.dtype)], out)];
};

/** Zeros for NaN, then the sum. */
const nansum =
  (sum: Symbolic): Symbolic =>
  (b, call) => {
    const x = call.tensor('self');
    if (!isFloatType(x.type.dtype)) return sum(b, call);
    const missing = b.op('IsNaN', [x], { dtype: 'bool', shape: x.type.shape });
    const clean = b.op('Where', [missing, b.scalar(0, x.type.dtype), x], x.type);
    return sum(b, call.withTensor('self', clean));
  };

export const search = (shapes: Shapes, sum: Symbolic): Readonly<Record<string, Symbolic>> => ({
  searchsorted,
  isin: isin(shapes),
  kthvalue: (b, call) => kth(b, call, call.number('k')),
  medianDim,
  cdistForward,
  nansum: nansum(sum),
});
