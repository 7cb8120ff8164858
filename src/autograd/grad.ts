// grad and backward over several roots, and the 2018 name Variable.
import { native } from '../native.js';
import { AutogradError, ShapeError } from '../tensor/errors.js';
import { isTensor, wrap, type Handle, type Tensor } from '../tensor/handle.js';

export interface GradOptions {
  /** Gradients of the outputs; needed for those with more than one element. */
  gradOutputs?: Tensor | readonly (Tensor | null)[] | null;
  retainGraph?: boolean;
  createGraph?: boolean;
}

function outputHandles(
  outputs: readonly Tensor[],
  given: Tensor | readonly (Tensor | null)[] | null | undefined,
): (Handle | null)[] {
  const list = given == null ? outputs.map(() => null) : isTensor(given) ? [given] : given;
  if (list.length !== outputs.length) {
    throw new AutogradError(`got ${outputs.length} tensors and ${list.length} gradients`);
  }
  return list.map((g, i) => {
    const out = outputs[i]!;
    if (g !== null && (g.shape.length !== out.shape.length || g.shape.some((s, d) => s !== out.shape[d]))) {
      throw new ShapeError(
        `Mismatch in shape: grad_output[${i}] has a shape of [${g.shape.join(', ')}] and output[${i}] has a shape of [${out.shape.join(', ')}].`,
      );
    }
    return g === null ? null : g._h;
  });
}

const listOf = (x: Tensor | readonly Tensor[]): readonly Tensor[] => (isTensor(x) ? [x] : x);

/**
 * Gradients of the outputs with respect to the inputs; nothing is accumulated.
 * Throws AutogradError when an input was not used (unless `allowUnused`, then its gradient is null).
 */
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options: GradOptions & { allowUnused: true },
): (Tensor | null)[];
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options?: GradOptions & { allowUnused?: false },
): Tensor[];
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options: GradOptions & { allowUnused?: boolean } = {},
): (Tensor | null)[] {
  const roots = listOf(outputs);
  const leaves = listOf(inputs);
  if (leaves.length === 0) throw new AutogradError('grad requires non-empty inputs.');
  const { createGraph = false, retainGraph = createGraph, allowUnused = false } = options;
  const found = native.backward(
    roots.map((t) => t._h),
    outputHandles(roots, options.gradOutputs),
    leaves.map((t) => t._h),
    retainGraph,
    createGraph,
    allowUnused,
  );
  return found.map((h) => (h === null ? null : wrap(h)));
}

/** Sum of the gradients of several tensors, added to the `.grad` of the leaves, or only of those in `inputs`. */
export function backward(
  tensors: Tensor | readonly Tensor[],
  gradTensors?: Tensor | readonly (Tensor | null)[] | null,
  options: { retainGraph?: boolean; createGraph?: boolean; inputs?: Tensor | readonly Tensor[] | null } = {},
): void {
  const roots = listOf(tensors);
  const { createGraph = false, retainGraph = createGraph } = options;
  const inputs = options.inputs == null ? null : listOf(options.inputs).map((t) => t._h);
  native.backward(
    roots.map((t) => t._h),
    outputHandles(roots, gradTensors),
    inputs,
    retainGraph,
    createGraph,
    inputs !== null,
    true,
  );
}

/** PyTorch 0.3's wrapper. Variables and tensors are one: with `requiresGrad` set it is a leaf over the same values, else the tensor itself. */
export function Variable(t: Tensor, options: { requiresGrad?: boolean } = {}): Tensor {
  if (options.requiresGrad === undefined || options.requiresGrad === t.requiresGrad) return t;
  return t.detach().requiresGrad_(options.requiresGrad);
}
