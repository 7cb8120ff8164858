// Softmax and its relatives as modules.
import { ShapeError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { py, settings, type Rest } from './args.js';
import * as F from './functional.js';
import { Module } from './module.js';

/** PyTorch's choice of a softmax dimension when none is given. */
const implicitDim = (ndim: number): number => (ndim === 0 || ndim === 1 || ndim === 3 ? 0 : 1);

/** e^x over the sum of e^x along `dim`. */
export class Softmax extends Module {
  readonly dim: number | null;
  constructor(...rest: Rest<[dim: number | null], { dim?: number | null }>) {
    super();
    this.dim = settings<{ dim?: number | null }>('Softmax', rest, { dim: null }).dim;
  }
  override forward(input: Tensor): Tensor {
    return F.softmax(input, this.dim ?? implicitDim(input.ndim));
  }
  override extraRepr(): string {
    return `dim=${py(this.dim)}`;
  }
}
/** Logarithm of softmax, in the form that does not overflow. */
export class LogSoftmax extends Module {
  readonly dim: number | null;
  constructor(...rest: Rest<[dim: number | null], { dim?: number | null }>) {
    super();
    this.dim = settings<{ dim?: number | null }>('LogSoftmax', rest, { dim: null }).dim;
  }
  override forward(input: Tensor): Tensor {
    return F.logSoftmax(input, this.dim ?? implicitDim(input.ndim));
  }
  override extraRepr(): string {
    return `dim=${py(this.dim)}`;
  }
}
/** Softmax of -x. */
export class Softmin extends Module {
  readonly dim: number | null;
  constructor(...rest: Rest<[dim: number | null], { dim?: number | null }>) {
    super();
    this.dim = settings<{ dim?: number | null }>('Softmin', rest, { dim: null }).dim;
  }
  override forward(input: Tensor): Tensor {
    return F.softmin(input, this.dim ?? implicitDim(input.ndim));
  }
  override extraRepr(): string {
    return `dim=${py(this.dim)}`;
  }
}
/** Softmax over the channels of [N, C, H, W] or [C, H, W]. */
export class Softmax2d extends Module {
  override forward(input: Tensor): Tensor {
    if (input.ndim !== 3 && input.ndim !== 4)
      throw new ShapeError(`Softmax2d requires a 3D or 4D tensor as input, got ${input.ndim}D`);
    return F.softmax(input, -3);
  }
}
