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
  /** Fewer results than this leave processors without work; 0: they never do. */
  readonly rows: number;
}
export const CUTS: Readonly<Record<'cpp' | 'cuda', Cuts>> = {
  cpp: { long: 1 << 20, parts: 64, wide: 256, depth: 64, rows: 0 },
  cuda: { long: 1 << 17, parts: 1024, wide: 256, depth: 32, rows: 48 },
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

/** A dimension that is cut into `parts` of `inner` steps. */
export interface Piece {
  readonly at: number;
  readonly parts: number;
  readonly inner: number;
}
/** The divisor of `extent` next below `wanted`. */
function divisor(extent: number, wanted: number): number {
  let parts = Math.min(wanted, extent);
  while (extent % parts !== 0) parts--;
  return parts;
}

/** Which dimensions are cut into how many parts; null where one step is as good: short or symbolic extents. */
export function cut(inShape: readonly Dim[], reduced: readonly boolean[], cuts: Cuts): readonly Piece[] | null {
  const n = productOf(inShape);
  const wide = inShape.flatMap((e, d) => (sameDim(e, 1) ? [] : [d]));
  const at = wide.find((d) => reduced[d]);
  const extent = at === undefined ? null : inShape[at];
  if (typeof n !== 'number' || n < cuts.long || at === undefined || typeof extent !== 'number') return null;
  const kept = wide.filter((d) => !reduced[d]);
  if (kept.length === 0) return cutLeading(wide, inShape, cuts.parts);
  const columns = productOf(kept.map((d) => inShape[d]!));
  if (typeof columns !== 'number') return null;
  const piece = (wanted: number): readonly Piece[] | null => {
    const parts = divisor(extent, wanted);
    // An extent without such a divisor stays whole.
    return parts < 4 || parts * 4 < wanted ? null : [{ at, parts, inner: extent / parts }];
  };
  const outside = wide.findIndex((d) => !reduced[d]) === wide.length - kept.length;
  if (outside && columns >= cuts.wide) return piece(Math.min(extent, Math.floor(n / columns / cuts.depth)));
  return columns < cuts.rows ? piece(Math.min(extent, Math.ceil((4 * cuts.rows) / columns))) : null;
}
/** Everything is reduced: leading dimensions are cut until there are enough parts. */
function cutLeading(wide: readonly number[], inShape: readonly Dim[], most: number): readonly Piece[] | null {
  const pieces: Piece[] = [];
  let parts = 1;
  for (const at of wide) {
    const extent = inShape[at]!;
    if (typeof extent !== 'number' || parts * 4 > most) break;
    const more = divisor(extent, Math.floor(most / parts));
    if (more > 1) pieces.push({ at, parts: more, inner: extent / more });
    parts *= more;
    if (more < extent) break;
  }
  return parts < 4 ? null : pieces;
}
/** Positions of a tensor whose dimensions are cut: the parts first, then the places in them. */
export const joined = (idx: readonly Index[], pieces: readonly Piece[]): Index[] =>
  idx.slice(pieces.length).map((i, d) => {
    const k = pieces.findIndex((p) => p.at === d);
    return k < 0 ? i : ixAdd(ixMul(idx[k]!, ixDim(pieces[k]!.inner)), i);
  });
/** The shape whose positions `joined` takes, and which of its dimensions lie in the parts. */
export const cutShape = (
  shape: readonly Dim[],
  reduced: readonly boolean[],
  pieces: readonly Piece[],
): { readonly shape: readonly Dim[]; readonly reduced: readonly boolean[] } => ({
  shape: [...pieces.map((p) => p.parts), ...shape.map((e, d) => pieces.find((p) => p.at === d)?.inner ?? e)],
  reduced: [...pieces.map(() => false), ...reduced],
});

/** The two steps, or null where one is as good; results of several elements and positions stay whole. */
export function inParts(r: Folding, cuts: Cuts): Parts | null {
  if (r.usesIndex || r.ordered || r.more || r.states.length !== 1) return null;
  const pieces = cut(r.inShape, r.reduced, cuts);
  if (pieces === null) return null;
  const type = r.states[0]!.type;
  const inner = cutShape(r.inShape, r.reduced, pieces);
  const kept = r.inShape.map((e, d) => (r.reduced[d] ? 1 : e));
  const shape = [...pieces.map((p) => p.parts), ...kept];
  return {
    first: {
      ...r,
      inShape: inner.shape,
      reduced: inner.reduced,
      elem: (idx) => r.elem(joined(idx, pieces)),
      finish: ([state]) => [lStoreAs(state!, STORAGE[type])],
    },
    shape,
    dtype: STORAGE[type],
    second: (from) => ({
      ...r,
      inShape: shape,
      reduced: [...pieces.map(() => true), ...kept.map(() => false)],
      elem: (idx) => lRead(from, idx),
      combine: (state, x) => r.join(state, [x]),
    }),
  };
}
