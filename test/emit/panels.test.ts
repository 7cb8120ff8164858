// Walks down the columns of large tensors: panels of columns whose states stay in the cache, parts that are walked once.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

async function compiled(f: (x: Tensor) => Tensor, x: Tensor): Promise<(x: Tensor) => Tensor> {
  const call = fb.compile(f);
  for (let i = 0; i < 4; i++) {
    fb.noGrad(() => call(x));
    if (await call.ready()) break;
  }
  expect(call.explain().reasons).toEqual([]);
  return (t) => fb.noGrad(() => call(t));
}
function worst(got: Tensor, expected: Tensor): number {
  const off = got.double().sub(expected).abs().max().item() as number;
  return off / (expected.abs().max().item() as number);
}

const SHAPES = [[1024, 1100], [1003, 1100], [9, 128, 1025], [300, 4096]] as const; // prettier-ignore

test.each(SHAPES.map((shape) => ({ shape })))('$shape', async ({ shape }) => {
  fb.manualSeed(8);
  const x = fb.randn([...shape]);
  const wide = x.double();
  const cases: readonly [(t: Tensor) => Tensor, Tensor][] = [
    [(t) => t.sum(0), wide.sum(0)],
    [(t) => t.mul(t).sum(0), wide.mul(wide).sum(0)],
    [(t) => fb.amax(t, 0), fb.amax(wide, 0)],
    [(t) => t.var(0), wide.var(0)],
    [(t) => t.exp().mean(0).add(1), wide.exp().mean(0).add(1)],
  ];
  for (const [f, expected] of cases) {
    const call = await compiled(f, x);
    for (const threads of [1, 2]) {
      const before = fb.getNumThreads();
      fb.setNumThreads(threads);
      try {
        expect(worst(call(x), expected)).toBeLessThan(2e-6);
      } finally {
        fb.setNumThreads(before);
      }
    }
  }
});

test('the variance of columns far from zero', async () => {
  fb.manualSeed(9);
  const call = await compiled((t) => t.var(0), fb.randn(2048, 1024));
  // Columns that begin with an element far from the others: what cancels is up to 64 times the result there.
  const odd = fb.randn(2048, 1024);
  odd.select(0, 0).fill_(1000);
  for (const [x, limit] of [
    [fb.randn(2048, 1024).mul(0.01).add(1000), 2e-6],
    [fb.full([2048, 1024], 3.3), 0],
    [odd, 2e-4],
  ] as const) {
    const expected = x.double().var(0);
    const off = call(x).double().sub(expected).abs().max().item() as number;
    expect(off).toBeLessThanOrEqual(limit * (expected.max().item() as number));
  }
});

// Folds of two states, whose names must not meet those of the panel.
test.each([
  [16, 512, 513],
  [1024, 1030],
])('places of the largest and smallest, columns of %j', async (...shape) => {
  fb.manualSeed(10);
  const x = fb.randn(shape);
  for (const f of [(t: Tensor) => fb.argmax(t, 0), (t: Tensor) => fb.argmin(t, 0)])
    expect((await compiled(f, x))(x).equal(f(x))).toBe(true);
});
