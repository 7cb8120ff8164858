// Distributions by their moments, and the scope that puts a random state back.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';

const N = 20000;
const moments = (t: fb.Tensor): [number, number] => [t.mean().item(), t.var(0).item()];

describe('distributions', () => {
  test.each<[string, () => fb.Tensor, number, number]>([
    ['poisson below 10', () => fb.poisson(fb.full([N], 3, { dtype: 'float64' })), 3, 3],
    ['poisson above 10', () => fb.poisson(fb.full([N], 40, { dtype: 'float64' })), 40, 40],
    ['binomial of few', () => fb.binomial(fb.full([N], 12).double(), fb.tensor([0.25], { dtype: 'float64' })), 3, 2.25],
    ['binomial of many', () => fb.binomial(fb.full([N], 100).double(), fb.tensor([0.7], { dtype: 'float64' })), 70, 21],
    ['geometric', () => fb.zeros(N, { dtype: 'float64' }).geometric_(0.25), 4, 12],
    ['log-normal', () => fb.zeros(N, { dtype: 'float64' }).logNormal_(0, 0.5).log(), 0, 0.25],
  ])('%s has its mean and variance', (_, draw, mean, variance) => {
    fb.manualSeed(3);
    const [m, v] = moments(draw());
    expect(Math.abs(m - mean)).toBeLessThan(5 * Math.sqrt(variance / N));
    expect(v / variance).toBeGreaterThan(0.9);
    expect(v / variance).toBeLessThan(1.1);
  });
  test('the median of Cauchy numbers is where it is asked for', () => {
    fb.manualSeed(3);
    const above = fb.zeros(N, { dtype: 'float64' }).cauchy_(2, 3).gt(2).double().mean().item();
    expect(above).toBeCloseTo(0.5, 1);
  });
  test("bad parameters are refused in PyTorch's words", () => {
    expect(() => fb.zeros(2).geometric_(1)).toThrow('geometric_ expects p to be in (0, 1), but got p=1');
    expect(() => fb.zeros(2).cauchy_(0, 0)).toThrow('cauchy_ expects sigma > 0.0, but found sigma=0');
    expect(() => fb.poisson(fb.tensor([-1]))).toThrow('invalid Poisson rate, expected rate to be non-negative');
  });
  test('a generator of its own leaves the default one alone', () => {
    const g = new fb.Generator().manualSeed(5);
    const before = fb.getRngState();
    const a = fb.poisson(fb.full([4], 5), { generator: g });
    expect(fb.getRngState()).toEqual(before);
    expect(a.equal(fb.poisson(fb.full([4], 5), { generator: g.manualSeed(5) }))).toBe(true);
  });
});

test('forkRng puts the state back: after a body, after an async body, at the end of a scope', async () => {
  fb.manualSeed(1);
  const want = fb.rand(1).item();
  const draws = (f: () => unknown): unknown => {
    fb.manualSeed(1);
    return f();
  };
  draws(() => fb.random.forkRng(() => fb.rand(5)));
  expect(fb.rand(1).item()).toBe(want);
  await draws(() => fb.random.forkRng(async () => (await Promise.resolve(), fb.rand(5))));
  expect(fb.rand(1).item()).toBe(want);
  draws(() => {
    using _held = fb.random.forkRng();
    fb.rand(5);
  });
  expect(fb.rand(1).item()).toBe(want);
  draws(() => fb.random.forkRng(() => fb.rand(5), { enabled: false }));
  expect(fb.rand(1).item()).not.toBe(want);
});
