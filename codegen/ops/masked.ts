// torch.masked: reductions and normalisations over the elements that a mask selects. Elements outside get the value that does not
// change the result. Source: https://pytorch.org/docs/stable/masked.html
import { composite, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Masked reductions',
  intro: `The namespace \`masked\`: \`mask\` is a bool tensor that broadcasts to the input, true where an element takes part. Where nothing takes part the result is the reduction's neutral element (a mean: NaN).`,
  example: `const x = fb.tensor([[1, 2], [3, 4]]);
const mask = fb.tensor([[true, false], [true, true]]);
fb.masked.sum(x, 1, { mask }); // => tensor([1., 7.])
fb.masked.mean(x, { mask }); // => tensor(2.6667)
fb.masked.amax(x, 0, { mask }); // => tensor([3., 4.])`,
};

export const maskedSum = composite({
  doc: 'Sum over `dim` (all when null) of the elements where `mask` (broadcast to the input) is true.',
  schema:
    'maskedSum(self: Tensor, dim: int[]? = null, *, keepdim: bool = false, dtype: dtype? = null, mask: Tensor? = null): Tensor',
  body: (self: A, dim: A, keepdim: A, dtype: A, mask: A) => t.sum(h.masked(self, mask, 0), dim, keepdim, { dtype }),
  method: false,
  exports: ['masked.sum'],
  onnx: { symbolic: 'region' },
});
export const maskedProd = composite({
  doc: 'Product over `dim` (all when null) of the elements where `mask` (broadcast to the input) is true.',
  schema:
    'maskedProd(self: Tensor, dim: int[]? = null, *, keepdim: bool = false, dtype: dtype? = null, mask: Tensor? = null): Tensor',
  body: (self: A, dim: A, keepdim: A, dtype: A, mask: A) => h.prodOver(h.masked(self, mask, 1), dim, keepdim, dtype),
  method: false,
  exports: ['masked.prod'],
  onnx: { symbolic: 'region' },
});
export const maskedAmax = composite({
  doc: 'Largest over `dim` (all when null) of the elements where `mask` (broadcast to the input) is true.',
  schema:
    'maskedAmax(self: Tensor, dim: int[]? = null, *, keepdim: bool = false, dtype: dtype? = null, mask: Tensor? = null): Tensor',
  body: (self: A, dim: A, keepdim: A, dtype: A, mask: A) =>
    h.castTo(t.amax(h.masked(self, mask, h.lowestValue(self)), h.optionalAxes(dim), keepdim), dtype),
  method: false,
  exports: ['masked.amax'],
  onnx: { symbolic: 'region' },
});
export const maskedAmin = composite({
  doc: 'Smallest over `dim` (all when null) of the elements where `mask` (broadcast to the input) is true.',
  schema:
    'maskedAmin(self: Tensor, dim: int[]? = null, *, keepdim: bool = false, dtype: dtype? = null, mask: Tensor? = null): Tensor',
  body: (self: A, dim: A, keepdim: A, dtype: A, mask: A) =>
    h.castTo(t.amin(h.masked(self, mask, h.highestValue(self)), h.optionalAxes(dim), keepdim), dtype),
  method: false,
  exports: ['masked.amin'],
  onnx: { symbolic: 'region' },
});
export const maskedMean = composite({
  doc: 'Mean over `dim` (all when null) of the elements where `mask` (broadcast to the input) is true.',
  schema:
    'maskedMean(self: Tensor, dim: int[]? = null, *, keepdim: bool = false, dtype: dtype? = null, mask: Tensor? = null): Tensor',
  body: (self: A, dim: A, keepdim: A, dtype: A, mask: A) =>
    t.div(
      t.sum(h.masked(self, mask, 0), dim, keepdim, { dtype: h.orOwnDType(self, dtype) }),
      h.maskTotal(self, mask, dim, keepdim),
    ),
  method: false,
  exports: ['masked.mean'],
  onnx: { symbolic: 'region' },
});
export const maskedArgmax = composite({
  doc: "Position of the largest element, of all or along `dim`, where `mask` is true; in `dtype`, the input's by default.",
  schema:
    'maskedArgmax(self: Tensor, dim: int? = null, *, keepdim: bool = false, dtype: dtype? = null, mask: Tensor? = null): Tensor',
  body: (self: A, dim: A, keepdim: A, dtype: A, mask: A) =>
    t.toDtype(t.argmax(h.masked(self, mask, h.lowestValue(self)), dim, keepdim), h.orOwnDType(self, dtype)),
  method: false,
  exports: ['masked.argmax'],
  onnx: { symbolic: 'region' },
});
export const maskedArgmin = composite({
  doc: "Position of the smallest element, of all or along `dim`, where `mask` is true; in `dtype`, the input's by default.",
  schema:
    'maskedArgmin(self: Tensor, dim: int? = null, *, keepdim: bool = false, dtype: dtype? = null, mask: Tensor? = null): Tensor',
  body: (self: A, dim: A, keepdim: A, dtype: A, mask: A) =>
    t.toDtype(t.argmin(h.masked(self, mask, h.highestValue(self)), dim, keepdim), h.orOwnDType(self, dtype)),
  method: false,
  exports: ['masked.argmin'],
  onnx: { symbolic: 'region' },
});
export const maskedMedian = composite({
  doc: 'The lower median along `dim` of the elements where `mask` is true.',
  schema:
    'maskedMedian(self: Tensor, dim: int = -1, *, keepdim: bool = false, dtype: dtype? = null, mask: Tensor? = null): Tensor',
  body: (self: A, dim: A, keepdim: A, dtype: A, mask: A) =>
    h.castTo(t.nanmedianDim(h.masked(self, mask, NaN), dim, keepdim)[0], dtype),
  method: false,
  exports: ['masked.median'],
  onnx: { symbolic: 'region' },
});
export const maskedCumsum = composite({
  doc: 'Running sum along `dim`, elements where `mask` is false counted as 0.',
  schema: 'maskedCumsum(self: Tensor, dim: int, *, dtype: dtype? = null, mask: Tensor? = null): Tensor',
  body: (self: A, dim: A, dtype: A, mask: A) =>
    t.cumsum(h.masked(self, mask, 0), dim, { dtype: h.orOwnDType(self, dtype) }),
  method: false,
  exports: ['masked.cumsum'],
  onnx: { symbolic: 'region' },
});
export const maskedCumprod = composite({
  doc: 'Running product along `dim`, elements where `mask` is false counted as 1.',
  schema: 'maskedCumprod(self: Tensor, dim: int, *, dtype: dtype? = null, mask: Tensor? = null): Tensor',
  body: (self: A, dim: A, dtype: A, mask: A) =>
    t.cumprod(h.masked(self, mask, 1), dim, { dtype: h.orOwnDType(self, dtype) }),
  method: false,
  exports: ['masked.cumprod'],
  onnx: { symbolic: 'region' },
});
export const maskedSoftmax = composite({
  doc: '`softmax` along `dim` of the elements where `mask` is true.',
  schema: 'maskedSoftmax(self: Tensor, dim: int, *, dtype: dtype? = null, mask: Tensor? = null): Tensor',
  body: (self: A, dim: A, dtype: A, mask: A) => t.softmax(h.masked(self, mask, h.lowestValue(self)), dim, dtype),
  method: false,
  exports: ['masked.softmax'],
  onnx: { symbolic: 'region' },
});
export const maskedLogSoftmax = composite({
  doc: '`logSoftmax` along `dim` of the elements where `mask` is true.',
  schema: 'maskedLogSoftmax(self: Tensor, dim: int, *, dtype: dtype? = null, mask: Tensor? = null): Tensor',
  body: (self: A, dim: A, dtype: A, mask: A) => t.logSoftmax(h.masked(self, mask, h.lowestValue(self)), dim, dtype),
  method: false,
  exports: ['masked.logSoftmax'],
  onnx: { symbolic: 'region' },
});
export const maskedSoftmin = composite({
  doc: '`softmin` along `dim` of the elements where `mask` is true.',
  schema: 'maskedSoftmin(self: Tensor, dim: int, *, dtype: dtype? = null, mask: Tensor? = null): Tensor',
  body: (self: A, dim: A, dtype: A, mask: A) =>
    t.softmax(t.neg(h.masked(self, mask, h.highestValue(self))), dim, dtype),
  method: false,
  exports: ['masked.softmin'],
  onnx: { symbolic: 'region' },
});
export const maskedLogsumexp = composite({
  doc: 'log(sum(exp(x))) over `dim` of the elements where `mask` is true.',
  schema:
    'maskedLogsumexp(self: Tensor, dim: int[]? = null, *, keepdim: bool = false, dtype: dtype? = null, mask: Tensor? = null): Tensor',
  body: (self: A, dim: A, keepdim: A, dtype: A, mask: A) =>
    t.toDtype(
      t.logsumexp(h.masked(self, mask, h.lowestValue(self)), h.optionalAxes(dim), keepdim),
      h.orOwnDType(self, dtype),
    ),
  method: false,
  exports: ['masked.logsumexp'],
  onnx: { symbolic: 'region' },
});
export const maskedNorm = composite({
  doc: 'p-norm over `dim` (all when null) of the elements where `mask` is true.',
  schema:
    'maskedNorm(self: Tensor, ord: float = 2, dim: int[]? = null, *, keepdim: bool = false, dtype: dtype? = null, mask: Tensor? = null): Tensor',
  body: (self: A, ord: A, dim: A, keepdim: A, dtype: A, mask: A) =>
    t.norm(h.masked(self, mask, h.normIdentityValue(ord)), ord, dim, keepdim, { dtype }),
  method: false,
  exports: ['masked.norm'],
  onnx: { symbolic: 'region' },
});
export const maskedNormalize = composite({
  doc: 'Elements over the p-norm along `dim` (at least `eps`) of those where `mask` is true.',
  schema:
    'maskedNormalize(self: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: dtype? = null, mask: Tensor? = null): Tensor',
  body: (self: A, ord: A, dim: A, eps: A, dtype: A, mask: A) => h.maskedNormalize(self, ord, dim, eps, dtype, mask),
  method: false,
  exports: ['masked.normalize'],
  onnx: { symbolic: 'region' },
});
export const maskedVar = composite({
  doc: 'Variance over `dim` (all when null) of the elements where `mask` is true. Integers give float32.',
  schema:
    'maskedVar(self: Tensor, dim: int[]? = null, unbiased: bool = false, *, keepdim: bool = false, dtype: dtype? = null, mask: Tensor? = null): Tensor',
  body: (self: A, dim: A, unbiased: A, keepdim: A, dtype: A, mask: A) =>
    h.maskedVar(self, dim, unbiased, keepdim, dtype, mask),
  method: false,
  exports: ['masked.var'],
  onnx: { symbolic: 'region' },
});
export const maskedStd = composite({
  doc: 'Standard deviation over `dim` (all when null) of the elements where `mask` is true. Integers give float32.',
  schema:
    'maskedStd(self: Tensor, dim: int[]? = null, unbiased: bool = false, *, keepdim: bool = false, dtype: dtype? = null, mask: Tensor? = null): Tensor',
  body: (self: A, dim: A, unbiased: A, keepdim: A, dtype: A, mask: A) =>
    h.maskedStd(self, dim, unbiased, keepdim, dtype, mask),
  method: false,
  exports: ['masked.std'],
  onnx: { symbolic: 'region' },
});
export const maskedLogaddexp = composite({
  doc: 'log(exp(x) + exp(y)) of the elements where their masks are true; none: -Infinity.',
  schema:
    'maskedLogaddexp(self: Tensor, other: Tensor, *, dtype: dtype? = null, inputMask: Tensor? = null, otherMask: Tensor? = null): Tensor',
  body: (self: A, other: A, dtype: A, inputMask: A, otherMask: A) =>
    h.castTo(
      h.logaddexp(h.masked(self, inputMask, h.lowestValue(self)), h.masked(other, otherMask, h.lowestValue(other))),
      dtype,
    ),
  method: false,
  exports: ['masked.logaddexp'],
  onnx: { symbolic: 'region' },
});
