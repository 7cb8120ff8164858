// Emits generated/native/term.h: the scalar IR's functions over operands.
import { BINARY, UNARY } from '../../src/ir/scalar.js';
import { render, writeGenerated } from '../render.js';
import { term } from './cpp_autograd.js';

/** Scalar IR names whose tensor op is called otherwise; null: no derivative formula uses it. */
const OP_NAMES: Readonly<Record<string, string | null>> = {
  not: 'logicalNot',
  bitnot: 'bitwiseNot',
  add: 'add',
  div: 'trueDivide',
  idiv: 'truncDivide',
  mod: 'remainder',
  max: 'clampMin',
  min: 'clampMax',
  and: 'logicalAnd',
  or: 'logicalOr',
  xor: 'logicalXor',
  bitand: 'bitwiseAnd',
  bitor: 'bitwiseOr',
  bitxor: 'bitwiseXor',
  shl: 'bitwiseLeftShift',
  shr: 'bitwiseRightShift',
  // Written out in the template: the order is a number.
  polygamma: null,
  logNdtr: 'specialLogNdtr',
  erfcx: 'specialErfcx',
  ndtri: 'specialNdtri',
  i0e: 'specialI0e',
  i1: 'specialI1',
  i1e: 'specialI1e',
  zeta: 'specialZeta',
  mantissa: null,
  exponent: 'frexpExponent',
  besselJ0: null,
  besselJ1: null,
  besselY0: null,
  besselY1: null,
  besselK0: null,
  besselK1: null,
  besselK0e: null,
  besselK1e: null,
  airyAi: null,
  chebyshevT: null,
  chebyshevU: null,
  chebyshevV: null,
  chebyshevW: null,
  hermiteH: null,
  hermiteHe: null,
  laguerreL: null,
  legendreP: null,
};
/** Ops whose second operand must be a tensor. */
const TENSOR_SECOND = new Set([
  'atan2',
  'logicalAnd',
  'logicalOr',
  'logicalXor',
  'hypot',
  'nextafter',
  'gcd',
  'igamma',
  'igammac',
]);

export function emitTerm(): void {
  const entry = (name: string): { fn: string; op: string; second: string } | undefined => {
    const op = name in OP_NAMES ? OP_NAMES[name] : name;
    return op === null || op === undefined
      ? undefined
      : { fn: term(name), op, second: TENSOR_SECOND.has(op) ? 'held(b)' : 'b' };
  };
  const list = (names: readonly string[]): object[] => names.map(entry).filter((e) => e !== undefined);
  writeGenerated('native/term.h', render('native/term.h', { unary: list(UNARY), binary: list(BINARY) }));
}
