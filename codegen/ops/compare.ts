// Comparisons and logic: bool results, no derivatives.
import { composite, extern, pointwise, range, type Page } from '../model.js';
import * as s from '../scalar_lib.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Comparisons and logic',
  intro: `Element by element with broadcasting; the result is bool. Comparisons with NaN are false, \`ne\` is true. No derivative.`,
  example: `const x = fb.tensor([1, 2, 3]);
x.gt(1.5); // => tensor([False,  True,  True])
x.eq(fb.tensor([1, 5, 3])); // => tensor([ True, False,  True])
x.gt(1).logicalAnd(x.lt(3)); // => tensor([False,  True, False])`,
};
export const eq = pointwise({
  doc: 'Whether self is equal to other, element by element. Gives bool.',
  schema: 'eq(self: Tensor, other: Operand): Tensor',
  dtype: 'bool',
  forward: (self, other) => self === other,
  inplace: true,
  nondifferentiable: 'boolean result',
  onnx: { op: 'Equal', since: 13 },
  samples: range(-3, 3),
});
export const ne = pointwise({
  doc: 'Whether self is not equal to other, element by element. Gives bool.',
  schema: 'ne(self: Tensor, other: Operand): Tensor',
  dtype: 'bool',
  forward: (self, other) => self !== other,
  inplace: true,
  aliases: ['notEqual'],
  nondifferentiable: 'boolean result',
  onnx: { symbolic: 'ne' },
  samples: range(-3, 3),
});
export const lt = pointwise({
  doc: 'Whether self is less than other, element by element. Gives bool.',
  schema: 'lt(self: Tensor, other: Operand): Tensor',
  dtype: 'bool',
  forward: (self, other) => self < other,
  inplace: true,
  aliases: ['less'],
  nondifferentiable: 'boolean result',
  onnx: { op: 'Less', since: 13 },
  samples: range(-3, 3),
});
export const le = pointwise({
  doc: 'Whether self is at most other, element by element. Gives bool.',
  schema: 'le(self: Tensor, other: Operand): Tensor',
  dtype: 'bool',
  forward: (self, other) => self <= other,
  inplace: true,
  aliases: ['lessEqual'],
  nondifferentiable: 'boolean result',
  onnx: { op: 'LessOrEqual', since: 13 },
  samples: range(-3, 3),
});
export const gt = pointwise({
  doc: 'Whether self is greater than other, element by element. Gives bool.',
  schema: 'gt(self: Tensor, other: Operand): Tensor',
  dtype: 'bool',
  forward: (self, other) => self > other,
  inplace: true,
  aliases: ['greater'],
  nondifferentiable: 'boolean result',
  onnx: { op: 'Greater', since: 13 },
  samples: range(-3, 3),
});
export const ge = pointwise({
  doc: 'Whether self is at least other, element by element. Gives bool.',
  schema: 'ge(self: Tensor, other: Operand): Tensor',
  dtype: 'bool',
  forward: (self, other) => self >= other,
  inplace: true,
  aliases: ['greaterEqual'],
  nondifferentiable: 'boolean result',
  onnx: { op: 'GreaterOrEqual', since: 13 },
  samples: range(-3, 3),
});
export const logicalAnd = pointwise({
  doc: 'Logical AND of "not zero", element by element. Gives bool.',
  schema: 'logicalAnd(self: Tensor, other: Tensor): Tensor',
  dtype: 'bool',
  forward: (self, other) => self !== 0 && other !== 0,
  inplace: true,
  nondifferentiable: 'boolean result',
  onnx: { symbolic: 'logicalAnd' },
  samples: range(-1, 1),
});
export const logicalOr = pointwise({
  doc: 'Logical OR of "not zero", element by element. Gives bool.',
  schema: 'logicalOr(self: Tensor, other: Tensor): Tensor',
  dtype: 'bool',
  forward: (self, other) => self !== 0 || other !== 0,
  inplace: true,
  nondifferentiable: 'boolean result',
  onnx: { symbolic: 'logicalOr' },
  samples: range(-1, 1),
});
export const logicalXor = pointwise({
  doc: 'Logical XOR of "not zero", element by element. Gives bool.',
  schema: 'logicalXor(self: Tensor, other: Tensor): Tensor',
  dtype: 'bool',
  forward: (self, other) => s.xor(self !== 0, other !== 0),
  inplace: true,
  nondifferentiable: 'boolean result',
  onnx: { symbolic: 'logicalXor' },
  samples: range(-1, 1),
});
export const isCloseFloat = pointwise({
  doc: 'Whether |self - other| is finite and at most atol + rtol |other|. See `isclose`.',
  schema: 'isCloseFloat(self: Tensor, other: Tensor, rtol: float, atol: float): Tensor',
  dtype: 'bool',
  forward: (self, other, rtol, atol) => {
    const d = s.abs(self - other);
    return s.isfinite(d) && d <= atol + s.abs(rtol * other);
  },
  nondifferentiable: 'boolean result',
  method: false,
  function: false,
  onnx: { symbolic: 'scalar' },
  samples: range(-3, 3),
});
export const isclose = composite({
  doc: 'Whether self and other are equal, or |self - other| <= atol + rtol |other|; NaN equals NaN with equalNan. Gives bool.\nBoth tensors must have one dtype.',
  schema:
    'isclose(self: Tensor, other: Tensor, rtol: float = 0.00001, atol: float = 1e-8, equalNan: bool = false): Tensor',
  body: (self: A, other: A, rtol: number, atol: number, equalNan: boolean) => {
    if (self.dtype !== other.dtype) throw new TypeError(`${h.typeName(self)} did not match ${h.typeName(other)}`);
    h.checkTolerances(rtol, atol);
    let close = t.eq(self, other);
    if (equalNan && h.isFloat(self)) close = t.logicalOr(close, t.logicalAnd(t.isnan(self), t.isnan(other)));
    if (rtol === 0 && atol === 0) return close;
    return t.logicalOr(close, t.isCloseFloat(h.floated(self), h.floated(other), rtol, atol));
  },
  nondifferentiable: 'boolean result',
  onnx: { symbolic: 'region' },
});
export const isin = extern({
  doc: 'Whether each element is one of testElements. Gives bool of the shape of elements.\nassumeUnique: both hold no value twice (a hint); invert: the opposite.',
  schema: 'isin(elements: Operand, testElements: Operand, *, assumeUnique: bool = false, invert: bool = false): Tensor',
  nondifferentiable: 'boolean result',
  onnx: { symbolic: 'isin' },
});
