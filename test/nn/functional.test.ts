// nn.functional: gradients of both orders against difference quotients, one case per mechanism, and what the samples of the
// conformance data do not say.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

const F = fb.nn.functional;
const { gradcheck, gradgradcheck } = fb.autograd;

const x = (...shape: number[]): Tensor => {
  fb.manualSeed(shape.length);
  return fb.randn(shape, { dtype: 'float64', requiresGrad: true });
};
const numbers = (t: Tensor): number[] => t.flatten().tolist() as number[];

const CASES: Readonly<Record<string, [(...t: Tensor[]) => Tensor, Tensor[]]>> = {
  'grouped conv1d, same padding': [
    (a, w, b) => F.conv1d(a, w, b, { padding: 'same', groups: 2 }),
    [x(1, 4, 5), x(4, 2, 2), x(4)],
  ],
  'strided, dilated conv2d': [(a, w) => F.conv2d(a, w, null, [2, 1], 1, [1, 2]), [x(1, 2, 4, 5), x(2, 2, 2, 2)]],
  conv3d: [(a, w) => F.conv3d(a, w), [x(1, 1, 3, 3, 3), x(2, 1, 2, 2, 2)]],
  'transposed conv2d': [
    (a, w, b) => F.convTranspose2d(a, w, b, { stride: 2, outputPadding: 1, groups: 2 }),
    [x(1, 2, 2, 3), x(2, 1, 2, 2), x(2)],
  ],
  'unfold, fold': [
    (a) => F.fold(F.unfold(a, 2, { padding: 1 }), [4, 5], [2, 2], { stride: 1, padding: 1 }),
    [x(1, 2, 4, 5)],
  ],
  maxPool2d: [(a) => F.maxPool2d(a, 3, 2, 1), [x(1, 2, 5, 5)]],
  'avgPool3d, ceil mode': [(a) => F.avgPool3d(a, 2, { ceilMode: true, padding: 1 }), [x(1, 1, 3, 3, 3)]],
  'adaptive pooling': [(a) => F.adaptiveAvgPool2d(a, [2, null]).add(F.adaptiveMaxPool2d(a, [2, 3])), [x(1, 2, 5, 3)]],
  maxUnpool1d: [
    (a) => {
      const [out, indices] = F.maxPool1d(a, 2, { returnIndices: true });
      return F.maxUnpool1d(out, indices, 2);
    },
    [x(1, 2, 6)],
  ],
  'reflect pad': [(a) => F.pad(a, [2, 1, 0, 1], 'reflect'), [x(1, 1, 3, 4)]],
  'constant pad that cuts': [(a) => F.pad(a, [-1, 2, 1, -1]), [x(2, 3, 4)]],
  'bicubic resize': [(a) => F.interpolate(a, { size: [3, 5], mode: 'bicubic', alignCorners: false }), [x(1, 1, 4, 4)]],
  'antialiased resize': [(a) => F.interpolate(a, { size: [2, 3], mode: 'bilinear', antialias: true }), [x(1, 1, 5, 6)]],
  'bilinear grid': [(a, g) => F.gridSample(a, g.tanh(), 'bilinear', 'reflection'), [x(1, 2, 3, 4), x(1, 2, 2, 2)]],
  'bicubic grid': [(a, g) => F.gridSample(a, g.tanh(), 'bicubic', 'border'), [x(1, 1, 4, 4), x(1, 2, 2, 2)]],
  affineGrid: [(t) => F.affineGrid(t, [1, 1, 2, 3]), [x(1, 2, 3)]],
  'batchNorm in training': [
    (a, w, b) => F.batchNorm(a, null, null, { weight: w, bias: b, training: true }),
    [x(3, 2, 2), x(2), x(2)],
  ],
  instanceNorm: [(a) => F.instanceNorm(a), [x(2, 2, 4)]],
  'layer, group and RMS norm': [
    (a, w) =>
      F.layerNorm(a, [4], w)
        .add(F.groupNorm(a, 2))
        .add(F.rmsNorm(a, [4], w)),
    [x(2, 2, 4), x(4)],
  ],
  localResponseNorm: [(a) => F.localResponseNorm(a, 2, 0.5), [x(1, 3, 2)]],
  normalize: [(a) => F.normalize(a, 3, 1), [x(2, 3)]],
  embedding: [(w) => F.embedding(fb.LongTensor([1, 0, 1]), w), [x(3, 2)]],
  'embeddingBag, max': [
    (w) => F.embeddingBag(fb.LongTensor([1, 0, 2, 2]), w, fb.LongTensor([0, 3, 3]), { mode: 'max' }),
    [x(3, 2)],
  ],
  'embeddingBag, weighted sum': [
    (w, p) =>
      F.embeddingBag(
        fb.LongTensor([
          [1, 0],
          [2, 2],
        ]),
        w,
        { mode: 'sum', perSampleWeights: p },
      ),
    [x(3, 2), x(2, 2)],
  ],
  attention: [
    (q, k, v) => F.scaledDotProductAttention(q, k, v, { isCausal: true, scale: 0.7 }),
    [x(2, 2), x(2, 2), x(2, 3)],
  ],
};

describe('gradients of both orders', () => {
  test.each(Object.entries(CASES))('%s', (_, [f, inputs]) => {
    expect(gradcheck(f, inputs)).toBe(true);
    expect(gradgradcheck(f, inputs)).toBe(true);
  });
});

test("oneDNN's convolutions and our own agree, in every dimension and transposed", () => {
  for (const n of [1, 2, 3] as const) {
    fb.manualSeed(n);
    const size = n === 3 ? 8 : 14;
    const image = fb.randn([2, 32, ...Array.from({ length: n }, () => size)]);
    const weight = fb.randn([32, 16, ...Array.from({ length: n }, () => 3)]);
    const [conv, transposed] = (
      [
        [F.conv1d, F.convTranspose1d],
        [F.conv2d, F.convTranspose2d],
        [F.conv3d, F.convTranspose3d],
      ] as const
    )[n - 1]!;
    // float64 is never oneDNN's.
    const both = (f: (a: Tensor, w: Tensor) => Tensor): void => {
      const [got, want] = [f(image, weight), f(image.double(), weight.double())];
      expect(got.double().sub(want).abs().max().item()).toBeLessThan(1e-3);
    };
    both((a, w) => (conv as typeof F.conv2d)(a, w, null, { stride: 2, padding: 1, groups: 2 }));
    both((a, w) => (transposed as typeof F.convTranspose2d)(a, w, null, { stride: 2, outputPadding: 1, groups: 2 }));
  }
});

test('padding modes are maps of positions', () => {
  const line = fb.tensor([[0, 1, 2, 3]]);
  expect(numbers(F.pad(line, [3, 2], 'reflect'))).toEqual([3, 2, 1, 0, 1, 2, 3, 2, 1]);
  expect(numbers(F.pad(line, [2, 1], 'replicate'))).toEqual([0, 0, 0, 1, 2, 3, 3]);
  expect(numbers(F.pad(line, [1, 4], 'circular'))).toEqual([3, 0, 1, 2, 3, 0, 1, 2, 3]);
  expect(numbers(F.pad(line, [1, -2], 'constant', 7))).toEqual([7, 0, 1]);
  expect(() => F.pad(line, [4, 0], 'reflect')).toThrow(/Padding size should be less than the corresponding input/);
  expect(() => F.pad(line, [1, 1], 'mirror')).toThrow(/Unrecognised padding mode mirror/);
});

test('a mask of whole channels, drawn per channel; in place on demand', () => {
  fb.manualSeed(0);
  const input = fb.ones(4, 8, 3, 3);
  const kept = F.dropout2d(input, 0.5).mean([2, 3]);
  expect(new Set(numbers(kept))).toEqual(new Set([0, 2]));
  const same = F.dropout(input, { p: 1, inplace: true });
  expect(same === input || same._h === input._h).toBe(true);
  expect(input.sum().item()).toBe(0);
  fb.manualSeed(0);
  const normal = fb.randn(200, 200);
  const out = F.alphaDropout(normal, 0.3, true);
  expect(Math.abs(out.mean().item())).toBeLessThan(0.02);
  expect(Math.abs(out.std().item() - 1)).toBeLessThan(0.02);
});

test('embeddings renormalise the rows they look up, in place', () => {
  const table = fb.tensor([
    [3, 4],
    [0.3, 0.4],
    [30, 40],
  ]);
  F.embedding(fb.LongTensor([0, 1, 0]), table, { maxNorm: 1 });
  expect(numbers(table).map((n) => Math.round(n * 1000) / 1000)).toEqual([0.6, 0.8, 0.3, 0.4, 30, 40]);
  expect(() => F.embedding(fb.LongTensor([3]), table)).toThrow('index out of range in self');
});

test('gumbelSoftmax: hard samples are one-hot and have the gradient of the soft ones', () => {
  fb.manualSeed(0);
  const logits = fb.randn(50, 4, { requiresGrad: true });
  const hard = F.gumbelSoftmax(logits, 0.5, true);
  expect(hard.sum(-1).sub(1).abs().max().item()).toBeLessThan(1e-6);
  expect(hard.max().item()).toBeCloseTo(1);
  hard.mul(fb.randn(50, 4)).sum().backward();
  expect(logits.grad!.abs().sum().item()).toBeGreaterThan(0);
});

test('fractional pooling gives the size or ratio asked for, the same for the same samples', () => {
  const image = fb.rand(2, 3, 9, 9);
  const samples = fb.rand(2, 3, 2);
  const a = F.fractionalMaxPool2d(image, 2, { outputRatio: 0.5, randomSamples: samples });
  expect(a.shape).toEqual([2, 3, 4, 4]);
  expect(F.fractionalMaxPool2d(image, 2, { outputSize: 4, randomSamples: samples }).equal(a)).toBe(true);
  expect(() => F.fractionalMaxPool2d(image, 2)).toThrow(/either an output_size or an output_ratio/);
});
