// Scans: every kernel against its declared body, for lines next to each other, apart, and long ones that are cut into stretches.
import { describe, expect, test } from 'vitest';
import { loadOps, type Op } from '../../codegen/load.js';
import type { OpRecord, ScanRecord } from '../../codegen/model.js';
import * as fb from '../../src/index.js';
import { native } from '../../src/native.js';
import { wrap, type Handle } from '../../src/tensor/handle.js';

type Scan = Op & { record: OpRecord & ScanRecord & { kind: 'scan' } };
const scans = (await loadOps()).filter((o): o is Scan => o.record.kind === 'scan');

/** The declared body run in JavaScript along one line: one list per result. */
function reference(record: ScanRecord, line: readonly number[]): number[][] {
  const several = Array.isArray(record.init);
  let state: unknown = record.init;
  const results: number[][] = [];
  const order = line.map((_, i) => (record.reverse ? line.length - 1 - i : i));
  for (const i of order) {
    state = record.combine(state, line[i]!, i);
    const out = record.finish ? record.finish(state) : state;
    (Array.isArray(out) ? out : [out]).forEach((v, k) => ((results[k] ??= [])[i] = Number(v)));
  }
  expect(several || results.length === 1).toBe(true);
  return results;
}

/** Values of the sample range with repetitions, so that ties occur. */
function values(record: ScanRecord, n: number): number[] {
  const [lo, hi] = 'range' in record.samples ? record.samples.range : ([-1, 1] as const);
  return Array.from({ length: n }, (_, i) => Math.fround(lo + ((((i * 7) % 23) + (i % 3)) / 25) * (hi - lo)));
}

const run = (o: Scan, x: fb.Tensor, dim: number): fb.Tensor[] => {
  const f = (native.ops as unknown as Record<string, (x: Handle, dim: number) => Handle | Handle[]>)[o.name]!;
  return [f(x._h, dim)].flat().map(wrap);
};

describe('scan kernels against their bodies', () => {
  test.each(scans.map((o) => [o.name, o] as const))('%s', (_, o) => {
    for (const dtype of ['float64', 'float32'] as const) {
      const shapes: [number[], number][] = [
        [[5, 7, 3], 1],
        [[4, 37], 1],
        [[37, 4], 0],
        [[333], 0],
        [[1], 0],
      ];
      for (const [shape, dim] of shapes) {
        const n = shape.reduce((a, b) => a * b, 1);
        const flat = values(o.record, n);
        for (const transposed of [false, true]) {
          if (transposed && shape.length < 2) continue;
          const dense = fb.tensor(flat, { dtype }).reshape(shape);
          const x = transposed ? dense.transpose(0, -1).contiguous().transpose(0, -1) : dense;
          const outs = run(o, x, dim).map((t) => t.to('float64').movedim([dim], [-1]).reshape(-1, shape[dim]!));
          const lines = dense.to('float64').movedim([dim], [-1]).reshape(-1, shape[dim]!).tolist() as number[][];
          lines.forEach((line, at) => {
            reference(o.record, line).forEach((expected, k) => {
              const got = outs[k]!.select(0, at).tolist() as number[];
              got.forEach((g, i) => {
                const e = expected[i]!;
                const tolerance = (dtype === 'float32' ? 1e-6 : 1e-12) * (1 + Math.abs(e));
                if (!(Math.abs(g - e) <= tolerance) && g !== e)
                  throw new Error(
                    `${o.name} ${dtype} ${JSON.stringify(shape)}[${at}][${i}]: ${g}, the body gives ${e}`,
                  );
              });
            });
          });
        }
      }
    }
  });
});

describe('running extremes', () => {
  test('NaN wins from where it comes; the last of equal elements is named, in long lines too', () => {
    const [v, i] = fb.tensor([1, 3, 3, NaN, 5, NaN, 2]).cummax(0);
    expect(v.tolist()).toEqual([1, 3, 3, NaN, NaN, NaN, NaN]);
    expect(i.tolist()).toEqual([0, 1, 2, 3, 3, 5, 5]);
    const x = fb.zeros(1000);
    expect(x.cummax(0).indices.tolist()).toEqual(Array.from({ length: 1000 }, (_, k) => k));
  });
  test('cumprod has exact gradients at zeros, in the second order too', () => {
    const x = fb.tensor([2, 0, 3, 0, 4], { dtype: 'float64', requiresGrad: true });
    const [g] = fb.autograd.grad(x.cumprod(0).sum(), [x]);
    // d/dx1 of x0 (1 + x1 (1 + x2 (1 + x3 ...))) at x3 = 0.
    expect(g!.tolist()).toEqual([1, 8, 0, 0, 0]);
    expect(fb.autograd.gradcheck((t: fb.Tensor) => t.cumprod(0), [x])).toBe(true);
    expect(fb.autograd.gradgradcheck((t: fb.Tensor) => t.cumprod(0), [x])).toBe(true);
  });
  test('logcumsumexp does not overflow and differentiates twice', () => {
    expect(fb.tensor([1000, 1000, -Infinity]).logcumsumexp(0).tolist()).toEqual(
      [1000, 1000 + Math.log(2), 1000 + Math.log(2)].map(Math.fround),
    );
    const x = fb.tensor([0.3, -1, 2, 0.5], { dtype: 'float64', requiresGrad: true });
    expect(fb.autograd.gradgradcheck((t: fb.Tensor) => t.logcumsumexp(0), [x])).toBe(true);
  });
});
