// Nodes note the sizes of their tensors in little room: more dimensions and larger sizes than fit there go elsewhere.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';

test('gradients of broadcast tensors of eight dimensions', () => {
  const shape = [2, 1, 3, 1, 2, 1, 2, 3];
  const a = fb.arange(72).reshape(shape).double().requiresGrad_();
  const b = fb.ones([2, 2, 1, 2, 1, 2, 2, 1], { dtype: 'float64', requiresGrad: true });
  a.mul(b).sum().backward();
  expect(a.grad!.shape).toEqual(shape);
  expect(fb.equal(a.grad!, fb.full(shape, 8, { dtype: 'float64' }))).toBe(true);
  expect(fb.equal(b.grad!, a.detach().sum([1, 2, 3, 4, 5, 7], { keepdim: true }).expand(b.shape))).toBe(true);
});

test('a size of more than 32 bits', () => {
  const x = fb.ones(1, { requiresGrad: true });
  const wide = x.expand(2 ** 33);
  expect(wide.shape).toEqual([2 ** 33]);
  expect(() => wide.backward(fb.ones(3))).toThrow(/shape/);
});
