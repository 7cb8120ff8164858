// Symbolic dimensions: arithmetic agrees with numbers, equal polynomials have one form, text round-trips.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addDims,
  contiguousStrides,
  dimSymbols,
  divDims,
  evalDim,
  mulDims,
  parseDim,
  printDim,
  sameDim,
  subDims,
  symbol,
} from '../../src/ir/dim.js';
import type { Dim } from '../../src/ir/graph.js';

const values = new Map([
  ['s0', 7],
  ['s1', 11],
  ['n', 3],
]);
const dim: fc.Arbitrary<Dim> = fc.letrec<{ d: Dim }>((tie) => ({
  d: fc.oneof(
    { depthSize: 'small' },
    fc.integer({ min: -9, max: 9 }),
    fc.constantFrom('s0', 's1', 'n').map(symbol),
    fc.tuple(tie('d'), tie('d')).map(([a, b]) => addDims(a, b)),
    fc.tuple(tie('d'), tie('d')).map(([a, b]) => mulDims(a, b)),
  ),
})).d;

describe('symbolic dimensions', () => {
  test('arithmetic is arithmetic of the values', () => {
    fc.assert(
      fc.property(dim, dim, (a, b) => {
        const [x, y] = [evalDim(a, values), evalDim(b, values)];
        expect(evalDim(addDims(a, b), values)).toBe(x + y);
        expect(evalDim(subDims(a, b), values)).toBe(x - y);
        expect(evalDim(mulDims(a, b), values)).toBe(x * y + 0);
      }),
    );
  });
  test('equal polynomials have one form: a + b = b + a, (a + b) - b = a', () => {
    fc.assert(
      fc.property(dim, dim, (a, b) => {
        expect(sameDim(addDims(a, b), addDims(b, a))).toBe(true);
        expect(sameDim(subDims(addDims(a, b), b), a)).toBe(true);
        expect(sameDim(a, addDims(a, 1))).toBe(false);
      }),
    );
  });
  test('division undoes multiplication, and says null when it is not exact', () => {
    fc.assert(
      fc.property(dim, dim, (a, b) => {
        fc.pre(!sameDim(b, 0));
        const q = divDims(mulDims(a, b), b);
        expect(q !== null && sameDim(q, a)).toBe(true);
      }),
    );
    expect(divDims(addDims(symbol('s0'), 1), 2)).toBe(null);
    expect(divDims(6, 4)).toBe(null);
    expect(divDims(symbol('s0'), 0)).toBe(null);
  });
  test('text round-trips', () => {
    fc.assert(fc.property(dim, (a) => void expect(parseDim(printDim(a))).toEqual(a)));
    expect(printDim(addDims(mulDims(2, mulDims(symbol('s1'), symbol('s0'))), addDims(symbol('s0'), -1)))).toBe(
      '2*s0*s1+s0-1',
    );
  });
  test.each(['', '+', 's0 s1', '2**s0', '1.5', 's0+', '3s'])('%j is no dimension', (text) => {
    expect(() => parseDim(text)).toThrow(SyntaxError);
  });
  test('a symbol without a value is named', () => {
    expect(() => evalDim(symbol('q'), values)).toThrow("'q' has no value");
    expect([...dimSymbols(parseDim('s0*n+4'))]).toEqual(['n', 's0']);
  });
  test('contiguous strides', () => {
    expect(contiguousStrides([2, 3, 4])).toEqual([12, 4, 1]);
    expect(contiguousStrides([3, symbol('s0')]).map(printDim)).toEqual(['s0', '1']);
  });
});
