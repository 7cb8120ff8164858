// autograd.forwardAd: derivatives along a direction. The tangent of a result is computed by differentiating its gradient, which is
// linear in the vector it is taken with (the double-backward trick), so every op that can be differentiated twice takes part.
// Source: torch.autograd.forward_ad.
import { AutogradError, ShapeError } from '../tensor/errors.js';
import { zeros } from '../tensor/create.js';
import type { Tensor } from '../tensor/handle.js';
import { grad } from './grad.js';
import type { ModeGuard } from './modes.js';

interface Dual {
  readonly primal: Tensor;
  readonly tangent: Tensor;
}
/** The dual inputs of each open level. */
const levels: Dual[][] = [];

/** Opens a level: duals made inside end with it. */
export function dualLevel(): ModeGuard;
export function dualLevel<T>(body: () => T): T;
export function dualLevel<T>(body?: () => T): T | ModeGuard {
  const level: Dual[] = [];
  levels.push(level);
  const end = (): void => {
    const at = levels.indexOf(level);
    if (at >= 0) levels.splice(at, 1);
  };
  if (body === undefined) return { end, [Symbol.dispose]: end };
  try {
    return body();
  } finally {
    end();
  }
}

/**
 * `tensor` with a direction attached: results computed from it carry their derivative along `tangent` (same shape and dtype).
 * @throws AutogradError outside of a dualLevel
 */
export function makeDual(tensor: Tensor, tangent: Tensor): Tensor {
  const level = levels.at(-1);
  if (!level)
    throw new AutogradError(
      'Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first.',
    );
  if (!tensor.isFloatingPoint())
    throw new AutogradError(`Expected tensor to be floating point, but got tensor with dtype: ${tensor.dtype}.`);
  if (!tensor.isSameSize(tangent))
    throw new ShapeError(
      `Expected tensor and tangent to have the same shape, but got [${tensor.shape.join(', ')}] and [${tangent.shape.join(', ')}].`,
    );
  const primal = tensor.requiresGrad ? tensor.viewAs(tensor) : tensor.detach().requiresGrad_();
  level.push({ primal, tangent });
  return primal;
}

/** The value and the tangent of a result; the tangent is null when it does not depend on a dual input. */
export function unpackDual(tensor: Tensor): { readonly primal: Tensor; readonly tangent: Tensor | null } {
  const level = levels.at(-1);
  if (!level || !tensor.requiresGrad) return { primal: tensor.detach(), tangent: null };
  const own = level.find((d) => d.primal === tensor);
  if (own) return { primal: tensor.detach(), tangent: own.tangent };
  const v = zeros(tensor.shape, { dtype: tensor.dtype, requiresGrad: true });
  const primals = level.map((d) => d.primal);
  const gs = grad(tensor, primals, { gradOutputs: v, retainGraph: true, createGraph: true, allowUnused: true });
  const linear = gs.flatMap((g, i) => (g !== null && g.requiresGrad ? [[g, level[i]!.tangent] as const] : []));
  if (linear.length === 0)
    return {
      primal: tensor.detach(),
      tangent: gs.some((g) => g !== null) ? zeros(tensor.shape, { dtype: tensor.dtype }) : null,
    };
  const [tangent] = grad(
    linear.map(([g]) => g),
    [v],
    { gradOutputs: linear.map(([, t]) => t), retainGraph: true },
  );
  return { primal: tensor.detach(), tangent: tangent! };
}
