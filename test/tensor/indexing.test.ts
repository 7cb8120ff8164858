// x.index(...) and x.indexPut_(...) follow NumPy's and PyTorch's rules.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';

const x = (): fb.Tensor => fb.arange(24).view(2, 3, 4);

describe('basic items are views', () => {
  test('integers, slices, ellipsis, null', () => {
    expect(x().index(1, 2, 3).item()).toBe(23);
    expect(x().index(-1).shape).toEqual([3, 4]);
    expect(x().index(0, fb.slice(0, 2)).shape).toEqual([2, 4]);
    expect(x().index('...', 0).shape).toEqual([2, 3]);
    expect(x().index(null, '...', null).shape).toEqual([1, 2, 3, 4, 1]);
    expect(
      x()
        .index(0, 0, fb.slice(null, null, 2))
        .tolist(),
    ).toEqual([0, 2]);
    expect(x().index(0, 0, '1:3').tolist()).toEqual([1, 2]);
    expect(x().index(0, 0, '-2:').tolist()).toEqual([2, 3]);
  });
  test('writes through a view reach the base', () => {
    const t = x();
    t.index(0, 0).fill_(7);
    expect(t.index(0, 0).tolist()).toEqual([7, 7, 7, 7]);
  });
  test('errors', () => {
    expect(() => x().index(2)).toThrow('index 2 is out of bounds for dimension 0 with size 2');
    expect(() => x().index(0, 0, 0, 0)).toThrow('too many indices for tensor of dimension 3');
    expect(() => x().index(0.5)).toThrow(/tensor indices must be integers/);
    expect(() => x().index('...', '...')).toThrow(/single ellipsis/);
    expect(() => x().index('a')).toThrow(/cannot index with 'a'/);
    expect(() => fb.tensor(1).index(0)).toThrow(/invalid index of a 0-dim tensor/);
    expect(() => x().index(fb.tensor([0.5]))).toThrow(/must be long, int, byte or bool tensors/);
    expect(() => x().index(fb.tensor([true, false, true]))).toThrow(
      /shape of the mask \[3\] at index 0 does not match/,
    );
    expect(() => fb.slice(0, 2, 0)).toThrow(/slice step must be positive/);
  });
});

describe('index tensors', () => {
  test('one condition adds a dimension', () => {
    const t = fb.arange(6).reshape(2, 3);
    const [yes, no] = [fb.tensor(true), fb.tensor(false)];
    expect(t.index(yes).tolist()).toEqual([t.tolist()]);
    const shapes = [
      t.index(no),
      t.index(0, yes),
      t.index(yes, fb.tensor([0, 1], { dtype: 'int64' })),
      t.index(':', no),
    ];
    expect(shapes.map((r) => r.shape)).toEqual([[0, 2, 3], [1, 3], [2, 3], [2, 0, 3]]); // prettier-ignore
  });
  test('lists and tensors gather', () => {
    expect(x().index([1, 0]).shape).toEqual([2, 3, 4]);
    expect(x().index([1, 0], [2, 0]).tolist()).toEqual([
      [20, 21, 22, 23],
      [0, 1, 2, 3],
    ]);
    expect(x().index([0, 1], fb.slice(), [3, 0]).tolist()).toEqual([
      [3, 7, 11],
      [12, 16, 20],
    ]);
    expect(x().index(fb.tensor([[0, 1]], { dtype: 'int64' })).shape).toEqual([1, 2, 3, 4]);
  });
  test('masks select', () => {
    const t = fb.tensor([
      [1, -2],
      [-3, 4],
    ]);
    expect(t.index(t.gt(0)).tolist()).toEqual([1, 4]);
    expect(t.index([true, false]).tolist()).toEqual([[1, -2]]);
    expect(t.index(fb.slice(), [false, true]).tolist()).toEqual([[-2], [4]]);
  });
  test('gradients flow through', () => {
    const t = fb.tensor([1, 2, 3], { requiresGrad: true });
    t.index([0, 0, 2]).sum().backward();
    expect(t.grad!.tolist()).toEqual([2, 0, 1]);
  });
});

describe('assignment', () => {
  test('masks, slices, rows, accumulation', () => {
    const t = fb.tensor([0.2, 0.7, 0.9]);
    t.indexPut_([t.gt(0.5)], 0);
    expect(t.tolist()).toSatisfy((v: number[]) => Math.abs(v[0]! - 0.2) < 1e-6 && v[1] === 0 && v[2] === 0);
    const m = fb.zeros(2, 3);
    m.indexPut_([0], fb.tensor([1, 2, 3]));
    m.indexPut_([fb.slice(), 1], 9);
    expect(m.tolist()).toEqual([
      [1, 9, 3],
      [0, 9, 0],
    ]);
    const c = fb.zeros(3);
    c.indexPut_([[0, 0, 2]], fb.tensor([1, 1, 1]), { accumulate: true });
    expect(c.tolist()).toEqual([2, 0, 1]);
  });
  test('shapes that do not broadcast throw', () => {
    expect(() => fb.zeros(3).indexPut_([fb.slice()], fb.ones(2))).toThrow();
  });
});

describe('masks that are filled with one number', () => {
  test('behind an ellipsis, between other items, over several dimensions', () => {
    const a = x().float();
    a.indexPut_([a.gt(10)], 0);
    expect(a.sum().item()).toBe(55);
    const b = x();
    b.indexPut_(['...', fb.tensor([true, false, false, true])], -1);
    expect(b.index(1, 2).tolist()).toEqual([-1, 21, 22, -1]);
    const c = x();
    c.indexPut_([0, fb.tensor([true, false, true])], 7);
    expect(c.index(0, ':', 0).tolist()).toEqual([7, 4, 7]);
    const d = x();
    const plane = fb.tensor([
      [true, false, false],
      [false, false, true],
    ]);
    d.indexPut_([plane, null, fb.slice(1, 3)], fb.tensor(5));
    expect(d.index(1, 2).tolist()).toEqual([20, 5, 5, 23]);
    expect(() => x().indexPut_([fb.tensor([true, false, true])], 1)).toThrow(
      'The shape of the mask [3] at index 0 does not match the shape of the indexed tensor [2, 3, 4] at index 0',
    );
  });
  test('gradients stop where the number was written', () => {
    const leaf = fb.ones(3, { requiresGrad: true });
    const y = leaf.mul(2);
    y.indexPut_([fb.tensor([true, false, true])], 0);
    y.sum().backward();
    expect(leaf.grad!.tolist()).toEqual([0, 2, 0]);
  });
});

test('scatter joins with what is there when asked to', () => {
  const index = fb.LongTensor([0, 0, 1]);
  const src = fb.tensor([2, 3, 4]);
  expect(fb.ones(2).scatter(0, index, src, { reduce: 'multiply' }).tolist()).toEqual([6, 4]);
  expect(fb.ones(2).scatter_(0, index, 5, { reduce: 'add' }).tolist()).toEqual([11, 6]);
  expect(fb.scatterReduce(fb.ones(3), 0, index, src, 'amax', { includeSelf: false }).tolist()).toEqual([3, 4, 1]);
  expect(() => fb.ones(2).scatter(0, index, src, { reduce: 'mean' })).toThrow(
    'reduce argument must be either add or multiply.',
  );
});

test('an index smaller than the source: the rest of the source gets no gradient', () => {
  const src = fb.ones(2, 3, { requiresGrad: true });
  fb.zeros(4, 3)
    .scatterAdd(0, fb.LongTensor([[3, 3]]), src)
    .sum()
    .backward();
  expect(src.grad!.tolist()).toEqual([
    [1, 1, 0],
    [0, 0, 0],
  ]);
});
