// Fresh memory laid out as another tensor is.
import { native } from '../native.js';
import type { Handle, Tensor } from './handle.js';

/**
 * Uninitialised memory of t's shape, in t's order of dimensions where t is a permutation of contiguous memory: random numbers are
 * drawn in the order of memory, as PyTorch's `*_like` functions do.
 */
export function emptyInOrderOf(t: Tensor, dtype: number): Handle {
  const strides = t.stride();
  if (t.isContiguous() || t.shape.some((n, d) => n > 1 && strides[d] === 0)) return native.ops.empty(t.shape, dtype);
  const order = t.shape.map((_, d) => d).sort((a, b) => strides[b]! - strides[a]!);
  const sizes = order.map((d) => t.shape[d]!);
  return native.ops.permute(
    native.ops.empty(sizes, dtype),
    order.map((_, d) => order.indexOf(d)),
  );
}
