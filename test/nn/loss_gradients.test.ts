// Gradients of losses where their terms have a kink or a pole and the loss has none. Expected numbers: PyTorch 1.13.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

const F = fb.nn.functional;
const leaf = (values: number[], dtype: fb.DType = 'float64'): Tensor =>
  fb.tensor(values, { dtype, requiresGrad: true });
const expectClose = (got: Tensor, want: readonly number[], digits = 4): void =>
  (got.tolist() as number[]).forEach((v, i) => {
    if (Number.isFinite(want[i]!)) expect(v / (want[i]! || 1)).toBeCloseTo(want[i] === 0 ? 0 : 1, digits);
    else expect(v).toBe(want[i]);
  });

test('binaryCrossEntropyWithLogits: logits that are exactly zero', () => {
  const x = leaf([0, 1, -2, 0]);
  const t = fb.tensor([1, 0, 0.5, 8], { dtype: 'float64' });
  const posWeight = fb.tensor([3, 1, 2, 0.5], { dtype: 'float64' });
  const [plain] = fb.autograd.grad([F.binaryCrossEntropyWithLogits(x, t)], [x]);
  expectClose(plain!, [-0.125, 0.182765, -0.0951993, -1.875]);
  const weighted = F.binaryCrossEntropyWithLogits(x, t, { reduction: 'sum', posWeight });
  expectClose(fb.autograd.grad([weighted], [x])[0]!, [-1.5, 0.731059, -0.821195, -5.5]);
});

test('binaryCrossEntropy: probabilities that were rounded to 0 and 1', () => {
  const x = leaf([0, 1, 0.25, 1], 'float32');
  const t = leaf([1, 0, 0.5, 1], 'float32');
  const loss = F.binaryCrossEntropy(x, t);
  expect(loss.item()).toBeCloseTo(50.2092, 3);
  expectClose(fb.autograd.grad([loss], [x])[0]!, [-2.5e11, 2.5e11, -1 / 3, 0]);
  const weight = fb.tensor([1, 2, 3, 4]);
  const [gx, gt] = fb.autograd.grad([F.binaryCrossEntropy(x, t, { weight, reduction: 'sum' })], [x, t]);
  expectClose(gx!, [-1e12, 2e12, -4, 0]);
  expectClose(gt!, [Infinity, -Infinity, 3.2958369, -Infinity]);
});

test('binaryCrossEntropy: derivatives of every operand, twice', () => {
  const x = leaf([0.25, 0.5]);
  const t = leaf([1, 0.25]);
  const [first] = fb.autograd.grad([F.binaryCrossEntropy(x, t, { reduction: 'sum' })], [x], {
    createGraph: true,
  });
  expectClose(fb.autograd.grad([first!.sum()], [x])[0]!, [16, 4]);
  for (const reduction of ['mean', 'sum', 'none'] as const) {
    const f = (a: Tensor, b: Tensor, w: Tensor): Tensor => F.binaryCrossEntropy(a, b, { weight: w, reduction });
    for (const w of [leaf([0.5, 2]), leaf([1.5])]) {
      expect(fb.autograd.gradcheck(f, [x, t, w])).toBe(true);
      expect(fb.autograd.gradgradcheck(f, [x, t, w])).toBe(true);
    }
  }
});
