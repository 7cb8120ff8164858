// Methods that change a tensor object's own geometry, and the properties that say how it lies in memory.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';

describe('views in place', () => {
  test('the object becomes the view, other objects over the memory stay as they are', () => {
    const x = fb.arange(6).reshape(2, 3);
    const same = x.alias();
    expect(x.t_()).toBe(x);
    expect([x.shape, x.stride(), same.shape]).toEqual([
      [3, 2],
      [1, 3],
      [2, 3],
    ]);
    x.fill_(7);
    expect(same.tolist()).toEqual([
      [7, 7, 7],
      [7, 7, 7],
    ]);
    expect(x.unsqueeze_(0).squeeze_().transpose_(0, 1).shape).toEqual([2, 3]);
    expect(x.asStrided_([2], [3]).shape).toEqual([2]);
  });
  test('gradients flow through them; leaves that require grad refuse', () => {
    const leaf = fb.ones(2, 3, { requiresGrad: true });
    expect(() => leaf.t_()).toThrow('a leaf Variable that requires grad is being used in an in-place operation');
    const y = leaf.mul(2);
    y.t_();
    y.mul(fb.arange(6).reshape(3, 2).float()).sum().backward();
    expect(leaf.grad!.tolist()).toEqual([
      [0, 4, 8],
      [2, 6, 10],
    ]);
  });
});

describe('resize_ and set_', () => {
  test('resize_ keeps the elements in storage order and grows the storage where it must', () => {
    const x = fb.tensor([[1, 2, 3]]);
    expect(x.resize_(2).tolist()).toEqual([1, 2]);
    expect(x.resize_([3]).tolist()).toEqual([1, 2, 3]);
    const grown = x.resize_(2, 4);
    expect(grown.shape).toEqual([2, 4]);
    expect(grown.index(0, fb.slice(3)).tolist()).toEqual([1, 2, 3]);
    expect(() => fb.ones(2, { requiresGrad: true }).resize_(3)).toThrow('cannot resize variables that require grad');
  });
  test('set_ shares memory with its source', () => {
    const base = fb.arange(4).float();
    const x = fb.zeros(1);
    x.set_(base, 1, [2], [2]);
    expect(x.tolist()).toEqual([1, 3]);
    x.fill_(0);
    expect(base.tolist()).toEqual([0, 0, 2, 0]);
    expect(x.isSetTo(base.asStrided([2], [2], 1))).toBe(true);
  });
});

test('int parameters that PyTorch takes as tensors', () => {
  const x = fb.arange(5);
  expect(x.narrow(0, fb.tensor(2, { dtype: 'int64' }), 2).tolist()).toEqual([2, 3]);
  expect(fb.tensorSplit(x, fb.LongTensor([1, 3])).map((t) => t.shape[0])).toEqual([1, 2, 2]);
  expect(() => x.narrow(0, fb.tensor(2.5), 1)).toThrow('0-dim integral Tensor');
});

test('an element function sees every element in row-major order', () => {
  const x = fb.arange(4).reshape(2, 2).t();
  expect(x.map_(fb.tensor([10, 20], { dtype: 'int64' }), (a, b) => a + b).tolist()).toEqual([
    [10, 22],
    [11, 23],
  ]);
  expect(x.includes(22)).toBe(true);
  expect(x.includes(5)).toBe(false);
});
