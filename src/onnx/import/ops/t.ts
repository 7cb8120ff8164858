// The functions that operators are written with: the declared ops, creation, slices with a step.
import { native } from '../../../native.js';
import { unwrap, wrap, type Tensor } from '../../../tensor/handle.js';

export * from '../../../../generated/ts/functions.js';
export { arange, full, ones, rand, randn, zeros } from '../../../tensor/create.js';
export { einsum } from '../../../tensor/products.js';

/** x[..., start:end:step, ...] along a dimension. */
export const slice = (x: Tensor, dim: number, start: number, end: number, step = 1): Tensor =>
  wrap(native.ops.slice(unwrap(x), dim, start, end, step));
