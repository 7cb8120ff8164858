// Where every stored tensor lives: an input, a result, a tensor written in place, or a piece of the arena that is reused once its last
// reader is done.
import { type Dim } from '../ir/graph.js';
import { addDims, mulDims, productOf } from '../ir/dim.js';
import { type Def, type Lowered, type Step, stepTensors } from '../schedule/defs.js';
import { byteSize } from '../schedule/dtype.js';
import { type Grouping } from '../schedule/group.js';
import { foldedValues, type Kernel } from '../loop/kernel.js';
import { walk } from '../schedule/expr.js';

export type Place =
  | { readonly k: 'input'; readonly slot: number }
  | { readonly k: 'output'; readonly index: number; readonly offset?: number }
  | { readonly k: 'arena'; readonly offset: Dim };

/** Memory of a tensor within another one, `offset` bytes from its start. */
export interface Inside {
  readonly target: Def;
  readonly offset: number;
}

export type Event = { readonly k: 'kernel'; readonly kernel: Kernel } | { readonly k: 'step'; readonly step: Step };

export interface MemoryPlan {
  readonly places: ReadonlyMap<Def, Place>;
  readonly arena: Dim;
  /** Copies at the end of the run: writes that could not go straight into their tensor. */
  readonly copies: readonly { readonly from: Def; readonly output: number; readonly bytes: Dim }[];
}

export const bytesOf = (d: Def): Dim => mulDims(productOf(d.shape), byteSize(d.dtype));

/** Defs that an event reads and writes. */
export function touches(e: Event): { reads: Set<Def>; writes: Set<Def> } {
  const reads = new Set<Def>();
  const writes = new Set<Def>();
  if (e.k === 'step') {
    for (const t of stepTensors(e.step)) reads.add(t.def);
    e.step.outputs.forEach((d) => writes.add(d));
    return { reads, writes };
  }
  for (const s of e.kernel.stages) {
    const values = [
      ...s.stores.map((x) => x.value),
      ...(s.k === 'columns' ? [...s.folds.flatMap(foldedValues), ...s.keeps.map((x) => x.value)] : []),
    ];
    for (const v of values) walk(v, (x) => x.k === 'load' && reads.add(x.src as Def));
    for (const x of s.stores) {
      writes.add(x.def);
      // Offsets may read positions, too.
      for (const t of x.offset.terms) void t;
    }
  }
  return { reads, writes };
}

export const ALIGN = 64;
const round = (n: number): number => Math.ceil(n / ALIGN) * ALIGN;

export function planMemory(
  program: Lowered,
  grouping: Grouping,
  events: readonly Event[],
  inside: ReadonlyMap<Def, Inside>,
): MemoryPlan {
  const places = new Map<Def, Place>();
  for (const d of program.inputs) if (d.how.k === 'input') places.set(d, { k: 'input', slot: d.how.slot });
  program.outputs.forEach((d, index) => places.set(d, { k: 'output', index }));
  const copies: { from: Def; output: number; bytes: Dim }[] = [];
  program.writes.forEach((w, k) => {
    const output = program.outputs.length + k;
    if (grouping.deferred.has(w.def)) copies.push({ from: w.def, output, bytes: bytesOf(w.def) });
    else places.set(w.def, { k: 'output', index: output });
  });
  /** The tensor around a part, however deep it lies. */
  const whole = (d: Def): Inside => {
    let at: Inside = { target: d, offset: 0 };
    for (let next; (next = inside.get(at.target)) !== undefined;)
      at = { target: next.target, offset: at.offset + next.offset };
    return at;
  };
  const first = new Map<Def, number>();
  const last = new Map<Def, number>();
  events.forEach((e, at) => {
    const { reads, writes } = touches(e);
    for (const part of [...writes, ...reads]) {
      const d = whole(part).target;
      if (places.has(d)) continue;
      if (!first.has(d)) first.set(d, at);
      last.set(d, at);
    }
  });
  for (const c of copies) last.set(c.from, events.length);
  let arena: Dim = 0;
  // Symbolic sizes: no reuse, offsets are sums. They follow the planned part.
  const symbolic: Def[] = [];
  const live: { offset: number; bytes: number; until: number }[] = [];
  const sized: Def[] = [];
  for (const d of first.keys()) (typeof bytesOf(d) === 'number' ? sized : symbolic).push(d);
  let top = 0;
  for (const d of sized.sort((a, b) => first.get(a)! - first.get(b)!)) {
    const bytes = Math.max(ALIGN, round(bytesOf(d) as number));
    const at = first.get(d)!;
    for (let k = live.length - 1; k >= 0; k--) if (live[k]!.until < at) live.splice(k, 1);
    live.sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const x of live) {
      if (x.offset - offset >= bytes) break;
      offset = Math.max(offset, x.offset + x.bytes);
    }
    places.set(d, { k: 'arena', offset });
    live.push({ offset, bytes, until: last.get(d)! });
    top = Math.max(top, offset + bytes);
  }
  arena = top;
  for (const d of symbolic) {
    places.set(d, { k: 'arena', offset: arena });
    arena = addDims(addDims(arena, bytesOf(d)), ALIGN);
  }
  for (const d of inside.keys()) {
    const { target, offset } = whole(d);
    const p = places.get(target)!;
    if (p.k === 'arena') places.set(d, { k: 'arena', offset: addDims(p.offset, offset) });
    else if (p.k === 'output') places.set(d, { ...p, offset });
  }
  return { places, arena, copies };
}
