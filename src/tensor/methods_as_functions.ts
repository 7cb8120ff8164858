// Functions of the root namespace whose method is written by hand: fb.max(x, 1) is x.max(1).
import { checkTensor } from './args.js';
import type { MaxResult, Tensor } from './tensor.js';

/** Largest element, largest along a dimension and where, or the larger of two tensors: see Tensor.max. */
export function max(t: Tensor): Tensor;
export function max(t: Tensor, dim: number, keepdim?: boolean): MaxResult;
export function max(t: Tensor, other: Tensor): Tensor;
export function max(t: Tensor, a?: number | Tensor, keepdim = false): Tensor | MaxResult {
  checkTensor('max', t);
  return a === undefined ? t.max() : typeof a === 'number' ? t.max(a, keepdim) : t.max(a);
}
/** Smallest element, smallest along a dimension and where, or the smaller of two tensors: see Tensor.min. */
export function min(t: Tensor): Tensor;
export function min(t: Tensor, dim: number, keepdim?: boolean): MaxResult;
export function min(t: Tensor, other: Tensor): Tensor;
export function min(t: Tensor, a?: number | Tensor, keepdim = false): Tensor | MaxResult {
  checkTensor('min', t);
  return a === undefined ? t.min() : typeof a === 'number' ? t.min(a, keepdim) : t.min(a);
}
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
