// Arithmetic of two operands with broadcasting and PyTorch's type promotion.
import { composite, pointwise, range, type Page } from '../model.js';
import * as s from '../scalar_lib.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Arithmetic of two operands',
  intro: `Operands broadcast against each other and are promoted to a common dtype; a number takes part as a 0-d operand of lower rank, as in PyTorch. In-place forms write the receiver and never broadcast it.`,
  example: `const a = fb.tensor([[1], [2]]);
a.add(fb.tensor([10, 20, 30])); // => tensor([[11., 21., 31.],
//            [12., 22., 32.]])
fb.tensor([7, -7], { dtype: 'int64' }).floorDivide(2); // => tensor([ 3, -4])
fb.tensor([1, 2]).add(fb.ones(3)); // => throws The size of tensor a (2) must match the size of tensor b (3) at non-singleton dimension 0`,
};
export const add = pointwise({
  doc: 'self + alpha * other, broadcast.\nSource: https://pytorch.org/docs/stable/generated/torch.add.html',
  schema: 'add(self: Tensor, other: Operand, *, alpha: Scalar = 1): Tensor',
  numberFirst: true,
  dtype: 'same',
  forward: (self, other, alpha) => self + alpha * other,
  backward: { self: (grad: number) => grad, other: (grad: number, alpha: number) => alpha * grad },
  onnx: { symbolic: 'add' },
  samples: range(-10, 10),
});
export const sub = pointwise({
  doc: 'self - alpha * other, broadcast. Throws for bool tensors.',
  schema: 'sub(self: Tensor, other: Operand, *, alpha: Scalar = 1): Tensor',
  numberFirst: true,
  dtype: 'numeric-only',
  forward: (self, other, alpha) => self - alpha * other,
  backward: { self: (grad: number) => grad, other: (grad: number, alpha: number) => -alpha * grad },
  onnx: { symbolic: 'sub' },
  aliases: ['subtract'],
  samples: range(-10, 10),
});
export const rsub = pointwise({
  doc: 'other - alpha * self, broadcast.',
  schema: 'rsub(self: Tensor, other: Operand, *, alpha: Scalar = 1): Tensor',
  dtype: 'numeric-only',
  forward: (self, other, alpha) => other - alpha * self,
  backward: { self: (grad: number, alpha: number) => -alpha * grad, other: (grad: number) => grad },
  inplace: false,
  onnx: { symbolic: 'rsub' },
  samples: range(-10, 10),
});
export const mul = pointwise({
  doc: 'self * other, broadcast.',
  schema: 'mul(self: Tensor, other: Operand): Tensor',
  numberFirst: true,
  dtype: 'same',
  forward: (self, other) => self * other,
  backward: { self: (grad: number, other: number) => grad * other, other: (grad: number, self: number) => grad * self },
  onnx: { op: 'Mul', since: 13 },
  aliases: ['multiply'],
  samples: range(-10, 10),
});
export const trueDivide = pointwise({
  doc: 'self / other; integers give the default float dtype.',
  schema: 'trueDivide(self: Tensor, other: Operand): Tensor',
  numberFirst: true,
  dtype: 'int-to-float',
  forward: (self, other) => self / other,
  backward: {
    self: (grad: number, other: number) => grad / other,
    other: (grad: number, self: number, other: number) => -grad * (self / other / other),
  },
  onnx: { op: 'Div', since: 13 },
  samples: range(0.5, 10),
});
export const floorDivideFloat = pointwise({
  doc: 'floor(self / other) of floats, corrected for rounding as PyTorch does. See `floorDivide`.',
  schema: 'floorDivideFloat(self: Tensor, other: Operand): Tensor',
  dtype: 'float-only',
  forward: (self, other) => {
    const rest = s.fmod(self, other);
    const whole = (self - rest) / other;
    const q = rest !== 0 && s.xor(other < 0, rest < 0) ? whole - 1 : whole;
    const down = s.floor(q);
    const near = q - down > 0.5 ? down + 1 : down;
    return other === 0 ? self / other : q === 0 ? s.copysign(0, self / other) : near;
  },
  nondifferentiable: 'piecewise constant',
  method: false,
  function: false,
  inplace: false,
  onnx: { symbolic: 'scalar' },
  samples: range(1, 20),
});
export const floorDivideInt = pointwise({
  doc: 'floor(self / other) of integers. See `floorDivide`.',
  schema: 'floorDivideInt(self: Tensor, other: Operand): Tensor',
  dtype: 'integral-only',
  forward: (self, other) => {
    const q = s.idiv(self, other);
    const rest = self - q * other;
    return (rest < 0 && other > 0) || (rest > 0 && other < 0) ? q - 1 : q;
  },
  divisor: 'other',
  nondifferentiable: 'piecewise constant',
  method: false,
  function: false,
  inplace: false,
  onnx: { symbolic: 'scalar' },
  samples: range(1, 20),
});
export const floorDivide = composite({
  doc: 'floor(self / other); integers stay integers. Throws "ZeroDivisionError" for an integer zero divisor.',
  schema: 'floorDivide(self: Tensor, other: Operand): Tensor',
  numberFirst: true,
  body: (self: unknown, other: unknown) =>
    h.isFloatResult(self, other) ? t.floorDivideFloat(self, other) : t.floorDivideInt(self, other),
  inplace: true,
  onnx: { symbolic: 'region' },
});
export const truncDivide = pointwise({
  doc: 'trunc(self / other); integers stay integers.',
  schema: 'truncDivide(self: Tensor, other: Operand): Tensor',
  dtype: 'numeric-only',
  forward: (self, other) => s.trunc(s.idiv(self, other)),
  divisor: 'other',
  nondifferentiable: 'piecewise constant',
  method: false,
  function: false,
  onnx: { symbolic: 'scalar' },
  samples: range(1, 20),
});
export const div = composite({
  doc: "self / other; roundingMode: null (true division), 'floor' or 'trunc'.",
  schema: 'div(self: Tensor, other: Operand, *, roundingMode: string? = null): Tensor',
  numberFirst: true,
  body: (self: unknown, other: unknown, roundingMode: string | null) => {
    if (roundingMode === null) return t.trueDivide(self, other);
    if (roundingMode === 'floor') return t.floorDivide(self, other);
    if (roundingMode === 'trunc') return t.truncDivide(self, other);
    throw new Error(`div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '${roundingMode}'`);
  },
  inplace: true,
  aliases: ['divide'],
  onnx: { symbolic: 'div' },
});
export const pow = pointwise({
  doc: 'self to the power of exponent, broadcast.\nThrows for an integer base with a negative integer exponent.',
  schema: 'pow(self: Tensor, exponent: Operand): Tensor',
  numberFirst: true,
  dtype: 'same',
  forward: (self, exponent) => s.pow(self, exponent),
  backward: {
    self: (grad: number, self: number, exponent: number) =>
      exponent === 0 ? 0 : grad * (exponent * s.pow(self, exponent - 1)),
    exponent: (grad: number, self: number, exponent: number, out: number) =>
      self === 0 && exponent >= 0 ? 0 : grad * (out * s.log(self)),
  },
  onnx: { op: 'Pow', since: 13 },
  samples: range(0.1, 3),
});
export const powScalar = pointwise({
  doc: 'A number to the power of each element: base ** exponent.',
  schema: 'powScalar(self: Operand, exponent: Tensor): Tensor',
  dtype: 'same',
  forward: (self, exponent) => s.pow(self, exponent),
  backward: {
    self: (grad: number, self: number, exponent: number) =>
      exponent === 0 ? 0 : grad * (exponent * s.pow(self, exponent - 1)),
    exponent: (grad: number, self: number, exponent: number, out: number) =>
      self === 0 && exponent >= 0 ? 0 : grad * (out * s.log(self)),
  },
  method: false,
  function: false,
  inplace: false,
  onnx: { op: 'Pow', since: 13 },
  samples: range(0.1, 3),
});
export const remainder = pointwise({
  doc: 'Remainder with the divisor\'s sign (Python\'s %). Throws "ZeroDivisionError" for an integer zero divisor.',
  schema: 'remainder(self: Tensor, other: Operand): Tensor',
  numberFirst: true,
  dtype: 'numeric-only',
  forward: (self, other) => s.mod(self, other),
  divisor: 'other',
  backward: {
    self: (grad: number) => grad,
    other: (grad: number, self: number, other: number) => -grad * s.floor(self / other),
  },
  onnx: { symbolic: 'remainder' },
  samples: range(1, 10),
});
export const fmod = pointwise({
  doc: 'Remainder with the dividend\'s sign (C\'s fmod). Throws "ZeroDivisionError" for an integer zero divisor.',
  schema: 'fmod(self: Tensor, other: Operand): Tensor',
  dtype: 'numeric-only',
  forward: (self, other) => s.fmod(self, other),
  divisor: 'other',
  backward: {
    self: (grad: number) => grad,
    other: (grad: number, self: number, other: number) => -grad * s.trunc(self / other),
  },
  onnx: { symbolic: 'fmod' },
  samples: range(1, 10),
});
export const atan2 = pointwise({
  doc: 'Angle of the point (other, self), in radians.',
  schema: 'atan2(self: Tensor, other: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self, other) => s.atan2(self, other),
  onnx: { symbolic: 'scalar' },
  aliases: ['arctan2'],
  samples: range(-3, 3),
});
export const maximum = pointwise({
  doc: 'Larger of two elements; NaN wins.',
  schema: 'maximum(self: Tensor, other: Tensor): Tensor',
  dtype: 'same',
  forward: (self, other) => s.max(self, other),
  backward: {
    self: (grad: number, self: number, other: number) => (self === other ? grad / 2 : self < other ? 0 : grad),
    other: (grad: number, self: number, other: number) => (self === other ? grad / 2 : self > other ? 0 : grad),
  },
  inplace: false,
  onnx: { op: 'Max', since: 13 },
  samples: range(-5, 5),
});
export const minimum = pointwise({
  doc: 'Smaller of two elements; NaN wins.',
  schema: 'minimum(self: Tensor, other: Tensor): Tensor',
  dtype: 'same',
  forward: (self, other) => s.min(self, other),
  backward: {
    self: (grad: number, self: number, other: number) => (self === other ? grad / 2 : self > other ? 0 : grad),
    other: (grad: number, self: number, other: number) => (self === other ? grad / 2 : self < other ? 0 : grad),
  },
  inplace: false,
  onnx: { op: 'Min', since: 13 },
  samples: range(-5, 5),
});
export const fmax = pointwise({
  doc: 'Larger of two elements; a NaN loses against a number.',
  schema: 'fmax(self: Tensor, other: Tensor): Tensor',
  dtype: 'same',
  forward: (self, other) => (s.isnan(other) ? self : s.isnan(self) ? other : s.max(self, other)),
  backward: {
    self: (grad: number, self: number, other: number) => (self >= other || s.isnan(other) ? grad : 0),
    other: (grad: number, self: number, other: number) => (self >= other || s.isnan(other) ? 0 : grad),
  },
  inplace: false,
  onnx: { symbolic: 'scalar' },
  samples: range(-5, 5),
});
export const fmin = pointwise({
  doc: 'Smaller of two elements; a NaN loses against a number.',
  schema: 'fmin(self: Tensor, other: Tensor): Tensor',
  dtype: 'same',
  forward: (self, other) => (s.isnan(other) ? self : s.isnan(self) ? other : s.min(self, other)),
  backward: {
    self: (grad: number, self: number, other: number) => (self <= other || s.isnan(other) ? grad : 0),
    other: (grad: number, self: number, other: number) => (self <= other || s.isnan(other) ? 0 : grad),
  },
  inplace: false,
  onnx: { symbolic: 'scalar' },
  samples: range(-5, 5),
});
export const hypot = pointwise({
  doc: 'sqrt(self^2 + other^2), without overflow on the way.',
  schema: 'hypot(self: Tensor, other: Tensor): Tensor',
  dtype: 'float-only',
  forward: (self, other) => s.hypot(self, other),
  backward: {
    self: (grad: number, self: number, out: number) => grad * (self / out),
    other: (grad: number, other: number, out: number) => grad * (other / out),
  },
  onnx: { symbolic: 'scalar' },
  samples: range(0.5, 5),
});
export const logaddexp = pointwise({
  doc: 'log(e^self + e^other), without overflow on the way.',
  schema: 'logaddexp(self: Tensor, other: Tensor): Tensor',
  dtype: 'float-only',
  forward: (self, other) =>
    self === other && s.abs(self) === Infinity ? self : s.max(self, other) + s.log1p(s.exp(-s.abs(self - other))),
  backward: {
    self: (grad: number, self: number, other: number) => grad / (1 + s.exp(other - self)),
    other: (grad: number, self: number, other: number) => grad / (1 + s.exp(self - other)),
  },
  inplace: false,
  onnx: { symbolic: 'scalar' },
  samples: range(-5, 5),
});
export const logaddexp2 = pointwise({
  doc: 'log2(2^self + 2^other), without overflow on the way.',
  schema: 'logaddexp2(self: Tensor, other: Tensor): Tensor',
  dtype: 'float-only',
  forward: (self, other) =>
    self === other && s.abs(self) === Infinity
      ? self
      : s.max(self, other) + s.log1p(s.exp2(-s.abs(self - other))) * 1.4426950408889634,
  backward: {
    self: (grad: number, self: number, other: number) => grad / (1 + s.exp2(other - self)),
    other: (grad: number, self: number, other: number) => grad / (1 + s.exp2(self - other)),
  },
  inplace: false,
  onnx: { symbolic: 'scalar' },
  samples: range(-5, 5),
});
export const floatPower = composite({
  doc: 'self to the power of exponent, computed in float64.',
  schema: 'floatPower(self: Tensor, exponent: Operand): Tensor',
  numberFirst: true,
  body: (self: unknown, exponent: unknown) => t.pow(t.toDtype(self, 'float64'), h.doubleValue(exponent)),
  inplace: true,
  onnx: { symbolic: 'region' },
});
export const heavisideValues = pointwise({
  doc: '0 below zero, 1 above, values at zero. See `heaviside`.',
  schema: 'heavisideValues(self: Tensor, values: Tensor): Tensor',
  dtype: 'same',
  forward: (self, values) => (self === 0 ? values : self > 0 ? 1 : 0),
  nondifferentiable: 'PyTorch defines none',
  method: false,
  function: false,
  inplace: false,
  onnx: { symbolic: 'scalar' },
  samples: range(-3, 3),
});
export const heaviside = composite({
  doc: '0 below zero, 1 above, values at zero. Both tensors must have one dtype.',
  schema: 'heaviside(self: Tensor, values: Tensor): Tensor',
  body: (self: A, values: A) => {
    if (self.dtype !== values.dtype)
      throw new Error('heaviside is not yet implemented for tensors with different dtypes.');
    return t.heavisideValues(self, values);
  },
  inplace: true,
  nondifferentiable: 'PyTorch defines none',
  onnx: { symbolic: 'region' },
});
export const gcd = pointwise({
  doc: 'Greatest common divisor of integers, never negative.',
  schema: 'gcd(self: Tensor, other: Tensor): Tensor',
  dtype: 'integral-only',
  forward: (self, other) => s.gcd(self, other),
  nondifferentiable: 'integers only',
  onnx: { none: 'no operator' },
  samples: range(-100, 100),
});
export const lcm = pointwise({
  doc: 'Least common multiple of integers, never negative.',
  schema: 'lcm(self: Tensor, other: Tensor): Tensor',
  dtype: 'integral-only',
  forward: (self, other) => {
    const g = s.gcd(self, other);
    return g === 0 ? 0 : s.abs(s.idiv(self, g) * other);
  },
  nondifferentiable: 'integers only',
  onnx: { none: 'no operator' },
  samples: range(-100, 100),
});
export const bitwiseLeftShift = pointwise({
  doc: "Bits moved left: self * 2^other, without the bits that leave the dtype. 0 where other is negative or not below the dtype's bits.",
  schema: 'bitwiseLeftShift(self: Tensor, other: Operand): Tensor',
  numberFirst: true,
  dtype: 'integral-only',
  forward: (self, other) => self << other,
  nondifferentiable: 'integers only',
  onnx: { op: 'BitShift', since: 11, attrs: { direction: 'LEFT' } },
  samples: range(0, 10),
});
export const bitwiseRightShift = pointwise({
  doc: 'Bits moved right, with the sign: floor(self / 2^other).',
  schema: 'bitwiseRightShift(self: Tensor, other: Operand): Tensor',
  numberFirst: true,
  dtype: 'integral-only',
  forward: (self, other) => self >> other,
  nondifferentiable: 'integers only',
  onnx: { op: 'BitShift', since: 11, attrs: { direction: 'RIGHT' } },
  samples: range(0, 10),
});
export const bitwiseAnd = pointwise({
  doc: 'Bitwise AND of integers, logical AND of bool. Throws for floats.',
  schema: 'bitwiseAnd(self: Tensor, other: Operand): Tensor',
  numberFirst: true,
  dtype: 'integral-only',
  forward: (self, other) => self & other,
  nondifferentiable: 'integers only',
  onnx: { op: 'BitwiseAnd', since: 18 },
  samples: range(0, 100),
});
export const bitwiseOr = pointwise({
  doc: 'Bitwise OR of integers, logical OR of bool. Throws for floats.',
  schema: 'bitwiseOr(self: Tensor, other: Operand): Tensor',
  numberFirst: true,
  dtype: 'integral-only',
  forward: (self, other) => self | other,
  nondifferentiable: 'integers only',
  onnx: { op: 'BitwiseOr', since: 18 },
  samples: range(0, 100),
});
export const bitwiseXor = pointwise({
  doc: 'Bitwise XOR of integers, logical XOR of bool. Throws for floats.',
  schema: 'bitwiseXor(self: Tensor, other: Operand): Tensor',
  numberFirst: true,
  dtype: 'integral-only',
  forward: (self, other) => self ^ other,
  nondifferentiable: 'integers only',
  onnx: { op: 'BitwiseXor', since: 18 },
  samples: range(0, 100),
});
