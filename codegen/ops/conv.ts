// Convolution and pooling.
import { composite, extern, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Convolution and pooling',
  intro: `Over [N, C, ...spatial] (a missing N is allowed where PyTorch allows it). oneDNN does the work where it is installed, own kernels otherwise.`,
  example: `const x = fb.arange(16).reshape(1, 1, 4, 4).float();
F.maxPool2d(x, 2); // => tensor([[[[ 5.,  7.],
//              [13., 15.]]]])
F.conv2d(x, fb.ones(2, 1, 3, 3)).shape; // => [ 1, 2, 2, 2 ]`,
};
export const convolution = extern({
  doc: 'Cross-correlation of any of 1 to 3 spatial dimensions. input [n, c, ...], weight [o, c / groups, ...] (transposed: [c, o / groups, ...]).',
  schema:
    'convolution(input: Tensor, weight: Tensor, bias: Tensor?, stride: int[], padding: int[], dilation: int[], transposed: bool, outputPadding: int[], groups: int): Tensor',
  backward: {
    input: (
      grad: A,
      input: A,
      weight: A,
      stride: A,
      padding: A,
      dilation: A,
      transposed: A,
      outputPadding: A,
      groups: A,
    ) =>
      t.convolutionBackwardInput(
        grad,
        weight,
        input.shape,
        stride,
        padding,
        dilation,
        transposed,
        outputPadding,
        groups,
      ),
    weight: (
      grad: A,
      input: A,
      weight: A,
      stride: A,
      padding: A,
      dilation: A,
      transposed: A,
      outputPadding: A,
      groups: A,
    ) =>
      t.convolutionBackwardWeight(
        grad,
        input,
        weight.shape,
        stride,
        padding,
        dilation,
        transposed,
        outputPadding,
        groups,
      ),
    bias: (grad: A) => t.sum(grad, h.allButDims(grad.ndim, 1)),
  },
  method: false,
  onnx: { symbolic: 'convolution' },
});
export const convolutionBackwardInput = extern({
  doc: 'Gradient of `convolution` with respect to its input.',
  schema:
    'convolutionBackwardInput(gradOutput: Tensor, weight: Tensor, inputSize: int[], stride: int[], padding: int[], dilation: int[], transposed: bool, outputPadding: int[], groups: int): Tensor',
  backward: {
    gradOutput: (grad: A, weight: A, stride: A, padding: A, dilation: A, transposed: A, outputPadding: A, groups: A) =>
      t.convolution(grad, weight, null, stride, padding, dilation, transposed, outputPadding, groups),
    weight: (
      grad: A,
      gradOutput: A,
      weight: A,
      stride: A,
      padding: A,
      dilation: A,
      transposed: A,
      outputPadding: A,
      groups: A,
    ) =>
      t.convolutionBackwardWeight(
        gradOutput,
        grad,
        weight.shape,
        stride,
        padding,
        dilation,
        transposed,
        outputPadding,
        groups,
      ),
  },
  method: false,
  function: false,
  onnx: { none: 'derivative kernel' },
});
export const convolutionBackwardWeight = extern({
  doc: 'Gradient of `convolution` with respect to its weight.',
  schema:
    'convolutionBackwardWeight(gradOutput: Tensor, input: Tensor, weightSize: int[], stride: int[], padding: int[], dilation: int[], transposed: bool, outputPadding: int[], groups: int): Tensor',
  backward: {
    gradOutput: (grad: A, input: A, stride: A, padding: A, dilation: A, transposed: A, outputPadding: A, groups: A) =>
      t.convolution(input, grad, null, stride, padding, dilation, transposed, outputPadding, groups),
    input: (
      grad: A,
      gradOutput: A,
      input: A,
      stride: A,
      padding: A,
      dilation: A,
      transposed: A,
      outputPadding: A,
      groups: A,
    ) =>
      t.convolutionBackwardInput(
        gradOutput,
        grad,
        input.shape,
        stride,
        padding,
        dilation,
        transposed,
        outputPadding,
        groups,
      ),
  },
  method: false,
  function: false,
  onnx: { none: 'derivative kernel' },
});
const convDoc = (n: number): string =>
  `${n}-d convolution. input [n, c, ...], weight [o, c / groups, ...], bias [o].\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.conv${n}d.html`;
export const conv1d = composite({
  doc: convDoc(1),
  schema:
    'conv1d(input: Tensor, weight: Tensor, bias: Tensor? = null, stride: int[] = [1], padding: int[] = [0], dilation: int[] = [1], groups: int = 1): Tensor',
  body: (input: A, weight: A, bias: A, stride: A, padding: A, dilation: A, groups: A) =>
    h.conv(input, weight, bias, stride, padding, dilation, groups, 1),
  method: false,
  onnx: { symbolic: 'region' },
});
export const conv2d = composite({
  doc: convDoc(2),
  schema:
    'conv2d(input: Tensor, weight: Tensor, bias: Tensor? = null, stride: int[] = [1, 1], padding: int[] = [0, 0], dilation: int[] = [1, 1], groups: int = 1): Tensor',
  body: (input: A, weight: A, bias: A, stride: A, padding: A, dilation: A, groups: A) =>
    h.conv(input, weight, bias, stride, padding, dilation, groups, 2),
  method: false,
  onnx: { symbolic: 'region' },
});
export const conv3d = composite({
  doc: convDoc(3),
  schema:
    'conv3d(input: Tensor, weight: Tensor, bias: Tensor? = null, stride: int[] = [1, 1, 1], padding: int[] = [0, 0, 0], dilation: int[] = [1, 1, 1], groups: int = 1): Tensor',
  body: (input: A, weight: A, bias: A, stride: A, padding: A, dilation: A, groups: A) =>
    h.conv(input, weight, bias, stride, padding, dilation, groups, 3),
  method: false,
  onnx: { symbolic: 'region' },
});
export const maxPool2dWithIndices = extern({
  doc: 'Largest element of each window and its flat index in the plane. input [n, c, h, w] or [c, h, w].',
  schema:
    'maxPool2dWithIndices(self: Tensor, kernelSize: int[], stride: int[] = [], padding: int[] = [0, 0], dilation: int[] = [1, 1], ceilMode: bool = false): (out: Tensor, indices: Tensor)',
  backward: { self: (grad: A, self: A, indices: A) => t.maxPool2dBackward(grad, indices, self.shape) },
  method: false,
  onnx: { symbolic: 'maxPool2d' },
});
export const maxPool2dBackward = extern({
  doc: 'Gradient of `maxPool2d`: each output gradient goes to the element that won.',
  schema: 'maxPool2dBackward(gradOutput: Tensor, indices: Tensor, inputSize: int[]): Tensor',
  backward: { gradOutput: (grad: A, indices: A) => h.gatherPlanes(grad, indices) },
  method: false,
  function: false,
  onnx: { none: 'derivative kernel' },
});
export const maxPool2d = composite({
  doc: 'Largest element of each window. input [n, c, h, w] or [c, h, w]; stride defaults to kernelSize.',
  schema:
    'maxPool2d(self: Tensor, kernelSize: int[], stride: int[] = [], padding: int[] = [0, 0], dilation: int[] = [1, 1], ceilMode: bool = false): Tensor',
  body: (self: A, kernelSize: A, stride: A, padding: A, dilation: A, ceilMode: A) => {
    const [out, _indices] = t.maxPool2dWithIndices(self, kernelSize, stride, padding, dilation, ceilMode);
    return out;
  },
  method: false,
  onnx: { symbolic: 'maxPool2d' },
});
export const avgPool2d = extern({
  doc: 'Mean of each window. input [n, c, h, w] or [c, h, w]; stride defaults to kernelSize.',
  schema:
    'avgPool2d(self: Tensor, kernelSize: int[], stride: int[] = [], padding: int[] = [0, 0], ceilMode: bool = false, countIncludePad: bool = true, divisorOverride: int? = null): Tensor',
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
    ) => t.avgPool2dBackward(grad, self.shape, kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride),
  },
  method: false,
  onnx: { symbolic: 'avgPool2d' },
});
export const avgPool2dBackward = extern({
  doc: 'Gradient of `avgPool2d`.',
  schema:
    'avgPool2dBackward(gradOutput: Tensor, inputSize: int[], kernelSize: int[], stride: int[], padding: int[], ceilMode: bool, countIncludePad: bool, divisorOverride: int?): Tensor',
  backward: {
    gradOutput: (grad: A, kernelSize: A, stride: A, padding: A, ceilMode: A, countIncludePad: A, divisorOverride: A) =>
      t.avgPool2d(grad, kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride),
  },
  method: false,
  function: false,
  onnx: { none: 'derivative kernel' },
});
export const adaptiveAvgPool2d = extern({
  doc: 'Mean over windows chosen so that the output is outputSize. input [n, c, h, w] or [c, h, w].',
  schema: 'adaptiveAvgPool2d(self: Tensor, outputSize: int[]): Tensor',
  backward: { self: (grad: A, self: A) => t.adaptiveAvgPool2dBackward(grad, self.shape) },
  method: false,
  onnx: { symbolic: 'adaptiveAvgPool2d' },
});
export const adaptiveAvgPool2dBackward = extern({
  doc: 'Gradient of `adaptiveAvgPool2d`.',
  schema: 'adaptiveAvgPool2dBackward(gradOutput: Tensor, inputSize: int[]): Tensor',
  backward: { gradOutput: (grad: A, gradOutput: A) => t.adaptiveAvgPool2d(grad, h.lastDims(gradOutput.shape, 2)) },
  method: false,
  function: false,
  onnx: { none: 'derivative kernel' },
});
