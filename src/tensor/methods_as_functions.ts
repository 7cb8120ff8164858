// Functions of the root namespace whose method is written by hand: fb.max(x, 1) is x.max(1).
import type { MaxResult, Tensor } from './tensor.js';

/** Largest element, largest along a dimension and where, or the larger of two tensors: see Tensor.max. */
export function max(t: Tensor): Tensor;
export function max(t: Tensor, dim: number, keepdim?: boolean): MaxResult;
export function max(t: Tensor, other: Tensor): Tensor;
export function max(t: Tensor, a?: number | Tensor, keepdim = false): Tensor | MaxResult {
  return a === undefined ? t.max() : typeof a === 'number' ? t.max(a, keepdim) : t.max(a);
}
/** Smallest element, smallest along a dimension and where, or the smaller of two tensors: see Tensor.min. */
export function min(t: Tensor): Tensor;
export function min(t: Tensor, dim: number, keepdim?: boolean): MaxResult;
export function min(t: Tensor, other: Tensor): Tensor;
export function min(t: Tensor, a?: number | Tensor, keepdim = false): Tensor | MaxResult {
  return a === undefined ? t.min() : typeof a === 'number' ? t.min(a, keepdim) : t.min(a);
}
/** True when shapes and all values are equal. */
export const equal = (a: Tensor, b: Tensor): boolean => a.equal(b);
/** True when |a - b| <= atol + rtol * |b| everywhere. */
export const allclose = (a: Tensor, b: Tensor, o: { rtol?: number; atol?: number; equalNan?: boolean } = {}): boolean => a.allclose(b, o);
export const numel = (t: Tensor): number => t.numel();
export const isFloatingPoint = (t: Tensor): boolean => t.isFloatingPoint();
