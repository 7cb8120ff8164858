// Second derivatives of an operator at a sample's inputs, against differences of first ones (gradgradcheck along random directions).
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';
import type { CallArgs, Callable } from './calls.js';
import { isTensor } from './values.js';

/** All tensors of a result, in order. */
function tensorsOf(x: unknown, out: Tensor[] = []): Tensor[] {
  if (isTensor(x)) out.push(x);
  else if (Array.isArray(x)) x.forEach((e) => tensorsOf(e, out));
  else if (typeof x === 'object' && x !== null) Object.values(x).forEach((e) => tensorsOf(e, out));
  return out;
}

/**
 * Checks one sample whose differentiable inputs are float64.
 * @returns false when there is nothing to check: no such input, or no result that requires grad
 * @throws AutogradError at a mismatch
 */
export function checkSecondOrder(call: Callable, given: CallArgs, tensors: ReadonlyMap<string, Tensor>): boolean {
  const inputs = [...tensors.values()].filter((t) => t.requiresGrad && t.dtype === 'float64');
  if (inputs.length === 0) return false;
  const replaced = (value: unknown, by: readonly Tensor[]): unknown => {
    if (isTensor(value)) {
      const at = inputs.indexOf(value);
      return at < 0 ? value : by[at];
    }
    return Array.isArray(value) ? value.map((v) => replaced(v, by)) : value;
  };
  const fn = (...xs: Tensor[]): Tensor[] => {
    fb.manualSeed(0);
    const result = call({
      input: replaced(given.input, xs),
      args: given.args.map((a) => replaced(a, xs)),
      kwargs: Object.fromEntries(Object.entries(given.kwargs).map(([k, v]) => [k, replaced(v, xs)])),
    });
    return tensorsOf(result).filter((t) => t.requiresGrad && t.dtype === 'float64');
  };
  const leaves = inputs.map((t) => t.detach().requiresGrad_());
  if (fn(...leaves).length === 0) return false;
  return fb.autograd.gradgradcheck(fn, leaves, null, { fastMode: true, atol: 1e-4, rtol: 1e-3 });
}
