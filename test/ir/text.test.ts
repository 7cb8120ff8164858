// The textual form: what is printed is read back the same, ids, names and marks included; bad texts are refused with a place.
import { expect, test } from 'vitest';
import { GraphBuilder } from '../../src/ir/build.js';
import { parseGraph } from '../../src/ir/parse.js';
import { printGraph } from '../../src/ir/print.js';
import { sampleGraph } from './sample.js';

test('golden text', async () => {
  await expect(printGraph(sampleGraph())).toMatchFileSnapshot('../golden/sample.ir');
});

test('parse(print(g)) is g', () => {
  const g = sampleGraph();
  const again = parseGraph(printGraph(g));
  expect(again).toEqual(g);
  expect(printGraph(again)).toBe(printGraph(g));
});

test('numbers keep their kind and value', () => {
  const b = new GraphBuilder();
  const x = b.input('float64', [2]);
  for (const [value, float] of [
    [1, false],
    [1, true],
    [-0, true],
    [0.1, true],
    [1e21, false],
    [1e-7, true],
    [NaN, true],
    [Infinity, true],
    [-Infinity, true],
    [-3, false],
    [true, false],
  ] as const) {
    b.op('mul', [x, { kind: 'const', value, float }], {}, x.type);
  }
  b.nodes('hardtanh', [x], { minVal: -1.5, maxVal: Infinity });
  b.output(x);
  expect(parseGraph(printGraph(b.graph))).toEqual(b.graph);
});

test('strides, repeated arguments and empty graphs', () => {
  const b = new GraphBuilder();
  const x = b.input('float32', [2, 3], 'x');
  x.strides = [1, 2];
  b.graph.inputs.push(x);
  b.output(x);
  const text = printGraph(b.graph);
  expect(text).toBe('graph(%x#0: float32[2, 3] strides [1, 2], %x) {\n  return (%x)\n}\n');
  const again = parseGraph(text);
  expect(again).toEqual(b.graph);
  expect(again.inputs[1]).toBe(again.inputs[0]);
});

test.each([
  ['', "1:1: expected 'graph'"],
  ['graph(', '1:7: expected'],
  ['graph(%0: float99[2]) {\n return () }', "1:11: unknown dtype 'float99'"],
  ['graph(%0: float32[-2]) {\n return () }', '1:19: bad extent -2'],
  ['graph(%0: float32[2], %0: float32[2]) {\n return () }', 'value %0 is defined twice'],
  ['graph(%0: float32[2]) {\n  %1: float32[2] = relu(%7) {}\n  return (%1)\n}', '2:25: %7 is not defined here'],
  ['graph(%0: float32[2]) {\n  %1: float32[2] = relu(%1) {}\n  return (%1)\n}', '2:25: %1 is not defined here'],
  ['graph(%0: float32[2]) {\n  %1: float32[2] = relu(%0) {a=1, a=2}\n  return (%1)\n}', "attribute 'a' is given twice"],
  ['graph(%0: float32[2]) {\n  %1: float32[2] = relu(%0) {__proto__=1}\n  return (%1)\n}', 'given twice'],
  ['graph(%0: float32[2]) {\n  live $1 = 2\n  return (%0)\n}', 'numbered in order'],
  ['graph(%0: float32[2]) {\n  return (%0)\n} more', "unexpected 'more' after the graph"],
  ['graph(%0: float32[2]) {', 'expected'],
  ['graph(%99999999999: float32[2]) { return () }', 'expected an id'],
])('bad text %#', (text, message) => {
  expect(() => parseGraph(text)).toThrow(
    expect.objectContaining({
      code: 'ERR_FLAMBEAU_GRAPH',
      message: expect.stringContaining(message) as string,
    }) as Error,
  );
});
