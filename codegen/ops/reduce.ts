// Reductions: start value, combine, finish. `dim` empty or null reduces everything.
import { composite, reduction, range, type Page } from '../model.js';
import * as s from '../scalar_lib.js';
import { t } from '../tensor_lib.js';
import { h } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Reductions',
  intro: `Over \`dim\` (a number or several; all dimensions when left out), which disappear unless \`keepdim\`. An empty input gives the neutral element where there is one and throws otherwise.`,
  example: `const x = fb.tensor([[1, 5, 3], [4, 2, 6]]);
x.sum(); // => tensor(21.)
x.mean(1); // => tensor([3., 4.])
x.amax(0, true); // => tensor([[4., 5., 6.]])
x.max(1).indices; // => tensor([1, 2])`,
};
/** The first of the best elements so far: `better` says that x beats `best`. An index below 0 is none; NaN beats numbers. */
const keepFirst = ([best, at]: A, x: number, index: number, better: boolean): A =>
  better || at < 0 || (s.isnan(x) && !s.isnan(best)) ? [x, index] : [best, at];
/** The same for two candidates whose elements may come in any order: of equal ones the lower index wins. */
const joinFirst = ([best, at]: A, [best2, at2]: A, better: boolean): A => {
  const nanA = s.isnan(best);
  const nanB = s.isnan(best2);
  const same = best2 === best || (nanA && nanB);
  const takeB = at2 >= 0 && (at < 0 || (nanB && !nanA) || (!nanA && better) || (same && at2 < at));
  return takeB ? [best2, at2] : [best, at];
};

export const sum = reduction({
  doc: 'Sum over `dim` (all when null). Integers and bool give int64.\nSource: https://pytorch.org/docs/stable/generated/torch.sum.html',
  schema: 'sum(self: Tensor, dim: int[]? = null, keepdim: bool = false, *, dtype: dtype? = null): Tensor',
  dtype: 'int-to-int64',
  init: 0,
  combine: (acc, x) => acc + x,
  identity: true,
  backward: { self: (grad: A, self: A, dim: A, keepdim: A) => h.expandReduced(grad, self.shape, dim, keepdim) },
  onnx: { symbolic: 'reduce' },
  samples: range(-3, 3),
});
export const mean = reduction({
  doc: 'Mean over `dim` (all when null). Floating dtypes only.',
  schema: 'mean(self: Tensor, dim: int[]? = null, keepdim: bool = false, *, dtype: dtype? = null): Tensor',
  dtype: 'float-only',
  init: 0,
  combine: (acc, x) => acc + x,
  finish: (acc, n) => acc / n,
  identity: true,
  backward: {
    self: (grad: A, self: A, dim: A, keepdim: A) =>
      t.div(h.expandReduced(grad, self.shape, dim, keepdim), h.reducedCount(self.shape, dim)),
  },
  onnx: { symbolic: 'reduce' },
  samples: range(-3, 3),
});
export const prod = reduction({
  doc: 'Product over `dim` (all when null). Integers and bool give int64.',
  schema: 'prod(self: Tensor, dim: int? = null, keepdim: bool = false, *, dtype: dtype? = null): Tensor',
  dtype: 'int-to-int64',
  init: 1,
  combine: (acc, x) => acc * x,
  identity: true,
  backward: { self: (grad: A, self: A, dim: A, keepdim: A) => h.prodBackward(grad, self, dim, keepdim) },
  onnx: { symbolic: 'reduce' },
  samples: range(0.5, 2),
});
export const amax = reduction({
  doc: 'Largest element over `dim` (all when empty); NaN wins. Ties share the gradient.',
  schema: 'amax(self: Tensor, dim: int[] = [], keepdim: bool = false): Tensor',
  dtype: 'same',
  init: -Infinity,
  combine: (acc, x) => s.max(acc, x),
  identity: false,
  backward: {
    self: (grad: A, self: A, dim: A, keepdim: A, out: A) => h.extremeBackward(grad, self, dim, keepdim, out),
  },
  onnx: { symbolic: 'reduce' },
  samples: range(-3, 3),
});
export const amin = reduction({
  doc: 'Smallest element over `dim` (all when empty); NaN wins. Ties share the gradient.',
  schema: 'amin(self: Tensor, dim: int[] = [], keepdim: bool = false): Tensor',
  dtype: 'same',
  init: Infinity,
  combine: (acc, x) => s.min(acc, x),
  identity: false,
  backward: {
    self: (grad: A, self: A, dim: A, keepdim: A, out: A) => h.extremeBackward(grad, self, dim, keepdim, out),
  },
  onnx: { symbolic: 'reduce' },
  samples: range(-3, 3),
});
export const any = reduction({
  doc: 'Whether any element is not zero. Gives bool.',
  schema: 'any(self: Tensor, dim: int? = null, keepdim: bool = false): Tensor',
  dtype: 'bool',
  init: false,
  combine: (acc, x) => acc || x !== 0,
  join: (a, b) => a || b,
  identity: true,
  nondifferentiable: 'boolean result',
  onnx: { symbolic: 'anyAll' },
  samples: range(-1, 1),
});
export const all = reduction({
  doc: 'Whether all elements are not zero. Gives bool.',
  schema: 'all(self: Tensor, dim: int? = null, keepdim: bool = false): Tensor',
  dtype: 'bool',
  init: true,
  combine: (acc, x) => acc && x !== 0,
  join: (a, b) => a && b,
  identity: true,
  nondifferentiable: 'boolean result',
  onnx: { symbolic: 'anyAll' },
  samples: range(-1, 1),
});
export const argmax = reduction({
  doc: 'Index of the largest element (the first of equal ones; NaN counts as largest). Gives int64.',
  schema: 'argmax(self: Tensor, dim: int? = null, keepdim: bool = false): Tensor',
  dtype: 'index',
  init: [-Infinity, -1],
  combine: ([best, at], x, index) => keepFirst([best, at], x, index, x > best),
  join: ([best, at], [best2, at2]) => joinFirst([best, at], [best2, at2], best2 > best),
  finish: ([_best, at]) => [at],
  identity: false,
  nondifferentiable: 'integer result',
  onnx: { symbolic: 'argExtreme' },
  samples: range(-3, 3),
});
export const argmin = reduction({
  doc: 'Index of the smallest element (the first of equal ones; NaN counts as smallest). Gives int64.',
  schema: 'argmin(self: Tensor, dim: int? = null, keepdim: bool = false): Tensor',
  dtype: 'index',
  init: [Infinity, -1],
  combine: ([best, at], x, index) => keepFirst([best, at], x, index, x < best),
  join: ([best, at], [best2, at2]) => joinFirst([best, at], [best2, at2], best2 < best),
  finish: ([_best, at]) => [at],
  identity: false,
  nondifferentiable: 'integer result',
  onnx: { symbolic: 'argExtreme' },
  samples: range(-3, 3),
});
export const maxDim = reduction({
  doc: 'Largest element along `dim` and its index (the first of equal ones).',
  schema: 'maxDim(self: Tensor, dim: int, keepdim: bool = false): (values: Tensor, indices: Tensor)',
  dtype: 'same',
  init: [-Infinity, -1],
  combine: ([best, at], x, index) => keepFirst([best, at], x, index, x > best),
  join: ([best, at], [best2, at2]) => joinFirst([best, at], [best2, at2], best2 > best),
  finish: ([best, at]) => [best, at],
  identity: false,
  backward: {
    self: (grad: A, self: A, dim: A, keepdim: A, indices: A) =>
      h.selectBackward(grad, self.shape, dim, keepdim, indices),
  },
  method: false,
  function: false,
  overloadOf: 'max',
  onnx: { symbolic: 'maxDim' },
  samples: range(-3, 3),
});
export const minDim = reduction({
  doc: 'Smallest element along `dim` and its index (the first of equal ones).',
  schema: 'minDim(self: Tensor, dim: int, keepdim: bool = false): (values: Tensor, indices: Tensor)',
  dtype: 'same',
  init: [Infinity, -1],
  combine: ([best, at], x, index) => keepFirst([best, at], x, index, x < best),
  join: ([best, at], [best2, at2]) => joinFirst([best, at], [best2, at2], best2 < best),
  finish: ([best, at]) => [best, at],
  identity: false,
  backward: {
    self: (grad: A, self: A, dim: A, keepdim: A, indices: A) =>
      h.selectBackward(grad, self.shape, dim, keepdim, indices),
  },
  method: false,
  function: false,
  overloadOf: 'min',
  onnx: { symbolic: 'maxDim' },
  samples: range(-3, 3),
});
export const max = composite({
  doc: 'Largest element; NaN wins. Equal elements share the gradient. With `dim`: largest along it and where; with a tensor: elementwise.',
  schema: 'max(self: Tensor): Tensor',
  body: (self: A) => t.amax(self, []),
  backward: { self: (grad: A, self: A, out: A) => h.evenlyShared(grad, self, out) },
  onnx: { symbolic: 'region' },
});
export const min = composite({
  doc: 'Smallest element; NaN wins. Equal elements share the gradient. With `dim`: smallest along it and where; with a tensor: elementwise.',
  schema: 'min(self: Tensor): Tensor',
  body: (self: A) => t.amin(self, []),
  backward: { self: (grad: A, self: A, out: A) => h.evenlyShared(grad, self, out) },
  onnx: { symbolic: 'region' },
});
export const maxOther = composite({
  doc: 'The larger of two elements: `maximum` under the name of `max`.',
  schema: 'maxOther(self: Tensor, other: Tensor): Tensor',
  body: (self: A, other: A) => t.maximum(self, other),
  method: false,
  function: false,
  overloadOf: 'max',
  onnx: { symbolic: 'region' },
});
export const minOther = composite({
  doc: 'The smaller of two elements: `minimum` under the name of `min`.',
  schema: 'minOther(self: Tensor, other: Tensor): Tensor',
  body: (self: A, other: A) => t.minimum(self, other),
  method: false,
  function: false,
  overloadOf: 'min',
  onnx: { symbolic: 'region' },
});
export const nansum = reduction({
  doc: 'Sum over `dim` (all when null), NaN counted as zero. Integers and bool give int64.',
  schema: 'nansum(self: Tensor, dim: int[]? = null, keepdim: bool = false, *, dtype: dtype? = null): Tensor',
  dtype: 'int-to-int64',
  init: 0,
  combine: (acc, x) => acc + (s.isnan(x) ? 0 : x),
  join: (a, b) => a + b,
  identity: true,
  backward: {
    self: (grad: A, self: A, dim: A, keepdim: A) =>
      t.mul(h.expandReduced(grad, self.shape, dim, keepdim), t.logicalNot(t.isnan(self))),
  },
  onnx: { symbolic: 'nansum' },
  samples: range(-3, 3),
});
export const var_ = reduction({
  doc: "Variance over `dim` (all when null), divided by n - correction.\nWelford's update, Chan's join: stable in one pass.\nSource: https://pytorch.org/docs/stable/generated/torch.var.html",
  schema: 'var(self: Tensor, dim: int[]? = null, keepdim: bool = false, *, correction: int = 1): Tensor',
  dtype: 'float-only',
  init: [0, 0, 0],
  combine: ([mean, m2, count], x) => {
    const k = count + 1;
    const d = x - mean;
    const m = mean + d / k;
    return [m, m2 + d * (x - m), k];
  },
  join: ([mean, m2, count], [mean2, m22, count2]) => {
    const k = count + count2;
    const d = mean2 - mean;
    const w = k > 0 ? count2 / k : 0;
    return [mean + d * w, m2 + m22 + d * d * count * w, k];
  },
  finish: ([_mean, m2, _count], n, correction) => m2 / s.max(n - correction, 0),
  identity: true,
  wide: true,
  backward: {
    self: (grad: A, self: A, dim: A, keepdim: A, correction: A) => h.varBackward(grad, self, dim, keepdim, correction),
  },
  onnx: { symbolic: 'var' },
  samples: range(-3, 3),
});
