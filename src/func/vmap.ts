// vmap: a function of single examples as a function of batches. Source: torch.func.vmap.
import { ShapeError, ValueError } from '../tensor/errors.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { stack } from '../../generated/ts/functions.js';

export interface VmapOptions {
  /** The batch dimension of the arguments: one for all, or one (or null: not batched) per argument. Default 0. */
  inDims?: number | readonly (number | null)[];
  /** Where results get their batch dimension. Default 0. */
  outDims?: number | readonly number[];
}

/**
 * Calls `fn` once per example and stacks the results, so that any function can be mapped, those with control flow on values
 * included. (It removes bookkeeping, not work: where speed matters write the batched operations, or put the mapped function
 * into `compile`.) Differentiable; nests.
 * @throws ValueError when no argument is batched, ShapeError when batch sizes differ
 */
export function vmap<A extends readonly unknown[], R extends Tensor | readonly Tensor[]>(
  fn: (...args: A) => R,
  { inDims = 0, outDims = 0 }: VmapOptions = {},
): (...args: A) => R {
  return (...args) => {
    const dims = args.map((a, i) => {
      const d = typeof inDims === 'number' ? (isTensor(a) ? inDims : null) : (inDims[i] ?? null);
      if (d === null) return null;
      if (!isTensor(a)) throw new ValueError(`vmap: inDims[${i}] is ${d}, but argument ${i} is no Tensor`);
      if (d < -a.ndim || d >= a.ndim)
        throw new ValueError(
          `vmap: Got in_dim=${d} for an input of dimensionality ${a.ndim}: expected 0 <= in_dim < ${a.ndim}`,
        );
      return d;
    });
    const sizes = new Set(dims.flatMap((d, i) => (d === null ? [] : [(args[i] as Tensor).size(d)])));
    if (sizes.size === 0) throw new ValueError('vmap: at least one argument must be a batched Tensor');
    if (sizes.size > 1)
      throw new ShapeError(
        `vmap: Expected all tensors to have the same size in the mapped dimension, got sizes ${[...sizes].join(', ')} for the mapped dimension`,
      );
    const [n] = sizes as Set<number>;
    if (n === 0)
      throw new ShapeError('vmap: the mapped dimension has size 0, so the function has no example to run on');
    const results = Array.from({ length: n! }, (_, b) =>
      fn(...(args.map((a, i) => (dims[i] === null ? a : (a as Tensor).select(dims[i]!, b))) as unknown as A)),
    );
    const place = (i: number): number => (typeof outDims === 'number' ? outDims : (outDims[i] ?? 0));
    const first = results[0]!;
    if (isTensor(first)) return stack(results as Tensor[], place(0)) as R;
    if (!Array.isArray(first)) throw new ValueError('vmap: the function must return a Tensor or an array of them');
    return (first as Tensor[]).map((_, i) =>
      stack(
        results.map((r) => (r as readonly Tensor[])[i]!),
        place(i),
      ),
    ) as unknown as R;
  };
}
