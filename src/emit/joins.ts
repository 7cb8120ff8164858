// Parts of a concatenation that are computed where they belong: a tensor that a kernel would only copy into a larger one is given
// memory inside of it, and the copy is dropped.
import { productOf } from '../ir/dim.js';
import { type Def, type Lowered } from '../schedule/defs.js';
import { byteSize } from '../schedule/dtype.js';
import { type Index, constantOf, ixSub } from '../schedule/indexing.js';
import { type Kernel } from '../loop/kernel.js';
import { ALIGN, type Event, type Inside, touches } from './memory.js';

/** Whether the kernel's axes walk all of `count` elements, each once, in the order of memory. */
function walksAll(k: Kernel, offset: Index, count: number): boolean {
  const steps = offset.terms.map((t) => {
    const [atom] = t.atoms;
    return t.atoms.length === 1 && atom!.k === 'axis' ? { step: t.coef, extent: atom!.axis.extent } : null;
  });
  let next = 1;
  for (const s of steps.sort((a, b) => (a?.step ?? 0) - (b?.step ?? 0))) {
    if (s === null || s.step !== next || typeof s.extent !== 'number') return false;
    next *= s.extent;
  }
  const all = [...k.rows, ...k.cols].reduce((n, a) => n * (typeof a.extent === 'number' ? a.extent : NaN), 1);
  return next === count && all === count;
}

/** What a kernel copies, when that is all it does. */
function copyOf(k: Kernel): { from: Def; to: Def; offset: number } | null {
  const [stage, more] = k.stages;
  if (stage === undefined || more !== undefined || stage.stores.length !== 1) return null;
  if (stage.k === 'columns' && (stage.folds.length > 0 || stage.keeps.length > 0)) return null;
  const { def: to, offset, value } = stage.stores[0]!;
  if (value.k !== 'load') return null;
  const from = value.src as Def;
  const count = productOf(from.shape);
  const shift = constantOf(ixSub(offset, value.offset));
  if (from === to || from.dtype !== to.dtype || typeof productOf(to.shape) !== 'number') return null;
  if (typeof count !== 'number' || shift === null || !walksAll(k, value.offset, count)) return null;
  return { from, to, offset: shift * byteSize(to.dtype) };
}

/** The elements that a store can reach, first and last; null where the offset is no sum of axes. */
function reach(offset: Index): readonly [number, number] | null {
  let [low, high] = [0, 0];
  for (const { coef, atoms } of offset.terms) {
    const [atom, more] = atoms;
    if (more !== undefined || (atom !== undefined && atom.k !== 'axis')) return null;
    if (atom !== undefined && typeof atom.axis.extent !== 'number') return null;
    const span = atom === undefined ? 0 : coef * ((atom.axis.extent as number) - 1);
    low += atom === undefined ? coef : Math.min(0, span);
    high += atom === undefined ? coef : Math.max(0, span);
  }
  return [low, high];
}

/** Whether an event may write to `count` elements of `to` from `start` on. */
function overwrites(e: Event, to: Def, start: number, count: number): boolean {
  if (e.k === 'step') return e.step.outputs.includes(to);
  return e.kernel.stages.some((s) =>
    s.stores.some(({ def, offset }) => {
      if (def !== to) return false;
      const range = reach(offset);
      return range === null || (range[0] < start + count && range[1] >= start);
    }),
  );
}

/** The events that are left, and which tensors lie inside others. Tensors that are results, inputs or written in place stay apart. */
export function joinParts(
  program: Lowered,
  events: readonly Event[],
): { events: readonly Event[]; inside: ReadonlyMap<Def, Inside> } {
  const inside = new Map<Def, Inside>();
  const written = new Set(program.writes.map((w) => w.def));
  const apart = new Set<Def>([...program.inputs, ...program.outputs, ...written]);
  const firstWrite = new Map<Def, number>();
  const lastWrite = new Map<Def, number>();
  events.forEach((e, at) => {
    for (const d of touches(e).writes) {
      if (!firstWrite.has(d)) firstWrite.set(d, at);
      lastWrite.set(d, at);
    }
  });
  const left = events.filter((e, at) => {
    const copy = e.k === 'kernel' ? copyOf(e.kernel) : null;
    if (copy === null || apart.has(copy.from) || inside.has(copy.from)) return true;
    if (written.has(copy.to) || copy.to.how.k === 'input' || copy.offset % ALIGN !== 0) return true;
    if (!((lastWrite.get(copy.from) ?? at) < at)) return true;
    // The part lies there from its first write on: a kernel that fills the place after that (zeros around a gradient) would undo it.
    const made = firstWrite.get(copy.from)!;
    const size = byteSize(copy.to.dtype);
    const [start, count] = [copy.offset / size, productOf(copy.from.shape) as number];
    if (events.some((o, k) => k >= made && k !== at && overwrites(o, copy.to, start, count))) return true;
    inside.set(copy.from, { target: copy.to, offset: copy.offset });
    // What holds a part is written from then on.
    firstWrite.set(copy.to, Math.min(firstWrite.get(copy.to)!, made));
    return false;
  });
  return { events: left, inside };
}
