// Depthwise convolutions are computed plane by plane: every filter height, padding, dilation, rows that end within a register.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';
const F = fb.nn.functional;

const CASES = [
  { image: [2, 5, 14, 37], kernel: [3, 3], padding: [1, 1], dilation: [1, 1] },
  { image: [1, 3, 9, 64], kernel: [5, 5], padding: [2, 2], dilation: [1, 1] },
  { image: [2, 4, 11, 50], kernel: [7, 3], padding: [0, 0], dilation: [1, 1] },
  { image: [2, 4, 11, 50], kernel: [3, 7], padding: [2, 0], dilation: [2, 3] },
  { image: [1, 4, 8, 16], kernel: [1, 2], padding: [0, 0], dilation: [1, 1] },
  { image: [1, 4, 8, 20], kernel: [2, 4], padding: [1, 3], dilation: [1, 1] },
  { image: [3, 6, 1, 131], kernel: [1, 4], padding: [0, 3], dilation: [1, 1] },
  { image: [1, 2, 5, 5], kernel: [3, 3], padding: [1, 1], dilation: [1, 1] },
] as const; // prettier-ignore

test.each(CASES)('$image, filters of $kernel', async ({ image, kernel, padding, dilation }) => {
  fb.manualSeed(13);
  const [n, c] = image;
  const x = fb.randn([...image]);
  for (const each of [1, 2]) {
    const [w, b] = [fb.randn([c * each, 1, ...kernel]), fb.randn([c * each])];
    const f = (t: Tensor, wide: boolean): Tensor =>
      F.conv2d(t, wide ? w.double() : w, { bias: wide ? b.double() : b, padding, dilation, groups: c });
    const expected = f(x.double(), true);
    expect(expected.size(0)).toBe(n);
    const call = fb.compile((t: Tensor) => f(t, false).relu());
    for (let i = 0; i < 4; i++) {
      fb.noGrad(() => call(x));
      if (await call.ready()) break;
    }
    expect(call.explain().reasons).toEqual([]);
    const off = (got: Tensor, want: Tensor): number => got.double().sub(want).abs().max().item() as number;
    const limit = 2e-6 * (expected.abs().max().item() as number);
    expect(off(f(x, false), expected)).toBeLessThan(limit);
    expect(off(fb.noGrad(() => call(x)), expected.relu())).toBeLessThan(limit); // prettier-ignore
  }
});
