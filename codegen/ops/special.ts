// Special functions: error functions, gamma and its kin, entropies, logit.
// Source of the definitions: https://pytorch.org/docs/stable/special.html
import { composite, pointwise, range, type Page } from '../model.js';
import * as s from '../scalar_lib.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Special functions',
  intro: `Error functions, gamma and its kin, entropies: right to the last few bits in float64; integers give the default float dtype. Most are in fb.special, some on the root too.`,
  example: `fb.erfinv(fb.tensor([0, 0.5])); // => tensor([0.0000, 0.4769])
fb.special.entr(fb.tensor([0, 0.5])); // => tensor([0.0000, 0.3466])
fb.polygamma(1, fb.tensor([1])); // => tensor([1.6449])
fb.special.xlogy(fb.tensor([0]), 0); // => tensor([0.])`,
};
export const erfinv = pointwise({
  doc: 'Inverse of the error function (infinite at -1 and 1, NaN beyond).',
  schema: 'erfinv(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.erfinv(self),
  exports: ['erfinv', 'special.erfinv'],
  onnx: { none: 'no operator' },
  samples: range(-0.9, 0.9),
});

export const lgamma = pointwise({
  doc: 'Logarithm of the absolute value of the gamma function.',
  schema: 'lgamma(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.lgamma(self),
  exports: ['lgamma', 'special.gammaln'],
  onnx: { none: 'no operator' },
  samples: range(0.5, 20),
});

export const digamma = pointwise({
  doc: 'Logarithmic derivative of the gamma function.',
  schema: 'digamma(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.digamma(self),
  exports: ['digamma', 'special.digamma', 'special.psi'],
  onnx: { none: 'no operator' },
  samples: range(0.5, 20),
});

export const polygammaOf = pointwise({
  doc: 'Derivative of order n of digamma. See `polygamma`.',
  schema: 'polygammaOf(self: Tensor, n: int): Tensor',
  dtype: 'int-to-float',
  forward: (self, n) => s.polygamma(n, self),
  nondifferentiable: 'see polygamma',
  method: false,
  function: false,
  inplace: false,
  onnx: { none: 'no operator' },
  samples: range(2, 20),
});

export const polygamma = composite({
  doc: 'Derivative of order n of digamma; n must not be negative.',
  schema: 'polygamma(n: int, self: Tensor): Tensor',
  body: (n: A, self: A) => {
    if (n < 0) throw new Error('polygamma(n, x) does not support negative n.');
    return t.polygammaOf(self, n);
  },
  backward: { self: (grad: A, n: A, self: A) => t.mul(grad, t.polygamma(n + 1, self)) },
  inplace: true,
  exports: ['polygamma', 'special.polygamma'],
  onnx: { none: 'no operator' },
});

export const mvlgamma = composite({
  doc: 'Logarithm of the multivariate gamma function of dimension p. Meant for elements above (p - 1) / 2.',
  schema: 'mvlgamma(self: Tensor, p: int): Tensor',
  body: (self: A, p: A) => h.mvlgamma(self, p),
  inplace: true,
  exports: ['mvlgamma', 'special.multigammaln'],
  onnx: { symbolic: 'region' },
});

export const igamma = pointwise({
  doc: 'Lower regularised incomplete gamma function of order self, up to other.',
  schema: 'igamma(self: Tensor, other: Tensor): Tensor',
  dtype: 'float-only',
  forward: (self, other) => s.igamma(self, other),
  backward: {
    self: null,
    other: (grad: number, self: number, other: number) =>
      grad * s.exp((self - 1) * s.log(other) - other - s.lgamma(self)),
  },
  exports: ['igamma', 'special.gammainc'],
  onnx: { none: 'no operator' },
  samples: range(0.5, 10),
});

export const igammac = pointwise({
  doc: 'Upper regularised incomplete gamma function of order self, from other on.',
  schema: 'igammac(self: Tensor, other: Tensor): Tensor',
  dtype: 'float-only',
  forward: (self, other) => s.igammac(self, other),
  backward: {
    self: null,
    other: (grad: number, self: number, other: number) =>
      -grad * s.exp((self - 1) * s.log(other) - other - s.lgamma(self)),
  },
  exports: ['igammac', 'special.gammaincc'],
  onnx: { none: 'no operator' },
  samples: range(0.5, 10),
});

export const logitOf = pointwise({
  doc: 'log(x / (1 - x)); NaN outside [0, 1]. See `logit`.',
  schema: 'logitOf(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.log(self / (1 - self)),
  backward: {
    self: (grad: number, self: number) => (self >= 0 && self <= 1 ? grad / (self * (1 - self)) : NaN),
  },
  node: 'LogitBackward0',
  method: false,
  function: false,
  inplace: false,
  onnx: { symbolic: 'scalar' },
  samples: range(0.05, 0.95),
});

export const logitClamped = pointwise({
  doc: 'logit of x limited to [lo, hi]. See `logit`.',
  schema: 'logitClamped(self: Tensor, lo: float, hi: float): Tensor',
  dtype: 'int-to-float',
  forward: (self, lo, hi) => {
    const z = self < lo ? lo : self > hi ? hi : self;
    return s.log(z / (1 - z));
  },
  backward: {
    self: (grad: number, self: number, lo: number, hi: number) =>
      self < lo || self > hi ? 0 : grad / (self * (1 - self)),
  },
  node: 'LogitBackward0',
  method: false,
  function: false,
  inplace: false,
  onnx: { symbolic: 'scalar' },
  samples: range(0.05, 0.95),
});

export const logit = composite({
  doc: 'Inverse of the logistic sigmoid, log(x / (1 - x)); with eps, of x limited to [eps, 1 - eps].',
  schema: 'logit(self: Tensor, eps: float? = null): Tensor',
  body: (self: A, eps: A) => {
    if (eps === null) return t.logitOf(self);
    return t.logitClamped(self, eps ?? 0, 1 - (eps ?? 0));
  },
  inplace: true,
  exports: ['logit', 'special.logit'],
  onnx: { symbolic: 'region' },
});

export const sinc = pointwise({
  doc: 'sin(pi x) / (pi x), 1 at zero.',
  schema: 'sinc(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => (self === 0 ? 1 : s.sin(self * 3.141592653589793) / (self * 3.141592653589793)),
  backward: {
    self: (grad: number, self: number) => {
      // At zero the first terms of the series, so that the second derivative is -pi^2 / 3 (PyTorch: NaN); also where the square is 0.
      const square = self * self;
      const z = square === 0 ? 1 : self;
      const x = z * 3.141592653589793;
      return square === 0 ? grad * (self * -3.289868133696453) : grad * ((x * s.cos(x) - s.sin(x)) / (x * z));
    },
  },
  exports: ['sinc', 'special.sinc'],
  onnx: { symbolic: 'scalar' },
  samples: range(-3.1, 3.2),
});

export const i0 = pointwise({
  doc: 'Modified Bessel function of the first kind, order 0.',
  schema: 'i0(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.i0(self),
  exports: ['i0', 'special.i0', 'special.modifiedBesselI0'],
  onnx: { none: 'no operator' },
  samples: range(-5, 5),
});

export const xlogy = pointwise({
  doc: 'self * log(other), 0 where self is 0; NaN where other is.',
  schema: 'xlogy(self: Tensor, other: Operand): Tensor',
  numberFirst: true,
  dtype: 'int-to-float',
  forward: (self, other) => (s.isnan(other) ? other : self === 0 ? 0 : self * s.log(other)),
  backward: {
    self: (grad: number, self: number, other: number) => grad * (self === 0 && other <= 0 ? 0 : s.log(other)),
    other: (grad: number, self: number, other: number) => grad * (self / other),
  },
  exports: ['xlogy', 'special.xlogy'],
  onnx: { symbolic: 'scalar' },
  samples: range(0.1, 5),
});

export const specialEntr = pointwise({
  doc: 'Entropy -x log(x); 0 at zero, -infinity below.',
  schema: 'specialEntr(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => (s.isnan(self) ? self : self > 0 ? -self * s.log(self) : self === 0 ? 0 : -Infinity),
  backward: {
    self: (grad: number, self: number) => -grad * (s.log(self) + 1),
  },
  method: false,
  inplace: false,
  exports: ['special.entr'],
  onnx: { symbolic: 'scalar' },
  samples: range(0.1, 5),
});

export const specialNdtr = pointwise({
  doc: 'Distribution function of the standard normal distribution.',
  schema: 'specialNdtr(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => 0.5 * s.erfc(self * -0.7071067811865476),
  method: false,
  inplace: false,
  exports: ['special.ndtr'],
  onnx: { symbolic: 'scalar' },
  samples: range(-4, 4),
});

export const specialNdtri = pointwise({
  doc: 'Quantile of the standard normal distribution: the inverse of ndtr.',
  schema: 'specialNdtri(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.ndtri(self),
  method: false,
  inplace: false,
  exports: ['special.ndtri'],
  onnx: { none: 'no operator' },
  samples: range(0.05, 0.95),
});

export const specialLogNdtr = pointwise({
  doc: 'Logarithm of ndtr, accurate for small values.',
  schema: 'specialLogNdtr(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.logNdtr(self),
  method: false,
  inplace: false,
  exports: ['special.logNdtr'],
  onnx: { none: 'no operator' },
  samples: range(-4, 4),
});

export const specialErfcx = pointwise({
  doc: 'e^(x^2) erfc(x).',
  schema: 'specialErfcx(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.erfcx(self),
  method: false,
  inplace: false,
  exports: ['special.erfcx'],
  onnx: { none: 'no operator' },
  samples: range(-2, 4),
});

export const specialXlog1py = pointwise({
  doc: 'self * log(1 + other), 0 where self is 0; NaN where other is.',
  schema: 'specialXlog1py(self: Tensor, other: Operand): Tensor',
  numberFirst: true,
  dtype: 'int-to-float',
  forward: (self, other) => (s.isnan(other) ? other : self === 0 ? 0 : self * s.log1p(other)),
  backward: {
    self: (grad: number, self: number, other: number) => grad * (self === 0 && other <= -1 ? 0 : s.log1p(other)),
    other: (grad: number, self: number, other: number) => grad * (self / (other + 1)),
  },
  method: false,
  inplace: false,
  exports: ['special.xlog1py'],
  onnx: { symbolic: 'scalar' },
  samples: range(0.1, 5),
});

export const specialZeta = pointwise({
  doc: 'Hurwitz zeta function: the sum of (other + k)^-self, k = 0, 1, ...',
  schema: 'specialZeta(self: Tensor, other: Operand): Tensor',
  numberFirst: true,
  dtype: 'int-to-float',
  forward: (self, other) => s.zeta(self, other),
  backward: {
    self: null,
    other: (grad: number, self: number, other: number) => -grad * (self * s.zeta(self + 1, other)),
  },
  method: false,
  inplace: false,
  exports: ['special.zeta'],
  onnx: { none: 'no operator' },
  samples: range(1.5, 9),
});

export const specialI0e = pointwise({
  doc: 'i0 scaled by e^-|x|.',
  schema: 'specialI0e(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.i0e(self),
  method: false,
  inplace: false,
  exports: ['special.i0e'],
  onnx: { none: 'no operator' },
  samples: range(-5, 5),
});

export const specialI1 = pointwise({
  doc: 'Modified Bessel function of the first kind, order 1.',
  schema: 'specialI1(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.i1(self),
  method: false,
  inplace: false,
  exports: ['special.i1', 'special.modifiedBesselI1'],
  onnx: { none: 'no operator' },
  samples: range(-5, 5),
});

export const specialI1e = pointwise({
  doc: 'i1 scaled by e^-|x|.',
  schema: 'specialI1e(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => s.i1e(self),
  method: false,
  inplace: false,
  exports: ['special.i1e'],
  onnx: { none: 'no operator' },
  samples: range(-5, 5),
});
