// Layers: matrix products, convolution, normalisation.
import { isFloatType } from '../../ir/dtype.js';
import type { Dim } from '../../ir/graph.js';
import type { OnnxBuilder, Ref } from '../builder.js';
import { axisOf, type Call, type Symbolic } from '../call.js';

const matmul =
  (left: string, right: string): Symbolic =>
  (b, call) => {
    const out = call.type();
    return [b.op('MatMul', [b.cast(call.tensor(left), out.dtype), b.cast(call.tensor(right), out.dtype)], out)];
  };

const linear: Symbolic = (b, call) => {
  const [x, w, bias] = [call.tensor('input'), call.tensor('weight'), call.optional('bias')];
  const out = call.type();
  if (x.type.shape.length === 2 && w.type.shape.length === 2 && isFloatType(out.dtype)) {
    return [b.op('Gemm', [x, w, bias], out, { transB: 1 })];
  }
  const [n, k] = w.type.shape as [Dim, Dim];
  const wt =
    w.type.shape.length === 2 ? b.op('Transpose', [w], { dtype: w.type.dtype, shape: [k, n] }, { perm: [1, 0] }) : w;
  const product = b.op('MatMul', [x, wt], out);
  return [bias ? b.op('Add', [product, bias], out) : product];
};

const addmm: Symbolic = (b, call) => {
  // Of integers PyTorch takes the whole part of the factors.
  const factor = (name: string): number =>
    isFloatType(call.type().dtype) ? call.number(name) : Math.trunc(call.number(name));
  const [alpha, beta] = [factor('alpha'), factor('beta')];
  const inputs = [call.tensor('mat1'), call.tensor('mat2'), beta === 0 ? null : call.tensor('self')];
  return [b.op('Gemm', inputs, call.type(), { alpha: { float: alpha }, beta: { float: beta } })];
};

const convolution: Symbolic = (b, call) => {
  const x = call.tensor('input');
  const w = call.tensor('weight');
  const spatial = w.type.shape.length - 2;
  if (x.type.shape.length !== spatial + 2) call.fail('the input needs a batch dimension');
  const padding = call.intsOf('padding', spatial);
  const attrs = {
    kernel_shape: w.type.shape.slice(2) as number[],
    strides: call.intsOf('stride', spatial),
    pads: [...padding, ...padding],
    dilations: call.intsOf('dilation', spatial),
    group: call.number('groups'),
  };
  const inputs = [x, w, call.optional('bias')];
  if (!call.bool('transposed')) return [b.op('Conv', inputs, call.type(), attrs)];
  return [
    b.op('ConvTranspose', inputs, call.type(), { ...attrs, output_padding: call.intsOf('outputPadding', spatial) }),
  ];
};

/** A per-channel (or per-element) parameter, constant where the layer has none. */
function parameter(b: OnnxBuilder, call: Call, name: string, shape: readonly number[], value: number): Ref {
  const given = call.optional(name);
  if (given) return given;
  const count = shape.reduce((x, y) => x * y, 1);
  return b.constant(new Array<number>(count).fill(value), call.type().dtype, shape);
}

/** With the running statistics; the batch's are computed by nodes of their own: ONNX updates the variance without n / (n - 1). */
const batchNorm: Symbolic = (b, call) => {
  if (call.bool('training')) return null;
  const x = call.tensor('input');
  const channels = x.type.shape[1];
  if (typeof channels !== 'number') return null;
  const shape = [channels];
  const inputs = [
    x,
    parameter(b, call, 'weight', shape, 1),
    parameter(b, call, 'bias', shape, 0),
    call.tensor('runningMean'),
    call.tensor('runningVar'),
  ];
  return [b.op('BatchNormalization', inputs, call.type(), { epsilon: { float: call.number('eps') } })];
};

const layerNorm: Symbolic = (b, call) => {
  if (!b.has('LayerNormalization')) return null;
  const x = call.tensor('input');
  const shape = call.ints('normalizedShape');
  const inputs = [x, parameter(b, call, 'weight', shape, 1), call.optional('bias')];
  const attrs = { axis: -shape.length, epsilon: { float: call.number('eps') } };
  return [b.op('LayerNormalization', inputs, call.type(), attrs)];
};

/** Statistics of each group of channels. */
const groupNorm: Symbolic = (b, call) => {
  const x = call.tensor('input');
  const channels = x.type.shape[1];
  if (!b.has('GroupNormalization') || typeof channels !== 'number' || x.type.shape.length < 3) return null;
  const attrs = { num_groups: call.number('numGroups'), epsilon: { float: call.number('eps') } };
  const [scale, bias] = [parameter(b, call, 'weight', [channels], 1), parameter(b, call, 'bias', [channels], 0)];
  return [b.op('GroupNormalization', [x, scale, bias], call.type(), attrs)];
};

const rmsNorm: Symbolic = (b, call) => {
  if (!b.has('RMSNormalization') || !isFloatType(call.type().dtype)) return null;
  const shape = call.ints('normalizedShape');
  const eps = call.has('eps') ? call.number('eps') : EPSILON[call.type().dtype];
  if (eps === undefined) return null;
  const inputs = [call.tensor('input'), parameter(b, call, 'weight', shape, 1)];
  return [b.op('RMSNormalization', inputs, call.type(), { axis: -shape.length, epsilon: { float: eps } })];
};
/** The distance from 1 to the next number. */
const EPSILON: Readonly<Record<string, number>> = {
  float32: 2 ** -23,
  float64: 2 ** -52,
  float16: 2 ** -10,
  bfloat16: 2 ** -7,
};

const instanceNorm: Symbolic = (b, call) => {
  const x = call.tensor('input');
  const channels = x.type.shape[1];
  // With running statistics they change, or they are used: then it is another function.
  if (!call.bool('useInputStats') || call.arg('runningMean').kind !== 'none') return null;
  if (typeof channels !== 'number' || x.type.shape.length < 3 || !isFloatType(x.type.dtype)) return null;
  const inputs = [x, parameter(b, call, 'weight', [channels], 1), parameter(b, call, 'bias', [channels], 0)];
  return [b.op('InstanceNormalization', inputs, call.type(), { epsilon: { float: call.number('eps') } })];
};

const localResponseNorm: Symbolic = (b, call) => {
  const x = call.tensor('input');
  const size = call.number('size');
  // ONNX's window of an even size lies one channel further; onnxruntime takes images only.
  if (x.type.shape.length !== 4 || size % 2 === 0 || !isFloatType(x.type.dtype)) return null;
  const [alpha, beta, bias] = ['alpha', 'beta', 'k'].map((n) => ({ float: call.number(n) })) as [
    { float: number },
    { float: number },
    { float: number },
  ];
  return [b.op('LRN', [x], call.type(), { size, alpha, beta, bias })];
};

const prelu: Symbolic = (b, call) => {
  const [x, weight] = [call.tensor('self'), call.tensor('weight')];
  if (!isFloatType(x.type.dtype) || x.type.dtype !== weight.type.dtype) return null;
  const rank = x.type.shape.length;
  const count = weight.type.shape[0] ?? 1;
  if (count === 1 || rank < 3) return [b.op('PRelu', [x, weight], call.type())];
  // One slope per channel lies in dimension 1.
  const shape = [count as number, ...new Array<number>(rank - 2).fill(1)];
  const slopes = b.op('Reshape', [weight, b.int64s(shape)], { dtype: weight.type.dtype, shape });
  return [b.op('PRelu', [x, slopes], call.type())];
};

/** Drops in training; in eval mode the composite is its input. */
const dropout: Symbolic = (b, call) => {
  const x = call.tensor('input');
  if (!call.bool('training') || call.op !== 'dropout' || !b.training) return null;
  const p = call.number('p');
  if (p === 0 || p === 1) return null;
  return [b.op('Dropout', [x, b.scalar(p, 'float32'), b.scalar(true, 'bool')], call.type())];
};

const depthToSpace: Symbolic = (b, call) => {
  const x = call.tensor('self');
  if (x.type.shape.length !== 4) return null;
  return [b.op('DepthToSpace', [x], call.type(), { blocksize: call.number('upscaleFactor'), mode: 'CRD' })];
};

const softmax =
  (type: 'Softmax' | 'LogSoftmax'): Symbolic =>
  (b, call) => {
    const out = call.type();
    if (out.shape.length === 0) return null;
    const x = b.cast(call.tensor('self'), out.dtype);
    return [b.op(type, [x], out, { axis: axisOf(call.number('dim'), out.shape.length) })];
  };

export const nn: Readonly<Record<string, Symbolic>> = {
  matmul: matmul('self', 'other'),
  mm: matmul('self', 'mat2'),
  bmm: matmul('self', 'mat2'),
  dot: matmul('self', 'tensor'),
  linear,
  addmm,
  convolution,
  batchNorm,
  layerNorm,
  groupNorm,
  rmsNorm,
  instanceNorm,
  localResponseNorm,
  prelu,
  dropout,
  pixelShuffle: depthToSpace,
  softmax: softmax('Softmax'),
  logSoftmax: softmax('LogSoftmax'),
  embedding: (b, call) => [b.op('Gather', [call.tensor('weight'), call.tensor('indices')], call.type(), { axis: 0 })],
};
