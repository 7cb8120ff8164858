// Functions of the root namespace whose method is written by hand: fb.equal(x, y) is x.equal(y).
import { native } from '../native.js';
import { checkTensor } from './args.js';
import { ShapeError } from './errors.js';
import { wrap, type Handle } from './handle.js';
import type { IndexItem } from './indexing.js';
import type { Tensor } from './tensor.js';

/** True when shapes and all values are equal. */
export function equal(a: Tensor, b: Tensor): boolean {
  checkTensor('equal', a);
  return a.equal(b);
}
/** True when |a - b| <= atol + rtol * |b| everywhere. */
export function allclose(a: Tensor, b: Tensor, o: { rtol?: number; atol?: number; equalNan?: boolean } = {}): boolean {
  checkTensor('allclose', a);
  return a.allclose(b, o);
}
export function numel(t: Tensor): number {
  checkTensor('numel', t);
  return t.numel();
}
export function isFloatingPoint(t: Tensor): boolean {
  checkTensor('isFloatingPoint', t);
  return t.isFloatingPoint();
}
/** Where the elements are that are not zero: see Tensor.nonzero. */
export function nonzero(t: Tensor, options?: { asTuple?: false }): Tensor;
export function nonzero(t: Tensor, options: { asTuple: boolean }): Tensor[];
export function nonzero(t: Tensor, options: { asTuple?: boolean } = {}): Tensor | Tensor[] {
  checkTensor('nonzero', t);
  return t.nonzero(options as { asTuple: boolean });
}
/** A copy with x[items] = values: see Tensor.indexPut. */
export function indexPut(
  t: Tensor,
  items: readonly IndexItem[],
  values: Tensor | number | boolean,
  options: { accumulate?: boolean } | boolean = {},
): Tensor {
  checkTensor('indexPut', t);
  return t.indexPut(items, values, options);
}
/** Changes a tensor's shape in place to another's: see Tensor.resizeAs_. */
export function resizeAs_(t: Tensor, other: Tensor): Tensor {
  checkTensor('resizeAs_', t);
  return t.resizeAs_(other);
}

/** The shape that shapes broadcast to. Throws ShapeError where they do not. */
export function broadcastShapes(...shapes: (readonly number[] | number)[]): number[] {
  const lists = shapes.map((s) => (typeof s === 'number' ? [s] : s));
  const rank = Math.max(0, ...lists.map((s) => s.length));
  const out = new Array<number>(rank).fill(1);
  for (const list of lists) {
    list.forEach((size, i) => {
      const d = rank - list.length + i;
      if (size < 0) throw new ShapeError(`Trying to create tensor with negative dimension (${size}): (${size})`);
      if (size === 1 || size === out[d]) return;
      if (out[d] !== 1) throw new ShapeError('Shape mismatch: objects cannot be broadcast to a single shape');
      out[d] = size;
    });
  }
  return out;
}

/** One tensor, or a list of them as an array or as arguments. */
interface AtLeast {
  (t: Tensor): Tensor;
  (ts: readonly Tensor[]): Tensor[];
  (...ts: Tensor[]): Tensor[];
}
const atLeast = (name: string, f: (h: Handle) => Handle): AtLeast => {
  const one = (t: Tensor): Tensor => {
    checkTensor(name, t);
    return wrap(f(t._h));
  };
  return ((...args: readonly (Tensor | readonly Tensor[])[]) => {
    const only = args.length === 1 ? args[0]! : (args as readonly Tensor[]);
    return Array.isArray(only) ? only.map(one) : one(only as Tensor);
  }) as AtLeast;
};
/** Tensors of at least one dimension: 0-d ones become [1]. Takes one tensor, an array, or several. */
export const atleast1d = atLeast('atleast1d', (h) => native.ops.atleast1d(h));
/** Tensors of at least two dimensions, size-1 ones in front. Takes one tensor, an array, or several. */
export const atleast2d = atLeast('atleast2d', (h) => native.ops.atleast2d(h));
/** Tensors of at least three dimensions: [n] becomes [1, n, 1]. Takes one tensor, an array, or several. */
export const atleast3d = atLeast('atleast3d', (h) => native.ops.atleast3d(h));
