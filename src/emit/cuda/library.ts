// Library steps of a program as native/cuda/library.cuh reads them: one line of words each.
//   product TYPE TF32 M N K a_row a_col b_row b_col BIAS RELU BATCHES (count a b)*
//     strides in elements; TYPE: 0 float32, 1 float64, 2 float16, 3 bfloat16
//   window KIND BIAS RELU TF32 PADDED DIVISOR N GROUPS XC YC in[3] out[3] kernel[3] stride[3] padding[3] dilation[3]
// TF32: float32 factors may be rounded to TF32's 10 bits (setFloat32MatmulPrecision).
import { contiguousStrides } from '../../ir/dim.js';
import { type StepMeta, type TensorMeta } from '../meta.js';

const TYPE_CODES: Readonly<Record<string, number>> = { float32: 0, float64: 1, float16: 2, bfloat16: 3 };
const [CONVOLUTION, TRANSPOSED, WEIGHT_GRADIENT, MAX_POOL, MAX_POOL_BACKWARD, AVERAGE_POOL, AVERAGE_POOL_BACKWARD] = [
  0, 1, 2, 3, 4, 5, 6,
] as const;
const KINDS: Readonly<Record<string, number>> = {
  convolution: CONVOLUTION,
  convolutionBackwardInput: TRANSPOSED,
  convolutionBackwardWeight: WEIGHT_GRADIENT,
  maxPoolNd: MAX_POOL,
  maxPoolNdBackward: MAX_POOL_BACKWARD,
  avgPoolNd: AVERAGE_POOL,
  avgPoolNdBackward: AVERAGE_POOL_BACKWARD,
};

export interface LibraryOptions {
  /** Convolutions and products of float32 may use TF32. */
  readonly tf32?: boolean;
}

/** The line of a step, or null where the GPU library does not have it. */
export function libraryStep(s: StepMeta, { tf32 = false }: LibraryOptions = {}): string | null {
  if (s.epilogue?.some((e) => e.op !== 'relu')) return null;
  const shapes = [...s.inputs, ...s.outputs].flatMap((t) => (t === null ? [] : (t as TensorMeta).shape));
  if (shapes.some((d) => typeof d !== 'number')) return null;
  return product(s, tf32) ?? window(s, tf32);
}

const shapeOf = (t: TensorMeta): number[] => t.shape.map(Number);
const relu = (s: StepMeta): number => (s.epilogue?.some((e) => e.op === 'relu') ? 1 : 0);

function product(s: StepMeta, tf32: boolean): string | null {
  if (!['matmul', 'mm', 'bmm', 'linear'].includes(s.op)) return null;
  const [a, b, bias] = s.inputs as readonly (TensorMeta | null)[];
  if (!a || !b || (bias && s.op !== 'linear')) return null;
  const type = TYPE_CODES[a.dtype];
  if (type === undefined || b.dtype !== a.dtype || s.outputs[0]!.dtype !== a.dtype) return null;
  const strides = (t: TensorMeta): number[] => t.strides?.map(Number) ?? contiguousStrides(shapeOf(t)).map(Number);
  let [as, at] = [shapeOf(a), strides(a)];
  let [bs, bt] = [shapeOf(b), strides(b)];
  if (as.length < 2 || bs.length < 2) return null;
  if (s.op === 'linear')
    [bs, bt] = [
      [bs[1]!, bs[0]!],
      [bt[1]!, bt[0]!],
    ];
  // One matrix of many rows instead of a batch, where the second operand is one matrix.
  while (as.length > 2 && bs.length === 2 && at[as.length - 3] === as[as.length - 2]! * at[as.length - 2]!) {
    const n = as.length;
    [as, at] = [
      [...as.slice(0, n - 3), as[n - 3]! * as[n - 2]!, as[n - 1]!],
      [...at.slice(0, n - 3), at[n - 2]!, at[n - 1]!],
    ];
  }
  const batch = as.slice(0, -2);
  const other = [...new Array<number>(Math.max(0, batch.length - (bs.length - 2))).fill(1), ...bs.slice(0, -2)];
  const otherStrides = [...new Array<number>(other.length - (bs.length - 2)).fill(0), ...bt.slice(0, -2)];
  if (batch.some((n, i) => n !== other[i] && other[i] !== 1)) return null;
  // Neighbouring batch dimensions that both operands walk as one.
  const batches = batch.map((n, i) => [n, at[i]!, other[i] === 1 ? 0 : otherStrides[i]!] as const);
  for (let i = batches.length - 2; i >= 0; i--) {
    const [p, q] = [batches[i]!, batches[i + 1]!];
    if (p[1] === q[0] * q[1] && p[2] === q[0] * q[2]) batches.splice(i, 2, [p[0] * q[0], q[1], q[2]]);
  }
  const [m, k] = as.slice(-2) as [number, number];
  const n = bs[bs.length - 1]!;
  return [
    'product',
    ...[type, Number(tf32), m, n, k, ...at.slice(-2), ...bt.slice(-2), bias ? 1 : 0, relu(s), batches.length],
    ...batches.flat(),
  ].join(' ');
}

const three = (list: readonly number[], fill: number): number[] => [
  ...new Array<number>(3 - list.length).fill(fill),
  ...list,
];
const ONES = [1, 1, 1];

function window(s: StepMeta, tf32: boolean): string | null {
  let kind = KINDS[s.op];
  const tensors = s.inputs as readonly (TensorMeta | null)[];
  const [a, b, bias] = tensors.map((t) => (t ? shapeOf(t) : null));
  const y = shapeOf(s.outputs[0]!);
  if (kind === undefined || !a || s.outputs[0]!.dtype !== 'float32') return null;
  if (tensors.some((t) => t?.strides || (t && t.dtype !== 'float32' && kind !== MAX_POOL_BACKWARD))) return null;
  if (s.attrs['transposed'] === true) {
    if (kind !== CONVOLUTION) return null;
    kind = TRANSPOSED;
  }
  if (kind === MAX_POOL_BACKWARD) {
    // Only which elements of the input each window chose matters.
    const spatial = Number(s.attrs['spatial']);
    if (y.length !== spatial + 2) return null;
    return [
      ...['window', kind, 0, 0, 0, 0, 0, y[0]!, 1, y[1]!, y[1]!],
      ...[...three(y.slice(2), 1), ...three(a.slice(2), 1), ...ONES, ...ONES, 0, 0, 0, ...ONES],
    ].join(' ');
  }
  const pools = kind === MAX_POOL || kind === AVERAGE_POOL || kind === AVERAGE_POOL_BACKWARD;
  // Of backward ops the input is the result.
  const [x, result] = kind === WEIGHT_GRADIENT ? [b!, a] : kind === AVERAGE_POOL_BACKWARD ? [y, a] : ([a, y] as const);
  const kernel = pools ? (s.attrs['kernelSize'] as number[]) : kind === WEIGHT_GRADIENT ? y.slice(2) : b!.slice(2);
  if (x.length !== kernel.length + 2 || kernel.length > 3) return null;
  /** One number stands for every dimension; of pooling, none for the kernel's own. */
  const attr = (name: string, fallback: readonly number[], fill: number): number[] => {
    const given = (s.attrs[name] as readonly number[] | undefined) ?? [];
    const list = given.length === 0 ? fallback : given;
    return three(list.length === 1 ? kernel.map(() => list[0]!) : list, fill);
  };
  return [
    'window',
    ...[kind, bias ? 1 : 0, relu(s), Number(tf32)],
    ...[s.attrs['countIncludePad'] === true ? 1 : 0, Number(s.attrs['divisorOverride'] ?? 0)],
    ...[x[0]!, Number(s.attrs['groups'] ?? 1), x[1]!, result[1]!],
    ...[...three(x.slice(2), 1), ...three(result.slice(2), 1), ...three(kernel, 1)],
    ...[...attr('stride', pools ? kernel : [1], 1), ...attr('padding', [0], 0), ...attr('dilation', [1], 1)],
  ].join(' ');
}
