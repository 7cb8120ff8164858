// The CUDA printer over the same loop IR: sources go through nvcc, and their kernels run on the CPU through the SIMT shim, where they
// must agree with the float64 reference just as the C++ target does.
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/ir/build.js';
import { type Graph, type Value } from '../../src/ir/graph.js';
import { emitProgram } from '../../src/emit/program.js';
import { compileForDevice, haveNvcc } from '../cuda/nvcc.js';
import { compileAndRun, compileSimt, runProgram } from './support/harness.js';
import { difference, reference } from './support/reference.js';
import { crossEntropy, layerNormOf, mlpStep, softmaxOf, wave } from './support/graphs.js';

const build = (f: (b: GraphBuilder) => Value[]): Graph => {
  const b = new GraphBuilder();
  b.output(...f(b));
  return b.graph;
};
const cases: { name: string; graph: Graph; data: number[][] }[] = [
  {
    name: 'chain',
    graph: build((b) => {
      const x = b.input('float32', [7, 30]);
      return [b.op('mul', [b.op('tanh', [b.op('add', [x, 1])]), b.op('relu', [x])])];
    }),
    data: [wave(210)],
  },
  { name: 'softmax', graph: build((b) => [softmaxOf(b, b.input('float32', [9, 100]), -1)]), data: [wave(900)] },
  {
    name: 'softmax over rows',
    graph: build((b) => [softmaxOf(b, b.input('float32', [9, 100]), 0)]),
    data: [wave(900)],
  },
  {
    name: 'layer norm',
    graph: build((b) => [
      layerNormOf(b, b.input('float32', [5, 70]), b.input('float32', [70]), b.input('float32', [70])),
    ]),
    data: [wave(350), wave(70, 1), wave(70, 2)],
  },
  { name: 'cross-entropy', graph: crossEntropy(8, 10), data: [wave(80), [0, 3, 9, 1, 5, 5, 2, 7]] },
  {
    name: 'training step',
    graph: mlpStep(32, 20),
    data: [wave(32), wave(32, 1), wave(20, 2), wave(20, 3), wave(20, 4), [0.5]],
  },
  {
    name: 'argmax and types',
    graph: build((b) => {
      const x = b.input('float32', [6, 50]);
      const i = b.input('int64', [6, 50]);
      return [
        ...b.nodes('maxDim', [x], { dim: 1 }),
        b.op('argmax', [x]),
        b.op('sum', [i], { dim: [1] }),
        b.op('add', [x, i]),
        b.op('gt', [x, i]),
      ];
    }),
    data: [wave(300), Array.from({ length: 300 }, (_, k) => (k % 5) - 2)],
  },
  {
    name: 'cat and transpose',
    graph: build((b) => {
      const x = b.input('float32', [4, 6]);
      return [b.op('cat', [[b.op('exp', [x]), x]], { dim: 1 }), b.op('add', [b.op('t', [x]), 1])];
    }),
    data: [wave(24)],
  },
];

describe('CUDA programs through the SIMT shim', () => {
  for (const c of cases) {
    it(c.name, () => {
      const p = emitProgram(c.graph, { target: 'cuda' });
      const r = runProgram(compileSimt(p), c.graph, p, c.data);
      const want = reference(c.graph, c.data);
      expect(r.code).toBe(0);
      r.outputs.forEach((o, k) =>
        expect(
          difference(o, want.outputs[k]!.data),
          `output ${k}\n${p.source.slice(p.source.indexOf('extern "C" __global__'))}`,
        ).toBeLessThan(5e-5),
      );
      r.writes.forEach((o, k) => expect(difference(o, want.writes[k]!.data), `write ${k}`).toBeLessThan(5e-5));
    });
  }
  it('draws the same random numbers as the C++ program', () => {
    const g = build((b) => {
      const x = b.input('float32', [50, 40]);
      return [
        b.op('uniform', [x], {}, { dtype: 'float32', shape: [50, 40] }),
        b.op('bernoulli', [x], { p: 0.25 }, { dtype: 'float32', shape: [50, 40] }),
        b.op('normal', [x], {}, { dtype: 'float32', shape: [50, 40] }),
      ];
    });
    const cuda = emitProgram(g, { target: 'cuda' });
    const cpp = compileAndRun(g, [wave(2000)]);
    const [u, keep, z] = cpp.outputs as [number[], number[], number[]];
    const mean = (v: number[]): number => v.reduce((p, q) => p + q, 0) / v.length;
    expect(cpp.program.meta.random).toBe(8000);
    expect(mean(u)).toBeCloseTo(0.5, 1);
    expect(Math.min(...u)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...u)).toBeLessThan(1);
    expect(new Set(u).size).toBeGreaterThan(1990);
    expect(mean(keep)).toBeGreaterThan(0.2);
    expect(mean(keep)).toBeLessThan(0.3);
    expect(Math.abs(mean(z))).toBeLessThan(0.1);
    expect(mean(z.map((v) => v * v))).toBeCloseTo(1, 0);
    const r = runProgram(compileSimt(cuda), g, cuda, [wave(2000)]);
    expect(r.outputs[0]).toEqual(u);
    expect(r.outputs[1]).toEqual(keep);
    expect(difference(r.outputs[2]!, z)).toBeLessThan(1e-4);
  });
  it('reports a position out of bounds', () => {
    const g = build((b) => [b.op('gather', [b.input('float32', [2, 3]), b.input('int64', [2, 1])], { dim: 1 })]);
    const p = emitProgram(g, { target: 'cuda' });
    expect(runProgram(compileSimt(p), g, p, [wave(6), [0, 3]]).code).toBe(1000);
  });
});

describe('CUDA programs under nvcc', () => {
  it.skipIf(!haveNvcc)(
    'compile to device code (skipped without nvcc)',
    async () => {
      await Promise.all(cases.map((c) => compileForDevice(emitProgram(c.graph, { target: 'cuda' }).source)));
    },
    180_000,
  );
});
