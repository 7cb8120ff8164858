// How exact float32 products must be: a setting that backends read.
import { ValueError } from './errors.js';

export type MatmulPrecision = 'highest' | 'high' | 'medium';
let precision: MatmulPrecision = 'highest';
/**
 * How exact float32 products must be. 'high' and 'medium' let programs that are built for a GPU from then on round factors of matrix
 * products and convolutions to TF32 (10 bits); on the CPU products always have float32's precision, which every setting allows.
 * Source: https://docs.pytorch.org/docs/stable/generated/torch.set_float32_matmul_precision.html (where convolutions have a switch of
 * their own, which is on).
 */
export function setFloat32MatmulPrecision(p: MatmulPrecision): void {
  if (!['highest', 'high', 'medium'].includes(p))
    throw new ValueError(`${String(p)} is not one of 'highest', 'high', or 'medium'`);
  precision = p;
}
export const getFloat32MatmulPrecision = (): MatmulPrecision => precision;
