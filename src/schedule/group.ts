// Grouping: which maps and reductions share a kernel. A group has one iteration space: rows, and columns that its reductions fold; a
// member works on the whole space or on rows only, and reads other members at its own position. Every refusal keeps its reason.
import { type Dim } from '../ir/graph.js';
import { sameDim, sameShape } from '../ir/dim.js';
import { type Def, type Lowered, type Reduce, type Step, stepTensors } from './defs.js';
import { type Axis, type Index, ixAxis } from './indexing.js';
import { type Unit, Units, shapeText, sizeOf, squeeze } from './units.js';

export type Item =
  | { readonly k: 'map'; readonly def: Def; row: boolean; level: number }
  | { readonly k: 'reduce'; readonly reduce: Reduce; row: false; level: number };

export const unitOf = (i: Item): Unit => (i.k === 'map' ? i.def : i.reduce);
/** Its result is a value of the whole row, known after the pass that folds it. */
export const isFolded = (i: Item): boolean => i.k === 'reduce' && i.reduce.running !== true;

export interface Group {
  readonly id: number;
  /** Iteration space without dimensions of extent 1. */
  shape: readonly Dim[];
  /** Which of them are columns. */
  isCol: readonly boolean[];
  readonly items: Item[];
}

/** A result that leaves the kernel (or library call) that makes it for the one that reads it, and why the two are not one kernel. */
export interface Apart {
  readonly producer: Unit | Step;
  readonly consumer: Unit | Step;
  readonly reason: string;
}

export interface Grouping {
  /** Groups and library steps in an order that respects all reads and writes. */
  readonly order: readonly (Group | Step)[];
  readonly apart: readonly Apart[];
  /** Maps that are computed wherever they are read. */
  readonly virtual: ReadonlySet<Def>;
  readonly groupOf: ReadonlyMap<Unit, Group>;
  /** Defs that are read outside of their group, or required: they get memory. */
  readonly stored: ReadonlySet<Def>;
  /** Writes that cannot go straight into their tensor: copied at the end. */
  readonly deferred: ReadonlySet<Def>;
}

/** Rows larger than this many elements fall out of the cache between two passes. */
const ROW_LIMIT = 131072;
const SINGLE_ROW_LIMIT = 32768;
/** Spaces of this many elements are worth keeping free to fuse with each other. */
const LARGE = 65536;

const WAITING = 'both are small and only one of them waits for the result of a large kernel';

/** Why a second pass over the columns of this space would go through memory again; null when it would not. */
function longRow(shape: readonly Dim[], isCol: readonly boolean[]): string | null {
  const cols = shape.filter((_, k) => isCol[k]);
  const limit = sizeOf(shape.filter((_, k) => !isCol[k])) > 1 ? ROW_LIMIT : SINGLE_ROW_LIMIT;
  return sizeOf(cols) > limit
    ? `a row of ${shapeText(cols)} elements does not stay in the cache for another pass`
    : null;
}

class Grouper extends Units {
  readonly groups: Group[] = [];
  readonly groupOf = new Map<Unit, Group>();
  /** Why a unit did not join the kernel of one that it reads. */
  private readonly refused = new Map<Unit, Map<Unit, string>>();
  private readonly itemOf = new Map<Unit, Item>();
  private nextGroup = 0;
  /** Units and groups that need a result of a large one. */
  private readonly afterLarge = new Set<Unit | Group>();
  /** Small groups left apart until all large ones are placed: joined, they would tie the end of one large kernel to the start of another. */
  private readonly waiting: (readonly [Unit, Group])[] = [];

  run(): Grouping {
    const p = this.program;
    for (const d of p.defs) {
      if (d.how.k === 'map') {
        if (!this.decideVirtual(d)) this.place(d);
      } else if (d.how.k === 'result' && d.how.index === 0) this.place(d.how.reduce);
    }
    for (const [u, g] of this.waiting) {
      const home = this.groupOf.get(u)!;
      if (home !== g && this.groups.includes(g)) this.absorb(u, g);
    }
    return this.finish();
  }
  // ---- placing one unit ----

  private noteLarge(u: Unit): void {
    const large = (d: Def): boolean => {
      if (d.how.k === 'step') return stepTensors(d.how.step).some((t) => sizeOf(t.shape) >= LARGE);
      if (d.how.k === 'parts') return d.how.parts.some(large);
      const unit = d.how.k === 'result' ? d.how.reduce : d;
      return d.how.k !== 'input' && (this.afterLarge.has(unit) || sizeOf(this.spaceOf(unit)) >= LARGE);
    };
    if (this.reads(u).reads.some((r) => large(r.src))) this.afterLarge.add(u);
  }
  /** True for two small ones of which only one waits for a large result. */
  private keepApart(u: Unit, g: Group): boolean {
    if (sizeOf(this.spaceOf(u)) >= LARGE || sizeOf(g.shape) >= LARGE) return false;
    if (this.afterLarge.has(u) === this.afterLarge.has(g)) return false;
    this.waiting.push([u, g]);
    this.note(u, g, WAITING);
    return true;
  }

  private place(u: Unit): void {
    const own = this.reads(u);
    this.noteLarge(u);
    const producers = new Set<Group>();
    for (const r of own.reads) for (const g of this.producerGroups(r.src)) producers.add(g);
    let home: Group | null = null;
    for (const g of [...producers].sort((a, b) => b.id - a.id)) {
      if (this.keepApart(u, g)) continue;
      const reason = this.refuse(g, u);
      if (reason === null) {
        home = g;
        break;
      }
      this.note(u, g, reason);
    }
    if (!home) {
      // Neighbours: same space, same data.
      const sources = new Set(own.reads.filter((r) => sizeOf(r.src.shape) > 1).map((r) => r.src));
      for (const g of [...this.groups].reverse()) {
        if (producers.has(g) || !this.sharesSource(g, sources) || !sameShape(this.spaceOf(u), g.shape)) continue;
        if (!this.keepApart(u, g) && this.refuse(g, u) === null) {
          home = g;
          break;
        }
      }
    }
    if (!home) {
      home = { id: this.nextGroup++, shape: [], isCol: [], items: [] };
      const space = this.fullSpace(u);
      home.shape = space.shape;
      home.isCol = space.isCol;
      this.groups.push(home);
    }
    this.add(home, u);
    for (const g of [...producers].sort((a, b) => b.id - a.id))
      if (g !== home && this.groups.includes(g) && !this.keepApart(u, g)) this.absorb(u, g);
  }

  /** Keeps the reason why a unit and the members of a group that it reads are not one kernel; the first real one stays. */
  private note(u: Unit, g: Group, reason: string): void {
    let of = this.refused.get(u);
    if (!of) this.refused.set(u, (of = new Map()));
    for (const r of this.reads(u).reads)
      for (const p of unitsOf(r.src))
        if (this.groupOf.get(p) === g && (of.get(p) ?? WAITING) === WAITING) of.set(p, reason);
  }
  private fullSpace(u: Unit): { shape: Dim[]; isCol: boolean[] } {
    if (!('inShape' in u)) return { shape: squeeze(u.shape), isCol: squeeze(u.shape).map(() => false) };
    const keep = u.inShape.map((e, d) => ({ e, c: u.reduced[d]! })).filter((x) => !sameDim(x.e, 1));
    return { shape: keep.map((x) => x.e), isCol: keep.map((x) => x.c) };
  }
  private spaceOf(u: Unit): Dim[] {
    return squeeze('inShape' in u ? u.inShape : u.shape);
  }
  private sharesSource(g: Group, sources: ReadonlySet<Def>): boolean {
    return g.items.some((i) => this.reads(unitOf(i)).reads.some((r) => sources.has(r.src)));
  }

  private producerGroups(d: Def): Group[] {
    return unitsOf(d).flatMap((u) => this.groupOf.get(u) ?? []);
  }

  /** Adds a unit that has been found to fit. */
  private add(g: Group, u: Unit): void {
    if ('inShape' in u) {
      const space = this.fullSpace(u);
      if (!g.isCol.some((c) => c)) {
        const becomesRow = !sameShape(space.shape, g.shape);
        if (becomesRow) for (const i of g.items) (i as { row: boolean }).row = true;
        g.shape = space.shape;
        g.isCol = space.isCol;
      }
      const item: Item = { k: 'reduce', reduce: u, row: false, level: this.levelIn(g, u) };
      g.items.push(item);
      this.itemOf.set(u, item);
    } else {
      const item: Item = { k: 'map', def: u, row: !sameShape(squeeze(u.shape), g.shape), level: this.levelIn(g, u) };
      g.items.push(item);
      this.itemOf.set(u, item);
    }
    this.groupOf.set(u, g);
    if (this.afterLarge.has(u)) this.afterLarge.add(g);
  }

  /** Number of reductions of the group that must be complete before the unit can be computed. */
  private levelIn(g: Group, u: Unit): number {
    let level = 0;
    for (const r of this.reads(u).reads) {
      const key = r.src.how.k === 'result' ? r.src.how.reduce : r.src;
      if (this.groupOf.get(key) !== g) continue;
      const item = this.itemOf.get(key)!;
      level = Math.max(level, item.level + (isFolded(item) ? 1 : 0));
    }
    return level;
  }

  /** Null when the unit may join the group, else why not. */
  private refuse(g: Group, u: Unit): string | null {
    const space = this.fullSpace(u);
    const hasCols = g.isCol.some((c) => c);
    const rows = g.shape.filter((_, k) => !g.isCol[k]);
    let row = false;
    let becomesRow = false;
    if ('inShape' in u) {
      if (hasCols) {
        if (!sameShape(space.shape, g.shape))
          return `iteration spaces differ: ${shapeText(space.shape)} and ${shapeText(g.shape)}`;
        if (space.isCol.some((c, k) => c !== g.isCol[k])) return 'it reduces over other dimensions';
      } else if (!sameShape(space.shape, g.shape)) {
        const own = space.shape.filter((_, k) => !space.isCol[k]);
        if (!sameShape(own, g.shape))
          return `iteration spaces differ: ${shapeText(space.shape)} and ${shapeText(g.shape)}`;
        becomesRow = true;
      }
    } else if (!sameShape(space.shape, g.shape)) {
      if (!hasCols || !sameShape(space.shape, rows))
        return `iteration spaces differ: ${shapeText(space.shape)} and ${shapeText(g.shape)}`;
      row = true;
    }
    if (!('inShape' in u) && u.how.k === 'map' && u.how.into && u.node?.op === 'asStridedScatter') {
      const target = u.how.into.target;
      if (g.items.some((i) => i.k === 'map' && i.def.how.k === 'map' && i.def.how.into?.target === target))
        return 'it overwrites part of what that kernel writes';
    }
    // Reads of members must be at the unit's own position.
    const { axes, reads } = this.reads(u);
    const wide = axes.filter((a) => !sameDim(a.extent, 1));
    const unitCols = 'inShape' in u ? space.isCol : row ? wide.map(() => false) : g.isCol;
    const rowAxes = wide.filter((_, k) => !unitCols[k]);
    for (const r of reads) {
      const key = r.src.how.k === 'result' ? r.src.how.reduce : r.src;
      if (r.src.how.k === 'parts' && this.producerGroups(r.src).includes(g))
        return `${r.src.name} is complete only after the kernel`;
      if (this.groupOf.get(key) !== g) continue;
      const item = this.itemOf.get(key)!;
      const atRow = becomesRow || item.row || isFolded(item);
      if (row && !atRow) return `it reads ${r.src.name} at one column`;
      const want = atRow ? rowAxes : wide;
      if (!isAt(r.idx, r.src.shape, want)) return `it reads ${r.src.name} at other positions than its own`;
    }
    const level = this.levelIn(g, u);
    const tooLong = level > 0 && !row ? longRow(g.shape, g.isCol) : null;
    if (tooLong !== null) return tooLong;
    if (this.path(u, g)) return 'another kernel or library call lies between them';
    return null;
  }

  /** True when the unit depends on the group through something else. */
  private path(u: Unit, g: Group): boolean {
    const seen = new Set<unknown>();
    const reach = (d: Def): boolean => {
      if (d.how.k === 'step') return this.stepReaches(d.how.step, g, seen);
      return this.producerGroups(d).some((h) => h !== g && this.groupReaches(h, g, seen));
    };
    if (!('inShape' in u) && u.how.k === 'map' && u.how.into) {
      // Later parts come after earlier ones.
      const parts = u.how.into.target.how;
      if (u.node?.op === 'asStridedScatter' && parts.k === 'parts') {
        for (const p of parts.parts) {
          const h = p === u ? undefined : this.groupOf.get(p);
          if (h && h !== g && this.groupReaches(h, g, seen)) return true;
        }
      }
    }
    return this.reads(u).reads.some((r) => reach(r.src));
  }
  private groupReaches(h: Group, g: Group, seen: Set<unknown>): boolean {
    if (h === g) return true;
    if (seen.has(h)) return false;
    seen.add(h);
    return [...this.dependencies(h)].some((d) =>
      'items' in d ? this.groupReaches(d, g, seen) : this.stepReaches(d, g, seen),
    );
  }
  private stepReaches(s: Step, g: Group, seen: Set<unknown>): boolean {
    if (seen.has(s)) return false;
    seen.add(s);
    return stepTensors(s).some((t) =>
      t.def.how.k === 'step'
        ? this.stepReaches(t.def.how.step, g, seen)
        : this.producerGroups(t.def).some((h) => this.groupReaches(h, g, seen)),
    );
  }

  /** Groups and steps whose results a group reads. */
  dependencies(g: Group): Set<Group | Step> {
    const out = new Set<Group | Step>();
    for (const i of g.items) {
      const u = unitOf(i);
      for (const r of this.reads(u).reads) {
        if (r.src.how.k === 'step') out.add(r.src.how.step);
        else for (const h of this.producerGroups(r.src)) if (h !== g) out.add(h);
      }
      if (i.k === 'map' && i.def.how.k === 'map' && i.def.how.into && i.def.node?.op === 'asStridedScatter') {
        const t = i.def.how.into.target.how;
        if (t.k === 'parts') {
          for (const p of t.parts.slice(0, t.parts.indexOf(i.def))) {
            const h = this.groupOf.get(p);
            if (h && h !== g) out.add(h);
          }
        }
      }
    }
    return out;
  }

  /** Moves all members of `other` into the unit's group when the result is one legal kernel. */
  private absorb(u: Unit, other: Group): void {
    const home = this.groupOf.get(u)!;
    const reasonOf = (): string | null => {
      if (!sameShape(home.shape, other.shape))
        return `iteration spaces differ: ${shapeText(home.shape)} and ${shapeText(other.shape)}`;
      const [a, b] = [home.isCol.some((c) => c), other.isCol.some((c) => c)];
      if (a && b && home.isCol.some((c, k) => c !== other.isCol[k])) return 'it reduces over other dimensions';
      // Nothing else between the two, in either direction.
      for (const [x, y] of [
        [home, other],
        [other, home],
      ] as const) {
        for (const d of this.dependencies(x)) {
          if (d === y) continue;
          if ('items' in d ? this.groupReaches(d, y, new Set()) : this.stepReaches(d, y, new Set()))
            return 'another kernel or library call lies between them';
        }
      }
      // Reads across must be at the own position.
      for (const [from, to] of [
        [home, other],
        [other, home],
      ] as const) {
        for (const i of from.items) {
          const u = unitOf(i);
          const { axes, reads } = this.reads(u);
          const wide = axes.filter((x) => !sameDim(x.extent, 1));
          const isCol = a ? home.isCol : other.isCol;
          for (const r of reads) {
            const key = r.src.how.k === 'result' ? r.src.how.reduce : r.src;
            if (r.src.how.k === 'parts' && this.producerGroups(r.src).includes(to))
              return `${r.src.name} is complete only after the kernel`;
            if (this.groupOf.get(key) !== to) continue;
            const p = this.itemOf.get(key)!;
            const atRow = p.row || isFolded(p);
            if (i.row && !atRow) return `it reads ${r.src.name} at one column`;
            const want = i.row ? wide : atRow ? wide.filter((_, k) => !isCol[k]) : wide;
            if (!isAt(r.idx, r.src.shape, want)) return `it reads ${r.src.name} at other positions than its own`;
            const tooLong = !i.row && (isFolded(p) || p.level > 0) ? longRow(home.shape, isCol) : null;
            if (tooLong !== null) return tooLong;
          }
        }
      }
      for (const i of [...home.items, ...other.items]) {
        if (i.k === 'map' && i.def.how.k === 'map' && i.def.how.into && i.def.node?.op === 'asStridedScatter')
          return 'it writes part of a tensor';
      }
      return null;
    };
    const reason = reasonOf();
    if (reason !== null) {
      this.note(u, other, reason);
      return;
    }
    if (!home.isCol.some((c) => c)) home.isCol = other.isCol;
    this.groups.splice(this.groups.indexOf(other), 1);
    if (this.afterLarge.has(other)) this.afterLarge.add(home);
    const order = new Map<unknown, number>();
    this.program.defs.forEach((d, k) => order.set(d.how.k === 'result' ? d.how.reduce : d, k));
    const all = [...home.items, ...other.items].sort((p, q) => order.get(unitOf(p))! - order.get(unitOf(q))!);
    home.items.splice(0, home.items.length, ...all);
    for (const i of all) this.groupOf.set(unitOf(i), home);
    for (const i of all) i.level = this.levelIn(home, unitOf(i));
  }

  // ---- order and memory ----

  private finish(): Grouping {
    const stored = new Set<Def>();
    for (const d of this.program.defs) if (d.required || d.how.k === 'step' || d.how.k === 'parts') stored.add(d);
    for (const g of this.groups) {
      for (const i of g.items) {
        for (const r of this.reads(unitOf(i)).reads) {
          const key = r.src.how.k === 'result' ? r.src.how.reduce : r.src;
          if (r.src.how.k !== 'input' && this.groupOf.get(key) !== g) stored.add(r.src);
        }
      }
    }
    const extra = new Map<Group | Step, Set<Group | Step>>();
    const deferred = new Set<Def>();
    this.orderWrites(extra, deferred);
    const order: (Group | Step)[] = [];
    const state = new Map<Group | Step, 1 | 2>();
    const visit = (x: Group | Step): void => {
      if (state.has(x)) return;
      state.set(x, 1);
      for (const d of this.allDependencies(x, extra)) visit(d);
      state.set(x, 2);
      order.push(x);
    };
    // Program order where nothing forces another one.
    for (const d of this.program.defs) {
      if (d.how.k === 'step') visit(d.how.step);
      else {
        const g = this.groupOf.get(d.how.k === 'result' ? d.how.reduce : d);
        if (g && this.isLast(g, d)) visit(g);
      }
    }
    for (const s of this.program.steps) visit(s);
    for (const g of this.groups) visit(g);
    const { virtual, groupOf } = this;
    return { order, apart: this.findApart(), virtual, groupOf, stored, deferred };
  }

  /** Every result that one kernel or library call hands to another, with the reason. */
  private findApart(): Apart[] {
    const out: Apart[] = [];
    for (const g of this.groups) {
      for (const i of g.items) {
        const consumer = unitOf(i);
        for (const { src } of this.reads(consumer).reads) {
          if (src.how.k === 'step') out.push({ producer: src.how.step, consumer, reason: libraryReason(src.how.step) });
          for (const producer of unitsOf(src)) {
            const of = this.groupOf.get(producer);
            if (of === undefined || of === g) continue;
            out.push({
              producer,
              consumer,
              reason: this.refused.get(consumer)?.get(producer) ?? 'no reason is recorded',
            });
          }
        }
      }
    }
    for (const s of this.program.steps) {
      for (const { def } of stepTensors(s)) {
        if (def.how.k === 'step') out.push({ producer: def.how.step, consumer: s, reason: libraryReason(s) });
        for (const producer of unitsOf(def))
          if (this.groupOf.has(producer)) out.push({ producer, consumer: s, reason: libraryReason(s) });
      }
    }
    return out;
  }
  private isLast(g: Group, d: Def): boolean {
    const i = g.items[g.items.length - 1]!;
    return i.k === 'map' ? i.def === d : i.reduce.results.includes(d);
  }
  private allDependencies(
    x: Group | Step,
    extra: ReadonlyMap<Group | Step, ReadonlySet<Group | Step>>,
  ): Set<Group | Step> {
    const out = new Set<Group | Step>(extra.get(x) ?? []);
    if ('items' in x) for (const d of this.dependencies(x)) out.add(d);
    else {
      for (const t of stepTensors(x)) {
        if (t.def.how.k === 'step') out.add(t.def.how.step);
        else for (const g of this.producerGroups(t.def)) out.add(g);
      }
    }
    return out;
  }

  /** Members of a group that read a tensor, themselves or through maps that are computed in place. */
  private touching(g: Group, target: Def): Set<Unit> {
    const found = new Set<Unit>();
    for (const i of g.items) {
      const u = unitOf(i);
      if (this.reads(u).reads.some((r) => r.src === target || (r.src.how.k === 'map' && found.has(r.src))))
        found.add(u);
    }
    return found;
  }

  /** A tensor written in place is written after its last reader, or through a copy at the end. */
  private orderWrites(extra: Map<Group | Step, Set<Group | Step>>, deferred: Set<Def>): void {
    const reaches = (from: Group | Step, to: Group | Step, seen = new Set<Group | Step>()): boolean => {
      if (from === to) return true;
      if (seen.has(from)) return false;
      seen.add(from);
      return [...this.allDependencies(from, extra)].some((d) => reaches(d, to, seen));
    };
    for (const w of this.program.writes) {
      const target = this.program.inputs.find((d) => d.how.k === 'input' && d.how.slot === w.slot);
      const writer = w.def.how.k === 'step' ? w.def.how.step : this.producerGroups(w.def)[0];
      if (!target || !writer) continue;
      if (w.def.how.k === 'parts' || w.def.how.k === 'step') {
        deferred.add(w.def);
        continue;
      }
      const readers: (Group | Step)[] = [];
      let clash = false;
      const own = this.itemOf.get(w.def.how.k === 'result' ? w.def.how.reduce : w.def)!;
      const level = own.level + (isFolded(own) ? 1 : 0);
      let last = level;
      for (const g of this.groups) {
        const touching = this.touching(g, target);
        if (touching.size === 0) continue;
        if (g !== writer) {
          readers.push(g);
          continue;
        }
        for (const i of g.items) {
          const u = unitOf(i);
          if (!touching.has(u)) continue;
          const { axes, reads } = this.reads(u);
          const wide = axes.filter((x) => !sameDim(x.extent, 1));
          last = Math.max(last, i.level);
          clash ||=
            i.row !== (own.row || isFolded(own)) ||
            reads.some((r) => r.src === target && !isAt(r.idx, target.shape, wide));
        }
      }
      // A later pass over the row computes maps again from what they read: the write waits for the last of them.
      if (last > level && w.def.how.k === 'map') own.level = last;
      else clash ||= last > level;
      for (const s of this.program.steps) if (stepTensors(s).some((t) => t.def === target)) readers.push(s);
      if (clash || readers.some((r) => reaches(r, writer))) {
        deferred.add(w.def);
        continue;
      }
      const set = extra.get(writer) ?? new Set();
      readers.forEach((r) => set.add(r));
      extra.set(writer, set);
    }
  }
}

const libraryReason = (s: Step): string => `${s.op} is a library call: ${s.reason}`;

/** The maps and reductions that compute a def. */
const unitsOf = (d: Def): readonly Unit[] =>
  d.how.k === 'parts' ? d.how.parts : d.how.k === 'result' ? [d.how.reduce] : [d];

/** True when the position is exactly `axes`, in order, over the dimensions that are not 1. */
function isAt(idx: readonly Index[], shape: readonly Dim[], axes: readonly Axis[]): boolean {
  const wide = shape.map((e, d) => ({ e, i: idx[d]! })).filter((x) => !sameDim(x.e, 1));
  return wide.length === axes.length && wide.every((x, k) => x.i.key === ixAxis(axes[k]!).key);
}

export function group(program: Lowered): Grouping {
  return new Grouper(program).run();
}
