// Functions of several forms: the arguments choose, by position or by name, in place and with `out`. The C++ overloads of the same
// declarations are called in test/native/overloads.cc.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';

const whole = (n: number): fb.Tensor => fb.tensor(n, { dtype: 'int64' });
const list = (t: fb.Tensor | readonly fb.Tensor[]): unknown => (t instanceof fb.Tensor ? t.toArray() : t.map(list));

test('a number, a list and a tensor choose the form of a split', () => {
  const x = fb.arange(5);
  expect(list(x.split(2))).toEqual([[0, 1], [2, 3], [4]]);
  expect(list(x.split([1, 4]))).toEqual([[0], [1, 2, 3, 4]]);
  expect(list(fb.split(x, { splitSize: 3 }))).toEqual([
    [0, 1, 2],
    [3, 4],
  ]);
  expect(list(fb.arange(4).view(2, 2).split(1, { dim: 1 }))).toEqual([
    [[0], [2]],
    [[1], [3]],
  ]);
  expect(list(x.tensorSplit(2))).toEqual([
    [0, 1, 2],
    [3, 4],
  ]);
  expect(list(x.tensorSplit([1, 3], 0))).toEqual([[0], [1, 2], [3, 4]]);
  expect(list(fb.tensorSplit(x, fb.LongTensor([4])))).toEqual([[0, 1, 2, 3], [4]]);
  expect(list(fb.tensorSplit(x, whole(5), { dim: 0 }))).toEqual([[0], [1], [2], [3], [4]]);
  expect(() => fb.tensorSplit(x, fb.tensor(2.5))).toThrow('to have dtype of long, but got Float');
  expect(list(fb.hsplit(x, [2]))).toEqual([
    [0, 1],
    [2, 3, 4],
  ]);
});

test('narrow starts at a number or at the one of a 0-d tensor, and stays a view', () => {
  const x = fb.zeros(4);
  x.narrow(0, whole(1), 2).fill_(7);
  expect(list(x)).toEqual([0, 7, 7, 0]);
  expect(list(fb.narrow(x, 0, -2, 1))).toEqual([7]);
  expect(() => x.narrow(0, fb.tensor([1]), 2)).toThrow('start must be an 0-dim integral Tensor.');
});

test('an option alone chooses the form, in place as well', () => {
  const x = fb.ones(3);
  const [at, src] = [fb.LongTensor([0, 0]), fb.tensor([2, 3])];
  expect(list(x.scatter(0, at, 4))).toEqual([4, 1, 1]);
  expect(list(x.scatter(0, at, src, { reduce: 'add' }))).toEqual([6, 1, 1]);
  expect(list(fb.scatter(x, 0, at, 2, { reduce: 'multiply' }))).toEqual([4, 1, 1]);
  expect(list(x.scatter(0, at, 4, { reduce: undefined as never }))).toEqual([4, 1, 1]);
  expect(x.scatter_(0, at, 5, { reduce: 'add' })).toBe(x);
  expect(list(x)).toEqual([11, 1, 1]);
  expect(list(x.scatter_(0, at, 0))).toEqual([0, 1, 1]);
  expect(() => x.scatter(0, at, 1, { reduce: 'min' })).toThrow('reduce argument must be either add or multiply.');
});

test('forms write into `out`, and unknown options fit none', () => {
  const x = fb.tensor([
    [1, 5],
    [7, 2],
  ]);
  const [values, indices] = [fb.empty(2), fb.empty(2, { dtype: 'int64' })];
  fb.max(x, 1, { out: [values, indices] });
  expect([list(values), list(indices)]).toEqual([
    [5, 7],
    [1, 0],
  ]);
  expect(list(fb.max(x, { dim: 0, keepdim: true }).values)).toEqual([[7, 5]]);
  expect(list(x.max(fb.tensor(4)))).toEqual([
    [4, 5],
    [7, 4],
  ]);
  const y = fb.empty(3);
  fb.scatter(fb.zeros(3), 0, fb.LongTensor([1]), 2, { out: y });
  expect(list(y)).toEqual([0, 2, 0]);
  // @ts-expect-error no form has that option
  expect(() => x.max(0, { keepDims: true })).toThrow(/max\(\): the arguments fit none of its forms: max\(dim: int/);
});

test('repeatInterleave and bernoulli', () => {
  expect(list(fb.repeatInterleave(fb.tensor([3, 4]), 2))).toEqual([3, 3, 4, 4]);
  expect(list(fb.tensor([3, 4]).repeatInterleave(fb.LongTensor([2, 1]), 0, { outputSize: 3 }))).toEqual([3, 3, 4]);
  expect(list(fb.bernoulli(fb.tensor([1, 0])))).toEqual([1, 0]);
  expect(list(fb.tensor([1, 0]).bernoulli(1))).toEqual([1, 1]);
});
