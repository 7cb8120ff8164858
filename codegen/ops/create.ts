// Making, filling and copying tensors.
import { composite, extern, type Page } from '../model.js';
import { t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;
const made = 'made from numbers';

export const page: Page = {
  title: 'Making and filling tensors',
  intro: `Sizes come as arguments or as one array, \`dtype\` and \`requiresGrad\` in the options. The dtype defaults to the default float dtype, or follows the numbers where PyTorch's does (\`arange\`, \`full\`).`,
  example: `fb.zeros(2, 3).shape; // => [ 2, 3 ]
fb.arange(0, 10, 3); // => tensor([0, 3, 6, 9])
fb.linspace(0, 1, 5); // => tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
fb.full([2], 7); // => tensor([7., 7.])`,
};
export const empty = extern({
  doc: 'Uninitialised tensor.',
  schema: 'empty(size: int[], *, dtype: dtype? = null): Tensor',
  nondifferentiable: made,
  method: false,
  function: false,
  onnx: { symbolic: 'constant' },
});
export const full = extern({
  doc: 'Tensor filled with a number.',
  schema: 'full(size: int[], fillValue: Scalar, *, dtype: dtype? = null): Tensor',
  nondifferentiable: made,
  method: false,
  function: false,
  onnx: { symbolic: 'constant' },
});
export const arange = extern({
  doc: 'start, start + step, ... below end.',
  schema: 'arange(start: Scalar, end: Scalar, step: Scalar, *, dtype: dtype? = null): Tensor',
  nondifferentiable: made,
  method: false,
  function: false,
  onnx: { symbolic: 'constant' },
});
export const linspace = extern({
  doc: '`steps` evenly spaced numbers from start to end.',
  schema: 'linspace(start: Scalar, end: Scalar, steps: int, *, dtype: dtype? = null): Tensor',
  nondifferentiable: made,
  method: false,
  function: false,
  onnx: { symbolic: 'constant' },
});
export const eye = extern({
  doc: 'Identity matrix [n, m].',
  schema: 'eye(n: int, m: int? = null, *, dtype: dtype? = null): Tensor',
  nondifferentiable: made,
  method: false,
  function: false,
  onnx: { symbolic: 'constant' },
});
export const trilIndices = extern({
  doc: 'Rows and columns of the lower triangle of a row x col matrix, [2, count], row by row; int64 unless a dtype is given.',
  schema: 'trilIndices(row: int, col: int, offset: int = 0, *, dtype: dtype? = null): Tensor',
  nondifferentiable: made,
  method: false,
  onnx: { symbolic: 'trilIndices' },
});
export const triuIndices = extern({
  doc: 'Rows and columns of the upper triangle of a row x col matrix, [2, count], row by row; int64 unless a dtype is given.',
  schema: 'triuIndices(row: int, col: int, offset: int = 0, *, dtype: dtype? = null): Tensor',
  nondifferentiable: made,
  method: false,
  onnx: { symbolic: 'triuIndices' },
});
export const zeros = composite({
  doc: 'Tensor filled with zeros.',
  schema: 'zeros(size: int[], *, dtype: dtype? = null): Tensor',
  body: (size: A, dtype: A) => t.full(size, 0.0, { dtype }),
  method: false,
  function: false,
  onnx: { symbolic: 'constant' },
});
export const ones = composite({
  doc: 'Tensor filled with ones.',
  schema: 'ones(size: int[], *, dtype: dtype? = null): Tensor',
  body: (size: A, dtype: A) => t.full(size, 1.0, { dtype }),
  method: false,
  function: false,
  onnx: { symbolic: 'constant' },
});
export const zerosLike = composite({
  doc: "Zeros of self's shape and dtype.",
  schema: 'zerosLike(self: Tensor, *, dtype: dtype? = null): Tensor',
  body: (self: A, dtype: A) => t.full(self.shape, 0, { dtype: dtype ?? self.dtype }),
  method: false,
  onnx: { symbolic: 'region' },
});
export const onesLike = composite({
  doc: "Ones of self's shape and dtype.",
  schema: 'onesLike(self: Tensor, *, dtype: dtype? = null): Tensor',
  body: (self: A, dtype: A) => t.full(self.shape, 1, { dtype: dtype ?? self.dtype }),
  method: false,
  onnx: { symbolic: 'region' },
});
export const fullLike = composite({
  doc: "A number in self's shape and dtype.",
  schema: 'fullLike(self: Tensor, fillValue: Scalar, *, dtype: dtype? = null): Tensor',
  body: (self: A, fillValue: A, dtype: A) => t.full(self.shape, fillValue, { dtype: dtype ?? self.dtype }),
  method: false,
  onnx: { symbolic: 'region' },
});
export const emptyLike = composite({
  doc: "Uninitialised tensor of self's shape and dtype.",
  schema: 'emptyLike(self: Tensor, *, dtype: dtype? = null): Tensor',
  body: (self: A, dtype: A) => t.empty(self.shape, { dtype: dtype ?? self.dtype }),
  method: false,
  onnx: { symbolic: 'region' },
});
export const randLike = composite({
  doc: "Uniform numbers of [0, 1) in self's shape.",
  schema: 'randLike(self: Tensor, *, dtype: dtype? = null): Tensor',
  body: (self: A, dtype: A) => t.uniform_(t.empty(self.shape, { dtype: dtype ?? self.dtype })),
  method: false,
  onnx: { none: 'random' },
});
export const randnLike = composite({
  doc: "Standard normal numbers in self's shape.",
  schema: 'randnLike(self: Tensor, *, dtype: dtype? = null): Tensor',
  body: (self: A, dtype: A) => t.normal_(t.empty(self.shape, { dtype: dtype ?? self.dtype })),
  method: false,
  onnx: { none: 'random' },
});
export const copy_ = extern({
  doc: "src written into self, broadcast and converted to self's dtype.",
  schema: 'copy_(self: Tensor, src: Tensor): self',
  mutates: ['self'],
  backward: {
    self: (grad: A) => t.zerosLike(grad),
    src: (grad: A, src: A) => t.toDtype(t.sumToSize(grad, src.shape), src.dtype),
  },
  onnx: { symbolic: 'copy' },
});
export const fill_ = extern({
  doc: 'Every element of self set to a number.',
  schema: 'fill_(self: Tensor, value: Scalar): self',
  mutates: ['self'],
  backward: { self: (grad: A) => t.zerosLike(grad) },
  onnx: { symbolic: 'constant' },
});
export const zero_ = extern({
  doc: 'Every element of self set to zero.',
  schema: 'zero_(self: Tensor): self',
  mutates: ['self'],
  backward: { self: (grad: A) => t.zerosLike(grad) },
  onnx: { symbolic: 'constant' },
});
export const clone = extern({
  doc: 'A copy with its own memory.',
  schema: 'clone(self: Tensor): Tensor',
  backward: { self: (grad: A) => grad },
  onnx: { op: 'Identity', since: 1 },
});
export const toDtype = extern({
  doc: 'The same numbers in another dtype (floats are truncated to integers). JavaScript: to, float, long, ...',
  schema: 'toDtype(self: Tensor, dtype: dtype): Tensor',
  backward: { self: (grad: A, self: A) => t.toDtype(grad, self.dtype) },
  method: false,
  function: false,
  onnx: { symbolic: 'cast' },
});
export const contiguous = composite({
  doc: 'Self when it is row-major in memory, else a copy that is.',
  schema: 'contiguous(self: Tensor): Tensor',
  body: 'nn::contiguous',
  onnx: { symbolic: 'region' },
});
export const sumToSize = composite({
  doc: "Summed down to a shape that broadcasts to self's.",
  schema: 'sumToSize(self: Tensor, size: int[]): Tensor',
  body: 'nn::sumToSize',
  onnx: { none: 'derivative helper' },
});
