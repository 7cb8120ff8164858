// Dropout layers.
import { ValueError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { py, pyFloat, settings, type Rest } from './args.js';
import * as F from './functional.js';
import { Module } from './module.js';

interface DropoutLayerOptions {
  /** Probability of an element (or channel) to be zeroed. */
  p?: number;
  inplace?: boolean;
}
abstract class DropoutNd extends Module {
  readonly p: number;
  readonly inplace: boolean;
  constructor(...rest: Rest<[p: number, inplace: boolean], DropoutLayerOptions>) {
    super();
    const o = settings<DropoutLayerOptions>(new.target.name, rest, { p: 0.5, inplace: false });
    if (!(o.p >= 0 && o.p <= 1)) throw new ValueError(`dropout probability has to be between 0 and 1, but got ${o.p}`);
    this.p = o.p;
    this.inplace = o.inplace;
  }
  protected abstract drop(input: Tensor): Tensor;
  override forward(input: Tensor): Tensor {
    const out = this.drop(input);
    return this.inplace && out !== input ? input.copy_(out) : out;
  }
  override extraRepr(): string {
    return `p=${pyFloat(this.p)}, inplace=${py(this.inplace)}`;
  }
}

/** Zeroes elements with probability p while training and scales the rest. */
export class Dropout extends DropoutNd {
  protected override drop(input: Tensor): Tensor {
    return F.dropout(input, this.p, this.training);
  }
}
/** Zeroes whole channels of [N, C, L] or [C, L]. */
export class Dropout1d extends DropoutNd {
  protected override drop(input: Tensor): Tensor {
    return F.dropout1d(input, this.p, this.training);
  }
}
/** Zeroes whole channels of [N, C, H, W] or [C, H, W]. */
export class Dropout2d extends DropoutNd {
  protected override drop(input: Tensor): Tensor {
    return F.dropout2d(input, this.p, this.training);
  }
}
/** Zeroes whole channels of [N, C, D, H, W] or [C, D, H, W]. */
export class Dropout3d extends DropoutNd {
  protected override drop(input: Tensor): Tensor {
    return F.dropout3d(input, this.p, this.training);
  }
}
/** Dropout that keeps mean and variance, for SELU networks. Source: https://arxiv.org/abs/1706.02515 */
export class AlphaDropout extends DropoutNd {
  protected override drop(input: Tensor): Tensor {
    return F.alphaDropout(input, this.p, this.training);
  }
}
/** AlphaDropout of whole channels. */
export class FeatureAlphaDropout extends DropoutNd {
  protected override drop(input: Tensor): Tensor {
    return F.featureAlphaDropout(input, this.p, this.training);
  }
}
