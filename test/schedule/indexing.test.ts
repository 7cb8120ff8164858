// The index simplifier: what it makes of reshapes, transposes and slices equals plain arithmetic, and the common chains vanish.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Dim } from '../../src/ir/graph.js';
import {
  type Axis,
  type Index,
  bounds,
  coefficient,
  delinearize,
  evalIndex,
  ixAdd,
  ixAxis,
  ixConst,
  ixDiv,
  ixMod,
  ixMul,
  ixSubstitute,
  linearize,
  newAxis,
  printIndex,
} from '../../src/schedule/indexing.js';

const names = { axis: (a: Axis): string => a.name, symbol: (s: string): string => s, dyn: (): string => '?' };
const text = (i: Index): string => printIndex(i, names);
const s0: Dim = { terms: [{ coef: 1, symbols: ['s0'] }] };

describe('indices', () => {
  it('a flattened read of a contiguous tensor is one linear walk', () => {
    const [a, b] = [newAxis('a', 64), newAxis('b', 256)];
    const idx = delinearize(linearize([ixAxis(a), ixAxis(b)], [64, 256]), [64, 16, 4, 4]);
    expect(idx.map(text)).toEqual(['a', 'b / 16', '(b / 4) % 4', 'b % 4']);
    expect(text(linearize(idx, [64, 16, 4, 4]))).toBe('256 * a + b');
  });
  it('works with a symbolic batch', () => {
    const [n, c] = [newAxis('n', s0), newAxis('c', 84)];
    const idx = delinearize(linearize([ixAxis(n), ixAxis(c)], [s0, 84]), [s0, 4, 21]);
    expect(text(idx[0]!)).toBe('n');
    expect(text(linearize(idx, [s0, 4, 21]))).toBe('84 * n + c');
  });
  it('a symbolic row length cancels as well', () => {
    const [i, j] = [newAxis('i', 8), newAxis('j', s0)];
    expect(delinearize(linearize([ixAxis(i), ixAxis(j)], [8, s0]), [8, s0]).map(text)).toEqual(['i', 'j']);
  });
  it('knows coefficients and bounds', () => {
    const [i, j] = [newAxis('i', 8), newAxis('j', 5)];
    const e = ixAdd(ixMul(ixAxis(i), ixConst(10)), ixAxis(j), ixConst(3));
    expect(text(coefficient(e, i)!)).toBe('10');
    expect(coefficient(ixMod(e, ixConst(7)), i)).toBeNull();
    expect(bounds(e)).toEqual({ lo: 3, hi: 77 });
  });
  it('random chains of reshape and transpose equal plain arithmetic', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 4 }),
        fc.array(fc.nat(100), { minLength: 8, maxLength: 8 }),
        (shape, random) => {
          const axes = shape.map((e, d) => newAxis(`x${d}`, e));
          const at = new Map(axes.map((a, d) => [a, random[d]! % shape[d]!]));
          let dims = shape;
          let index: Index[] = axes.map(ixAxis);
          let plain = shape.map((_, d) => random[d]! % shape[d]!);
          for (let step = 0; step < 4; step++) {
            if (random[4 + step]! % 2 === 0) {
              // Reshape: join the first two dimensions, or split one.
              const n = dims.reduce((p, q) => p * q, 1);
              const f = [2, 3, 4, 5].find((x) => n % x === 0 && random[4 + step]! % 3 !== 0);
              const to = f ? [n / f, f] : [n];
              const p = plain.reduce((sum, v, d) => sum * dims[d]! + v, 0);
              index = delinearize(linearize(index, dims), to);
              plain = f ? [Math.floor(p / f), p % f] : [p];
              dims = to;
            } else {
              index = [...index].reverse();
              plain = [...plain].reverse();
              dims = [...dims].reverse();
            }
            expect(index.map((i) => evalIndex(i, at))).toEqual(plain);
          }
        },
      ),
      { numRuns: 500, seed: 3 },
    );
  });
  it('merging two axes and taking them apart again changes nothing', () => {
    const [i, j, m] = [newAxis('i', 6), newAxis('j', 20), newAxis('m', 120)];
    const e = ixAdd(ixMul(ixAxis(i), ixConst(20)), ixAxis(j));
    const by = new Map([
      [i, ixDiv(ixAxis(m), ixConst(20))],
      [j, ixMod(ixAxis(m), ixConst(20))],
    ]);
    expect(text(ixSubstitute(e, by))).toBe('m');
  });
});
