// nn.utils.parametrizations: spectral norm, weight norm; orthogonal matrices are in orthogonal.ts.
import { noGrad } from '../../autograd/modes.js';
import { IndexError, ValueError } from '../../tensor/errors.js';
import type { Tensor } from '../../tensor/tensor.js';
import { settings, type Rest } from '../args.js';
import { fieldOf } from '../fields.js';
import { Module } from '../module.js';
import { asMatrix, normalized, normExceptDim, outputDim, weightNormOf } from './norms.js';
import { registerParametrization } from './parametrize.js';

/** The tensor to parametrize. */
export function weightOf(module: Module, name: string): Tensor {
  const weight = fieldOf(module, name) as Tensor | null | undefined;
  if (weight === null || weight === undefined)
    throw new ValueError(`Module '${module.constructor.name}' has no parameter or buffer with name '${name}'`);
  return weight;
}

// ---- spectral norm ----

class _SpectralNorm extends Module {
  declare _u: Tensor;
  declare _v: Tensor;
  private readonly dim: number;
  constructor(
    weight: Tensor,
    private readonly iterations: number,
    dim: number,
    private readonly eps: number,
  ) {
    super();
    const { ndim } = weight;
    if (dim >= ndim || dim < -ndim) {
      throw new IndexError(
        `Dimension out of range (expected to be in range of [-${ndim}, ${ndim - 1}] but got ${dim})`,
      );
    }
    if (iterations <= 0) {
      throw new ValueError(`Expected n_power_iterations to be positive, but got n_power_iterations=${iterations}`);
    }
    this.dim = dim < 0 ? dim + ndim : dim;
    if (ndim <= 1) return;
    const matrix = asMatrix(weight.detach(), this.dim);
    const [rows, cols] = matrix.shape as [number, number];
    const u = matrix.newEmpty([rows]).normal_(0, 1);
    const v = matrix.newEmpty([cols]).normal_(0, 1);
    this.registerBuffer('_u', normalized(u, eps));
    this.registerBuffer('_v', normalized(v, eps));
    this.iterate(matrix, 15);
  }
  private iterate(matrix: Tensor, times: number): void {
    noGrad(() => {
      for (let i = 0; i < times; i++) {
        this._u.copy_(normalized(matrix.mv(this._v), this.eps));
        this._v.copy_(normalized(matrix.t().mv(this._u), this.eps));
      }
    });
  }
  override forward(weight: Tensor): Tensor {
    if (weight.ndim === 1) return normalized(weight, this.eps);
    const matrix = asMatrix(weight, this.dim);
    if (this.training) this.iterate(matrix.detach(), this.iterations);
    // Copies, because the next call changes the buffers and backward may come later.
    const [u, v] = [this._u.clone(), this._v.clone()];
    return weight.div(u.dot(matrix.mv(v)));
  }
  rightInverse(value: Tensor): Tensor {
    return value;
  }
}
export interface SpectralNormOptions {
  name?: string;
  nPowerIterations?: number;
  eps?: number;
  /** The dimension of the outputs; default 0, for transposed convolutions 1. */
  dim?: number | null;
}
/** Divides a weight by its largest singular value, estimated by power iteration. Source: https://arxiv.org/abs/1802.05957 */
export function spectralNorm<M extends Module>(
  module: M,
  ...rest: Rest<[name: string, nPowerIterations: number, eps: number, dim: number | null], SpectralNormOptions>
): M {
  const o = settings<SpectralNormOptions>('spectralNorm', rest, {
    name: 'weight',
    nPowerIterations: 1,
    eps: 1e-12,
    dim: null,
  });
  const weight = weightOf(module, o.name);
  const made = new _SpectralNorm(weight, o.nPowerIterations, o.dim ?? outputDim(module), o.eps);
  return registerParametrization(module, o.name, made);
}

// ---- weight norm ----

class _WeightNorm extends Module {
  constructor(private readonly dim: number | null) {
    super();
  }
  override forward(g: Tensor, v: Tensor): Tensor {
    return weightNormOf(v, g, this.dim);
  }
  rightInverse(weight: Tensor): Tensor[] {
    return [normExceptDim(weight, this.dim), weight];
  }
}
/** Learns a weight as magnitude (`original0`) times direction (`original1`). Source: https://arxiv.org/abs/1602.07868 */
export function weightNorm<M extends Module>(
  module: M,
  ...rest: Rest<[name: string, dim: number | null], { name?: string; dim?: number | null }>
): M {
  const o = settings<{ name?: string; dim?: number | null }>('weightNorm', rest, { name: 'weight', dim: 0 });
  weightOf(module, o.name);
  return registerParametrization(module, o.name, new _WeightNorm(o.dim), { unsafe: true });
}
