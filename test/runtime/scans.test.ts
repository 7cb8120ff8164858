// Running values in generated kernels: fused with what stands before and after them, walked again by later passes over the row.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';
import '../cuda/simt.js';

const F = fb.nn.functional;
type Case = readonly [string, (x: Tensor) => Tensor | Tensor[], readonly number[], number];

/** Name, function, shape, how many kernels. */
const CASES: readonly Case[] = [
  ['along the rows', (x) => x.mul(2).cumsum(-1).add(1), [20, 37], 1],
  ['across the rows', (x) => x.mul(2).cumsum(0).relu(), [33, 40], 1],
  ['in the middle', (x) => x.cumsum(1), [4, 9, 17], 1],
  ['products', (x) => x.mul(0.3).add(1).cumprod(-1), [20, 12], 1],
  ['logarithms of sums', (x) => fb.logcumsumexp(x, 1), [20, 12], 1],
  ['values and positions', (x) => { const { values, indices } = x.cummax(-1); return [values, indices]; }, [20, 12], 1], // prettier-ignore
  ['sums of a condition', (x) => x.gt(0).cumsum(-1), [20, 12], 1],
  ['in another dtype', (x) => x.mul(100).cumsum(1, { dtype: 'int64' }), [20, 12], 1],
  ['twice', (x) => x.cumsum(-1).cumsum(-1).add(x), [20, 12], 1],
  ['read by later passes over the row', (x) => F.softmax(x.cumsum(-1), -1), [20, 12], 1],
  ['with a norm', (x) => F.layerNorm(x.cumsum(-1).mul(x), [12]), [20, 12], 1],
  ['of what a pass has folded', (x) => F.softmax(x, -1).cumsum(-1), [20, 12], 1],
  ['folded', (x) => x.cumsum(1).mul(x).sum(1), [20, 12], 1],
  ['in two passes of their own', (x) => F.softmax(F.softmax(x.cumsum(1), 1).cumsum(1), 1), [20, 12], 1],
  ['from the end', (x) => x.flip([1]).cumsum(1).flip([1]), [20, 12], 2],
  ['moved by one', (x) => fb.cat([fb.zeros(20, 1), x.cumsum(1)], 1).narrow(1, 0, 12), [20, 12], 3],
  ['in place', (x) => { const y = x.add(0); y.cumsum_(1); return y.mul(2); }, [20, 12], 1], // prettier-ignore
];

async function compiled<F extends (...xs: Tensor[]) => unknown>(f: F, args: Tensor[], backend: string): Promise<F> {
  const call = fb.compile(f as never, { backend }) as F & ReturnType<typeof fb.compile>;
  for (let i = 0; i < 4; i++) {
    call(...args);
    if (await (call as unknown as { ready(): Promise<boolean> }).ready()) break;
  }
  return call;
}
function close(got: unknown, expected: unknown): void {
  const [a, b] = [[got].flat(), [expected].flat()] as [Tensor[], Tensor[]];
  expect(a.length).toBe(b.length);
  a.forEach((t, k) => {
    expect([t.dtype, t.shape]).toEqual([b[k]!.dtype, b[k]!.shape]);
    const off = t.double().sub(b[k]!.double()).abs().max().item() as number;
    expect(off).toBeLessThanOrEqual(1e-5 * Math.max(1, b[k]!.double().abs().max().item() as number));
  });
}

describe.each(['cpp', 'simt'])('%s', (backend) => {
  test.each(CASES)('%s', async (_, f, shape, kernels) => {
    fb.manualSeed(4);
    const x = fb.randn(...shape);
    const call = (await compiled(f, [x], backend)) as typeof f & ReturnType<typeof fb.compile>;
    const report = String(call.explain());
    expect(call.explain().reasons).toEqual([]);
    expect(report).toContain(`${kernels} kernels, 0 library calls`);
    for (const y of [x, x.mul(-0.7).add(0.1)]) close(call(y), f(y));
  });

  test('gradients', async () => {
    fb.manualSeed(5);
    for (const f of [
      (x: Tensor) => x.cumsum(1).square(),
      (x: Tensor) => F.softmax(x.cumsum(0), 0),
      (x: Tensor) => x.add(2).cumprod(1),
      (x: Tensor) => fb.logcumsumexp(x, 0),
      (x: Tensor) => x.cummin(1).values,
    ]) {
      const gradient = (x: Tensor): Tensor => {
        const y = f(x);
        return fb.autograd.grad(y.mul(y.detach()).sum(), [x])[0]!;
      };
      const x = fb.randn(11, 9, { requiresGrad: true });
      close((await compiled(gradient, [x], backend))(x), gradient(x));
    }
  });

  test('a written input', async () => {
    const f = (x: Tensor): Tensor => {
      x.cumsum_(0);
      return x.sum();
    };
    const call = await compiled(f, [fb.ones(9, 12)], backend);
    const [a, b] = [fb.rand(9, 12), fb.zeros(9, 12)];
    b.copy_(a);
    const [got, expected] = [call(a), f(b)];
    close([got, a], [expected, b]);
  });
});

test('a single line is left to the library, which shares it among lanes', async () => {
  const f = (x: Tensor): Tensor => x.cumsum(0);
  const call = (await compiled(f, [fb.rand(1000)], 'cpp')) as typeof f & ReturnType<typeof fb.compile>;
  expect(String(call.explain())).toContain('0 kernels, 1 library call');
});

test('threads take fewer of long lines', async () => {
  const f = (x: Tensor): Tensor => x.cumsum(1).mul(2);
  const x = fb.rand(200, 700);
  const before = fb.getNumThreads();
  try {
    const call = await compiled(f, [x], 'cpp');
    fb.setNumThreads(1);
    const alone = call(x);
    fb.setNumThreads(2);
    expect(call(x).equal(alone)).toBe(true);
    close(alone, f(x));
  } finally {
    fb.setNumThreads(before);
  }
});

test('running values from the end are copied for a library call', async () => {
  fb.manualSeed(6);
  const [w, v] = [fb.randn(64, 64), fb.randn(64, 64)];
  // The gradient of cumsum runs from the end, and meets a matrix product.
  const gradient = (x: Tensor): Tensor => fb.autograd.grad(x.mm(w).cumsum(1).mul(v).sum(), [x])[0]!;
  const x = fb.randn(64, 64, { requiresGrad: true });
  const call = (await compiled(gradient, [x], 'cpp')) as typeof gradient & ReturnType<typeof fb.compile>;
  expect(call.explain().reasons).toEqual([]);
  expect(String(call.explain())).toContain('1 library call');
  close(call(x), gradient(x));
});
