// fb.kernel: values, broadcasting, promotion, derivatives, fusion, and the errors for what is not scalar.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

const swish = fb.kernel((x: fb.Scalar, beta: fb.Scalar) => x / (1 + Math.exp(-beta * x)));
const f64 = { dtype: 'float64' } as const;

const double = (v: fb.Scalar): fb.Scalar => 2 * v;

describe('values', () => {
  test('are those of the function, element by element, with numbers and broadcast tensors', () => {
    const x = fb.tensor([[-1, 0, 2]], f64);
    const beta = fb.tensor([[1], [0.5]], f64);
    const want = [1, 0.5].map((b) => [-1, 0, 2].map((v) => v / (1 + Math.exp(-b * v))));
    expect(swish(x, beta).allclose(fb.tensor(want, f64), { rtol: 1e-14 })).toBe(true);
    expect(swish(x, 1.5).shape).toEqual([1, 3]);
    expect(swish(fb.ones(2), 2).dtype).toBe('float32');
    expect(swish(fb.ones([2], { dtype: 'bfloat16' }), 0.1).dtype).toBe('bfloat16');
  });
  test('conditions, locals, helpers and several results', () => {
    const parts = fb.kernel(
      (x: fb.Scalar, low: fb.Scalar) => {
        const y = double(x);
        if (y < low) return [low, 0];
        return [Math.min(y, 10), 1];
      },
      { helpers: { double } },
    );
    const [clamped, inside] = parts(fb.tensor([-3, 1, 9]), -1) as [Tensor, Tensor];
    expect(clamped.tolist()).toEqual([-1, 2, 10]);
    expect(inside.tolist()).toEqual([0, 1, 1]);
    const constant = fb.kernel((_x: fb.Scalar) => 0.1);
    expect(constant(fb.zeros([2], f64)).tolist()).toEqual([0.1, 0.1]);
    const step = fb.kernel((x: fb.Scalar) => (x > 0 ? 1 : 0.1));
    expect(step(fb.tensor([1, -1], f64)).tolist()).toEqual([1, 0.1]);
  });
  test('every scalar function of Math that has a tensor op', () => {
    const x = fb.tensor([0.3, 0.7], f64);
    for (const name of [
      'exp',
      'log',
      'sqrt',
      'tanh',
      'sin',
      'atan',
      'expm1',
      'log1p',
      'abs',
      'floor',
      'cosh',
    ] as const) {
      const k = fb.kernel(new Function('x', `return Math.${name}(x)`) as (x: number) => number);
      const got = k(x).tolist() as number[];
      expect(got[0]).toBeCloseTo(Math[name](0.3), 12);
    }
  });
});

describe('derivatives', () => {
  test('are derived, to second order', () => {
    const x = fb.tensor([-1.5, 0.2, 2], { ...f64, requiresGrad: true });
    const beta = fb.tensor([0.7], { ...f64, requiresGrad: true });
    expect(fb.autograd.gradcheck((a: Tensor, b: Tensor) => swish(a, b), [x, beta])).toBe(true);
    expect(fb.autograd.gradgradcheck((a: Tensor, b: Tensor) => swish(a, b), [x, beta])).toBe(true);
    const both = fb.kernel((a: fb.Scalar, b: fb.Scalar) => [a * b, Math.sin(a) + b]);
    const sum = (a: Tensor, b: Tensor): Tensor => both(a, b).reduce((p, q) => p.mul(q));
    expect(fb.autograd.gradcheck(sum, [x, beta])).toBe(true);
    expect(fb.autograd.gradgradcheck(sum, [x, beta])).toBe(true);
  });
  test('are the given ones where they are given', () => {
    const clipped = fb.kernel((x: fb.Scalar, k: fb.Scalar) => x * k, {
      name: 'clipped',
      backward: { x: (g: number, _x: number, k: number, _out: number) => Math.max(-1, Math.min(1, g * k)) },
    });
    const x = fb.tensor([1, 2], { requiresGrad: true });
    clipped(x, 0.5)
      .mul(fb.tensor([10, 1]))
      .sum()
      .backward();
    expect(x.grad!.tolist()).toEqual([1, 0.5]);
    const polar = fb.kernel((r: fb.Scalar, a: fb.Scalar) => [r * Math.cos(a), r * Math.sin(a)], {
      name: 'polar',
      backward: {
        r: ([g, h]: [number, number], _r: number, a: number, [_x, _y]: [number, number]) =>
          g * Math.cos(a) + h * Math.sin(a),
        a: ([g, h]: [number, number], _r: number, _a: number, [u, v]: [number, number]) => h * u - g * v,
      },
    });
    const [r, a] = [fb.rand(4, { ...f64, requiresGrad: true }), fb.rand(4, { ...f64, requiresGrad: true })];
    const pair = (p: Tensor, q: Tensor): Tensor => polar(p, q).reduce((u, v) => u.mul(v));
    expect(fb.autograd.gradcheck(pair, [r, a])).toBe(true);
    expect(fb.autograd.gradgradcheck(pair, [r, a])).toBe(true);
    expect(() =>
      fb.kernel((x: number) => [x, x], { name: 'twice', backward: { x: (g: number, _x: number, _y: number) => g } }),
    ).toThrow(
      "twice: the derivative towards 'x' takes ([gradients], x, [results]) and gives one number; got (g, _x, _y)",
    );
    expect(() => fb.kernel((x: number) => x, { backward: { y: (g: number) => g } })).toThrow(
      /names 'y'.*no parameter \(x\)/,
    );
  });
});

test('becomes one kernel, alone and inside compile', async () => {
  const x = fb.randn(1000);
  while (!(await swish.ready())) swish(x, 1.25);
  expect(swish(x, 1.25).allclose(x.mul(x.mul(1.25).sigmoid()), { atol: 1e-6 })).toBe(true);
  const f = fb.compile((a: Tensor) => swish(a.add(1), 2).mul(3).relu());
  while (!(await f.ready())) f(x);
  const y = x.add(1);
  expect(f(x).allclose(y.mul(y.mul(2).sigmoid()).mul(3).relu(), { atol: 1e-5 })).toBe(true);
  expect(f.explain().graphs.at(-1)!.kernels).toBe(1);
});

test('errors say what is not scalar, with the code', () => {
  expect(() => fb.kernel((x: number) => console.log(x) as unknown as number)).toThrow(
    /only Math and scalar functions can be called\n {2}\| console\.log\(x\)/,
  );
  expect(() => fb.kernel((x: number) => x + outside)).toThrow(
    /'outside' is neither a parameter, a local nor a known constant/,
  );
  expect(() => swish(fb.ones(2), undefined as never)).toThrow(
    /argument beta must be a Tensor or a number, got undefined/,
  );
  expect(() => swish(1 as never, 2)).toThrow(/at least one argument must be a Tensor/);
  expect(() => (swish as unknown as (x: Tensor) => Tensor)(fb.ones(1))).toThrow(/takes 2 arguments \(x, beta\), got 1/);
});
const outside = Math.random();
