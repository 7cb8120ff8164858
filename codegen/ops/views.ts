// Views: a geometry function and a derivative. Nothing is copied; writes show in the base. Rearranging copies: rearrange.ts.
import { composite, view, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Views',
  intro: `Other sizes and strides over the same memory: nothing is copied, writes show in the base, and gradients flow back through them.`,
  example: `const x = fb.arange(6);
const m = x.view(2, 3);
m.t().shape; // => [ 3, 2 ]
m.select(1, 0).fill_(9);
x; // => tensor([9, 1, 2, 9, 4, 5])
m.t().view(6); // => throws view size is not compatible with input tensor's size and stride (at least one dimension spans across two contiguous subspaces). Use .reshape(...) instead.`,
};
export const view_ = view({
  doc: 'The same elements as another shape; one size may be -1. Throws when the strides do not allow it.',
  schema: 'view(self: Tensor, size: int[]): Tensor',
  geometry: 'viewGeometry',
  backward: { self: (grad: A, self: A) => t.reshape(grad, self.shape) },
  onnx: { symbolic: 'reshape' },
});
export const permute = view({
  doc: 'Dimensions in another order.',
  schema: 'permute(self: Tensor, dims: int[]): Tensor',
  geometry: 'permuteGeometry',
  backward: { self: (grad: A, dims: A) => t.permute(grad, h.inverseDims(dims)) },
  onnx: { symbolic: 'permute' },
});
export const transpose = view({
  doc: 'Two dimensions swapped.',
  schema: 'transpose(self: Tensor, dim0: int, dim1: int): Tensor',
  inplace: true,
  geometry: 'transposeGeometry',
  backward: { self: (grad: A, dim0: A, dim1: A) => t.transpose(grad, dim0, dim1) },
  aliases: ['swapaxes', 'swapdims'],
  onnx: { symbolic: 'permute' },
});
export const t_ = view({
  doc: 'Transpose of a matrix (0-d and 1-d tensors stay as they are).',
  schema: 't(self: Tensor): Tensor',
  inplace: true,
  geometry: 'tGeometry',
  backward: { self: (grad: A) => t.t(grad) },
  onnx: { symbolic: 'permute' },
});
export const unsqueeze = view({
  doc: 'A dimension of size 1 inserted at `dim`.',
  schema: 'unsqueeze(self: Tensor, dim: int): Tensor',
  inplace: true,
  geometry: 'unsqueezeGeometry',
  backward: { self: (grad: A, self: A) => t.reshape(grad, self.shape) },
  onnx: { symbolic: 'reshape' },
});
export const squeeze = view({
  doc: 'Dimensions of size 1 removed (all, or those in `dim`).',
  schema: 'squeeze(self: Tensor, dim: int[]? = null): Tensor',
  inplace: true,
  geometry: 'squeezeGeometry',
  backward: { self: (grad: A, self: A) => t.reshape(grad, self.shape) },
  onnx: { symbolic: 'reshape' },
});
export const expand = view({
  doc: 'Size-1 dimensions repeated without a copy; -1 keeps a size.',
  schema: 'expand(self: Tensor, size: int[]): Tensor',
  geometry: 'expandGeometry',
  backward: { self: (grad: A, self: A) => h.sumTo(grad, self.shape) },
  onnx: { symbolic: 'expand' },
});
export const select = view({
  doc: 'One index of a dimension; that dimension is gone.',
  schema: 'select(self: Tensor, dim: int, index: int): Tensor',
  geometry: 'selectGeometry',
  backward: {
    self: (grad: A, self: A, dim: A, index: A) => h.sliceBackward(t.unsqueeze(grad, dim), self.shape, dim, index, 1),
  },
  onnx: { symbolic: 'select' },
});
export const slice = view({
  doc: 'Elements start, start + step, ... below end of a dimension; bounds are clamped, negative ones count from the end.',
  schema: 'slice(self: Tensor, dim: int = 0, start: int? = null, end: int? = null, step: int = 1): Tensor',
  geometry: 'sliceGeometry',
  backward: {
    self: (grad: A, self: A, dim: A, start: A, step: A) => h.sliceBackward(grad, self.shape, dim, start ?? 0, step),
  },
  method: false,
  function: false,
  onnx: { symbolic: 'slice' },
});
export const narrow = view({
  doc: '`length` elements of a dimension from `start` on.',
  schema: 'narrow(self: Tensor, dim: int, start: int, length: int): Tensor',
  geometry: 'narrowGeometry',
  backward: { self: (grad: A, self: A, dim: A, start: A) => h.sliceBackward(grad, self.shape, dim, start, 1) },
  onnx: { symbolic: 'narrow' },
});
export const narrowAt = composite({
  doc: '`narrow` from the number in a 0-d integer tensor on.',
  schema: 'narrowAt(self: Tensor, dim: int, start: Tensor, length: int): Tensor',
  body: 'nn::narrowAt',
  method: false,
  function: false,
  overloadOf: 'narrow',
  onnx: { none: 'reads a number from a tensor' },
});
export const diagonal = view({
  doc: 'A diagonal of the plane (dim1, dim2), as the last dimension.',
  schema: 'diagonal(self: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1): Tensor',
  geometry: 'diagonalGeometry',
  backward: {
    self: (grad: A, self: A, offset: A, dim1: A, dim2: A) => h.diagonalBackward(grad, self.shape, offset, dim1, dim2),
  },
  onnx: { symbolic: 'diagonal' },
});
export const asStrided = view({
  doc: 'Any sizes and strides over the storage. Throws when they reach outside of it.',
  schema: 'asStrided(self: Tensor, size: int[], stride: int[], storageOffset: int? = null): Tensor',
  inplace: true,
  geometry: 'asStridedGeometry',
  backward: {
    self: (grad: A, self: A, size: A, stride: A, storageOffset: A) =>
      h.asStridedBackward(grad, self, size, stride, storageOffset),
  },
  onnx: { symbolic: 'asStrided' },
});
export const unfold = view({
  doc: 'Windows of `size` elements, `step` apart, along a dimension; the window is the last dimension.',
  schema: 'unfold(self: Tensor, dimension: int, size: int, step: int): Tensor',
  geometry: 'unfoldGeometry',
  backward: {
    self: (grad: A, self: A, dimension: A, size: A, step: A) =>
      h.unfoldBackward(grad, self.shape, dimension, size, step),
  },
  onnx: { symbolic: 'unfold' },
});
export const detach = view({
  doc: 'The same tensor outside of the autograd graph.',
  schema: 'detach(self: Tensor): Tensor',
  geometry: 'detachGeometry',
  backward: {},
  nondifferentiable: 'cuts the graph',
  onnx: { op: 'Identity', since: 1 },
});
export const alias = view({
  doc: 'Another tensor object over the same elements.',
  schema: 'alias(self: Tensor): Tensor',
  geometry: 'aliasGeometry',
  backward: { self: (grad: A) => grad },
  onnx: { op: 'Identity', since: 1 },
});
export const reshape = composite({
  doc: 'The same elements as another shape: a view where the strides allow it, else a copy. One size may be -1.',
  schema: 'reshape(self: Tensor, shape: int[]): Tensor',
  body: (self: A, shape: A) => h.reshape(self, shape),
  onnx: { symbolic: 'reshape' },
});
export const flatten = composite({
  doc: 'Dimensions startDim to endDim joined into one.',
  schema: 'flatten(self: Tensor, startDim: int = 0, endDim: int = -1): Tensor',
  body: (self: A, startDim: A, endDim: A) => t.reshape(self, h.flattenedShape(self.shape, startDim, endDim)),
  onnx: { symbolic: 'flatten' },
});
export const movedim = composite({
  doc: 'Dimensions moved to other positions.',
  schema: 'movedim(self: Tensor, source: int[], destination: int[]): Tensor',
  body: (self: A, source: A, destination: A) => t.permute(self, h.movedDims(self.ndim, source, destination)),
  aliases: ['moveaxis'],
  onnx: { symbolic: 'permute' },
});
export const narrowCopy = composite({
  doc: '`narrow` as a copy.',
  schema: 'narrowCopy(self: Tensor, dim: int, start: int, length: int): Tensor',
  body: (self: A, dim: A, start: A, length: A) => t.clone(t.narrow(self, dim, start, length)),
  onnx: { symbolic: 'region' },
});
export const broadcastTo = composite({
  doc: 'Broadcast to a shape, without a copy.',
  schema: 'broadcastTo(self: Tensor, size: int[]): Tensor',
  body: (self: A, size: A) => t.expand(self, size),
  onnx: { symbolic: 'region' },
});
export const ravel = composite({
  doc: 'All elements in row-major order as a 1-d tensor; copies only where it must.',
  schema: 'ravel(self: Tensor): Tensor',
  body: (self: A) => t.reshape(self, [-1]),
  onnx: { symbolic: 'region' },
});
export const unflatten = composite({
  doc: 'A dimension split into several; one of the sizes may be -1.',
  schema: 'unflatten(self: Tensor, dim: int, sizes: int[]): Tensor',
  body: (self: A, dim: A, sizes: A) => t.reshape(self, h.unflattenedShape(self.shape, dim, sizes)),
  onnx: { symbolic: 'region' },
});
export const atleast1d = composite({
  doc: 'A 0-d tensor as one of one dimension; others as they are. JavaScript: fb.atleast1d also takes lists.',
  schema: 'atleast1d(self: Tensor): Tensor',
  body: (self: A) => {
    if (self.ndim === 0) return t.reshape(self, [1]);
    return self;
  },
  method: false,
  function: false,
  onnx: { symbolic: 'region' },
});
export const atleast2d = composite({
  doc: 'A tensor of at least two dimensions: size-1 dimensions in front. JavaScript: fb.atleast2d also takes lists.',
  schema: 'atleast2d(self: Tensor): Tensor',
  body: (self: A) => {
    if (self.ndim === 0) return t.reshape(self, [1, 1]);
    if (self.ndim === 1) return t.unsqueeze(self, 0);
    return self;
  },
  method: false,
  function: false,
  onnx: { symbolic: 'region' },
});
export const atleast3d = composite({
  doc: 'A tensor of at least three dimensions: [n] becomes [1, n, 1], [m, n] becomes [m, n, 1]. JavaScript: fb.atleast3d also takes lists.',
  schema: 'atleast3d(self: Tensor): Tensor',
  body: (self: A) => {
    if (self.ndim === 0) return t.reshape(self, [1, 1, 1]);
    if (self.ndim === 1) return t.unsqueeze(t.unsqueeze(self, 0), -1);
    if (self.ndim === 2) return t.unsqueeze(self, -1);
    return self;
  },
  method: false,
  function: false,
  onnx: { symbolic: 'region' },
});
