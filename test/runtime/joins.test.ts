// Parts of a concatenation are computed in their place where nothing but a copy would move them there.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';
import { native } from '../../src/native.js';

const F = fb.nn.functional;
const inBlocks = native.info().isa === 'avx512' && native.info().oneDNN !== null;
fb.manualSeed(11);
const weight = (o: number, i: number, k: number): Tensor => fb.randn(o, i, k, k).mul(1 / Math.sqrt(i * k * k));
const [w3, w1, w1b, w48, w80] = [weight(32, 3, 3), weight(32, 32, 1), weight(16, 32, 1), weight(32, 48, 3), weight(16, 80, 3)]; // prettier-ignore
const odd = weight(5, 3, 3);
const square = fb.randn(64, 64);

const zerosAround = (t: Tensor): Tensor => {
  const all = fb.zeros(3, 64, 64);
  all.select(0, 1).copy_(t);
  return all;
};

/** Name, function of the image, and how many of its kernels copy. */
const CASES: readonly (readonly [string, (x: Tensor) => Tensor | Tensor[], number | null])[] = [
  ['channels of two convolutions', (x) => { const a = F.conv2d(x, w3); return F.conv2d(fb.cat([F.relu(F.conv2d(a, w1)), F.conv2d(a, w1b)], 1), w48); }, 0], // prettier-ignore
  ['a result', (x) => { const a = F.conv2d(x, w3); return fb.cat([F.conv2d(a, w1), F.conv2d(a, w1b)], 1); }, null], // prettier-ignore
  ['one in the other', (x) => { const a = F.conv2d(x, w3); const b = fb.cat([a, F.conv2d(a, w1b)], 1); return F.conv2d(fb.cat([b, F.relu(F.conv2d(b, w48, { padding: 1 }))], 1), w80); }, 0], // prettier-ignore
  ['a part that is read elsewhere', (x) => { const a = F.conv2d(x, w3); const b = F.conv2d(a, w1); return F.conv2d(fb.cat([b, F.conv2d(b, w1b)], 1), w48).add(b.narrow(2, 1, 14).narrow(3, 1, 16)); }, 0], // prettier-ignore
  ['a part twice', (x) => { const a = F.conv2d(x, w3); const b = F.conv2d(a, w1b); return F.conv2d(fb.cat([b, b, b], 1), w48); }, 1], // prettier-ignore
  ['a part in two', (x) => { const a = F.conv2d(x, w3); const [b, c] = [F.conv2d(a, w1), F.conv2d(a, w1b)]; return F.conv2d(fb.cat([b, c], 1), w48).mul(F.conv2d(fb.cat([c, b], 1), w48)); }, 2], // prettier-ignore
  ['an input and a result', (x) => { const a = F.conv2d(x, w3); return [a, fb.cat([a, F.conv2d(a, w1)], 0), fb.cat([x, x], 0)]; }, null], // prettier-ignore
  ['parts that begin anywhere', (x) => { const a = F.conv2d(x, odd); return F.relu(fb.cat([a, F.conv2d(x.neg(), odd), a], 1)); }, null], // prettier-ignore
  ['a part whose surroundings are filled after it is made', (x) => { const a = x.reshape(-1).narrow(0, 0, 768).view(12, 64).t().mm(x.reshape(-1).narrow(0, 0, 768).view(12, 64)); return zerosAround(a).view(192, 64).mm(square); }, null], // prettier-ignore
  ['products', (x) => { const a = x.reshape(-1).narrow(0, 0, 768).view(12, 64); return fb.cat([a.mm(square), a.mm(square.t())], 0).mm(square); }, null], // prettier-ignore
];

test.each(CASES)('%s', async (_, f, copies) => {
  const x = fb.rand(1, 3, 18, 20);
  const program = fb.compile(f);
  let ready = false;
  for (let i = 0; i < 4 && !ready; i++) {
    fb.noGrad(() => program(x));
    ready = await program.ready();
  }
  expect(ready, program.explain().reasons.join('; ')).toBe(true);
  for (const y of [x, x.mul(-2).add(0.5)]) {
    const [got, expected] = fb.noGrad(() => [[program(y)].flat(), [f(y)].flat()] as const);
    got.forEach((g, k) => {
      const off = g.sub(expected[k]!).abs().max().item() as number;
      expect(off / (expected[k]!.abs().max().item() as number)).toBeLessThan(2e-5);
    });
  }
  if (copies === null || !inBlocks) return;
  const text = String(program.explain());
  expect([...text.matchAll(/kernel\d+: cat/g)]).toHaveLength(copies);
});
