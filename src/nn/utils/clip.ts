// nn.utils: gradient clipping and flattening of parameters.
import { native } from '../../native.js';
import { noGrad } from '../../autograd/modes.js';
import { ValueError } from '../../tensor/errors.js';
import { isTensor, wrap, type Tensor } from '../../tensor/handle.js';
import { tensor } from '../../tensor/create.js';
import { cat, stack } from '../../../generated/ts/functions.js';

const listOf = (ps: Tensor | Iterable<Tensor>): Tensor[] => (isTensor(ps) ? [ps] : [...ps]);

function gradsOf(parameters: Tensor | Iterable<Tensor>): Tensor[] {
  const grads: Tensor[] = [];
  for (const p of listOf(parameters)) {
    const g = native.grad(p._h);
    if (g !== null) grads.push(wrap(native.ops.detach(g)));
  }
  return grads;
}

/** The norm of all tensors together, as one vector (0-d). */
export function getTotalNorm(
  tensors: Tensor | Iterable<Tensor>,
  normType = 2,
  options: { errorIfNonfinite?: boolean } = {},
): Tensor {
  const list = listOf(tensors);
  if (list.length === 0) return tensor(0);
  return noGrad(() => {
    const total = stack(
      list.map((t) => t.norm({ p: normType })),
      0,
    ).norm({ p: normType });
    if ((options.errorIfNonfinite ?? false) && !Number.isFinite(total.item())) {
      throw new ValueError(
        `The total norm of order ${normType} for gradients from \`parameters\` is non-finite, so it cannot be clipped.`,
      );
    }
    return total;
  });
}
/** Scales the gradients of parameters in place so that a joint norm of `totalNorm` becomes at most `maxNorm`. */
export function clipGradsWithNorm_(parameters: Tensor | Iterable<Tensor>, maxNorm: number, totalNorm: Tensor): void {
  noGrad(() => {
    // Without a branch on the value, so that it can be part of a compiled step.
    const factor = totalNorm.add(1e-6).reciprocal().mul(maxNorm).clamp(null, 1);
    for (const g of gradsOf(parameters)) g.mul_(factor);
  });
}
/** Scales all gradients in place so that their joint norm is at most `maxNorm`; returns the norm before (0-d). */
export function clipGradNorm_(
  parameters: Tensor | Iterable<Tensor>,
  maxNorm: number,
  options: number | { normType?: number; errorIfNonfinite?: boolean } = {},
): Tensor {
  const { normType = 2, errorIfNonfinite = false } = typeof options === 'number' ? { normType: options } : options;
  const list = listOf(parameters);
  const total = getTotalNorm(gradsOf(list), normType, { errorIfNonfinite });
  clipGradsWithNorm_(list, maxNorm, total);
  return total;
}
/** Cuts every gradient element to [-clipValue, clipValue], in place. */
export function clipGradValue_(parameters: Tensor | Iterable<Tensor>, clipValue: number): void {
  noGrad(() => {
    for (const g of gradsOf(parameters)) g.clamp_(-clipValue, clipValue);
  });
}
/** All parameters as one flat vector. */
export function parametersToVector(parameters: Iterable<Tensor>): Tensor {
  return cat(
    [...parameters].map((p) => p.reshape([-1])),
    0,
  );
}
/** Copies a flat vector back into parameters. */
export function vectorToParameters(vector: Tensor, parameters: Iterable<Tensor>): void {
  let at = 0;
  noGrad(() => {
    for (const p of parameters) {
      const n = p.numel();
      p.copy_(vector.narrow(0, at, n).viewAs(p));
      at += n;
    }
  });
}
