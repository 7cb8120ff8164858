// What floating-point numbers are made of and how special values are told apart; the functions of complex numbers for real ones.
import { composite, pointwise, range, type Page } from '../model.js';
import * as s from '../scalar_lib.js';
import { h, t } from '../tensor_lib.js';

export const page: Page = {
  title: 'Floating-point numbers',
  intro: `What numbers are made of and how special values are told apart. Predicates give bool and have no derivative. The functions of complex numbers are here for real ones, so that code written for both runs.`,
  example: `fb.tensor([1, NaN, Infinity]).nanToNum(0, 9); // => tensor([1., 0., 9.])
fb.tensor([-0, 2]).signbit(); // => tensor([ True, False])
const [mantissa, exponent] = fb.tensor([6, 0.25]).frexp();
mantissa; // => tensor([0.7500, 0.5000])
exponent; // => tensor([ 3, -1], dtype=torch.int32)`,
};
export const isnan = pointwise({
  doc: 'Whether each element is NaN. Gives bool.',
  schema: 'isnan(self: Tensor): Tensor',
  dtype: 'bool',
  forward: (self) => s.isnan(self),
  nondifferentiable: 'boolean result',
  onnx: { op: 'IsNaN', since: 13 },
  samples: range(-1, 1),
});
export const isfinite = pointwise({
  doc: 'Whether each element is finite. Gives bool.',
  schema: 'isfinite(self: Tensor): Tensor',
  dtype: 'bool',
  forward: (self) => s.isfinite(self),
  nondifferentiable: 'boolean result',
  onnx: { symbolic: 'scalar' },
  samples: range(-1, 1),
});
export const isinf = pointwise({
  doc: 'Whether each element is infinite. Gives bool.',
  schema: 'isinf(self: Tensor): Tensor',
  dtype: 'bool',
  forward: (self) => !s.isnan(self) && !s.isfinite(self),
  nondifferentiable: 'boolean result',
  onnx: { op: 'IsInf', since: 10 },
  samples: range(-1, 1),
});
export const isposinf = pointwise({
  doc: 'Whether each element is +infinity. Gives bool.',
  schema: 'isposinf(self: Tensor): Tensor',
  dtype: 'bool',
  forward: (self) => self === Infinity,
  nondifferentiable: 'boolean result',
  onnx: { op: 'IsInf', since: 10, attrs: { detect_negative: 0 } },
  samples: range(-1, 1),
});
export const isneginf = pointwise({
  doc: 'Whether each element is -infinity. Gives bool.',
  schema: 'isneginf(self: Tensor): Tensor',
  dtype: 'bool',
  forward: (self) => self === -Infinity,
  nondifferentiable: 'boolean result',
  onnx: { op: 'IsInf', since: 10, attrs: { detect_positive: 0 } },
  samples: range(-1, 1),
});
export const signbit = pointwise({
  doc: 'Whether the sign bit is set: below zero, and -0. Gives bool.',
  schema: 'signbit(self: Tensor): Tensor',
  dtype: 'bool',
  forward: (self) => s.copysign(1, self) < 0,
  nondifferentiable: 'boolean result',
  onnx: { symbolic: 'scalar' },
  samples: range(-1, 1),
});
export const replaceNonFinite = pointwise({
  doc: 'Other numbers instead of NaN and the infinities. See `nanToNum`.',
  schema: 'replaceNonFinite(self: Tensor, notNumber: float, posinf: float, neginf: float): Tensor',
  dtype: 'float-only',
  forward: (self, notNumber, posinf, neginf) =>
    s.isnan(self) ? notNumber : self === Infinity ? posinf : self === -Infinity ? neginf : self,
  backward: { self: (grad: number, self: number) => (s.isfinite(self) ? grad : 0) },
  node: 'NanToNumBackward0',
  method: false,
  function: false,
  onnx: { symbolic: 'scalar' },
  samples: range(-2, 2),
});
export const nanToNum = composite({
  doc: "NaN as `nan` (0), the infinities as `posinf` and `neginf` (the dtype's largest and smallest numbers). Integers stay as they are.",
  schema: 'nanToNum(self: Tensor, nan: float? = null, posinf: float? = null, neginf: float? = null): Tensor',
  body: (self: unknown, nan: number | null, posinf: number | null, neginf: number | null) => {
    if (!h.isFloat(self)) return t.clone(self);
    return t.replaceNonFinite(self, nan ?? 0, posinf ?? h.largest(self), neginf ?? -h.largest(self));
  },
  inplace: true,
  onnx: { symbolic: 'region' },
});
export const copysign = pointwise({
  doc: 'The magnitude of self with the sign of other, zeros included.',
  schema: 'copysign(self: Tensor, other: Operand): Tensor',
  dtype: 'int-to-float',
  forward: (self, other) => s.copysign(self, other),
  backward: {
    // The divisor is never 0, or the derivative of the branch that is not taken would be NaN.
    self: (grad: number, self: number, out: number) => (self === 0 ? 0 : grad * (out / (self === 0 ? 1 : self))),
    other: () => 0,
  },
  onnx: { symbolic: 'scalar' },
  samples: range(-3, 3),
});
export const nextafterWide = pointwise({
  doc: 'The next float32 or float64 after self towards other. See `nextafter`.',
  schema: 'nextafterWide(self: Tensor, other: Tensor): Tensor',
  dtype: 'float-only',
  forward: (self, other) => s.nextafter(self, other),
  nondifferentiable: 'a step of one unit in the last place',
  method: false,
  function: false,
  inplace: false,
  onnx: { none: 'no operator' },
  samples: { list: [[1, 2, -3, 0, 5, 7]] },
});
export const nextafterNarrow = pointwise({
  doc: 'The next 16-bit float after self towards other, computed in float32: units of its last place are `scale` times finer ones, at least `least`. See `nextafter`.',
  schema: 'nextafterNarrow(self: Tensor, other: Tensor, scale: float, least: float, largest: float): Tensor',
  dtype: 'float-only',
  forward: (self, other, scale, least, largest) => {
    if (self === other) return other;
    if (s.abs(self) === Infinity) return s.copysign(largest, self);
    const step = (s.nextafter(self, other) - self) * scale;
    return self + s.copysign(s.max(s.abs(step), least), step);
  },
  nondifferentiable: 'a step of one unit in the last place',
  method: false,
  function: false,
  inplace: false,
  onnx: { none: 'no operator' },
  samples: { list: [[1, 2, -3, 0, 5, 7]] },
});
export const nextafter = composite({
  doc: 'The next representable number after self towards other.',
  schema: 'nextafter(self: Tensor, other: Tensor): Tensor',
  body: (self: unknown, other: unknown) => {
    const d = h.commonDType(self, other);
    if (d === 'bfloat16') return t.nextafterNarrow(self, other, 65536, 0, 3.3895313892515355e38);
    if (d === 'float16') return t.nextafterNarrow(self, other, 8192, 5.960464477539063e-8, 65504);
    return t.nextafterWide(self, other);
  },
  nondifferentiable: 'a step of one unit in the last place',
  inplace: true,
  onnx: { none: 'no operator' },
});
export const frexpMantissa = pointwise({
  doc: 'The fraction of frexp, in [0.5, 1). See `frexp`.',
  schema: 'frexpMantissa(self: Tensor): Tensor',
  dtype: 'float-only',
  forward: (self) => s.mantissa(self),
  backward: { self: (grad: number, self: number) => grad / s.exp2(s.exponent(self)) },
  node: 'FrexpBackward0',
  method: false,
  function: false,
  inplace: false,
  onnx: { none: 'no operator' },
  samples: range(0.5, 20),
});
export const frexpExponent = pointwise({
  doc: 'The exponent of frexp as a float. See `frexp`.',
  schema: 'frexpExponent(self: Tensor): Tensor',
  dtype: 'float-only',
  forward: (self) => s.exponent(self),
  nondifferentiable: 'piecewise constant',
  method: false,
  function: false,
  inplace: false,
  onnx: { none: 'no operator' },
  samples: range(0.5, 20),
});
export const frexp = composite({
  doc: 'self = mantissa * 2^exponent with 0.5 <= |mantissa| < 1; the exponent is int32. Throws for integers.',
  schema: 'frexp(self: Tensor): (mantissa: Tensor, exponent: Tensor)',
  body: (self: unknown) => {
    if (!h.isFloat(self)) throw new Error('torch.frexp() only supports floating-point dtypes');
    return [t.frexpMantissa(self), t.toDtype(t.frexpExponent(self), 'int32')];
  },
  onnx: { none: 'no operator' },
});
export const ldexp = composite({
  doc: 'self * 2^other.',
  schema: 'ldexp(self: Tensor, other: Tensor): Tensor',
  body: (self: unknown, other: unknown) => t.mul(self, t.powScalar(2.0, other)),
  inplace: true,
  onnx: { symbolic: 'region' },
});

// ---- complex numbers' functions of real tensors ----

export const real = composite({
  doc: 'The real part: the tensor itself.',
  schema: 'real(self: Tensor): Tensor',
  body: (self: unknown) => self,
  method: false,
  onnx: { symbolic: 'region' },
});
export const conj = composite({
  doc: 'The complex conjugate: the tensor itself.',
  schema: 'conj(self: Tensor): Tensor',
  body: (self: unknown) => self,
  aliases: ['resolveConj', 'resolveNeg'],
  onnx: { symbolic: 'region' },
});
export const conjPhysical = composite({
  doc: 'The complex conjugate: the tensor itself.',
  schema: 'conjPhysical(self: Tensor): Tensor',
  body: (self: unknown) => self,
  inplace: true,
  onnx: { symbolic: 'region' },
});
export const angle = pointwise({
  doc: 'The angle of each number in the complex plane: 0, pi below zero, NaN for NaN.',
  schema: 'angle(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => (s.isnan(self) ? self : self < 0 ? 3.141592653589793 : 0),
  backward: { self: () => 0 },
  inplace: false,
  onnx: { symbolic: 'scalar' },
  samples: range(-3, 3),
});
export const isreal = composite({
  doc: 'Whether each element is a real number: true everywhere. Gives bool.',
  schema: 'isreal(self: Tensor): Tensor',
  body: (self: unknown) => t.onesLike(self, { dtype: 'bool' }),
  nondifferentiable: 'boolean result',
  onnx: { symbolic: 'region' },
});
