// Element-wise ops at the edges of their domain. Expected numbers: PyTorch 1.13.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

const gradients = (f: (...xs: Tensor[]) => Tensor, ...xs: Tensor[]): number[][] =>
  fb.autograd.grad([f(...xs).sum()], xs).map((g) => g.tolist() as number[]);
const leaf = (values: number[]): Tensor => fb.tensor(values, { requiresGrad: true });

test('floorDivide of the smallest integers', () => {
  const a = fb.tensor([-9223372036854775807n, -9223372036854775808n, 9223372036854775807n, 7n, -7n], {
    dtype: 'int64',
  });
  const b = fb.tensor([63, 63, -2, -2, 2], { dtype: 'int64' });
  expect(Array.from(fb.floorDivide(a, b).toTypedArray() as BigInt64Array)).toEqual([
    -146402730743726601n,
    -146402730743726601n,
    -4611686018427387904n,
    -4n,
    -4n,
  ]);
});

test('variances far from zero are those of double', () => {
  fb.manualSeed(2);
  const x = fb.randn(300, 200).mul(0.01).add(1000);
  for (const dim of [[0], [1], null]) {
    const expected = x.double().var(dim);
    const off = x.var(dim).double().sub(expected).abs().max().item() as number;
    expect(off).toBeLessThan(1e-6 * (expected.max().item() as number));
  }
});

test('std of float16 whose variance overflows', () => {
  expect(fb.tensor([10000, -10000, 20000, 0], { dtype: 'float16' }).std().item()).toBe(12912);
});

test('gradients where an element is NaN', () => {
  const [x, y] = [leaf([NaN, 1, 3]), leaf([2, NaN, 3])];
  expect(gradients((a, b) => fb.maximum(a!, b!), x, y)).toEqual([
    [1, 1, 0.5],
    [1, 1, 0.5],
  ]);
  expect(gradients((a, b) => fb.minimum(a!, b!), x, y)).toEqual([
    [1, 1, 0.5],
    [1, 1, 0.5],
  ]);
  expect(gradients((t) => fb.nn.functional.relu6(t!), leaf([NaN, 0.5, 0, 6, 7, -1]))).toEqual([[1, 1, 0, 0, 0, 0]]);
  expect(gradients((t) => fb.logit(t, 0.2), leaf([NaN, 0.5, 0.1]))).toEqual([[NaN, 4, 0]]);
});

test('the gradient of sinc where the square underflows', () => {
  const [g] = gradients((t) => fb.sinc(t!), leaf([1e-25, 0, 0.5]));
  expect(g![0]).toBeCloseTo(0);
  expect(g![1]).toBeCloseTo(0);
  expect(g![2]).toBeCloseTo(-1.2732395, 5);
});

test('relu, abs and the losses made of them pass NaN as PyTorch does', () => {
  const x = leaf([NaN, -Infinity, -1, 0, 1, Infinity]);
  expect(gradients((t) => t.relu(), x)).toEqual([[1, 0, 0, 0, 1, 1]]);
  expect(gradients((t) => t.abs(), x)).toEqual([[0, -1, -1, 0, 1, 1]]);
  const zero = fb.zeros([6]);
  const F = fb.nn.functional;
  expect(gradients((t) => F.l1Loss(t, zero, { reduction: 'sum' }), x)).toEqual([[0, -1, -1, 0, 1, 1]]);
  expect(gradients((t) => F.smoothL1Loss(t, zero, { reduction: 'sum', beta: 2 }), x)).toEqual([
    [NaN, -1, -0.5, 0, 0.5, 1],
  ]);
});

test('logsumexp beside an infinite element has gradients of zero', () => {
  expect(gradients((t) => t.logsumexp(0), leaf([1, 2, Infinity]))).toEqual([[0, 0, NaN]]);
  expect(gradients((t) => t.logsumexp([0]), leaf([0, 0, -Infinity]))).toEqual([[0.5, 0.5, 0]]);
});

test('a compiled function refuses a zero divisor of integers in its first call too', () => {
  const a = fb.tensor([7, 8], { dtype: 'int32' });
  const zero = fb.tensor([1, 0], { dtype: 'int32' });
  for (const op of ['floorDivide', 'remainder', 'fmod'] as const) {
    const f = fb.compile((x: Tensor, y: Tensor) => x[op](y));
    expect(() => f(a, zero)).toThrow('ZeroDivisionError');
    expect(f(a, fb.tensor([2, 3], { dtype: 'int32' })).tolist()).toEqual(
      a[op](fb.tensor([2, 3], { dtype: 'int32' })).tolist(),
    );
  }
});

test('unfold says when there are too many sliding blocks', () => {
  const x = fb.ones([1, 1, 4, 1]);
  expect(() => fb.nn.functional.unfold(x, 1, { padding: Number.MAX_SAFE_INTEGER })).toThrow('too large');
  expect(() => fb.nn.functional.unfold(x, 2 ** 52, { padding: Number.MAX_SAFE_INTEGER, dilation: 2 ** 52 })).toThrow(
    'too large',
  );
});

test('no segments do not add up to the data', () => {
  const none = fb.zeros([0], { dtype: 'int64' });
  expect(() => fb.segmentReduce(fb.ones([3]), 'mean', { lengths: none })).toThrow('to sum to data.size');
  expect(fb.segmentReduce(fb.ones([3]), 'sum', { lengths: none, unsafe: true }).shape).toEqual([0]);
});
