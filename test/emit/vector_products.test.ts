// Products with a vector are loops: every form, transposed operands, and what stands before and after.
import { expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

type Product = (a: Tensor, b: Tensor) => Tensor;
interface Case {
  readonly name: string;
  readonly a: readonly number[];
  readonly b: readonly number[];
  readonly f: Product;
}
const matmul: Product = (a, b) => a.matmul(b);
const CASES: readonly Case[] = [
  { name: 'matrix and column', a: [70, 1031], b: [1031, 1], f: matmul },
  { name: 'matrix and vector', a: [70, 1031], b: [1031], f: matmul },
  { name: 'batch and vector', a: [3, 70, 257], b: [257], f: matmul },
  { name: 'row and matrix', a: [1, 1031], b: [1031, 130], f: matmul },
  { name: 'vector and matrix', a: [1031], b: [1031, 130], f: matmul },
  { name: 'transposed matrix and vector', a: [1031, 70], b: [1031, 1], f: (a, b) => a.t().matmul(b) },
  { name: 'a layer of one row', a: [1, 515], b: [200, 515], f: (a, b) => fb.nn.functional.linear(a, b) },
  { name: 'a layer of one result', a: [200, 515], b: [1, 515], f: (a, b) => fb.nn.functional.linear(a, b) },
  { name: 'with a sum', a: [70, 1031], b: [1031, 1], f: (a, b) => fb.addmm(b.narrow(0, 0, 70), a, b, { beta: 0.5 }) },
  { name: 'with neighbours', a: [70, 1031], b: [1031, 1], f: (a, b) => a.relu().matmul(b.mul(0.5)).tanh() },
];

test.each(CASES)('$name', async ({ a, b, f }) => {
  fb.manualSeed(12);
  const [x, y] = [fb.randn([...a]), fb.randn([...b])];
  const expected = f(x.double(), y.double());
  const call = fb.compile(f);
  for (let i = 0; i < 4; i++) {
    fb.noGrad(() => call(x, y));
    if (await call.ready()) break;
  }
  expect(call.explain().reasons).toEqual([]);
  const got = fb.noGrad(() => call(x, y));
  expect(got.shape).toEqual(expected.shape);
  const off = got.double().sub(expected).abs().max().item() as number;
  expect(off).toBeLessThan(2e-6 * Math.max(1, expected.abs().max().item() as number) * 8);
  expect(call.explain().toString()).toMatch(/ 0 library calls/);
});
