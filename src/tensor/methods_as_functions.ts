// Functions of the root namespace whose method is written by hand: fb.equal(x, y) is x.equal(y).
import { checkTensor } from './args.js';
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
