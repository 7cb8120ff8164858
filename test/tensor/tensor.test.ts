// Properties, conversion, sharing memory with arrays, lifetime.
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';

describe('what a tensor is', () => {
  test('shape, strides, counts', () => {
    const t = fb.zeros(2, 3);
    expect([t.shape, t.stride(), t.numel(), t.ndim, t.length, t.size(-1), t.dtype, t.device]).toEqual([
      [2, 3],
      [3, 1],
      6,
      2,
      2,
      3,
      'float32',
      'cpu',
    ]);
    expect(t.T.shape).toEqual([3, 2]);
    expect(t.T.isContiguous()).toBe(false);
    expect(() => t.size(2)).toThrow('Dimension out of range (expected to be in range of [-2, 1], but got 2)');
    expect(() => fb.tensor(1).length).toThrow('len() of a 0-d tensor');
  });
  test('item, tolist, iteration', () => {
    expect(fb.tensor([[5]]).item()).toBe(5);
    expect(fb.tensor([true]).item()).toBe(true);
    expect(
      [
        ...fb.tensor([
          [1, 2],
          [3, 4],
        ]),
      ].map((r) => r.tolist()),
    ).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(() => fb.zeros(2).item()).toThrow();
    expect(fb.tensor([2n ** 60n]).tolist()).toEqual([2n ** 60n]);
    expect(
      fb
        .tensor([
          [1, 2],
          [3, 4],
        ])
        .T.tolist(),
    ).toEqual([
      [1, 3],
      [2, 4],
    ]);
    expect(Number(fb.tensor(2)) + 1).toBe(3);
  });
  test('conversion', () => {
    const t = fb.tensor([1.7, -1.7]);
    expect(t.to('float32')).toBe(t);
    expect(t.long().tolist()).toEqual([1, -1]);
    expect(t.double().dtype).toBe('float64');
    expect(t.to({ dtype: 'int32' }).dtype).toBe('int32');
    expect(t.half().dtype).toBe('float16');
    expect(fb.tensor([0, 2]).bool().tolist()).toEqual([false, true]);
    expect(() => t.cuda()).toThrow(/not available/);
    expect(() => t.to('gpu')).toThrow(/unknown device 'gpu'/);
  });
  test('max and min in their forms', () => {
    const t = fb.tensor([
      [1, 5],
      [7, 3],
    ]);
    expect(t.max().item()).toBe(7);
    const [values, indices] = t.max(1);
    expect([values.tolist(), indices.tolist(), t.max(1).values.tolist()]).toEqual([
      [5, 7],
      [1, 0],
      [5, 7],
    ]);
    expect(fb.min(t, 0).indices.tolist()).toEqual([0, 1]);
    expect(t.max(fb.full([2, 2], 4)).tolist()).toEqual([
      [4, 5],
      [7, 4],
    ]);
  });
  test('equal and allclose', () => {
    const a = fb.tensor([1, NaN]);
    expect([a.equal(a), fb.tensor([1]).equal(fb.tensor([1])), fb.ones(2).equal(fb.ones(3))]).toEqual([
      false,
      true,
      false,
    ]);
    expect([a.allclose(a), a.allclose(a, { equalNan: true }), fb.tensor([1]).allclose(fb.tensor([1 + 1e-6]))]).toEqual([
      false,
      true,
      true,
    ]);
  });
  test('prints like PyTorch', () => {
    const t = fb.tensor([1, 2], { requiresGrad: true });
    expect(inspect(t)).toBe('tensor([1., 2.], requires_grad=True)');
    expect(inspect(t.mul(2))).toBe('tensor([2., 4.], grad_fn=<MulBackward0>)');
    expect(String(fb.tensor(true))).toBe('tensor(True)');
  });
});

describe('arrays share memory', () => {
  test('numpy() and fromNumpy', () => {
    const a = fb.rand(3, 2);
    const nd = a.numpy();
    expect([nd.shape, nd.stride, nd.dtype]).toEqual([[3, 2], [2, 1], 'float32']);
    nd.set(1, 1, 42);
    expect(a.index(1, 1).item()).toBe(42);
    const c = fb.fromNumpy(nd);
    c.index(0, 0).fill_(-1);
    expect([a.index(0, 0).item(), nd.get(0, 0)]).toEqual([-1, -1]);
    a.fill_(5);
    expect(nd.get(2, 1)).toBe(5);
  });
  test('views keep strides and offsets', () => {
    const a = fb.arange(12).float().view(3, 4);
    const nd = a.index(fb.slice(1, 3), '1::2').numpy();
    expect([nd.shape, nd.get(0, 0), nd.get(1, 1)]).toEqual([[2, 2], 5, 11]);
    expect(fb.fromNumpy(nd.transpose(1, 0)).tolist()).toEqual([
      [5, 9],
      [7, 11],
    ]);
    expect(() => fb.fromNumpy(nd.step(-1, 1))).toThrow(/stride in the given array is negative/);
  });
  test('int64 is BigInt64Array; grad must be off', () => {
    expect(fb.arange(3).numpy().data).toBeInstanceOf(BigInt64Array);
    expect(() => fb.ones(2, { requiresGrad: true }).numpy()).toThrow(
      /Can't call numpy\(\) on Tensor that requires grad/,
    );
    expect(() => fb.ones(2).half().numpy()).toThrow(/float16/);
  });
  test('typed arrays share', () => {
    const data = new Float32Array([1, 2]);
    const t = fb.fromTypedArray(data);
    data[0] = 8;
    expect(t.tolist()).toEqual([8, 2]);
    t.fill_(3);
    expect([...data]).toEqual([3, 3]);
  });
});

describe('lifetime', () => {
  test('a disposed tensor says so', () => {
    const t = fb.ones(2);
    t.dispose();
    t.dispose();
    expect(t.isDisposed).toBe(true);
    expect(() => t.add(1)).toThrow(/disposed/);
    expect(inspect(t)).toBe('tensor(<disposed>)');
  });
  test('using disposes at the end of the block', () => {
    let seen: fb.Tensor;
    {
      using t = fb.ones(2);
      seen = t;
    }
    expect(seen.isDisposed).toBe(true);
  });
  test('tidy frees what is not returned or kept', () => {
    let inner!: fb.Tensor;
    let kept!: fb.Tensor;
    const { out } = fb.tidy(() => {
      inner = fb.ones(2);
      kept = fb.keep(inner.mul(3));
      return { out: inner.add(1) };
    });
    expect([inner.isDisposed, kept.isDisposed, out.tolist()]).toEqual([true, false, [2, 2]]);
    const nested = fb.tidy(() => fb.tidy(() => fb.ones(1)).add(1));
    expect(nested.item()).toBe(2);
    expect(() => fb.tidy(async () => fb.ones(1))).toThrow(/synchronous/);
  });
  test('assigning data swaps the values under a leaf', () => {
    const p = fb.ones(2, { requiresGrad: true });
    p.data = fb.tensor([3, 4], { dtype: 'float64' });
    expect([p.tolist(), p.dtype, p.requiresGrad, p.isLeaf]).toEqual([[3, 4], 'float64', true, true]);
    p.data.fill_(0);
    expect(p.tolist()).toEqual([0, 0]);
  });
});

describe('copies along dimensions', () => {
  test('repeat and where', () => {
    expect(fb.tensor([1, 2]).repeat(2, 2).tolist()).toEqual([
      [1, 2, 1, 2],
      [1, 2, 1, 2],
    ]);
    expect(
      fb
        .tensor([[1], [2]])
        .repeat([1, 3])
        .tolist(),
    ).toEqual([
      [1, 1, 1],
      [2, 2, 2],
    ]);
    const t = fb.tensor([1, 2], { requiresGrad: true });
    t.repeat(3).sum().backward();
    expect(t.grad!.tolist()).toEqual([3, 3]);
    expect(() => fb.ones(2, 2).repeat(2)).toThrow(/can not be smaller than number of dimensions/);
    expect(
      fb
        .tensor([1, -1])
        .where(fb.tensor([true, false]), 0)
        .tolist(),
    ).toEqual([1, 0]);
  });
});

describe('a number as the first operand', () => {
  test('has the dtype that it has in promotion', () => {
    expect(fb.pow(2, fb.tensor([1, 2, 3])).tolist()).toEqual([2, 4, 8]);
    expect(fb.sub(1, fb.tensor([3, 4], { dtype: 'uint8' })).tolist()).toEqual([254, 253]);
    expect(fb.mul(2, fb.tensor([true, false])).dtype).toBe('int64');
    expect(fb.mul(0.5, fb.tensor([2], { dtype: 'int16' })).dtype).toBe('float32');
    expect(fb.xlogy(0.1, fb.tensor([2], { dtype: 'float64' })).item()).toBe(0.1 * Math.log(2));
    expect(fb.remainder(7, fb.tensor([4, -4], { dtype: 'int32' })).tolist()).toEqual([3, -1]);
  });
  test('has the derivative of the other operand, and is no operand of comparisons', () => {
    const x = fb.tensor([1, 2], { requiresGrad: true });
    fb.div(6, x).sum().backward();
    expect(x.grad!.tolist()).toEqual([-6, -1.5]);
    expect(() => fb.pow(2, 3)).toThrow(/pow\(\) received an invalid combination of arguments - got \(number, number\)/);
    // @ts-expect-error PyTorch takes no number there
    expect(() => fb.eq(2, x)).toThrow(/expected a Tensor, got number/);
  });
});
