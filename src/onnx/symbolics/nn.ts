// Layers: matrix products, convolution, pooling, normalisation.
import { isFloatType } from '../../ir/dtype.js';
import type { Dim } from '../../ir/graph.js';
import type { OnnxBuilder, Ref } from '../builder.js';
import { axisOf, type Call, type Symbolic } from '../call.js';
import { dimText } from '../types.js';

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

/** `x` with a batch dimension in front where it has none; `undo` takes it away again. */
function batched(
  b: OnnxBuilder,
  call: Call,
  x: Ref,
): { x: Ref; undo: (r: Ref) => Ref; outShape: readonly (typeof x.type.shape)[number][] } {
  const shape = call.type().shape;
  if (x.type.shape.length === 4) return { x, undo: (r) => r, outShape: shape };
  const axes = b.int64s([0]);
  const wide = b.op('Unsqueeze', [x, axes], { dtype: x.type.dtype, shape: [1, ...x.type.shape] });
  return { x: wide, undo: (r) => b.op('Squeeze', [r, axes], { dtype: r.type.dtype, shape }), outShape: [1, ...shape] };
}

function poolAttrs(call: Call): { kernel_shape: number[]; strides: number[]; pads: number[]; ceil_mode: number } {
  const kernel = call.intsOf('kernelSize', 2);
  const stride = call.has('stride') && call.dims('stride').length > 0 ? call.intsOf('stride', 2) : kernel;
  const padding = call.intsOf('padding', 2);
  return {
    kernel_shape: kernel,
    strides: stride,
    pads: [...padding, ...padding],
    ceil_mode: call.bool('ceilMode') ? 1 : 0,
  };
}

const maxPool2d: Symbolic = (b, call) => {
  const { x, undo, outShape } = batched(b, call, call.tensor('self'));
  const attrs = { ...poolAttrs(call), dilations: call.intsOf('dilation', 2) };
  return [undo(b.op('MaxPool', [x], { dtype: x.type.dtype, shape: outShape }, attrs))];
};

// The exported model has the values only; ONNX counts its indices over the whole tensor, PyTorch per plane.
const maxPool2dWithIndices: Symbolic = (b, call) => {
  const { x, undo, outShape } = batched(b, call, call.tensor('self'));
  const plane = x.type.shape
    .slice(2)
    .map((d) => (typeof d === 'number' ? d : call.fail('its indices need fixed image sizes')));
  const attrs = { ...poolAttrs(call), dilations: call.intsOf('dilation', 2) };
  const types = [{ dtype: x.type.dtype, shape: outShape }, { dtype: 'int64', shape: outShape } as const];
  const [values, flat] = b.multi('MaxPool', [x], types, attrs) as [Ref, Ref];
  const indices = b.op('Mod', [flat, b.scalar(plane[0]! * plane[1]!, 'int64')], flat.type);
  return [undo(values), undo(indices)];
};

const avgPool2d: Symbolic = (b, call) => {
  if (call.has('divisorOverride')) call.fail('divisorOverride has no ONNX form');
  const { x, undo, outShape } = batched(b, call, call.tensor('self'));
  const attrs = { ...poolAttrs(call), count_include_pad: call.bool('countIncludePad') ? 1 : 0 };
  return [undo(b.op('AveragePool', [x], { dtype: x.type.dtype, shape: outShape }, attrs))];
};

const adaptiveAvgPool2d: Symbolic = (b, call) => {
  const { x, undo, outShape } = batched(b, call, call.tensor('self'));
  const type = { dtype: x.type.dtype, shape: outShape };
  const target = outShape.slice(2);
  if (target.every((d) => d === 1)) return [undo(b.op('GlobalAveragePool', [x], type))];
  const kernel = target.map((out, i) => {
    const size = x.type.shape[i + 2]!;
    if (typeof size === 'number' && typeof out === 'number' && size % out === 0) return size / out;
    return call.fail(`an output of ${dimText(out)} from ${dimText(size)} has no ONNX form: the sizes must divide`);
  });
  return [undo(b.op('AveragePool', [x], type, { kernel_shape: kernel, strides: kernel }))];
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
  maxPool2d,
  maxPool2dWithIndices,
  avgPool2d,
  adaptiveAvgPool2d,
  batchNorm,
  layerNorm,
  softmax: softmax('Softmax'),
  logSoftmax: softmax('LogSoftmax'),
  embedding: (b, call) => [b.op('Gather', [call.tensor('weight'), call.tensor('indices')], call.type(), { axis: 0 })],
};
