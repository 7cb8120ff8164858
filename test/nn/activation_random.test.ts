// PyTorch 1.13 draws a slope for each element that is not above zero, in order, as float64.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
const F = fb.nn.functional;

test('rrelu draws PyTorch’s stream', () => {
  fb.manualSeed(3);
  const x = fb.tensor([-1, 2, -3, 0, -5, 6, -7], { requiresGrad: true });
  const y = F.rrelu(x, 0.1, 0.3, true);
  const want = [-0.10682164132595062, 2, -0.4720441699028015, 0, -0.6749269962310791, 6, -1.75751793384552];
  expect(y.tolist()).toEqual(want);
  expect(fb.rand(1).item()).toBe(0.45103132724761963);
  y.sum().backward();
  expect(x.grad!.div(y.detach().div(x.detach())).tolist()).toEqual([1, 1, 1, NaN, 1, 1, 1]);
});
