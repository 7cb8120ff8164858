// Second derivatives where a formula's branch that is not taken, or a factor of it, is not finite. Expected numbers: PyTorch 1.13
// where it has one (it gives NaN for sinc at zero, where the series says -pi^2 / 3).
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

function secondDerivative(f: (x: Tensor) => Tensor, at: readonly number[]): number[] {
  const x = fb.tensor([...at], { dtype: 'float64', requiresGrad: true });
  const [first] = fb.autograd.grad([f(x).sum()], [x], { createGraph: true });
  const [second] = fb.autograd.grad([first!.sum()], [x]);
  return second!.toArray() as number[];
}
const expectClose = (got: readonly number[], want: readonly number[]): void =>
  got.forEach((v, i) => expect(v).toBeCloseTo(want[i]!, 8));

test('sinc, i1 and i1e at zero', () => {
  expectClose(secondDerivative(fb.sinc, [0, 1e-3, -2]), [-3.289868133696453, -3.2898583928568996, -0.4999999999999996]);
  expectClose(secondDerivative(fb.special.i1, [0, 1e-3, -2]), [0, 0.0003750000523723429, -1.246162630787961]);
  expectClose(secondDerivative(fb.special.i1e, [0, 1e-3, -2]), [0, -0.9981267489063725, 0.017828294012895547]);
});

test('logNdtr far on the right, and left', () => {
  const got = secondDerivative(fb.special.logNdtr, [-60, 0, 4.9, 5, 5.1, 40, 60, 1e3]);
  expectClose(got, [-0.9997226853, -0.6366197723675815, -1.1950919e-5, -7.4336019e-6, -4.5759435e-6, 0, 0, 0]);
  const x = fb.tensor([4.99, 5.01], { dtype: 'float64', requiresGrad: true });
  const f = (t: Tensor): Tensor => fb.special.logNdtr(t);
  expect(fb.autograd.gradcheck(f, [x])).toBe(true);
  expect(fb.autograd.gradgradcheck(f, [x])).toBe(true);
});

test('the kinks of elu, selu and celu at zero, of hardswish at three', () => {
  const F = fb.nn.functional;
  expectClose(
    secondDerivative((x) => F.elu(x, 2), [-1, 0, 1]),
    [2 * Math.exp(-1), 0, 0],
  );
  expectClose(
    secondDerivative((x) => F.celu(x, 2), [-1, 0, 1]),
    [Math.exp(-0.5) / 2, 0, 0],
  );
  expectClose(secondDerivative(F.selu, [0, 1]), [0, 0]);
  const x = fb.tensor([-4, -3, 0, 3, 4], { requiresGrad: true });
  expect(fb.autograd.grad([F.hardswish(x).sum()], [x])[0]!.tolist()).toEqual([0, -0.5, 0.5, 1, 1]);
});

test('second derivatives at the kinks of hardswish, smoothL1Loss and copysign', () => {
  const F = fb.nn.functional;
  expectClose(secondDerivative(F.hardswish, [-4, -3, 0, 3, 4]), [0, 0, 1 / 3, 0, 0]);
  const loss = (beta: number) => (x: Tensor) => F.smoothL1Loss(x, x.detach().mul(0), { reduction: 'sum', beta });
  expectClose(secondDerivative(loss(1), [-1, 0, 0.5, 1, 2]), [0, 1, 1, 0, 0]);
  expectClose(secondDerivative(loss(0.5), [-1, 0, 0.5, 1, 2]), [0, 2, 0, 0, 0]);
  const x = fb.tensor([0, 2, -3], { dtype: 'float64', requiresGrad: true });
  const v = fb.ones([3], { dtype: 'float64' }).requiresGrad_();
  const [first] = fb.autograd.grad([x.copysign(-1)], [x], { gradOutputs: [v], createGraph: true });
  expectClose(fb.autograd.grad([first!.sum()], [v])[0]!.tolist() as number[], [0, -1, 1]);
});

// The derivative of a slice is a scatter; its own derivative reads a gradient that may be a view not at the start of its memory.
test('differences of differences, by slices and by diff', () => {
  const x = fb.tensor([0.3, -1.2, 2.5, 0.7, -0.4], { dtype: 'float64', requiresGrad: true });
  const step = (t: Tensor): Tensor => t.narrow(0, 1, t.shape[0]! - 1).sub(t.narrow(0, 0, t.shape[0]! - 1));
  expect(fb.autograd.gradgradcheck((t: Tensor) => step(step(t)), [x])).toBe(true);
  expect(fb.autograd.gradgradcheck((t: Tensor) => fb.diff(t, 3).pow(2), [x])).toBe(true);
});

test('distances of all pairs', () => {
  fb.manualSeed(3);
  const double = { dtype: 'float64', requiresGrad: true } as const;
  const [a, b] = [fb.randn(4, 3, double), fb.randn(5, 3, double)];
  for (const p of [1, 1.5, 2, 3, Infinity]) {
    expect(fb.autograd.gradgradcheck((x: Tensor, y: Tensor) => fb.cdist(x, y, p), [a, b])).toBe(true);
    expect(fb.autograd.gradgradcheck((x: Tensor) => fb.pdist(x, p), [a])).toBe(true);
  }
  // Of equal rows, and of rows that differ in one number.
  const c = fb.tensor([[1, 2], [1, 2], [1, 5]], double); // prettier-ignore
  const [first] = fb.autograd.grad([fb.pdist(c, 2).sum()], [c], { createGraph: true });
  const [second] = fb.autograd.grad([first!.square().sum()], [c]);
  expect(second!.isfinite().all().item()).toBe(true);
});

test('norms of zero vectors', () => {
  const x = fb.tensor(
    [
      [0, 0],
      [3, 4],
    ],
    { dtype: 'float64', requiresGrad: true },
  );
  for (const p of [1.5, 2, 3]) {
    for (const norm of [(t: Tensor) => t.norm(p, 1), (t: Tensor) => fb.linalg.vectorNorm(t, p, 1)]) {
      const [first] = fb.autograd.grad([norm(x).sum()], [x], { createGraph: true });
      const [second] = fb.autograd.grad([first!.sum()], [x]);
      expect((second!.toArray() as number[][])[0]).toEqual([0, 0]);
      expect(second!.isfinite().all().item()).toBe(true);
      expect(
        fb.autograd.gradgradcheck((t: Tensor) => norm(t), [x.detach().narrow(0, 1, 1).clone().requiresGrad_()]),
      ).toBe(true);
    }
  }
});

test('xlogy and xlog1py where the first factor is zero', () => {
  for (const [f, edge] of [
    [fb.xlogy, 0],
    [fb.special.xlog1py, -1],
  ] as const) {
    const x = fb.tensor([0, 0, 2], { dtype: 'float64', requiresGrad: true });
    const y = fb.tensor([edge, edge - 1, 1], { dtype: 'float64' });
    const incoming = fb.ones([3], { dtype: 'float64', requiresGrad: true });
    const [first] = fb.autograd.grad([f(x, y)], [x], { gradOutputs: [incoming], createGraph: true });
    const [second] = fb.autograd.grad([first!.sum()], [incoming]);
    expectClose(second!.toArray() as number[], [0, 0, Math.log(1 - edge)]);
  }
});
