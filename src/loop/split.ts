// Axes that are read in pieces: an index with `i / 16` and `i % 16` becomes plain arithmetic when i is two loops. Where images lie in blocks,
// or a kernel reads through a reshape, that is the difference between gathered lanes and whole vectors.
import { type Atom, type Axis, type Index, constantOf } from '../schedule/indexing.js';

/** More pieces of an axis are loops too short to be worth it. */
const MAX_PIECES = 4;

/** Where divisions and remainders cut the axes: positions counted along the axis. */
function note(i: Index, cuts: Map<Axis, Set<number>>): void {
  for (const t of i.terms) for (const a of t.atoms) noteAtom(a, cuts);
}
function noteAtom(a: Atom, cuts: Map<Axis, Set<number>>): void {
  if (a.k !== 'div' && a.k !== 'mod') return;
  const by = constantOf(a.b);
  if (by !== null) along(a.a, by, cuts);
  note(a.a, cuts);
}
/** The index steps over a multiple of `by` whenever an axis passes a multiple of what is noted for it. */
function along(i: Index, by: number, cuts: Map<Axis, Set<number>>): void {
  for (const t of i.terms) {
    const [a] = t.atoms;
    if (t.atoms.length !== 1 || a === undefined || by % t.coef !== 0) continue;
    if (a.k === 'axis') cuts.set(a.axis, (cuts.get(a.axis) ?? new Set()).add(by / t.coef));
    else if (a.k === 'mod') along(a.a, by / t.coef, cuts);
    else if (a.k === 'div') {
      const inner = constantOf(a.b);
      if (inner !== null) along(a.a, (by / t.coef) * inner, cuts);
    }
  }
}

/** Extents to cut axes into, outermost first, so that the indices need no division along them. */
export function piecesOf(indices: Iterable<Index>, axes: readonly Axis[]): ReadonlyMap<Axis, readonly number[]> {
  const cuts = new Map<Axis, Set<number>>();
  for (const i of indices) note(i, cuts);
  const out = new Map<Axis, readonly number[]>();
  for (const axis of axes) {
    const { extent } = axis;
    if (typeof extent !== 'number') continue;
    const pieces: number[] = [];
    let below = 1;
    for (const c of [...(cuts.get(axis) ?? [])].sort((p, q) => p - q)) {
      if (c <= below || c >= extent || c % below !== 0 || extent % c !== 0) continue;
      pieces.unshift(c / below);
      below = c;
    }
    if (pieces.length > 0 && pieces.length < MAX_PIECES) out.set(axis, [extent / below, ...pieces]);
  }
  return out;
}
