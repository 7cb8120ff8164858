// Normalisations over groups of channels are one kernel with the ops around them, and give what eager code gives.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';
import { refinement } from '../../src/schedule/refine.js';

const F = fb.nn.functional;

describe('refinement of shapes', () => {
  test('begins a dimension wherever one of the shapes does', () => {
    expect(refinement([[4, 64, 9, 5], [4, 8, 360]])).toEqual([4, 8, 8, 9, 5]); // prettier-ignore
    expect(refinement([[6, 1, 4], [3, 8]])).toEqual([3, 2, 4]); // prettier-ignore
    expect(refinement([[12], [3, 4]])).toEqual([3, 4]); // prettier-ignore
  });
  test('does not exist where dimensions cross', () => {
    expect(refinement([[4, 6], [6, 4]])).toBeNull(); // prettier-ignore
  });
  test('is not taken beyond seven dimensions', () => {
    expect(refinement([[2, 2, 2, 2, 2, 2, 2, 2], [256]])).toBeNull(); // prettier-ignore
  });
});

fb.manualSeed(11);
const [weight, bias] = [fb.randn(12), fb.randn(12)];
const image = fb.randn(3, 12, 5, 7);
const CASES: readonly (readonly [string, number, (x: Tensor) => Tensor])[] = [
  ['between element-wise ops', 1, (x) => F.silu(F.groupNorm(F.gelu(x), 4, weight, bias)).mul(2)],
  ['without weights', 1, (x) => F.groupNorm(x.exp(), 3)],
  ['one group', 1, (x) => F.groupNorm(x, 1, weight, bias)],
  ['a group for each channel', 1, (x) => F.groupNorm(x, 12, weight, bias)],
  ['then a mean over other dimensions', 2, (x) => F.groupNorm(x, 4, weight, bias).mean([2, 3])],
  [
    'rows that are cut',
    2,
    (x) =>
      x
        .exp()
        .view([9, 140])
        .sum([1])
        .view([9, 1])
        .add(x.exp().view([9, 140])),
  ],
  [
    'outer dimensions',
    2,
    (x) =>
      x
        .exp()
        .view([36, 35])
        .sum([0])
        .add(x.exp().view([36, 35])),
  ],
  ['shapes that cross', 2, (x) => x.view([60, 21]).softmax(1).view([3, 12, 5, 7]).add(x)],
];

describe('compiled as eager', () => {
  test.each(CASES)('%s', async (_, kernels, f) => {
    const program = fb.compile(f);
    fb.noGrad(() => program(image));
    while (!(await program.ready())) fb.noGrad(() => program(image));
    const [got, expected] = fb.noGrad(() => [program(image), f(image)] as const);
    expect(got.shape).toEqual(expected.shape);
    expect(got.allclose(expected, { rtol: 1e-4, atol: 1e-5 })).toBe(true);
    expect(String(program.explain()).match(/^\s*kernel\d+:/gm)?.length ?? 0).toBeLessThanOrEqual(kernels);
  });
  test('the size of the batch varies', async () => {
    const program = fb.compile((x: Tensor) => F.relu(F.groupNorm(x, 4, weight, bias)));
    for (const n of [2, 3, 4, 5, 6]) {
      const x = fb.randn(n, 12, 5, 7);
      for (let k = 0; k < 3; k++) fb.noGrad(() => program(x));
      await program.ready();
      const [got, expected] = fb.noGrad(() => [program(x), F.relu(F.groupNorm(x, 4, weight, bias))] as const);
      expect(got.allclose(expected, { rtol: 1e-4, atol: 1e-5 })).toBe(true);
    }
  });
});

describe('pooling by strides of two and four', () => {
  test.each([2, 3, 4])('windows of %d', async (k) => {
    for (const width of [k, 3 * k, 17 * k + 1, 40 * k]) {
      const x = fb.randn(2, 3, 2 * k, width);
      const f = (y: Tensor): Tensor => F.relu(F.maxPool2d(y.mul(2), k));
      const program = fb.compile(f);
      fb.noGrad(() => program(x));
      while (!(await program.ready())) fb.noGrad(() => program(x));
      expect(
        fb.equal(
          fb.noGrad(() => program(x)),
          fb.noGrad(() => f(x)),
        ),
      ).toBe(true);
    }
  });
});

test('an expensive op before a normalisation is computed once, and kept, for rows of up to 256 KB', async () => {
  const x = fb.randn(2, 8, 90, 80);
  const f = (y: Tensor): Tensor => F.groupNorm(F.silu(y), 1);
  const program = fb.compile(f);
  fb.noGrad(() => program(x));
  while (!(await program.ready())) fb.noGrad(() => program(x));
  expect(fb.allclose(fb.noGrad(() => program(x)), f(x), { rtol: 1e-5, atol: 1e-5 })).toBe(true); // prettier-ignore
  expect(String(program.explain())).toContain('keep0[]');
});
