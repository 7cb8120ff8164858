// Convolution of one to three dimensions, transposed too, and the columns it is made of (unfold, fold).
import { composite, extern, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Convolution',
  intro: `Cross-correlation over one to three dimensions with stride, padding, dilation and groups, and its transpose. oneDNN computes wide float32 layers where it is installed, own kernels everything else. A single number stands for all dimensions.`,
  example: `const image = fb.ones(1, 1, 3, 3);
F.conv2d(image, fb.ones(1, 1, 2, 2)).shape; // => [ 1, 1, 2, 2 ]
F.convTranspose2d(image, fb.ones(1, 1, 2, 2), { stride: 2 }).shape; // => [ 1, 1, 6, 6 ]
F.unfold(image, 2).shape; // => [ 1, 4, 4 ]`,
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
  `${n}-d convolution. input [n, c, ...] or [c, ...], weight [o, c / groups, ...], bias [o].\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.conv${n}d.html`;
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
const transposedDoc = (n: number): string =>
  `${n}-d transposed convolution, the gradient of \`conv${n}d\` as a layer. input [n, c, ...] or [c, ...], weight [c, o / groups, ...], bias [o].\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose${n}d.html`;
export const convTranspose1d = composite({
  doc: transposedDoc(1),
  schema:
    'convTranspose1d(input: Tensor, weight: Tensor, bias: Tensor? = null, stride: int[] = [1], padding: int[] = [0], outputPadding: int[] = [0], groups: int = 1, dilation: int[] = [1]): Tensor',
  body: (input: A, weight: A, bias: A, stride: A, padding: A, outputPadding: A, groups: A, dilation: A) =>
    h.convTransposed(input, weight, bias, stride, padding, outputPadding, groups, dilation, 1),
  method: false,
  exports: ['convTranspose1d', 'nn.functional.convTranspose1d'],
  onnx: { symbolic: 'region' },
});
export const convTranspose2d = composite({
  doc: transposedDoc(2),
  schema:
    'convTranspose2d(input: Tensor, weight: Tensor, bias: Tensor? = null, stride: int[] = [1], padding: int[] = [0], outputPadding: int[] = [0], groups: int = 1, dilation: int[] = [1]): Tensor',
  body: (input: A, weight: A, bias: A, stride: A, padding: A, outputPadding: A, groups: A, dilation: A) =>
    h.convTransposed(input, weight, bias, stride, padding, outputPadding, groups, dilation, 2),
  method: false,
  exports: ['convTranspose2d', 'nn.functional.convTranspose2d'],
  onnx: { symbolic: 'region' },
});
export const convTranspose3d = composite({
  doc: transposedDoc(3),
  schema:
    'convTranspose3d(input: Tensor, weight: Tensor, bias: Tensor? = null, stride: int[] = [1], padding: int[] = [0], outputPadding: int[] = [0], groups: int = 1, dilation: int[] = [1]): Tensor',
  body: (input: A, weight: A, bias: A, stride: A, padding: A, outputPadding: A, groups: A, dilation: A) =>
    h.convTransposed(input, weight, bias, stride, padding, outputPadding, groups, dilation, 3),
  method: false,
  exports: ['convTranspose3d', 'nn.functional.convTranspose3d'],
  onnx: { symbolic: 'region' },
});
export const im2col = extern({
  doc: 'Windows of [n, c, h, w] (or [c, h, w]) as columns [n, c * kernel, windows]. In nn.functional: `unfold`.\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.unfold.html',
  schema:
    'im2col(input: Tensor, kernelSize: int[], dilation: int[] = [1], padding: int[] = [0], stride: int[] = [1]): Tensor',
  backward: {
    input: (grad: A, input: A, kernelSize: A, dilation: A, padding: A, stride: A) =>
      t.col2im(grad, h.lastDims(input.shape, 2), kernelSize, dilation, padding, stride),
  },
  method: false,
  exports: ['nn.functional.unfold'],
  onnx: { symbolic: 'im2col' },
});
export const col2im = extern({
  doc: 'Sums columns [n, c * kernel, windows] into images [n, c, ...outputSize]: the adjoint of `im2col`. In nn.functional: `fold`.\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.fold.html',
  schema:
    'col2im(input: Tensor, outputSize: int[], kernelSize: int[], dilation: int[] = [1], padding: int[] = [0], stride: int[] = [1]): Tensor',
  backward: {
    input: (grad: A, kernelSize: A, dilation: A, padding: A, stride: A) =>
      t.im2col(grad, kernelSize, dilation, padding, stride),
  },
  method: false,
  exports: ['nn.functional.fold'],
  onnx: { symbolic: 'col2im' },
});
