// Matrices that are singular or not finite: derivatives of determinants, where an inverse does not help, and singular values.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

const det = (A: Tensor): Tensor => fb.linalg.det(A);
const leaf = (values: number[][]): Tensor => fb.tensor(values, { dtype: 'float64', requiresGrad: true });

test('second derivatives of singular matrices', () => {
  const singular = [
    leaf([
      [1, 2],
      [2, 4],
    ]),
    leaf([
      [0, 0],
      [0, 0],
    ]),
    leaf([
      [1, 2, 3],
      [4, 5, 6],
      [7, 8, 9],
    ]),
    leaf([
      [1, 2, -1],
      [2, 4, -2],
      [-3, -6, 3],
    ]),
  ];
  for (const A of singular) expect(fb.autograd.gradgradcheck(det, [A])).toBe(true);
  const [A] = singular;
  const [first] = fb.autograd.grad([det(A!)], [A!], { createGraph: true });
  const along = fb.tensor(
    [
      [1, 10],
      [100, 1000],
    ],
    { dtype: 'float64' },
  );
  const [second] = fb.autograd.grad([first!], [A!], { gradOutputs: [along] });
  // The cofactors of [[a, b], [c, d]] are [[d, -c], [-b, a]].
  (second!.flatten().toArray() as number[]).forEach((v, i) => expect(v).toBeCloseTo([1000, -100, -10, 1][i]!, 9));
});

test('second and third derivatives of a batch', () => {
  fb.manualSeed(3);
  const A = fb.randn([2, 4, 4], { dtype: 'float64', requiresGrad: true });
  expect(fb.autograd.gradgradcheck(det, [A])).toBe(true);
  const direction = fb.randn([2, 4, 4], { dtype: 'float64' });
  const slope = (x: Tensor): Tensor =>
    fb.autograd
      .grad([det(x).sum()], [x], { createGraph: true })[0]!
      .mul(direction)
      .sum();
  expect(fb.autograd.gradgradcheck(slope, [A])).toBe(true);
});

test('a matrix with an infinite element or NaN has NaN as its gradient', () => {
  for (const bad of [Infinity, -Infinity, NaN]) {
    const A = leaf([
      [bad, 2, 3],
      [4, 5, 6],
      [7, 8, 10],
    ]);
    const [gradient] = fb.autograd.grad([det(A)], [A]);
    expect(gradient!.isnan().all().item()).toBe(true);
  }
});

test('singular values of a matrix with an infinite element are NaN', () => {
  const bad = [NaN, Infinity, -Infinity, 0, 1, -1, 2, 1e30, 0.5];
  fb.manualSeed(1);
  for (let i = 0; i < 50; i++) {
    const at = fb.randint(1, bad.length, [12]).toArray() as number[];
    const A = fb
      .tensor(
        at.map((k) => bad[k]!),
        { dtype: 'float64' },
      )
      .reshape([3, 4]);
    if (A.isfinite().all().item()) continue;
    expect(fb.linalg.svdvals(A).isnan().all().item()).toBe(true);
    expect(fb.linalg.svd(A).every((t: Tensor) => t.isnan().all().item())).toBe(true);
  }
});

test('luUnpack refuses more pivots than rows', () => {
  const pivots = fb.tensor([1, 2, 2], { dtype: 'int32' });
  expect(() => fb.luUnpack(fb.eye(2), pivots)).toThrow('LU_pivots are more (3) than the rows (2)');
});
