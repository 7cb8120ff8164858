// Weight initialisation with PyTorch's draws: a seed gives PyTorch's weights. Source: torch/nn/init.py, 1.13.
import { noGrad } from '../autograd/modes.js';
import { ShapeError, ValueError } from '../tensor/errors.js';
import { randperm, tensor } from '../tensor/create.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Generator } from '../random.js';

export type Nonlinearity =
  'linear' | 'conv1d' | 'conv2d' | 'conv3d' | 'sigmoid' | 'tanh' | 'relu' | 'leakyRelu' | 'leaky_relu' | 'selu';
export interface InitOptions {
  generator?: Generator | null;
}

/** The factor that keeps variances through a nonlinearity. */
export function calculateGain(nonlinearity: Nonlinearity, param: number | null = null): number {
  switch (nonlinearity) {
    case 'linear':
    case 'conv1d':
    case 'conv2d':
    case 'conv3d':
    case 'sigmoid':
      return 1;
    case 'tanh':
      return 5 / 3;
    case 'relu':
      return Math.SQRT2;
    case 'leakyRelu':
    case 'leaky_relu':
      return Math.sqrt(2 / (1 + (param ?? 0.01) ** 2));
    case 'selu':
      return 3 / 4;
    default:
      throw new ValueError(`Unsupported nonlinearity ${String(nonlinearity)}`);
  }
}

/** [fanIn, fanOut] of a weight of two or more dimensions. */
export function calculateFanInAndFanOut(t: Tensor): [number, number] {
  if (t.ndim < 2)
    throw new ShapeError('Fan in and fan out can not be computed for tensor with fewer than 2 dimensions');
  const field = t.shape.slice(2).reduce((a, b) => a * b, 1);
  return [t.shape[1]! * field, t.shape[0]! * field];
}

let skipping = 0;
/** Runs `body` with all functions of this file doing nothing. Internal: see nn.utils.skipInit. */
export function withoutInit<T>(body: () => T): T {
  skipping++;
  try {
    return body();
  } finally {
    skipping--;
  }
}
/** Writes into a tensor without recording it. */
const write = (t: Tensor, body: () => Tensor): Tensor => (skipping > 0 ? t : noGrad(body));

export function uniform_(t: Tensor, a = 0, b = 1, o: InitOptions = {}): Tensor {
  return write(t, () => t.uniform_(a, b, { generator: o.generator ?? null }));
}
export function normal_(t: Tensor, mean = 0, std = 1, o: InitOptions = {}): Tensor {
  return write(t, () => t.normal_(mean, std, { generator: o.generator ?? null }));
}
export function constant_(t: Tensor, value: number): Tensor {
  return write(t, () => t.fill_(value));
}
export const zeros_ = (t: Tensor): Tensor => constant_(t, 0);
export const ones_ = (t: Tensor): Tensor => constant_(t, 1);
/** The identity matrix. Throws ShapeError unless the tensor has two dimensions. */
export function eye_(t: Tensor): Tensor {
  if (t.ndim !== 2) throw new ShapeError('Only tensors with 2 dimensions are supported');
  const n = t.shape[0]!;
  const m = t.shape[1]!;
  return fillFrom(
    t,
    Float64Array.from({ length: n * m }, (_, i) => (Math.floor(i / m) === i % m ? 1 : 0)),
  );
}
/** Convolution weights that pass their input through, per group. */
export function dirac_(t: Tensor, groups = 1): Tensor {
  if (t.ndim < 3 || t.ndim > 5) throw new ShapeError('Only tensors with 3, 4, or 5 dimensions are supported');
  const [out, inner, ...spatial] = t.shape as [number, number, ...number[]];
  if (out % groups !== 0) throw new ValueError('dim 0 must be divisible by groups');
  const field = spatial.reduce((a, b) => a * b, 1);
  const center = spatial.reduce((at, s) => at * s + Math.floor(s / 2), 0);
  const values = new Float64Array(t.numel());
  const perGroup = out / groups;
  for (let g = 0; g < groups; g++) {
    for (let d = 0; d < Math.min(perGroup, inner); d++) values[((g * perGroup + d) * inner + d) * field + center] = 1;
  }
  return fillFrom(t, values);
}

export function xavierUniform_(t: Tensor, gain = 1, o: InitOptions = {}): Tensor {
  const [fanIn, fanOut] = calculateFanInAndFanOut(t);
  const bound = Math.sqrt(3) * (gain * Math.sqrt(2 / (fanIn + fanOut)));
  return uniform_(t, -bound, bound, o);
}
export function xavierNormal_(t: Tensor, gain = 1, o: InitOptions = {}): Tensor {
  const [fanIn, fanOut] = calculateFanInAndFanOut(t);
  return normal_(t, 0, gain * Math.sqrt(2 / (fanIn + fanOut)), o);
}
export interface KaimingOptions extends InitOptions {
  /** Negative slope of leakyRelu. */
  a?: number;
  mode?: 'fanIn' | 'fanOut' | 'fan_in' | 'fan_out';
  nonlinearity?: Nonlinearity;
}
function kaimingStd(t: Tensor, o: KaimingOptions): number {
  const { a = 0, mode = 'fanIn', nonlinearity = 'leakyRelu' } = o;
  const [fanIn, fanOut] = calculateFanInAndFanOut(t);
  if (!['fanIn', 'fanOut', 'fan_in', 'fan_out'].includes(mode))
    throw new ValueError(`Mode ${mode} not supported, please use one of fanIn, fanOut`);
  const fan = mode === 'fanIn' || mode === 'fan_in' ? fanIn : fanOut;
  return calculateGain(nonlinearity, a) / Math.sqrt(fan);
}
export function kaimingUniform_(t: Tensor, o: KaimingOptions = {}): Tensor {
  if (t.shape.includes(0)) return t;
  const bound = Math.sqrt(3) * kaimingStd(t, o);
  return uniform_(t, -bound, bound, o);
}
export function kaimingNormal_(t: Tensor, o: KaimingOptions = {}): Tensor {
  if (t.shape.includes(0)) return t;
  return normal_(t, 0, kaimingStd(t, o), o);
}

/** Normal numbers cut at a and b, by the inverse distribution function. */
export function truncNormal_(t: Tensor, mean = 0, std = 1, a = -2, b = 2, o: InitOptions = {}): Tensor {
  const l = normCdf((a - mean) / std);
  const u = normCdf((b - mean) / std);
  return write(t, () => {
    t.uniform_(2 * l - 1, 2 * u - 1, { generator: o.generator ?? null });
    t.copy_(
      erfinv(t)
        .mul(std * Math.SQRT2)
        .add(mean),
    );
    return t.clamp_(a, b);
  });
}
const normCdf = (x: number): number =>
  (1 +
    tensor(x / Math.SQRT2, { dtype: 'float64' })
      .erf()
      .item()) /
  2;

/** Inverse of erf: Giles' polynomial (https://people.maths.ox.ac.uk/gilesm/files/gems_erfinv.pdf), then two Newton steps in float64. */
function erfinv(t: Tensor): Tensor {
  const y = t.detach().double();
  const start = Float64Array.from(y.toTypedArray() as Float64Array, gilesErfinv);
  let x = tensor(start).reshape([...y.shape]);
  for (let i = 0; i < 2; i++)
    x = x.sub(
      x
        .erf()
        .sub(y)
        .mul(x.square().exp())
        .mul(Math.sqrt(Math.PI) / 2),
    );
  return x.to(t.dtype);
}
function gilesErfinv(x: number): number {
  if (Math.abs(x) >= 1) return Math.abs(x) === 1 ? x * Infinity : NaN;
  const w = -Math.log((1 - x) * (1 + x));
  const near = [
    2.81022636e-8, 3.43273939e-7, -3.5233877e-6, -4.39150654e-6, 0.00021858087, -0.00125372503, -0.00417768164,
    0.246640727, 1.50140941,
  ];
  const far = [
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047,
    1.00167406, 2.83297682,
  ];
  const [p, v] = w < 5 ? [near, w - 2.5] : [far, Math.sqrt(w) - 3];
  return x * p.reduce((sum, c) => sum * v + c, 0);
}

/** A (semi) orthogonal matrix: the Q of a QR decomposition of normal numbers, with R's diagonal made positive. */
export function orthogonal_(t: Tensor, gain = 1, o: InitOptions = {}): Tensor {
  if (t.ndim < 2) throw new ShapeError('Only tensors with 2 or more dimensions are supported');
  if (t.numel() === 0 || skipping > 0) return t;
  const rows = t.shape[0]!;
  const cols = t.numel() / rows;
  const draw = tensor(new Float32Array(rows * cols))
    .normal_(0, 1, { generator: o.generator ?? null })
    .double()
    .toTypedArray() as Float64Array;
  // Work on the tall orientation: n x k with n >= k, column by column (modified Gram-Schmidt, twice for accuracy).
  const tall = rows >= cols;
  const [n, k] = tall ? [rows, cols] : [cols, rows];
  const q = new Float64Array(n * k);
  for (let i = 0; i < n; i++) for (let j = 0; j < k; j++) q[i * k + j] = tall ? draw[i * k + j]! : draw[j * n + i]!;
  for (let j = 0; j < k; j++) {
    for (let pass = 0; pass < 2; pass++) {
      for (let p = 0; p < j; p++) {
        let dot = 0;
        for (let i = 0; i < n; i++) dot += q[i * k + p]! * q[i * k + j]!;
        for (let i = 0; i < n; i++) q[i * k + j]! -= dot * q[i * k + p]!;
      }
    }
    let norm = 0;
    for (let i = 0; i < n; i++) norm += q[i * k + j]! ** 2;
    for (let i = 0; i < n; i++) q[i * k + j]! /= Math.sqrt(norm);
  }
  const values = new Float64Array(rows * cols);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < cols; c++) values[r * cols + c] = gain * (tall ? q[r * k + c]! : q[c * k + r]!);
  return fillFrom(t, values);
}

/** Normal numbers, `sparsity` of each column zero. */
export function sparse_(t: Tensor, sparsity: number, std = 0.01): Tensor {
  if (t.ndim !== 2) throw new ShapeError('Only tensors with 2 dimensions are supported');
  const [rows, cols] = t.shape as [number, number];
  if (skipping > 0) return t;
  const zeros = Math.ceil(sparsity * rows);
  normal_(t, 0, std);
  const values = Float64Array.from(t.detach().double().toTypedArray() as Float64Array);
  for (let c = 0; c < cols; c++) {
    const order = permutation(rows);
    for (let i = 0; i < zeros; i++) values[Number(order[i]) * cols + c] = 0;
  }
  return fillFrom(t, values);
}
const permutation = (n: number): ArrayLike<bigint | number> => randperm(n).toTypedArray();

function fillFrom(t: Tensor, values: Float64Array): Tensor {
  return write(t, () => t.copy_(tensor(values).reshape([...t.shape])));
}
