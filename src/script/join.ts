// Values of a script as flat lists of tensors, and what becomes of values that two branches, or two rounds of a loop, make differently.
import { isTensor, type Tensor } from '../tensor/handle.js';
import { full } from '../tensor/create.js';
import { make } from './scope.js';
import { isWhole, RegionError, ScriptScalar, type Region } from './region.js';

/** The place of a result on the way that returns none: any value of the other way's type. */
export const MISSING = Symbol('missing');

/** How a value is made of tensors. */
export type Shape =
  | { readonly kind: 'tensor' }
  | { readonly kind: 'scalar' }
  | { readonly kind: 'same'; readonly value: unknown }
  | { readonly kind: 'array'; readonly items: readonly Shape[] }
  | { readonly kind: 'object'; readonly entries: readonly (readonly [string, Shape])[] };

export const isRecord = (x: unknown): x is Record<string, unknown> =>
  typeof x === 'object' && x !== null && Object.getPrototypeOf(x) === Object.prototype;

const describe = (x: unknown): string =>
  isTensor(x)
    ? `a tensor ${x.dtype}[${x.shape.join(', ')}]`
    : x instanceof ScriptScalar
      ? `a computed ${x.kind}`
      : x === undefined || x === MISSING
        ? 'no value'
        : Array.isArray(x)
          ? `an array of ${x.length}`
          : typeof x === 'object' && x !== null
            ? 'an object'
            : `${typeof x} ${String(x)}`;

/** A number as a value of the graph. */
export function scalarOf(x: ScriptScalar | number | boolean, region: Region): ScriptScalar {
  if (x instanceof ScriptScalar) return x;
  const dtype = typeof x === 'boolean' ? 'bool' : isWhole(x) ? 'int64' : 'float64';
  return new ScriptScalar(region.emit(() => full([], Number(x), { dtype }), []));
}
const isNumber = (x: unknown): x is ScriptScalar | number | boolean =>
  x instanceof ScriptScalar || typeof x === 'number' || typeof x === 'boolean';

const castTo = (s: ScriptScalar, dtype: 'float64' | 'int64', region: Region): ScriptScalar =>
  s.tensor.dtype === dtype ? s : new ScriptScalar(region.emit(() => s.tensor.to(dtype), [s.tensor]));

/**
 * The common form of two values, and the tensors of each in that form. `varies`: numbers stay values of the graph even where both are
 * the same now (what a loop carries).
 */
export function join(
  what: string,
  a: unknown,
  b: unknown,
  inA: Region,
  inB: Region,
  varies = false,
): { readonly shape: Shape; readonly a: Tensor[]; readonly b: Tensor[] } {
  const [left, right]: [Tensor[], Tensor[]] = [[], []];
  const go = (x: unknown, y: unknown): Shape => {
    if (x === MISSING && y === MISSING) return { kind: 'same', value: undefined };
    if (x === MISSING || y === MISSING) {
      const [have, region, to] = x === MISSING ? [y, inA, left] : [x, inB, right];
      const other = x === MISSING ? right : left;
      return placeholder(have, region, to, other);
    }
    if (isTensor(x) && isTensor(y)) {
      if (x.dtype !== y.dtype || String(x.shape) !== String(y.shape))
        throw new RegionError(`${what} is ${describe(x)} on one way and ${describe(y)} on the other`);
      left.push(x);
      right.push(y);
      return { kind: 'tensor' };
    }
    if (isNumber(x) && isNumber(y)) {
      if (!varies && !(x instanceof ScriptScalar) && Object.is(x, y)) return { kind: 'same', value: x };
      let [p, q] = [scalarOf(x, inA), scalarOf(y, inB)];
      if ((p.kind === 'bool') !== (q.kind === 'bool'))
        throw new RegionError(`${what} is ${describe(x)} on one way and ${describe(y)} on the other`);
      if (p.kind !== q.kind) [p, q] = [castTo(p, 'float64', inA), castTo(q, 'float64', inB)];
      left.push(p.tensor);
      right.push(q.tensor);
      return { kind: 'scalar' };
    }
    if (Array.isArray(x) && Array.isArray(y) && x.length === y.length)
      return { kind: 'array', items: x.map((e: unknown, i) => go(e, y[i])) };
    if (isRecord(x) && isRecord(y) && String(Object.keys(x)) === String(Object.keys(y)))
      return { kind: 'object', entries: Object.keys(x).map((k) => [k, go(x[k], y[k])] as const) };
    if (Object.is(x, y)) return { kind: 'same', value: x };
    throw new RegionError(`${what} is ${describe(x)} on one way and ${describe(y)} on the other`);
  };
  const shape = go(a, b);
  return { shape, a: left, b: right };
}

function placeholder(have: unknown, region: Region, to: Tensor[], other: Tensor[]): Shape {
  const fill = (t: Tensor): void => {
    other.push(t);
    to.push(region.emit(() => full(t.shape, 0, { dtype: t.dtype }), []));
  };
  if (isTensor(have)) {
    fill(have);
    return { kind: 'tensor' };
  }
  if (have instanceof ScriptScalar) {
    fill(have.tensor);
    return { kind: 'scalar' };
  }
  if (Array.isArray(have)) return { kind: 'array', items: have.map((e) => placeholder(e, region, to, other)) };
  return { kind: 'same', value: have };
}

/** The tensors of a value, in order. */
export function leaves(x: unknown): Tensor[] {
  if (isTensor(x)) return [x];
  if (x instanceof ScriptScalar) return [x.tensor];
  if (Array.isArray(x)) return x.flatMap(leaves);
  return isRecord(x) ? Object.values(x).flatMap(leaves) : [];
}

/** A value put together from tensors, which are taken from the front of `from`. */
export function rebuild(s: Shape, from: Tensor[]): unknown {
  switch (s.kind) {
    case 'tensor':
      return from.shift()!;
    case 'scalar':
      return new ScriptScalar(from.shift()!);
    case 'same':
      return s.value;
    case 'array':
      return s.items.map((i) => rebuild(i, from));
    case 'object':
      return make(Object.fromEntries(s.entries.map(([k, v]) => [k, rebuild(v, from)])));
  }
}

/** The form of a value as it is. */
export function shapeOf(x: unknown): Shape {
  if (isTensor(x)) return { kind: 'tensor' };
  if (x instanceof ScriptScalar) return { kind: 'scalar' };
  if (Array.isArray(x)) return { kind: 'array', items: x.map(shapeOf) };
  if (isRecord(x)) return { kind: 'object', entries: Object.entries(x).map(([k, v]) => [k, shapeOf(v)] as const) };
  return { kind: 'same', value: x };
}
