// A long reduction in two steps, parts and then the parts' values joined: to one value, so that threads share it; over outer dimensions, so
// that memory is walked in order and not column by column.
import { type DType, type Dim } from '../ir/graph.js';
import { productOf, sameDim } from '../ir/dim.js';
import { type Def, type Reduce } from './defs.js';
import { lRead, lStoreAs } from './expr.js';
import { type Index, ixAdd, ixDim, ixMul } from './indexing.js';
import { type ComputeType } from './typing.js';

export type Folding = Omit<Reduce, 'id' | 'name' | 'results'>;

/** When a reduction is cut, and into how many parts. */
export interface Cuts {
  /** Elements from which on a second kernel is worth its start. */
  readonly long: number;
  /** Parts of a reduction to one value at most: several for each thread, so that none waits long for another. */
  readonly parts: number;
  /** Kept elements from which on a walk down the columns would jump through memory. */
  readonly wide: number;
  /** Steps down the columns of one part: they stay in the first-level cache of a CPU, and give a GPU enough threads. */
  readonly depth: number;
}
export const CUTS: Readonly<Record<'cpp' | 'cuda', Cuts>> = {
  cpp: { long: 1 << 20, parts: 64, wide: 256, depth: 64 },
  cuda: { long: 1 << 17, parts: 1024, wide: 256, depth: 32 },
};
/** What a state is stored as. */
export const STORAGE: Readonly<Record<ComputeType, DType>> = {
  f32: 'float32',
  f64: 'float64',
  i32: 'int32',
  i64: 'int64',
  b: 'bool',
};

export interface Parts {
  /** Reduces each part to its state; one result of `shape`. */
  readonly first: Folding;
  readonly shape: readonly Dim[];
  readonly dtype: DType;
  /** Joins the parts, which are read from `from`. */
  readonly second: (from: Def) => Folding;
}

/** How many parts, along which dimension; null where one step is as good: short or symbolic extents. */
export function cut(
  inShape: readonly Dim[],
  reduced: readonly boolean[],
  cuts: Cuts,
): { readonly at: number; readonly parts: number; readonly inner: number } | null {
  const n = productOf(inShape);
  const wide = inShape.flatMap((e, d) => (sameDim(e, 1) ? [] : [d]));
  const at = wide.find((d) => reduced[d]);
  const extent = at === undefined ? null : inShape[at];
  if (typeof n !== 'number' || n < cuts.long || at === undefined || typeof extent !== 'number') return null;
  const kept = wide.filter((d) => !reduced[d]);
  let parts: number;
  if (kept.length === 0) parts = Math.min(cuts.parts, extent);
  else {
    const columns = productOf(kept.map((d) => inShape[d]!));
    const outside = wide.findIndex((d) => !reduced[d]) === wide.length - kept.length;
    if (typeof columns !== 'number' || columns < cuts.wide || !outside) return null;
    parts = Math.min(extent, Math.floor(n / columns / cuts.depth));
  }
  if (parts < 4) return null;
  const wanted = parts;
  while (extent % parts !== 0) parts--;
  // An extent without such a divisor stays whole.
  return parts < 4 || (kept.length > 0 && parts * 4 < wanted) ? null : { at, parts, inner: extent / parts };
}
/** Positions of a tensor whose dimension `at` is cut: part first, then the place in the part. */
export const joined = (idx: readonly Index[], at: number, inner: number): Index[] =>
  idx.slice(1).map((i, d) => (d === at ? ixAdd(ixMul(idx[0]!, ixDim(inner)), i) : i));

/** The two steps, or null where one is as good; results of several elements and positions stay whole. */
export function inParts(r: Folding, cuts: Cuts): Parts | null {
  if (r.usesIndex || r.ordered || r.more || r.states.length !== 1) return null;
  const c = cut(r.inShape, r.reduced, cuts);
  if (c === null) return null;
  const { at, parts, inner } = c;
  const type = r.states[0]!.type;
  const kept = r.inShape.map((e, d) => (r.reduced[d] ? 1 : e));
  return {
    first: {
      ...r,
      inShape: [parts, ...r.inShape.map((e, d) => (d === at ? inner : e))],
      reduced: [false, ...r.reduced],
      elem: (idx) => r.elem(joined(idx, at, inner)),
      finish: ([state]) => [lStoreAs(state!, STORAGE[type])],
    },
    shape: [parts, ...kept],
    dtype: STORAGE[type],
    second: (from) => ({
      ...r,
      inShape: [parts, ...kept],
      reduced: [true, ...kept.map(() => false)],
      elem: (idx) => lRead(from, idx),
      combine: (state, x) => r.join(state, [x]),
    }),
  };
}
