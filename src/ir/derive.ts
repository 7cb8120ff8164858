// Symbolic derivatives of scalar expressions, and the simplification that keeps them readable.
import {
  arg,
  binary,
  constant,
  mapExpr,
  printExpr,
  select,
  unary,
  type BinaryOp,
  type Expr,
  type UnaryOp,
} from './scalar.js';

const num = (v: number): Expr => constant(v);
const is = (e: Expr, v: number): boolean => e.kind === 'const' && e.value === v;
const mul = (a: Expr, b: Expr): Expr =>
  is(a, 0) || is(b, 0) ? num(0) : is(a, 1) ? b : is(b, 1) ? a : binary('mul', a, b);
const add = (a: Expr, b: Expr): Expr => (is(a, 0) ? b : is(b, 0) ? a : binary('add', a, b));
const sub = (a: Expr, b: Expr): Expr => (is(b, 0) ? a : is(a, 0) ? unary('neg', b) : binary('sub', a, b));
const div = (a: Expr, b: Expr): Expr => (is(a, 0) ? num(0) : is(b, 1) ? a : binary('div', a, b));
const neg = (a: Expr): Expr => (is(a, 0) ? a : a.kind === 'unary' && a.op === 'neg' ? a.a : unary('neg', a));
const sq = (a: Expr): Expr => mul(a, a);

const isZero = (x: Expr): Expr => binary('eq', x, num(0));
/** A divisor for the branch that is not taken at zero: a second derivative multiplies what it divides by 0, which must be finite. */
const unlessZero = (x: Expr): Expr => select(isZero(x), num(1), x);

/** d op(x) / dx as a function of x and y = op(x). Sources: standard calculus; 0 where the function is piecewise constant. */
const UNARY_RULES: Readonly<Partial<Record<UnaryOp, (x: Expr, y: Expr) => Expr>>> = {
  neg: () => num(-1),
  abs: (x) => unary('sign', x),
  sign: () => num(0),
  floor: () => num(0),
  ceil: () => num(0),
  round: () => num(0),
  trunc: () => num(0),
  sqrt: (_, y) => div(num(0.5), y),
  rsqrt: (_, y) => mul(num(-0.5), mul(y, sq(y))),
  exp: (_, y) => y,
  exp2: (_, y) => mul(y, num(Math.LN2)),
  expm1: (_, y) => add(y, num(1)),
  log: (x) => div(num(1), x),
  log2: (x) => div(num(1), mul(x, num(Math.LN2))),
  log10: (x) => div(num(1), mul(x, num(Math.LN10))),
  log1p: (x) => div(num(1), add(x, num(1))),
  sin: (x) => unary('cos', x),
  cos: (x) => neg(unary('sin', x)),
  tan: (_, y) => add(num(1), sq(y)),
  asin: (x) => unary('rsqrt', sub(num(1), sq(x))),
  acos: (x) => neg(unary('rsqrt', sub(num(1), sq(x)))),
  atan: (x) => div(num(1), add(num(1), sq(x))),
  sinh: (x) => unary('cosh', x),
  cosh: (x) => unary('sinh', x),
  tanh: (_, y) => sub(num(1), sq(y)),
  asinh: (x) => unary('rsqrt', add(sq(x), num(1))),
  acosh: (x) => unary('rsqrt', sub(sq(x), num(1))),
  atanh: (x) => div(num(1), sub(num(1), sq(x))),
  erf: (x) => mul(num(2 / Math.sqrt(Math.PI)), unary('exp', neg(sq(x)))),
  erfc: (x) => mul(num(-2 / Math.sqrt(Math.PI)), unary('exp', neg(sq(x)))),
  lgamma: (x) => unary('digamma', x),
  digamma: (x) => binary('polygamma', num(1), x),
  erfinv: (_, y) => mul(num(Math.sqrt(Math.PI) / 2), unary('exp', sq(y))),
  erfcx: (x, y) => sub(mul(num(2), mul(x, y)), num(2 / Math.sqrt(Math.PI))),
  ndtri: (_, y) => mul(num(Math.sqrt(2 * Math.PI)), unary('exp', mul(num(0.5), sq(y)))),
  // The density over its integral: by erfcx, which keeps the digits on the left and is infinite far on the right.
  logNdtr: (x, y) => {
    const right = binary('gt', x, num(5));
    const density = sub(mul(num(-0.5), sq(select(right, x, num(5)))), num(Math.log(2 * Math.PI) / 2));
    const left = unary('erfcx', mul(num(-Math.SQRT1_2), select(right, num(0), x)));
    return select(right, unary('exp', sub(density, select(right, y, num(0)))), div(num(Math.sqrt(2 / Math.PI)), left));
  },
  i0: (x) => unary('i1', x),
  i0e: (x, y) => sub(unary('i1e', x), mul(unary('sign', x), y)),
  // I1(x) / x is 1/2 at zero.
  i1: (x, y) => select(isZero(x), num(0.5), sub(unary('i0', x), div(y, unlessZero(x)))),
  i1e: (x, y) =>
    select(isZero(x), num(0.5), sub(unary('i0e', x), mul(y, add(unary('sign', x), div(num(1), unlessZero(x)))))),
  exponent: () => num(0),
};

type Pair = readonly [Expr, Expr];
/** [d/da, d/db] of op(a, b), y = op(a, b). Ties of max/min share the gradient, as in PyTorch. */
const BINARY_RULES: Readonly<Partial<Record<BinaryOp, (a: Expr, b: Expr, y: Expr) => Pair>>> = {
  add: () => [num(1), num(1)],
  sub: () => [num(1), num(-1)],
  mul: (a, b) => [b, a],
  div: (a, b, y) => [div(num(1), b), neg(div(y, b))],
  fmod: (a, b) => [num(1), neg(unary('trunc', div(a, b)))],
  mod: (a, b) => [num(1), neg(unary('floor', div(a, b)))],
  pow: (a, b, y) => [
    select(binary('eq', b, num(0)), num(0), mul(b, binary('pow', a, sub(b, num(1))))),
    select(binary('and', binary('eq', a, num(0)), binary('ge', b, num(0))), num(0), mul(y, unary('log', a))),
  ],
  atan2: (a, b) => {
    const r = add(sq(a), sq(b));
    return [div(b, r), div(neg(a), r)];
  },
  hypot: (a, b, y) => [div(a, y), div(b, y)],
  polygamma: (n, x) => [num(0), binary('polygamma', add(n, num(1)), x)],
  max: (a, b) => [share(binary('gt', a, b), a, b), share(binary('lt', a, b), a, b)],
  min: (a, b) => [share(binary('lt', a, b), a, b), share(binary('gt', a, b), a, b)],
};
const share = (wins: Expr, a: Expr, b: Expr): Expr =>
  select(binary('eq', a, b), num(0.5), select(wins, num(1), num(0)));

const FLAT: ReadonlySet<string> = new Set([
  'lt',
  'le',
  'gt',
  'ge',
  'eq',
  'ne',
  'and',
  'or',
  'xor',
  'not',
  'isnan',
  'isfinite',
]);

/**
 * The derivative of `e` with respect to argument `name`, simplified.
 * @throws Error when a function in `e` has no known derivative.
 */
export function derive(e: Expr, name: string): Expr {
  const go = (x: Expr): Expr => {
    switch (x.kind) {
      case 'arg':
        return num(x.name === name ? 1 : 0);
      case 'const':
        return num(0);
      case 'select': {
        const [a, b] = [go(x.a), go(x.b)];
        return is(a, 0) && is(b, 0) ? num(0) : select(x.cond, a, b);
      }
      case 'unary': {
        if (FLAT.has(x.op)) return num(0);
        const inner = go(x.a);
        if (is(inner, 0)) return inner;
        const rule = UNARY_RULES[x.op];
        if (!rule) throw new Error(`no derivative is known for '${x.op}'`);
        return mul(inner, rule(x.a, x));
      }
      case 'binary': {
        if (FLAT.has(x.op)) return num(0);
        const [da, db] = [go(x.a), go(x.b)];
        if (is(da, 0) && is(db, 0)) return num(0);
        const rule = BINARY_RULES[x.op];
        if (!rule) throw new Error(`no derivative is known for '${x.op}'`);
        const [ra, rb] = rule(x.a, x.b, x);
        return add(mul(da, ra), mul(db, rb));
      }
    }
  };
  return simplify(go(e));
}

/** The gradient of an op's parameter: grad * d body / d name, with the op's own result spelled `out` where it occurs whole. */
export function gradientOf(body: Expr, name: string): Expr {
  const whole = printExpr(body);
  const d = simplifiedProduct(arg('grad'), derive(body, name));
  // `out` is saved anyway cheaper than recomputing it: replace every occurrence of the forward expression.
  const replace = (x: Expr): Expr =>
    body.kind !== 'arg' && body.kind !== 'const' && printExpr(x) === whole ? arg('out') : x;
  return simplify(mapExprTopDown(d, replace));
}

/** grad * d, pushed inside selects so that 0 * NaN never arises on the branch that was not taken. */
function simplifiedProduct(grad: Expr, d: Expr): Expr {
  if (d.kind === 'select') return select(d.cond, simplifiedProduct(grad, d.a), simplifiedProduct(grad, d.b));
  if (is(d, -1)) return neg(grad);
  if (d.kind === 'unary' && d.op === 'neg') return neg(simplifiedProduct(grad, d.a));
  if (d.kind === 'binary' && d.op === 'div' && is(d.a, 1)) return div(grad, d.b);
  return mul(grad, d);
}

function mapExprTopDown(e: Expr, f: (e: Expr) => Expr): Expr {
  const r = f(e);
  if (r !== e) return r;
  switch (e.kind) {
    case 'unary':
      return { ...e, a: mapExprTopDown(e.a, f) };
    case 'binary':
      return { ...e, a: mapExprTopDown(e.a, f), b: mapExprTopDown(e.b, f) };
    case 'select':
      return { ...e, cond: mapExprTopDown(e.cond, f), a: mapExprTopDown(e.a, f), b: mapExprTopDown(e.b, f) };
    default:
      return e;
  }
}

/** Local algebra that is exact for finite values: constants folded, neutral elements dropped. Meant for derivative formulas. */
export function simplify(e: Expr): Expr {
  return mapExpr(e, (x) => {
    if (x.kind === 'unary' && x.op === 'neg') return x.a.kind === 'const' ? num(-Number(x.a.value)) : neg(x.a);
    if (x.kind === 'select') {
      if (x.cond.kind === 'const') return x.cond.value ? x.a : x.b;
      return printExpr(x.a) === printExpr(x.b) ? x.a : x;
    }
    if (x.kind !== 'binary') return x;
    const both = x.a.kind === 'const' && x.b.kind === 'const';
    const [av, bv] = both
      ? [Number((x.a as { value: number }).value), Number((x.b as { value: number }).value)]
      : [0, 0];
    switch (x.op) {
      case 'add':
        return both ? num(av + bv) : x.b.kind === 'unary' && x.b.op === 'neg' ? sub(x.a, x.b.a) : add(x.a, x.b);
      case 'sub':
        return both ? num(av - bv) : sub(x.a, x.b);
      case 'mul':
        if (both) return num(av * bv);
        if (is(x.a, -1)) return neg(x.b);
        if (is(x.b, -1)) return neg(x.a);
        return mul(x.a, x.b);
      case 'div':
        return div(x.a, x.b);
      default:
        return x;
    }
  });
}
