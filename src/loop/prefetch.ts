// What a kernel fetches ahead: memory that the hardware's prefetchers do not find, or not soon enough.
import { type Dim } from '../ir/graph.js';
import { mulDims, productOf } from '../ir/dim.js';
import { type Def } from '../schedule/defs.js';
import { byteSize } from '../schedule/dtype.js';
import { walk } from '../schedule/expr.js';
import { coefficient, constantOf, hasDivision, ixAdd, ixConst, type Axis } from '../schedule/indexing.js';
import { foldedValues, type Prefetch, type Store } from './kernel.js';
import { type Draft, type Space } from './space.js';

/** Tensors from this size on do not stay in the cache. */
export const STREAM_BYTES = 8 << 20;

/** What the first pass will load for the next row: contiguous loads of rows of at least a kilobyte, in large kernels. */
export function nextRow(draft: Draft, space: Space, vector: Axis | null, size: Dim): Prefetch[] {
  const row = space.rows[space.rows.length - 1];
  const first = draft.stages.find((s) => s.folds.length + s.colStores.length + s.keeps.length > 0);
  if (!row || !vector || !first || space.rows.includes(vector) || (typeof size === 'number' && size < 1 << 20))
    return [];
  if (typeof vector.extent === 'number' && vector.extent < 256) return [];
  const out = new Map<string, Prefetch>();
  for (const e of [
    ...first.folds.flatMap(foldedValues),
    ...first.colStores.map((x) => x.value),
    ...first.keeps.map((x) => x.value),
  ]) {
    walk(e, (x) => {
      if (x.k !== 'load' || hasDivision(x.offset)) return;
      const [v, r] = [coefficient(x.offset, vector), coefficient(x.offset, row)];
      if (v === null || r === null || constantOf(v) !== 1 || r.terms.length === 0) return;
      out.set(`${x.src.id}|${x.offset.key}`, { src: x.src as Def, offset: ixAdd(x.offset, r) });
    });
  }
  return out.size <= 3 ? [...out.values()] : [];
}

/** Walks down columns of a large tensor, vectors side by side: what the next ones will load, since no hardware sees a stream in it. */
export function beside(draft: Draft, space: Space, vector: Axis, size: Dim): Prefetch[] {
  const outer = space.cols[0];
  const first = draft.stages.find((s) => s.folds.length > 0);
  if (!outer || !first || (typeof size === 'number' && size < 1 << 20)) return [];
  const out = new Map<string, Prefetch>();
  for (const e of first.folds.flatMap(foldedValues)) {
    walk(e, (x) => {
      if (x.k !== 'load' || hasDivision(x.offset)) return;
      const [v, c] = [coefficient(x.offset, vector), coefficient(x.offset, outer)];
      if (v === null || c === null || constantOf(v) !== 1 || c.terms.length + constantOf(c)! === 0) return;
      out.set(`${x.src.id}|${x.offset.key}`, { src: x.src as Def, offset: ixAdd(x.offset, ixConst(BESIDE)) });
    });
  }
  return out.size <= 2 ? [...out.values()] : [];
}
/** Elements that a step across the columns takes with the widest vectors. */
const BESIDE = 64;

/** Distance of a prefetch within a contiguous walk, in bytes. */
const AHEAD = 2048;
/** Element-wise kernels over large tensors: what vectors further on will load. Their arithmetic fills the processor's window, so that
 * too few loads are under way without it. */
export function ahead(stores: readonly Store[], space: Space, vector: Axis): Prefetch[] {
  if (space.cols.length > 0) return [];
  const out = new Map<string, Prefetch>();
  for (const { value } of stores) {
    walk(value, (x) => {
      if (x.k !== 'load' || hasDivision(x.offset)) return;
      const src = x.src as Def;
      const c = coefficient(x.offset, vector);
      const bytes = mulDims(productOf(src.shape), byteSize(src.dtype));
      if (c === null || constantOf(c) !== 1 || typeof bytes !== 'number' || bytes < STREAM_BYTES) return;
      out.set(`${src.id}|${x.offset.key}`, { src, offset: ixAdd(x.offset, ixConst(AHEAD / byteSize(src.dtype))) });
    });
  }
  return out.size <= 6 ? [...out.values()] : [];
}
