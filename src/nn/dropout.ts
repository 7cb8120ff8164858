// Dropout layers.
import { ValueError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { merge, py, pyFloat, type Rest } from './args.js';
import * as F from './functional.js';
import { Module } from './module.js';

/** Zeroes elements with probability p while training and scales the rest. */
export class Dropout extends Module {
  readonly p: number;
  readonly inplace: boolean;
  constructor(...rest: Rest<[p: number, inplace: boolean], { p?: number; inplace?: boolean }>) {
    super();
    const o = merge<{ p?: number; inplace?: boolean }>('Dropout', rest, ['p', 'inplace'], { p: 0.5, inplace: false });
    if (!(o.p >= 0 && o.p <= 1)) throw new ValueError(`dropout probability has to be between 0 and 1, but got ${o.p}`);
    this.p = o.p;
    this.inplace = o.inplace;
  }
  override forward(input: Tensor): Tensor {
    return F.dropout(input, this.p, this.training);
  }
  override extraRepr(): string {
    return `p=${pyFloat(this.p)}, inplace=${py(this.inplace)}`;
  }
}
