// The iteration space of a kernel: which dimensions become loops of their own, which are walked as one, along which vectors run.
import { type Dim } from '../ir/graph.js';
import { productOf, sameDim } from '../ir/dim.js';
import { exprCost } from '../schedule/cost.js';
import { type LExpr, walk } from '../schedule/expr.js';
import {
  type Axis,
  type Index,
  ZERO,
  axesOf,
  bounds,
  coefficient,
  constantOf,
  hasDivision,
  ixAxis,
  ixDim,
  ixDiv,
  ixMod,
  ixSubstitute,
  linearize,
  newAxis,
} from '../schedule/indexing.js';
import { type Fold, type Keep, type Store, foldedValues } from './kernel.js';

/** Lanes that cost estimates assume; generated source adapts to FB_W. */
export const LANES = 16;
export interface Draft {
  readonly stages: { folds: Fold[]; rowStores: Store[]; colStores: Store[]; keeps: Keep[] }[];
}

/** The group's iteration space: its dimensions as index expressions over the kernel's axes. */
export interface Space {
  readonly rows: readonly Axis[];
  readonly cols: readonly Axis[];
  readonly idx: readonly Index[];
}

export function cutAxes(plain: Space, pieces: ReadonlyMap<Axis, readonly number[]>): Space {
  const to = new Map<Axis, Axis[]>();
  for (const a of [...plain.rows, ...plain.cols])
    to.set(a, pieces.get(a)?.map((e, k) => newAxis(`${a.name}${'abcd'[k]!}`, e)) ?? [a]);
  const at = new Map(
    [...to].map(([a, list]) => [a, linearize(list.map(ixAxis), list.map((x) => x.extent))] as const), // prettier-ignore
  );
  return {
    rows: plain.rows.flatMap((a) => to.get(a)!),
    cols: plain.cols.flatMap((a) => to.get(a)!),
    idx: plain.idx.map((i) => ixSubstitute(i, at)),
  };
}

export function allExprs(d: Draft): LExpr[] {
  return d.stages.flatMap((s) => [
    ...s.folds.flatMap(foldedValues),
    ...s.rowStores.map((x) => x.value),
    ...s.colStores.map((x) => x.value),
    ...s.keeps.map((x) => x.value),
  ]);
}

/** Every index that a kernel evaluates: what it loads, stores and counts. */
export function allIndices(d: Draft): { index: Index; kind: 'load' | 'store' | 'count'; weight: number }[] {
  const out = new Map<string, { index: Index; kind: 'load' | 'store' | 'count'; weight: number }>();
  const note = (index: Index, kind: 'load' | 'store' | 'count', id: string): void =>
    void out.set(`${id}|${index.key}`, { index, kind, weight: 1 });
  for (const e of allExprs(d)) {
    walk(e, (x) => {
      if (x.k === 'load') note(x.offset, 'load', `l${x.src.id}`);
      else if (x.k === 'iota' || x.k === 'uniform') note(x.index, 'count', 'n');
    });
  }
  for (const s of d.stages) {
    for (const x of [...s.rowStores, ...s.colStores]) note(x.offset, 'store', `s${x.def.id}`);
    for (const f of s.folds) if (f.index?.k === 'iota') note(f.index.index, 'count', 'n');
  }
  return [...out.values()];
}

/** Joins neighbouring axes of the same kind that every access walks as one. */
export function mergeAxes(plain: Space, draft: Draft): Space {
  const indices = allIndices(draft).map((x) => x.index);
  const joinable = (a: Axis, b: Axis): boolean =>
    indices.every((i) => {
      const [p, q] = [coefficient(i, a), coefficient(i, b)];
      if (p === null || q === null) return false;
      const scaled = lin(q, b.extent);
      return p.key === scaled.key;
    });
  const lin = (i: Index, by: Dim): Index => linearize([i, ZERO], [1, by]);
  const mergeList = (axes: readonly Axis[]): { axes: Axis[]; runs: Axis[][] } => {
    const runs: Axis[][] = [];
    for (const a of axes) {
      const run = runs[runs.length - 1];
      if (run && joinable(run[run.length - 1]!, a)) run.push(a);
      else runs.push([a]);
    }
    return {
      runs,
      axes: runs.map((r) => (r.length === 1 ? r[0]! : newAxis(r[0]!.name, productOf(r.map((x) => x.extent))))),
    };
  };
  const rows = mergeList(plain.rows);
  const cols = mergeList(plain.cols);
  if (rows.axes.length === plain.rows.length && cols.axes.length === plain.cols.length) return plain;
  const of = new Map<Axis, Index>();
  for (const m of [rows, cols]) {
    m.runs.forEach((run, k) => {
      const whole = ixAxis(m.axes[k]!);
      let step: Index = ixDim(1);
      for (let j = run.length - 1; j >= 0; j--) {
        const q = run.length === 1 ? whole : ixDiv(whole, step);
        of.set(run[j]!, j === 0 ? q : ixMod(q, ixDim(run[j]!.extent)));
        step = linearize([step, ZERO], [1, run[j]!.extent]);
      }
    });
  }
  return { rows: rows.axes, cols: cols.axes, idx: plain.idx.map((i) => ixSubstitute(i, of)) };
}

/** The axis along which vectors run: the one with the fewest estimated memory instructions. `turnsLines`: see BuildOptions. */
export function chooseVector(space: Space, draft: Draft, turnsLines: boolean): { vector: Axis | null; cost: number } {
  const ordered = draft.stages.some((s) => s.folds.some((f) => f.reduce.ordered));
  const axes = [...space.rows, ...(ordered ? [] : space.cols)].filter((a) => !sameDim(a.extent, 1));
  if (axes.length === 0) return { vector: null, cost: 0 };
  const num = (d: Dim): number => (typeof d === 'number' ? d : 1024);
  const total = axes.reduce((p, a) => p * num(a.extent), 1);
  const rowCount = space.rows.reduce((p, a) => p * num(a.extent), 1);
  const folds = draft.stages.reduce((n, s) => n + s.folds.length, 0);
  const inner = workOf(
    turnsLines ? space : null,
    draft.stages.flatMap((s) => [
      ...s.folds.flatMap(foldedValues),
      ...s.colStores.map((x) => x.value),
      ...s.keeps.map((x) => x.value),
    ]),
    draft.stages.flatMap((s) => s.colStores),
  );
  const outer = workOf(
    turnsLines ? space : null,
    draft.stages.flatMap((s) => s.rowStores.map((x) => x.value)),
    draft.stages.flatMap((s) => s.rowStores),
  );
  let best: Axis | null = null;
  let bestCost = Infinity;
  for (const a of axes) {
    const n = num(a.extent);
    const vectors = Math.ceil(n / LANES);
    const inCols = space.cols.includes(a);
    let estimate =
      (space.cols.length > 0 ? (total / n) * vectors * inner(a) : 0) +
      (inCols ? rowCount : (rowCount / n) * vectors) * outer(a);
    if (inCols) estimate += rowCount * folds * 10;
    if (estimate < bestCost * 0.999 || (estimate <= bestCost * 1.001 && best !== null)) {
      best = a;
      bestCost = Math.min(estimate, bestCost);
    }
  }
  return { vector: best, cost: bestCost };
}

/**
 * Cost of one vector of these values, as a function of the vector axis: arithmetic, loads and stores by their stride. `turning`: stores
 * along contiguous lines go by blocks.
 */
function workOf(turning: Space | null, values: readonly LExpr[], stores: readonly Store[]): (a: Axis) => number {
  const compute = values.reduce((s, e) => s + exprCost(e), 0) * 0.5;
  const loads = new Map<string, Index>();
  let counts = 0;
  for (const v of values) {
    walk(v, (x) => {
      if (x.k === 'load') loads.set(`${x.src.id}|${x.offset.key}`, x.offset);
      else if (x.k === 'iota' || x.k === 'uniform') counts++;
    });
  }
  const along = turning?.cols.at(-1);
  const stepAlong = (i: Index): number | null => {
    const c = coefficient(i, along!);
    return c && constantOf(c);
  };
  /** Only where columns, which have no stores to turn, would be read with a stride. */
  const turns =
    along !== undefined &&
    !(typeof along.extent === 'number' && along.extent < LANES) &&
    [...loads.values()].some((i) => ![0, 1].includes(stepAlong(i) ?? NaN));
  /** Strided along rows, but contiguous along the columns, and of known size. */
  const turned = (i: Index, a: Axis): boolean =>
    turns && turning!.rows.includes(a) && !hasDivision(i) && bounds(i) !== null && Math.abs(stepAlong(i) ?? 0) === 1;
  return (a) => {
    let cost = compute + counts;
    for (const [list, strided] of [
      [[...loads.values()], 14],
      [stores.map((s) => s.offset), 20],
    ] as const) {
      for (const index of list) {
        const c = coefficient(index, a);
        const one = c !== null ? constantOf(c) : null;
        if (c === null || (hasDivision(index) && one === null)) cost += 24;
        else if (one === 0) cost += strided === 20 ? 1 : axesOf(index).size === 0 ? 0.1 : 0.6;
        else if (strided === 14 && (one === 2 || one === 4)) cost += 2 * one;
        else cost += one === 1 ? 1 : strided === 20 && turned(index, a) ? 4 : strided;
      }
    }
    return cost;
  };
}
