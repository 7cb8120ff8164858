// What PyTorch promises about order: ties, NaN, stability, the forms of overloaded functions, distinct elements.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';

describe('order', () => {
  test('sort is stable in both directions and puts NaN last ascending, first descending', () => {
    const x = fb.tensor([2, NaN, 1, 2, 1]);
    expect(x.sort().indices.tolist()).toEqual([2, 4, 0, 3, 1]);
    expect(x.sort({ descending: true }).indices.tolist()).toEqual([1, 0, 3, 2, 4]);
    expect(fb.tensor([true, false, true]).sort(0, true).indices.tolist()).toEqual([0, 2, 1]);
    expect(x.argsort().tolist()).toEqual([2, 4, 0, 3, 1]);
  });
  test('median is the lower one and NaN where there is one; nanmedian leaves NaN out', () => {
    expect(fb.tensor([4, 1, 3, 2]).median().item()).toBe(2);
    expect(fb.tensor([4, NaN, 3, 2]).median().item()).toBeNaN();
    expect(fb.tensor([4, NaN, 3, 2]).nanmedian().item()).toBe(3);
    const { values, indices } = fb
      .tensor([
        [4, 1, 3],
        [NaN, 1, 2],
      ])
      .median(1);
    expect([values.tolist(), indices.tolist()]).toEqual([
      [3, NaN],
      [2, 0],
    ]);
  });
  test('kthvalue counts from one; mode takes the smallest of the most frequent', () => {
    expect(fb.tensor([5, 1, 4]).kthvalue(2).values.item()).toBe(4);
    expect(() => fb.tensor([5, 1, 4]).kthvalue(4)).toThrow(/selected number k out of range for dimension 0/);
    expect(fb.tensor([3, 1, 3, 1, 2]).mode().values.item()).toBe(1);
  });
  test('the forms of max: all, along a dimension, against a tensor', () => {
    const x = fb.tensor([
      [1, 5],
      [7, 2],
    ]);
    expect(x.max().item()).toBe(7);
    expect(x.max(1).values.tolist()).toEqual([5, 7]);
    expect(x.max({ dim: 0, keepdim: true }).indices.tolist()).toEqual([[1, 0]]);
    expect(fb.max(x, fb.tensor(4)).tolist()).toEqual([
      [4, 5],
      [7, 4],
    ]);
    // @ts-expect-error no form takes a string
    expect(() => x.max('a')).toThrow(/fit none of its forms/);
  });
  test('the gradient of max and median over all is shared among equal elements', () => {
    const x = fb.tensor([1, 3, 3], { requiresGrad: true });
    x.max().backward();
    expect(x.grad!.tolist()).toEqual([0, 0.5, 0.5]);
  });
  test('unique: values, where they are, how often; along a dimension; neighbours only', () => {
    const x = fb.tensor(
      [
        [3, 1],
        [3, 2],
      ],
      { dtype: 'int64' },
    );
    const [values, inverse, counts] = x.unique({ returnInverse: true, returnCounts: true }) as fb.Tensor[];
    expect([values!.tolist(), inverse!.tolist(), counts!.tolist()]).toEqual([
      [1, 2, 3],
      [
        [2, 0],
        [2, 1],
      ],
      [1, 1, 2],
    ]);
    expect(
      fb
        .tensor([
          [1, 2],
          [1, 2],
          [0, 5],
        ])
        .unique({ dim: 0 })
        .tolist(),
    ).toEqual([
      [0, 5],
      [1, 2],
    ]);
    expect(fb.tensor([1, 1, 2, 1]).uniqueConsecutive().tolist()).toEqual([1, 2, 1]);
  });
  test('searchsorted: left and right, with a sorter, in rows; NaN goes to the end', () => {
    const edges = fb.tensor([1, 3, 5]);
    expect(fb.searchsorted(edges, fb.tensor([3, 0, 9, NaN])).tolist()).toEqual([1, 0, 3, 3]);
    expect(fb.searchsorted(edges, 3, { right: true }).item()).toBe(2);
    expect(fb.searchsorted(fb.tensor([5, 1, 3]), 4, { sorter: fb.tensor([1, 2, 0], { dtype: 'int64' }) }).item()).toBe(
      2,
    );
    expect(() => fb.searchsorted(edges, 3, { sorter: fb.tensor([1, 2, 7], { dtype: 'int64' }) })).toThrow(
      /sorter index out of range/,
    );
    expect(fb.bucketize(fb.tensor([0, 3, 4]), edges).tolist()).toEqual([0, 1, 2]);
  });
});

describe('statistics', () => {
  test('quantiles interpolate, keep dimensions, and are NaN where the row has NaN', () => {
    const x = fb.tensor([
      [1, 2, 3, 4],
      [4, NaN, 2, 1],
    ]);
    expect(x.quantile(fb.tensor([0, 0.5]), 1).tolist()).toEqual([
      [1, NaN],
      [2.5, NaN],
    ]);
    expect(x.nanquantile(0.5, 1).tolist()).toEqual([2.5, 2]);
    expect(x.quantile(0.5, 1, true, { interpolation: 'higher' }).tolist()).toEqual([[3], [NaN]]);
    expect(() => x.quantile(1.5)).toThrow(/q must be in the range \[0, 1\]/);
  });
  test('norm and std have zero gradients where they are zero', () => {
    const x = fb.zeros([3], { requiresGrad: true });
    x.norm().add(x.std()).backward();
    expect(x.grad!.tolist()).toEqual([0, 0, 0]);
  });
  test('histogram: the last edge belongs to the last bin; outside is left out; density integrates to one', () => {
    const x = fb.tensor([0, 0.5, 1, 2, -1]);
    const { hist, binEdges } = x.histogram(2, { range: [0, 1] });
    expect([hist.tolist(), binEdges.tolist()]).toEqual([
      [1, 2],
      [0, 0.5, 1],
    ]);
    const d = x.histogram(3, { density: true });
    expect(d.hist.mul(d.binEdges.diff()).sum().item()).toBeCloseTo(1, 6);
    expect(fb.histc(x, 2, 0, 1).tolist()).toEqual([1, 2]);
  });
  test('masked reductions see only what the mask selects', () => {
    const x = fb.tensor([1, 2, 3]);
    const mask = fb.tensor([true, false, true]);
    expect(fb.masked.sum(x, { mask }).item()).toBe(4);
    expect(fb.masked.mean(x, { mask }).item()).toBe(2);
    expect(fb.masked.amin(x, 0, { mask: mask.logicalNot() }).item()).toBe(2);
    expect(fb.masked.softmax(x, 0, { mask }).select(0, 1).item()).toBe(0);
  });
});
