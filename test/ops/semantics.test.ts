// Corners of PyTorch's semantics that its operator samples show; expected values are PyTorch 1.13's.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';

describe('ranges of whole numbers', () => {
  test.each([
    [
      [0, -8.000001, -4],
      [0, -4],
    ],
    [[-0.9, 2.1, 2], [0]],
    [
      [0, 3.1, 1],
      [0, 1, 2],
    ],
  ])('arange(%j) of int64 truncates its bounds first', (bounds, expected) => {
    expect(fb.arange(...bounds, { dtype: 'int64' } as never).tolist()).toEqual(expected);
  });
  test('a step that is none as a whole number', () => {
    expect(() => fb.arange(0, 4, 0.5, { dtype: 'int64' })).toThrow(/step must be nonzero/);
    expect(fb.arange(0, 1, 0.5).tolist()).toEqual([0, 0.5]);
  });
  test('logspace', () => {
    expect(fb.logspace(4.3, 2, 2, { base: 5, dtype: 'int16' }).tolist()).toEqual([625, 25]);
    expect(fb.logspace(4.3, 0, 2, { base: 5, dtype: 'bfloat16' }).tolist()).toEqual([1032, 1]);
    expect(fb.logspace(4.3, 0, 1, { base: 10, dtype: 'bfloat16' }).item()).toBe(19968);
  });
  test('linspace of bfloat16 rounds every step', () => {
    const x = fb.linspace(4.3, -3, 50, { dtype: 'bfloat16' }).tolist() as number[];
    expect([x[1], x[28], x[49]]).toEqual([4.15625, 0.125, -3]);
  });
});

describe('sums of integers are int64', () => {
  const x = fb.tensor([[1, 2, 3]], { dtype: 'int16' });
  test.each([
    ['einsum over one operand', () => fb.einsum('ij->i', x), 'int64'],
    ['einsum with a label of one operand alone', () => fb.einsum('ik,j->ij', x, x.squeeze()), 'int64'],
    ['einsum of a product', () => fb.einsum('ik,ik->i', x, x), 'int16'],
    ['sumToSize', () => x.sumToSize(1, 1), 'int64'],
    ['sumToSize of a scalar', () => x.index(0, 0).sumToSize(), 'int64'],
    ['sumToSize of the same size', () => x.sumToSize(1, 3), 'int16'],
  ] as const)('%s', (_, f, dtype) => {
    expect(f().dtype).toBe(dtype);
  });
});

test('two numbers', () => {
  expect([fb.add(2, 3), fb.mul(2, 1.5), fb.sub(1.5, 2), fb.div(1, 4), fb.add(true, 2)].map(String)).toEqual([
    'tensor(5)',
    'tensor(3.)',
    'tensor(-0.5000)',
    'tensor(0.2500)',
    'tensor(3)',
  ]);
  expect(() => fb.pow(2 as never, 3 as never)).toThrow(/one of them must be a Tensor/);
});

test('limits of gamma functions', () => {
  expect(fb.polygamma(1, fb.tensor([Infinity, 1])).tolist()).toEqual([0, Math.fround(Math.PI ** 2 / 6)]);
  const [a, x] = [
    fb.tensor([1e20, 1e20, 501, 1e9, 1e9], { dtype: 'float64' }),
    fb.tensor([1e20, 501, 1e20, 1e9, 1.0001e9], { dtype: 'float64' }),
  ];
  // Near x = a: 1/2 - 1 / (3 sqrt(2 pi a)).
  const q = fb.special.gammaincc(a, x).tolist() as number[];
  expect(q[0]).toBeCloseTo(0.5, 10);
  expect(q.slice(1, 3)).toEqual([1, 0]);
  expect(q[3]).toBeCloseTo(0.5 - 1 / (3 * Math.sqrt(2 * Math.PI * 1e9)), 12);
  expect(fb.special.gammainc(a, x).add(fb.special.gammaincc(a, x)).tolist()).toEqual([1, 1, 1, 1, 1]);
});

test.each([
  ['gather', (out: fb.Tensor, i: fb.Tensor) => fb.gather(out, 0, i, { out })],
  ['take', (out: fb.Tensor, i: fb.Tensor) => fb.take(out, i, { out })],
  ['indexSelect', (out: fb.Tensor, i: fb.Tensor) => fb.indexSelect(out, 0, i, { out })],
  ['maskedSelect', (out: fb.Tensor) => fb.maskedSelect(out, out.gt(0), { out })],
  ['kthvalue', (out: fb.Tensor) => fb.kthvalue(out, 2, { out: [out, fb.zeros([], { dtype: 'int64' })] })],
] as const)('%s refuses an out that lies in its operand', (_, f) => {
  const i = fb.tensor([2, 1, 0], { dtype: 'int64' });
  expect(() => f(fb.rand(6), i)).toThrow(/some elements of the input tensor and the written-to tensor/);
});
test('an out beside the operand in one storage is fine', () => {
  const x = fb.arange(6);
  fb.take(x.narrow(0, 0, 3), fb.tensor([2, 1, 0], { dtype: 'int64' }), { out: x.narrow(0, 3, 3) });
  expect(x.tolist()).toEqual([0, 1, 2, 2, 1, 0]);
});

test('trilIndices and triuIndices of sizes beyond memory answer at once', () => {
  expect(() => fb.trilIndices(2 ** 40, 5, -3)).toThrow("can't allocate memory");
  expect(() => fb.triuIndices(2 ** 53 - 1, 2 ** 53 - 1)).toThrow('does not fit in memory');
  expect(fb.triuIndices(2 ** 40, 2, 1).toArray()).toEqual([[0], [1]]);
  expect(fb.trilIndices(2 ** 40, 5, 1 - 2 ** 40).toArray()).toEqual([[2 ** 40 - 1], [0]]);
});

describe('integers divided by zero', () => {
  const x = fb.tensor([7, -7], { dtype: 'int32' });
  const zero = fb.tensor([2, 0], { dtype: 'int32' });
  const ops: Readonly<Record<string, (a: fb.Tensor, b: fb.Tensor | number) => fb.Tensor>> = {
    remainder: (a, b) => fb.remainder(a, b),
    fmod: (a, b) => fb.fmod(a, b),
    floorDivide: (a, b) => fb.floorDivide(a, b),
    'div floor': (a, b) => fb.div(a, b, { roundingMode: 'floor' }),
    'div trunc': (a, b) => fb.div(a, b, { roundingMode: 'trunc' }),
    remainder_: (a, b) => a.clone().remainder_(b),
    fmod_: (a, b) => a.clone().fmod_(b),
    'div_ trunc': (a, b) => a.clone().div_(b, { roundingMode: 'trunc' }),
  };
  test.each(Object.entries(ops))('%s', async (_, f) => {
    expect(() => f(x, zero)).toThrow(/^ZeroDivisionError$/);
    expect(() => f(x, 0)).toThrow(/^ZeroDivisionError$/);
    // No elements, no division; and floats divide by zero.
    expect(f(x.narrow(0, 0, 0), 0).numel()).toBe(0);
    expect(f(x.double(), zero).dtype).toBe('float64');
    const compiled = fb.compile((a: fb.Tensor, b: fb.Tensor) => f(a, b).add(1));
    let ready = false;
    for (let i = 0; i < 4 && !ready; i++) {
      expect(compiled(x, fb.full([2], 3, { dtype: 'int32' })).tolist()).toEqual(f(x, 3).add(1).tolist());
      ready = await compiled.ready();
    }
    expect(ready).toBe(true);
    expect(() => compiled(x, zero)).toThrow(/ZeroDivisionError/);
    expect(compiled(x, fb.full([2], 2, { dtype: 'int32' })).tolist()).toEqual(f(x, 2).add(1).tolist());
  });
});
