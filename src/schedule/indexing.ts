// Index expressions: sums of integer coefficients times products of atoms (axes, symbols, floor divisions, remainders, data-dependent
// positions), kept in one canonical form. View ops become substitutions here, so that a chain of reshapes, transposes and slices
// costs one offset computation. All values are non-negative where div and mod are used.
import { type Dim } from '../ir/graph.js';
import { evalDim, sameDim } from '../ir/dim.js';

/** A loop variable 0 <= axis < extent. */
export interface Axis {
  readonly id: number;
  readonly name: string;
  readonly extent: Dim;
}

export type Atom =
  | { readonly k: 'axis'; readonly key: string; readonly axis: Axis }
  | { readonly k: 'sym'; readonly key: string; readonly name: string }
  | { readonly k: 'div' | 'mod'; readonly key: string; readonly a: Index; readonly b: Index }
  /** A position read from memory: `expr` is a loop expression (opaque here), checked against `extent` when it is evaluated. */
  | { readonly k: 'dyn'; readonly key: string; readonly expr: DynamicPosition; readonly extent: Dim };

/** What index.ts needs to know about a loop expression used as a position. */
export interface DynamicPosition {
  readonly id: number;
  readonly axes: ReadonlySet<Axis>;
  substitute(by: ReadonlyMap<Axis, Index>): DynamicPosition;
}

interface Term {
  readonly coef: number;
  readonly atoms: readonly Atom[];
  readonly key: string;
}

export interface Index {
  readonly terms: readonly Term[];
  readonly key: string;
}

let axisCount = 0;
export const newAxis = (name: string, extent: Dim): Axis => ({ id: axisCount++, name, extent });

const termKey = (atoms: readonly Atom[]): string => atoms.map((a) => a.key).join('*');
const make = (coef: number, atoms: readonly Atom[]): Term => ({ coef, atoms, key: termKey(atoms) });

function fromTerms(list: Iterable<Term>): Index {
  const sums = new Map<string, Term>();
  for (const t of list) {
    const old = sums.get(t.key);
    sums.set(t.key, old ? { ...t, coef: old.coef + t.coef } : t);
  }
  for (const [k, t] of sums) if (t.coef === 0) sums.delete(k);
  recombine(sums);
  const terms = [...sums.values()].sort((x, y) => (x.key < y.key ? -1 : x.key > y.key ? 1 : 0));
  return { terms, key: terms.map((t) => `${t.coef}${t.key === '' ? '' : `*${t.key}`}`).join('+') || '0' };
}

/** c*(e mod m) + c*m*(e div m) = c*e;  c*(e mod m) + c*m*((e div m) mod k) = c*(e mod m*k). */
function recombine(sums: Map<string, Term>): void {
  for (let again = true; again;) {
    again = false;
    for (const t of [...sums.values()]) {
      const at = t.atoms.findIndex((a) => a.k === 'mod');
      if (at < 0) continue;
      const mod = t.atoms[at] as Atom & { k: 'mod' };
      const m = constantOf(mod.b);
      const rest = t.atoms.filter((_, i) => i !== at);
      for (const u of [...sums.values()]) {
        if (u === t || u.atoms.length === 0) continue;
        if (m === null ? !symbolicMultiple(u, t, mod) : u.coef !== t.coef * m) continue;
        const extra = m === null ? mod.b.terms[0]!.atoms : [];
        const left = without(u.atoms, [...rest, ...extra]);
        if (left === null || left.length !== 1) continue;
        const d = left[0]!;
        let replacement: Index | null = null;
        if (d.k === 'div' && d.a.key === mod.a.key && d.b.key === mod.b.key) replacement = mod.a;
        else if (d.k === 'mod' && m !== null) {
          const inner =
            d.a.terms.length === 1 && d.a.terms[0]!.coef === 1 && d.a.terms[0]!.atoms.length === 1
              ? d.a.terms[0]!.atoms[0]!
              : null;
          if (inner?.k === 'div' && inner.a.key === mod.a.key && inner.b.key === mod.b.key)
            replacement = ixMod(mod.a, ixMul(d.b, mod.b));
        }
        if (replacement === null) continue;
        sums.delete(t.key);
        sums.delete(u.key);
        for (const r of ixMul(replacement, fromTerms([make(t.coef, rest)])).terms) {
          const old = sums.get(r.key);
          const coef = (old?.coef ?? 0) + r.coef;
          if (coef === 0) sums.delete(r.key);
          else sums.set(r.key, { ...r, coef });
        }
        again = true;
        break;
      }
      if (again) break;
    }
  }
}

function symbolicMultiple(u: Term, t: Term, mod: Atom & { k: 'mod' }): boolean {
  return mod.b.terms.length === 1 && u.coef === t.coef * mod.b.terms[0]!.coef;
}

function without(from: readonly Atom[], what: readonly Atom[]): Atom[] | null {
  const left = [...from];
  for (const w of what) {
    const at = left.findIndex((a) => a.key === w.key);
    if (at < 0) return null;
    left.splice(at, 1);
  }
  return left;
}

export const ixConst = (n: number): Index => (n === 0 ? ZERO : { terms: [make(n, [])], key: String(n) });
export const ZERO: Index = { terms: [], key: '0' };
const ofAtom = (a: Atom): Index => fromTerms([make(1, [a])]);
export const ixAxis = (axis: Axis): Index =>
  sameDim(axis.extent, 1) ? ZERO : ofAtom({ k: 'axis', key: `i${axis.id}`, axis });
export const ixDyn = (expr: DynamicPosition, extent: Dim): Index =>
  ofAtom({ k: 'dyn', key: `d${expr.id}`, expr, extent });

export function ixDim(d: Dim): Index {
  if (typeof d === 'number') return ixConst(d);
  return fromTerms(
    d.terms.map((t) =>
      make(
        t.coef,
        t.symbols.map((name): Atom => ({ k: 'sym', key: name, name })),
      ),
    ),
  );
}

/** The number that an index always has, or null. */
export const constantOf = (i: Index): number | null =>
  i.terms.length === 0 ? 0 : i.terms.length === 1 && i.terms[0]!.atoms.length === 0 ? i.terms[0]!.coef : null;

export const ixAdd = (...list: Index[]): Index => fromTerms(list.flatMap((i) => i.terms));
export function ixMul(a: Index, b: Index): Index {
  const out: Term[] = [];
  for (const x of a.terms) {
    for (const y of b.terms) {
      const atoms = [...x.atoms, ...y.atoms].sort((p, q) => (p.key < q.key ? -1 : p.key > q.key ? 1 : 0));
      out.push(make(x.coef * y.coef, atoms));
    }
  }
  return fromTerms(out);
}
export const ixSub = (a: Index, b: Index): Index => ixAdd(a, ixMul(ixConst(-1), b));

/** Smallest and largest value, null where symbols leave it open. */
export function bounds(i: Index): { lo: number; hi: number } | null {
  let lo = 0;
  let hi = 0;
  for (const t of i.terms) {
    let a = 1;
    let b = 1;
    for (const atom of t.atoms) {
      const r = atomBounds(atom);
      if (r === null || r.lo < 0) return null;
      a *= r.lo;
      b *= r.hi;
    }
    lo += t.coef > 0 ? t.coef * a : t.coef * b;
    hi += t.coef > 0 ? t.coef * b : t.coef * a;
  }
  return { lo, hi };
}
function atomBounds(a: Atom): { lo: number; hi: number } | null {
  switch (a.k) {
    case 'axis':
      return typeof a.axis.extent === 'number' ? { lo: 0, hi: Math.max(0, a.axis.extent - 1) } : null;
    case 'dyn':
      return typeof a.extent === 'number' ? { lo: 0, hi: Math.max(0, a.extent - 1) } : null;
    case 'sym':
      return null;
    case 'mod': {
      const m = constantOf(a.b);
      return m === null ? null : { lo: 0, hi: m - 1 };
    }
    case 'div': {
      const m = constantOf(a.b);
      const r = bounds(a.a);
      return m === null || r === null ? null : { lo: Math.floor(r.lo / m), hi: Math.floor(r.hi / m) };
    }
  }
}

/** True when 0 <= i < limit for all values of the axes. */
function within(i: Index, limit: Index): boolean {
  const n = constantOf(limit);
  if (n !== null) {
    const r = bounds(i);
    return r !== null && r.lo >= 0 && r.hi < n;
  }
  // Symbolic: peel mixed-radix digits, largest first: (extent - 1) * stride + ... < limit.
  if (i.terms.length === 0) return true;
  let max = ixConst(0);
  for (const t of i.terms) {
    let m = ixConst(t.coef);
    if (t.coef < 0) return false;
    for (const a of t.atoms) {
      if (a.k === 'axis') m = ixMul(m, ixSub(ixDim(a.axis.extent), ixConst(1)));
      else if (a.k === 'mod') m = ixMul(m, ixSub(a.b, ixConst(1)));
      else if (a.k === 'sym') m = ixMul(m, ofAtom(a));
      else return false;
    }
    max = ixAdd(max, m);
  }
  // limit - 1 - max must have no negative coefficient (symbols are >= 1, so a constant may offset none of them).
  const slack = ixSub(ixSub(limit, ixConst(1)), max);
  return slack.terms.every((t) => t.coef >= 0);
}

/** Splits into a multiple of b (divided by it) and the rest. */
function splitMultiple(a: Index, b: Index): { quotient: Index; rest: Index } {
  const q: Term[] = [];
  const r: Term[] = [];
  const mono = b.terms.length === 1 ? b.terms[0]! : null;
  for (const t of a.terms) {
    const left = mono && t.coef % mono.coef === 0 ? without(t.atoms, mono.atoms) : null;
    if (mono && left) q.push(make(t.coef / mono.coef, left));
    else r.push(t);
  }
  return { quotient: fromTerms(q), rest: fromTerms(r) };
}

/** The part of `a` whose coefficients are multiples of g (divided by g), when the remainder is below g. */
function splitRadix(a: Index, b: number): { g: number; high: Index; low: Index } | null {
  const coefs = [...new Set(a.terms.map((t) => t.coef))].filter((c) => c > 1 && b % c === 0).sort((x, y) => y - x);
  for (const g of coefs) {
    const high = a.terms.filter((t) => t.coef % g === 0);
    const low = fromTerms(a.terms.filter((t) => t.coef % g !== 0));
    if (within(low, ixConst(g))) return { g, high: fromTerms(high.map((t) => ({ ...t, coef: t.coef / g }))), low };
  }
  return null;
}

const single = (i: Index): Atom | null =>
  i.terms.length === 1 && i.terms[0]!.coef === 1 && i.terms[0]!.atoms.length === 1 ? i.terms[0]!.atoms[0]! : null;

export function ixDiv(a: Index, b: Index): Index {
  if (constantOf(b) === 1) return a;
  if (constantOf(b) === 0) return ZERO; // an empty tensor: no position is ever evaluated
  const { quotient, rest } = splitMultiple(a, b);
  if (within(rest, b)) return quotient;
  const n = constantOf(b);
  if (n !== null) {
    const c = constantOf(rest);
    if (c !== null) return ixAdd(quotient, ixConst(Math.floor(c / n)));
    const radix = splitRadix(rest, n);
    if (radix) return ixAdd(quotient, ixDiv(radix.high, ixConst(n / radix.g)));
    const inner = single(rest);
    if (inner?.k === 'div') return ixAdd(quotient, ixDiv(inner.a, ixMul(inner.b, b)));
  }
  return ixAdd(quotient, ofAtom({ k: 'div', key: `(${rest.key})/(${b.key})`, a: rest, b }));
}

export function ixMod(a: Index, b: Index): Index {
  if (constantOf(b) === 1 || constantOf(b) === 0) return ZERO;
  const { rest } = splitMultiple(a, b);
  if (within(rest, b)) return rest;
  const n = constantOf(b);
  if (n !== null) {
    const c = constantOf(rest);
    if (c !== null) return ixConst(((c % n) + n) % n);
    const radix = splitRadix(rest, n);
    if (radix) return ixAdd(ixMul(ixConst(radix.g), ixMod(radix.high, ixConst(n / radix.g))), radix.low);
    const inner = single(rest);
    const m = inner?.k === 'mod' ? constantOf(inner.b) : null;
    if (inner?.k === 'mod' && m !== null && m % n === 0) return ixMod(inner.a, b);
  }
  return ofAtom({ k: 'mod', key: `(${rest.key})%(${b.key})`, a: rest, b });
}

/** Replaces axes by index expressions and simplifies again. */
export function ixSubstitute(i: Index, by: ReadonlyMap<Axis, Index>): Index {
  let hit = false;
  for (const a of axesOf(i)) if (by.has(a)) hit = true;
  if (!hit) return i;
  let sum: Index = ZERO;
  for (const t of i.terms) {
    let p = ixConst(t.coef);
    for (const a of t.atoms) {
      let v: Index;
      if (a.k === 'axis') v = by.get(a.axis) ?? ofAtom(a);
      else if (a.k === 'sym') v = ofAtom(a);
      else if (a.k === 'dyn') v = ixDyn(a.expr.substitute(by), a.extent);
      else if (a.k === 'div') v = ixDiv(ixSubstitute(a.a, by), a.b);
      else v = ixMod(ixSubstitute(a.a, by), a.b);
      p = ixMul(p, v);
    }
    sum = ixAdd(sum, p);
  }
  return sum;
}

/** Rewrites the data-dependent positions of an index. */
export function ixMapDyn(i: Index, f: (e: DynamicPosition) => DynamicPosition): Index {
  if (!i.terms.some((t) => t.atoms.some((a) => a.k !== 'axis' && a.k !== 'sym'))) return i;
  let sum: Index = ZERO;
  for (const t of i.terms) {
    let p = ixConst(t.coef);
    for (const a of t.atoms) {
      if (a.k === 'dyn') p = ixMul(p, ixDyn(f(a.expr), a.extent));
      else if (a.k === 'div') p = ixMul(p, ixDiv(ixMapDyn(a.a, f), a.b));
      else if (a.k === 'mod') p = ixMul(p, ixMod(ixMapDyn(a.a, f), a.b));
      else p = ixMul(p, ofAtom(a));
    }
    sum = ixAdd(sum, p);
  }
  return sum;
}

const axesMemo = new WeakMap<Index, ReadonlySet<Axis>>();
/** The axes that an index depends on, those of data-dependent positions included. */
export function axesOf(i: Index): ReadonlySet<Axis> {
  let s = axesMemo.get(i);
  if (s) return s;
  const out = new Set<Axis>();
  for (const t of i.terms) {
    for (const a of t.atoms) {
      if (a.k === 'axis') out.add(a.axis);
      else if (a.k === 'div' || a.k === 'mod') for (const x of axesOf(a.a)) out.add(x);
      else if (a.k === 'dyn') for (const x of a.expr.axes) out.add(x);
    }
  }
  axesMemo.set(i, (s = out));
  return s;
}

/** The factor of `axis` when the index is linear in it, else null (it is inside a division or a data-dependent position). */
export function coefficient(i: Index, axis: Axis): Index | null {
  const out: Term[] = [];
  for (const t of i.terms) {
    const at = t.atoms.findIndex((a) => a.k === 'axis' && a.axis === axis);
    const rest = at < 0 ? t.atoms : t.atoms.filter((_, k) => k !== at);
    for (const a of rest) {
      if (a.k === 'axis' && a.axis === axis) return null;
      if ((a.k === 'div' || a.k === 'mod') && axesOf(a.a).has(axis)) return null;
      if (a.k === 'dyn' && a.expr.axes.has(axis)) return null;
    }
    if (at >= 0) out.push(make(t.coef, rest));
  }
  return fromTerms(out);
}

/** True when a division or remainder occurs. */
export const hasDivision = (i: Index): boolean =>
  i.terms.some((t) => t.atoms.some((a) => a.k === 'div' || a.k === 'mod'));

/** Row-major position of `idx` in a tensor of this shape. */
export function linearize(idx: readonly Index[], shape: readonly Dim[]): Index {
  let sum: Index = ZERO;
  let step: Index = ixConst(1);
  for (let d = shape.length - 1; d >= 0; d--) {
    sum = ixAdd(sum, ixMul(idx[d]!, step));
    step = ixMul(step, ixDim(shape[d]!));
  }
  return sum;
}

/** Position → one index per dimension. */
export function delinearize(position: Index, shape: readonly Dim[]): Index[] {
  const out: Index[] = new Array<Index>(shape.length);
  let step: Index = ixConst(1);
  const top = shape.findIndex((d) => !sameDim(d, 1));
  for (let d = shape.length - 1; d >= 0; d--) {
    const q = ixDiv(position, step);
    out[d] = sameDim(shape[d]!, 1) ? ZERO : d === top ? q : ixMod(q, ixDim(shape[d]!));
    step = ixMul(step, ixDim(shape[d]!));
  }
  return out;
}

/** The value for given axes and symbols (tests). */
export function evalIndex(
  i: Index,
  axes: ReadonlyMap<Axis, number>,
  symbols: ReadonlyMap<string, number> = new Map(),
): number {
  let sum = 0;
  for (const t of i.terms) {
    let p = t.coef;
    for (const a of t.atoms) {
      if (a.k === 'axis') p *= axes.get(a.axis) ?? 0;
      else if (a.k === 'sym') p *= evalDim({ terms: [{ coef: 1, symbols: [a.name] }] }, symbols);
      else if (a.k === 'div') p *= Math.floor(evalIndex(a.a, axes, symbols) / evalIndex(a.b, axes, symbols));
      else if (a.k === 'mod') p *= evalIndex(a.a, axes, symbols) % evalIndex(a.b, axes, symbols);
      else throw new Error('a data-dependent position has no static value');
    }
    sum += p;
  }
  return sum;
}

/** Source text: `axis`, `symbol` and `dyn` give the names of the leaves. */
export interface IndexNames {
  axis(a: Axis): string;
  symbol(name: string): string;
  dyn(e: DynamicPosition, extent: Dim): string;
}
export function printIndex(i: Index, n: IndexNames): string {
  if (i.terms.length === 0) return '0';
  let out = '';
  for (const t of i.terms) {
    const factors = t.atoms.map((a) => {
      if (a.k === 'axis') return n.axis(a.axis);
      if (a.k === 'sym') return n.symbol(a.name);
      if (a.k === 'dyn') return n.dyn(a.expr, a.extent);
      return `${wrap(printIndex(a.a, n))} ${a.k === 'div' ? '/' : '%'} ${wrap(printIndex(a.b, n))}`;
    });
    if (factors.length > 1 || Math.abs(t.coef) !== 1 || t.coef < 0) {
      for (let k = 0; k < factors.length; k++)
        if (t.atoms[k]!.k === 'div' || t.atoms[k]!.k === 'mod') factors[k] = `(${factors[k]!})`;
    }
    const size = Math.abs(t.coef);
    if (size !== 1 || factors.length === 0) factors.unshift(String(size));
    out += (out === '' ? (t.coef < 0 ? '-' : '') : t.coef < 0 ? ' - ' : ' + ') + factors.join(' * ');
  }
  return out;
}
const wrap = (s: string): string => (/^\w+$/.test(s) ? s : `(${s})`);
