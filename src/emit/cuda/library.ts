// Library steps of a program as native/cuda/library.cuh reads them: one line of words each.
//   product TYPE M N K a_row a_col b_row b_col BIAS RELU BATCHES (count a b)*      strides in elements; TYPE: 0 float32, 1 float64, 2 float16, 3 bfloat16
//   window KIND BIAS RELU N GROUPS XC YC in[3] out[3] kernel[3] stride[3] padding[3] dilation[3]
import { contiguousStrides } from '../../ir/dim.js';
import { type StepMeta, type TensorMeta } from '../meta.js';

const TYPE_CODES: Readonly<Record<string, number>> = { float32: 0, float64: 1, float16: 2, bfloat16: 3 };
const KINDS: Readonly<Record<string, number>> = {
  convolution: 0,
  convolutionBackwardInput: 1,
  convolutionBackwardWeight: 2,
  maxPoolNd: 3,
  maxPoolNdBackward: 4,
};

/** The line of a step, or null where the GPU library does not have it. */
export function libraryStep(s: StepMeta): string | null {
  if (s.epilogue?.some((e) => e.op !== 'relu')) return null;
  const shapes = [...s.inputs, ...s.outputs].flatMap((t) => (t === null ? [] : (t as TensorMeta).shape));
  if (shapes.some((d) => typeof d !== 'number')) return null;
  return product(s) ?? window(s);
}

const shapeOf = (t: TensorMeta): number[] => t.shape.map(Number);
const relu = (s: StepMeta): number => (s.epilogue?.some((e) => e.op === 'relu') ? 1 : 0);

function product(s: StepMeta): string | null {
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
    ...[type, m, n, k, ...at.slice(-2), ...bt.slice(-2), bias ? 1 : 0, relu(s), batches.length],
    ...batches.flat(),
  ].join(' ');
}

function window(s: StepMeta): string | null {
  let kind = KINDS[s.op];
  const tensors = s.inputs as readonly (TensorMeta | null)[];
  const [a, b, bias] = tensors.map((t) => (t ? shapeOf(t) : null));
  const y = shapeOf(s.outputs[0]!);
  if (kind === undefined || !a || s.outputs[0]!.dtype !== 'float32') return null;
  if (tensors.some((t) => t?.strides || (t && t.dtype !== 'float32' && kind !== 4))) return null;
  if (s.attrs['transposed'] === true) {
    if (kind !== 0) return null;
    kind = 1;
  }
  const three = (list: readonly number[], fill: number): number[] => [
    ...new Array<number>(3 - list.length).fill(fill),
    ...list,
  ];
  if (kind === 4) {
    // Only which elements of the input each window chose matters.
    const spatial = Number(s.attrs['spatial']);
    if (y.length !== spatial + 2) return null;
    const ones = [1, 1, 1];
    return [
      ...['window', kind, 0, 0, y[0]!, 1, y[1]!, y[1]!],
      ...[...three(y.slice(2), 1), ...three(a.slice(2), 1), ...ones, ...ones, 0, 0, 0, ...ones],
    ].join(' ');
  }
  const attr = (name: string, fill: number): number[] => three(s.attrs[name] as number[], fill);
  const [x, result, kernel] =
    kind === 2 ? [b!, a, y.slice(2)] : [a, y, kind === 3 ? (s.attrs['kernelSize'] as number[]) : b!.slice(2)];
  if (x.length !== kernel.length + 2 || kernel.length > 3) return null;
  return [
    'window',
    ...[kind, bias ? 1 : 0, relu(s)],
    ...[x[0]!, Number(s.attrs['groups'] ?? 1), x[1]!, result[1]!],
    ...[...three(x.slice(2), 1), ...three(result.slice(2), 1), ...three(kernel, 1)],
    ...[...attr('stride', 1), ...attr('padding', 0), ...attr('dilation', 1)],
  ].join(' ');
}
