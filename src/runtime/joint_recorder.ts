// The backward of a compiled function's results, recorded together with the forward that they come from.
import { native } from '../native.js';
import { dtypeName } from '../tensor/dtype.js';
import { unwrap, type Handle, type Tensor } from '../tensor/handle.js';
import { NotCompilable, sameTensor, type Joint } from './variant.js';

/** Runs the backward of a function's results inside its recording, from placeholder gradients. */
export class JointRecorder {
  joint: Joint | null = null;
  constructor(
    private readonly inputs: readonly Tensor[],
    private readonly captures: readonly Handle[],
  ) {}

  differentiate(outputs: readonly Tensor[]): readonly (Handle | null)[] {
    const roots = outputs.map((t) => native.requiresGrad(t._h));
    const needed = outputs.filter((_, i) => roots[i]).map(unwrap);
    if (needed.length === 0) return [];
    const isLeaf = (h: Handle): boolean => native.requiresGrad(h) && native.isLeaf(h);
    const inputs = this.inputs.map(unwrap);
    const leaves = [
      ...inputs.flatMap((handle, input) =>
        native.requiresGrad(handle) && inputs.indexOf(handle) === input ? [{ input, handle }] : [],
      ),
      ...this.captures
        .filter((h) => isLeaf(h) && !inputs.some((i) => sameTensor(i, h)))
        .map((handle) => ({ input: null, handle })),
    ];
    const history = this.captures.find((h) => native.requiresGrad(h) && !native.isLeaf(h));
    if (history !== undefined)
      throw new NotCompilable('it reads a tensor from outside whose history would be lost; pass it as an argument');
    const placeholders = needed.map((h) => ones(native.shape(h), native.dtype(h)));
    const grads = native.backward(
      needed,
      placeholders,
      leaves.map((l) => l.handle),
      true,
      false,
      true,
    );
    this.joint = { placeholders, roots, leaves, reached: grads.map((g: Handle | null) => g !== null) };
    return grads;
  }
}

/** A tensor that the running trace has not made: it is captured, and becomes an input of the backward program. */
function ones(shape: readonly number[], dtype: number): Handle {
  const n = shape.reduce((p, d) => p * d, 1);
  const data =
    dtypeName(dtype) === 'float64'
      ? new Float64Array(n).fill(1)
      : dtypeName(dtype) === 'float32'
        ? new Float32Array(n).fill(1)
        : null;
  if (data === null) throw new NotCompilable(`results of dtype ${dtypeName(dtype)} that require grad are not compiled`);
  return native.fromTypedArray(data, shape as number[], dtype, false);
}
