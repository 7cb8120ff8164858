// Pooling, padding and sampling of images.
import { isFloatType } from '../../ir/dtype.js';
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
  if (!isFloatType(x.type.dtype)) call.fail('only floating-point images have an ONNX form');
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
    return [b.op('Resize', [x, null, factors], call.type(), attrs)];
  }
  const sizes = call.type().shape.map((d) => (typeof d === 'number' ? d : call.fail('needs fixed sizes')));
  return [b.op('Resize', [x, null, null, b.int64s(sizes)], call.type(), attrs)];
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

export const images: Readonly<Record<string, Symbolic>> = {
  maxPool1d: maxPool(1),
  maxPool2d: maxPool(2),
  maxPool3d: maxPool(3),
  maxPoolNd,
  avgPoolNd,
  constantPadNd,
  resample,
  gridSample,
};
