// Emitted C++ programs, compiled and run, against a float64 interpreter of the same graph.
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/ir/build.js';
import { type Graph, type Value } from '../../src/ir/graph.js';
import { emitProgram } from '../../src/emit/program.js';
import { compileAndRun } from './support/harness.js';
import { difference, reference } from './support/reference.js';
import { crossEntropy, layerNormOf, mlpStep, softmaxOf, logSoftmaxOf, wave } from './support/graphs.js';

function check(g: Graph, data: readonly (readonly number[])[], tolerance = 2e-5, kernels?: number): void {
  const want = reference(g, data);
  const got = compileAndRun(g, data);
  expect(got.code).toBe(0);
  got.outputs.forEach((o, k) =>
    expect(difference(o, want.outputs[k]!.data), `output ${k}\n${String(got.program.schedule)}`).toBeLessThan(
      tolerance,
    ),
  );
  got.writes.forEach((o, k) =>
    expect(difference(o, want.writes[k]!.data), `write ${k}\n${String(got.program.schedule)}`).toBeLessThan(tolerance),
  );
  if (kernels !== undefined) expect(got.program.schedule.kernels.length, String(got.program.schedule)).toBe(kernels);
}
const build = (f: (b: GraphBuilder) => Value[]): Graph => {
  const b = new GraphBuilder();
  b.output(...f(b));
  return b.graph;
};

describe('long reductions', () => {
  const whole = (op: string): Graph =>
    build((b) => [b.op(op, [b.op('mul', [b.input('float32', [1024, 1024]), 0.5])], { keepdim: true })]);
  it('a sum to one value is cut into parts that threads share, the map before it inside', () => {
    const { schedule, source } = emitProgram(whole('sum'), { target: 'cpp' });
    expect(schedule.kernels.length, String(schedule)).toBe(2);
    expect(source).toContain('parallel_for(64,');
    check(whole('sum'), [wave(1 << 20)], 2e-4, 2);
  });
  it('so are other reductions of one state, but not those that name positions', () => {
    expect(emitProgram(whole('amax'), { target: 'cpp' }).schedule.kernels.length).toBe(2);
    expect(
      emitProgram(
        build((b) => [b.op('argmax', [b.input('float32', [1 << 20])])]),
        { target: 'cpp' },
      ).schedule.kernels.length,
    ).toBe(1);
  });
});

describe('fusion', () => {
  it('a pointwise chain is one kernel', () => {
    check(
      build((b) => {
        const x = b.input('float32', [37, 21]);
        return [b.op('mul', [b.op('tanh', [b.op('add', [b.op('mul', [x, 0.5]), 1])]), b.op('relu', [x])])];
      }),
      [wave(37 * 21)],
      1e-5,
      1,
    );
  });
  it.each([
    [7, 5],
    [3, 16],
    [5, 100],
    [2, 4096],
  ])('softmax of [%i, %i] is one kernel', (r, c) => {
    check(
      build((b) => [softmaxOf(b, b.input('float32', [r, c]), -1)]),
      [wave(r * c)],
      1e-5,
      1,
    );
  });
  it('softmax over the first dimension vectorises across columns', () => {
    check(
      build((b) => [softmaxOf(b, b.input('float32', [9, 50]), 0)]),
      [wave(450)],
      1e-5,
      1,
    );
  });
  it('log-softmax with a row mean beside it', () => {
    check(
      build((b) => {
        const x = b.input('float32', [6, 33]);
        return [logSoftmaxOf(b, x, 1), b.op('mean', [x], { dim: [1] })];
      }),
      [wave(198)],
      1e-5,
      1,
    );
  });
  it('layer norm with weight and bias is one kernel', () => {
    check(
      build((b) => [layerNormOf(b, b.input('float32', [5, 70]), b.input('float32', [70]), b.input('float32', [70]))]),
      [wave(350), wave(70, 1), wave(70, 2)],
      2e-5,
      1,
    );
  });
  it('cross-entropy and its gradient', () => {
    check(crossEntropy(8, 10), [wave(80), [0, 3, 9, 1, 5, 5, 2, 7]], 2e-5);
  });
  it('batch-norm statistics and normalisation are one kernel over N, H, W', () => {
    check(
      build((b) => {
        const x = b.input('float32', [4, 3, 5, 6]);
        const w = b.op('view', [b.input('float32', [3])], { size: [1, 3, 1, 1] });
        const m = b.op('mean', [x], { dim: [0, 2, 3], keepdim: true });
        const v = b.op('var', [x], { dim: [0, 2, 3], keepdim: true, correction: 0 });
        return [
          b.op('mul', [b.op('mul', [b.op('sub', [x, m]), b.op('rsqrt', [b.op('add', [v, 1e-5])])]), w]),
          b.op('squeeze', [m]),
          b.op('squeeze', [v]),
        ];
      }),
      [wave(360), [1, 2, 3]],
      2e-5,
      1,
    );
  });
  it('a training step of a small network', () => {
    const g = mlpStep(32, 20);
    check(g, [wave(32), wave(32, 1), wave(20, 2), wave(20, 3), wave(20, 4), [0.5]], 5e-5);
  });
});

describe('reductions', () => {
  const x = (b: GraphBuilder): Value => b.input('float32', [6, 7, 19]);
  for (const dim of [[0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2]]) {
    it(`sum, mean, var, amax over ${JSON.stringify(dim)}`, () => {
      check(
        build((b) => {
          const v = x(b);
          return ['sum', 'mean', 'amax', 'amin', 'var'].map((op) => b.op(op, [v], { dim }));
        }),
        [wave(6 * 7 * 19).map((v) => Math.fround(v + 5))],
        2e-5,
      );
    });
  }
  it('argmax, argmin, maxDim, prod, any, all', () => {
    check(
      build((b) => {
        const v = x(b);
        const big = b.op('gt', [v, 2.9]);
        return [
          b.op('argmax', [v], { dim: 2 }),
          b.op('argmin', [v], { dim: 0 }),
          b.op('argmax', [v]),
          ...b.nodes('maxDim', [v], { dim: 1 }),
          b.op('prod', [v], { dim: 1 }),
          b.op('any', [big], { dim: 2 }),
          b.op('all', [big], { dim: 0 }),
        ];
      }),
      [wave(6 * 7 * 19)],
      1e-4,
    );
  });
  it('long sums stay accurate', () => {
    check(
      build((b) => [b.op('sum', [b.input('float32', [300000])])]),
      [Array.from({ length: 300000 }, (_, i) => Math.fround(0.1 + (i % 7) * 0.01))],
      1e-6,
    );
    check(
      build((b) => [b.op('sum', [b.input('float32', [20000, 10])], { dim: [0] })]),
      [Array.from({ length: 200000 }, (_, i) => Math.fround(0.1 + (i % 7) * 0.01))],
      1e-6,
    );
  });
  it('integers sum to int64', () => {
    check(
      build((b) => [b.op('sum', [b.input('int32', [5, 40])], { dim: [1] })]),
      [Array.from({ length: 200 }, (_, i) => i * 1000000 - 7)],
    );
  });
});

describe('views and indices', () => {
  it('reads through permute, slice, expand, select, reshape', () => {
    check(
      build((b) => {
        const x = b.input('float32', [4, 6, 10]);
        const p = b.op('permute', [x], { dims: [2, 0, 1] });
        const s = b.op('slice', [p], { dim: 0, start: 1, end: 9, step: 2 });
        const r = b.op('reshape', [b.op('exp', [s])], { size: [16, 6] }, { dtype: 'float32', shape: [16, 6] });
        return [s, r, b.op('add', [b.op('select', [x], { dim: 1, index: -1 }), 1]), b.op('add', [b.op('t', [r]), 0.5])];
      }),
      [wave(240)],
    );
  });
  it('transpose plus itself', () => {
    check(
      build((b) => {
        const x = b.input('float32', [45, 45]);
        return [b.op('add', [b.op('t', [x]), x])];
      }),
      [wave(2025)],
      1e-6,
      1,
    );
  });
  it('transposed reads in tiles, with leading dimensions and int64', () => {
    check(
      build((b) => {
        const x = b.input('float32', [3, 40, 37]);
        const i = b.input('int64', [3, 40, 37]);
        const y = b.input('float32', [3, 37, 40]);
        const t = (v: Value): Value => b.op('transpose', [v], { dim0: 1, dim1: 2 });
        return [b.op('add', [b.op('exp', [t(x)]), y]), b.op('add', [t(i), y])];
      }),
      [wave(4440), Array.from({ length: 4440 }, (_, k) => k - 2000), wave(4440, 1)],
      1e-5,
    );
  });
  it('cat along both dimensions, of computed parts', () => {
    check(
      build((b) => {
        const x = b.input('float32', [3, 5]);
        const y = b.input('float32', [3, 4]);
        const c = b.op('cat', [[b.op('exp', [x]), y, b.op('mul', [x, 2])]], { dim: 1 });
        return [b.op('add', [c, 1]), b.op('cat', [[c, c]], { dim: 0 })];
      }),
      [wave(15), wave(12)],
    );
  });
  it('gather, embedding, tril, arange', () => {
    check(
      build((b) => {
        const x = b.input('float32', [5, 9]);
        const i = b.input('int64', [5, 3]);
        const j = b.input('int64', [2, 4]);
        const n = b.op(
          'arange',
          [],
          { start: 2, end: 11, step: 1, dtype: 'float32' },
          { dtype: 'float32', shape: [9] },
        );
        return [
          b.op('gather', [x, i], { dim: 1 }),
          b.op('embedding', [x, j]),
          b.op('tril', [x], { diagonal: 1 }),
          b.op('mul', [x, n]),
        ];
      }),
      [wave(45), Array.from({ length: 15 }, (_, k) => (k * 5) % 9), Array.from({ length: 8 }, (_, k) => (k * 3) % 5)],
    );
  });
  it('a position out of bounds fails the run and names the check', () => {
    const g = build((b) => [b.op('gather', [b.input('float32', [2, 3]), b.input('int64', [2, 1])], { dim: 1 })]);
    const r = compileAndRun(g, [wave(6), [0, 3]]);
    expect(r.code).toBe(1000);
    expect(r.program.meta.errors).toEqual(['gather: index out of bounds']);
  });
  it('writing part of a tensor', () => {
    check(
      build((b) => {
        const x = b.input('float32', [4, 6]);
        const y = b.input('float32', [4]);
        return [
          b.op('mul', [
            b.op('asStridedScatter', [x, b.op('exp', [y])], { size: [4], stride: [6], storageOffset: 2 }),
            2,
          ]),
        ];
      }),
      [wave(24), wave(4)],
    );
  });
});

describe('types', () => {
  it('promotion, casts and integer wrap-around', () => {
    check(
      build((b) => {
        const i = b.input('int32', [70]);
        const f = b.input('float32', [70]);
        const d = b.input('float64', [70]);
        const u = b.input('uint8', [70]);
        return [
          b.op('add', [i, f]),
          b.op('mul', [f, d]),
          b.op('add', [i, 1.5]),
          b.op('trueDivide', [i, 3]),
          b.op('toDtype', [f], { dtype: 'int64' }),
          b.op('gt', [i, f]),
          b.op('where', [b.op('gt', [f, 0]), f, d]),
          b.op('toDtype', [u], { dtype: 'float32' }),
          b.op('logicalNot', [f]),
        ];
      }),
      [
        Array.from({ length: 70 }, (_, k) => k - 35),
        wave(70),
        wave(70, 1),
        Array.from({ length: 70 }, (_, k) => k * 3),
      ],
      1e-6,
    );
    const g = build((b) => [b.op('add', [b.input('uint8', [20]), b.input('uint8', [20])])]);
    const r = compileAndRun(g, [Array.from({ length: 20 }, (_, k) => k * 12), Array.from({ length: 20 }, () => 100)]);
    expect(r.outputs[0]).toEqual(Array.from({ length: 20 }, (_, k) => (k * 12 + 100) % 256));
  });
});

describe('empty tensors', () => {
  it('pointwise, views, sums and cat over nothing', () => {
    check(
      build((b) => {
        const x = b.input('float32', [0, 3, 4]);
        const y = b.input('float32', [2, 4]);
        return [
          b.op('exp', [b.op('reshape', [x], { size: [0, 12] }, { dtype: 'float32', shape: [0, 12] })]),
          b.op('sum', [x]),
          b.op('sum', [x], { dim: [0] }),
          b.op('cat', [[b.op('reshape', [x], { size: [0, 4] }, { dtype: 'float32', shape: [0, 4] }), y]], { dim: 0 }),
          b.op('add', [b.op('transpose', [x], { dim0: 0, dim1: 2 }), 1]),
        ];
      }),
      [[], wave(8)],
    );
  });
  it('a fractional scalar of an integer op is truncated', () => {
    const g = build((b) => [
      b.op('addcmul', [b.input('int64', [3]), b.input('int64', [3]), b.input('int64', [3])], { value: 3.14 }),
    ]);
    expect(
      compileAndRun(g, [
        [1, 2, 3],
        [2, 2, 2],
        [5, 6, 7],
      ]).outputs[0],
    ).toEqual([31, 38, 45]);
  });
});

describe('writes', () => {
  it('an optimizer step goes straight into its tensors', () => {
    const b = new GraphBuilder();
    const w = b.capture('float32', [33]);
    const m = b.capture('float32', [33]);
    const g = b.input('float32', [33]);
    const buf = b.op('add', [b.op('mul', [m, 0.9]), g]);
    b.write(m, buf);
    b.write(w, b.op('sub', [w, b.op('mul', [buf, b.live(0.1)])]));
    b.output(b.op('sum', [w]));
    const data = [wave(33, 1), wave(33, 2), wave(33, 3)];
    check(b.graph, data, 1e-5);
  });
  it('two tensors that swap their values', () => {
    const b = new GraphBuilder();
    const p = b.capture('float32', [40]);
    const q = b.capture('float32', [40]);
    b.write(p, q).write(q, p);
    check(b.graph, [wave(40), wave(40, 1)]);
  });
  it('a tensor that takes its own transpose', () => {
    const b = new GraphBuilder();
    const p = b.capture('float32', [6, 6]);
    b.write(p, b.op('t', [p]));
    check(b.graph, [wave(36)]);
  });
  it('a result that is a captured tensor is an alias', () => {
    const b = new GraphBuilder();
    const p = b.capture('float32', [4]);
    const v = b.op('add', [p, 1]);
    b.write(p, v).output(v, p);
    const r = compileAndRun(b.graph, [wave(4)]);
    expect(r.program.meta.outputs).toEqual([{ alias: { capture: 0 } }, { alias: { capture: 0 } }]);
  });
});

describe('symbolic extents', () => {
  it('one program runs at several batch sizes', () => {
    const b = new GraphBuilder();
    b.symbol('s0', 8);
    const s0 = { terms: [{ coef: 1, symbols: ['s0'] }] };
    const x = b.input('float32', [s0, 12]);
    const y = softmaxOf(b, x, -1);
    b.output(
      y,
      b.op('sum', [y], { dim: [0] }),
      b.op('reshape', [b.op('exp', [x])], { size: [s0, 3, 4] }, { dtype: 'float32', shape: [s0, 3, 4] }),
      b.op('mean', [x]),
    );
    for (const n of [1, 5, 64]) {
      const want = reference(b.graph, [wave(n * 12)], [], new Map([['s0', n]]));
      const got = compileAndRun(b.graph, [wave(n * 12)], { dims: [n] });
      got.outputs.forEach((o, k) =>
        expect(difference(o, want.outputs[k]!.data), `n=${n} output ${k}`).toBeLessThan(2e-5),
      );
    }
  });
});
