// Distances as layers.
import type { Tensor } from '../tensor/tensor.js';
import { settings, type Rest } from './args.js';
import * as F from './functional.js';
import { Module } from './module.js';

/** x1 . x2 / (|x1| |x2|) along a dimension. */
export class CosineSimilarity extends Module {
  readonly dim: number;
  readonly eps: number;
  constructor(...rest: Rest<[dim: number, eps: number], { dim?: number; eps?: number }>) {
    super();
    const o = settings<{ dim?: number; eps?: number }>('CosineSimilarity', rest, { dim: 1, eps: 1e-8 });
    this.dim = o.dim;
    this.eps = o.eps;
  }
  override forward(x1: Tensor, x2: Tensor): Tensor {
    return F.cosineSimilarity(x1, x2, { dim: this.dim, eps: this.eps });
  }
}

/** The p-norm of x1 - x2 + eps over the last dimension. */
export class PairwiseDistance extends Module {
  readonly p: number;
  readonly eps: number;
  readonly keepdim: boolean;
  constructor(
    ...rest: Rest<[p: number, eps: number, keepdim: boolean], { p?: number; eps?: number; keepdim?: boolean }>
  ) {
    super();
    const o = settings<{ p?: number; eps?: number; keepdim?: boolean }>('PairwiseDistance', rest, {
      p: 2,
      eps: 1e-6,
      keepdim: false,
    });
    this.p = o.p;
    this.eps = o.eps;
    this.keepdim = o.keepdim;
  }
  override forward(x1: Tensor, x2: Tensor): Tensor {
    return F.pairwiseDistance(x1, x2, { p: this.p, eps: this.eps, keepdim: this.keepdim });
  }
}
