// Layers and losses against formulas written out in plain numbers, and PyTorch's draws of weights.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';
const F = nn.functional;

const numbers = (t: Tensor): number[] => Array.from(t.detach().double().toTypedArray() as Float64Array);
function close(t: Tensor, want: readonly number[], tolerance = 1e-5): void {
  const got = numbers(t);
  expect(got.length).toBe(want.length);
  got.forEach((v, i) =>
    expect(Math.abs(v - want[i]!), `element ${i}: ${v} for ${want[i]}`).toBeLessThanOrEqual(
      tolerance * Math.max(1, Math.abs(want[i]!)),
    ),
  );
}

describe('weights', () => {
  test("a seed gives PyTorch's weights", () => {
    // Parameters of the first network of the introduction's comparison start after its data has been drawn.
    fb.manualSeed(1);
    fb.normal(fb.zeros(1000, 1));
    const l = new nn.Linear(1, 20);
    close(
      l.weight,
      [
        0.3607839345932007,
        -0.8668090105056763,
        0.062076687812805176,
        -0.8128548860549927,
        ...numbers(l.weight).slice(4),
      ],
      1e-7,
    );
    expect(l.bias!.index(0).item()).toBeCloseTo(-0.7934863567352295, 7);
  });
  test('options and errors', () => {
    expect(new nn.Linear(2, 3, { bias: false }).bias).toBe(null);
    expect(new nn.Linear(2, 3, false).parameters().length).toBe(1);
    expect(() => new nn.Linear(2, 3, { biass: false } as never)).toThrow(
      /unknown option 'biass' \(expected one of bias, dtype\)/,
    );
    expect(() => new nn.Linear(2.5, 3)).toThrow(/inFeatures must be an integer/);
    expect(() => new nn.Conv2d(3, 4, 3, { groups: 2 })).toThrow('in_channels must be divisible by groups');
    expect(() => new nn.Dropout(1.5)).toThrow('dropout probability has to be between 0 and 1, but got 1.5');
    expect(() => new nn.MSELoss(fb.ones(1) as never)).toThrow(/constructor takes options/);
  });
  test('init functions have the moments they promise', () => {
    fb.manualSeed(0);
    const w = fb.empty(300, 200);
    nn.init.kaimingNormal_(w);
    expect(w.std().item()).toBeCloseTo(Math.sqrt(2 / 200), 2);
    nn.init.xavierUniform_(w);
    expect(w.abs().max().item()).toBeLessThanOrEqual(Math.sqrt(6 / 500));
    nn.init.truncNormal_(w);
    expect([w.min().item() >= -2, w.max().item() <= 2]).toEqual([true, true]);
    nn.init.orthogonal_(w);
    expect(w.t().matmul(w).allclose(fb.eye(200), { atol: 1e-5 })).toBe(true);
    nn.init.eye_(w);
    expect(w.sum().item()).toBe(200);
    expect(() => nn.init.xavierUniform_(fb.empty(3))).toThrow(/fewer than 2 dimensions/);
  });
});

describe('layers', () => {
  test('conv2d is the sum over its window', () => {
    const x = fb.arange(16).float().view(1, 1, 4, 4);
    const w = fb.tensor([
      [
        [
          [1, 0],
          [0, 1],
        ],
      ],
    ]);
    close(F.conv2d(x, w), [5, 7, 9, 13, 15, 17, 21, 23, 25]);
    expect(F.conv2d(x, w, { stride: 2, padding: 1 }).shape).toEqual([1, 1, 3, 3]);
    expect(F.conv2d(x, fb.ones(1, 1, 3, 3), null, 1, 'same').shape).toEqual([1, 1, 4, 4]);
    expect(() => F.conv2d(x, fb.ones(1, 1, 3))).toThrow(/Expected 4-dimensional weight/);
  });
  test('pooling', () => {
    const x = fb.arange(16).float().view(1, 1, 4, 4);
    close(F.maxPool2d(x, 2), [5, 7, 13, 15]);
    close(F.maxPool2d(x, [2, 2]), [5, 7, 13, 15]);
    close(F.avgPool2d(x, 2), [2.5, 4.5, 10.5, 12.5]);
    close(new nn.AdaptiveAvgPool2d(1)(x), [7.5]);
    close(new nn.MaxPool2d(2, { stride: 1 })(x), [5, 6, 7, 9, 10, 11, 13, 14, 15]);
  });
  test('batch norm normalises by the batch and remembers', () => {
    const bn = new nn.BatchNorm2d(2);
    const x = fb.arange(16).float().view(2, 2, 2, 2);
    const y = bn(x);
    expect(y.mean([0, 2, 3]).abs().max().item()).toBeLessThan(1e-6);
    // mean of channel 0: (0+1+2+3+8+9+10+11)/8 = 5.5; momentum 0.1
    close(bn.runningMean!, [0.55, 0.95]);
    expect(bn.numBatchesTracked!.item()).toBe(1);
    bn.eval();
    bn(x);
    expect(bn.numBatchesTracked!.item()).toBe(1);
    expect(() => bn(fb.ones(2, 2))).toThrow('expected 4D input (got 2D input)');
    expect(() => new nn.BatchNorm1d(3)(fb.ones(1, 3))).toThrow(/Expected more than 1 value per channel when training/);
  });
  test('layer norm, embedding, flatten, dropout', () => {
    const ln = new nn.LayerNorm(4);
    close(ln(fb.tensor([[1, 2, 3, 4]])), [-1.3416, -0.4472, 0.4472, 1.3416], 1e-4);
    const e = new nn.Embedding(5, 3, { paddingIdx: 0 });
    expect(e.weight.index(0).tolist()).toEqual([0, 0, 0]);
    expect(e(fb.LongTensor([[1, 2]])).shape).toEqual([1, 2, 3]);
    expect(new nn.Flatten()(fb.ones(2, 3, 4)).shape).toEqual([2, 12]);
    const d = new nn.Dropout(0.5);
    const out = d(fb.ones(1000));
    expect(new Set(numbers(out))).toEqual(new Set([0, 2]));
    expect(d.eval()(fb.ones(3)).tolist()).toEqual([1, 1, 1]);
    expect(F.oneHot(fb.LongTensor([0, 2]), 3).tolist()).toEqual([
      [1, 0, 0],
      [0, 0, 1],
    ]);
  });
  test('activations', () => {
    const x = fb.tensor([-2, -0.5, 0, 1, 3]);
    const v = [-2, -0.5, 0, 1, 3];
    close(
      new nn.ReLU()(x),
      v.map((t) => Math.max(t, 0)),
    );
    close(
      new nn.LeakyReLU(0.1)(x),
      v.map((t) => (t < 0 ? 0.1 * t : t)),
    );
    close(
      new nn.Sigmoid()(x),
      v.map((t) => 1 / (1 + Math.exp(-t))),
    );
    close(
      new nn.SiLU()(x),
      v.map((t) => t / (1 + Math.exp(-t))),
    );
    close(
      new nn.Softplus()(x),
      v.map((t) => Math.log1p(Math.exp(t))),
    );
    close(
      new nn.ELU()(x),
      v.map((t) => (t > 0 ? t : Math.expm1(t))),
    );
    close(
      new nn.Hardtanh()(x),
      v.map((t) => Math.min(1, Math.max(-1, t))),
    );
    close(
      new nn.Softmax(0)(x),
      v.map((t) => Math.exp(t) / v.reduce((s, u) => s + Math.exp(u), 0)),
    );
    close(
      new nn.GELU({ approximate: 'tanh' })(x),
      v.map((t) => (t / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (t + 0.044715 * t ** 3)))),
    );
  });
});

describe('losses', () => {
  const input = fb.tensor([
    [1, 2, 0.5],
    [0.1, -1, 3],
  ]);
  const target = fb.LongTensor([1, 2]);
  const logp = [
    [1, 2, 0.5],
    [0.1, -1, 3],
  ].map((r) => {
    const z = Math.log(r.reduce((s, v) => s + Math.exp(v), 0));
    return r.map((v) => v - z);
  });
  test('cross-entropy and its parts', () => {
    const mean = -(logp[0]![1]! + logp[1]![2]!) / 2;
    close(F.crossEntropy(input, target), [mean]);
    close(new nn.CrossEntropyLoss()(input, target), [mean]);
    close(F.nllLoss(F.logSoftmax(input, 1), target, { reduction: 'sum' }), [mean * 2]);
    close(F.crossEntropy(input, target, { reduction: 'none' }), [-logp[0]![1]!, -logp[1]![2]!]);
    close(F.crossEntropy(input, fb.LongTensor([1, -100])), [-logp[0]![1]!]);
    const w = [1, 2, 3];
    close(F.crossEntropy(input, target, { weight: fb.tensor(w) }), [-(2 * logp[0]![1]! + 3 * logp[1]![2]!) / 5]);
    const smooth = logp.map((r, i) => -0.9 * r[[1, 2][i]!]! - (0.1 / 3) * r.reduce((a, b) => a + b, 0));
    close(F.crossEntropy(input, target, { labelSmoothing: 0.1 }), [(smooth[0]! + smooth[1]!) / 2]);
  });
  test('regression losses', () => {
    const [a, b] = [fb.tensor([1, 2, 5]), fb.tensor([1.5, 0, 5])];
    close(new nn.MSELoss()(a, b), [(0.25 + 4) / 3]);
    close(new nn.L1Loss({ reduction: 'sum' })(a, b), [2.5]);
    close(new nn.SmoothL1Loss()(a, b), [(0.125 + 1.5) / 3]);
    expect(() => F.mseLoss(a, b, { reduction: 'avg' as never })).toThrow('avg is not a valid value for reduction');
  });
  test('binary losses', () => {
    const [x, t] = [fb.tensor([0.3, -2]), fb.tensor([1, 0])];
    const want = (Math.log1p(Math.exp(-0.3)) + Math.log1p(Math.exp(-2))) / 2;
    close(new nn.BCEWithLogitsLoss()(x, t), [want]);
    close(new nn.BCELoss()(x.sigmoid(), t), [want]);
    expect(() => F.binaryCrossEntropyWithLogits(x, fb.ones(3))).toThrow(
      /Target size \(torch.Size\(\[3\]\)\) must be the same as input size/,
    );
  });
});

describe('gradient clipping', () => {
  test('the joint norm is limited', () => {
    const ps = [fb.tensor([0, 0], { requiresGrad: true }), fb.tensor([0], { requiresGrad: true })];
    ps[0]!.grad = fb.tensor([3, 0]);
    ps[1]!.grad = fb.tensor([4]);
    expect(nn.utils.clipGradNorm_(ps, 1).item()).toBeCloseTo(5, 5);
    close(ps[0]!.grad!, [0.6, 0], 1e-4);
    close(ps[1]!.grad!, [0.8], 1e-4);
    nn.utils.clipGradValue_(ps, 0.5);
    close(ps[1]!.grad!, [0.5]);
    ps[1]!.grad = fb.tensor([NaN]);
    expect(() => nn.utils.clipGradNorm_(ps, 1, { errorIfNonfinite: true })).toThrow(/non-finite/);
  });
});
