// Each pass does what it says and nothing else; the graphs compute the same before and after (see fuzz tests for values).
import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../../src/ir/build.js';
import type { Attr, Graph, Value } from '../../src/ir/graph.js';
import { printGraph } from '../../src/ir/print.js';
import { verify } from '../../src/ir/verify.js';
import { commonSubexpressions } from '../../src/passes/cse.js';
import { deadCode } from '../../src/passes/dead_code.js';
import { foldConstants } from '../../src/passes/fold.js';
import { optimize } from '../../src/passes/manager.js';
import { flattenRegions } from '../../src/passes/regions.js';
import { simplify } from '../../src/passes/simplify.js';
import { exponentialsOfLogSoftmax } from '../../src/passes/softmax.js';
import { canonicalViews } from '../../src/passes/views.js';
import { sampleGraph } from '../ir/sample.js';

const ops = (g: Graph): string[] => g.nodes.map((n) => n.op);
const run = (pass: (g: Graph) => Graph, g: Graph): Graph => verify(deadCode(pass(g)));
const F = (value: number): { kind: 'const'; value: number; float: boolean } => ({ kind: 'const', value, float: true });

test('dead code goes; random ops, results and writes stay', () => {
  const b = new GraphBuilder();
  const x = b.input('float32', [4]);
  const p = b.capture('float32', [4]);
  b.op('exp', [b.op('relu', [x])]);
  b.op('bernoulli', [x], {}, x.type);
  const w = b.op('neg', [p]);
  b.output(b.op('abs', [x])).write(p, w);
  const g = run(deadCode, b.graph);
  expect(ops(g)).toEqual(['bernoulli', 'neg', 'abs']);
  expect(deadCode(g)).toBe(g);
});

test('equal nodes become one; different attributes, draws and results stay apart', () => {
  const b = new GraphBuilder();
  const x = b.input('float32', [4]);
  const [a1, a2] = [b.op('exp', [x]), b.op('exp', [x])];
  const [d1, d2] = [b.op('bernoulli', [x], {}, x.type), b.op('bernoulli', [x], {}, x.type)];
  const [s1, s2] = [b.op('add', [a1, a2], { alpha: 1 }), b.op('add', [a1, a2], { alpha: 2 })];
  const [r1, r2] = [b.op('neg', [s1]), b.op('neg', [s1])];
  b.output(r1, r2, b.op('mul', [b.op('mul', [d1, d2]), s2]));
  const g = run(commonSubexpressions, b.graph);
  expect(ops(g)).toEqual(['exp', 'bernoulli', 'bernoulli', 'add', 'add', 'neg', 'neg', 'mul', 'mul']);
});

describe('simplification', () => {
  const one = (
    op: string,
    operands: (x: Value) => Parameters<GraphBuilder['op']>[1],
    attrs: Record<string, Attr> = {},
    dtype: 'float32' | 'int64' = 'float32',
  ): string[] => {
    const b = new GraphBuilder();
    const x = b.op('abs', [b.input(dtype, [2, 3])]);
    b.output(b.op('neg', [b.op(op, operands(x), attrs)]));
    return ops(run(simplify, b.graph)).slice(1, -1);
  };
  test('x * 1, 1 * x and x / 1 are x', () => {
    expect(one('mul', (x) => [x, 1])).toEqual([]);
    expect(one('mul', (x) => [x, F(1)])).toEqual([]);
    expect(one('trueDivide', (x) => [x, 1])).toEqual([]);
    expect(one('mul', (x) => [x, 2])).toEqual(['mul']);
    // An integer tensor times 1.0 is a float tensor.
    expect(one('mul', (x) => [x, F(1)], {}, 'int64')).toEqual(['mul']);
  });
  test('adding zero is only exact with the right sign', () => {
    expect(one('add', (x) => [x, F(0)], { alpha: 1 })).toEqual(['add']);
    expect(one('add', (x) => [x, F(-0)], { alpha: 1 })).toEqual([]);
    expect(one('sub', (x) => [x, F(0)], { alpha: 1 })).toEqual([]);
    expect(one('sub', (x) => [x, F(-0)], { alpha: 1 })).toEqual(['sub']);
    expect(one('add', (x) => [x, 0], { alpha: 1 }, 'int64')).toEqual([]);
    expect(one('mul', (x) => [x, 0])).toEqual(['mul']); // NaN * 0 is NaN
  });
  test('squares, double negation, relu of relu, copies, casts', () => {
    expect(one('pow', (x) => [x, 2])).toEqual(['mul']);
    expect(one('toDtype', (x) => [x], { dtype: 'float32' })).toEqual([]);
    expect(one('toDtype', (x) => [x], { dtype: 'float64' })).toEqual(['toDtype']);
    expect(one('clone', (x) => [x])).toEqual([]);
    const b = new GraphBuilder();
    const x = b.input('float32', [2]);
    b.output(b.op('relu', [b.op('relu', [b.op('exp', [b.op('neg', [b.op('neg', [x])])])])]));
    expect(ops(run(simplify, b.graph))).toEqual(['exp', 'relu']);
    const c = new GraphBuilder();
    const h = c.input('float16', [2]);
    const narrow = c.op('toDtype', [c.op('toDtype', [c.op('exp', [h])], { dtype: 'float32' })], { dtype: 'float16' });
    const wide = c.op(
      'toDtype',
      [c.op('toDtype', [c.op('toDtype', [h], { dtype: 'float32' })], { dtype: 'float16' })],
      { dtype: 'float32' },
    );
    c.output(c.op('neg', [narrow]), c.op('neg', [wide]));
    expect(ops(run(simplify, c.graph))).toEqual(['exp', 'toDtype', 'neg', 'neg']);
  });
  test('writes: a copy is its source, converted', () => {
    const b = new GraphBuilder();
    const [p, x] = [b.capture('float32', [2, 3]), b.input('float64', [3])];
    b.write(p, b.op('copy', [p, b.op('exp', [x])]));
    const g = run(simplify, b.graph);
    expect(ops(g)).toEqual(['exp', 'toDtype', 'expand']);
    expect(g.writes[0]!.value).toBe(g.nodes[2]!.outputs[0]);
  });
  test('a scatter over the whole tensor is its source', () => {
    const b = new GraphBuilder();
    const p = b.capture('float32', [2, 3]);
    const y = b.op('neg', [b.op('view', [p], { size: [6] })]);
    b.write(p, b.op('asStridedScatter', [p, y], { size: [6], stride: [1], storageOffset: 0 }));
    expect(ops(run(simplify, b.graph))).toEqual(['view', 'neg', 'view']);
  });
  test('a result never becomes the argument itself, nor two results one', () => {
    const b = new GraphBuilder();
    const x = b.input('float32', [2]);
    b.output(b.op('mul', [x, 1]));
    expect(ops(run(simplify, b.graph))).toEqual(['mul']);
    const c = new GraphBuilder();
    const y = c.op('exp', [c.input('float32', [2])]);
    c.output(y, c.op('clone', [y]));
    expect(new Set(run(simplify, c.graph).outputs).size).toBe(2);
  });
});

test('views: one spelling, one node per chain, none when nothing changes', () => {
  const b = new GraphBuilder();
  const x = b.op('exp', [b.input('float32', [2, 3, 4])]);
  const t = b.op('transpose', [b.op('transpose', [x], { dim0: 0, dim1: -1 })], { dim0: 2, dim1: 0 });
  const v = b.op('squeeze', [b.op('unsqueeze', [b.op('view', [x], { size: [6, -1] })], { dim: 0 })], { dim: null });
  const p = b.op('permute', [b.op('transpose', [x], { dim0: 0, dim1: 1 })], { dims: [2, 0, 1] });
  const whole = b.op('slice', [x], { dim: 1, start: 0, end: 3, step: 1 });
  const strided = b.op('asStrided', [x], { size: [6, 4], stride: [4, 1], storageOffset: 0 });
  b.output(...[t, v, p, whole, strided].map((y) => b.op('neg', [y])));
  const g = run(canonicalViews, b.graph);
  expect(ops(g)).toEqual(['exp', 'view', 'permute', 'view', 'neg', 'neg', 'neg', 'neg', 'neg']);
  expect(g.nodes[1]!.attrs).toEqual({ size: [6, 4] });
  expect(g.nodes[2]!.attrs).toEqual({ dims: [2, 1, 0] });
  expect(canonicalViews(g)).toBe(g);
});

test('constants fold through the callback, views and casts included', () => {
  const b = new GraphBuilder();
  const full = b.op('full', [], { size: [2, 3], fillValue: 3, dtype: 'float32' });
  const y = b.op('mul', [b.op('expand', [b.op('view', [full], { size: [6] })], { size: [4, 6] }), 2]);
  const x = b.input('float32', [4, 6]);
  b.output(b.op('add', [x, b.op('toDtype', [y], { dtype: 'float32' })], { alpha: 1 }));
  const g = run(
    (h) =>
      foldConstants(h, (op, operands) =>
        op === 'mul' ? Number(operands[0]!.value) * Number(operands[1]!.value) : Number(operands[0]!.value),
      ),
    b.graph,
  );
  expect(ops(g)).toEqual(['full', 'add']);
  expect(g.nodes[0]!.attrs).toEqual({ size: [4, 6], fillValue: 6, dtype: 'float32' });
});

test('the exponential of a log-softmax is a softmax, of another difference it stays', () => {
  const logSoftmax = (shiftBy: 'max' | 'mean' | 'other', dim = 1): string[] => {
    const b = new GraphBuilder();
    const [x, z] = [b.input('float32', [4, 6]), b.input('float32', [4, 6])];
    const row = { dim: [1], keepdim: true };
    const shift = b.op(shiftBy === 'mean' ? 'mean' : 'amax', [shiftBy === 'other' ? z : x], row);
    const c = b.op('sub', [x, shift]);
    const sum = b.op('sum', [b.op('exp', [c])], { dim: [dim], keepdim: true });
    b.output(b.op('exp', [b.op('sub', [c, b.op('log', [sum])])]));
    return ops(run(exponentialsOfLogSoftmax, b.graph));
  };
  const kept = ['sub', 'exp', 'sum', 'log', 'sub', 'exp'];
  expect(logSoftmax('max')).toEqual(['amax', 'sub', 'exp', 'sum', 'trueDivide']);
  expect(logSoftmax('max', 0)).toEqual(['amax', ...kept]);
  expect(logSoftmax('other')).toEqual(['amax', ...kept]);
  expect(logSoftmax('mean')).toEqual(['mean', ...kept]);
});

test('flattening drops the marks only', () => {
  const g = flattenRegions(sampleGraph());
  expect(g.regions).toEqual([]);
  expect(g.nodes.every((n) => !('region' in n))).toBe(true);
  expect(ops(g)).toEqual(ops(sampleGraph()));
});

test('the whole pipeline reaches a fixed point', async () => {
  const g = optimize(sampleGraph(), { verify: true });
  expect(optimize(g, { verify: true })).toBe(g);
  await expect(printGraph(g)).toMatchFileSnapshot('../golden/sample_optimized.ir');
});
