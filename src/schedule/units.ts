// What grouping knows of single units (maps and reductions): what they read, what they cost, who reads them, and which maps are not worth
// memory.
import { type Dim } from '../ir/graph.js';
import { printDim, productOf, sameDim } from '../ir/dim.js';
import { exprCost } from './cost.js';
import { type Def, type Lowered, type Reduce, type Step, stepTensors } from './defs.js';
import { type LExpr, walk } from './expr.js';
import { type Axis, type Index, ixAxis, newAxis } from './indexing.js';

/** Arithmetic up to this cost is repeated rather than stored. */
const CHEAP = 7;

export type Unit = Def | Reduce;

export interface Read {
  readonly src: Def;
  readonly idx: readonly Index[];
}

export const squeeze = (shape: readonly Dim[]): Dim[] => shape.filter((d) => !sameDim(d, 1));
export const shapeText = (s: readonly Dim[]): string => `[${s.map(printDim).join(', ')}]`;
export const sizeOf = (s: readonly Dim[]): number => {
  const n = productOf(s);
  return typeof n === 'number' ? n : 4096;
};

export class Units {
  readonly virtual = new Set<Def>();
  private readonly readsMemo = new Map<Unit, { axes: Axis[]; reads: Read[]; cost: number }>();
  private readonly consumers = new Map<Def, Set<Unit | Step>>();

  constructor(readonly program: Lowered) {
    for (const d of program.defs) {
      const unit = d.how.k === 'result' ? d.how.reduce : d;
      for (const e of this.expressions(unit).list) walk(e, (x) => x.k === 'read' && this.consume(x.src as Def, unit));
    }
    for (const s of program.steps) for (const t of stepTensors(s)) this.consume(t.def, s);
  }

  /** The expressions of a def or reduction at fresh axes, one per dimension of its own space. */
  private expressions(d: Def | Reduce): { axes: Axis[]; list: readonly LExpr[] } {
    const shape = 'inShape' in d ? d.inShape : d.shape;
    const axes = shape.map((e, k) => newAxis(`d${k}`, e));
    const idx = axes.map(ixAxis);
    if ('inShape' in d) return { axes, list: [d.elem(idx), ...(d.more?.(idx) ?? [])] };
    return { axes, list: d.how.k === 'map' ? [d.how.body(idx)] : [] };
  }

  /** Reads of a def, virtual maps looked through. */
  reads(d: Def | Reduce): { axes: Axis[]; reads: Read[]; cost: number } {
    const old = this.readsMemo.get(d);
    if (old) return old;
    const { axes, list } = this.expressions(d);
    const reads = new Map<string, Read>();
    let cost = 0;
    const collect = (x: LExpr, seen: Set<LExpr>): void => {
      cost += exprCost(x);
      walk(x, (y) => {
        if (y.k !== 'read') return;
        const src = y.src as Def;
        if (this.virtual.has(src) && src.how.k === 'map') {
          const inner = src.how.body(y.idx);
          if (!seen.has(inner)) {
            seen.add(inner);
            collect(inner, seen);
          }
        } else reads.set(String(y.id), { src, idx: y.idx });
      });
    };
    for (const e of list) collect(e, new Set());
    // What the end of a reduction reads (nothing but its states, as things stand) belongs to its rows.
    const r = { axes, reads: [...reads.values()], cost };
    this.readsMemo.set(d, r);
    return r;
  }

  private consume(d: Def, by: Def | Reduce | Step): void {
    let s = this.consumers.get(d);
    if (!s) this.consumers.set(d, (s = new Set()));
    s.add(by);
  }

  /** Whether a map is computed wherever it is read; noted for the reads of those that come later. */
  protected decideVirtual(d: Def): boolean {
    if (!this.isVirtual(d)) return false;
    this.virtual.add(d);
    this.readsMemo.delete(d);
    return true;
  }
  private isVirtual(d: Def): boolean {
    if (d.required || (d.how.k === 'map' && d.how.into)) return false;
    const users = this.consumers.get(d);
    if (!users) return true; // dead
    const { reads, cost } = this.reads(d);
    // What is far smaller than the map (a row's value) is read from the cache.
    const size = sizeOf(d.shape);
    const wide = reads.filter((r) => sizeOf(r.src.shape) > size / 8 && sizeOf(r.src.shape) > 1).length;
    if (cost > CHEAP || wide > 2) return false;
    // A product reads each element many times: worth storing unless it is next to nothing.
    for (const u of users) {
      if (
        'inShape' in u &&
        sizeOf(u.inShape) >= 8 * Math.max(1, sizeOf(d.shape)) &&
        squeeze(d.shape).length > 1 &&
        cost > 2
      )
        return false;
    }
    return true;
  }
}
