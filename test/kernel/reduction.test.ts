// fb.reduction: values, dtypes, dimensions, joins, ordered folds, derivatives, fusion, saved graphs, and the errors for what does not fit.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

const f64 = { dtype: 'float64' } as const;
const rms = fb.reduction({
  init: 0,
  combine: (acc, x) => acc + x * x,
  finish: (acc, n) => Math.sqrt(acc / n),
  name: 'rms',
});
const argmax = fb.reduction({
  init: [-Infinity, -1],
  combine: ([best, at], x, index) => (x > best ? [x, index] : [best, at]),
  name: 'argmax',
});
const logSumExp = fb.reduction({
  init: [-1e38, 0],
  combine: ([m, s], x) => {
    const top = Math.max(m, x);
    return [top, s * Math.exp(m - top) + Math.exp(x - top)];
  },
  join: ([m, s], [m2, s2]) => {
    const top = Math.max(m, m2);
    return [top, s * Math.exp(m - top) + s2 * Math.exp(m2 - top)];
  },
  finish: ([m, s]) => m + Math.log(s),
  name: 'logSumExp',
});
const dot = fb.reduction({ init: 0, combine: (acc, x, y) => acc + x * y, name: 'dot' });
const cosine = fb.reduction({
  init: [0, 0, 0],
  combine: ([xy, xx, yy], x, y) => [xy + x * y, xx + x * x, yy + y * y],
  finish: ([xy, xx, yy]) => xy / Math.sqrt(xx * yy),
  name: 'cosine',
});
/** No two stretches of it can be joined: what comes first counts most. */
const horner = fb.reduction({ init: 0, combine: (acc, x) => acc * 0.5 + x, name: 'horner' });

const close = (a: Tensor, b: Tensor, atol = 1e-5): void => {
  expect(a.shape).toEqual(b.shape);
  expect(a.dtype).toBe(b.dtype);
  expect(a.allclose(b, { atol, rtol: 1e-5 }), `${String(a)}\n${String(b)}`).toBe(true);
};
/** Calls until the generated kernel serves, then checks that it gave the same as the calls before. */
async function compiledToo(reduce: { (): Tensor }, ready: () => Promise<boolean>, want: Tensor): Promise<void> {
  close(reduce(), want);
  while (!(await ready())) reduce();
  close(reduce(), want);
}

describe('values', () => {
  test('over one, several and all dimensions, kept or not', async () => {
    const x = fb.randn(3, 5, 70);
    const want = (dim: number[], keep = false): Tensor => x.square().mean(dim, keep).sqrt();
    await compiledToo(() => rms(x, 2), rms.ready, want([2]));
    await compiledToo(() => rms(x, [0, -1], true), rms.ready, want([0, 2], true));
    await compiledToo(() => rms(x, { dim: 1, keepdim: true }), rms.ready, want([1], true));
    await compiledToo(() => rms(x), rms.ready, want([0, 1, 2]));
    close(rms(fb.tensor(-3)), fb.tensor(3));
    close(rms(x.transpose(0, 2), 0), want([2]).t());
  });
  test('of several tensors, which broadcast', async () => {
    const [x, y] = [fb.randn(4, 33), fb.randn(33)];
    await compiledToo(() => dot(x, y, 1), dot.ready, x.mul(y).sum(1));
    const want = x.mul(y).sum(1).div(x.square().sum(1).mul(y.square().sum()).sqrt());
    await compiledToo(() => cosine(x, y, 1), cosine.ready, want);
  });
  test('states that depend on each other, with and without join', async () => {
    const x = fb.randn(6, 100);
    await compiledToo(() => logSumExp(x, 1), logSumExp.ready, x.logsumexp(1));
    await compiledToo(() => logSumExp(x.narrow(1, 0, 3), 1), logSumExp.ready, x.narrow(1, 0, 3).logsumexp(1));
    await compiledToo(() => argmax(x, 1)[1]!, argmax.ready, x.argmax(1));
    await compiledToo(() => argmax(x)[1]!, argmax.ready, x.argmax());
    await compiledToo(() => argmax(x, 0)[0]!, argmax.ready, x.amax(0));
  });
  test('in the order of the elements where nothing can be joined', async () => {
    const x = fb.randn(3, 40, 2, f64);
    const want = (rows: number[][]): number[] => rows.map((row) => row.reduce((acc, v) => acc * 0.5 + v, 0));
    const last = x.transpose(1, 2).reshape([6, 40]).tolist() as number[][];
    await compiledToo(() => horner(x, 1), horner.ready, fb.tensor(want(last), f64).reshape([3, 2]));
    const all = x.reshape([1, -1]).tolist() as number[][];
    await compiledToo(() => horner(x), horner.ready, fb.tensor(want(all)[0]!, f64));
  });
  test('a start value that is not neutral counts once', async () => {
    const from10 = fb.reduction({ init: 10, combine: (acc, x) => acc + x });
    const x = fb.ones(1000);
    await compiledToo(() => from10(x), from10.ready, fb.tensor(1010));
    expect(from10(fb.zeros(2, 0), 1).tolist()).toEqual([10, 10]);
  });
  test('patterns may skip values of the state', async () => {
    const second = fb.reduction({
      init: [0, 0, 0],
      combine: ([a, b, c], x) => [a + 1, b + x, c + 2 * x],
      finish: ([, b], n) => b / n,
    });
    const x = fb.randn(3, 20);
    await compiledToo(() => second(x, 1), second.ready, x.mean(1));
  });
  test('several results and helpers', async () => {
    const square = (v: number): number => v * v;
    const moments = fb.reduction({
      init: [0, 0],
      combine: ([a, b], x) => [a + x, b + square(x)],
      finish: ([a, b], n) => [a / n, Math.max(b / n - square(a / n), 0)],
      helpers: { square },
    });
    const x = fb.randn(8, 64);
    await compiledToo(() => moments(x, 1)[0]!, moments.ready, x.mean(1));
    await compiledToo(() => moments(x, 1)[1]!, moments.ready, x.var(1, { correction: 0 }));
  });
  test('a long one in parts', async () => {
    const x = fb.ones(1 << 21);
    await compiledToo(() => rms(x), rms.ready, fb.tensor(1));
  });
});

describe('dtypes', () => {
  const sum = fb.reduction({ init: 0, combine: (acc, x) => acc + x });
  const mean = fb.reduction({ init: 0, combine: (acc, x) => acc + x, finish: (acc, n) => acc / n });
  const positive = fb.reduction({ init: 0, combine: (acc, x) => (x > 0 ? acc + 1 : acc) });
  const any = fb.reduction({ init: false, combine: (acc, x) => acc || x > 2 });
  const largest = fb.reduction({ init: -Infinity, combine: (acc, x) => Math.max(acc, x) });
  test('are those of the same arithmetic', async () => {
    for (const dtype of ['uint8', 'int32', 'int64'] as const) {
      const x = fb.tensor([1, 2, 3, 200], { dtype });
      await compiledToo(() => sum(x), sum.ready, fb.tensor(206, { dtype: 'int64' }));
      await compiledToo(() => mean(x), mean.ready, fb.tensor(51.5));
      await compiledToo(() => largest(x), largest.ready, fb.tensor(200, { dtype: 'int64' }));
    }
    for (const dtype of ['float32', 'float64', 'bfloat16', 'float16'] as const) {
      const x = fb.tensor([1, -2, 3], { dtype });
      await compiledToo(() => sum(x), sum.ready, fb.tensor(2, { dtype }));
      await compiledToo(() => positive(x), positive.ready, fb.tensor(2, { dtype: 'int64' }));
      await compiledToo(() => any(x), any.ready, fb.tensor(true));
    }
    expect(sum(fb.tensor([true, false, true])).tolist()).toBe(2);
    expect(dot(fb.ones(2, { dtype: 'float16' }), fb.ones(2, f64)).dtype).toBe('float64');
  });
  test('16-bit elements are folded in float32', async () => {
    const x = fb.ones([5000], { dtype: 'float16' });
    await compiledToo(() => mean(x), mean.ready, fb.tensor(1, { dtype: 'float16' }));
  });
});

describe('derivatives', () => {
  const x = (): Tensor => fb.randn(3, 7, { ...f64, requiresGrad: true });
  const y = (): Tensor => fb.randn(7, { ...f64, requiresGrad: true });
  const check = (f: (...ts: Tensor[]) => Tensor, ts: Tensor[]): void => {
    expect(fb.autograd.gradcheck(f, ts)).toBe(true);
    expect(fb.autograd.gradgradcheck(f, ts)).toBe(true);
  };
  test('of sums, of several tensors, any dimensions', () => {
    check((a) => rms(a!, 1), [x()]);
    check((a) => rms(a!, [0], true), [x()]);
    check((a) => rms(a!), [x()]);
    check((a, b) => dot(a!, b!, 1), [x(), y()]);
    check((a, b) => cosine(a!, b!, 1), [x(), y()]);
  });
  test('of weights by position', () => {
    const weighted = fb.reduction({ init: 0, combine: (acc, v, index) => acc + v * v * index });
    check((a) => weighted(a!, 1), [x()]);
  });
  test('of products with zeros, of coupled states, of ordered ones', () => {
    const product = fb.reduction({ init: 1, combine: (acc, v) => acc * v });
    const zero = x().detach();
    zero.select(1, 2).fill_(0);
    expect(fb.autograd.gradcheck((a: Tensor) => product(a, 1), [zero.requiresGrad_(true)])).toBe(true);
    check((a) => logSumExp(a!, 1), [x()]);
    check((a) => horner(a!, 1), [x()]);
    expect(fb.autograd.gradcheck((a: Tensor) => argmax(a, 1)[0]!, [x()])).toBe(true);
  });
  test('of extrema are shared by equal elements', () => {
    const largest = fb.reduction({ init: -Infinity, combine: (acc, v) => Math.max(acc, v) });
    const a = fb.tensor(
      [
        [1, 5, 5],
        [2, 0, 1],
      ],
      { requiresGrad: true },
    );
    largest(a, 1).sum().backward();
    expect(a.grad!.tolist()).toEqual([
      [0, 0.5, 0.5],
      [1, 0, 0],
    ]);
  });
  test('are the given ones where they are given', () => {
    const straight = fb.reduction({
      init: 0,
      combine: (acc, v) => acc + Math.round(v),
      finish: (acc, n) => acc / n,
      backward: { v: (g: number, _v: number, _out: number, n: number) => (g * 2) / n },
    });
    const a = fb.tensor([0.4, 1.6], { requiresGrad: true });
    straight(a).mul(3).backward();
    expect(a.grad!.tolist()).toEqual([3, 3]);
  });
  test('through the compiled gradient', async () => {
    const a = fb.randn(20, 50, { requiresGrad: true });
    const b = a.detach().requiresGrad_(true);
    b.square().mean(1).sqrt().sum().backward();
    for (let i = 0; i < 6; i++) {
      a.grad = null;
      rms(a, 1).sum().backward();
      close(a.grad!, b.grad!);
      await new Promise((r) => setTimeout(r, 150));
    }
  });
});

describe('inside other programs', () => {
  test('fuses with what is before and after it', async () => {
    const x = fb.randn(16, 300);
    const f = fb.compile((a: Tensor) => rms(a.add(1).relu(), 1, true).add(1e-3).reciprocal().mul(a));
    const want = f(x);
    while (!(await f.ready())) f(x);
    close(f(x), want);
    expect(f.explain().graphs.at(-1)!.kernels).toBe(1);
  });
  test('trains in one program', async () => {
    fb.manualSeed(3);
    const make = (): { w: Tensor; step: (x: Tensor) => Tensor } => {
      const w = fb.linspace(-1, 1, 24).reshape([4, 6]).requiresGrad_(true);
      const optimizer = new fb.optim.SGD([w], { lr: 0.05, momentum: 0.9 });
      const step = (x: Tensor): Tensor => {
        optimizer.zeroGrad();
        const loss = logSumExp(x.matmul(w.t()), 1).mean().add(rms(w));
        loss.backward();
        optimizer.step();
        return loss;
      };
      return { w, step };
    };
    const [eager, other] = [make(), make()];
    const compiled = fb.compile(other.step);
    for (let i = 0; i < 8; i++) {
      const x = fb.randn(5, 6);
      close(compiled(x), eager.step(x));
      await compiled.ready();
    }
    close(other.w, eager.w);
    expect(compiled.explain().graphs.at(-1)!.runs).toBeGreaterThan(0);
  });
  test('runs without a compiler, traced, saved and loaded', () => {
    const x = fb.randn(4, 9);
    const f = (a: Tensor): Tensor => cosine(a.sin(), a, 1);
    const interpreted = fb.compile(f, { backend: 'interpret' });
    for (let i = 0; i < 4; i++) close(interpreted(x), f(x));
    const traced = fb.jit.trace(f, [x]);
    close(traced(x) as Tensor, f(x));
    expect(traced.graph.toString()).toContain('fold(');
    const dir = mkdtempSync(join(tmpdir(), 'flambeau-'));
    try {
      traced.save(join(dir, 'm.fbg'));
      close(fb.jit.load(join(dir, 'm.fbg'))(x) as Tensor, f(x));
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
  test('export to ONNX says that there is no such operator', async () => {
    const f = (a: Tensor): Tensor => horner(a, 1);
    await expect(
      (async () => fb.onnx.export(f as never, [fb.ones(2, 3)], join(tmpdir(), 'never.onnx')))(),
    ).rejects.toThrow(/no ONNX operator folds an arbitrary function/);
  });
});

describe('errors', () => {
  test('of declarations', () => {
    expect(() => fb.reduction({ init: 0 } as never)).toThrow('reduction: combine must be a function, got undefined');
    expect(() => fb.reduction({ init: [0, 0], combine: ((a: number, x: number) => a + x) as never })).toThrow(
      'init has 2 start values, but combine gives 1',
    );
    expect(() => fb.reduction({ init: [0, 0], combine: (s, x) => [s[0] + x, s[1]] })).toThrow(
      /unsupported in a scalar function/,
    );
    expect(() =>
      fb.reduction({ init: [0, 0], combine: ([a, b], x) => [a, b + x], finish: (s) => s as unknown as number }),
    ).toThrow('finish takes the state (2 start values) and the number of elements; write it as [a, b], got (s)');
    expect(() => fb.reduction({ init: 0, combine: (acc) => acc + 1 })).toThrow(
      'combine takes the state (1 start value) and then one parameter for each tensor, got (acc)',
    );
    expect(() => fb.reduction({ init: 'a' as never, combine: (a, x) => a + x })).toThrow(
      'init must be numbers or booleans, got string',
    );
    expect(() => fb.reduction({ init: 0, combine: (a, x) => a + x, join: ((a: number) => a) as never })).toThrow(
      'join takes two states',
    );
    expect(() => fb.reduction({ init: 1, combine: (a, x) => a + x, join: (a, b) => a + b, name: 'sum1' })).toThrow(
      'sum1: init must be the neutral element of join: join([1], [1]) gives [2], expected [1]',
    );
    expect(() => fb.reduction({ init: 0, combine: (a, x) => a + x, backward: { y: (g: number) => g } })).toThrow(
      "backward names 'y', which is no tensor of combine (x)",
    );
    expect(() => fb.reduction({ init: 0, combine: (a, x) => a + x, backward: { x: (g: number) => g } })).toThrow(
      /the derivative towards 'x' takes \(grad, x, out\)/,
    );
    expect(() => fb.reduction({ init: 0, combine: (a, x) => a + Number(String(x)) })).toThrow(
      /unsupported in a scalar function/,
    );
  });
  test('of calls', () => {
    expect(() => rms(3 as never)).toThrow('rms(): argument x must be a Tensor, got number');
    expect(() => (dot as unknown as (x: Tensor, d: number) => Tensor)(fb.ones(2), 1)).toThrow(
      'dot(): argument y must be a Tensor, got number',
    );
    expect(() => rms(fb.ones(2, 3), 2)).toThrow(
      'Dimension out of range (expected to be in range of [-2, 1], but got 2)',
    );
    expect(() => rms(fb.ones(2, 3), [0, -2])).toThrow('dim 0 appears multiple times in the list of dims');
    expect(() => rms(fb.ones(2), 'x' as never)).toThrow('dim must be an integer or a list of integers, got string');
    expect(() => rms(fb.ones(2), 0, 1 as never)).toThrow('keepdim must be a boolean, got number');
    expect(() => (rms as unknown as (x: Tensor, y: Tensor) => Tensor)(fb.ones(2), fb.ones(2))).toThrow(
      'too many arguments',
    );
    expect(() => dot(fb.ones(2), fb.ones(3))).toThrow(/must match the size|broadcast/);
  });
  test('of derivatives that cannot be had', () => {
    const long = fb.ones([5000], { requiresGrad: true });
    expect(() => horner(long).backward()).toThrow(
      /every one of the 5000 elements \(at most 4096\): give join, or backward/,
    );
  });
});
