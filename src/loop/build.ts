// Group of the schedule → kernel: axes merged, vector axis chosen, reads turned into loads or into the producer's own expression.
import { type Dim } from '../ir/graph.js';
import { mulDims, productOf, sameDim } from '../ir/dim.js';
import { type Def, type Reduce } from '../schedule/defs.js';
import { byteSize } from '../schedule/dtype.js';
import { type LExpr, Position, lIota, lLoad, lVar, mapLeaves, walk } from '../schedule/expr.js';
import { type Group, type Grouping, isFolded, unitOf } from '../schedule/group.js';
import { exprCost } from '../schedule/cost.js';
import { type Axis, type Index, ZERO, ixAxis, ixMapDyn, linearize, newAxis } from '../schedule/indexing.js';
import { isFloat } from '../schedule/typing.js';
import { type Draft, type Space, LANES, allExprs, allIndices, chooseVector, cutAxes, mergeAxes } from './space.js';
import { piecesOf } from './split.js';
import { foldedValues, type Fold, type Kernel, type Stage } from './kernel.js';
import { STREAM_BYTES, ahead, beside, nextRow } from './prefetch.js';

export interface BuildOptions {
  /** Values of a row are kept between passes up to this many elements; less where every thread has a row of its own. */
  readonly keepLimit: number;
  readonly keepLimitAcross: number;
  /** The target turns blocks of lines in registers (emit/cpp/lines.ts). */
  readonly turnsLines: boolean;
  /** True for a tensor that another kernel or a library step reads. */
  readonly readLater: (d: Def) => boolean;
}
/** 256 KB of float32 on the stack of a CPU thread, in the second-level cache; 16 registers of a GPU thread when a block shares a row, 64 when a row is its own. */
export const TARGETS = {
  cpp: { keepLimit: 65536, keepLimitAcross: 16384, turnsLines: true },
  cuda: { keepLimit: 4096, keepLimitAcross: 64, turnsLines: false },
} as const;

/** Rows of `keepLimit` elements that one kernel may keep. */
const MOST_KEPT = 4;

export function buildKernel(g: Group, grouping: Grouping, name: string, options: BuildOptions): Kernel {
  const { space, draft, vector } = chooseSpace(g, grouping, options);
  const exprs = allExprs(draft);
  const perElement = exprs.reduce((sum, e) => sum + exprCost(e), 1);
  const size = productOf([...space.rows, ...space.cols].map((a) => a.extent));
  const inRows = vector !== null && space.rows.includes(vector);
  if (inRows && options.keepLimitAcross < options.keepLimit && draft.stages.some((s) => s.keeps.length > 0))
    return buildKernel(g, grouping, name, { ...options, keepLimit: options.keepLimitAcross });
  const extent = vector === null ? 1 : typeof vector.extent === 'number' ? vector.extent : 1024;
  const cols = vector && !inRows ? [...space.cols.filter((a) => a !== vector), vector] : [...space.cols];
  const stages: Stage[] = [];
  for (const s of draft.stages) {
    if (s.rowStores.length > 0)
      stages.push({
        k: 'row',
        stores: s.rowStores,
        prefetch: vector !== null ? ahead(s.rowStores, space, vector) : [],
      });
    if (s.folds.length + s.colStores.length + s.keeps.length === 0) continue;
    const cost = [
      ...s.folds.flatMap(foldedValues),
      ...s.colStores.map((x) => x.value),
      ...s.keeps.map((x) => x.value),
    ].reduce((sum, e) => sum + exprCost(e), 0);
    const unroll = inRows || vector === null ? 1 : s.folds.length === 0 ? (cost < 12 ? 2 : 1) : cost < 6 ? 4 : 2;
    const passes = stages.filter((x) => x.k === 'columns').length;
    const prefetch =
      passes === 0 && inRows
        ? beside(draft, space, vector, size)
        : passes === 1
          ? nextRow(draft, space, vector, size)
          : [];
    stages.push({
      k: 'columns',
      folds: s.folds,
      stores: s.colStores,
      keeps: s.keeps,
      unroll: extent >= unroll * LANES * 2 ? unroll : 1,
      prefetch,
    });
  }
  const hasFold = draft.stages.some((s) => s.folds.length > 0);
  const rowUnroll = !inRows
    ? 1
    : hasFold
      ? extent >= 4 * LANES && draft.stages.every((s) => s.keeps.length === 0)
        ? 4
        : 1
      : perElement < 12 && extent >= 8 * LANES
        ? 2
        : 1;
  const folded = productOf(cols.map((a) => a.extent));
  // Blocks are joined, which ordered folds cannot be.
  const ordered = draft.stages.some((s) => s.folds.some((f) => f.reduce.ordered));
  const floatSum = draft.stages.some((s) => s.folds.some((f) => f.reduce.sum && isFloat(f.states[0]!.type)));
  const long = typeof folded !== 'number' || folded > (inRows ? 1024 : 32768);
  const outer = cols[0];
  let block = 0;
  if (floatSum && !ordered && long && outer) {
    const inner = productOf(cols.slice(1).map((a) => a.extent));
    const per = typeof inner === 'number' ? inner : 1;
    block = inRows
      ? Math.max(1, Math.floor(512 / per))
      : outer === vector
        ? 16384
        : Math.max(1, Math.floor(16384 / per));
    // Only when the outer loop is longer than a block.
    if (typeof outer.extent === 'number' && outer.extent <= block) block = 0;
  }
  return {
    name,
    title: titleOf(g),
    rows: space.rows,
    cols,
    vector,
    stages,
    units: g.items.map(unitOf),
    rowUnroll,
    block,
    late: block === 0 && isLate(stages, space, vector, size),
    work: typeof size === 'number' ? size * perElement : null,
  };
}

/** Large tensors row by row, when a last pass only stores them. */
function isLate(stages: readonly Stage[], space: Space, vector: Axis | null, size: Dim): boolean {
  const last = stages[stages.length - 1];
  if (space.rows.length !== 1 || space.cols.length !== 1 || space.cols[0] !== vector) return false;
  if (last?.k !== 'columns' || last.folds.length + last.keeps.length > 0) return false;
  const [rows, cols] = [space.rows[0]!.extent, vector.extent];
  if (typeof size !== 'number' || typeof rows !== 'number' || typeof cols !== 'number') return false;
  return (
    rows >= LEAST_LATE &&
    cols >= LEAST_LATE &&
    last.stores.every((s) => s.stream) &&
    stages.slice(0, -1).some((s) => s.k === 'columns')
  );
}
const LEAST_LATE = 64;

function titleOf(g: Group): string {
  const names = g.items.map((i) => (i.k === 'map' ? i.def.name : i.reduce.name));
  return names.length > 8 ? `${names.slice(0, 7).join(' ')} +${names.length - 7}` : names.join(' ');
}

interface Choice {
  readonly space: Space;
  readonly draft: Draft;
  readonly vector: Axis | null;
  readonly cost: number;
}
/** The dimensions as they are, or cut where indices divide them, whichever is estimated to be cheaper. */
function chooseSpace(g: Group, grouping: Grouping, options: BuildOptions): Choice {
  const plain = plainSpace(g);
  const probe = new Builder(g, grouping, plain, options).draft();
  const merged = (space: Space, draft: Draft): Choice => {
    const to = mergeAxes(space, draft);
    const final = to === space ? draft : new Builder(g, grouping, to, options).draft();
    return { space: to, draft: final, ...chooseVector(to, final, options.turnsLines) };
  };
  const whole = merged(plain, probe);
  const pieces = piecesOf(
    allIndices(probe).map((x) => x.index),
    [...plain.rows, ...plain.cols],
  );
  if (pieces.size === 0) return whole;
  const space = cutAxes(plain, pieces);
  const cut = merged(space, new Builder(g, grouping, space, options).draft());
  return cut.cost < 0.9 * whole.cost ? cut : whole;
}
function plainSpace(g: Group): Space {
  const axes = g.shape.map((e, k) => newAxis(`${g.isCol[k] ? 'j' : 'i'}${k}`, e));
  return { rows: axes.filter((_, k) => !g.isCol[k]), cols: axes.filter((_, k) => g.isCol[k]), idx: axes.map(ixAxis) };
}

class Builder {
  private readonly rowIdx: readonly Index[];
  private readonly rowAxes: ReadonlySet<Axis>;
  private readonly allAxes: ReadonlySet<Axis>;
  private readonly kept = new Map<Def, { name: string; level: number }>();
  /** Sums of the same expression share one accumulator. */
  private readonly sameAs = new Map<Reduce, Reduce>();
  private readonly itemLevel = new Map<Def | Reduce, number>();

  constructor(
    readonly g: Group,
    readonly grouping: Grouping,
    readonly space: Space,
    readonly options: BuildOptions,
  ) {
    this.rowIdx = space.idx.filter((_, k) => !g.isCol[k]);
    this.rowAxes = new Set(space.rows);
    this.allAxes = new Set([...space.rows, ...space.cols]);
    for (const i of g.items) this.itemLevel.set(i.k === 'map' ? i.def : i.reduce, i.level);
  }

  /** Indices of a shape whose wide dimensions are the group's (all, or rows only). */
  private spread(shape: readonly Dim[], idx: readonly Index[]): Index[] {
    let k = 0;
    return shape.map((e) => (sameDim(e, 1) ? ZERO : idx[k++]!));
  }

  private inGroup(d: Def): boolean {
    return this.grouping.groupOf.get(d.how.k === 'result' ? d.how.reduce : d) === this.g;
  }

  private stateVar(r: Reduce, k: number): LExpr {
    return lVar(stateName(this.sameAs.get(r) ?? r, k), r.states[k]!.type, this.rowAxes);
  }
  /** A running state in the pass `level`: it is folded again in each pass that looks at it. */
  private runningVars(r: Reduce, level: number): LExpr[] {
    return r.states.map((s, k) => lVar(runningName(r, k, level - this.itemLevel.get(r)!), s.type, this.allAxes));
  }
  private foldOf(r: Reduce, resolve: (e: LExpr) => LExpr, name: (k: number) => string): Fold {
    const idx = this.spread(r.inShape, this.space.idx);
    const along = linearize(
      idx.filter((_, d) => r.reduced[d]),
      r.inShape.filter((_, d) => r.reduced[d]),
    );
    return {
      reduce: r,
      elem: resolve(r.elem(idx)),
      more: r.more?.(idx).map(resolve) ?? [],
      index: r.usesIndex ? lIota(along) : null,
      states: r.states.map((s, k) => ({ name: name(k), type: s.type, init: s.init })),
    };
  }

  /**
   * Reads become loads, or the expression of what they read, as seen in pass `level` over the row. `again`: takes the folds of running
   * values of earlier passes, in the order in which they are needed.
   */
  private resolver(level: number, again: Fold[] = []): (e: LExpr) => LExpr {
    const repeated = new Set<Reduce>();
    const memo = new Map<LExpr, LExpr>();
    const bodies = new Map<string, LExpr>();
    const go = (e: LExpr): LExpr =>
      mapLeaves(
        e,
        (x) => {
          if (x.k === 'iota') return lIota(positions(x.index), x.type as 'i32' | 'i64');
          if (x.k !== 'read') return undefined;
          const src = x.src as Def;
          const idx = x.idx.map(positions);
          if (src.how.k === 'result' && this.inGroup(src)) {
            const r = src.how.reduce;
            if (r.running !== true) return r.finish(r.states.map((_, k) => this.stateVar(r, k)))[src.how.index]!;
            const passes = level - this.itemLevel.get(r)!;
            if (passes > 0 && !repeated.has(r)) {
              repeated.add(r);
              again.push(this.foldOf(r, go, (k) => runningName(r, k, passes)));
            }
            return r.finish(this.runningVars(r, level))[src.how.index]!;
          }
          const kept = this.kept.get(src);
          if (kept && level > kept.level) return lVar(kept.name, computeOf(src), this.allAxes);
          if (src.how.k === 'map' && !src.how.into && (this.inGroup(src) || this.grouping.virtual.has(src))) {
            const key = `${src.id}|${idx.map((i) => i.key).join(',')}`;
            let b = bodies.get(key);
            if (!b) bodies.set(key, (b = go(src.how.body(idx))));
            return b;
          }
          return lLoad(src, linearize(idx, src.shape));
        },
        memo,
      );
    const positions = (i: Index): Index =>
      ixMapDyn(i, (d) => {
        const p = d as Position;
        return new Position(go(p.expr), p.what);
      });
    return go;
  }

  draft(): Draft {
    const { g } = this;
    const top = g.items.reduce((m, i) => Math.max(m, i.level + (isFolded(i) ? 1 : 0)), 0);
    this.chooseKept(top);
    const hasCols = this.space.cols.length > 0;
    const stages: Draft['stages'] = [];
    for (let level = 0; level <= top; level++) {
      const again: Fold[] = [];
      const resolve = this.resolver(level, again);
      const stage: Draft['stages'][number] = { folds: [], rowStores: [], colStores: [], keeps: [] };
      const store = (def: Def, value: LExpr, shape: readonly Dim[], idx: readonly Index[], row: boolean): void => {
        const at = this.spread(shape, idx);
        const into = def.how.k === 'map' ? def.how.into : undefined;
        const bytes = mulDims(productOf(def.shape), byteSize(def.dtype));
        const target = into?.target ?? def;
        const stream =
          typeof bytes === 'number' &&
          bytes >= STREAM_BYTES &&
          def.dtype === 'float32' &&
          !this.options.readLater(target);
        (row || !hasCols ? stage.rowStores : stage.colStores).push({
          def: target,
          offset: into ? into.at(at) : linearize(at, def.shape),
          value,
          stream,
        });
      };
      for (const i of g.items) {
        if (i.k === 'reduce') {
          const r = i.reduce;
          if (i.level === level) {
            const elem = resolve(r.elem(this.spread(r.inShape, this.space.idx)));
            const twin = r.sum ? stage.folds.find((f) => f.reduce.sum && f.elem === elem) : undefined;
            if (twin) {
              this.sameAs.set(r, twin.reduce);
              continue;
            }
            stage.folds.push(this.foldOf(r, resolve, (k) => stateName(r, k)));
          }
          if (r.running === true) {
            if (i.level !== level) continue;
            const values = r.finish(this.runningVars(r, level));
            for (const d of r.results)
              if (this.grouping.stored.has(d) && d.how.k === 'result')
                store(d, values[d.how.index]!, d.shape, this.space.idx, false);
            continue;
          }
          if (i.level + 1 === level) {
            for (const d of r.results) {
              if (!this.grouping.stored.has(d)) continue;
              store(
                d,
                r.finish(r.states.map((_, k) => this.stateVar(r, k)))[d.how.k === 'result' ? d.how.index : 0]!,
                d.shape,
                this.rowIdx,
                true,
              );
            }
          }
        } else if (i.level === level) {
          const d = i.def;
          if (d.how.k !== 'map') continue;
          const idx = i.row ? this.rowIdx : this.space.idx;
          const value = (): LExpr =>
            resolve((d.how as { body: (i: readonly Index[]) => LExpr }).body(this.spread(d.shape, idx)));
          if (this.grouping.stored.has(d)) store(d, value(), d.shape, idx, i.row);
          const kept = this.kept.get(d);
          if (kept) stage.keeps.push({ name: kept.name, type: computeOf(d), value: value() });
        }
      }
      stages.push({ ...stage, folds: [...again, ...stage.folds] });
    }
    return { stages };
  }

  /** Expensive values that a later pass needs again stay in a scratch row. */
  private chooseKept(top: number): void {
    if (top === 0) return;
    const cols = productOf(this.space.cols.map((a) => a.extent));
    if (typeof cols !== 'number' || cols > this.options.keepLimit) return;
    const used = new Set<Def>();
    const note = (e: LExpr, level: number, seen: Set<LExpr>): void => {
      walk(e, (x) => {
        if (x.k !== 'read') return;
        const src = x.src as Def;
        if (src.how.k !== 'map' || src.how.into) return;
        const own = this.itemLevel.get(src);
        if (own !== undefined && this.inGroup(src) && own < level) {
          used.add(src);
          return;
        }
        if (this.inGroup(src) || this.grouping.virtual.has(src)) {
          const b = src.how.body(x.idx);
          if (!seen.has(b)) {
            seen.add(b);
            note(b, level, seen);
          }
        }
      });
    };
    for (const i of this.g.items) {
      if (i.k === 'reduce') {
        const idx = this.spread(i.reduce.inShape, this.space.idx);
        for (const e of [i.reduce.elem(idx), ...(i.reduce.more?.(idx) ?? [])]) note(e, i.level, new Set());
      } else if (i.def.how.k === 'map' && !i.row)
        note(i.def.how.body(this.spread(i.def.shape, this.space.idx)), i.level, new Set());
    }
    let n = 0;
    for (const i of this.g.items) {
      if (i.k !== 'map' || i.row || !used.has(i.def) || i.def.how.k !== 'map') continue;
      const value = this.resolver(i.level)(i.def.how.body(this.spread(i.def.shape, this.space.idx)));
      // What is the same in the whole row is computed outside of the loop over it.
      const cost = exprCost(value, undefined, (x) => this.space.cols.some((a) => x.axes.has(a)));
      if (cost >= 8 && (n + 1) * cols <= MOST_KEPT * this.options.keepLimit)
        this.kept.set(i.def, { name: `keep${n++}`, level: i.level });
    }
  }
}

const stateName = (r: Reduce, k: number): string => `r${r.id}${r.states.length > 1 ? `_${r.states[k]!.name}` : ''}`;
/** Later passes have states of their own. */
const runningName = (r: Reduce, k: number, passes: number): string =>
  `${stateName(r, k)}${passes > 0 ? `_p${passes}` : ''}`;
const computeOf = (d: Def): LExpr['type'] => lLoad(d, ZERO).type;
