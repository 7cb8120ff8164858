// The same elements in other places: flips, rolls, repetitions, diagonals, and views written into a copy.
import { composite, extern, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Rearranging',
  intro: `Copies with the elements in other places; the views are in [views](views.md).`,
  example: `const x = fb.tensor([[1, 2, 3], [4, 5, 6]]);
x.flip(1); // => tensor([[3., 2., 1.],
//            [6., 5., 4.]])
x.roll(1, 1); // => tensor([[3., 1., 2.],
//            [6., 4., 5.]])
fb.repeatInterleave(fb.tensor([1, 2]), fb.LongTensor([1, 3])); // => tensor([1., 2., 2., 2.])
fb.diag(fb.tensor([1, 2])); // => tensor([[1., 0.],
//            [0., 2.]])
x.flip(2); // => throws Dimension out of range (expected to be in range of [-2, 1], but got 2)`,
};

export const flip = extern({
  doc: 'The order of the elements reversed along dimensions. A copy: strides are never negative.',
  schema: 'flip(self: Tensor, dims: int[]): Tensor',
  backward: { self: (grad: A, dims: A) => t.flip(grad, dims) },
  onnx: { symbolic: 'flip' },
});
export const fliplr = composite({
  doc: 'Columns in reverse order: flip along dimension 1. Throws for fewer than two dimensions.',
  schema: 'fliplr(self: Tensor): Tensor',
  body: (self: A) => {
    if (self.ndim < 2) throw new Error('Input must be >= 2-d.');
    return t.flip(self, [1]);
  },
  onnx: { symbolic: 'region' },
});
export const flipud = composite({
  doc: 'Rows in reverse order: flip along dimension 0. Throws for a 0-d tensor.',
  schema: 'flipud(self: Tensor): Tensor',
  body: (self: A) => {
    if (self.ndim < 1) throw new Error('Input must be >= 1-d.');
    return t.flip(self, [0]);
  },
  onnx: { symbolic: 'region' },
});
export const rot90 = composite({
  doc: 'Rotated by k times 90 degrees in the plane of two dimensions, from the first towards the second.',
  schema: 'rot90(self: Tensor, k: int = 1, dims: int[] = [0, 1]): Tensor',
  body: (self: A, k: A, dims: A) => {
    const plane = h.rotationDims(self.shape, dims);
    const turns = ((k % 4) + 4) % 4;
    if (turns === 1) return t.transpose(t.flip(self, [plane[1]]), plane[0], plane[1]);
    if (turns === 2) return t.flip(self, plane);
    if (turns === 3) return t.transpose(t.flip(self, [plane[0]]), plane[0], plane[1]);
    return t.clone(self);
  },
  onnx: { symbolic: 'region' },
});
export const roll = composite({
  doc: 'Elements shifted along dimensions; those that leave at one end enter at the other. No dims: in row-major order.',
  schema: 'roll(self: Tensor, shifts: int[], dims: int[] = []): Tensor',
  body: 'nn::roll',
  onnx: { symbolic: 'region' },
});
export const fftshift = composite({
  doc: 'Rolled by half of its size along the dimensions (all when null): the zero frequency moves to the middle.',
  schema: 'fftshift(self: Tensor, dim: int[]? = null): Tensor',
  body: 'nn::fftshift',
  method: false,
  exports: ['fft.fftshift'],
  onnx: { symbolic: 'region' },
});
export const ifftshift = composite({
  doc: 'The inverse of fftshift.',
  schema: 'ifftshift(self: Tensor, dim: int[]? = null): Tensor',
  body: 'nn::ifftshift',
  method: false,
  exports: ['fft.ifftshift'],
  onnx: { symbolic: 'region' },
});
export const repeat = composite({
  doc: 'The tensor laid side by side: `repeats[d]` copies along each dimension; more entries than dimensions add leading ones.',
  schema: 'repeat(self: Tensor, repeats: int[]): Tensor',
  body: 'nn::repeat',
  function: false,
  onnx: { symbolic: 'region' },
});
export const tile = composite({
  doc: '`repeat` with ones put in front of the repetitions where they are fewer than the dimensions.',
  schema: 'tile(self: Tensor, dims: int[]): Tensor',
  body: (self: A, dims: A) => t.repeat(self, h.tileDims(self.shape, dims)),
  onnx: { symbolic: 'region' },
});
export const repeatInterleave = composite({
  doc: 'Every element `repeats` times in a row along a dimension (null: of the flattened tensor). repeats: a number, or an integer tensor with one number for each element of the dimension.',
  schema: 'repeatInterleave(self: Tensor, repeats: int, dim: int? = null, *, outputSize: int? = null): Tensor',
  body: 'nn::repeatInterleave',
  onnx: { symbolic: 'region' },
});
export const repeatInterleaveTensor = composite({
  doc: '`repeatInterleave` with a number of repetitions for each element.',
  schema: 'repeatInterleaveTensor(self: Tensor, repeats: Tensor, dim: int? = null, *, outputSize: int? = null): Tensor',
  body: 'nn::repeatInterleaveTensor',
  method: false,
  function: false,
  overloadOf: 'repeatInterleave',
  onnx: { none: 'data-dependent shape' },
});
export const repeatInterleaveIndices = extern({
  doc: 'The index i, repeats[i] times, for each i. repeats: [n], int32 or int64.',
  schema: 'repeatInterleaveIndices(repeats: Tensor, outputSize: int? = null): Tensor',
  dataDependent: true,
  nondifferentiable: 'integer result',
  method: false,
  function: false,
  onnx: { none: 'data-dependent shape' },
});
export const diagEmbed = composite({
  doc: 'The last dimension as a diagonal of a new plane (dim1, dim2), zeros elsewhere.',
  schema: 'diagEmbed(self: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1): Tensor',
  body: (self: A, offset: A, dim1: A, dim2: A) =>
    h.diagonalBackward(self, h.diagEmbedShape(self.shape, offset, dim1, dim2), offset, dim1, dim2),
  onnx: { symbolic: 'region' },
});
export const diag = composite({
  doc: 'A vector as the diagonal of a square matrix, or the diagonal of a matrix as a vector (a copy).',
  schema: 'diag(self: Tensor, diagonal: int = 0): Tensor',
  body: (self: A, diagonal: A) => {
    if (self.ndim !== 1 && self.ndim !== 2) throw new Error('matrix or a vector expected');
    if (self.ndim === 1) return t.diagEmbed(self, diagonal, 0, 1);
    return t.clone(t.diagonal(self, diagonal, 0, 1));
  },
  onnx: { symbolic: 'region' },
});
export const diagflat = composite({
  doc: 'All elements, flattened, as the diagonal of a square matrix.',
  schema: 'diagflat(self: Tensor, offset: int = 0): Tensor',
  body: (self: A, offset: A) => t.diagEmbed(t.reshape(self, [-1]), offset, 0, 1),
  onnx: { symbolic: 'region' },
});
export const vander = composite({
  doc: "Powers of a vector's elements as rows: from N - 1 down to 0, or up from 0 when increasing. N: its length when null.",
  schema: 'vander(x: Tensor, N: int? = null, increasing: bool = false): Tensor',
  body: 'nn::vander',
  method: false,
  onnx: { symbolic: 'region' },
});
export const selectScatter = composite({
  doc: 'A copy of self with src written where select(dim, index) looks.',
  schema: 'selectScatter(self: Tensor, src: Tensor, dim: int, index: int): Tensor',
  body: (self: A, src: A, dim: A, index: A) => {
    const out = t.clone(self);
    t.copy_(h.sameShapeView(t.select(out, dim, index), src), src);
    return out;
  },
  onnx: { symbolic: 'region' },
});
export const sliceScatter = composite({
  doc: 'A copy of self with src written where the slice start:end:step of dim looks.',
  schema:
    'sliceScatter(self: Tensor, src: Tensor, dim: int = 0, start: int? = null, end: int? = null, step: int = 1): Tensor',
  body: (self: A, src: A, dim: A, start: A, end: A, step: A) => {
    const out = t.clone(self);
    t.copy_(h.sameShapeView(t.slice(out, dim, start, end, step), src), src);
    return out;
  },
  onnx: { symbolic: 'region' },
});
export const diagonalScatter = composite({
  doc: 'A copy of self with src written where diagonal(offset, dim1, dim2) looks.',
  schema: 'diagonalScatter(self: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1): Tensor',
  body: (self: A, src: A, offset: A, dim1: A, dim2: A) => {
    const out = t.clone(self);
    t.copy_(h.sameShapeView(t.diagonal(out, offset, dim1, dim2), src), src);
    return out;
  },
  onnx: { symbolic: 'region' },
});
export const fillDiagonal_ = composite({
  doc: 'The main diagonal of self set to a number; wrap: again after a gap of one row in matrices taller than wide.',
  schema: 'fillDiagonal_(self: Tensor, fillValue: Scalar, wrap: bool = false): self',
  body: 'nn::fillDiagonal_',
  function: false,
  onnx: { none: 'in place' },
});
