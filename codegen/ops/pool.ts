// Pooling of one to three dimensions: kernels of any dimension (`...Nd`, one list entry per pooled dimension), and PyTorch's
// functions on top of them. Inputs are [n, c, ...] or [c, ...]; a single number stands for all dimensions; stride defaults to the
// kernel.
import { composite, extern, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Pooling',
  intro: `Windows over one to three dimensions of [n, c, ...] or [c, ...]. A single number stands for all dimensions; the stride defaults to the kernel.`,
  example: `const x = fb.tensor([[1, 3, 2, 4]]);
F.maxPool1d(x, 2); // => tensor([[3., 4.]])
F.avgPool1d(x, 2); // => tensor([[2., 3.]])
F.adaptiveAvgPool1d(x, 1); // => tensor([[2.5000]])`,
};

const source = (name: string): string =>
  `Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.${name}.html`;

// ---- kernels ----

export const maxPoolNd = extern({
  doc: 'Largest element of each window and its flat index in the plane.',
  schema:
    'maxPoolNd(self: Tensor, kernelSize: int[], stride: int[], padding: int[], dilation: int[], ceilMode: bool): (out: Tensor, indices: Tensor)',
  backward: {
    self: (grad: A, self: A, kernelSize: A, indices: A) =>
      t.maxPoolNdBackward(grad, indices, self.shape, kernelSize.length),
  },
  method: false,
  function: false,
  onnx: { symbolic: 'maxPoolNd' },
});
export const maxPoolNdBackward = extern({
  doc: 'Gradient of max pooling over the last `spatial` dimensions: each output gradient goes to the element that won.',
  schema: 'maxPoolNdBackward(gradOutput: Tensor, indices: Tensor, inputSize: int[], spatial: int): Tensor',
  backward: { gradOutput: (grad: A, indices: A, spatial: A) => h.gatherPlanes(grad, indices, spatial) },
  method: false,
  function: false,
  onnx: { none: 'derivative kernel' },
});
export const avgPoolNd = extern({
  doc: 'Mean of each window.',
  schema:
    'avgPoolNd(self: Tensor, kernelSize: int[], stride: int[], padding: int[], ceilMode: bool, countIncludePad: bool, divisorOverride: int?): Tensor',
  backward: {
    self: (
      grad: A,
      self: A,
      kernelSize: A,
      stride: A,
      padding: A,
      ceilMode: A,
      countIncludePad: A,
      divisorOverride: A,
    ) => t.avgPoolNdBackward(grad, self.shape, kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride),
  },
  method: false,
  function: false,
  onnx: { symbolic: 'avgPoolNd' },
});
export const avgPoolNdBackward = extern({
  doc: 'Gradient of average pooling.',
  schema:
    'avgPoolNdBackward(gradOutput: Tensor, inputSize: int[], kernelSize: int[], stride: int[], padding: int[], ceilMode: bool, countIncludePad: bool, divisorOverride: int?): Tensor',
  backward: {
    gradOutput: (grad: A, kernelSize: A, stride: A, padding: A, ceilMode: A, countIncludePad: A, divisorOverride: A) =>
      t.avgPoolNd(grad, kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride),
  },
  method: false,
  function: false,
  onnx: { none: 'derivative kernel' },
});
export const adaptiveAvgPoolNd = extern({
  doc: 'Mean over windows chosen so that the output is outputSize.',
  schema: 'adaptiveAvgPoolNd(self: Tensor, outputSize: int[]): Tensor',
  backward: {
    self: (grad: A, self: A, outputSize: A) => t.adaptiveAvgPoolNdBackward(grad, self.shape, outputSize.length),
  },
  method: false,
  function: false,
  onnx: { symbolic: 'adaptiveAvgPoolNd' },
});
export const adaptiveAvgPoolNdBackward = extern({
  doc: 'Gradient of adaptive average pooling over the last `spatial` dimensions.',
  schema: 'adaptiveAvgPoolNdBackward(gradOutput: Tensor, inputSize: int[], spatial: int): Tensor',
  backward: {
    gradOutput: (grad: A, gradOutput: A, spatial: A) =>
      t.adaptiveAvgPoolNd(grad, h.lastDims(gradOutput.shape, spatial)),
  },
  method: false,
  function: false,
  onnx: { none: 'derivative kernel' },
});
export const adaptiveMaxPoolNd = extern({
  doc: 'Largest element over windows chosen so that the output is outputSize, and its flat index in the plane.',
  schema: 'adaptiveMaxPoolNd(self: Tensor, outputSize: int[]): (out: Tensor, indices: Tensor)',
  backward: {
    self: (grad: A, self: A, outputSize: A, indices: A) =>
      t.maxPoolNdBackward(grad, indices, self.shape, outputSize.length),
  },
  method: false,
  function: false,
  onnx: { symbolic: 'adaptiveMaxPoolNd' },
});
export const fractionalMaxPoolNd = extern({
  doc: 'Max pooling over windows that start at random places; randomSamples [n, c, dimensions] of [0, 1) say where.\nSource: https://arxiv.org/abs/1412.6071',
  schema:
    'fractionalMaxPoolNd(self: Tensor, kernelSize: int[], outputSize: int[], randomSamples: Tensor): (out: Tensor, indices: Tensor)',
  backward: {
    self: (grad: A, self: A, kernelSize: A, indices: A) =>
      t.maxPoolNdBackward(grad, indices, self.shape, kernelSize.length),
  },
  method: false,
  function: false,
  onnx: { none: 'ONNX has no fractional pooling' },
});

// ---- max ----

export const maxPool1dWithIndices = composite({
  doc: `Largest element of each window of length kernelSize, and its position.\n${source('max_pool1d')}`,
  schema:
    'maxPool1dWithIndices(self: Tensor, kernelSize: int[], stride: int[]? = null, padding: int[] = [0], dilation: int[] = [1], ceilMode: bool = false): (out: Tensor, indices: Tensor)',
  body: (self: A, kernelSize: A, stride: A, padding: A, dilation: A, ceilMode: A) =>
    h.maxPool(self, kernelSize, stride, padding, dilation, ceilMode, 1),
  method: false,
  onnx: { symbolic: 'region' },
});
export const maxPool2dWithIndices = composite({
  doc: `Largest element of each window and its flat index in the plane.\n${source('max_pool2d')}`,
  schema:
    'maxPool2dWithIndices(self: Tensor, kernelSize: int[], stride: int[]? = null, padding: int[] = [0], dilation: int[] = [1], ceilMode: bool = false): (out: Tensor, indices: Tensor)',
  body: (self: A, kernelSize: A, stride: A, padding: A, dilation: A, ceilMode: A) =>
    h.maxPool(self, kernelSize, stride, padding, dilation, ceilMode, 2),
  method: false,
  onnx: { symbolic: 'region' },
});
export const maxPool3dWithIndices = composite({
  doc: `Largest element of each window and its flat index in the volume.\n${source('max_pool3d')}`,
  schema:
    'maxPool3dWithIndices(self: Tensor, kernelSize: int[], stride: int[]? = null, padding: int[] = [0], dilation: int[] = [1], ceilMode: bool = false): (out: Tensor, indices: Tensor)',
  body: (self: A, kernelSize: A, stride: A, padding: A, dilation: A, ceilMode: A) =>
    h.maxPool(self, kernelSize, stride, padding, dilation, ceilMode, 3),
  method: false,
  onnx: { symbolic: 'region' },
});
export const maxPool1d = composite({
  doc: `Largest element of each window of length kernelSize.\n${source('max_pool1d')}`,
  schema:
    'maxPool1d(self: Tensor, kernelSize: int[], stride: int[]? = null, padding: int[] = [0], dilation: int[] = [1], ceilMode: bool = false): Tensor',
  body: (self: A, kernelSize: A, stride: A, padding: A, dilation: A, ceilMode: A) => {
    const [out, _indices] = t.maxPool1dWithIndices(self, kernelSize, stride, padding, dilation, ceilMode);
    return out;
  },
  method: false,
  onnx: { symbolic: 'maxPool1d' },
});
export const maxPool2d = composite({
  doc: `Largest element of each window.\n${source('max_pool2d')}`,
  schema:
    'maxPool2d(self: Tensor, kernelSize: int[], stride: int[]? = null, padding: int[] = [0], dilation: int[] = [1], ceilMode: bool = false): Tensor',
  body: (self: A, kernelSize: A, stride: A, padding: A, dilation: A, ceilMode: A) => {
    const [out, _indices] = t.maxPool2dWithIndices(self, kernelSize, stride, padding, dilation, ceilMode);
    return out;
  },
  method: false,
  onnx: { symbolic: 'maxPool2d' },
});
export const maxPool3d = composite({
  doc: `Largest element of each window.\n${source('max_pool3d')}`,
  schema:
    'maxPool3d(self: Tensor, kernelSize: int[], stride: int[]? = null, padding: int[] = [0], dilation: int[] = [1], ceilMode: bool = false): Tensor',
  body: (self: A, kernelSize: A, stride: A, padding: A, dilation: A, ceilMode: A) => {
    const [out, _indices] = t.maxPool3dWithIndices(self, kernelSize, stride, padding, dilation, ceilMode);
    return out;
  },
  method: false,
  onnx: { symbolic: 'maxPool3d' },
});
export const maxUnpool = composite({
  doc: `Zeros with each element of self written where its index says: undoes max pooling over the dimensions of outputSize (all but the last two or more may be given, too).\n${source('max_unpool2d')}`,
  schema: 'maxUnpool(self: Tensor, indices: Tensor, outputSize: int[]): Tensor',
  body: (self: A, indices: A, outputSize: A) => h.maxUnpool(self, indices, outputSize),
  method: false,
  function: false,
  onnx: { symbolic: 'region' },
});

// ---- average ----

export const avgPool1d = composite({
  doc: `Mean of each window of length kernelSize.\n${source('avg_pool1d')}`,
  schema:
    'avgPool1d(self: Tensor, kernelSize: int[], stride: int[]? = null, padding: int[] = [0], ceilMode: bool = false, countIncludePad: bool = true): Tensor',
  body: (self: A, kernelSize: A, stride: A, padding: A, ceilMode: A, countIncludePad: A) =>
    h.avgPool(self, kernelSize, stride, padding, ceilMode, countIncludePad, 1),
  method: false,
  exports: ['avgPool1d', 'nn.functional.avgPool1d'],
  onnx: { symbolic: 'region' },
});
export const avgPool2d = composite({
  doc: `Mean of each window; divisorOverride: what sums are divided by instead of the window's size.\n${source('avg_pool2d')}`,
  schema:
    'avgPool2d(self: Tensor, kernelSize: int[], stride: int[]? = null, padding: int[] = [0], ceilMode: bool = false, countIncludePad: bool = true, divisorOverride: int? = null): Tensor',
  body: (self: A, kernelSize: A, stride: A, padding: A, ceilMode: A, countIncludePad: A, divisorOverride: A) =>
    h.avgPool(self, kernelSize, stride, padding, ceilMode, countIncludePad, 2, divisorOverride),
  method: false,
  exports: ['avgPool2d', 'nn.functional.avgPool2d'],
  onnx: { symbolic: 'region' },
});
export const avgPool3d = composite({
  doc: `Mean of each window; divisorOverride: what sums are divided by instead of the window's size.\n${source('avg_pool3d')}`,
  schema:
    'avgPool3d(self: Tensor, kernelSize: int[], stride: int[]? = null, padding: int[] = [0], ceilMode: bool = false, countIncludePad: bool = true, divisorOverride: int? = null): Tensor',
  body: (self: A, kernelSize: A, stride: A, padding: A, ceilMode: A, countIncludePad: A, divisorOverride: A) =>
    h.avgPool(self, kernelSize, stride, padding, ceilMode, countIncludePad, 3, divisorOverride),
  method: false,
  exports: ['avgPool3d', 'nn.functional.avgPool3d'],
  onnx: { symbolic: 'region' },
});
export const lpPool1d = composite({
  doc: `p-norm of each window: (sum x^p)^(1/p), p = normType.\n${source('lp_pool1d')}`,
  schema:
    'lpPool1d(input: Tensor, normType: float, kernelSize: int[], stride: int[]? = null, ceilMode: bool = false): Tensor',
  body: (input: A, normType: A, kernelSize: A, stride: A, ceilMode: A) => {
    const mean = t.avgPool1d(t.pow(input, normType), kernelSize, stride, [0], ceilMode);
    return h.rootOfMean(mean, normType, kernelSize, 1);
  },
  method: false,
  exports: ['nn.functional.lpPool1d'],
  onnx: { symbolic: 'region' },
});
export const lpPool2d = composite({
  doc: `p-norm of each window: (sum x^p)^(1/p), p = normType.\n${source('lp_pool2d')}`,
  schema:
    'lpPool2d(input: Tensor, normType: float, kernelSize: int[], stride: int[]? = null, ceilMode: bool = false): Tensor',
  body: (input: A, normType: A, kernelSize: A, stride: A, ceilMode: A) => {
    const mean = t.avgPool2d(t.pow(input, normType), kernelSize, stride, [0], ceilMode);
    return h.rootOfMean(mean, normType, kernelSize, 2);
  },
  method: false,
  exports: ['nn.functional.lpPool2d'],
  onnx: { symbolic: 'region' },
});

// ---- adaptive ----

export const adaptiveAvgPool1d = composite({
  doc: `Means over windows chosen so that the output has length outputSize.\n${source('adaptive_avg_pool1d')}`,
  schema: 'adaptiveAvgPool1d(self: Tensor, outputSize: int[]): Tensor',
  body: (self: A, outputSize: A) =>
    t.adaptiveAvgPoolNd(self, h.windowDims(outputSize, 1, 'adaptive_avg_pool1d', 'output_size')),
  method: false,
  onnx: { symbolic: 'region' },
});
export const adaptiveAvgPool2d = composite({
  doc: `Means over windows chosen so that the output is outputSize.\n${source('adaptive_avg_pool2d')}`,
  schema: 'adaptiveAvgPool2d(self: Tensor, outputSize: int[]): Tensor',
  body: (self: A, outputSize: A) =>
    t.adaptiveAvgPoolNd(self, h.windowDims(outputSize, 2, 'adaptive_avg_pool2d', 'output_size')),
  method: false,
  onnx: { symbolic: 'region' },
});
export const adaptiveAvgPool3d = composite({
  doc: `Means over windows chosen so that the output is outputSize.\n${source('adaptive_avg_pool3d')}`,
  schema: 'adaptiveAvgPool3d(self: Tensor, outputSize: int[]): Tensor',
  body: (self: A, outputSize: A) =>
    t.adaptiveAvgPoolNd(self, h.windowDims(outputSize, 3, 'adaptive_avg_pool3d', 'output_size')),
  method: false,
  onnx: { symbolic: 'region' },
});
export const adaptiveMaxPool1d = composite({
  doc: `Largest elements over windows chosen so that the output has length outputSize, and their positions.\n${source('adaptive_max_pool1d')}`,
  schema: 'adaptiveMaxPool1d(self: Tensor, outputSize: int[]): (out: Tensor, indices: Tensor)',
  body: (self: A, outputSize: A) =>
    t.adaptiveMaxPoolNd(self, h.windowDims(outputSize, 1, 'adaptive_max_pool1d', 'output_size')),
  method: false,
  onnx: { symbolic: 'region' },
});
export const adaptiveMaxPool2d = composite({
  doc: `Largest elements over windows chosen so that the output is outputSize, and their flat positions.\n${source('adaptive_max_pool2d')}`,
  schema: 'adaptiveMaxPool2d(self: Tensor, outputSize: int[]): (out: Tensor, indices: Tensor)',
  body: (self: A, outputSize: A) =>
    t.adaptiveMaxPoolNd(self, h.windowDims(outputSize, 2, 'adaptive_max_pool2d', 'output_size')),
  method: false,
  onnx: { symbolic: 'region' },
});
export const adaptiveMaxPool3d = composite({
  doc: `Largest elements over windows chosen so that the output is outputSize, and their flat positions.\n${source('adaptive_max_pool3d')}`,
  schema: 'adaptiveMaxPool3d(self: Tensor, outputSize: int[]): (out: Tensor, indices: Tensor)',
  body: (self: A, outputSize: A) =>
    t.adaptiveMaxPoolNd(self, h.windowDims(outputSize, 3, 'adaptive_max_pool3d', 'output_size')),
  method: false,
  onnx: { symbolic: 'region' },
});
