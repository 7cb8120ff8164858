// A long reduction to one value in two steps: parts that threads share, then the parts' values joined.
import { type DType } from '../ir/graph.js';
import { productOf, sameDim } from '../ir/dim.js';
import { type Def, type Reduce } from './defs.js';
import { lRead, lStoreAs } from './expr.js';
import { ixAdd, ixDim, ixMul } from './indexing.js';
import { type ComputeType } from './typing.js';

export type Folding = Omit<Reduce, 'id' | 'name' | 'results'>;

/** Elements from which on a second kernel is worth its start. */
const LONG = 1 << 20;
/** Parts at most: several for each thread, so that none waits long for another. */
const PARTS = 64;
const STORAGE: Readonly<Record<ComputeType, DType>> = {
  f32: 'float32',
  f64: 'float64',
  i32: 'int32',
  i64: 'int64',
  b: 'bool',
};

export interface Parts {
  /** Reduces each part to its state; one result of `shape`. */
  readonly first: Folding;
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Joins the parts, which are read from `from`. */
  readonly second: (from: Def) => Folding;
}

/** The two steps, or null where one is as good: short or symbolic extents, results of several elements, positions. */
export function inParts(r: Folding): Parts | null {
  if (r.usesIndex || r.states.length !== 1 || r.inShape.some((e, d) => !r.reduced[d] && !sameDim(e, 1))) return null;
  const n = productOf(r.inShape);
  const at = r.inShape.findIndex((e) => !sameDim(e, 1));
  const extent = r.inShape[at];
  if (typeof n !== 'number' || n < LONG || typeof extent !== 'number') return null;
  let parts = Math.min(PARTS, extent);
  while (extent % parts !== 0) parts--;
  if (parts < 4) return null;
  const inner = extent / parts;
  const type = r.states[0]!.type;
  return {
    first: {
      ...r,
      inShape: [parts, ...r.inShape.map((e, d) => (d === at ? inner : e))],
      reduced: [false, ...r.inShape.map(() => true)],
      elem: ([part, ...idx]) => r.elem(idx.map((i, d) => (d === at ? ixAdd(ixMul(part!, ixDim(inner)), i) : i))),
      finish: ([state]) => [lStoreAs(state!, STORAGE[type])],
    },
    shape: [parts],
    dtype: STORAGE[type],
    second: (from) => ({
      ...r,
      inShape: [parts],
      reduced: [true],
      elem: (idx) => lRead(from, idx),
      combine: (state, x) => r.join(state, [x]),
    }),
  };
}
