// Scalar IR: the math of one element. Op declarations, users' kernels and scripted functions are lowered to it;
// C++, CUDA and the interpreter are printed from it. Textual form: S-expressions, `(div 1 (add 1 (exp (neg x))))`.

/** Functions of one operand. `mantissa` and `exponent` are the parts of frexp; the last letter e of a Bessel function: scaled by e^-|x| (e^x for K). */
export const UNARY = [
  'neg',
  'abs',
  'sign',
  'floor',
  'ceil',
  'round',
  'trunc',
  'sqrt',
  'rsqrt',
  'exp',
  'exp2',
  'expm1',
  'log',
  'log2',
  'log10',
  'log1p',
  'sin',
  'cos',
  'tan',
  'asin',
  'acos',
  'atan',
  'sinh',
  'cosh',
  'tanh',
  'asinh',
  'acosh',
  'atanh',
  'erf',
  'erfc',
  'lgamma',
  'digamma',
  'erfinv',
  'erfcx',
  'ndtri',
  'logNdtr',
  'i0',
  'i0e',
  'i1',
  'i1e',
  'besselJ0',
  'besselJ1',
  'besselY0',
  'besselY1',
  'besselK0',
  'besselK1',
  'besselK0e',
  'besselK1e',
  'airyAi',
  'mantissa',
  'exponent',
  'not',
  'bitnot',
  'isnan',
  'isfinite',
] as const;
/** Functions of two operands. `max`/`min` propagate NaN; `fmod` has C's sign, `mod` the divisor's (Python); `idiv` truncates; `polygamma` takes the order first. */
export const BINARY = [
  'add',
  'sub',
  'mul',
  'div',
  'idiv',
  'fmod',
  'mod',
  'pow',
  'atan2',
  'max',
  'min',
  'lt',
  'le',
  'gt',
  'ge',
  'eq',
  'ne',
  'and',
  'or',
  'xor',
  'bitand',
  'bitor',
  'bitxor',
  'shl',
  'shr',
  'nextafter',
  'hypot',
  'copysign',
  'gcd',
  'polygamma',
  'zeta',
  'igamma',
  'igammac',
  'chebyshevT',
  'chebyshevU',
  'chebyshevV',
  'chebyshevW',
  'hermiteH',
  'hermiteHe',
  'laguerreL',
  'legendreP',
] as const;
export type UnaryOp = (typeof UNARY)[number];
export type BinaryOp = (typeof BINARY)[number];

export type Expr =
  | { readonly kind: 'arg'; readonly name: string }
  | { readonly kind: 'const'; readonly value: number | boolean }
  | { readonly kind: 'unary'; readonly op: UnaryOp; readonly a: Expr }
  | { readonly kind: 'binary'; readonly op: BinaryOp; readonly a: Expr; readonly b: Expr }
  | { readonly kind: 'select'; readonly cond: Expr; readonly a: Expr; readonly b: Expr };

/** A scalar function: named parameters, one expression per result. */
export interface ScalarFn {
  readonly params: readonly string[];
  readonly results: readonly Expr[];
}

export const arg = (name: string): Expr => ({ kind: 'arg', name });
export const constant = (value: number | boolean): Expr => ({ kind: 'const', value });
export const unary = (op: UnaryOp, a: Expr): Expr => ({ kind: 'unary', op, a });
export const binary = (op: BinaryOp, a: Expr, b: Expr): Expr => ({ kind: 'binary', op, a, b });
export const select = (cond: Expr, a: Expr, b: Expr): Expr => ({ kind: 'select', cond, a, b });

const unarySet: ReadonlySet<string> = new Set(UNARY);
const binarySet: ReadonlySet<string> = new Set(BINARY);
export const isUnaryOp = (s: string): s is UnaryOp => unarySet.has(s);
export const isBinaryOp = (s: string): s is BinaryOp => binarySet.has(s);

/** Prints the textual form; parse(print(e)) is e. Numbers print as JavaScript does, with `inf`, `-inf`, `nan`. */
export function printExpr(e: Expr): string {
  switch (e.kind) {
    case 'arg':
      return e.name;
    case 'const':
      if (typeof e.value === 'boolean') return String(e.value);
      if (Number.isNaN(e.value)) return 'nan';
      if (!Number.isFinite(e.value)) return e.value > 0 ? 'inf' : '-inf';
      return Object.is(e.value, -0) ? '-0' : String(e.value);
    case 'unary':
      return `(${e.op} ${printExpr(e.a)})`;
    case 'binary':
      return `(${e.op} ${printExpr(e.a)} ${printExpr(e.b)})`;
    case 'select':
      return `(select ${printExpr(e.cond)} ${printExpr(e.a)} ${printExpr(e.b)})`;
  }
}

/** Parses the textual form. Throws SyntaxError with the position of the first token that does not fit. */
export function parseExpr(text: string): Expr {
  const tokens = [...text.matchAll(/[()]|[^\s()]+/g)];
  let at = 0;
  const fail = (why: string): never => {
    throw new SyntaxError(`scalar expression '${text}': ${why} at ${tokens[at]?.index ?? text.length}`);
  };
  const next = (): string => (at < tokens.length ? tokens[at++]![0] : fail('unexpected end'));
  const parse = (): Expr => {
    const t = next();
    if (t === ')') return fail("unexpected ')'");
    if (t !== '(') return atom(t);
    const op = next();
    let e: Expr;
    if (op === 'select') e = select(parse(), parse(), parse());
    else if (isUnaryOp(op)) e = unary(op, parse());
    else if (isBinaryOp(op)) e = binary(op, parse(), parse());
    else return fail(`unknown function '${op}'`);
    if (next() !== ')') fail("expected ')'");
    return e;
  };
  const atom = (t: string): Expr => {
    if (t === 'true' || t === 'false') return constant(t === 'true');
    if (t === 'inf') return constant(Infinity);
    if (t === '-inf') return constant(-Infinity);
    if (t === 'nan') return constant(NaN);
    if (/^-?[\d.]/.test(t)) {
      const v = Number(t);
      return Number.isNaN(v) ? fail(`bad number '${t}'`) : constant(v);
    }
    return arg(t);
  };
  const e = parse();
  if (at !== tokens.length) fail('trailing text');
  return e;
}

/** Rebuilds an expression bottom up: `f` gets each node with its children already rewritten. */
export function mapExpr(e: Expr, f: (e: Expr) => Expr): Expr {
  switch (e.kind) {
    case 'arg':
    case 'const':
      return f(e);
    case 'unary':
      return f({ ...e, a: mapExpr(e.a, f) });
    case 'binary':
      return f({ ...e, a: mapExpr(e.a, f), b: mapExpr(e.b, f) });
    case 'select':
      return f({ ...e, cond: mapExpr(e.cond, f), a: mapExpr(e.a, f), b: mapExpr(e.b, f) });
  }
}

/** Replaces arguments by expressions. */
export function substitute(e: Expr, by: ReadonlyMap<string, Expr>): Expr {
  return mapExpr(e, (x) => (x.kind === 'arg' ? (by.get(x.name) ?? x) : x));
}

/** Names of the arguments that an expression reads. */
export function freeArgs(e: Expr, into: Set<string> = new Set()): Set<string> {
  mapExpr(e, (x) => {
    if (x.kind === 'arg') into.add(x.name);
    return x;
  });
  return into;
}
