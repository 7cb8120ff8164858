// Scalar functions call helpers: those among their locals and those that the caller knows, inlined.
import { describe, expect, test } from 'vitest';
import { lowerScalarFunction, ScalarSyntaxError } from '../../src/frontend/script/scalar.js';
import { printExpr } from '../../src/ir/scalar.js';

const lower = (f: string, helpers: Record<string, string> = {}): string[] =>
  lowerScalarFunction(f, (name) => helpers[name]).results.map(printExpr);

describe('helpers of scalar functions', () => {
  test('a local arrow function is inlined and sees the locals before it', () => {
    const source = '(x, k) => { const half = k / 2; const f = (v) => v * half; return f(x) + f(k); }';
    expect(lower(source)).toEqual(['(add (mul x (div k 2)) (mul k (div k 2)))']);
  });
  test('a helper of the file may destructure and give several values', () => {
    const helpers = { keep: '([a, b], x, better) => (better ? [x, b] : [a, b])' };
    expect(lower('([p, q], x) => keep([p, q], x, x > p)', helpers)).toEqual([
      '(select (gt x p) x p)',
      '(select (gt x p) q q)',
    ]);
    expect(lower('(x) => { const [a, b] = keep([x, 1], 2, x > 0); return a + b; }', helpers)).toEqual([
      '(add (select (gt x 0) 2 x) (select (gt x 0) 1 1))',
    ]);
  });
  test('a helper does not see the names of its caller', () => {
    expect(() => lower('(x, y) => f(x)', { f: '(v) => v * y' })).toThrow(/'y' is neither/);
  });
  test('recursion, a wrong number of arguments and several values where one is needed are errors', () => {
    expect(() => lower('(x) => f(x)', { f: '(v) => f(v)' })).toThrow(ScalarSyntaxError);
    expect(() => lower('(x) => f(x, x)', { f: '(v) => v' })).toThrow(/1 argument/);
    expect(() => lower('(x) => 1 + f(x)', { f: '(v) => [v, v]' })).toThrow(/a value is needed/);
  });
});
