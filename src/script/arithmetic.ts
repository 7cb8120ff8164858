// JavaScript's arithmetic on numbers that the graph computes.
import { fmod, pow } from '../../generated/ts/functions.js';
import type { Tensor } from '../tensor/handle.js';
import { scalarOf } from './join.js';
import { RegionError, ScriptScalar, type Region } from './region.js';

const MAKE: Readonly<Record<string, (a: Tensor, b: Tensor) => Tensor>> = {
  '+': (a, b) => a.add(b),
  '-': (a, b) => a.sub(b),
  '*': (a, b) => a.mul(b),
  '/': (a, b) => a.div(b),
  '%': (a, b) => fmod(a, b),
  '**': (a, b) => pow(a, b),
};
const COMPARE: Readonly<Record<string, (a: Tensor, b: Tensor) => Tensor>> = {
  '<': (a, b) => a.lt(b),
  '<=': (a, b) => a.le(b),
  '>': (a, b) => a.gt(b),
  '>=': (a, b) => a.ge(b),
  '===': (a, b) => a.eq(b),
  '==': (a, b) => a.eq(b),
  '!==': (a, b) => a.ne(b),
  '!=': (a, b) => a.ne(b),
};

/** Two numbers of one kind: both int64 where JavaScript's result is whole whatever they are, else float64. */
function operands(op: string, a: ScriptScalar, b: ScriptScalar, region: Region, fraction = false): [Tensor, Tensor] {
  const whole = a.kind !== 'float' && b.kind !== 'float' && !fraction && op !== '/' && op !== '**';
  const to = whole ? 'int64' : 'float64';
  const cast = (s: ScriptScalar): Tensor =>
    s.tensor.dtype === to ? s.tensor : region.emit(() => s.tensor.to(to), [s.tensor]);
  return [cast(a), cast(b)];
}

export function binary(
  op: string,
  x: ScriptScalar | number,
  y: ScriptScalar | number,
  region: Region,
): ScriptScalar | number {
  const make = MAKE[op];
  if (make === undefined) throw new RegionError(`the operator ${op} does not work on numbers that the graph computes`);
  if (typeof x === 'number' && typeof y === 'number') return op === '+' ? x + y : x - y;
  // n % 0 is NaN.
  const mayBeNaN = op === '%' && !(typeof y === 'number' && y !== 0);
  const [a, b] = operands(op, scalarOf(x, region), scalarOf(y, region), region, mayBeNaN);
  return new ScriptScalar(region.emit(() => make(a, b), [a, b]));
}

export function compare(op: string, x: ScriptScalar, y: ScriptScalar, region: Region): ScriptScalar {
  const [a, b] = x.kind === 'bool' && y.kind === 'bool' ? [x.tensor, y.tensor] : operands(op, x, y, region);
  return new ScriptScalar(region.emit(() => COMPARE[op]!(a, b), [a, b]));
}

export function unaryMinus(x: unknown, region: Region): ScriptScalar | number {
  if (typeof x === 'number') return -x;
  if (x instanceof ScriptScalar) return new ScriptScalar(region.emit(() => x.tensor.neg(), [x.tensor]));
  throw new RegionError("JavaScript's - does not work on tensors: write .neg()");
}

/** `!x`: true for 0 and NaN. */
export function negated(x: ScriptScalar, region: Region): ScriptScalar {
  return new ScriptScalar(
    region.emit(() => (x.kind === 'bool' ? x.tensor : x.tensor.abs().gt(0)).logicalNot(), [x.tensor]),
  );
}
