// Golden texts: the schedule and the generated kernels of well-known programs. A refactoring must leave them as they are; a change
// of the compiler shows here what it does to every kernel (vitest -u rewrites them).
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/ir/build.js';
import { type Graph, type Value } from '../../src/ir/graph.js';
import { emitProgram } from '../../src/emit/program.js';
import { crossEntropy, layerNormOf, mlpStep, softmaxOf } from '../emit/support/graphs.js';

const build = (f: (b: GraphBuilder) => Value[]): Graph => {
  const b = new GraphBuilder();
  b.output(...f(b));
  return b.graph;
};
const programs: Record<string, Graph> = {
  chain: build((b) => {
    const x = b.input('float32', [64, 100], 'x');
    return [b.op('mul', [b.op('tanh', [b.op('add', [b.op('mul', [x, 0.5]), 1])]), b.op('relu', [x])])];
  }),
  softmax: build((b) => [softmaxOf(b, b.input('float32', [128, 1000], 'x'), -1)]),
  layer_norm: build((b) => [
    layerNormOf(
      b,
      b.input('float32', [64, 768], 'x'),
      b.input('float32', [768], 'weight'),
      b.input('float32', [768], 'bias'),
    ),
  ]),
  cross_entropy: crossEntropy(64, 10),
  mlp_step: mlpStep(32, 20),
};

describe('golden', () => {
  for (const [name, graph] of Object.entries(programs)) {
    it(`schedule and C++ kernels of ${name}`, async () => {
      const p = emitProgram(graph, { target: 'cpp', name });
      const text = p.source.slice(p.source.lastIndexOf('\n//', p.source.indexOf('static void kernel0')) + 1);
      await expect(`${p.schedule.toString()}\n${JSON.stringify(p.meta, null, 1)}\n\n${text}`).toMatchFileSnapshot(
        `../golden/${name}.txt`,
      );
    });
    it(`CUDA kernels of ${name}`, async () => {
      const p = emitProgram(graph, { target: 'cuda', name });
      const from = p.source.lastIndexOf('\n//', p.source.indexOf('extern "C" __global__')) + 1;
      await expect(p.source.slice(from)).toMatchFileSnapshot(`../golden/${name}.cu.txt`);
    });
  }
});

describe('reasons', () => {
  it('names the two neighbours and why they are apart', () => {
    const p = emitProgram(
      build((b) => {
        const x = b.input('float32', [32, 48], 'x');
        const e = b.op('exp', [x]);
        return [b.op('sum', [e], { dim: [1] }), b.op('sum', [e], { dim: [0] }), b.op('tanh', [b.op('t', [e])])];
      }),
      { target: 'cpp' },
    );
    const text = p.schedule.toString();
    expect(text).toContain('it reduces over other dimensions');
    expect(text).toMatch(/iteration spaces differ|at other positions than its own/);
  });
  it('a library step says why it is one', () => {
    const p = emitProgram(
      build((b) => [
        b.op('relu', [
          b.op('linear', [
            b.input('float32', [256, 512], 'x'),
            b.capture('float32', [512, 512], 'w'),
            b.capture('float32', [512], 'b'),
          ]),
        ]),
      ]),
      { target: 'cpp' },
    );
    expect(p.schedule.toString()).toContain('linear(x[256, 512], w[512, 512], b[512]) + relu  library call');
    expect(p.meta.steps).toEqual([
      {
        op: 'linear',
        attrs: {},
        epilogue: [{ op: 'relu' }],
        outputs: [{ dtype: 'float32', shape: [256, 512] }],
        inputs: [
          { dtype: 'float32', shape: [256, 512] },
          { dtype: 'float32', shape: [512, 512] },
          { dtype: 'float32', shape: [512] },
        ],
      },
    ]);
  });
  it('a long row is not passed over twice through memory', () => {
    const p = emitProgram(
      build((b) => [softmaxOf(b, b.input('float32', [2, 1 << 20], 'x'), -1)]),
      { target: 'cpp' },
    );
    expect(p.schedule.toString()).toContain('does not stay in the cache for another pass');
  });
});

describe('determinism and hostile names', () => {
  it('the same graph gives the same bytes', () => {
    const g = crossEntropy(16, 10);
    expect(emitProgram(g, { target: 'cpp' }).source).toBe(emitProgram(g, { target: 'cpp' }).source);
  });
  it('names from outside cannot leave their comments', () => {
    const evil = 'x */ \n#include "/etc/passwd"\n int main(){} //\\';
    const p = emitProgram(
      build((b) => [b.op('exp', [b.input('float32', [4], evil)])]),
      { target: 'cpp', name: evil },
    );
    expect(p.source).not.toContain('\n#include');
    expect(p.source.split('\n').filter((l) => l.includes('etc') && !/^\s*\/\/|\/\/ /.test(l))).toEqual([]);
  });
});
