// Weight initialisation with PyTorch's draws: a seed gives PyTorch's weights. Source: torch/nn/init.py, 1.13.
import { noGrad } from '../autograd/modes.js';
import { ShapeError, ValueError } from '../tensor/errors.js';
import { empty, randperm, tensor } from '../tensor/create.js';
import { qr } from '../../generated/ts/linalg.js';
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
    return t
      .erfinv_()
      .mul_(std * Math.SQRT2)
      .add_(mean)
      .clamp_(a, b);
  });
}
const normCdf = (x: number): number =>
  (1 +
    tensor(x / Math.SQRT2, { dtype: 'float64' })
      .erf()
      .item()) /
  2;

/** A (semi) orthogonal matrix: the Q of a QR decomposition of normal numbers, with R's diagonal made positive. */
export function orthogonal_(t: Tensor, gain = 1, o: InitOptions = {}): Tensor {
  if (t.ndim < 2) throw new ShapeError('Only tensors with 2 or more dimensions are supported');
  if (t.numel() === 0 || skipping > 0) return t;
  const rows = t.shape[0]!;
  const cols = t.numel() / rows;
  return write(t, () => {
    const draw = empty([rows, cols], { dtype: t.dtype }).normal_(0, 1, { generator: o.generator ?? null });
    const tall = rows >= cols;
    const [q, r] = qr(tall ? draw : draw.t());
    // The signs that make the decomposition unique, and the matrix uniformly distributed.
    const unique = q.mul(r.diagonal().sign());
    t.copy_((tall ? unique : unique.t()).reshape([...t.shape]));
    return t.mul_(gain);
  });
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
