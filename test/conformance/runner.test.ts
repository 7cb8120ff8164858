// The conformance runners themselves: a comparison that lets everything pass would make their numbers worthless.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import { camel, resolve, resolveMethod } from './calls.js';
import { compareNumbers, compareTiedIndices, type Defaults } from './compare.js';
import type { Decoder, Numbers, TensorValue } from './values.js';

const defaults: Defaults = { float32: { rtol: 1.3e-6, atol: 1e-5 } };
const compare = (got: Numbers, want: Numbers, dtype = 'float32', more: object = {}): void =>
  compareNumbers(got, want, dtype, { defaults, ...more }, 'output');
const f32 = (...x: number[]): Float32Array => Float32Array.from(x);

describe('comparison', () => {
  test('floats within the tolerance, NaN equal to NaN, infinities exact', () => {
    compare(f32(1.000001, NaN, Infinity), f32(1, NaN, Infinity));
    expect(() => compare(f32(1.001), f32(1))).toThrow('1 of 1 elements differ; element 0 is 1.00');
    expect(() => compare(f32(NaN), f32(1))).toThrow('differ');
    expect(() => compare(f32(1e30), f32(Infinity))).toThrow('differ');
    expect(() => compare(f32(-Infinity), f32(Infinity))).toThrow('differ');
  });
  test('a sample can raise the tolerance, never lower it; gradients further', () => {
    const tolerance = { rtol: 1e-2, gradRtol: 0.2 };
    compare(f32(1.005), f32(1), 'float32', { tolerance });
    expect(() => compare(f32(1.1), f32(1), 'float32', { tolerance })).toThrow('differ');
    compare(f32(1.1), f32(1), 'float32', { tolerance, gradient: true });
    compare(f32(1.000001), f32(1), 'float32', { tolerance: { rtol: 0 } });
  });
  test('integers exactly, masked elements not at all', () => {
    expect(() => compare(BigInt64Array.of(2n ** 53n + 1n), BigInt64Array.of(2n ** 53n), 'int64')).toThrow('differ');
    compare(f32(1, 9), f32(1, 2), 'float32', { mask: Uint8Array.of(1, 0) });
  });
  test('tied indices must lead to equal elements', () => {
    const source = { tensor: '0', shape: [3], dtype: 'float32' } as TensorValue;
    const want = { tensor: '1', shape: [], dtype: 'int64' } as TensorValue;
    const decoder = {
      numbers: (v: TensorValue) => (v.tensor === '0' ? f32(5, 1, 5) : BigInt64Array.of(0n)),
    } as unknown as Decoder;
    compareTiedIndices(fb.tensor(2, { dtype: 'int64' }), want, source, 0, false, decoder);
    expect(() => compareTiedIndices(fb.tensor(1, { dtype: 'int64' }), want, source, 0, false, decoder)).toThrow(
      'leads to 1, the recorded one to 5',
    );
  });
});

describe('calls', () => {
  const x = (): fb.Tensor => fb.tensor([1, 2, 3]);
  const run = (call: string, op: string, args: unknown[], kwargs: Record<string, unknown> = {}): fb.Tensor =>
    resolve(call, op)!({ input: x(), args, kwargs }) as fb.Tensor;

  test('names', () => {
    expect([camel('log_softmax'), camel('max_pool2d'), camel('add_'), camel('_x'), camel('index_put_')]).toEqual([
      'logSoftmax',
      'maxPool2d',
      'add_',
      '_x',
      'indexPut_',
    ]);
  });
  test('functions, methods, properties and lists', () => {
    expect(run('torch.add(input, *args, **kwargs)', 'add', [1], { alpha: 2 }).tolist()).toEqual([3, 4, 5]);
    expect(run('input.reshape(args[0])', 'reshape', [[3, 1]]).shape).toEqual([3, 1]);
    expect(run('input.T', 'T', []).shape).toEqual([3]);
    expect(run('torch.softmax(input, *args, **kwargs)', 'softmax', [], { dim: 0 }).shape).toEqual([3]);
    expect(run('input[args[0]]', '__getitem__', [[0]]).shape).toEqual([1]); // integers only: one index, a list
    expect(run('input[args[0]]', '__getitem__', [[fb.slice(0, 2), null]]).shape).toEqual([2, 1]); // a tuple
  });
  test('what the library lacks is not there', () => {
    // Names that no version of PyTorch has.
    expect(resolve('torch.special.no_such_op(input, *args, **kwargs)', 'special.no_such_op')).toBeNull();
    expect(resolve('input.no_such_property', 'no_such_property')).toBeNull();
    expect(resolve('input.clone().no_such_op_(args[0])', 'no_such_op_')).toBeNull();
    expect(resolveMethod('no_such_op', true)).toBeNull();
  });
});
