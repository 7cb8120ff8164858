// Compares two recordings of one function. The same ops on the same tensors: the recording can be replayed. The same ops with
// another number: that number varies between calls, and replaying would silently freeze it.
import { traceNumber, type TraceAttr, type TraceJson, type TraceOperand } from '../frontend/trace/format.js';

export type Comparison =
  | { readonly kind: 'same' }
  /** Equal but for these numbers. */
  | { readonly kind: 'numbers'; readonly changes: readonly NumberChange[] }
  | { readonly kind: 'different'; readonly why: string };

export interface NumberChange {
  readonly op: string;
  readonly site: string | undefined;
  /** 'operand 1' or "attribute 'alpha'". */
  readonly where: string;
  readonly before: unknown;
  readonly after: unknown;
}

const equal = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

export function compareTraces(a: TraceJson, b: TraceJson): Comparison {
  const changes: NumberChange[] = [];
  if (a.nodes.length !== b.nodes.length)
    return { kind: 'different', why: `${a.nodes.length} ops, now ${b.nodes.length}` };
  for (let k = 0; k < a.nodes.length; k++) {
    const [x, y] = [a.nodes[k]!, b.nodes[k]!];
    const where = `op ${k} '${x.op}'${x.site ? ` (${x.site})` : ''}`;
    if (x.op !== y.op) return { kind: 'different', why: `${where} is now '${y.op}'` };
    if (!equal(x.out, y.out) || x.in.length !== y.in.length)
      return { kind: 'different', why: `${where} has other operands` };
    for (let i = 0; i < x.in.length; i++) {
      const c = compareOperand(x.in[i]!, y.in[i]!);
      if (c === 'different') return { kind: 'different', why: `${where} has another operand ${i}` };
      if (c !== null) changes.push({ op: x.op, site: x.site, where: `operand ${i}`, ...c });
    }
    const names = new Set([...Object.keys(x.attrs), ...Object.keys(y.attrs)]);
    for (const name of names) {
      const [p, q] = [x.attrs[name], y.attrs[name]];
      if (equal(dropLive(p), dropLive(q))) continue;
      if (isNumeric(p) && isNumeric(q))
        changes.push({ op: x.op, site: x.site, where: `attribute '${name}'`, before: p, after: q });
      else return { kind: 'different', why: `${where} has another '${name}'` };
    }
  }
  for (const part of ['values', 'inputs', 'captures', 'outputs', 'writes', 'gradWrites', 'gradReads'] as const) {
    if (!equal(a[part] ?? [], b[part] ?? [])) return { kind: 'different', why: `other ${part}` };
  }
  const [mine, others] = [a.graphs ?? [], b.graphs ?? []];
  if (mine.length !== others.length || mine.some((g, i) => g !== others[i]))
    return { kind: 'different', why: 'a scripted function has another graph' };
  if ((a.live ?? []).length !== (b.live ?? []).length)
    return { kind: 'different', why: 'another number of live scalars' };
  return changes.length === 0 ? { kind: 'same' } : { kind: 'numbers', changes };
}

const dropLive = (a: TraceAttr | undefined): unknown =>
  typeof a === 'object' && a !== null && 'live' in a ? { live: (a as { live: number }).live } : a;
const isNumeric = (a: TraceAttr | undefined): boolean =>
  typeof a === 'number' ||
  typeof a === 'boolean' ||
  (Array.isArray(a) && a.every((v) => typeof v === 'number')) ||
  a === 'nan' ||
  a === 'inf' ||
  a === '-inf';

function compareOperand(x: TraceOperand, y: TraceOperand): 'different' | { before: unknown; after: unknown } | null {
  const constant = (o: TraceOperand): o is Exclude<TraceOperand, number | null | readonly (number | null)[]> =>
    typeof o === 'object' && o !== null && !Array.isArray(o);
  if (!constant(x) || !constant(y)) return equal(x, y) ? null : 'different';
  if (x.live !== undefined || y.live !== undefined) return x.live === y.live ? null : 'different';
  if (typeof x.c === 'boolean' || typeof y.c === 'boolean')
    return x.c === y.c ? null : typeof x.c === typeof y.c ? { before: x.c, after: y.c } : 'different';
  if (Boolean(x.f) !== Boolean(y.f)) return { before: x.c, after: y.c };
  return Object.is(traceNumber(x.c), traceNumber(y.c)) ? null : { before: x.c, after: y.c };
}

/** 'mul at train.ts:3:9, operand 1: 0.1, then 0.2'. */
export const describeChange = (c: NumberChange): string =>
  `'${c.op}'${c.site ? ` at ${c.site}` : ''}, ${c.where}: ${JSON.stringify(c.before)}, then ${JSON.stringify(c.after)}`;
