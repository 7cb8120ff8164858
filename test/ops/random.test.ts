// Draws whose order is PyTorch's own. Expected numbers: PyTorch 1.13 with the same seed.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn } from '../../src/index.js';

test('rrelu in training draws only for elements that are not above zero', () => {
  fb.manualSeed(3);
  const y = nn.functional.rrelu(fb.randn(7), { training: true }).toArray() as number[];
  const want = [0.803276, 0.174833, 0.088978, -0.128477, 0.046182, -0.392961, 0.337495];
  y.forEach((v, i) => expect(v).toBeCloseTo(want[i]!, 5));
});

test('a transposed tensor is filled in the order of its memory', () => {
  fb.manualSeed(3);
  const y = fb.empty([3, 4]).t().bernoulli_(0.3);
  expect(y.flatten().toArray()).toEqual([1, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0, 0]);
});

test('randLike and randnLike of a transposed tensor draw in the order of its memory, bernoulli row by row', () => {
  fb.manualSeed(3);
  const u = fb.randLike(fb.empty([3, 4]).t());
  expect(u.stride()).toEqual([1, 4]);
  expect((u.select(1, 0).toArray() as number[]).map((v) => v.toFixed(6))).toEqual(['0.004264', '0.105569', '0.285842', '0.026955']); // prettier-ignore
  fb.manualSeed(3);
  const n = fb.randnLike(fb.empty([5, 4]).t());
  expect((n.select(1, 1).toArray() as number[]).map((v) => v.toFixed(6))).toEqual(['0.046182', '-1.368259', '0.337495', '1.011116']); // prettier-ignore
  fb.manualSeed(3);
  const b = fb.bernoulli(fb.zeros(3, 4).t(), 0.3);
  expect(b.toArray()).toEqual([[1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0]]); // prettier-ignore
  fb.manualSeed(3);
  const wide = fb.randnLike(fb.empty([3, 4]).expand(2, 3, 4));
  expect(wide.stride()).toEqual([12, 4, 1]);
  expect(wide.flatten().select(0, 0).item()).toBeCloseTo(-0.076644, 5);
});

test('bernoulli takes one probability for all elements', () => {
  const x = fb.zeros(3, 4, { requiresGrad: true });
  fb.manualSeed(3);
  const y = x.bernoulli(0.3);
  expect(y.toArray()).toEqual([[1, 1, 0, 1], [0, 0, 1, 0], [0, 0, 1, 0]]); // prettier-ignore
  expect(y.requiresGrad).toBe(false);
  expect(() => fb.bernoulli(x, 1.5)).toThrow('bernoulli_ expects p to be in [0, 1], but got p=1.5');
  expect(fb.bernoulli(fb.ones(3), { generator: new fb.Generator() }).toArray()).toEqual([1, 1, 1]);
});

test('svdLowrank and pcaLowrank take their arguments by position, too', () => {
  const a = fb.randn(6, 5);
  const m = fb.randn(6, 5);
  const same = (x: readonly fb.Tensor[], y: readonly fb.Tensor[]): boolean => x.every((t, i) => fb.allclose(t, y[i]!));
  const twice = (f: () => readonly fb.Tensor[], g: () => readonly fb.Tensor[]): boolean => {
    fb.manualSeed(1);
    const first = f();
    fb.manualSeed(1);
    return same(first, g());
  };
  expect(twice(() => fb.svdLowrank(a, 3, 1, m), () => fb.svdLowrank(a, { q: 3, niter: 1, M: m }))).toBe(true); // prettier-ignore
  expect(twice(() => fb.svdLowrank(a, 2, { niter: 4 }), () => fb.svdLowrank(a, { q: 2, niter: 4 }))).toBe(true); // prettier-ignore
  expect(twice(() => fb.pcaLowrank(a, 3, false, 1), () => fb.pcaLowrank(a, { q: 3, center: false, niter: 1 }))).toBe(true); // prettier-ignore
  expect(fb.svdLowrank(a, 2).S.shape).toEqual([2]);
});

test("normal numbers of sixteen bits are PyTorch's", () => {
  const expected = {
    float16: [
      -3.587890625, -1.0810546875, 1.6767578125, -2.49609375, -1.6005859375, 1.251953125, 0.66162109375, -1.287109375,
      0.334228515625, 3.15234375, -1.6298828125, 1.6787109375, 0.3427734375, -1.3701171875, -0.50048828125, 0.841796875,
      0.2459716796875, 0.51416015625, 0.935546875, -0.061676025390625, -1.609375, 0.262451171875, -1.146484375,
      -2.330078125, 0.4140625, 1.5126953125, -0.8505859375, 1.400390625, 1.654296875, 2.091796875, 0.33544921875,
      -1.2216796875, -0.8359375, 3.107421875, -1.6005859375, 0.95947265625, -0.78173828125,
    ],
    bfloat16: [
      2.046875, -1.734375, 1.46875, -1.46875, 2.984375, -1.265625, 0.30078125, -0.31640625, 0.1875, -0.73046875, -4.125,
      1.3125, -0.125, -2.21875, 0.30078125, -0.046875, 2.15625, 2.28125, -1.09375, 1.625, -1.875, 2.0, 2.078125,
      -0.53125, 1.921875, -1.4375, -0.51953125, -1.5625, 1.0859375, 0.59765625, -0.041015625, -1.140625, 1.984375,
      0.5234375, 2.4375, -4.09375, 1.3125,
    ],
  } as const;
  for (const dtype of ['float16', 'bfloat16'] as const) {
    fb.manualSeed(3);
    expect(fb.empty([37], { dtype }).normal_(0.3, 1.7).toArray()).toEqual(expected[dtype]);
  }
});
