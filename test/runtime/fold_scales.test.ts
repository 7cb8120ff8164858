// Factors and summands per channel behind a convolution are part of its weight and bias in a compiled program.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

const F = fb.nn.functional;
fb.manualSeed(13);
const image = fb.randn(4, 8, 24, 26);
const volume = fb.randn(2, 8, 8, 16, 16);
const [w, b] = [fb.randn(16, 8, 3, 3), fb.randn(16)];
const [w3, wt, wg] = [fb.randn(16, 8, 3, 3, 3), fb.randn(8, 16, 3, 3), fb.randn(16, 4, 3, 3)];
const [scale, shift] = [fb.rand(16, 1, 1).add(0.5), fb.randn(1, 16, 1, 1)];
const [mean, variance, gamma, beta] = [fb.randn(16), fb.rand(16).add(0.5), fb.randn(16), fb.randn(16)];
const norm = (x: Tensor): Tensor => F.batchNorm(x, mean, variance, gamma, beta, false);
const row = fb.randn(26 - 2);

/** Name, function, input, and whether no kernel remains behind the convolution. */
const CASES: readonly (readonly [string, (x: Tensor) => Tensor, Tensor, boolean])[] = [
  ['batch normalisation and a scale', (x) => norm(F.conv2d(x, w, b)).mul(2), image, true],
  ['no bias', (x) => F.conv2d(x, w).mul(scale).add(shift), image, true],
  ['the image on the right', (x) => scale.mul(shift.add(F.conv2d(x, w, b))), image, true],
  ['divided, less a number', (x) => F.conv2d(x, w, b).div(scale).sub(0.5), image, true],
  ['groups', (x) => norm(F.conv2d(x, wg, b, { groups: 2 })), image, true],
  ['a volume', (x) => norm(F.conv3d(x, w3, b)), volume, true],
  ['transposed', (x) => norm(F.convTranspose2d(x, wt, b, { stride: 2 })), image, false],
  ['then a relu', (x) => F.relu(norm(F.conv2d(x, w, b))), image, true],
  ['subtracted from something', (x) => scale.sub(F.conv2d(x, w, b)), image, false],
  ['a factor per column', (x) => F.conv2d(x, w, b).mul(row), image, false],
  ['a multiple of the summand', (x) => F.conv2d(x, w, b).add(shift, { alpha: 3 }), image, false],
  ['read twice', (x) => { const y = F.conv2d(x, w, b); return y.mul(scale).add(y); }, image, false], // prettier-ignore
];

describe('compiled as eager', () => {
  test.each(CASES)('%s', async (_, f, x, folds) => {
    const program = fb.compile(f);
    fb.noGrad(() => program(x));
    while (!(await program.ready())) fb.noGrad(() => program(x));
    const [got, expected] = fb.noGrad(() => [program(x), f(x)] as const);
    expect(got.shape).toEqual(expected.shape);
    expect(got.allclose(expected, { rtol: 1e-4, atol: 1e-4 })).toBe(true);
    // Nothing walks the image after the convolution.
    const after = String(program.explain()).split(/step \d+: convolution/)[1] ?? '';
    expect(!/^\s*kernel\d+:/m.test(after)).toBe(folds);
  });
  test('weights that change between runs', async () => {
    const [weight, factor] = [w.clone(), scale.clone()];
    const f = (x: Tensor): Tensor => F.conv2d(x, weight, b).mul(factor);
    const program = fb.compile(f);
    fb.noGrad(() => program(image));
    while (!(await program.ready())) fb.noGrad(() => program(image));
    fb.noGrad(() => (weight.mul_(2), factor.add_(1)));
    const [got, expected] = fb.noGrad(() => [program(image), f(image)] as const);
    expect(got.allclose(expected, { rtol: 1e-4, atol: 1e-4 })).toBe(true);
  });
  test('a step that trains the weight and the factor', async () => {
    const [weight, factor] = [w.clone().requiresGrad_(), scale.clone().requiresGrad_()];
    const step = (x: Tensor): Tensor[] => {
      weight.grad = factor.grad = null;
      F.conv2d(x, weight, b).mul(factor).pow(2).mean().backward();
      return [weight.grad!, factor.grad!];
    };
    const program = fb.compile(step);
    for (let i = 0; i < 3; i++) program(image);
    expect(await program.ready()).toBe(true);
    const got = program(image).map((t) => t.clone());
    step(image).forEach((t, k) => expect(got[k]!.allclose(t, { rtol: 1e-3, atol: 1e-4 })).toBe(true));
  });
});
