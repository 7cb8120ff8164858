// Random numbers: PyTorch's mt19937 streams, so that one seed gives PyTorch's numbers.
// Source: https://pytorch.org/docs/stable/notes/randomness.html
import { composite, extern, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Random numbers',
  intro: `From \`generator\`, or the default one: mt19937 with PyTorch's algorithms, so that one seed gives PyTorch's numbers on the CPU. Compiled code uses Philox.`,
  example: `fb.manualSeed(0);
fb.rand(3); // => tensor([0.4963, 0.7682, 0.0885])
fb.manualSeed(0).initialSeed(); // => 0n
fb.randn(2); // => tensor([ 1.5410, -0.2934])
fb.randint(0, 10, [4]).shape; // => [ 4 ]`,
};
export const uniform_ = extern({
  doc: 'Fills self with uniform numbers of [from, to).',
  schema: 'uniform_(self: Tensor, from: float = 0, to: float = 1, *, generator: Generator? = null): self',
  mutates: ['self'],
  random: true,
  nondifferentiable: 'random',
  onnx: { none: 'random' },
});
export const normal_ = extern({
  doc: 'Fills self with normal numbers.',
  schema: 'normal_(self: Tensor, mean: float = 0, std: float = 1, *, generator: Generator? = null): self',
  mutates: ['self'],
  random: true,
  nondifferentiable: 'random',
  onnx: { none: 'random' },
});
export const bernoulli_ = extern({
  doc: 'Fills self with ones of probability p, zeros else.',
  schema: 'bernoulli_(self: Tensor, p: float = 0.5, *, generator: Generator? = null): self',
  mutates: ['self'],
  random: true,
  nondifferentiable: 'random',
  method: false,
  onnx: { none: 'random' },
});
// Not called bernoulli: recordings leave the underscore of bernoulli_ out.
export const bernoulliOf = extern({
  doc: 'Ones with the probability that each element of self gives. self: probabilities.',
  schema: 'bernoulliOf(self: Tensor, *, generator: Generator? = null): Tensor',
  overloadOf: 'bernoulli',
  method: false,
  function: false,
  node: 'BernoulliBackward0',
  random: true,
  backward: { self: (grad: A) => t.zerosLike(grad) },
  onnx: { none: 'random' },
});
export const bernoulliWith = composite({
  doc: "Ones with probability p in self's shape and dtype; its values are not read, and there is no gradient.",
  schema: 'bernoulliWith(self: Tensor, p: float, *, generator: Generator? = null): Tensor',
  overloadOf: 'bernoulli',
  method: false,
  function: false,
  body: (self: A, p: A, generator: A) => t.bernoulli_(t.empty(self.shape, { dtype: self.dtype }), p, { generator }),
  onnx: { none: 'random' },
});
export const rreluNoise = extern({
  doc: 'Slopes of `rrelu` while training: a number of [lower, upper) for each element of self that is not above zero, drawn in order; 1 else.',
  schema: 'rreluNoise(self: Tensor, lower: float, upper: float, *, generator: Generator? = null): Tensor',
  random: true,
  nondifferentiable: 'random',
  method: false,
  function: false,
  onnx: { none: 'random' },
});
export const exponential_ = extern({
  doc: 'Fills self with exponential numbers of rate lambd.',
  schema: 'exponential_(self: Tensor, lambd: float = 1, *, generator: Generator? = null): self',
  mutates: ['self'],
  random: true,
  nondifferentiable: 'random',
  onnx: { none: 'random' },
});
export const geometric_ = extern({
  doc: 'Fills self with the number of the first success in trials of probability p, 0 < p < 1.',
  schema: 'geometric_(self: Tensor, p: float, *, generator: Generator? = null): self',
  mutates: ['self'],
  random: true,
  nondifferentiable: 'random',
  onnx: { none: 'random' },
});
export const cauchy_ = extern({
  doc: 'Fills self with numbers of the Cauchy distribution.',
  schema: 'cauchy_(self: Tensor, median: float = 0, sigma: float = 1, *, generator: Generator? = null): self',
  mutates: ['self'],
  random: true,
  nondifferentiable: 'random',
  onnx: { none: 'random' },
});
export const logNormal_ = extern({
  doc: 'Fills self with numbers whose logarithm is normal with the given mean and deviation.',
  schema: 'logNormal_(self: Tensor, mean: float = 1, std: float = 2, *, generator: Generator? = null): self',
  mutates: ['self'],
  random: true,
  nondifferentiable: 'random',
  onnx: { none: 'random' },
});
export const poisson = extern({
  doc: 'A Poisson number for each rate in self. Gradients are zero.',
  schema: 'poisson(self: Tensor, *, generator: Generator? = null): Tensor',
  random: true,
  method: false,
  backward: { self: (grad: A) => t.zerosLike(grad) },
  onnx: { none: 'random' },
});
export const binomial = extern({
  doc: 'The number of successes in count trials of probability prob, broadcast. Gradients are zero.',
  schema: 'binomial(count: Tensor, prob: Tensor, *, generator: Generator? = null): Tensor',
  random: true,
  method: false,
  backward: {
    count: (grad: A, count: A) => h.zerosLike(grad, count.shape),
    prob: (grad: A, prob: A) => h.zerosLike(grad, prob.shape),
  },
  onnx: { none: 'random' },
});
export const randint_ = extern({
  doc: 'Fills self with integers of [low, high).',
  schema: 'randint_(self: Tensor, low: int, high: int, *, generator: Generator? = null): self',
  mutates: ['self'],
  random: true,
  nondifferentiable: 'random',
  method: false,
  function: false,
  onnx: { none: 'random' },
});
export const randperm = extern({
  doc: 'The integers 0 to n - 1 in random order.',
  schema: 'randperm(n: int, *, dtype: dtype? = null, generator: Generator? = null): Tensor',
  random: true,
  nondifferentiable: 'random',
  method: false,
  function: false,
  onnx: { none: 'random' },
});
export const multinomial = extern({
  doc: 'Indices drawn with the weights of each row of self. self: [n] or [rows, n].',
  schema:
    'multinomial(self: Tensor, numSamples: int, replacement: bool = false, *, generator: Generator? = null): Tensor',
  random: true,
  nondifferentiable: 'random',
  onnx: { none: 'random' },
});
