// Exponentials that underflow: what is zero is not computed, what is nearly zero is.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

const x = fb.tensor([-Infinity, -1000, -104.5, -104.01, -104, -103.9, -103, -100, -88, -87, -1, -0, 0, 88.7, 89, 1e30, Infinity, NaN]); // prettier-ignore

test.each<readonly [string, (x: Tensor) => Tensor]>([
  ['exp', (y) => y.exp().add(0)],
  ['sigmoid', (y) => y.sigmoid().mul(1)],
  ['a masked softmax', (y) => y.nanToNum(0, 3, -1e30).maskedFill(y.lt(-90), -Infinity).softmax(0)],
])('%s as eager code has it', async (_, f) => {
  const program = fb.compile(f);
  fb.noGrad(() => program(x));
  while (!(await program.ready())) fb.noGrad(() => program(x));
  const [got, expected] = fb.noGrad(() => [program(x), f(x)] as const);
  expect(got.allclose(expected, { rtol: 1e-6, atol: 0, equalNan: true })).toBe(true);
});

test.each([20, 5000, 20000, 40000])(
  'the gradient of a cross-entropy over %d classes, infinities and NaN included',
  async (classes) => {
    fb.manualSeed(1);
    const logits = fb.randn(7, classes).mul(30);
    const special = [[], [-Infinity], [Infinity], [NaN], [1e30, -1e30], [-Infinity, -Infinity]];
    special.forEach((list, row) =>
      list.forEach(
        (v, k) =>
          void logits
            .select(0, row)
            .narrow(0, 3 + k, 1)
            .fill_(v),
      ),
    );
    logits.select(0, 6).fill_(-Infinity);
    const target = fb.tensor([0, 1, 2, 3, 4, 5, classes - 1], { dtype: 'int64' });
    const f = (x: Tensor): Tensor => {
      const leaf = x.detach().clone().requiresGrad_();
      fb.nn.functional.crossEntropy(leaf, target, { reduction: 'sum' }).backward();
      return leaf.grad!;
    };
    const program = fb.compile(f);
    program(logits);
    while (!(await program.ready())) program(logits);
    const got = program(logits);
    const expected = f(logits.to('float64'));
    expect(got.to('float64').allclose(expected, { rtol: 1e-5, atol: 1e-9, equalNan: true })).toBe(true);
  },
);
