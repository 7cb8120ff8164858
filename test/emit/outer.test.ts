// Reductions over outer dimensions in parts, transposed reads in tiles, divisions by a row's value: what generated programs do differently
// from plain loops must give plain results, for awkward sizes and special values too.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { nn, type Tensor } from '../../src/index.js';

async function warm(f: ReturnType<typeof fb.compile>, x: Tensor): Promise<Tensor> {
  for (let i = 0; i < 3; i++) {
    f(x);
    await f.ready();
  }
  const out = f(x) as Tensor;
  expect(f.explain().calls.compiled, String(f.explain())).toBeGreaterThan(0);
  return out;
}
function close(a: Tensor, b: Tensor, tolerance: number): void {
  expect(a.shape).toEqual(b.shape);
  const scale = b.abs().max().item() + 1e-6;
  expect(a.sub(b).abs().max().item() / scale).toBeLessThan(tolerance);
}

test.each([
  [[2048, 512], [0]],
  [
    [3, 1000, 700],
    [0, 1],
  ],
  [[1021, 1100], [0]],
  [[64, 32, 1024], [0]],
] as const)('sum, mean, amax and var of %j over %j', async (shape, dim) => {
  fb.manualSeed(0);
  const x = fb.randn([...shape]).add(100);
  for (const fn of [
    (t: Tensor) => t.sum([...dim]),
    (t: Tensor) => t.mean([...dim], { keepdim: true }),
    (t: Tensor) => t.amax([...dim]),
    (t: Tensor) => t.var([...dim]),
  ]) {
    const want = fn(x.to('float64')).to('float32');
    close(await warm(fb.compile(fn as never), x), want, 2e-5);
  }
});

test.each([
  [130, 70],
  [257, 129],
  [64, 128],
  [17, 300],
])('a transposed read of [%d, %d]', async (n, m) => {
  const x = fb.randn([n, m]);
  const fn = (t: Tensor): Tensor =>
    t
      .t()
      .mul(2)
      .add(t.reshape([m, n]))
      .contiguous();
  const got = await warm(fb.compile(fn as never), x);
  expect(got.equal(fn(x))).toBe(true);
});

test.each([
  [[300, 300]],
  [[256, 256]],
  [[769, 769]],
  [[1030, 1030]],
  [[3, 270, 270]],
  [[20, 20]],
  [[0, 0]],
  [[2, 0, 0]],
])('a square of %j beside its transpose, one and two threads', async (shape) => {
  const threads = fb.getNumThreads();
  try {
    for (const type of ['float32', 'float64', 'int64'] as const) {
      const x = fb.randn(shape).mul(100).to(type);
      const fn = (t: Tensor): Tensor => t.mul(3).add(t.transpose(-1, -2).mul(2)).add(t);
      const f = fb.compile(fn as never);
      expect((await warm(f, x)).equal(fn(x))).toBe(true);
      fb.setNumThreads(threads === 1 ? 2 : 1);
      expect((f(x) as Tensor).equal(fn(x))).toBe(true);
      fb.setNumThreads(threads);
    }
  } finally {
    fb.setNumThreads(threads);
  }
});

test('several transposed tensors of different types, and squares whose size changes between calls', async () => {
  const fn = (x: Tensor, y: Tensor, z: Tensor): Tensor =>
    x.t().add(y.t().to('float32')).mul(z.t().to('float32')).sub(x);
  const f = fb.compile(fn as never, { dynamic: true });
  for (const n of [40, 41, 300, 513, 129]) {
    const [x, y, z] = [fb.randn(n, n), fb.randint(-50, 50, [n, n]), fb.randint(0, 2, [n, n]).to('bool')];
    for (let i = 0; i < 3; i++) {
      expect((f(x, y, z) as Tensor).equal(fn(x, y, z))).toBe(true);
      await f.ready();
    }
  }
  expect(f.explain().calls.compiled, String(f.explain())).toBeGreaterThan(5);
});

test('division by a row keeps infinities, NaN, zeros with their sign and the rounding of a division', async () => {
  const inf = Infinity;
  const rows: number[][] = [
    [1, -2, 0, -0, 3e38, -1e-38, inf, NaN, 7, 0.1, 1e-30, -inf, 5, 9, 11, 13, 17],
    ...[3, 0, inf, NaN, -7, 1e-40, 1e38, -0].map((d) => [
      d,
      1,
      2,
      5,
      -0,
      0,
      1e38,
      1e-38,
      inf,
      NaN,
      -1,
      3,
      7,
      9,
      2,
      4,
      6,
    ]),
  ];
  const x = fb.tensor(rows);
  const fn = (t: Tensor): Tensor => t.div(t.narrow(1, 0, 1));
  const got = (await warm(fb.compile(fn as never), x)).flatten().tolist() as number[];
  const want = fn(x).flatten().tolist() as number[];
  got.forEach((g, i) => expect(Object.is(g, want[i]) || Math.abs(g) < 1e-37, `${i}: ${g}, not ${want[i]}`).toBe(true));
});

test.each([
  ['flip', (x: Tensor) => x.mul(2).flip([0, 3])],
  ['average pooling', (x: Tensor) => nn.functional.avgPool2d(x.relu(), [2, 3]).add(1)],
  ['adaptive pooling', (x: Tensor) => nn.functional.adaptiveAvgPool2d(x.relu(), [3, 1]).flatten(1)],
  ['the mean of everything but channels', (x: Tensor) => nn.functional.adaptiveAvgPool2d(x, 1).sigmoid()],
] as const)('%s is part of a kernel', async (_, fn) => {
  const x = fb.randn([2, 3, 6, 9]);
  const f = fb.compile(fn as never);
  close(await warm(f, x), fn(x), 1e-6);
  expect(f.explain().graphs.at(-1)).toMatchObject({ kernels: 1, libraryCalls: 0 });
});

test('explain compares the memory of a program with that of eager code', async () => {
  const fn = (x: Tensor): Tensor => x.mul(2).add(1).sigmoid().mul(x).sum(1);
  const f = fb.compile(fn as never);
  await warm(f, fb.randn([256, 1024]));
  const { memory } = f.explain().graphs.at(-1)!;
  // Eager: two tensors of 1 MB at a time; compiled: the result only.
  expect(memory).toEqual({ compiled: 1024, eager: 2 << 20 });
  expect(String(f.explain())).toContain('memory: 1024 bytes at its fullest; eager code 2097 kB');
});
