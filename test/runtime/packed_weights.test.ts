// Compiled programs keep captured weights in the form that their products compute with: every change must be seen.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

const F = fb.nn.functional;
type Fn = (x: Tensor) => Tensor;
const off = (a: Tensor, b: Tensor): number => {
  const most = a.sub(b).abs().max().item() as number;
  return most / (b.abs().max().item() as number);
};

async function compiled(f: Fn, x: Tensor): Promise<Fn> {
  const program = fb.compile(f);
  fb.noGrad(() => program(x));
  while (!(await program.ready())) fb.noGrad(() => program(x));
  return (y) => fb.noGrad(() => program(y));
}

interface Form {
  readonly name: string;
  readonly weight: readonly number[];
  readonly input: readonly number[];
  readonly f: (x: Tensor, w: Tensor) => Tensor;
}
// All but the small one have more than a million multiply-adds: below that only filters of our own loops are packed.
const forms: readonly Form[] = [
  { name: 'linear', weight: [200, 150], input: [67, 150], f: (x, w) => F.linear(x, w) },
  {
    // Its last dimension is neither contiguous nor do the first two fold into rows: rows of two products in turn.
    name: 'linear of a turned input',
    weight: [200, 150],
    input: [2, 150, 67],
    f: (x, w) => F.linear(x.permute(2, 0, 1), w),
  },
  { name: 'mm', weight: [150, 200], input: [67, 150], f: (x, w) => x.mm(w) },
  { name: 'conv2d', weight: [40, 20, 3, 3], input: [2, 20, 21, 19], f: (x, w) => F.conv2d(x, w) },
  { name: 'a small conv2d', weight: [10, 4, 3, 3], input: [2, 8, 5, 6], f: (x, w) => F.conv2d(x, w, { groups: 2, padding: 1 }) }, // prettier-ignore
  { name: 'conv3d', weight: [18, 3, 3, 3, 3], input: [2, 3, 9, 15, 17], f: (x, w) => F.conv3d(x, w) },
  {
    name: 'convTranspose3d',
    weight: [12, 20, 3, 3, 3],
    input: [2, 12, 5, 6, 7],
    f: (x, w) => F.convTranspose3d(x, w, null, { stride: 2, padding: 1, outputPadding: 1 }),
  },
  {
    name: 'convTranspose2d',
    weight: [12, 20, 3, 3],
    input: [2, 12, 19, 16],
    f: (x, w) => F.convTranspose2d(x, w, null, { stride: 2, padding: 1 }),
  },
];

describe.each(forms)('$name', ({ weight, input, f }) => {
  test('a weight that changes in place, and one that another takes the place of', async () => {
    fb.manualSeed(7);
    const [w, x] = [fb.randn(...weight), fb.randn(...input)];
    const g = await compiled((y) => f(y, w), x);
    expect(off(g(x), f(x, w))).toBeLessThan(2e-5);
    for (let i = 0; i < 12; i++) {
      w.mul_(-1.5).add_(0.25);
      expect(off(g(x), f(x, w))).toBeLessThan(2e-5);
      expect(fb.equal(g(x), g(x))).toBe(true);
    }
    w.copy_(fb.randn(...weight));
    expect(off(g(x), f(x, w))).toBeLessThan(2e-5);
  });

  test('a weight that is written through its buffer', async () => {
    fb.manualSeed(8);
    const [w, x] = [fb.randn(...weight), fb.randn(...input)];
    const g = await compiled((y) => f(y, w), x);
    g(x);
    const view = w.numpy().data as Float32Array;
    expect(view.length).toBe(w.numel());
    for (let i = 0; i < 3; i++) {
      for (let k = 0; k < view.length; k++) view[k] = Math.sin(k + i);
      expect(off(g(x), f(x, w))).toBeLessThan(2e-5);
    }
  });
});
