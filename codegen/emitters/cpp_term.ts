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
  asinh: null,
  acosh: null,
  atanh: null,
  lgamma: null,
  digamma: null,
  shl: null,
  shr: null,
  nextafter: null,
  hypot: null,
  copysign: null,
};
/** Ops whose second operand must be a tensor. */
const TENSOR_SECOND = new Set(['atan2', 'logicalAnd', 'logicalOr', 'logicalXor']);

export function emitTerm(): void {
  const entry = (name: string): { fn: string; op: string; second: string } | undefined => {
    const op = name in OP_NAMES ? OP_NAMES[name] : name;
    return op === null || op === undefined
      ? undefined
      : { fn: term(name), op, second: TENSOR_SECOND.has(op) ? 'support::asTensor(b)' : 'b' };
  };
  const list = (names: readonly string[]): object[] => names.map(entry).filter((e) => e !== undefined);
  writeGenerated('native/term.h', render('native/term.h', { unary: list(UNARY), binary: list(BINARY) }));
}
