// Order: sorting, the largest elements, distinct elements, binary search.
import { composite, extern, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Sorting and searching',
  intro: `NaN counts as the largest value. Sorting is always stable: equal elements keep their order, in descending order too. Gradients go to the elements that were selected.`,
  example: `const x = fb.tensor([3, 1, 2, 1]);
x.sort().values; // => tensor([1., 1., 2., 3.])
x.argsort(); // => tensor([1, 3, 2, 0])
x.topk(2).indices; // => tensor([0, 2])
x.unique(); // => tensor([1., 2., 3.])
fb.searchsorted(fb.tensor([1, 2, 3]), fb.tensor([0, 2, 9])); // => tensor([0, 1, 3])`,
};

export const sort = extern({
  doc: 'Elements in order along a dimension, and where they were. Always stable; NaN counts as the largest.',
  schema:
    'sort(self: Tensor, dim: int = -1, descending: bool = false, stable: bool = false): (values: Tensor, indices: Tensor)',
  backward: { self: (grad: A, self: A, dim: A, indices: A) => h.selectBackward(grad, self.shape, dim, true, indices) },
  onnx: { symbolic: 'sort' },
});
export const argsort = composite({
  doc: 'Where the elements in order along a dimension were: the indices of `sort`.',
  schema: 'argsort(self: Tensor, dim: int = -1, descending: bool = false, stable: bool = false): Tensor',
  body: (self: A, dim: A, descending: A, stable: A) => t.sort(self, dim, descending, stable)[1],
  onnx: { symbolic: 'region' },
});
export const msort = composite({
  doc: 'Elements in ascending order along the first dimension.',
  schema: 'msort(self: Tensor): Tensor',
  out: true,
  body: (self: A) => t.sort(self, 0)[0],
  onnx: { symbolic: 'region' },
});
export const topk = extern({
  doc: 'The k largest (or smallest) elements along a dimension, and where they were.',
  schema:
    'topk(self: Tensor, k: int, dim: int = -1, largest: bool = true, sorted: bool = true): (values: Tensor, indices: Tensor)',
  backward: { self: (grad: A, self: A, dim: A, indices: A) => h.selectBackward(grad, self.shape, dim, true, indices) },
  onnx: { symbolic: 'topk' },
});
export const uniqueAll = extern({
  doc: 'Distinct elements in ascending order, for every element the index of its value, and how often each occurs. JavaScript: unique.',
  schema: 'uniqueAll(self: Tensor): (output: Tensor, inverse: Tensor, counts: Tensor)',
  dataDependent: true,
  nondifferentiable: 'piecewise constant order',
  method: false,
  function: false,
  onnx: { none: 'data-dependent shape' },
});
export const uniqueDim = extern({
  doc: 'Distinct slices along a dimension in lexicographic order (consecutive: neighbours only, in the order met). JavaScript: unique, uniqueConsecutive.',
  schema:
    'uniqueDim(self: Tensor, dim: int, consecutive: bool = false): (output: Tensor, inverse: Tensor, counts: Tensor)',
  dataDependent: true,
  nondifferentiable: 'piecewise constant order',
  method: false,
  function: false,
  onnx: { none: 'data-dependent shape' },
});
export const uniqueRuns = extern({
  doc: 'Elements without repeated neighbours (flattened), the run of every element, and the lengths of the runs. JavaScript: uniqueConsecutive.',
  schema: 'uniqueRuns(self: Tensor): (output: Tensor, inverse: Tensor, counts: Tensor)',
  dataDependent: true,
  nondifferentiable: 'piecewise constant order',
  method: false,
  function: false,
  onnx: { none: 'data-dependent shape' },
});
export const searchsorted = extern({
  doc: "Where values would be put into sorted rows: the first position whose element is >= the value (right, or side 'right': >).\nsorter: the order of the rows' elements, when they are not sorted themselves.",
  schema:
    'searchsorted(sortedSequence: Tensor, self: Operand, *, outInt32: bool = false, right: bool = false, side: string? = null, sorter: Tensor? = null): Tensor',
  nondifferentiable: 'integer result',
  method: false,
  onnx: { symbolic: 'searchsorted' },
});
export const bucketize = composite({
  doc: 'The bucket of every element among 1-d sorted boundaries: `searchsorted` with the arguments in the other order.',
  schema: 'bucketize(self: Operand, boundaries: Tensor, *, outInt32: bool = false, right: bool = false): Tensor',
  body: (self: A, boundaries: A, outInt32: A, right: A) => {
    if (boundaries.ndim !== 1)
      throw new Error(`boundaries tensor must be 1 dimension, but got dim(${boundaries.ndim})`);
    return t.searchsorted(boundaries, self, { outInt32, right });
  },
  method: false,
  onnx: { symbolic: 'region' },
});
