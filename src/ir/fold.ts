// Reductions that users declare (fb.reduction), as data: what a node 'fold' carries as its attribute `definition`. Names are those given
// here (s0, s0_b, x0, index, n) and never a user's: they reach generated source.
import type { DType } from './graph.js';
import { binary, constant, freeArgs, parseExpr, printExpr, select, unary, type BinaryOp, type Expr } from './scalar.js';

/** What a state is kept in. */
export type StateType = 'f32' | 'f64' | 'i64' | 'b';
const STATE_TYPES: readonly string[] = ['f32', 'f64', 'i64', 'b'] satisfies StateType[];
const RESULT_TYPES: readonly string[] = [
  'float32',
  'float64',
  'float16',
  'bfloat16',
  'int64',
  'bool',
] satisfies DType[];

/** A reduction before its operands' dtypes are known. */
export interface FoldBody {
  /** Number of operands: x0, x1, ... */
  readonly inputs: number;
  readonly init: readonly (number | boolean)[];
  /** New states from the states, the elements and `index`, the position along the reduced dimensions. */
  readonly combine: readonly Expr[];
  /** Per state its value from two stretches' states (s0 ... and s0_b ...); null: elements must come in order. */
  readonly join: readonly (Expr | null)[];
  /** Results from the states and `n`, the number of elements. */
  readonly finish: readonly Expr[];
}
/** A reduction with the types of its states and results. */
export interface Fold extends FoldBody {
  readonly types: readonly StateType[];
  readonly results: readonly DType[];
}

export const stateName = (k: number): string => `s${k}`;
export const otherName = (k: number): string => `s${k}_b`;
export const inputName = (k: number): string => `x${k}`;

/** As the text of an attribute: JSON, its expressions as S-expressions. */
export function printFold(f: Fold): string {
  return JSON.stringify({
    inputs: f.inputs,
    init: f.init.map((v) => printExpr(constant(v))),
    types: f.types,
    combine: f.combine.map(printExpr),
    join: f.join.map((e) => e && printExpr(e)),
    finish: f.finish.map(printExpr),
    results: f.results,
  });
}

const parsed = new Map<string, Fold>();
/** The reduction behind an attribute. @throws SyntaxError when it is not one: graphs come from files too. */
export function parseFold(text: unknown): Fold {
  if (typeof text !== 'string') throw new SyntaxError(`a reduction is declared by a text, got ${typeof text}`);
  let f = parsed.get(text);
  if (f === undefined) parsed.set(text, (f = checked(text)));
  return f;
}

function checked(text: string): Fold {
  const fail = (why: string): never => {
    throw new SyntaxError(`malformed reduction: ${why}`);
  };
  let json: Readonly<Record<string, unknown>>;
  try {
    json = JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    return fail('not JSON');
  }
  const list = (name: string, isItem: (x: unknown) => boolean): readonly string[] => {
    const v = json[name];
    return Array.isArray(v) && v.every(isItem) ? (v as string[]) : fail(`'${name}' is no list of texts`);
  };
  const isText = (x: unknown): boolean => typeof x === 'string';
  const inputs = json['inputs'];
  if (typeof inputs !== 'number' || !Number.isInteger(inputs) || inputs < 1 || inputs > 64)
    return fail(`${JSON.stringify(inputs)} operands`);
  const known = new Set(Array.from({ length: inputs }, (_, k) => inputName(k)));
  const expr = (t: string, names: ReadonlySet<string>): Expr => {
    const e = parseExpr(t);
    for (const a of freeArgs(e)) if (!names.has(a)) fail(`unknown name '${a}'`);
    return e;
  };
  const init = list('init', isText).map((t) => {
    const e = parseExpr(t);
    return e.kind === 'const' ? e.value : fail(`the start value '${t}'`);
  });
  const states = init.map((_, k) => stateName(k));
  const both = new Set([...states, ...init.map((_, k) => otherName(k))]);
  const types = list('types', (t) => STATE_TYPES.includes(t as string)) as readonly StateType[];
  const results = list('results', (t) => RESULT_TYPES.includes(t as string)) as readonly DType[];
  const combine = list('combine', isText).map((t) => expr(t, new Set([...states, ...known, 'index'])));
  const join = list('join', (t) => t === null || isText(t)).map((t) => (t === null ? null : expr(t, both)));
  const finish = list('finish', isText).map((t) => expr(t, new Set([...states, 'n'])));
  if (init.length < 1 || [types, combine, join].some((l) => l.length !== init.length))
    return fail(
      `${init.length} start values, but ${types.length} types, ${combine.length} combined, ${join.length} joined`,
    );
  if (finish.length < 1 || finish.length !== results.length)
    return fail(`${finish.length} results, but ${results.length} dtypes`);
  return { inputs, init, types, combine, join, finish, results };
}

/** How a state takes an element where no state decides what is taken: op(state, value). */
export interface Accumulation {
  readonly op: AccumulatingOp;
  /** Over operands and `index`. */
  readonly value: Expr;
}
/** Associative and commutative, with the value that leaves the other operand as it is. */
const NEUTRAL = {
  add: 0,
  mul: 1,
  max: -Infinity,
  min: Infinity,
  and: true,
  or: false,
  bitand: -1,
  bitor: 0,
  bitxor: 0,
} satisfies Partial<Record<BinaryOp, number | boolean>>;
export type AccumulatingOp = keyof typeof NEUTRAL;
export const neutralOf = (op: AccumulatingOp): number | boolean => NEUTRAL[op];
/** op(a, a) is a: an element may be counted twice. */
export const isIdempotent = (op: AccumulatingOp): boolean => op !== 'add' && op !== 'mul' && op !== 'bitxor';

/** State `k` as an accumulation; null when it is none: other states, or the state itself, decide what is taken. */
export function accumulation(combine: readonly Expr[], k: number): Accumulation | null {
  const states = new Set(combine.map((_, i) => stateName(i)));
  const isFree = (e: Expr): boolean => ![...freeArgs(e)].some((a) => states.has(a));
  /** The state itself, left as it is, has any op. */
  type Found = Accumulation | 'unchanged' | null;
  const valueOf = (f: Accumulation | 'unchanged', op: AccumulatingOp): Expr =>
    f === 'unchanged' ? constant(NEUTRAL[op]) : f.value;
  const go = (e: Expr): Found => {
    if (e.kind === 'arg') return e.name === stateName(k) ? 'unchanged' : null;
    if (e.kind === 'select') {
      const [a, b] = [go(e.a), go(e.b)];
      if (a === null || b === null || !isFree(e.cond)) return null;
      const op = a !== 'unchanged' ? a.op : b !== 'unchanged' ? b.op : null;
      if (op === null) return 'unchanged';
      if (b !== 'unchanged' && b.op !== op) return null;
      return { op, value: select(e.cond, valueOf(a, op), valueOf(b, op)) };
    }
    if (e.kind !== 'binary') return null;
    const op = e.op === 'sub' ? 'add' : Object.hasOwn(NEUTRAL, e.op) ? (e.op as AccumulatingOp) : null;
    const [inner, value] = e.op === 'sub' || isFree(e.b) ? [e.a, e.b] : [e.b, e.a];
    const f = go(inner);
    if (op === null || !isFree(value) || f === null || (f !== 'unchanged' && f.op !== op)) return null;
    if (e.op === 'sub') return { op, value: f === 'unchanged' ? unary('neg', value) : binary('sub', f.value, value) };
    return { op, value: f === 'unchanged' ? value : binary(op, f.value, value) };
  };
  const found = go(combine[k]!);
  return found === 'unchanged' ? { op: 'add', value: constant(0) } : found;
}

/** States in groups that do not look at each other, in order. */
export function independentStates(f: Pick<FoldBody, 'combine' | 'join'>): readonly (readonly number[])[] {
  const of = f.combine.map((_, k) => k);
  const indexOf = new Map(f.combine.flatMap((_, k) => [[stateName(k), k] as const, [otherName(k), k] as const]));
  f.combine.forEach((e, k) => {
    const reads = [e, f.join[k]].flatMap((x) => (x ? [...freeArgs(x)] : []));
    for (const a of reads) {
      const i = indexOf.get(a);
      if (i === undefined) continue;
      const [from, to] = [Math.max(of[i]!, of[k]!), Math.min(of[i]!, of[k]!)];
      of.forEach((g, s) => g === from && (of[s] = to));
    }
  });
  return [...new Set(of)].map((g) => of.flatMap((x, k) => (x === g ? [k] : [])));
}
