// Indexing, joining.
import { composite, extern, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Indexing and gathering',
  intro: `Index tensors are int64 (int32 where PyTorch takes it) and are checked against the size they index. Where an index occurs twice, adding forms add all values; writing forms keep one of them.`,
  example: `const x = fb.tensor([[1, 2, 3], [4, 5, 6]]);
x.gather(1, fb.LongTensor([[2], [0]])); // => tensor([[3.],
//            [4.]])
x.indexSelect(1, fb.LongTensor([0, 2])); // => tensor([[1., 3.],
//            [4., 6.]])
x.maskedSelect(x.gt(3)); // => tensor([4., 5., 6.])
x.gather(1, fb.LongTensor([[3]])); // => throws index 3 is out of bounds for dimension 1 with size 3`,
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
  body: 'nn::stack',
  onnx: { symbolic: 'region' },
});
export const gather = extern({
  doc: 'out[i][j] = self[index[i][j]][j] (dim 0) and so on. index: int64.',
  schema: 'gather(self: Tensor, dim: int, index: Tensor): Tensor',
  backward: {
    self: (grad: A, self: A, dim: A, index: A) => t.scatterAdd(h.zerosLike(grad, self.shape), dim, index, grad),
  },
  onnx: { symbolic: 'gather' },
});
export const scatter = extern({
  doc: 'A copy of self with src written at index along dim. index: int64.',
  schema: 'scatter(self: Tensor, dim: int, index: Tensor, src: Operand): Tensor',
  backward: {
    self: (grad: A, dim: A, index: A) => t.scatter(grad, dim, index, 0),
    src: (grad: A, dim: A, index: A) => t.gather(grad, dim, index),
  },
  inplace: true,
  onnx: { symbolic: 'scatter' },
});
export const scatterAdd = extern({
  doc: 'A copy of self with src added at index along dim. index: int64.',
  schema: 'scatterAdd(self: Tensor, dim: int, index: Tensor, src: Tensor): Tensor',
  backward: { self: (grad: A) => grad, src: (grad: A, dim: A, index: A) => t.gather(grad, dim, index) },
  inplace: true,
  onnx: { symbolic: 'scatter' },
});
export const indexSelect = extern({
  doc: 'Slices of a dimension by a 1-d int index.',
  schema: 'indexSelect(self: Tensor, dim: int, index: Tensor): Tensor',
  backward: {
    self: (grad: A, self: A, dim: A, index: A) => t.indexAdd(h.zerosLike(grad, self.shape), dim, index, grad),
  },
  onnx: { symbolic: 'indexSelect' },
});
export const indexAdd = extern({
  doc: 'A copy of self with alpha * source added at index along dim.',
  schema: 'indexAdd(self: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Scalar = 1): Tensor',
  backward: {
    self: (grad: A) => grad,
    source: (grad: A, dim: A, index: A, alpha: A) => t.mul(t.indexSelect(grad, dim, index), alpha),
  },
  inplace: true,
  onnx: { none: 'not needed by the exported models' },
});
export const index = extern({
  doc: 'Advanced indexing: one index tensor (int64 or bool mask) or null per dimension. JavaScript: Tensor.index.',
  schema: 'index(self: Tensor, indices: Tensor?[]): Tensor',
  backward: { self: (grad: A, self: A, indices: A) => t.indexPut(h.zerosLike(grad, self.shape), indices, grad, true) },
  method: false,
  function: false,
  onnx: { none: 'needs GatherND: a later issue' },
});
export const indexPut = extern({
  doc: 'A copy of self with values written (or added) at the indices. JavaScript: Tensor.indexPut_.',
  schema: 'indexPut(self: Tensor, indices: Tensor?[], values: Tensor, accumulate: bool = false): Tensor',
  backward: {
    self: (grad: A, accumulate: A, indices: A) => (accumulate ? grad : h.indexPutZero(grad, indices)),
    values: (grad: A, indices: A, values: A) => h.sumTo(t.index(grad, indices), values.shape),
  },
  method: false,
  function: false,
  inplace: true,
  onnx: { none: 'needs ScatterND: a later issue' },
});
export const maskedSelect = extern({
  doc: 'Elements where mask is true, as a 1-d tensor.',
  schema: 'maskedSelect(self: Tensor, mask: Tensor): Tensor',
  dataDependent: true,
  backward: { self: (grad: A, self: A, mask: A) => h.maskedSelectBackward(grad, self.shape, mask) },
  onnx: { none: 'data-dependent shape' },
});
export const nonzero = extern({
  doc: 'Indices of elements that are not zero, [count, ndim], int64.',
  schema: 'nonzero(self: Tensor): Tensor',
  dataDependent: true,
  nondifferentiable: 'integer result',
  onnx: { op: 'NonZero', since: 13 },
});
export const tril = extern({
  doc: 'Lower triangle of the last two dimensions, zeros elsewhere.',
  schema: 'tril(self: Tensor, diagonal: int = 0): Tensor',
  backward: { self: (grad: A, diagonal: A) => t.tril(grad, diagonal) },
  inplace: true,
  onnx: { symbolic: 'trilu' },
});
export const triu = extern({
  doc: 'Upper triangle of the last two dimensions, zeros elsewhere.',
  schema: 'triu(self: Tensor, diagonal: int = 0): Tensor',
  backward: { self: (grad: A, diagonal: A) => t.triu(grad, diagonal) },
  inplace: true,
  onnx: { symbolic: 'trilu' },
});
export const asStridedScatter = extern({
  doc: 'A copy of self with src written where asStrided(size, stride, storageOffset) looks.',
  schema: 'asStridedScatter(self: Tensor, src: Tensor, size: int[], stride: int[], storageOffset: int? = null): Tensor',
  backward: {
    self: (grad: A, size: A, stride: A, storageOffset: A) => h.asStridedZero(grad, size, stride, storageOffset),
    src: (grad: A, size: A, stride: A, storageOffset: A) => h.asStridedOf(grad, size, stride, storageOffset),
  },
  onnx: { none: 'strides do not exist in ONNX' },
});
