// What an element costs, in units of one vector addition. Decides what is computed again and what is stored.
import { type LExpr, type LOp, walk } from './expr.js';

const WEIGHT: Readonly<Partial<Record<LOp, number>>> = {
  div: 3,
  sqrt: 3,
  rsqrt: 5,
  exp: 8,
  exp2: 8,
  expm1: 10,
  log: 12,
  log2: 12,
  log10: 12,
  log1p: 14,
  tanh: 14,
  erf: 16,
  erfc: 60,
  sin: 25,
  cos: 25,
  tan: 30,
  pow: 50,
  asin: 60,
  acos: 60,
  atan: 60,
  atan2: 80,
  sinh: 80,
  cosh: 80,
  asinh: 80,
  acosh: 80,
  atanh: 80,
  lgamma: 120,
  digamma: 200,
  mod: 30,
  fmod: 30,
  idiv: 30,
  nextafter: 20,
  hypot: 40,
};

/** Cost of one element; `inline` gives the cost of a tensor that is computed in place of being read (undefined: it is loaded); `counts`
 * leaves out what is computed once for many. */
export function exprCost(
  e: LExpr,
  inline: (e: LExpr & { k: 'read' }) => number | undefined = () => undefined,
  counts: (e: LExpr) => boolean = () => true,
): number {
  let sum = 0;
  walk(e, (x) => {
    if (!counts(x)) return;
    if (x.k === 'op') sum += WEIGHT[x.op] ?? 1;
    else if (x.k === 'cvt' || x.k === 'wrap') sum += 1;
    else if (x.k === 'uniform') sum += 40;
    else if (x.k === 'read') sum += inline(x) ?? 0;
  });
  return sum;
}
