// Changing the size of images and sampling them: interpolation, grids, shuffles of pixels and channels.
import { composite, extern, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Resizing and sampling images',
  intro: `Interpolation works one dimension after the other by tables of weights; grids are sampled by gathers.`,
  example: `const x = fb.tensor([[[1, 3]]]);
F.interpolate(x, { scaleFactor: 2 }); // => tensor([[[1., 1., 3., 3.]]])
F.interpolate(x, { size: 3, mode: 'linear', alignCorners: true }); // => tensor([[[1., 2., 3.]]])`,
};

export const resample = extern({
  doc: "[n, c, ...] at another size, one dimension after the other. mode: 'nearest', 'nearest-exact', 'linear' or 'cubic'; scales: the factors asked for (0: the sizes' ratio); antialias: wider windows when shrinking.\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html",
  schema:
    'resample(input: Tensor, outputSize: int[], mode: string, alignCorners: bool, scales: float[], antialias: bool): Tensor',
  backward: {
    input: (grad: A, input: A, mode: A, alignCorners: A, scales: A, antialias: A) =>
      t.resampleBackward(grad, input.shape, mode, alignCorners, scales, antialias),
  },
  method: false,
  function: false,
  onnx: { symbolic: 'resample' },
});
export const resampleBackward = extern({
  doc: 'Gradient of `resample`: its adjoint.',
  schema:
    'resampleBackward(gradOutput: Tensor, inputSize: int[], mode: string, alignCorners: bool, scales: float[], antialias: bool): Tensor',
  backward: {
    gradOutput: (grad: A, gradOutput: A, mode: A, alignCorners: A, scales: A, antialias: A) =>
      t.resample(grad, h.lastDims(gradOutput.shape, gradOutput.ndim - 2), mode, alignCorners, scales, antialias),
  },
  method: false,
  function: false,
  onnx: { none: 'derivative kernel' },
});
export const gridSample = composite({
  doc: "input [n, c, (d,) h, w] read at the places of grid [n, (d,) h, w, 2 or 3], in coordinates from -1 to 1, x first. mode: 'bilinear', 'nearest' or (4-D) 'bicubic'; paddingMode, for places outside: 'zeros', 'border' or 'reflection'.\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.grid_sample.html",
  schema:
    "gridSample(input: Tensor, grid: Tensor, mode: string = 'bilinear', paddingMode: string = 'zeros', alignCorners: bool? = null): Tensor",
  body: (input: A, grid: A, mode: A, paddingMode: A, alignCorners: A) =>
    h.gridSample(input, grid, mode, paddingMode, alignCorners ?? false),
  method: false,
  exports: ['nn.functional.gridSample'],
  onnx: { symbolic: 'gridSample' },
});
export const affineGrid = composite({
  doc: 'The grid of `gridSample` that affine maps theta [n, 2, 3] (or [n, 3, 4]) make of an image of the given size [n, c, h, w] (or [n, c, d, h, w]).\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.affine_grid.html',
  schema: 'affineGrid(theta: Tensor, size: int[], alignCorners: bool? = null): Tensor',
  body: (theta: A, size: A, alignCorners: A) => h.affineGrid(theta, size, alignCorners ?? false),
  method: false,
  exports: ['nn.functional.affineGrid'],
  onnx: { symbolic: 'region' },
});
export const pixelShuffle = composite({
  doc: '[..., c * r * r, h, w] as [..., c, h * r, w * r], r = upscaleFactor.\nSource: https://arxiv.org/abs/1609.05158',
  schema: 'pixelShuffle(self: Tensor, upscaleFactor: int): Tensor',
  body: (self: A, upscaleFactor: A) => h.pixelShuffle(self, upscaleFactor),
  method: false,
  exports: ['pixelShuffle', 'nn.functional.pixelShuffle'],
  onnx: { symbolic: 'region' },
});
export const pixelUnshuffle = composite({
  doc: '[..., c, h * r, w * r] as [..., c * r * r, h, w], r = downscaleFactor: undoes `pixelShuffle`.\nSource: https://arxiv.org/abs/1609.05158',
  schema: 'pixelUnshuffle(self: Tensor, downscaleFactor: int): Tensor',
  body: (self: A, downscaleFactor: A) => h.pixelUnshuffle(self, downscaleFactor),
  method: false,
  exports: ['pixelUnshuffle', 'nn.functional.pixelUnshuffle'],
  onnx: { symbolic: 'region' },
});
export const channelShuffle = composite({
  doc: 'Channels [n, g * k, ...] reordered as [n, k * g, ...], so that neighbours come from different groups.\nSource: https://arxiv.org/abs/1707.01083',
  schema: 'channelShuffle(self: Tensor, groups: int): Tensor',
  body: (self: A, groups: A) => h.channelShuffle(self, groups),
  method: false,
  exports: ['channelShuffle', 'nn.functional.channelShuffle'],
  onnx: { symbolic: 'region' },
});
