// The builder alone: bodies of If and Loop, operators and dtypes by operator set.
import { expect, test } from 'vitest';
import { OnnxBuilder } from '../../src/onnx/builder.js';
import { OnnxExportError } from '../../src/onnx/types.js';
import { firstOpset, OPSETS, takesType, widerType } from '../../src/onnx/versions.js';
import { decode, run } from './graphs.js';

const info = { graphName: 'g', producer: { name: 'test', version: '0' } };
const float = (shape: number[] = []) => ({ dtype: 'float32', shape }) as const;
const int64 = { dtype: 'int64', shape: [] } as const;
const bool = { dtype: 'bool', shape: [] } as const;

test('If: bodies use values from around them, results have names of their own', async () => {
  const b = new OnnxBuilder(17, new Map());
  b.reserve('x', 'input');
  b.reserve('c', 'input');
  const x = b.input('x', float([2]));
  const c = b.input('c', bool);
  const twice = b.subgraph('then', [], () => [b.op('Add', [x, x], float([2]))]);
  const same = b.subgraph('else', [], () => [x]);
  const y = b.op('If', [c], float([2]), { then_branch: twice, else_branch: same });
  b.name(y, 'y', true);
  b.output('y', y.type);
  const { bytes } = b.encode(info);
  const feed = (flag: number) => ({
    x: { dims: [2], data: [1, 3] },
    c: { dims: [], data: [flag], dtype: 'bool' as const },
  });
  expect((await run(bytes, feed(1))).y!.data).toEqual([2, 6]);
  expect((await run(bytes, feed(0))).y!.data).toEqual([1, 3]);
});

test('Loop: carried values, a count from outside, a constant inside', async () => {
  const b = new OnnxBuilder(17, new Map());
  b.reserve('n', 'input');
  const n = b.input('n', int64);
  const body = b.subgraph(
    'body',
    [
      { name: 'i', type: int64 },
      { name: 'going', type: bool },
      { name: 'sum', type: int64 },
    ],
    ([i, going, sum]) => [going!, b.op('Add', [b.op('Mul', [i!, b.scalar(2, 'int64')], int64), sum!], int64)],
  );
  const y = b.op('Loop', [n, b.scalar(true, 'bool'), b.scalar(10, 'int64')], int64, { body });
  b.name(y, 'y', true);
  b.output('y', y.type);
  const { bytes } = b.encode(info);
  expect((await run(bytes, { n: { dims: [], data: [4], dtype: 'int64' } })).y!.data).toEqual([
    10 + 2 * (0 + 1 + 2 + 3),
  ]);
  // The constant that only the body reads is kept.
  expect(decode(bytes).graph!.initializer).toHaveLength(3);
});

test('an operator that the opset lacks is refused with the opset that has it', () => {
  const b = new OnnxBuilder(17, new Map());
  const x = b.input('x', float([2]));
  expect(() => b.op('Gelu', [x], x.type)).toThrow(OnnxExportError);
  expect(() => b.op('Gelu', [x], x.type)).toThrow('operator Gelu comes with opset 20, this is 17');
  expect(OPSETS).toEqual([13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]);
  expect(firstOpset('Add')).toBe(13);
});

test('dtypes that an operator does not take are computed in a wider one', () => {
  expect(widerType('Add', 'int8', 13)).toBe('int32');
  expect(widerType('Add', 'int8', 14)).toBeNull();
  expect(widerType('Sin', 'bfloat16', 17)).toBe('float32');
  expect(widerType('Sin', 'bfloat16', 22)).toBeNull();
  expect(widerType('Conv', 'int64', 17)).toBe('float64');
  expect(takesType('Celu', 'float64', 17)).toBe(false);
  const b = new OnnxBuilder(13, new Map());
  const x = b.input('x', { dtype: 'int8', shape: [2] });
  const y = b.op('Add', [x, x], x.type);
  b.output(y.name, y.type);
  const nodes = decode(b.encode(info).bytes).graph!.node;
  expect(nodes.map((n) => n.opType)).toEqual(['Cast', 'Cast', 'Add', 'Cast']);
});
