// The printed text of tensors equals PyTorch's (texts below were printed by PyTorch 1.13).
import { afterEach, describe, expect, test } from 'vitest';
import { fixed, scientific, setPrintOptions, tensorToString, type Printable } from '../../src/tensor/print.js';

const text = (shape: number[], values: (number | bigint)[], extra: Partial<Printable> = {}): string =>
  tensorToString({
    shape,
    values,
    dtype: 'float32',
    floating: true,
    defaultDtype: 'float32',
    gradFn: null,
    requiresGrad: false,
    ...extra,
  });
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

afterEach(() => setPrintOptions({ profile: 'default' }));

describe('numbers', () => {
  test('halves round to even, as in C and Python', () => {
    expect([fixed(0.03125, 4), fixed(0.09375, 4), fixed(2.5, 0), fixed(-0.03125, 4)]).toEqual([
      '0.0312',
      '0.0938',
      '2',
      '-0.0312',
    ]);
    expect([scientific(1.03125, 4), scientific(1.09375, 4), scientific(2.5, 0)]).toEqual([
      '1.0312e+00',
      '1.0938e+00',
      '2e+00',
    ]);
  });
  test('zeros keep their sign, exponents have two digits', () => {
    expect([fixed(-0, 4), fixed(0, 4), scientific(1e-5, 4), scientific(-1e100, 2)]).toEqual([
      '-0.0000',
      '0.0000',
      '1.0000e-05',
      '-1.00e+100',
    ]);
  });
});

describe('layout', () => {
  test('a matrix of signed values', () => {
    expect(text([2, 2], [0.7576, 0.2793, 0.4, -1])).toBe('tensor([[ 0.7576,  0.2793],\n        [ 0.4000, -1.0000]])');
  });
  test('whole floats print with a point', () => {
    expect(text([2], [1, 2])).toBe('tensor([1., 2.])');
    expect(text([], [1])).toBe('tensor(1.)');
  });
  test('blocks of three dimensions are separated by an empty line', () => {
    expect(text([2, 2, 2], range(8))).toBe(
      'tensor([[[0., 1.],\n         [2., 3.]],\n\n        [[4., 5.],\n         [6., 7.]]])',
    );
  });
  test('long vectors break at 80 columns', () => {
    const lines = text(
      [40],
      range(40).map((i) => i / 3),
    ).split('\n');
    expect(lines[0]).toBe('tensor([ 0.0000,  0.3333,  0.6667,  1.0000,  1.3333,  1.6667,  2.0000,  2.3333,');
    expect(lines.every((l) => l.length <= 80)).toBe(true);
  });
  test('more than 1000 elements are summarised', () => {
    expect(text([1001], range(1001))).toBe('tensor([   0.,    1.,    2.,  ...,  998.,  999., 1000.])');
    expect(text([1001], range(1001).map(BigInt), { dtype: 'int64', floating: false })).toBe(
      'tensor([   0,    1,    2,  ...,  998,  999, 1000])',
    );
    expect(
      text(
        [1200, 1],
        range(1200).map(() => 1),
      ).split('\n'),
    ).toEqual([
      'tensor([[1.],',
      '        [1.],',
      '        [1.],',
      '        ...,',
      '        [1.],',
      '        [1.],',
      '        [1.]])',
    ]);
  });
});

describe('notation', () => {
  test('a ratio above 1000 or values above 1e8 switch to scientific', () => {
    expect(text([2], [1, 2000])).toBe('tensor([1.0000e+00, 2.0000e+03])');
    expect(text([2], [1e9, 2e9])).toBe('tensor([1.0000e+09, 2.0000e+09])');
    expect(text([2], [0.00001, 0.00002])).toBe('tensor([1.0000e-05, 2.0000e-05])');
  });
  test('infinities and NaN', () => {
    expect(text([3], [NaN, Infinity, -1])).toBe('tensor([nan, inf, -1.])');
    expect(text([3], [NaN, -Infinity, 0.5])).toBe('tensor([   nan,   -inf, 0.5000])');
  });
  test('booleans and integers', () => {
    expect(text([2], [0, 1], { dtype: 'bool', floating: false })).toBe('tensor([False,  True])');
    expect(text([2], [-1n, 10n], { dtype: 'int64', floating: false })).toBe('tensor([-1, 10])');
  });
  test('options', () => {
    setPrintOptions({ precision: 2 });
    expect(text([1], [0.12345])).toBe('tensor([0.12])');
    setPrintOptions({ profile: 'default', sciMode: true });
    expect(text([1], [0.5])).toBe('tensor([5.0000e-01])');
  });
});

describe('suffixes', () => {
  test('dtype, grad_fn, requires_grad', () => {
    expect(text([1], [1], { dtype: 'float64' })).toBe('tensor([1.], dtype=torch.float64)');
    expect(text([1], [1], { requiresGrad: true })).toBe('tensor([1.], requires_grad=True)');
    expect(text([1], [1], { requiresGrad: true, gradFn: 'MulBackward0' })).toBe('tensor([1.], grad_fn=<MulBackward0>)');
  });
  test('a suffix that does not fit goes to a new line', () => {
    expect(
      text(
        [2, 8],
        range(16).map((i) => i + 0.5),
        { gradFn: 'AddmmBackward0', dtype: 'float64' },
      )
        .split('\n')
        .at(-1),
    ).toBe('       dtype=torch.float64, grad_fn=<AddmmBackward0>)');
  });
  test('empty tensors', () => {
    expect(text([0], [])).toBe('tensor([])');
    expect(text([2, 0], [], { dtype: 'float64' })).toBe('tensor([], size=(2, 0), dtype=torch.float64)');
    expect(text([0], [], { dtype: 'int64', floating: false })).toBe('tensor([], dtype=torch.int64)');
  });
});
