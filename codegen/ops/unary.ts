// Elementwise functions of one tensor. The derivative is derived from the body unless a formula is given.
import { composite, pointwise, range, type Page } from '../model.js';
import * as s from '../scalar_lib.js';
import { h, t } from '../tensor_lib.js';

export const page: Page = {
  title: 'Functions of one operand',
  intro: `Element by element; the result has the operand's shape. NaN, infinities and signed zeros behave as in PyTorch.`,
  example: `const x = fb.tensor([0, 1, 4]);
x.sqrt(); // => tensor([0., 1., 2.])
x.sqrt().exp(); // => tensor([1.0000, 2.7183, 7.3891])
fb.tensor([1, 2], { dtype: 'int64' }).sin().dtype; // => float32
fb.tensor([2.5, 3.5]).round(); // => tensor([2., 4.])`,
};
export const neg = pointwise({
  doc: 'Negative of each element. Throws for bool tensors.',
  schema: 'neg(self: Tensor): Tensor',
  dtype: 'numeric-only',
  forward: (self) => -self,
  onnx: { op: 'Neg', since: 13 },
  aliases: ['negative'],
  samples: range(-10, 10),
});
export const abs = pointwise({
  doc: 'Absolute value of each element.',
  schema: 'abs(self: Tensor): Tensor',
  dtype: 'same',
  forward: (self) => s.abs(self),
  backward: { self: (grad: number, self: number) => grad * (self > 0 ? 1 : self < 0 ? -1 : 0) },
  onnx: { op: 'Abs', since: 13 },
  aliases: ['absolute'],
  samples: range(-10, 10),
});
export const sign = pointwise({
  doc: '-1, 0 or 1 by the sign of each element (0 for NaN).',
  schema: 'sign(self: Tensor): Tensor',
  dtype: 'same',
  forward: (self) => (self > 0 ? 1 : self < 0 ? -1 : 0),
  backward: { self: () => 0 },
  onnx: { op: 'Sign', since: 13 },
  aliases: ['sgn'],
  samples: range(-3, 3),
});
export const floor = pointwise({
  doc: 'Largest integer not above each element.',
  schema: 'floor(self: Tensor): Tensor',
  dtype: 'numeric-only',
  forward: (self) => s.floor(self),
  onnx: { op: 'Floor', since: 13 },
  samples: range(-10, 10),
});
export const ceil = pointwise({
  doc: 'Smallest integer not below each element.',
  schema: 'ceil(self: Tensor): Tensor',
  dtype: 'numeric-only',
  forward: (self) => s.ceil(self),
  onnx: { op: 'Ceil', since: 13 },
  samples: range(-10, 10),
});
export const roundWhole = pointwise({
  doc: 'Nearest integer, halves to even. See `round`.',
  schema: 'roundWhole(self: Tensor): Tensor',
  dtype: 'numeric-only',
  forward: (self) => s.round(self),
  node: 'RoundBackward0',
  method: false,
  function: false,
  onnx: { op: 'Round', since: 11 },
  samples: range(-10, 10),
});
export const roundScaled = pointwise({
  doc: 'Nearest multiple of down / up, halves to even. See `round`.',
  schema: 'roundScaled(self: Tensor, up: float, down: float): Tensor',
  dtype: 'float-only',
  forward: (self, up, down) => (s.round((self * up) / down) * down) / up,
  backward: { self: () => 0 },
  node: 'RoundBackward0',
  method: false,
  function: false,
  onnx: { symbolic: 'scalar' },
  samples: range(0.5, 10),
});
export const round = composite({
  doc: 'Nearest number with `decimals` digits after the point (negative: zeros before it), halves to even.\nDecimals other than 0 are for floats only.',
  schema: 'round(self: Tensor, *, decimals: int = 0): Tensor',
  body: (self: unknown, decimals: number) => {
    if (decimals === 0) return t.roundWhole(self);
    if (decimals > 0) return t.roundScaled(self, h.powerOfTen(decimals), 1);
    return t.roundScaled(self, 1, h.powerOfTen(-decimals));
  },
  inplace: true,
  exports: ['round', 'special.round'],
  onnx: { symbolic: 'region' },
});
export const trunc = pointwise({
  doc: 'Integer part of each element.',
  schema: 'trunc(self: Tensor): Tensor',
  dtype: 'numeric-only',
  forward: (self) => s.trunc(self),
  onnx: { symbolic: 'trunc' },
  aliases: ['fix'],
  samples: range(-10, 10),
});
export const frac = pointwise({
  doc: 'Fractional part of each element, with its sign.',
  schema: 'frac(self: Tensor): Tensor',
  dtype: 'float-only',
  forward: (self) => self - s.trunc(self),
  backward: { self: (grad) => grad },
  onnx: { symbolic: 'scalar' },
  samples: range(-10, 10),
});
export const sqrt = pointwise({
  doc: 'Square root of each element (NaN below zero).',
  schema: 'sqrt(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.sqrt(self),
  backward: { self: (grad: number, out: number) => grad / (2 * out) },
  onnx: { op: 'Sqrt', since: 13 },
  samples: range(0, 50),
});
export const rsqrt = pointwise({
  doc: '1 / sqrt(x) for each element.',
  schema: 'rsqrt(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.rsqrt(self),
  backward: { self: (grad: number, out: number) => -0.5 * grad * (out * out * out) },
  onnx: { symbolic: 'rsqrt' },
  samples: range(0.1, 50),
});
export const reciprocal = pointwise({
  doc: '1 / x for each element.',
  schema: 'reciprocal(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => 1 / self,
  backward: { self: (grad: number, out: number) => -grad * (out * out) },
  onnx: { op: 'Reciprocal', since: 13 },
  samples: range(0.1, 10),
});
export const square = composite({
  doc: 'x * x for each element; bool gives int64.',
  schema: 'square(self: Tensor): Tensor',
  body: (self: unknown) => {
    const x = h.boolToInt(self);
    return t.mul(x, x);
  },
  inplace: true,
  onnx: { symbolic: 'square' },
});
export const exp = pointwise({
  doc: 'e to the power of each element.',
  schema: 'exp(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.exp(self),
  onnx: { op: 'Exp', since: 13 },
  samples: range(-20, 20),
});
export const exp2 = pointwise({
  doc: '2 to the power of each element.',
  schema: 'exp2(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.exp2(self),
  onnx: { symbolic: 'exp2' },
  samples: range(-20, 20),
  exports: ['exp2', 'special.exp2'],
});
export const expm1 = pointwise({
  doc: 'exp(x) - 1, accurate near zero.',
  schema: 'expm1(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.expm1(self),
  backward: { self: (grad: number, out: number) => grad * (out + 1) },
  onnx: { symbolic: 'expm1' },
  samples: range(-10, 10),
  exports: ['expm1', 'special.expm1'],
});
export const log = pointwise({
  doc: 'Natural logarithm of each element.',
  schema: 'log(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.log(self),
  onnx: { op: 'Log', since: 13 },
  samples: range(0.01, 50),
});
export const log2 = pointwise({
  doc: 'Base-2 logarithm of each element.',
  schema: 'log2(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.log2(self),
  onnx: { symbolic: 'log2' },
  samples: range(0.01, 50),
});
export const log10 = pointwise({
  doc: 'Base-10 logarithm of each element.',
  schema: 'log10(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.log10(self),
  onnx: { symbolic: 'log10' },
  samples: range(0.01, 50),
});
export const log1p = pointwise({
  doc: 'log(1 + x), accurate near zero.',
  schema: 'log1p(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.log1p(self),
  onnx: { symbolic: 'log1p' },
  samples: range(-0.9, 10),
  exports: ['log1p', 'special.log1p'],
});
export const sin = pointwise({
  doc: 'Sine of each element, in radians.',
  schema: 'sin(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.sin(self),
  onnx: { op: 'Sin', since: 7 },
  samples: range(-10, 10),
});
export const cos = pointwise({
  doc: 'Cosine of each element, in radians.',
  schema: 'cos(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.cos(self),
  onnx: { op: 'Cos', since: 7 },
  samples: range(-10, 10),
});
export const tan = pointwise({
  doc: 'Tangent of each element, in radians.',
  schema: 'tan(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.tan(self),
  onnx: { op: 'Tan', since: 7 },
  samples: range(-1.4, 1.4),
});
export const asin = pointwise({
  doc: 'Arc sine of each element.',
  schema: 'asin(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.asin(self),
  onnx: { op: 'Asin', since: 7 },
  aliases: ['arcsin'],
  samples: range(-1, 1),
});
export const acos = pointwise({
  doc: 'Arc cosine of each element.',
  schema: 'acos(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.acos(self),
  onnx: { op: 'Acos', since: 7 },
  aliases: ['arccos'],
  samples: range(-1, 1),
});
export const atan = pointwise({
  doc: 'Arc tangent of each element.',
  schema: 'atan(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.atan(self),
  onnx: { op: 'Atan', since: 7 },
  aliases: ['arctan'],
  samples: range(-10, 10),
});
export const sinh = pointwise({
  doc: 'Hyperbolic sine of each element.',
  schema: 'sinh(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.sinh(self),
  onnx: { op: 'Sinh', since: 9 },
  samples: range(-5, 5),
});
export const cosh = pointwise({
  doc: 'Hyperbolic cosine of each element.',
  schema: 'cosh(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.cosh(self),
  onnx: { op: 'Cosh', since: 9 },
  samples: range(-5, 5),
});
export const tanh = pointwise({
  doc: 'Hyperbolic tangent of each element.',
  schema: 'tanh(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.tanh(self),
  backward: { self: (grad: number, out: number) => grad * (1 - out * out) },
  onnx: { op: 'Tanh', since: 13 },
  samples: range(-10, 10),
  exports: ['tanh', 'nn.functional.tanh'],
});
export const asinh = pointwise({
  doc: 'Inverse hyperbolic sine of each element.',
  schema: 'asinh(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.asinh(self),
  onnx: { op: 'Asinh', since: 9 },
  aliases: ['arcsinh'],
  samples: range(-10, 10),
});
export const acosh = pointwise({
  doc: 'Inverse hyperbolic cosine of each element (NaN below 1).',
  schema: 'acosh(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.acosh(self),
  onnx: { op: 'Acosh', since: 9 },
  aliases: ['arccosh'],
  samples: range(1.01, 10),
});
export const atanh = pointwise({
  doc: 'Inverse hyperbolic tangent of each element (NaN outside [-1, 1]).',
  schema: 'atanh(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.atanh(self),
  onnx: { op: 'Atanh', since: 9 },
  aliases: ['arctanh'],
  samples: range(-0.95, 0.95),
});
export const deg2rad = pointwise({
  doc: 'Degrees in radians.',
  schema: 'deg2rad(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => self * 0.017453292519943295,
  onnx: { symbolic: 'scalar' },
  samples: range(-360, 360),
});
export const rad2deg = pointwise({
  doc: 'Radians in degrees.',
  schema: 'rad2deg(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => self * 57.29577951308232,
  onnx: { symbolic: 'scalar' },
  samples: range(-6, 6),
});
export const positive = composite({
  doc: 'The tensor itself (+x). Throws for bool tensors.',
  schema: 'positive(self: Tensor): Tensor',
  body: (self: unknown) => {
    if (h.isBool(self)) throw new TypeError('The `+` operator, on a bool tensor is not supported.');
    return self;
  },
  onnx: { symbolic: 'region' },
});
export const erf = pointwise({
  doc: 'Error function of each element.',
  schema: 'erf(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.erf(self),
  onnx: { op: 'Erf', since: 13 },
  samples: range(-4, 4),
  exports: ['erf', 'special.erf'],
});
export const erfc = pointwise({
  doc: '1 - erf(x), accurate for large x.',
  schema: 'erfc(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.erfc(self),
  onnx: { symbolic: 'erfc' },
  samples: range(-4, 4),
  exports: ['erfc', 'special.erfc'],
});
export const logicalNot = pointwise({
  doc: 'Logical NOT: true where the element is zero.',
  schema: 'logicalNot(self: Tensor): Tensor',
  dtype: 'bool',
  forward: (self) => self === 0,
  inplace: true,
  nondifferentiable: 'boolean result',
  onnx: { symbolic: 'logicalNot' },
  samples: range(-1, 1),
});
export const bitwiseNot = pointwise({
  doc: 'Bitwise NOT of integers, logical NOT of bool. Throws for floats.',
  schema: 'bitwiseNot(self: Tensor): Tensor',
  dtype: 'integral-only',
  forward: (self) => ~self,
  nondifferentiable: 'integers only',
  onnx: { op: 'BitwiseNot', since: 18 },
  samples: range(-100, 100),
});
