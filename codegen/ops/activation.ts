// Activations. Source of the definitions: https://pytorch.org/docs/stable/nn.html#non-linear-activations-weighted-sum-nonlinearity
import { composite, pointwise, range, type Page } from '../model.js';
import * as s from '../scalar_lib.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Activations',
  intro: `Element by element; the result has the input's shape. Exported from the root and from \`nn.functional\`. Floating dtypes, where not said otherwise.`,
  example: `const x = fb.tensor([-2, -0.5, 0, 1.5]);
F.relu(x); // => tensor([0.0000, 0.0000, 0.0000, 1.5000])
F.leakyRelu(x, 0.1); // => tensor([-0.2000, -0.0500,  0.0000,  1.5000])
F.gelu(x); // => tensor([-0.0455, -0.1543,  0.0000,  1.3998])`,
};
// Derivatives are differentiated again over tensors, where both sides of a condition are computed: exp must not overflow on the
// side that is not taken, or 0 * infinity makes the second derivative NaN. At zero the second derivative is PyTorch's, 0.
const nonpositive = (x: number): number => (x >= 0 ? 0 : x);
const logistic = (x: number): number => {
  const z = s.exp(x > 0 ? -x : x);
  return x > 0 ? 1 / (1 + z) : z / (1 + z);
};

export const sigmoid = pointwise({
  doc: 'Logistic sigmoid, 1 / (1 + e^-x), element by element.\nInteger tensors give the default float dtype.',
  schema: 'sigmoid(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => 1 / (1 + s.exp(-self)),
  backward: { self: (grad: number, out: number) => grad * out * (1 - out) },
  onnx: { op: 'Sigmoid', since: 13 },
  exports: ['sigmoid', 'special.expit', 'nn.functional.sigmoid'],
  ulp: { float32: 4 },
  samples: range(-20, 20),
});
export const relu = pointwise({
  doc: 'max(x, 0). NaN stays NaN.',
  schema: 'relu(self: Tensor): Tensor',
  dtype: 'numeric-only',
  forward: (self) => s.max(self, 0),
  backward: { self: (grad: number, out: number) => (out <= 0 ? 0 : grad) },
  exports: ['relu', 'nn.functional.relu'],
  onnx: { op: 'Relu', since: 13 },
  samples: range(-5, 5),
});
export const relu6 = pointwise({
  doc: 'min(max(x, 0), 6).',
  schema: 'relu6(self: Tensor): Tensor',
  dtype: 'numeric-only',
  forward: (self) => s.min(s.max(self, 0), 6),
  backward: { self: (grad: number, self: number) => (self <= 0 || self >= 6 ? 0 : grad) },
  exports: ['relu6', 'nn.functional.relu6'],
  onnx: { symbolic: 'relu6' },
  samples: range(-5, 10),
});
export const silu = pointwise({
  doc: 'x * sigmoid(x), also called swish.',
  schema: 'silu(self: Tensor): Tensor',
  dtype: 'float-only',
  forward: (self) => self / (1 + s.exp(-self)),
  backward: {
    self: (grad: number, self: number) => {
      const y = logistic(self);
      return grad * (y * (1 + self * (1 - y)));
    },
  },
  exports: ['silu', 'nn.functional.silu'],
  onnx: { symbolic: 'silu' },
  samples: range(-10, 10),
});
// tanh(log(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2): one exp and one division, exact at both ends. Above 20 it is 1.
const mishGate = (x: number): number => {
  const e = s.exp(x > 20 ? 0 : x);
  const n = e * (e + 2);
  return x > 20 ? 1 : n / (n + 2);
};
const mishGateSlope = (x: number): number => {
  const e = s.exp(x > 20 ? 0 : x);
  const d = e * (e + 2) + 2;
  return x > 20 ? 0 : (4 * e * (e + 1)) / (d * d);
};
export const mish = pointwise({
  doc: 'x * tanh(softplus(x)).',
  schema: 'mish(self: Tensor): Tensor',
  dtype: 'float-only',
  forward: (self) => self * mishGate(self),
  backward: { self: (grad: number, self: number) => grad * (mishGate(self) + self * mishGateSlope(self)) },
  exports: ['mish', 'nn.functional.mish'],
  onnx: { symbolic: 'mish' },
  samples: range(-10, 10),
});
export const softplus = pointwise({
  doc: 'log(1 + e^(beta x)) / beta; x itself where beta x > threshold.',
  schema: 'softplus(self: Tensor, beta: Scalar = 1, threshold: Scalar = 20): Tensor',
  dtype: 'float-only',
  forward: (self, beta, threshold) => (self * beta > threshold ? self : s.log1p(s.exp(self * beta)) / beta),
  backward: {
    self: (grad: number, self: number, beta: number, threshold: number) =>
      self * beta > threshold ? grad : grad * logistic(self * beta),
  },
  exports: ['softplus', 'nn.functional.softplus'],
  onnx: { symbolic: 'softplus' },
  samples: range(-10, 10),
});
export const softsign = pointwise({
  doc: 'x / (1 + |x|).',
  schema: 'softsign(self: Tensor): Tensor',
  dtype: 'int-to-float',
  forward: (self) => self / (1 + s.abs(self)),
  backward: {
    self: (grad: number, self: number) => {
      const d = 1 + s.abs(self);
      return grad / (d * d);
    },
  },
  method: false,
  exports: ['softsign', 'nn.functional.softsign'],
  onnx: { op: 'Softsign', since: 1 },
  samples: range(-10, 10),
});
export const logsigmoid = pointwise({
  doc: 'log(sigmoid(x)).',
  schema: 'logsigmoid(self: Tensor): Tensor',
  dtype: 'float-only',
  forward: (self) => s.min(self, 0) - s.log1p(s.exp(-s.abs(self))),
  backward: { self: (grad: number, self: number) => grad * logistic(-self) },
  method: false,
  exports: ['logsigmoid', 'nn.functional.logsigmoid', 'nn.functional.logSigmoid'],
  onnx: { symbolic: 'logsigmoid' },
  samples: range(-10, 10),
});
export const elu = pointwise({
  doc: 'x above zero, alpha (e^x - 1) below.',
  schema: 'elu(self: Tensor, alpha: Scalar = 1): Tensor',
  dtype: 'float-only',
  forward: (self, alpha) => (self > 0 ? self : alpha * s.expm1(self)),
  backward: {
    self: (grad: number, self: number, alpha: number) => (self > 0 ? grad : grad * (alpha * s.exp(nonpositive(self)))),
  },
  method: false,
  exports: ['elu', 'nn.functional.elu'],
  onnx: { symbolic: 'elu' },
  samples: range(-5, 5),
});
export const selu = pointwise({
  doc: 'Scaled ELU with the self-normalising constants.',
  schema: 'selu(self: Tensor): Tensor',
  dtype: 'float-only',
  forward: (self) => (self > 0 ? 1.0507009873554805 * self : 1.7580993408473766 * s.expm1(self)),
  backward: {
    self: (grad: number, self: number) =>
      self > 0 ? 1.0507009873554805 * grad : grad * (1.7580993408473766 * s.exp(nonpositive(self))),
  },
  exports: ['selu', 'nn.functional.selu'],
  onnx: { op: 'Selu', since: 6 },
  samples: range(-5, 5),
});
export const hardtanh = pointwise({
  doc: 'x limited to [minVal, maxVal].',
  schema: 'hardtanh(self: Tensor, minVal: Scalar = -1, maxVal: Scalar = 1): Tensor',
  dtype: 'numeric-only',
  forward: (self, minVal, maxVal) => s.min(s.max(self, minVal), maxVal),
  backward: {
    self: (grad: number, self: number, minVal: number, maxVal: number) => (self > minVal && self < maxVal ? grad : 0),
  },
  method: false,
  exports: ['hardtanh', 'nn.functional.hardtanh'],
  onnx: { symbolic: 'hardtanh' },
  samples: range(-3, 3),
});
export const hardsigmoid = pointwise({
  doc: 'min(max(x + 3, 0), 6) / 6.',
  schema: 'hardsigmoid(self: Tensor): Tensor',
  dtype: 'float-only',
  forward: (self) => s.min(s.max(self + 3, 0), 6) / 6,
  backward: { self: (grad: number, self: number) => (self > -3 && self < 3 ? grad / 6 : 0) },
  method: false,
  exports: ['hardsigmoid', 'nn.functional.hardsigmoid'],
  onnx: { symbolic: 'hardsigmoid' },
  samples: range(-5, 5),
});
export const hardswish = pointwise({
  doc: 'x * hardsigmoid(x).',
  schema: 'hardswish(self: Tensor): Tensor',
  dtype: 'float-only',
  forward: (self) => (self * s.min(s.max(self + 3, 0), 6)) / 6,
  backward: {
    // At -3 a constant, so that the second derivative is 0 there, as PyTorch has it.
    self: (grad: number, self: number) =>
      self < -3 ? 0 : self >= 3 ? grad : grad * ((self <= -3 ? -3 : self) / 3 + 0.5),
  },
  method: false,
  exports: ['hardswish', 'nn.functional.hardswish'],
  onnx: { op: 'HardSwish', since: 14 },
  samples: range(-5, 5),
});
export const leakyRelu = pointwise({
  doc: 'x above zero, negativeSlope * x below.',
  schema: 'leakyRelu(self: Tensor, negativeSlope: Scalar = 0.01): Tensor',
  dtype: 'float-only',
  forward: (self, negativeSlope) => (self > 0 ? self : self * negativeSlope),
  backward: { self: (grad: number, self: number, negativeSlope: number) => (self > 0 ? grad : grad * negativeSlope) },
  method: false,
  exports: ['leakyRelu', 'nn.functional.leakyRelu'],
  onnx: { symbolic: 'leakyRelu' },
  samples: range(-5, 5),
});
export const threshold = pointwise({
  doc: 'x where x > threshold, else value.',
  schema: 'threshold(self: Tensor, threshold: Scalar, value: Scalar): Tensor',
  dtype: 'numeric-only',
  forward: (self, threshold, value) => (self <= threshold ? value : self),
  backward: { self: (grad: number, self: number, threshold: number) => (self <= threshold ? 0 : grad) },
  method: false,
  exports: ['threshold', 'nn.functional.threshold'],
  onnx: { symbolic: 'scalar' },
  samples: range(-3, 3),
});
export const geluErf = pointwise({
  doc: 'Exact GELU: x / 2 (1 + erf(x / sqrt 2)). See `gelu`.',
  schema: 'geluErf(self: Tensor): Tensor',
  dtype: 'float-only',
  forward: (self) => 0.5 * self * (1 + s.erf(self * 0.7071067811865476)),
  backward: {
    self: (grad: number, self: number) =>
      grad * (0.5 * (1 + s.erf(self * 0.7071067811865476)) + self * (0.3989422804014327 * s.exp(-0.5 * self * self))),
  },
  method: false,
  function: false,
  inplace: false,
  onnx: { symbolic: 'gelu' },
  samples: range(-5, 5),
});
export const geluTanh = pointwise({
  doc: 'GELU with the tanh approximation. See `gelu`.',
  schema: 'geluTanh(self: Tensor): Tensor',
  dtype: 'float-only',
  forward: (self) => 0.5 * self * (1 + s.tanh(0.7978845608028654 * (self + 0.044715 * self * self * self))),
  backward: {
    self: (grad: number, self: number) => {
      const th = s.tanh(0.7978845608028654 * (self + 0.044715 * self * self * self));
      return grad * (0.5 * (1 + th) + 0.5 * self * (1 - th * th) * (0.7978845608028654 * (1 + 0.134145 * self * self)));
    },
  },
  method: false,
  function: false,
  inplace: false,
  onnx: { symbolic: 'gelu' },
  samples: range(-5, 5),
});
export const gelu = composite({
  doc: "Gaussian error linear unit; approximate: 'none' (erf) or 'tanh'.\nSource: https://arxiv.org/abs/1606.08415",
  schema: "gelu(self: Tensor, *, approximate: string = 'none'): Tensor",
  body: (self: unknown, approximate: string) => {
    if (approximate === 'tanh') return t.geluTanh(self);
    if (approximate !== 'none')
      throw new Error(`approximate argument must be either none or tanh. (got ${approximate})`);
    return t.geluErf(self);
  },
  exports: ['gelu', 'nn.functional.gelu'],
  onnx: { symbolic: 'gelu' },
});
export const celu = pointwise({
  doc: 'x above zero, alpha (e^(x / alpha) - 1) below.\nSource: https://arxiv.org/abs/1704.07483',
  schema: 'celu(self: Tensor, alpha: Scalar = 1): Tensor',
  dtype: 'float-only',
  forward: (self, alpha) => (self > 0 ? self : alpha * s.expm1(self / alpha)),
  backward: {
    self: (grad: number, self: number, alpha: number) => (self > 0 ? grad : grad * s.exp(nonpositive(self) / alpha)),
  },
  method: false,
  exports: ['celu', 'nn.functional.celu'],
  onnx: { op: 'Celu', since: 12 },
  samples: range(-5, 5),
});
export const softshrink = composite({
  doc: 'x - lambd above lambd, x + lambd below -lambd, 0 between. lambd must not be negative.',
  schema: 'softshrink(self: Tensor, lambd: Scalar = 0.5): Tensor',
  body: (self: A, lambd: A) => {
    if (lambd < 0) throw new Error(`lambda must be greater or equal to 0, but found to be ${lambd}.`);
    return t.softshrinkValues(self, lambd);
  },
  method: false,
  exports: ['nn.functional.softshrink'],
  onnx: { symbolic: 'region' },
});
export const softshrinkValues = pointwise({
  doc: 'x moved towards zero by lambd. See `softshrink`.',
  schema: 'softshrinkValues(self: Tensor, lambd: Scalar): Tensor',
  dtype: 'float-only',
  forward: (self, lambd) => (self > lambd ? self - lambd : self < -lambd ? self + lambd : 0),
  backward: {
    self: (grad: number, self: number, lambd: number) => (self >= -lambd && self <= lambd ? 0 : grad),
  },
  node: 'SoftshrinkBackward0',
  method: false,
  function: false,
  inplace: false,
  onnx: { symbolic: 'scalar' },
  samples: range(-3, 3),
});
export const hardshrink = pointwise({
  doc: '0 in [-lambd, lambd], x outside.',
  schema: 'hardshrink(self: Tensor, lambd: Scalar = 0.5): Tensor',
  dtype: 'float-only',
  forward: (self, lambd) => (self >= -lambd && self <= lambd ? 0 : self),
  backward: {
    self: (grad: number, self: number, lambd: number) => (self >= -lambd && self <= lambd ? 0 : grad),
  },
  inplace: false,
  exports: ['hardshrink', 'nn.functional.hardshrink'],
  onnx: { symbolic: 'scalar' },
  samples: range(-3, 3),
});
export const tanhshrink = composite({
  doc: 'x - tanh(x).',
  schema: 'tanhshrink(self: Tensor): Tensor',
  body: (self: A) => t.sub(self, t.tanh(self)),
  method: false,
  exports: ['nn.functional.tanhshrink'],
  onnx: { symbolic: 'region' },
});
export const softmin = composite({
  doc: 'softmax(-x) along dim.',
  schema: 'softmin(self: Tensor, dim: int, *, dtype: dtype? = null): Tensor',
  body: (self: A, dim: A, dtype: A) => t.softmax(t.neg(self), dim, { dtype }),
  method: false,
  exports: ['nn.functional.softmin'],
  onnx: { symbolic: 'region' },
});
export const glu = composite({
  doc: 'Gated linear unit: the first half along dim times the sigmoid of the second.\nSource: https://arxiv.org/abs/1612.08083',
  schema: 'glu(self: Tensor, dim: int = -1): Tensor',
  body: (self: A, dim: A) => {
    if (self.ndim === 0) throw new Error('glu does not support 0-dimensional tensors');
    const half = h.halfCount(self, dim);
    return t.mul(t.narrow(self, dim, 0, half), t.sigmoid(t.narrow(self, dim, half, half)));
  },
  method: false,
  exports: ['nn.functional.glu'],
  onnx: { symbolic: 'region' },
});
export const preluValues = pointwise({
  doc: 'x above zero, weight x below. See `prelu`.',
  schema: 'preluValues(self: Tensor, weight: Tensor): Tensor',
  dtype: 'float-only',
  forward: (self, weight) => (self > 0 ? self : weight * self),
  backward: {
    self: (grad: number, self: number, weight: number) => (self > 0 ? grad : weight * grad),
    weight: (grad: number, self: number) => (self > 0 ? 0 : grad * self),
  },
  node: 'PreluBackward0',
  method: false,
  function: false,
  inplace: false,
  onnx: { symbolic: 'scalar' },
  samples: range(-3, 3),
});
export const prelu = composite({
  doc: 'x above zero, weight x below; weight: one number or one for each channel (dimension 1).',
  schema: 'prelu(self: Tensor, weight: Tensor): Tensor',
  body: (self: A, weight: A) => t.preluValues(self, h.preluWeight(self, weight)),
  exports: ['prelu', 'nn.functional.prelu'],
  onnx: { symbolic: 'region' },
});
export const rrelu = composite({
  doc: 'Leaky relu whose slope is drawn from [lower, upper) for each negative element while training, their mean otherwise.',
  schema:
    'rrelu(self: Tensor, lower: float = 0.125, upper: float = 0.3333333333333333, training: bool = false): Tensor',
  body: (self: A, lower: A, upper: A, training: A) => {
    if (lower > upper) throw new Error('Lower bound should be less than or equal to the upper bound');
    if (!training) return t.leakyRelu(self, (lower + upper) / 2);
    return t.mul(self, t.rreluNoise(self, lower, upper));
  },
  method: false,
  inplace: true,
  exports: ['rrelu', 'nn.functional.rrelu'],
  onnx: { symbolic: 'region' },
});
