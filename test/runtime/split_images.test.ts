// Convolutions of images that the threads do not divide: each thread computes a range of the channels, of one image or several.
import { afterAll, describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

const F = fb.nn.functional;
const before = fb.getNumThreads();
afterAll(() => fb.setNumThreads(before));
fb.manualSeed(21);

const weight = (o: number, i: number, k: number): Tensor => fb.randn(o, i, k, k).mul(1 / Math.sqrt(i * k * k));
const first = weight(48, 3, 3);
const [wide, deep, last] = [weight(64, 48, 3), weight(64, 64, 3), weight(100, 64, 1)];
const each = weight(48, 1, 3);
const grouped = weight(64, 24, 3);
const bias = fb.randn(64);

const CASES: readonly (readonly [string, (x: Tensor) => Tensor])[] = [
  ['a chain in blocks', (x) => F.conv2d(F.relu(F.conv2d(F.conv2d(x, first), wide, bias, { padding: 1 })), deep)],
  ['a stride', (x) => F.conv2d(F.conv2d(F.conv2d(x, first), wide, bias, { padding: 1, stride: 2 }), deep)],
  ['a last block that is not full', (x) => F.relu(F.conv2d(F.conv2d(F.conv2d(x, first), wide), last))],
  ['channels each by itself', (x) => F.conv2d(F.conv2d(F.conv2d(x, first), each, { padding: 1, groups: 48 }), wide)],
  ['groups', (x) => F.conv2d(F.conv2d(F.conv2d(x, first), grouped, { groups: 2, bias }), deep)],
  ['filters that a run computes', (x) => F.conv2d(F.conv2d(F.conv2d(x, first), wide.mul(x.max())), deep)],
];

describe.each([1, 3])('%i images', (images) => {
  test.each(CASES)('%s', async (_, f) => {
    const x = fb.rand(images, 3, 40, 44);
    fb.setNumThreads(1);
    const expected = fb.noGrad(() => f(x));
    for (const threads of [2, 3]) {
      fb.setNumThreads(threads);
      const program = fb.compile(f);
      let ready = false;
      for (let i = 0; i < 4 && !ready; i++) {
        fb.noGrad(() => program(x));
        ready = await program.ready();
      }
      expect(ready).toBe(true);
      const got = fb.noGrad(() => program(x));
      const off = got.sub(expected).abs().max().item() as number;
      expect(off / (expected.abs().max().item() as number)).toBeLessThan(2e-5);
      expect(
        fb.equal(
          fb.noGrad(() => program(x)),
          got,
        ),
      ).toBe(true);
    }
  });
});
