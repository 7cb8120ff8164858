// Quantised numbers: q = saturate(round(x / scale) + zero_point).
import * as t from './t.js';
import type { DType } from '../../../tensor/dtype.js';
import type { Tensor } from '../../../tensor/handle.js';
import { op, type NodeContext, type OperatorTable, type Value } from '../node.js';
import { elementType, type Wide } from '../tensors.js';
import { convolve } from './conv_pool.js';

const LIMITS: Readonly<Record<string, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
};

/** A scale or zero point laid along `axis` of x: one for all, one an index, or one a block of `block_size`. */
function along(n: NodeContext, p: Tensor, x: Tensor): Tensor {
  if (p.numel() === 1) return p.reshape([]);
  const axis = n.axis(n.attributeInt('axis', 1), x.dim());
  const block = n.attributeInt('block_size', 0);
  if (block > 0) {
    if (p.dim() !== x.dim()) n.fail(`blocks of shape [${p.shape}] for [${x.shape}]`);
    return p.repeatInterleave(block, axis).narrow(axis, 0, x.shape[axis]!);
  }
  if (p.dim() !== 1 || p.shape[0] !== x.shape[axis])
    n.fail(`a parameter of shape [${p.shape}] for axis ${axis} of [${x.shape}]`);
  return p.reshape(x.shape.map((s, i) => (i === axis ? s : 1)));
}

function quantized(n: NodeContext, real: Tensor, zero: Tensor | null, kind: string): Tensor {
  const limits = LIMITS[kind] ?? n.fail(`quantisation to ${kind} is not supported`);
  let y = real.round();
  if (zero) y = y.add(zero.to(y.dtype));
  return y.clamp(limits[0], limits[1]).to((kind === 'uint16' ? 'int32' : kind) as DType);
}
const kindOf = (v: Value): string => v.wide ?? v.tensor.dtype;

function quantizeLinear(n: NodeContext): Value | Tensor {
  const x = n.tensor(0);
  const scale = along(n, n.tensor(1), x);
  let kind = 'uint8';
  if (n.has(2)) kind = kindOf(n.value(2));
  else if (n.hasAttribute('output_dtype') && n.attributeInt('output_dtype') !== 0) {
    const e = elementType(n.attributeInt('output_dtype'), n.fail);
    kind = e.wide ?? e.dtype;
  }
  const wanted = n.attributeInt('precision', 0);
  const real =
    wanted !== 0
      ? x.to(elementType(wanted, n.fail).dtype).div(scale)
      : x.to(x.dtype.startsWith('int') ? 'float32' : x.dtype).div(scale);
  const y = quantized(n, real, n.has(2) ? along(n, n.tensor(2), x) : null, kind);
  return kind === 'uint16' ? { tensor: y, known: n.inputs.every((v) => !v || v.known), wide: 'uint16' as Wide } : y;
}

function dequantizeLinear(n: NodeContext): Tensor {
  const x = n.tensor(0);
  const scale = along(n, n.tensor(1), x);
  const wide = x.to('int32');
  const shifted = n.has(2) ? wide.sub(along(n, n.tensor(2), x).to('int32')) : wide;
  const code = n.attributeInt('output_dtype', 0);
  return shifted
    .to(scale.dtype)
    .mul(scale)
    .to(code === 0 ? scale.dtype : elementType(code, n.fail).dtype);
}

function dynamicQuantize(n: NodeContext): Tensor[] {
  const x = n.tensor(0);
  const high = x.amax().clampMin(0);
  const low = x.amin().clampMax(0);
  const scale = high.sub(low).div(255);
  const zero = t.where(scale.eq(0), 0, low.neg().div(scale)).round().clamp(0, 255);
  const y = quantized(n, t.where(scale.eq(0), 0, x.div(scale)), zero, 'uint8');
  return [y, scale, zero.to('uint8')];
}

const shifted = (x: Tensor, zero: Tensor | undefined, shape?: (z: Tensor) => Tensor): Tensor => {
  const wide = x.to('int32');
  if (!zero) return wide;
  const z = zero.to('int32');
  return wide.sub(z.numel() === 1 ? z.reshape([]) : shape ? shape(z) : z);
};
const rowWise = (z: Tensor): Tensor => (z.dim() === 1 ? z.unsqueeze(1) : z);
/** Products of 8-bit integers: sums stay below 2^53, so they are exact in doubles. */
const product = (a: Tensor, b: Tensor): Tensor => a.double().matmul(b.double()).to('int32');

function qLinearMatMul(n: NodeContext): Tensor {
  const a = shifted(n.tensor(0), n.tensor(2), rowWise);
  const b = shifted(n.tensor(3), n.tensor(5));
  const scaleA = n.tensor(1).numel() === 1 ? n.tensor(1).reshape([]) : rowWise(n.tensor(1));
  const scaleB = n.tensor(4).numel() === 1 ? n.tensor(4).reshape([]) : n.tensor(4);
  const real = product(a, b).to('float32').mul(scaleA.float()).mul(scaleB.float()).div(n.tensor(6).float().reshape([]));
  return quantized(n, real, n.tensor(7).reshape([]), kindOf(n.value(7)));
}

/** x and w as float64 convolution of what is left after the zero points. */
function integerConv(n: NodeContext, x: Tensor, w: Tensor, zx: Tensor | undefined, zw: Tensor | undefined): Tensor {
  const channels = (z: Tensor): Tensor => z.reshape([-1, ...Array<number>(w.dim() - 1).fill(1)]);
  return convolve(n, shifted(x, zx).double(), shifted(w, zw, channels).double(), null);
}
function qLinearConv(n: NodeContext): Tensor {
  const y = integerConv(n, n.tensor(0), n.tensor(3), n.tensor(2), n.tensor(5));
  const perChannel = (v: Tensor): Tensor =>
    v.numel() === 1 ? v.reshape([]) : v.reshape([-1, ...Array<number>(y.dim() - 2).fill(1)]);
  const sums = n.has(8) ? y.add(perChannel(n.tensor(8).double())) : y;
  const real = sums
    .float()
    .mul(n.tensor(1).reshape([]))
    .mul(perChannel(n.tensor(4)))
    .div(n.tensor(6).reshape([]));
  return quantized(n, real, n.tensor(7).reshape([]), kindOf(n.value(7)));
}

export const QUANTIZE: OperatorTable = {
  QuantizeLinear: op(quantizeLinear, [2, 3], { wideAs: null, settings: [1] }),
  DequantizeLinear: op(dequantizeLinear, [2, 3], { wideAs: null, settings: [1] }),
  DynamicQuantizeLinear: op(dynamicQuantize, 1, { outputs: [3, 3] }),
  MatMulInteger: op(
    (n) => product(shifted(n.tensor(0), n.optional(2), rowWise), shifted(n.tensor(1), n.optional(3))),
    [2, 4],
  ),
  QLinearMatMul: op(qLinearMatMul, 8, { wideAs: null, settings: [1, 4, 6] }),
  ConvInteger: op((n) => integerConv(n, n.tensor(0), n.tensor(1), n.optional(2), n.optional(3)).to('int32'), [2, 4]),
  QLinearConv: op(qLinearConv, [8, 9], { wideAs: null, settings: [1, 4, 6] }),
};
