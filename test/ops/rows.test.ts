// Softmax, logSoftmax and layerNorm of eager calls are kernels over rows: values and gradients against the formulas in
// float64, and against the compositions that other layouts, recordings and second derivatives take.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';

const F = fb.nn.functional;
type Row = readonly number[];
const sum = (r: Row): number => r.reduce((a, b) => a + b, 0);

interface Case {
  readonly run: (x: fb.Tensor) => fb.Tensor;
  readonly forward: (x: Row) => number[];
  /** The gradient of a row for the gradient g of its result. */
  readonly backward: (x: Row, g: Row) => number[];
}
const softmaxOf = (x: Row): number[] => {
  const top = Math.max(...x);
  const e = x.map((v) => Math.exp(v - top));
  const all = sum(e);
  return e.map((v) => v / all);
};
const cases: Readonly<Record<string, Case>> = {
  softmax: {
    run: (x) => x.softmax(-1),
    forward: softmaxOf,
    backward: (x, g) => {
      const y = softmaxOf(x);
      const dot = sum(y.map((v, i) => v * g[i]!));
      return y.map((v, i) => v * (g[i]! - dot));
    },
  },
  logSoftmax: {
    run: (x) => x.logSoftmax(-1),
    forward: (x) => softmaxOf(x).map(Math.log),
    backward: (x, g) => {
      const all = sum(g);
      return softmaxOf(x).map((v, i) => g[i]! - v * all);
    },
  },
  layerNorm: {
    run: (x) => F.layerNorm(x, x.shape.slice(-1)),
    forward: (x) => {
      const mean = sum(x) / x.length;
      const rstd = 1 / Math.sqrt(sum(x.map((v) => (v - mean) ** 2)) / x.length + 1e-5);
      return x.map((v) => (v - mean) * rstd);
    },
    backward: (x, g) => {
      const mean = sum(x) / x.length;
      const rstd = 1 / Math.sqrt(sum(x.map((v) => (v - mean) ** 2)) / x.length + 1e-5);
      const n = x.map((v) => (v - mean) * rstd);
      const [level, slope] = [sum(g) / x.length, sum(n.map((v, i) => v * g[i]!)) / x.length];
      return n.map((v, i) => rstd * (g[i]! - level - v * slope));
    },
  },
};
const ROUNDING = { float64: 1e-12, float32: 3e-6, float16: 2e-3, bfloat16: 1.6e-2 } as const;

function expectClose(actual: fb.Tensor, expected: Row, rounding: number): void {
  const got = Array.from(actual.to('float64').contiguous().toTypedArray() as Float64Array);
  expect(got.length).toBe(expected.length);
  const worst = Math.max(...got.map((v, i) => Math.abs(v - expected[i]!) / (1 + Math.abs(expected[i]!))));
  expect(worst).toBeLessThan(rounding);
}
const rowsOf = (t: fb.Tensor): number[][] => t.to('float64').tolist() as number[][];

describe.each(Object.entries(cases))('%s', (_, c) => {
  // Whole vectors, tails, and a row of several blocks of its sums.
  test.each([1, 3, 16, 67, 1030, 9001])('rows of %i elements', (n) => {
    for (const dtype of Object.keys(ROUNDING) as (keyof typeof ROUNDING)[]) {
      fb.manualSeed(n);
      const x = fb.randn(3, n).mul(2).to(dtype).requiresGrad_();
      const g = fb.randn(3, n).to(dtype);
      const y = c.run(x);
      y.backward(g);
      const [xs, gs] = [rowsOf(x.detach()), rowsOf(g)];
      expectClose(y.detach(), xs.flatMap(c.forward), ROUNDING[dtype]);
      // 16-bit results are rounded before the gradient reads them.
      const scale = Math.max(1, ...gs.flat().map(Math.abs));
      expectClose(
        x.grad!,
        xs.flatMap((r, i) => c.backward(r, gs[i]!)),
        ROUNDING[dtype] * scale * 4,
      );
    }
  });
  test('results that are written past the cache are the same, rows of whole vectors or not', () => {
    for (const n of [1024, 1027]) {
      const x = fb.randn(4200, n);
      const y = c.run(x);
      for (const at of [0, 1, 2049, 4199])
        expect(y.narrow(0, at, 1).tolist()).toEqual(c.run(x.narrow(0, at, 1).clone()).tolist());
    }
  });
  test('two threads give the numbers of one', () => {
    const before = fb.getNumThreads();
    const x = fb.randn(300, 700, { requiresGrad: true });
    const both = [1, 2].map((threads) => {
      fb.setNumThreads(threads);
      x.grad = null;
      const y = c.run(x);
      y.mul(y).sum().backward();
      return [y.detach(), x.grad!] as const;
    });
    fb.setNumThreads(before);
    expect(both[0]!.map((t, i) => fb.equal(t, both[1]![i]!))).toEqual([true, true]);
  });
  test('rows that are not contiguous', () => {
    const x = fb.randn(50, 9);
    expect(fb.allclose(c.run(x.t()), c.run(x.t().contiguous()), { rtol: 1e-5, atol: 1e-6 })).toBe(true);
  });
  test('a NaN stays in its row', () => {
    const x = fb.randn(3, 40);
    x.select(0, 1).narrow(0, 7, 1).fill_(NaN);
    const y = c.run(x);
    expect(y.isnan().sum(1).tolist()).toEqual([0, 40, 0]);
  });
  test('second derivatives', () => {
    const x = fb.randn(2, 5, { dtype: 'float64', requiresGrad: true });
    expect(fb.autograd.gradgradcheck(c.run, [x])).toBe(true);
  });
  test('compiled', async () => {
    const x = fb.randn(6, 33, { requiresGrad: true });
    const f = (t: fb.Tensor): fb.Tensor => {
      const y = c.run(t);
      y.pow(3).sum().backward();
      return y;
    };
    const eager = f(x).detach();
    const grad = x.grad!;
    const step = fb.compile(f);
    for (let i = 0; i < 4; i++) {
      x.grad = null;
      expect(fb.allclose(step(x).detach(), eager, { rtol: 1e-5, atol: 1e-6 })).toBe(true);
      expect(fb.allclose(x.grad!, grad, { rtol: 1e-4, atol: 1e-5 })).toBe(true);
      await step.ready();
    }
  });
});

test('an infinity takes a row of softmax, minus infinity only its place', () => {
  const x = fb.tensor([
    [0, -Infinity, 0],
    [-Infinity, -Infinity, -Infinity],
    [0, Infinity, 0],
  ]);
  expect(x.softmax(-1).tolist()).toEqual([
    [0.5, 0, 0.5],
    [NaN, NaN, NaN],
    [NaN, NaN, NaN],
  ]);
});

describe('layerNorm with weight and bias', () => {
  const reference = (x: fb.Tensor, w: fb.Tensor | null, b: fb.Tensor | null, dims: number[]): fb.Tensor => {
    const c = x.sub(x.mean(dims, true));
    const y = c.mul(c.mul(c).mean(dims, true).add(1e-5).rsqrt());
    const z = w === null ? y : y.mul(w);
    return b === null ? z : z.add(b);
  };
  // Many rows: their sums are cut into blocks.
  test.each([
    [[7, 33], [33], true, true],
    [[3, 4, 5], [4, 5], true, false],
    [[2500, 18], [18], false, true],
    [[1, 64], [64], true, true],
  ])('%j over %j, weight %s, bias %s', (shape, normalized, weighted, biased) => {
    fb.manualSeed(3);
    const dims = normalized.map((_, i) => i - normalized.length);
    for (const dtype of ['float64', 'float32'] as const) {
      const make = (size: number[]): fb.Tensor => fb.randn(size, { dtype }).requiresGrad_();
      const [x, w, b] = [make(shape), weighted ? make(normalized) : null, biased ? make(normalized) : null];
      const g = fb.randn(shape, { dtype });
      const leaves = [x, w, b].filter((t) => t !== null);
      const ours = F.layerNorm(x, normalized, { weight: w, bias: b });
      expect(ours.gradFn!.name).toBe('NativeLayerNormBackward0');
      const grads = fb.autograd.grad([ours], leaves, { gradOutputs: [g] });
      const theirs = reference(x, w, b, dims);
      const expected = fb.autograd.grad([theirs], leaves, { gradOutputs: [g] });
      const close = { rtol: dtype === 'float64' ? 1e-9 : 1e-4, atol: dtype === 'float64' ? 1e-10 : 1e-4 };
      expect(fb.allclose(ours, theirs, close)).toBe(true);
      for (const [i, t] of grads.entries()) expect(fb.allclose(t!, expected[i]!, close)).toBe(true);
    }
  });
  test('the gradient of the weight alone', () => {
    const x = fb.randn(9, 6);
    const w = fb.ones(6, { requiresGrad: true });
    F.layerNorm(x, [6], { weight: w }).sum().backward();
    expect(fb.allclose(w.grad!, F.layerNorm(x, [6]).sum(0), { rtol: 1e-5, atol: 1e-5 })).toBe(true);
  });
});

test('layerNorm where some of its operands have gradients', () => {
  fb.manualSeed(12);
  for (let which = 1; which < 8; which++) {
    const all = [[3, 4], [4], [4]].map((shape, k) =>
      fb.randn(shape, { dtype: 'float64', requiresGrad: (which & (1 << k)) !== 0 }),
    );
    const f = (...given: fb.Tensor[]): fb.Tensor => {
      const [x, w, b] = all.map((t) => (t.requiresGrad ? given.shift()! : t));
      return F.layerNorm(x!, [4], w!, b!);
    };
    expect(
      fb.autograd.gradcheck(
        f,
        all.filter((t) => t.requiresGrad),
      ),
    ).toBe(true);
  }
});
