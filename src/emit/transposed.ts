// Loads that walk with a stride along the vector axis and one by one along another row axis: both targets read them in tiles, so that
// every cache line is fetched once and whole.
import { type LExpr, walk } from '../schedule/expr.js';
import { type Axis, axesOf, coefficient, constantOf, hasDivision } from '../schedule/indexing.js';
import { type Kernel } from '../loop/kernel.js';

export type Load = LExpr & { k: 'load' };

export interface Transposed {
  /** The axis along which tiles are read. */
  readonly across: Axis;
  readonly tiles: readonly Load[];
  /** Contiguous loads beside them, a tile's width or more apart along `across`. */
  readonly beside: readonly Load[];
}

/** Shorter axes are not worth a tile. */
const long = (a: Axis): boolean => typeof a.extent !== 'number' || a.extent >= 16;

/** Only in kernels without folds, where loops may be exchanged; null when no load is transposed. */
export function transposedLoads(k: Kernel, width: number): Transposed | null {
  const { vector: v, rows, cols } = k;
  if (!v || cols.length > 0) return null;
  const across = rows.filter((a) => a !== v).pop();
  if (!across || !long(across) || !long(v)) return null;
  const loads = new Set<Load>();
  for (const s of k.stages)
    for (const x of s.stores) walk(x.value, (e) => void (e.k === 'load' && !hasDivision(e.offset) && loads.add(e)));
  const tiles: Load[] = [];
  const beside: Load[] = [];
  for (const e of loads) {
    const [along, next] = [coefficient(e.offset, v), coefficient(e.offset, across)];
    if (along === null || next === null) continue;
    const [p, q] = [constantOf(along), constantOf(next)];
    if (p !== 1 && q === 1 && axesOf(e.offset).has(v)) tiles.push(e);
    else if (p === 1 && q !== null && q >= width) beside.push(e);
  }
  return tiles.length > 0 ? { across, tiles, beside } : null;
}
