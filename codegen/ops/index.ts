// Reading and writing by index. The writing ops are all one scatter kernel (native/cpu/scatter.cc).
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
export const gather = extern({
  doc: 'out[i][j] = self[index[i][j]][j] (dim 0) and so on. index: int64.',
  schema: 'gather(self: Tensor, dim: int, index: Tensor): Tensor',
  out: 'apart',
  backward: {
    self: (grad: A, self: A, dim: A, index: A) => t.scatterAdd(h.zerosLike(grad, self.shape), dim, index, grad),
  },
  onnx: { symbolic: 'gather' },
});
export const scatter = extern({
  doc: "A copy of self with src written at index along dim, or with reduce ('add', 'multiply') joined to what is there. index: int64.",
  schema: 'scatter(self: Tensor, dim: int, index: Tensor, src: Operand): Tensor',
  backward: {
    self: (grad: A, dim: A, index: A) => t.scatter(grad, dim, index, 0),
    src: (grad: A, dim: A, index: A, src: A) => h.cornerBackward(t.gather(grad, dim, index), src.shape),
  },
  inplace: true,
  onnx: { symbolic: 'scatter' },
});
export const scatterJoin = composite({
  doc: '`scatter` with a reduce.',
  schema: 'scatterJoin(self: Tensor, dim: int, index: Tensor, src: Operand, *, reduce: string): Tensor',
  body: 'nn::scatterJoin',
  overloadOf: 'scatter',
  inplace: true,
  method: false,
  function: false,
  onnx: { symbolic: 'region' },
});
export const scatterAdd = extern({
  doc: 'A copy of self with src added at index along dim. index: int64.',
  schema: 'scatterAdd(self: Tensor, dim: int, index: Tensor, src: Tensor): Tensor',
  backward: {
    self: (grad: A) => grad,
    src: (grad: A, dim: A, index: A, src: A) => h.cornerBackward(t.gather(grad, dim, index), src.shape),
  },
  inplace: true,
  onnx: { symbolic: 'scatter' },
});
export const scatterReduce = extern({
  doc: "A copy of self with src joined to it at index along dim. reduce: 'sum', 'prod', 'mean', 'amax' or 'amin'; includeSelf: self's own elements take part. index: int64.",
  schema:
    'scatterReduce(self: Tensor, dim: int, index: Tensor, src: Tensor, reduce: string, *, includeSelf: bool = true): Tensor',
  backward: {
    self: (grad: A, self: A, dim: A, index: A, src: A, reduce: A, includeSelf: A, out: A) => {
      let g = grad;
      if (reduce === 'mean') g = t.div(grad, h.scatterCounts(self, dim, index, src, includeSelf));
      if (reduce === 'prod') {
        const factors = t.maskedFill(self, t.eq(self, 0), 1);
        g = t.div(t.mul(grad, t.scatterReduce(factors, dim, index, src, reduce, { includeSelf })), factors);
      }
      if (reduce === 'amax' || reduce === 'amin')
        g = t.mul(
          h.scatterShared(grad, self, dim, index, src, includeSelf, out),
          t.toDtype(t.eq(self, out), grad.dtype),
        );
      return includeSelf ? g : t.scatter(g, dim, index, 0);
    },
    src: (grad: A, self: A, dim: A, index: A, src: A, reduce: A, includeSelf: A, out: A) => {
      if (reduce === 'prod') return h.scatterProdBackward(grad, self, dim, index, src, includeSelf, out);
      let g = grad;
      if (reduce === 'mean') g = t.div(grad, h.scatterCounts(self, dim, index, src, includeSelf));
      if (reduce === 'amax' || reduce === 'amin') {
        const hits = t.eq(h.corner(src, index.shape), t.gather(out, dim, index));
        const shared = h.scatterShared(grad, self, dim, index, src, includeSelf, out);
        return h.cornerBackward(t.mul(t.gather(shared, dim, index), t.toDtype(hits, grad.dtype)), src.shape);
      }
      return h.cornerBackward(t.gather(g, dim, index), src.shape);
    },
  },
  inplace: true,
  onnx: { symbolic: 'scatterReduce' },
});
export const indexSelect = extern({
  doc: 'Slices of a dimension by a 1-d int index.',
  schema: 'indexSelect(self: Tensor, dim: int, index: Tensor): Tensor',
  out: 'apart',
  backward: {
    self: (grad: A, self: A, dim: A, index: A) => t.indexAdd(h.zerosLike(grad, self.shape), dim, index, grad),
  },
  onnx: { symbolic: 'indexSelect' },
});
export const indexAdd = composite({
  doc: 'A copy of self with alpha * source added at index along dim. index: int32 or int64, 1-d.',
  schema: 'indexAdd(self: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Scalar = 1): Tensor',
  body: 'nn::indexAdd',
  inplace: true,
  onnx: { symbolic: 'region' },
});
export const indexCopy = composite({
  doc: "A copy of self with source's slices written at index along dim. index: int64, 1-d.",
  schema: 'indexCopy(self: Tensor, dim: int, index: Tensor, source: Tensor): Tensor',
  body: 'nn::indexCopy',
  inplace: true,
  onnx: { symbolic: 'region' },
});
export const indexFill = composite({
  doc: 'A copy of self with a value written at index along dim. value: a number or a 0-d tensor; index: int64, 1-d, negative from the end.',
  schema: 'indexFill(self: Tensor, dim: int, index: Tensor, value: Operand): Tensor',
  body: 'nn::indexFill',
  inplace: true,
  onnx: { symbolic: 'region' },
});
export const indexReduce = composite({
  doc: "A copy of self with source's slices joined to it at index along dim. reduce: 'prod', 'mean', 'amax' or 'amin'.",
  schema:
    'indexReduce(self: Tensor, dim: int, index: Tensor, source: Tensor, reduce: string, *, includeSelf: bool = true): Tensor',
  body: 'nn::indexReduce',
  inplace: true,
  onnx: { symbolic: 'region' },
});
export const segmentReduce = composite({
  doc: "One value per segment of consecutive elements along axis. reduce: 'sum', 'mean', 'prod', 'max' or 'min'; the segments by lengths or by offsets (one more than segments). initial: the start of every segment, and the value of empty ones.",
  schema:
    'segmentReduce(data: Tensor, reduce: string, *, lengths: Tensor? = null, indices: Tensor? = null, offsets: Tensor? = null, axis: int = 0, unsafe: bool = false, initial: Scalar? = null): Tensor',
  body: 'nn::segmentReduce',
  method: false,
  onnx: { symbolic: 'region' },
});
export const take = composite({
  doc: 'Elements of the flattened tensor, in the shape of index. index: int64, negative from the end.',
  schema: 'take(self: Tensor, index: Tensor): Tensor',
  out: 'apart',
  body: 'nn::take',
  onnx: { symbolic: 'region' },
});
export const takeAlongDim = composite({
  doc: '`gather` whose self and indices broadcast; without a dim over the flattened tensors.',
  schema: 'takeAlongDim(self: Tensor, indices: Tensor, dim: int? = null): Tensor',
  body: 'nn::takeAlongDim',
  onnx: { symbolic: 'region' },
});
export const unravelIndex = composite({
  doc: 'The coordinates, one tensor per dimension of `shape`, of positions in the flattened tensor.',
  schema: 'unravelIndex(indices: Tensor, shape: int[]): Tensor[]',
  body: 'nn::unravelIndex',
  method: false,
  onnx: { symbolic: 'region' },
});
export const put = composite({
  doc: 'A copy of self with source written (or added) at positions of the flattened tensor. index: int64, negative from the end.',
  schema: 'put(self: Tensor, index: Tensor, source: Tensor, accumulate: bool = false): Tensor',
  body: 'nn::put',
  inplace: true,
  onnx: { symbolic: 'region' },
});
export const maskedScatter = composite({
  doc: "A copy of self with source's elements, in order, where mask is true.",
  schema: 'maskedScatter(self: Tensor, mask: Tensor, source: Tensor): Tensor',
  body: 'nn::maskedScatter',
  inplace: true,
  onnx: { symbolic: 'region' },
});
export const index = extern({
  doc: 'Advanced indexing: one index tensor (int64 or bool mask) or null per dimension. JavaScript: Tensor.index.',
  schema: 'index(self: Tensor, indices: Tensor?[]): Tensor',
  backward: { self: (grad: A, self: A, indices: A) => t.indexPut(h.zerosLike(grad, self.shape), indices, grad, true) },
  method: false,
  function: false,
  onnx: { symbolic: 'index' },
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
  onnx: { symbolic: 'indexPut' },
});
export const maskedSelect = extern({
  doc: 'Elements where mask is true, as a 1-d tensor.',
  schema: 'maskedSelect(self: Tensor, mask: Tensor): Tensor',
  out: 'apart',
  dataDependent: true,
  backward: { self: (grad: A, self: A, mask: A) => h.maskedSelectBackward(grad, self.shape, mask) },
  onnx: { symbolic: 'maskedSelect' },
});
export const nonzero = extern({
  doc: 'Indices of elements that are not zero, [count, ndim], int64. JavaScript: with { asTuple: true } one 1-d tensor per dimension.',
  schema: 'nonzero(self: Tensor): Tensor',
  dataDependent: true,
  nondifferentiable: 'integer result',
  method: false,
  function: false,
  onnx: { op: 'NonZero', since: 13 },
});
export const argwhere = composite({
  doc: 'Indices of elements that are not zero, [count, ndim], int64.',
  schema: 'argwhere(self: Tensor): Tensor',
  body: (self: A) => t.nonzero(self),
  onnx: { symbolic: 'region' },
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
  onnx: { symbolic: 'asStridedScatter' },
});
