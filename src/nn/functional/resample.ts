// Changing the size of images: interpolate and its older names.
import type { Tensor } from '../../tensor/tensor.js';
import { ShapeError, ValueError } from '../../tensor/errors.js';
import { checkTensor } from '../../tensor/args.js';
import { wrap } from '../../tensor/handle.js';
import { native } from '../../native.js';
import * as ops from '../../../generated/ts/functions.js';
import { merge, type Rest } from '../args.js';

export type InterpolationMode = 'nearest' | 'nearest-exact' | 'linear' | 'bilinear' | 'trilinear' | 'bicubic' | 'area';
type Size = number | readonly number[];

export interface InterpolateOptions {
  /** Size of the output; or: */
  size?: Size | null;
  /** its ratio to the input's size. */
  scaleFactor?: Size | null;
  mode?: InterpolationMode;
  /** The corner elements are the corners of the image (else its corners are those of the corner pixels). Not for 'nearest' and 'area'. */
  alignCorners?: boolean | null;
  /** Interpolate by the ratio of the sizes instead of scaleFactor. */
  recomputeScaleFactor?: boolean | null;
  /** Wider windows when shrinking ('bilinear' and 'bicubic'). */
  antialias?: boolean;
}
const DEFAULTS: Required<InterpolateOptions> = {
  size: null,
  scaleFactor: null,
  mode: 'nearest',
  alignCorners: null,
  recomputeScaleFactor: null,
  antialias: false,
};
const NAMES = ['size', 'scaleFactor', 'mode', 'alignCorners', 'recomputeScaleFactor', 'antialias'] as const;

/** Spatial dimensions that a mode is for, and its name in the op. */
const MODES: Readonly<Record<InterpolationMode, { readonly spatial: readonly number[]; readonly op: string }>> = {
  nearest: { spatial: [1, 2, 3], op: 'nearest' },
  'nearest-exact': { spatial: [1, 2, 3], op: 'nearest-exact' },
  area: { spatial: [1, 2, 3], op: 'area' },
  linear: { spatial: [1], op: 'linear' },
  bilinear: { spatial: [2], op: 'linear' },
  trilinear: { spatial: [3], op: 'linear' },
  bicubic: { spatial: [2], op: 'cubic' },
};

function perDimension(x: Size, n: number, what: string, shape: readonly number[]): number[] {
  if (typeof x === 'number') return Array.from({ length: n }, () => x);
  if (x.length !== n)
    throw new ValueError(
      `Input and ${what} must have the same number of spatial dimensions, but got input with spatial dimensions of ` +
        `[${shape.join(', ')}] and ${what} of [${x.join(', ')}]. Please provide input tensor in (N, C, d1, d2, ...,dK) format ` +
        `and ${what} in (s1, s2, ...,sK) format.`,
    );
  return [...x];
}

/** [N, C, ...] at another size. Source: torch.nn.functional.interpolate. */
export function interpolate(
  input: Tensor,
  ...rest: Rest<
    [
      size: Size | null,
      scaleFactor: Size | null,
      mode: InterpolationMode,
      alignCorners: boolean | null,
      recomputeScaleFactor: boolean | null,
      antialias: boolean,
    ],
    InterpolateOptions
  >
): Tensor {
  checkTensor('interpolate', input);
  const o = merge<InterpolateOptions>('interpolate', rest, NAMES, DEFAULTS);
  const mode = MODES[o.mode];
  const plain = o.mode === 'nearest' || o.mode === 'nearest-exact' || o.mode === 'area';
  if (plain && o.alignCorners !== null)
    throw new ValueError(
      'align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear',
    );
  const n = input.ndim - 2;
  const shape = input.shape.slice(2);
  if (o.size !== null && o.scaleFactor !== null)
    throw new ValueError('only one of size or scale_factor should be defined');
  if (o.size === null && o.scaleFactor === null) throw new ValueError('either size or scale_factor should be defined');
  if (o.recomputeScaleFactor === true && o.size !== null)
    throw new ValueError('recompute_scale_factor is not meaningful with an explicit size.');
  if (o.antialias && !(input.ndim === 4 && (o.mode === 'bilinear' || o.mode === 'bicubic')))
    throw new ValueError('Anti-alias option is only supported for bilinear and bicubic modes');
  if (mode === undefined || n < 1 || n > 3 || !mode.spatial.includes(n))
    throw new ShapeError(
      'Input Error: Only 3D, 4D and 5D input Tensors supported (got ' +
        `${input.ndim}D) for the modes: nearest | linear | bilinear | bicubic | trilinear | area | nearest-exact (got ${String(o.mode)})`,
    );
  const factors = o.scaleFactor === null ? null : perDimension(o.scaleFactor, n, 'scale_factor', shape);
  const size = factors
    ? shape.map((s, i) => Math.floor(s * factors[i]!))
    : perDimension(o.size!, n, 'output size', shape);
  if (o.mode === 'area') {
    const pool = [ops.adaptiveAvgPool1d, ops.adaptiveAvgPool2d, ops.adaptiveAvgPool3d][n - 1]!;
    return pool(input, size);
  }
  const scales = factors && o.recomputeScaleFactor !== true ? factors : [];
  return wrap(native.ops.resample(input._h, size, mode.op, o.alignCorners ?? false, scales, o.antialias));
}

type UpsampleOptions = Pick<InterpolateOptions, 'size' | 'scaleFactor'>;
/** An older name of `interpolate`. */
export function upsample(
  input: Tensor,
  ...rest: Rest<
    [size: Size | null, scaleFactor: Size | null, mode: InterpolationMode, alignCorners: boolean | null],
    Omit<InterpolateOptions, 'recomputeScaleFactor' | 'antialias'>
  >
): Tensor {
  return interpolate(input, merge<InterpolateOptions>('upsample', rest, NAMES.slice(0, 4), DEFAULTS));
}
/** `interpolate` in mode 'nearest'. */
export function upsampleNearest(
  input: Tensor,
  ...rest: Rest<[size: Size | null, scaleFactor: Size | null], UpsampleOptions>
): Tensor {
  return interpolate(input, merge<InterpolateOptions>('upsampleNearest', rest, NAMES.slice(0, 2), DEFAULTS));
}
/** `interpolate` in mode 'bilinear' with aligned corners. */
export function upsampleBilinear(
  input: Tensor,
  ...rest: Rest<[size: Size | null, scaleFactor: Size | null], UpsampleOptions>
): Tensor {
  const o = merge<InterpolateOptions>('upsampleBilinear', rest, NAMES.slice(0, 2), DEFAULTS);
  return interpolate(input, { ...o, mode: 'bilinear', alignCorners: true });
}
