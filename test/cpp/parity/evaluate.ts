// What test/cpp/parity/parity.h has: state, outputs and gradients of a module.
import { isTensor } from '../../../src/tensor/handle.js';
import { isFloatingDtype } from '../../../src/tensor/dtype.js';
import type { nn, Tensor } from '../../../src/index.js';

export type Results = Record<string, Tensor>;
export type Cases = Record<string, () => Results>;

/** Tensors of nested results in order; null where one is missing. */
const flat = (x: unknown): (Tensor | null)[] => (isTensor(x) || x === null ? [x] : (x as unknown[]).flatMap(flat));

export function evaluate(m: nn.Module, inputs: readonly Tensor[], forward: (...x: Tensor[]) => unknown): Results {
  const out: Results = {};
  for (const [name, t] of Object.entries(m.stateDict())) out[`state.${name}`] = t.clone();
  for (const x of inputs) if (isFloatingDtype(x.dtype)) x.requiresGrad_(true);
  let loss: Tensor | null = null;
  flat(forward(...inputs)).forEach((y, i) => {
    if (y === null) return;
    out[`out.${i}`] = y.detach();
    if (!isFloatingDtype(y.dtype)) return;
    const part = y.square().sum();
    loss = loss === null ? part : loss.add(part);
  });
  const total = loss as Tensor | null;
  if (total?.requiresGrad) total.backward();
  inputs.forEach((x, k) => {
    if (x.grad !== null) out[`input.${k}`] = x.grad;
  });
  for (const [name, p] of m.namedParameters()) if (p.grad !== null) out[`grad.${name}`] = p.grad;
  return out;
}
/** A module that takes all of the inputs. */
export const run = (m: nn.Module, ...inputs: Tensor[]): Results =>
  evaluate(m, inputs, (...x) => (m as unknown as (...x: Tensor[]) => unknown)(...x));
