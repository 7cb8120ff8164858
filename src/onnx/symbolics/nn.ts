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
  const [alpha, beta] = [call.number('alpha'), call.number('beta')];
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

const batchNorm: Symbolic = (b, call) => {
  if (call.bool('training')) return null;
  const x = call.tensor('input');
  const channels = x.type.shape[1];
  if (typeof channels !== 'number') call.fail('the number of channels must be fixed');
  const shape = [channels as number];
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
  const x = call.tensor('input');
  const shape = call.ints('normalizedShape');
  const inputs = [x, parameter(b, call, 'weight', shape, 1), call.optional('bias')];
  const attrs = { axis: -shape.length, epsilon: { float: call.number('eps') } };
  return [b.op('LayerNormalization', inputs, call.type(), attrs)];
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
  softmax: softmax('Softmax'),
  logSoftmax: softmax('LogSoftmax'),
  embedding: (b, call) => [b.op('Gather', [call.tensor('weight'), call.tensor('indices')], call.type(), { axis: 0 })],
};
