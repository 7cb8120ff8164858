// Running values along a dimension, and differences of neighbours.
import { composite, range, scan, type Page } from '../model.js';
import * as s from '../scalar_lib.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Running values and differences',
  intro: `Along one dimension, in its order; the result has the input's shape (differences: fewer elements). Sums, products and logarithms of sums are accumulated in a wider type than the elements.`,
  example: `const x = fb.tensor([3, 1, 4, 1]);
x.cumsum(0); // => tensor([3., 4., 8., 9.])
x.cumprod(0); // => tensor([ 3.,  3., 12., 12.])
x.cummax(0).indices; // => tensor([0, 0, 2, 2])
x.diff(); // => tensor([-2.,  3., -3.])
fb.gradient(x)[0]; // => tensor([-2.0000,  0.5000,  0.0000, -3.0000])`,
};

/** log(exp(a) + exp(b)) without overflow; equal infinities stay what they are. */
const logaddexp = (a: number, b: number): number => {
  const hi = s.max(a, b);
  const lo = s.min(a, b);
  return hi === lo && !s.isfinite(hi) ? hi : hi + s.log1p(s.exp(lo - hi));
};

export const cumsum = scan({
  doc: 'Running sum along a dimension. Integers and bool give int64.',
  schema: 'cumsum(self: Tensor, dim: int, *, dtype: dtype? = null): Tensor',
  dtype: 'int-to-int64',
  init: 0,
  combine: (acc, x) => acc + x,
  backward: { self: (grad: A, dim: A) => t.reverseCumsum(grad, dim) },
  inplace: true,
  onnx: { symbolic: 'cumsum' },
  samples: range(-3, 3),
});
export const reverseCumsum = scan({
  doc: 'Running sum from the last element to the first: the derivative of `cumsum`.',
  schema: 'reverseCumsum(self: Tensor, dim: int): Tensor',
  dtype: 'int-to-int64',
  init: 0,
  combine: (acc, x) => acc + x,
  reverse: true,
  backward: { self: (grad: A, dim: A) => t.cumsum(grad, dim) },
  method: false,
  function: false,
  onnx: { none: 'derivative kernel' },
  samples: range(-3, 3),
});
export const cumprod = scan({
  doc: 'Running product along a dimension. Integers and bool give int64.',
  schema: 'cumprod(self: Tensor, dim: int, *, dtype: dtype? = null): Tensor',
  dtype: 'int-to-int64',
  init: 1,
  combine: (acc, x) => acc * x,
  backward: { self: (grad: A, self: A, dim: A, out: A) => h.cumprodBackward(grad, self, dim, out) },
  inplace: true,
  onnx: { symbolic: 'cumprod' },
  samples: range(0.5, 2),
});
export const cummax = scan({
  doc: 'Largest element so far along a dimension and where it is (the last of equal ones); NaN wins.',
  schema: 'cummax(self: Tensor, dim: int): (values: Tensor, indices: Tensor)',
  dtype: 'same',
  init: [-Infinity, -1],
  combine: ([best, at], x, index) => (x >= best || at < 0 || s.isnan(x) ? [x, index] : [best, at]),
  join: ([best, at], [best2, at2]) =>
    at2 >= 0 && (best2 >= best || at < 0 || s.isnan(best2)) ? [best2, at2] : [best, at],
  finish: ([best, at]) => [best, at],
  backward: {
    self: (grad: A, self: A, dim: A, indices: A) => h.selectBackward(grad, self.shape, dim, true, indices),
  },
  onnx: { symbolic: 'cummax' },
  samples: range(-3, 3),
});
export const cummin = scan({
  doc: 'Smallest element so far along a dimension and where it is (the last of equal ones); NaN wins.',
  schema: 'cummin(self: Tensor, dim: int): (values: Tensor, indices: Tensor)',
  dtype: 'same',
  init: [Infinity, -1],
  combine: ([best, at], x, index) => (x <= best || at < 0 || s.isnan(x) ? [x, index] : [best, at]),
  join: ([best, at], [best2, at2]) =>
    at2 >= 0 && (best2 <= best || at < 0 || s.isnan(best2)) ? [best2, at2] : [best, at],
  finish: ([best, at]) => [best, at],
  backward: {
    self: (grad: A, self: A, dim: A, indices: A) => h.selectBackward(grad, self.shape, dim, true, indices),
  },
  onnx: { symbolic: 'cummin' },
  samples: range(-3, 3),
});
export const logcumsumexp = scan({
  doc: 'Logarithm of the running sum of exponentials along a dimension, without overflow. Floating dtypes only.',
  schema: 'logcumsumexp(self: Tensor, dim: int): Tensor',
  dtype: 'float-only',
  init: -Infinity,
  combine: (acc, x) => logaddexp(acc, x),
  backward: { self: (grad: A, self: A, dim: A, out: A) => h.logcumsumexpBackward(grad, self, dim, out) },
  onnx: { symbolic: 'logcumsumexp' },
  samples: range(-3, 3),
});
export const reverseLogcumsumexp = scan({
  doc: '`logcumsumexp` from the last element to the first: its derivative is made of it.',
  schema: 'reverseLogcumsumexp(self: Tensor, dim: int): Tensor',
  dtype: 'float-only',
  init: -Infinity,
  combine: (acc, x) => logaddexp(acc, x),
  reverse: true,
  backward: { self: (grad: A, self: A, dim: A, out: A) => h.reverseLogcumsumexpBackward(grad, self, dim, out) },
  method: false,
  function: false,
  onnx: { none: 'derivative kernel' },
  samples: range(-3, 3),
});

export const diff = composite({
  doc: 'Differences of neighbours along a dimension, taken n times; `prepend` and `append` are joined first. bool: exclusive or.',
  schema: 'diff(self: Tensor, n: int = 1, dim: int = -1, prepend: Tensor? = null, append: Tensor? = null): Tensor',
  body: (self: A, n: A, dim: A, prepend: A, append: A) => h.diff(self, n, dim, prepend, append),
  onnx: { symbolic: 'region' },
});
export const gradient = composite({
  doc: "Derivatives along each of `dim` (all when null) by central differences, one-sided at the ends (edgeOrder 1 or 2).\nspacing: one distance, or one per dimension; a list of 1-d tensors: the points' coordinates. Source: https://pytorch.org/docs/stable/generated/torch.gradient.html",
  schema: 'gradient(self: Tensor, *, spacing: float[] = [], dim: int[]? = null, edgeOrder: int = 1): Tensor[]',
  body: 'nn::gradient',
  method: false,
  onnx: { symbolic: 'region' },
});
export const gradientAt = composite({
  doc: '`gradient` at given coordinates.',
  schema: 'gradientAt(self: Tensor, spacing: Tensor[], *, dim: int[]? = null, edgeOrder: int = 1): Tensor[]',
  body: 'nn::gradientAt',
  method: false,
  function: false,
  overloadOf: 'gradient',
  onnx: { symbolic: 'region' },
});
