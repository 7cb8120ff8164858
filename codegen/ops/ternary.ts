// Elementwise functions of three operands, selection and limits.
import { composite, pointwise, range, type Page } from '../model.js';
import * as s from '../scalar_lib.js';
import { h, t } from '../tensor_lib.js';

export const page: Page = {
  title: 'Arithmetic of three operands',
  intro: `Broadcast and promoted like two.`,
  example: `const x = fb.tensor([1, 2, 3]);
x.clamp(1.5, 2.5); // => tensor([1.5000, 2.0000, 2.5000])
fb.where(x.gt(1), x, 0); // => tensor([0., 2., 3.])
x.lerp(fb.tensor([3, 3, 3]), 0.5); // => tensor([2.0000, 2.5000, 3.0000])`,
};
export const where = pointwise({
  doc: 'self where condition is true, other elsewhere, broadcast.',
  schema: 'where(condition: Tensor, self: Operand, other: Operand): Tensor',
  dtype: 'same',
  forward: (condition, self, other) => (condition ? self : other),
  conditions: ['condition'],
  backward: {
    self: (grad: number, condition: boolean) => (condition ? grad : 0),
    other: (grad: number, condition: boolean) => (condition ? 0 : grad),
  },
  method: false,
  inplace: false,
  onnx: { op: 'Where', since: 13 },
  samples: range(-3, 3),
});
export const maskedFillValue = pointwise({
  doc: 'value where mask is true, self elsewhere. See `maskedFill`.',
  schema: 'maskedFillValue(self: Tensor, mask: Tensor, value: Operand): Tensor',
  dtype: 'same',
  forward: (self, mask, value) => (mask ? value : self),
  conditions: ['mask'],
  backward: {
    self: (grad: number, mask: boolean) => (mask ? 0 : grad),
    value: (grad: number, mask: boolean) => (mask ? grad : 0),
  },
  node: 'MaskedFillBackward0',
  method: false,
  function: false,
  onnx: { symbolic: 'maskedFill' },
  samples: range(-3, 3),
});
export const maskedFill = composite({
  doc: "value where mask is true, self elsewhere.\nThe result has self's dtype; value: a number or a 0-d tensor.",
  schema: 'maskedFill(self: Tensor, mask: Tensor, value: Operand): Tensor',
  body: (self: unknown, mask: unknown, value: unknown) => t.maskedFillValue(self, mask, h.fillValue(self, value)),
  inplace: true,
  onnx: { symbolic: 'maskedFill' },
});
export const lerp = pointwise({
  doc: 'self + weight * (end - self).',
  schema: 'lerp(self: Tensor, end: Tensor, weight: Operand): Tensor',
  dtype: 'float-only',
  forward: (self, end, weight) =>
    s.abs(weight) < 0.5 ? self + weight * (end - self) : end - (end - self) * (1 - weight),
  backward: {
    self: (grad: number, weight: number) => grad * (1 - weight),
    end: (grad: number, weight: number) => grad * weight,
    weight: (grad: number, self: number, end: number) => grad * (end - self),
  },
  onnx: { symbolic: 'scalar' },
  samples: range(-3, 3),
});
export const addcmul = pointwise({
  doc: 'self + value * tensor1 * tensor2.',
  schema: 'addcmul(self: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Scalar = 1): Tensor',
  dtype: 'numeric-only',
  forward: (self, tensor1, tensor2, value) => self + value * tensor1 * tensor2,
  backward: {
    self: (grad: number) => grad,
    tensor1: (grad: number, tensor2: number, value: number) => grad * (tensor2 * value),
    tensor2: (grad: number, tensor1: number, value: number) => grad * (tensor1 * value),
  },
  onnx: { symbolic: 'scalar' },
  samples: range(-3, 3),
});
export const addcdiv = pointwise({
  doc: 'self + value * tensor1 / tensor2.',
  schema: 'addcdiv(self: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Scalar = 1): Tensor',
  dtype: 'float-only',
  forward: (self, tensor1, tensor2, value) => self + (value * tensor1) / tensor2,
  backward: {
    self: (grad: number) => grad,
    tensor1: (grad: number, tensor2: number, value: number) => grad * (value / tensor2),
    tensor2: (grad: number, tensor1: number, tensor2: number, value: number) =>
      -grad * ((value * tensor1) / (tensor2 * tensor2)),
  },
  onnx: { symbolic: 'scalar' },
  samples: range(0.5, 3),
});
export const clampMin = pointwise({
  doc: 'max(self, min).',
  schema: 'clampMin(self: Tensor, min: Operand): Tensor',
  dtype: 'same',
  forward: (self, min) => s.max(self, min),
  backward: {
    self: (grad: number, self: number, min: number) => (self >= min ? grad : 0),
    min: (grad: number, self: number, min: number) => (self < min ? grad : 0),
  },
  onnx: { symbolic: 'clamp' },
  samples: range(-3, 3),
});
export const clampMax = pointwise({
  doc: 'min(self, max).',
  schema: 'clampMax(self: Tensor, max: Operand): Tensor',
  dtype: 'same',
  forward: (self, max) => s.min(self, max),
  backward: {
    self: (grad: number, self: number, max: number) => (self <= max ? grad : 0),
    max: (grad: number, self: number, max: number) => (self > max ? grad : 0),
  },
  onnx: { symbolic: 'clamp' },
  samples: range(-3, 3),
});
export const clampBoth = pointwise({
  doc: 'min(max(self, min), max). See `clamp`.',
  schema: 'clampBoth(self: Tensor, min: Operand, max: Operand): Tensor',
  dtype: 'numeric-only',
  forward: (self, min, max) => s.min(s.max(self, min), max),
  backward: {
    self: (grad: number, self: number, min: number, max: number) => (self >= min && self <= max ? grad : 0),
    min: (grad: number, self: number, min: number, max: number) => (self < min && min < max ? grad : 0),
    max: (grad: number, self: number, min: number, max: number) => (self > max || max < min ? grad : 0),
  },
  method: false,
  function: false,
  inplace: false,
  onnx: { symbolic: 'clamp' },
  samples: range(-3, 3),
});
export const clamp = composite({
  doc: 'Limits each element to [min, max], numbers or tensors that broadcast; a bound that is null is no bound.',
  schema: 'clamp(self: Tensor, min: Operand? = null, max: Operand? = null): Tensor',
  body: (self: unknown, min: unknown, max: unknown) => {
    if (min !== null && max !== null) return t.clampBoth(self, min, max);
    if (min !== null) return t.clampMin(self, min);
    if (max !== null) return t.clampMax(self, max);
    throw new Error(`torch.clamp: At least one of 'min' or 'max' must not be None`);
  },
  inplace: true,
  aliases: ['clip'],
  onnx: { symbolic: 'clamp' },
});
