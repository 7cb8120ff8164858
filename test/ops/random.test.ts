// Draws whose order is PyTorch's own. Expected numbers: PyTorch 1.13 with the same seed.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn } from '../../src/index.js';

test('rrelu in training draws only for elements that are not above zero', () => {
  fb.manualSeed(3);
  const y = nn.functional.rrelu(fb.randn(7), { training: true }).toArray() as number[];
  const want = [0.803276, 0.174833, 0.088978, -0.128477, 0.046182, -0.392961, 0.337495];
  y.forEach((v, i) => expect(v).toBeCloseTo(want[i]!, 5));
});

test('a transposed tensor is filled in the order of its memory', () => {
  fb.manualSeed(3);
  const y = fb.empty([3, 4]).t().bernoulli_(0.3);
  expect(y.flatten().toArray()).toEqual([1, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0, 0]);
});
