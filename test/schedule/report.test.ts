// What a schedule tells of itself: every op is in a kernel or library call, and whatever is handed from one to another has a reason.
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/ir/build.js';
import { symbol } from '../../src/ir/dim.js';
import { type Graph, type Value } from '../../src/ir/graph.js';
import { opInfo } from '../../src/ir/table.js';
import { emitProgram } from '../../src/emit/program.js';
import { type ScheduleReport } from '../../src/emit/schedule.js';
import { crossEntropy, layerNormOf, mlpStep, softmaxOf } from '../emit/support/graphs.js';

function reportOf(g: Graph): ScheduleReport {
  const { report, source } = emitProgram(g, { target: 'cpp' });
  const inParts = new Set(report.parts.flatMap((p) => p.nodes));
  g.nodes.forEach((n, i) => {
    // Views are index arithmetic, constants are literals.
    if (opInfo(n.op)?.kind !== 'view' && n.op !== 'full') expect(inParts.has(i), `node ${i} '${n.op}'`).toBe(true);
  });
  for (const p of report.parts) {
    expect(source).toContain(p.source);
    expect(p.kind === 'kernel' ? p.source : p.reason).not.toBe('');
  }
  for (const a of report.apart) {
    expect(a.from, a.reason).not.toBe(a.to);
    expect(a.reason).not.toMatch(/no reason/);
  }
  return report;
}
const build = (f: (b: GraphBuilder) => readonly Value[]): Graph => {
  const b = new GraphBuilder();
  return b.output(...f(b)).graph;
};

describe('parts of a schedule', () => {
  it('a chain is one kernel that reads and writes each element once', () => {
    const { parts, apart } = reportOf(
      build((b) => {
        const x = b.input('float32', [100, 30], 'x');
        return [b.op('mul', [b.op('exp', [x]), b.op('add', [x, 1])])];
      }),
    );
    expect(parts.map((p) => [p.kind, p.name])).toEqual([['kernel', 'kernel0']]);
    expect(parts[0]).toMatchObject({ nodes: [0, 1, 2], bytesRead: 12000, bytesWritten: 12000, flops: 9000 });
    expect(apart).toEqual([]);
  });

  it('what varies along rows only is computed once in a row, and reads of a part count the part', () => {
    const row = reportOf(
      build((b) => {
        const x = b.input('float32', [40, 64], 'x');
        return [b.op('mul', [x, b.op('abs', [b.input('float32', [40, 1], 'scale')])])];
      }),
    ).parts;
    expect(row[0]).toMatchObject({ bytesRead: 40 * 65 * 4, bytesWritten: 40 * 64 * 4, flops: 40 + 40 * 64 });
    const half = reportOf(
      build((b) => [b.op('sum', [b.op('narrow', [b.input('float64', [50, 8], 'x')], { dim: 0, start: 5, length: 20 }, { dtype: 'float64', shape: [20, 8] })], { dim: [1], keepdim: false })]), // prettier-ignore
    ).parts;
    expect(half[0]).toMatchObject({ bytesRead: 20 * 8 * 8, bytesWritten: 20 * 8, flops: 20 * 8 });
  });

  it('a product of matrices is a library call of 2mnk operations; what stands beside it says so', () => {
    const { parts, apart } = reportOf(
      build((b) => {
        const y = b.op('matmul', [b.input('float32', [128, 64], 'x'), b.input('float32', [64, 256], 'w')]);
        return [b.op('amax', [b.op('tanh', [y])], { dim: [1], keepdim: false })];
      }),
    );
    expect(parts.map((p) => p.kind)).toEqual(['library', 'kernel']);
    expect(parts[0]).toMatchObject({ flops: 2 * 128 * 64 * 256, bytesRead: (128 * 64 + 64 * 256) * 4, source: '' });
    expect(apart).toEqual([{ from: 0, to: 1, producer: 'matmul', consumer: expect.any(String), reason: expect.stringMatching(/^matmul is a library call: /) }]); // prettier-ignore
  });

  it('reductions over other dimensions are kernels of their own, with the reason of the scheduler', () => {
    const { parts, apart } = reportOf(
      build((b) => {
        const y = softmaxOf(b, b.input('float32', [300, 70], 'x'), 1);
        return [b.op('sum', [y], { dim: [0], keepdim: false })];
      }),
    );
    expect(parts.length).toBe(2);
    expect(apart.map((a) => a.reason)).toContain('it reduces over other dimensions');
  });

  it.each([
    ['layer norm', build((b) => [layerNormOf(b, b.input('float32', [64, 768], 'x'), null, null)])],
    ['cross-entropy', crossEntropy(64, 10)],
    ['a symbolic size', crossEntropy(symbol('s0'), 10)],
    ['a training step', mlpStep(32, 20)],
    ['a large training step', mlpStep(512, 300)],
  ])('%s: nothing is left out and nothing is without a reason', (_, g) => {
    const { parts } = reportOf(g);
    for (const p of parts) expect(p.bytesRead + p.bytesWritten).toBeGreaterThan(0);
  });
});
