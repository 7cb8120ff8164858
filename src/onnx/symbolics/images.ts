// Pooling, padding and sampling of images.
import { addDims } from '../../ir/dim.js';
import { isFloatType } from '../../ir/dtype.js';
import type { Dim } from '../../ir/graph.js';
import type { OnnxBuilder, Ref } from '../builder.js';
import type { Call, Symbolic } from '../call.js';

/** `x` with a batch dimension in front where it has none; `undo` takes it away again. */
export function batched(
  b: OnnxBuilder,
  call: Call,
  x: Ref,
  spatial: number,
): { x: Ref; undo: (r: Ref) => Ref; outShape: readonly (typeof x.type.shape)[number][] } {
  const shape = call.type().shape;
  if (x.type.shape.length === spatial + 2) return { x, undo: (r) => r, outShape: shape };
  const axes = b.int64s([0]);
  const wide = b.op('Unsqueeze', [x, axes], { dtype: x.type.dtype, shape: [1, ...x.type.shape] });
  return { x: wide, undo: (r) => b.op('Squeeze', [r, axes], { dtype: r.type.dtype, shape }), outShape: [1, ...shape] };
}

function poolAttrs(
  call: Call,
  spatial: number,
): { kernel_shape: number[]; strides: number[]; pads: number[]; ceil_mode: number } {
  const kernel = call.intsOf('kernelSize', spatial);
  const stride = call.has('stride') && call.dims('stride').length > 0 ? call.intsOf('stride', spatial) : kernel;
  const padding = call.intsOf('padding', spatial);
  return {
    kernel_shape: kernel,
    strides: stride,
    pads: [...padding, ...padding],
    ceil_mode: call.bool('ceilMode') ? 1 : 0,
  };
}

const maxPool =
  (spatial: number): Symbolic =>
  (b, call) => {
    const { x, undo, outShape } = batched(b, call, call.tensor('self'), spatial);
    const attrs = { ...poolAttrs(call, spatial), dilations: call.intsOf('dilation', spatial) };
    return [undo(b.op('MaxPool', [x], { dtype: x.type.dtype, shape: outShape }, attrs))];
  };

// ONNX counts its indices over the whole tensor, PyTorch per plane.
const maxPoolNd: Symbolic = (b, call) => {
  const spatial = call.dims('kernelSize').length;
  const { x, undo, outShape } = batched(b, call, call.tensor('self'), spatial);
  const plane = x.type.shape
    .slice(2)
    .map((d) => (typeof d === 'number' ? d : call.fail('its indices need fixed image sizes')))
    .reduce((n, d) => n * d, 1);
  const attrs = { ...poolAttrs(call, spatial), dilations: call.intsOf('dilation', spatial) };
  const types = [{ dtype: x.type.dtype, shape: outShape }, { dtype: 'int64', shape: outShape } as const];
  const [values, flat] = b.multi('MaxPool', [x], types, attrs) as [Ref, Ref];
  const indices = b.op('Mod', [flat, b.scalar(plane, 'int64')], flat.type);
  return [undo(values), undo(indices)];
};

const avgPoolNd: Symbolic = (b, call) => {
  const spatial = call.dims('kernelSize').length;
  const { x, undo, outShape } = batched(b, call, call.tensor('self'), spatial);
  const type = { dtype: x.type.dtype, shape: outShape };
  const divisor = call.has('divisorOverride') ? call.number('divisorOverride') : null;
  const attrs = {
    ...poolAttrs(call, spatial),
    count_include_pad: divisor !== null || call.bool('countIncludePad') ? 1 : 0,
  };
  if (divisor !== null && attrs.ceil_mode) return call.fail('divisorOverride with ceilMode has no ONNX form');
  if (divisor !== null && !isFloatType(type.dtype)) return call.fail('divisorOverride of integers has no ONNX form');
  const mean = b.op('AveragePool', [x], type, attrs);
  if (divisor === null) return [undo(mean)];
  const count = attrs.kernel_shape.reduce((p, q) => p * q, 1);
  return [undo(b.op('Mul', [mean, b.scalar(count / divisor, type.dtype)], type))];
};

const constantPadNd: Symbolic = (b, call) => {
  const x = call.tensor('self');
  const pad = call.ints('pad');
  const rank = x.type.shape.length;
  const side = (which: 0 | 1): number[] => Array.from({ length: rank }, (_, d) => pad[2 * (rank - 1 - d) + which] ?? 0);
  const pads = b.int64s([...side(0), ...side(1)]);
  return [b.op('Pad', [x, pads, b.scalar(call.number('value'), x.type.dtype)], call.type())];
};

const resample: Symbolic = (b, call) => {
  const x = call.tensor('input');
  const mode = call.attr('mode') as string;
  if (call.bool('antialias') && b.opset < 18) call.fail('antialias comes with opset 18');
  if (!isFloatType(x.type.dtype)) {
    // Whole numbers stay what they are where nothing is averaged.
    if (!mode.startsWith('nearest') || x.type.dtype === 'int64' || x.type.dtype === 'int32')
      return call.fail('only floating-point images have an ONNX form');
    const float = b.cast(x, 'float32');
    const [resized] = resample(b, call.withTensor('input', float))!;
    return [b.cast(resized!, x.type.dtype)];
  }
  const type = { dtype: x.type.dtype, shape: call.type().shape };
  const scales = (call.attr('scales') as readonly number[] | null) ?? [];
  const attrs = {
    mode: mode.startsWith('nearest') ? 'nearest' : mode,
    coordinate_transformation_mode: call.bool('alignCorners')
      ? 'align_corners'
      : mode === 'nearest'
        ? 'asymmetric'
        : 'half_pixel',
    nearest_mode: mode === 'nearest' ? 'floor' : 'round_prefer_ceil',
    cubic_coeff_a: { float: -0.75 },
    ...(call.bool('antialias') ? { antialias: 1 } : {}),
  };
  if (scales.length > 0 && scales.every((s) => s > 0)) {
    const factors = b.constant([1, 1, ...scales], 'float32', [scales.length + 2]);
    return [b.op('Resize', [x, null, factors], type, attrs)];
  }
  const sizes = call.type().shape.map((d) => (typeof d === 'number' ? d : call.fail('needs fixed sizes')));
  return [b.op('Resize', [x, null, null, b.int64s(sizes)], type, attrs)];
};

const gridSample: Symbolic = (b, call) => {
  const x = call.tensor('input');
  if (x.type.shape.length !== 4) return null;
  // Opset 20 renamed the modes.
  const mode = call.string('mode');
  const names: Readonly<Record<string, string>> = b.opset >= 20 ? { bilinear: 'linear', bicubic: 'cubic' } : {};
  const attrs = {
    mode: names[mode] ?? mode,
    padding_mode: call.attr('paddingMode') as string,
    align_corners: call.has('alignCorners') && call.bool('alignCorners') ? 1 : 0,
  };
  return [b.op('GridSample', [x, call.tensor('grid')], call.type(), attrs)];
};

/** Places of every element of every window of one dimension, [window, element]. */
function windowPlaces(call: Call, size: Dim, d: number): { at: number[]; kernel: number; count: number } {
  if (typeof size !== 'number') return call.fail('the image needs fixed sizes');
  const [kernel, dilation, stride] = ['kernelSize', 'dilation', 'stride'].map((n) => call.intsOf(n, 2)[d]!) as [
    number,
    number,
    number,
  ];
  const count = Math.floor((size - dilation * (kernel - 1) - 1) / stride) + 1;
  const at = Array.from({ length: kernel }, (_, k) =>
    Array.from({ length: count }, (_, i) => i * stride + k * dilation),
  );
  return { at: at.flat(), kernel, count };
}

/** Windows as columns: [n, c, h, w] padded, rows and columns gathered, [n, c kh kw, oh ow]. */
const im2col: Symbolic = (b, call) => {
  const { x, undo } = batched(b, call, call.tensor('input'), 2);
  const [n, c, h, w] = x.type.shape as [Dim, Dim, Dim, Dim];
  const [ph, pw] = call.intsOf('padding', 2) as [number, number];
  const { dtype } = x.type;
  const [rows, cols] = [addDims(h, 2 * ph), addDims(w, 2 * pw)];
  const pads = b.int64s([0, 0, ph, pw, 0, 0, ph, pw]);
  const padded = ph + pw === 0 ? x : b.op('Pad', [x, pads, b.scalar(0, dtype)], { dtype, shape: [n, c, rows, cols] });
  const [dy, dx] = [windowPlaces(call, rows, 0), windowPlaces(call, cols, 1)];
  const tall = { dtype, shape: [n, c, dy.kernel, dy.count, cols] };
  const a = b.op('Gather', [padded, b.constant(dy.at, 'int64', [dy.kernel, dy.count])], tall, { axis: 2 });
  const full = { dtype, shape: [n, c, dy.kernel, dy.count, dx.kernel, dx.count] };
  const all = b.op('Gather', [a, b.constant(dx.at, 'int64', [dx.kernel, dx.count])], full, { axis: 4 });
  const moved = { dtype, shape: [n, c, dy.kernel, dx.kernel, dy.count, dx.count] };
  const ordered = b.op('Transpose', [all], moved, { perm: [0, 1, 2, 4, 3, 5] });
  if (typeof c !== 'number') return call.fail('the channels must be fixed');
  const columns = [c * dy.kernel * dx.kernel, dy.count * dx.count];
  return [undo(b.op('Reshape', [ordered, b.int64s([0, ...columns])], { dtype, shape: [n, ...columns] }))];
};

/** Undoes im2col, adding where windows overlap. */
const col2im: Symbolic = (b, call) => {
  const x = call.tensor('input');
  const out = call.type();
  const single = x.type.shape.length === 2;
  const wide = single ? b.op('Unsqueeze', [x, b.int64s([0])], { dtype: x.type.dtype, shape: [1, ...x.type.shape] }) : x;
  const padding = call.intsOf('padding', 2);
  const attrs = {
    dilations: call.intsOf('dilation', 2),
    strides: call.intsOf('stride', 2),
    pads: [...padding, ...padding],
  };
  const type = { dtype: out.dtype, shape: single ? [1, ...out.shape] : out.shape };
  const sizes = [b.int64s(call.intsOf('outputSize', 2)), b.int64s(call.intsOf('kernelSize', 2))];
  const image = b.op('Col2Im', [wide, ...sizes], type, attrs);
  return [single ? b.op('Squeeze', [image, b.int64s([0])], out) : image];
};

export const images: Readonly<Record<string, Symbolic>> = {
  maxPool1d: maxPool(1),
  maxPool2d: maxPool(2),
  maxPool3d: maxPool(3),
  maxPoolNd,
  avgPoolNd,
  constantPadNd,
  resample,
  im2col,
  col2im,
  gridSample,
};
