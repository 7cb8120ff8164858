// Random numbers: PyTorch's mt19937 streams, so that one seed gives PyTorch's numbers.
// Source: https://pytorch.org/docs/stable/notes/randomness.html
import { extern, type Page } from '../model.js';

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
export const bernoulli = extern({
  doc: 'Ones with the probability that each element of self gives. self: probabilities.',
  schema: 'bernoulli(self: Tensor, *, generator: Generator? = null): Tensor',
  random: true,
  nondifferentiable: 'random',
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
