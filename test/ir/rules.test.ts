// Shape and dtype rules: PyTorch's results, symbolic where the sizes are.
import { describe, expect, test } from 'vitest';
import { toInput, type Operand } from '../../src/ir/build.js';
import { parseDim } from '../../src/ir/dim.js';
import type { Attr, DType, Value } from '../../src/ir/graph.js';
import { printType } from '../../src/ir/print.js';
import { infer } from '../../src/ir/rules.js';

let id = 0;
const t = (dtype: DType, ...shape: (number | string)[]): Value => ({
  id: id++,
  type: { dtype, shape: shape.map((d) => (typeof d === 'string' ? parseDim(d) : d)) },
});
const f = (...shape: (number | string)[]): Value => t('float32', ...shape);
const of = (op: string, inputs: Operand[], attrs: Record<string, Attr> = {}): string | null => {
  const r = infer(op, inputs.map(toInput), attrs);
  return r && r.map(printType).join(' ');
};

describe('dtypes', () => {
  test.each<[string, Operand[], string]>([
    ['add', [t('int32', 2), t('int64', 2)], 'int64[2]'],
    ['add', [t('int64', 2), 0.5], 'float32[2]'],
    ['add', [t('float16', 2), t('float32')], 'float16[2]'],
    ['add', [t('float16', 2), t('bfloat16', 2)], 'float32[2]'],
    ['add', [t('uint8', 2), t('int8', 2)], 'int16[2]'],
    ['add', [t('uint8', 2), 300], 'uint8[2]'],
    ['add', [t('bool', 2), 1], 'int64[2]'],
    ['mul', [t('int64', 2), t('float64')], 'float64[2]'],
    ['exp', [t('int64', 2)], 'float32[2]'],
    ['lt', [f(2), 3], 'bool[2]'],
    ['where', [t('bool', 2, 1), f(3), 0], 'float32[2, 3]'],
    ['sum', [t('int32', 2)], 'int64[]'],
    ['argmax', [f(2, 3)], 'int64[]'],
  ])('%s %#', (op, inputs, result) => expect(of(op, inputs)).toBe(result));
});

describe('shapes', () => {
  test.each<[string, Operand[], Record<string, Attr>, string]>([
    ['add', [f('s0', 1, 3), f(4, 1)], {}, 'float32[s0, 4, 3]'],
    ['view', [f('s0', 4, 2)], { size: [-1, 8] }, 'float32[s0, 8]'],
    ['view', [f(2, 'n', 6)], { size: [3, -1] }, 'float32[3, 4*n]'],
    ['permute', [f(2, 3, 4)], { dims: [2, 0, -2] }, 'float32[4, 2, 3]'],
    ['squeeze', [f(1, 2, 1)], { dim: null }, 'float32[2]'],
    ['squeeze', [f(1, 2, 1)], { dim: [0] }, 'float32[2, 1]'],
    ['expand', [f(1, 3)], { size: [2, 5, -1] }, 'float32[2, 5, 3]'],
    ['slice', [f(10)], { dim: 0, start: -4, end: 99, step: 3 }, 'float32[2]'],
    ['slice', [f('s0', 3)], { dim: 0, start: 1, end: null, step: 1 }, 'float32[s0-1, 3]'],
    ['select', [f(2, 's0')], { dim: 0, index: -1 }, 'float32[s0]'],
    ['diagonal', [f(3, 5)], { offset: 1, dim1: 0, dim2: 1 }, 'float32[3]'],
    ['mean', [f('s0', 3)], { dim: [-1], keepdim: true }, 'float32[s0, 1]'],
    ['maxDim', [f(2, 3)], { dim: 0, keepdim: false }, 'float32[3] int64[3]'],
    ['linear', [f('s0', 4), f(2, 4), f(2)], {}, 'float32[s0, 2]'],
    ['matmul', [f(5, 1, 2, 3), f(4, 3, 6)], {}, 'float32[5, 4, 2, 6]'],
    ['matmul', [f(3), f(3)], {}, 'float32[]'],
    [
      'convolution',
      [f('s0', 1, 28, 28), f(6, 1, 5, 5), null],
      { stride: [1, 1], padding: [2, 2], dilation: [1, 1], transposed: false, outputPadding: [0, 0], groups: 1 },
      'float32[s0, 6, 28, 28]',
    ],
    [
      'convolution',
      [f(2, 4, 5, 5), f(4, 3, 3, 3), null],
      { stride: [2, 2], padding: [1, 1], dilation: [1, 1], transposed: true, outputPadding: [1, 1], groups: 1 },
      'float32[2, 3, 10, 10]',
    ],
    [
      'maxPoolNd',
      [f(2, 3, 7, 7)],
      { kernelSize: [2, 2], stride: [2, 2], padding: [0, 0], dilation: [1, 1], ceilMode: true },
      'float32[2, 3, 4, 4] int64[2, 3, 4, 4]',
    ],
    ['cat', [[f(2, 3), f('s0', 3)]], { dim: 0 }, 'float32[s0+2, 3]'],
    ['embedding', [f(10, 4), t('int64', 's0', 2)], {}, 'float32[s0, 2, 4]'],
    ['topk', [f(2, 9)], { k: 3, dim: -1 }, 'float32[2, 3] int64[2, 3]'],
  ])('%s %#', (op, inputs, attrs, result) => expect(of(op, inputs, attrs)).toBe(result));
});

test.each<[string, Operand[], Record<string, Attr>, RegExp]>([
  [
    'add',
    [f(2, 3), f(2, 4)],
    {},
    /The size of tensor a \(3\) must match the size of tensor b \(4\) at non-singleton dimension 1/,
  ],
  ['mm', [f(2, 3), f(4, 5)], {}, /mat1 and mat2 shapes cannot be multiplied/],
  ['view', [f(2, 3)], { size: [4, 2] }, /shape '\[4, 2\]' is invalid for input of size 6/],
  ['expand', [f(2, 3)], { size: [2, 4] }, /The expanded size of the tensor \(4\) must match the existing size \(3\)/],
  ['permute', [f(2, 3)], { dims: [0, 0] }, /dim 0 appears multiple times/],
  ['mean', [t('int64', 3)], { dim: null }, /needs a floating-point tensor, got int64/],
  ['cat', [[f(2, 3), f(2, 4)]], { dim: 0 }, /Sizes of tensors must match except in dimension 0/],
])('%s refuses %#', (op, inputs, attrs, message) => expect(() => of(op, inputs, attrs)).toThrow(message));
