// Gaussian blur.
import { ValueError } from '../../tensor/errors.js';
import { tensor } from '../../tensor/create.js';
import type { Picture } from '../image.js';
import { inFloat, onTensor, pair } from './common.js';
import { filterChannels } from './color.js';
import { pad } from './geometry.js';

function kernel1d(size: number, sigma: number): number[] {
  const half = (size - 1) / 2;
  const values = Array.from({ length: size }, (_, i) => Math.exp(-0.5 * ((i - half) / sigma) ** 2));
  const sum = values.reduce((a, b) => a + b, 0);
  return values.map((v) => v / sum);
}
/**
 * Blurs with a Gaussian of odd `kernelSize` [kx, ky] and `sigma` [sx, sy] (default: 0.15 k + 0.35); borders are reflected.
 * Throws ValueError for even sizes and sigmas that are not positive.
 */
export function gaussianBlur<P extends Picture>(
  img: P,
  kernelSize: number | readonly number[],
  sigma: number | readonly number[] | null = null,
): P {
  const [kx, ky] = pair(kernelSize);
  for (const k of [kx, ky]) {
    if (!Number.isInteger(k) || k <= 0 || k % 2 === 0)
      throw new ValueError(`kernel_size should have odd and positive integers. Got (${kx}, ${ky})`);
  }
  const [sx, sy] = sigma === null ? [kx * 0.15 + 0.35, ky * 0.15 + 0.35] : pair(sigma);
  if (!(sx > 0 && sy > 0)) throw new ValueError(`sigma should have positive values. Got (${sx}, ${sy})`);
  const [row, column] = [kernel1d(kx, sx), kernel1d(ky, sy)];
  return onTensor(img, (t) =>
    inFloat(t, (x) => {
      const kernel = tensor(
        column.map((c) => row.map((r) => c * r)),
        { dtype: x.dtype },
      );
      const border = [(kx - 1) / 2, (ky - 1) / 2] as const;
      return filterChannels(pad(x, [border[0], border[1]], { paddingMode: 'reflect' }), kernel);
    }),
  );
}
