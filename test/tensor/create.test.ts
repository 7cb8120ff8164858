// Making tensors: dtypes, shapes, options, errors.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';

describe('from data', () => {
  test('numbers become the default dtype, booleans bool, bigints int64', () => {
    expect(fb.tensor([1, 2]).dtype).toBe('float32');
    expect(fb.tensor([true, false]).dtype).toBe('bool');
    expect(fb.tensor([1n, 2n]).dtype).toBe('int64');
    expect(fb.tensor(3).shape).toEqual([]);
    expect(fb.tensor([]).shape).toEqual([0]);
    expect(fb.tensor([[], []]).shape).toEqual([2, 0]);
  });
  test('nested arrays give their shape back', () => {
    const data = [[[1, 2, 3]], [[4, 5, 6]]];
    const t = fb.tensor(data);
    expect(t.shape).toEqual([2, 1, 3]);
    expect(t.tolist()).toEqual(data);
  });
  test('every dtype holds values', () => {
    for (const dtype of fb.DTYPES) {
      const t = fb.tensor([0, 1, 1], { dtype });
      expect(t.dtype).toBe(dtype);
      expect(t.double().tolist()).toEqual([0, 1, 1]);
    }
  });
  test('typed arrays keep their dtype and are copied', () => {
    const a = new Int32Array([1, 2]);
    const t = fb.tensor(a);
    a[0] = 9;
    expect([t.dtype, t.tolist()]).toEqual(['int32', [1, 2]]);
  });
  test('errors', () => {
    expect(() => fb.tensor([[1, 2], [3]])).toThrow('expected sequence of length 2 at dim 1 (got 1)');
    expect(() => fb.tensor(['a'] as never)).toThrow(/cannot make an element from string/);
    expect(() => fb.tensor([1], { dtype: 'float31' as never })).toThrow(/unknown dtype 'float31'/);
    expect(() => fb.tensor([NaN], { dtype: 'int64' })).toThrow(/cannot convert NaN to int64/);
    expect(() => fb.tensor([1], { device: 'cuda' })).toThrow(/'cuda' is not available/);
    expect(() => fb.zeros(2, -1)).toThrow(/negative dimension -1/);
    expect(() => fb.zeros(NaN)).toThrow(/sizes must be integers, got NaN/);
    expect(() => fb.zeros(1.5)).toThrow(/sizes must be integers/);
    try {
      fb.zeros(-1);
    } catch (e) {
      expect((e as fb.FlambeauError).code).toBe('ERR_FLAMBEAU_SHAPE');
    }
  });
});

describe('filled and ranges', () => {
  test('shape as arguments or as one array, options last', () => {
    expect(fb.zeros(2, 3).shape).toEqual([2, 3]);
    expect(fb.ones([2, 3], { dtype: 'int64' }).tolist()).toEqual([
      [1, 1, 1],
      [1, 1, 1],
    ]);
    expect(fb.zeros(2, { dtype: 'bool' }).tolist()).toEqual([false, false]);
    expect(fb.zeros([]).item()).toBe(0);
    expect(fb.randn(5, 5, { requiresGrad: true }).requiresGrad).toBe(true);
    expect(fb.full([2], 7).tolist()).toEqual([7, 7]);
    expect(fb.eye(2, 3).tolist()).toEqual([
      [1, 0, 0],
      [0, 1, 0],
    ]);
  });
  test('arange is int64 for integers, as in PyTorch', () => {
    expect([fb.arange(3).dtype, fb.arange(0, 1, 0.25).dtype]).toEqual(['int64', 'float32']);
    expect(fb.arange(5, 1, -2).tolist()).toEqual([5, 3]);
    expect(fb.linspace(0, 1, 5).tolist()).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(fb.logspace(0, 2, 3).tolist()).toEqual([1, 10, 100]);
    expect(() => fb.arange(0, 1, 0)).toThrow('step must be nonzero');
  });
  test('like another tensor', () => {
    const t = fb.ones(2, 2, { dtype: 'float64' });
    expect([fb.zerosLike(t).dtype, fb.onesLike(t, { dtype: 'int32' }).dtype]).toEqual(['float64', 'int32']);
    expect(t.newZeros(3).dtype).toBe('float64');
  });
  test('the legacy constructors', () => {
    expect(fb.FloatTensor([1, 2]).tolist()).toEqual([1, 2]);
    expect([fb.LongTensor([1, 2]).dtype, fb.DoubleTensor(2, 3).shape]).toEqual(['int64', [2, 3]]);
  });
  test('the default dtype can be changed', () => {
    fb.setDefaultDtype('float64');
    try {
      expect([fb.tensor([1]).dtype, fb.zeros(1).dtype, fb.rand(1).dtype]).toEqual(['float64', 'float64', 'float64']);
    } finally {
      fb.setDefaultDtype('float32');
    }
    expect(() => fb.setDefaultDtype('int64')).toThrow(/only floating-point types/);
  });
});

describe('random', () => {
  test("one seed gives PyTorch's numbers", () => {
    fb.manualSeed(1);
    const a = fb.rand(3, 2).tolist() as number[][];
    expect(a[0]![0]).toBeCloseTo(0.7576315999, 9);
    expect(a[2]![1]).toBeCloseTo(0.7998586297, 9);
    expect(fb.randn(5).tolist()).toSatisfy((v: number[]) => Math.abs(v[0]! - 0.5635511875) < 1e-6);
  });
  test('generators have streams of their own', () => {
    const g = new fb.Generator().manualSeed(5);
    const a = fb.rand(4, { generator: g });
    fb.rand(100);
    const state = g.getState();
    const b = fb.rand(4, { generator: g });
    g.setState(state);
    expect(fb.rand(4, { generator: g }).equal(b)).toBe(true);
    g.manualSeed(5);
    expect(fb.rand(4, { generator: g }).equal(a)).toBe(true);
    expect(g.initialSeed()).toBe(5n);
  });
  test('forkRng restores the stream', () => {
    fb.manualSeed(3);
    const a = fb.rand(2);
    fb.manualSeed(3);
    fb.random.forkRng(() => fb.rand(100));
    expect(fb.rand(2).equal(a)).toBe(true);
  });
  test('randint and randperm', () => {
    const r = fb.randint(3, 7, [100]).tolist() as number[];
    expect(r.every((v) => v >= 3 && v < 7)).toBe(true);
    expect((fb.randperm(50).tolist() as number[]).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 50 }, (_, i) => i),
    );
    expect(() => fb.randint(5, 5, [1])).toThrow(/'from' to be less than 'to'/);
  });
});
