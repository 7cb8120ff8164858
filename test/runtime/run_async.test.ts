// Graphs off the event loop: the same results, several at once, errors as rejections.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';

const net = new nn.Sequential(new nn.Linear(64, 256), new nn.GELU(), new nn.Linear(256, 8)).eval();

test('traced modules: concurrent calls at several shapes equal the synchronous ones', async () => {
  const traced = fb.jit.trace(net, [fb.rand(4, 64)]);
  const inputs = Array.from({ length: 12 }, (_, i) => fb.randn(4 + (i % 3), 64));
  const results = await Promise.all(inputs.map((x) => traced.runAsync(x)));
  results.forEach((y, i) => expect(y.allclose(traced(inputs[i]!))).toBe(true));
  results.forEach((y, i) =>
    expect(
      y.allclose(
        fb.noGrad(() => net(inputs[i]!)),
        { atol: 1e-5 },
      ),
    ).toBe(true),
  );
});

test('the event loop goes on', async () => {
  const big = fb.randn(1500, 1500);
  const f = fb.compile((x: Tensor) => x.matmul(x).matmul(x).sum());
  for (f(big); !(await f.ready());) f(big);
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  const [a, b] = await Promise.all([f.runAsync(big), f.runAsync(big)]);
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(0);
  expect(a.item()).toBe(b.item());
  expect(a.item()).toBeCloseTo(f(big).item() as number, -3);
});

test('before a program serves it is an ordinary call', async () => {
  const f = fb.compile((x: Tensor) => x.mul(2));
  expect((await f.runAsync(fb.tensor([1, 2]))).tolist()).toEqual([2, 4]);
});

test('results of any structure', async () => {
  const f = fb.compile((x: Tensor) => ({ twice: x.mul(2), list: [x.add(1), 7] }));
  const x = fb.tensor([1, 2, 3]);
  for (f(x); !(await f.ready());) f(x);
  const r = await f.runAsync(x);
  expect([r.twice.tolist(), (r.list[0] as Tensor).tolist(), r.list[1]]).toEqual([[2, 4, 6], [2, 3, 4], 7]);
});

test('errors of kernels and of arguments reject', async () => {
  const pick = fb.compile((x: Tensor, i: Tensor) => x.gather(0, i).mul(2));
  const [x, good, bad] = [fb.rand(3), fb.tensor([0, 2], { dtype: 'int64' }), fb.tensor([0, 5], { dtype: 'int64' })];
  for (pick(x, good); !(await pick.ready());) pick(x, good);
  await expect(pick.runAsync(x, bad)).rejects.toThrow(/out of bounds|index/);
  const traced = fb.jit.trace(net, [fb.rand(4, 64)]);
  await expect(traced.runAsync(fb.rand(4, 63))).rejects.toThrow();
  await expect(traced.runAsync(fb.rand(4, 64), fb.rand(1))).rejects.toThrow(/takes 1 tensors/);
});

test.each(['cpp', 'interpret'])('a function that changes tensors from outside is refused: %s', async (backend) => {
  const state = fb.zeros(3);
  const f = fb.compile((x: Tensor) => fb.noGrad(() => state.add_(x).sum()), { backend });
  const x = fb.ones(3);
  for (f(x); !(await f.ready());) f(x);
  await expect(f.runAsync(x)).rejects.toThrow(/changes tensors from outside/);
});

test('an input that is written meanwhile is an error', async () => {
  const big = fb.randn(1500, 1500);
  const f = fb.compile((x: Tensor) => x.matmul(x).matmul(x));
  for (f(big); !(await f.ready());) f(big);
  const running = f.runAsync(big);
  big.zero_();
  await expect(running).rejects.toThrow(/was written while the graph ran/);
});
