// Symbolic dimensions: polynomials with integer coefficients over named symbols, kept in one canonical form, so that equal
// dimensions are equal structures and print the same. A polynomial without symbols is a plain number.
import type { Dim, SymDim } from './graph.js';

type Term = SymDim['terms'][number];

export const isSym = (d: unknown): d is SymDim =>
  typeof d === 'object' && d !== null && Array.isArray((d as { terms?: unknown }).terms);

/** The dimension that a symbol stands for. */
export const symbol = (name: string): Dim => ({ terms: [{ coef: 1, symbols: [name] }] });

const termsOf = (d: Dim): readonly Term[] =>
  typeof d === 'number' ? (d === 0 ? [] : [{ coef: d, symbols: [] }]) : d.terms;
const keyOf = (symbols: readonly string[]): string => symbols.join('*');

/** Higher degrees first, then by name: '2*s0*s1+s0+1'. */
function compareTerms(a: Term, b: Term): number {
  if (a.symbols.length !== b.symbols.length) return b.symbols.length - a.symbols.length;
  const [x, y] = [keyOf(a.symbols), keyOf(b.symbols)];
  return x < y ? -1 : x > y ? 1 : 0;
}

function fromTerms(terms: Iterable<Term>): Dim {
  const sums = new Map<string, Term>();
  for (const t of terms) {
    const symbols = [...t.symbols].sort();
    const key = keyOf(symbols);
    sums.set(key, { coef: (sums.get(key)?.coef ?? 0) + t.coef, symbols });
  }
  const list = [...sums.values()].filter((t) => t.coef !== 0).sort(compareTerms);
  if (list.length === 0) return 0;
  if (list.length === 1 && list[0]!.symbols.length === 0) return list[0]!.coef;
  return { terms: list };
}

/** The canonical form of a dimension that was put together by hand. */
export const canonical = (d: Dim): Dim => (typeof d === 'number' ? d : fromTerms(d.terms));

export function addDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  return fromTerms([...termsOf(a), ...termsOf(b)]);
}

export function mulDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a * b + 0; // no -0
  return fromTerms(
    termsOf(a).flatMap((x) =>
      termsOf(b).map((y) => ({ coef: x.coef * y.coef, symbols: [...x.symbols, ...y.symbols] })),
    ),
  );
}

export const subDims = (a: Dim, b: Dim): Dim => addDims(a, mulDims(-1, b));
export const productOf = (dims: readonly Dim[]): Dim => dims.reduce(mulDims, 1);

/** a / b when the division is exact for all values of the symbols, else null. */
export function divDims(a: Dim, b: Dim): Dim | null {
  if (typeof a === 'number' && typeof b === 'number') return b !== 0 && a % b === 0 ? a / b : null;
  const divisor = termsOf(canonical(b));
  if (divisor.length === 0) return null;
  const lead = divisor[0]!;
  let rest = canonical(a);
  let quotient: Dim = 0;
  // Polynomial long division: each round removes the leading term of the remainder or fails.
  for (let round = 0; round < 64; round++) {
    const top = termsOf(rest)[0];
    if (top === undefined) return quotient;
    const symbols = removeAll(top.symbols, lead.symbols);
    if (symbols === null || top.coef % lead.coef !== 0) return null;
    const step = fromTerms([{ coef: top.coef / lead.coef, symbols }]);
    quotient = addDims(quotient, step);
    rest = subDims(rest, mulDims(step, b));
  }
  return null;
}

function removeAll(from: readonly string[], what: readonly string[]): string[] | null {
  const left = [...from];
  for (const s of what) {
    const at = left.indexOf(s);
    if (at < 0) return null;
    left.splice(at, 1);
  }
  return left;
}

/** True when two dimensions are equal for all values of their symbols. */
export function sameDim(a: Dim, b: Dim): boolean {
  if (typeof a === 'number' || typeof b === 'number') return a === b;
  return (
    a.terms.length === b.terms.length &&
    a.terms.every((t, i) => t.coef === b.terms[i]!.coef && keyOf(t.symbols) === keyOf(b.terms[i]!.symbols))
  );
}

export const sameShape = (a: readonly Dim[], b: readonly Dim[]): boolean =>
  a.length === b.length && a.every((d, i) => sameDim(d, b[i]!));

/** The text of program metadata and of the IR: '64', 's0', '2*s0+1'. */
export function printDim(d: Dim): string {
  if (typeof d === 'number') return String(d);
  let out = '';
  for (const { coef, symbols } of d.terms) {
    const sign = coef < 0 ? '-' : out === '' ? '' : '+';
    const size = Math.abs(coef);
    out += sign + (symbols.length === 0 ? String(size) : (size === 1 ? '' : `${size}*`) + symbols.join('*'));
  }
  return out;
}

/** @throws SyntaxError for text that is no sum of products of integers and symbols. */
export function parseDim(text: string): Dim {
  const source = text.trim().replace(/\s*([*+-])\s*/g, '$1');
  if (!/^-?\w+(\*\w+)*([+-]\w+(\*\w+)*)*$/.test(source)) throw new SyntaxError(`bad dimension '${text}'`);
  const terms = source.match(/[+-]?[\w*]+/g)!.map((part): Term => {
    let coef = part.startsWith('-') ? -1 : 1;
    const symbols: string[] = [];
    for (const factor of part.replace(/^[+-]/, '').split('*')) {
      if (/^\d+$/.test(factor)) coef *= Number(factor);
      else if (/^[A-Za-z_]\w*$/.test(factor)) symbols.push(factor);
      else throw new SyntaxError(`bad factor '${factor}' in dimension '${text}'`);
    }
    return { coef, symbols };
  });
  return fromTerms(terms);
}

/** The value of a dimension. @throws RangeError when a symbol has no value. */
export function evalDim(d: Dim, values: ReadonlyMap<string, number>): number {
  if (typeof d === 'number') return d;
  let sum = 0;
  for (const t of d.terms) {
    let product = t.coef;
    for (const s of t.symbols) {
      const v = values.get(s);
      if (v === undefined) throw new RangeError(`dimension ${printDim(d)}: the symbol '${s}' has no value`);
      product *= v;
    }
    sum += product;
  }
  return sum;
}

/** The symbols of a dimension. */
export function dimSymbols(d: Dim, into: Set<string> = new Set()): Set<string> {
  if (typeof d !== 'number') for (const t of d.terms) for (const s of t.symbols) into.add(s);
  return into;
}

/** Strides of a contiguous tensor. */
export function contiguousStrides(shape: readonly Dim[]): Dim[] {
  const out: Dim[] = new Array<Dim>(shape.length);
  let step: Dim = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    out[i] = step;
    step = mulDims(step, shape[i]! === 0 ? 1 : shape[i]!);
  }
  return out;
}
