// Convolutions and products of a batch are shared out to threads part by part: the numbers are those of one thread, but for gradients of
// filters. Those are sums over the images, of which each thread of the library adds its own, so they are equal up to rounding.
import { afterAll, expect, test } from 'vitest';
import * as fb from '../../src/index.js';

const F = fb.nn.functional;
const before = fb.getNumThreads();
afterAll(() => fb.setNumThreads(before));

type Fn = (...xs: fb.Tensor[]) => fb.Tensor;
// All above the size from which a call uses more than one thread; batches that two threads divide, and one that they do not.
const cases: [string, Fn, number[][]][] = [
  [
    'conv2d with a bias',
    (x, w, b) => F.conv2d(x!, w!, { bias: b!, padding: 1 }),
    [[8, 64, 56, 56], [64, 64, 3, 3], [64]],
  ],
  [
    'conv2d of three images',
    (x, w) => F.conv2d(x!, w!, { padding: 1 }),
    [
      [3, 64, 56, 56],
      [64, 64, 3, 3],
    ],
  ],
  [
    'conv2d of odd channels',
    (x, w) => F.conv2d(x!, w!, { padding: 1, stride: 2 }),
    [
      [6, 40, 57, 56],
      [33, 40, 3, 3],
    ],
  ],
  ['conv2d of single elements', (x, w, b) => F.conv2d(x!, w!, { bias: b! }), [[4, 256, 28, 28], [64, 256, 1, 1], [64]]],
  [
    'bmm',
    (a, b) => fb.bmm(a!, b!),
    [
      [32, 128, 128],
      [32, 128, 128],
    ],
  ],
  [
    'matmul of a broadcast batch',
    (a, b) => a!.matmul(b!.transpose(-1, -2)),
    [
      [3, 4, 200, 64],
      [1, 4, 200, 64],
    ],
  ],
];
test.each(cases)('%s', (name, f, shapes) => {
  const [one, two, again] = [1, 2, 2].map((threads) => {
    fb.setNumThreads(threads);
    fb.manualSeed(1);
    const xs = shapes.map((s) => fb.randn(s, { requiresGrad: true }));
    const y = f(...xs);
    y.sum().backward();
    return [y.detach(), ...xs.map((x) => x.grad!)];
  });
  const filter = name.startsWith('conv') ? 2 : -1; // after the result and the image's gradient
  one!.forEach((t, i) => {
    if (i !== filter) return expect(fb.equal(t, two![i]!)).toBe(true);
    expect(fb.equal(two![i]!, again![i]!)).toBe(true);
    expect(fb.sub(t, two![i]!).abs().max().item()).toBeLessThan(1e-5 * t.abs().max().item());
  });
});
