// Gradients that only an optimizer reads, and its moments, end at zero below 2^-126 in compiled steps; results that a function returns do
// not.
import { afterAll, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, optim, type Tensor } from '../../src/index.js';

const threads = fb.getNumThreads();
afterAll(() => fb.setNumThreads(threads));

const SMALLEST = 2 ** -126;

test.each([
  [1, 60],
  [2, 2 ** 20],
])('moments decay to zero (%d threads, %d inputs)', async (count, n) => {
  fb.setNumThreads(count);
  const first = new nn.Linear(n, 3);
  const net = new nn.Sequential(first, new nn.Linear(3, 1));
  const opt = new optim.Adam([first.weight], { lr: 0.1 });
  const step = fb.compile((x: Tensor) => {
    const small = x.narrow(1, 0, 4).mul(2 ** -10);
    opt.zeroGrad();
    const loss = net(x).sum();
    loss.backward();
    opt.step();
    return [loss, small];
  });
  const x = fb.full([2, n], 2 ** -120);
  const zero = fb.zeros(2, n);
  step(x);
  while (!(await step.ready())) step(x);
  expect(step(x)[1]!.tolist()).toEqual([0, 1].map(() => [0, 1, 2, 3].map(() => 2 ** -130)));
  for (let i = 0; i < 50; i++) step(zero);
  const moments = Object.values(opt.stateDict().state).flatMap((s) =>
    Object.values(s as Record<string, unknown>).filter((t): t is Tensor => fb.isTensor(t) && t.numel() === 3 * n),
  );
  expect(moments.length).toBe(2);
  for (const m of moments) expect(m.abs().max().item()).toBe(0);
  // The mode of the calling thread is put back.
  expect(fb.full([4], SMALLEST).mul(0.25).sum().item()).toBe(SMALLEST);
});
