// Compares analytical gradients with central differences. Source: torch.autograd.gradcheck.
import { AutogradError, DTypeError } from '../tensor/errors.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { tensor, zerosLike, type NestedArray } from '../tensor/create.js';
import { grad } from './grad.js';
import { noGrad } from './modes.js';

export interface GradcheckOptions {
  eps?: number;
  atol?: number;
  rtol?: number;
  /** false: return false instead of throwing. */
  raiseException?: boolean;
}
type Fn = (...inputs: Tensor[]) => Tensor | readonly Tensor[];

const flatValues = (t: Tensor): number[] => Array.from(t.detach().double().toTypedArray() as Float64Array);

/**
 * True when every input that requires grad has the gradient that central differences give.
 * Inputs should be float64. Throws AutogradError with the first mismatch unless `raiseException` is false.
 */
export function gradcheck(fn: Fn, inputs: Tensor | readonly Tensor[], options: GradcheckOptions = {}): boolean {
  const { eps = 1e-6, atol = 1e-5, rtol = 1e-3, raiseException = true } = options;
  const list: readonly Tensor[] = isTensor(inputs) ? [inputs] : inputs;
  const wanted = list.filter((t) => t.requiresGrad);
  if (wanted.length === 0)
    throw new AutogradError(
      'gradcheck expects at least one input tensor to require gradient, but none of the them have requires_grad=True.',
    );
  for (const t of wanted)
    if (t.dtype !== 'float64')
      throw new DTypeError(`gradcheck: inputs that require grad must be float64, got ${t.dtype}`);
  const run = (xs: readonly Tensor[]): readonly Tensor[] => {
    const out = fn(...xs);
    return (isTensor(out) ? [out] : out).filter((o) => o.isFloatingPoint());
  };
  const outputs = run(list);
  for (const [o, out] of outputs.entries()) {
    const n = out.numel();
    const flat = out.reshape([-1]);
    // analytic[j][k]: gradients of output element j with respect to wanted input k
    const analytic = Array.from({ length: n }, (_, j) =>
      out.requiresGrad
        ? grad(flat.select(0, j), wanted, { retainGraph: true, allowUnused: true }).map((g, k) =>
            flatValues(g ?? zerosLike(wanted[k]!)),
          )
        : wanted.map((t) => flatValues(zerosLike(t))),
    );
    for (const [k, input] of wanted.entries()) {
      const values = flatValues(input);
      for (let e = 0; e < values.length; e++) {
        const at = (delta: number): number[] => {
          const moved = [...values];
          moved[e]! += delta;
          const replaced = tensor(moved as NestedArray, { dtype: 'float64' }).reshape([...input.shape]);
          return noGrad(() => flatValues(run(list.map((t) => (t === input ? replaced : t.detach())))[o]!));
        };
        const plus = at(eps);
        const minus = at(-eps);
        for (let j = 0; j < n; j++) {
          const numeric = (plus[j]! - minus[j]!) / (2 * eps);
          const exact = analytic[j]![k]![e]!;
          if (!(Math.abs(numeric - exact) <= atol + rtol * Math.abs(numeric))) {
            if (!raiseException) return false;
            throw new AutogradError(
              `Jacobian mismatch for output ${o} with respect to input ${k}: element [${j}, ${e}] is numerically ${numeric}, analytically ${exact}`,
            );
          }
        }
      }
    }
  }
  return true;
}
