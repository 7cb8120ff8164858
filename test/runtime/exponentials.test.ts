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
