// Traces become graphs; two traces at different sizes become one symbolic graph, or an error that names the node.
import { describe, expect, test } from 'vitest';
import { fromTrace } from '../../src/frontend/trace/from_trace.js';
import type { TraceJson } from '../../src/frontend/trace/format.js';
import { unify, UnifyError } from '../../src/frontend/trace/unify.js';
import { printGraph } from '../../src/ir/print.js';
import { verify } from '../../src/ir/verify.js';

const contiguous = (shape: number[]): number[] => shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
const v = (...shape: number[]): { dtype: string; shape: number[]; strides: number[] } => ({
  dtype: 'float32',
  shape,
  strides: contiguous(shape),
});

/** x: [n, 4] → relu(linear(x)) flattened, and an update of the weight. */
function trace(
  n: number,
  change: (t: { -readonly [K in keyof TraceJson]: TraceJson[K] }) => void = () => undefined,
): TraceJson {
  const t = {
    version: 1 as const,
    values: [v(n, 4), v(2, 4), v(n, 2), v(n, 2), v(2 * n), v(2, 4)],
    inputs: [0],
    captures: [1],
    nodes: [
      { op: 'linear', in: [0, 1, null], attrs: {}, out: [2], site: 'net.ts:3:7', scope: 'fc', region: 0 },
      { op: 'relu', in: [2], attrs: {}, out: [3], region: null },
      { op: 'view', in: [3], attrs: { size: [2 * n] }, out: [4] },
      { op: 'mul', in: [1, { live: 0, c: 0.5 }], attrs: {}, out: [5] },
    ],
    regions: [
      { op: 'dropout', in: [0], attrs: { p: 'nan' as const, training: false }, out: [2], parent: null, scope: '' },
    ],
    outputs: [4],
    writes: [{ target: 1, value: 5 }],
    gradWrites: [{ leaf: 1, value: null }],
    gradReads: [{ leaf: 1, capture: null }],
    live: [0.5],
  };
  change(t as never);
  return t as unknown as TraceJson;
}

test('a trace becomes a graph', async () => {
  const g = verify(fromTrace(JSON.stringify(trace(3)), { captureNames: ['fc.weight'], inputNames: ['x'] }));
  await expect(printGraph(g)).toMatchFileSnapshot('../golden/from_trace.ir');
  expect(g.captures[0]!.strides).toBeUndefined();
});

test('strides are kept where they matter', () => {
  const t = trace(3, (x) => (x.values = [{ dtype: 'float32', shape: [3, 4], strides: [1, 3] }, ...x.values.slice(1)]));
  expect(fromTrace(t).inputs[0]!.strides).toEqual([1, 3]);
});

test.each([
  ['{"version":2}', /trace version 2 is not supported/],
  ['{"version":1}', /the trace has no 'values'/],
  [JSON.stringify(trace(3, (t) => (t.outputs = [99]))), /value 99 does not exist/],
])('malformed trace %#', (text, message) => expect(() => fromTrace(text)).toThrow(message));

describe('unify', () => {
  test('extents that differ become symbols, everything else polynomials of them', async () => {
    const g = unify([fromTrace(trace(3)), fromTrace(trace(5))]);
    await expect(printGraph(g)).toMatchFileSnapshot('../golden/unified.ir');
    expect(g.symbols).toEqual([{ name: 's0', hint: 3 }]);
  });
  test('equal extents share a symbol, others get their own', () => {
    const add = (a: number, b: number): TraceJson => ({
      version: 1,
      values: [v(a, b), v(a, b), v(a, b), v(b, a), v(a * b)],
      inputs: [0, 1],
      captures: [],
      nodes: [
        { op: 'add', in: [0, 1], attrs: { alpha: 1 }, out: [2] },
        { op: 'permute', in: [2], attrs: { dims: [1, 0] }, out: [3] },
        { op: 'view', in: [3], attrs: { size: [a * b] }, out: [4] },
      ],
      outputs: [4],
    });
    const g = unify([fromTrace(add(3, 4)), fromTrace(add(5, 7)), fromTrace(add(2, 9))]);
    expect(printGraph(g)).toContain('return');
    expect(g.symbols.map((s) => s.name)).toEqual(['s0', 's1']);
    expect(printGraph(g)).toContain('float32[s0*s1] = view(%3) {size=[s0*s1]}');
  });
  test.each<[string, () => unknown, RegExp]>([
    ['same sizes', () => unify([fromTrace(trace(3)), fromTrace(trace(3))]), /nothing is symbolic/],
    ['size one', () => unify([fromTrace(trace(1)), fromTrace(trace(3))]), /sizes 0 and 1 broadcast/],
    [
      'other ops',
      () =>
        unify([
          fromTrace(trace(3)),
          fromTrace(trace(5, (t) => (t.nodes = t.nodes.map((n, i) => (i === 1 ? { ...n, op: 'exp' } : n))))),
        ]),
      /node 1 is 'relu' in one and 'exp' in the other/,
    ],
    [
      'more ops',
      () => unify([fromTrace(trace(3)), fromTrace(trace(5, (t) => (t.nodes = t.nodes.slice(0, 3))))]),
      /node 3 is 'mul' in one and nothing in the other/,
    ],
    [
      'a number from a size',
      () =>
        unify([
          fromTrace(trace(3)),
          fromTrace(trace(5, (t) => (t.nodes = t.nodes.map((n, i) => (i === 3 ? { ...n, in: [1, { c: 5 }] } : n))))),
        ]),
      /node 3 'mul', operand 1: is live in one trace and const in another/,
    ],
    [
      'no polynomial',
      () =>
        unify([
          fromTrace(trace(4)),
          fromTrace(
            trace(6, (t) => {
              t.values = t.values.map((x, i) => (i === 4 ? v(13) : x));
            }),
          ),
        ]),
      UnifyError as unknown as RegExp,
    ],
  ])('%s', (_, f, message) => expect(f).toThrow(message));
});
