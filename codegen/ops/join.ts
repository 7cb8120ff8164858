// Joining tensors and taking them apart.
import { composite, extern, type Page } from '../model.js';
import { h } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Joining and splitting',
  intro: `Joining promotes dtypes. Splitting gives views: nothing is copied, and writes show in the whole.`,
  example: `const x = fb.tensor([[1, 2, 3], [4, 5, 6]]);
x.split([1, 2], 1).map((p) => p.shape); // => [ [ 2, 1 ], [ 2, 2 ] ]
fb.cat([x, x], 1).shape; // => [ 2, 6 ]
fb.meshgrid(fb.tensor([1, 2]), fb.tensor([3, 4]), { indexing: 'xy' })[0]; // => tensor([[1., 2.],
//            [1., 2.]])
fb.hstack([x, fb.ones(3, 1)]); // => throws Sizes of tensors must match except in dimension 1. Expected size 2 but got size 3 for tensor number 1 in the list.`,
};

export const cat = extern({
  doc: 'Tensors joined along a dimension; dtypes are promoted.',
  schema: 'cat(tensors: Tensor[], dim: int = 0): Tensor',
  backward: { tensors: (grad: A, tensors: A, dim: A) => h.catBackwardList(grad, tensors.shapes, dim) },
  aliases: ['concat', 'concatenate'],
  onnx: { symbolic: 'cat' },
});
export const stack = composite({
  doc: 'Tensors of one shape joined along a new dimension.',
  schema: 'stack(tensors: Tensor[], dim: int = 0): Tensor',
  out: true,
  body: 'nn::stack',
  onnx: { symbolic: 'region' },
});
export const split = composite({
  doc: 'Pieces of splitSize along a dimension, the last one smaller; or pieces of the given sizes.',
  schema: 'split(self: Tensor, splitSize: int, dim: int = 0): Tensor[]',
  body: 'nn::split',
  onnx: { symbolic: 'region' },
});
export const splitWithSizes = composite({
  doc: 'Pieces of the given sizes along a dimension.',
  schema: 'splitWithSizes(self: Tensor, splitSizes: int[], dim: int = 0): Tensor[]',
  body: 'nn::splitWithSizes',
  overloadOf: 'split',
  onnx: { symbolic: 'region' },
});
export const chunk = composite({
  doc: 'At most `chunks` pieces along a dimension.',
  schema: 'chunk(self: Tensor, chunks: int, dim: int = 0): Tensor[]',
  body: 'nn::chunk',
  onnx: { symbolic: 'region' },
});
export const unbind = composite({
  doc: 'One tensor per index of a dimension.',
  schema: 'unbind(self: Tensor, dim: int = 0): Tensor[]',
  body: 'nn::unbind',
  onnx: { symbolic: 'region' },
});
export const tensorSplit = composite({
  doc: 'Pieces along a dimension: that many of nearly equal sizes, or cut at the given indices (a list or a tensor).',
  schema: 'tensorSplit(self: Tensor, sections: int, dim: int = 0): Tensor[]',
  body: 'nn::tensorSplit',
  onnx: { symbolic: 'region' },
});
export const tensorSplitIndices = composite({
  doc: '`tensorSplit` cut at indices.',
  schema: 'tensorSplitIndices(self: Tensor, indices: int[], dim: int = 0): Tensor[]',
  body: 'nn::tensorSplitIndices',
  method: false,
  function: false,
  overloadOf: 'tensorSplit',
  onnx: { symbolic: 'region' },
});
export const tensorSplitBy = composite({
  doc: '`tensorSplit` by the numbers in an int64 tensor: 0-d, how many pieces; 1-d, where they are cut.',
  schema: 'tensorSplitBy(self: Tensor, indicesOrSections: Tensor, dim: int = 0): Tensor[]',
  body: 'nn::tensorSplitBy',
  method: false,
  function: false,
  overloadOf: 'tensorSplit',
  onnx: { none: 'reads numbers from a tensor' },
});
export const hsplit = composite({
  doc: 'Pieces along the second dimension (the first of a 1-d tensor): that many equal ones, or cut at the given indices.',
  schema: 'hsplit(self: Tensor, sections: int): Tensor[]',
  body: 'nn::hsplit',
  onnx: { symbolic: 'region' },
});
export const hsplitIndices = composite({
  doc: '`hsplit` cut at indices.',
  schema: 'hsplitIndices(self: Tensor, indices: int[]): Tensor[]',
  body: 'nn::hsplitIndices',
  method: false,
  function: false,
  overloadOf: 'hsplit',
  onnx: { symbolic: 'region' },
});
export const vsplit = composite({
  doc: 'Pieces along the first dimension: that many equal ones, or cut at the given indices.',
  schema: 'vsplit(self: Tensor, sections: int): Tensor[]',
  body: 'nn::vsplit',
  onnx: { symbolic: 'region' },
});
export const vsplitIndices = composite({
  doc: '`vsplit` cut at indices.',
  schema: 'vsplitIndices(self: Tensor, indices: int[]): Tensor[]',
  body: 'nn::vsplitIndices',
  method: false,
  function: false,
  overloadOf: 'vsplit',
  onnx: { symbolic: 'region' },
});
export const dsplit = composite({
  doc: 'Pieces along the third dimension: that many equal ones, or cut at the given indices.',
  schema: 'dsplit(self: Tensor, sections: int): Tensor[]',
  body: 'nn::dsplit',
  onnx: { symbolic: 'region' },
});
export const dsplitIndices = composite({
  doc: '`dsplit` cut at indices.',
  schema: 'dsplitIndices(self: Tensor, indices: int[]): Tensor[]',
  body: 'nn::dsplitIndices',
  method: false,
  function: false,
  overloadOf: 'dsplit',
  onnx: { symbolic: 'region' },
});
export const hstack = composite({
  doc: 'Tensors joined along the second dimension (1-d: the first).',
  schema: 'hstack(tensors: Tensor[]): Tensor',
  out: true,
  body: 'nn::hstack',
  onnx: { symbolic: 'region' },
});
export const vstack = composite({
  doc: 'Tensors of at least two dimensions joined along the first.',
  schema: 'vstack(tensors: Tensor[]): Tensor',
  out: true,
  aliases: ['rowStack'],
  body: 'nn::vstack',
  onnx: { symbolic: 'region' },
});
export const dstack = composite({
  doc: 'Tensors of at least three dimensions joined along the third.',
  schema: 'dstack(tensors: Tensor[]): Tensor',
  out: true,
  body: 'nn::dstack',
  onnx: { symbolic: 'region' },
});
export const columnStack = composite({
  doc: '1-d tensors as columns, others joined along the second dimension.',
  schema: 'columnStack(tensors: Tensor[]): Tensor',
  out: true,
  body: 'nn::columnStack',
  onnx: { symbolic: 'region' },
});
export const blockDiag = composite({
  doc: 'Matrices on the diagonal of one matrix, zeros elsewhere; 0-d and 1-d tensors count as rows.',
  schema: 'blockDiag(tensors: Tensor[]): Tensor',
  variadic: true,
  body: 'nn::blockDiag',
  onnx: { symbolic: 'region' },
});
export const broadcastTensors = composite({
  doc: 'All tensors broadcast to their common shape, without copies.',
  schema: 'broadcastTensors(tensors: Tensor[]): Tensor[]',
  variadic: true,
  body: 'nn::broadcastTensors',
  onnx: { symbolic: 'region' },
});
export const meshgrid = composite({
  doc: "Coordinate grids of 1-d tensors. indexing: 'ij' (the first tensor varies along rows) or 'xy' (along columns).",
  schema: "meshgrid(tensors: Tensor[], *, indexing: string = 'ij'): Tensor[]",
  variadic: true,
  body: 'nn::meshgrid',
  onnx: { symbolic: 'region' },
});
export const cartesianProd = composite({
  doc: 'All tuples with one element of each 1-d tensor, as rows; a single tensor comes back as it is.',
  schema: 'cartesianProd(tensors: Tensor[]): Tensor',
  variadic: true,
  body: 'nn::cartesianProd',
  onnx: { symbolic: 'region' },
});
export const combinations = composite({
  doc: 'All combinations of r elements of a 1-d tensor, as rows, with or without an element occurring again.',
  schema: 'combinations(self: Tensor, r: int = 2, withReplacement: bool = false): Tensor',
  body: 'nn::combinations',
  method: false,
  onnx: { none: 'data-dependent shape' },
});
