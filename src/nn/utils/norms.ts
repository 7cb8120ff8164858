// Arithmetic that the weight and spectral norms share.
import type { Tensor } from '../../tensor/tensor.js';
import { ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from '../conv.js';
import type { Module } from '../module.js';

/** The 2-norm over all dimensions but one, kept as 1; over everything for null: a 0-d tensor. */
export function normExceptDim(v: Tensor, dim: number | null): Tensor {
  if (dim === null || dim === -1) return v.norm();
  const d = dim < 0 ? dim + v.ndim : dim;
  const others = v.shape.map((_, i) => i).filter((i) => i !== d);
  return others.length === 0 ? v.abs() : v.square().sum(others, true).sqrt();
}

/** g v / |v|. */
export const weightNormOf = (v: Tensor, g: Tensor, dim: number | null): Tensor => v.mul(g.div(normExceptDim(v, dim)));

/** A weight as a matrix whose rows belong to `dim`. */
export function asMatrix(weight: Tensor, dim: number): Tensor {
  const order = [dim, ...weight.shape.map((_, i) => i).filter((i) => i !== dim)];
  const first = dim === 0 ? weight : weight.permute(order);
  return first.reshape([first.shape[0]!, -1]);
}

export const normalized = (v: Tensor, eps: number): Tensor => v.div(v.norm().clampMin(eps));

/** The dimension of output channels: 1 for transposed convolutions. */
export const outputDim = (m: Module): number =>
  m instanceof ConvTranspose1d || m instanceof ConvTranspose2d || m instanceof ConvTranspose3d ? 1 : 0;
