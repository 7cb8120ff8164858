// Plans of control flow are checked when they are loaded: nothing outside of their values and programs is touched.
import { expect, test } from 'vitest';
import { native } from '../../src/native.js';
import { dtypeCode } from '../../src/tensor/dtype.js';

const good = {
  values: 3,
  inputs: [0, 1],
  constants: [],
  outputs: [2],
  block: [
    {
      if: 0,
      before: { from: [], to: [] },
      then: [],
      after: { from: [1], to: [2] },
      else: [],
      afterElse: { from: [0], to: [2] },
    },
  ],
};
const bool = (v: number): object => native.ops.full([], v, dtypeCode('bool'));

test('a plan without programs', () => {
  const flow = native.loadFlow(JSON.stringify(good), [], []);
  const [yes, no, x] = [bool(1), bool(0), native.ops.full([2], 7, dtypeCode('float32'))];
  expect(native.toTypedArray(native.runFlow(flow, [yes, x])[0]!)).toEqual(Float32Array.of(7, 7));
  expect(native.item(native.runFlow(flow, [no, x])[0]!)).toBe(false);
  expect(() => native.runFlow(flow, [x, x])).toThrow(/a condition must be one bool/);
  expect(() => native.runFlow(flow, [yes])).toThrow(/takes 2 inputs, got 1/);
});

test.each<[string, object, RegExp]>([
  ['a value that does not exist', { outputs: [3] }, /'outputs' names a value/],
  ['a negative value', { inputs: [-1, 1] }, /'inputs' names a value/],
  ['too many values', { values: 2 ** 40 }, /'values' is out of range/],
  ['a program that does not exist', { block: [{ run: 0, in: [], out: [] }] }, /a program that does not exist/],
  ['a move of unequal lengths', { block: [{ ...good.block[0], after: { from: [1], to: [] } }] }, /unequal numbers/],
  ['a condition that does not exist', { block: [{ ...good.block[0], if: 9 }] }, /a condition does not exist/],
  ['constants that are not given', { constants: [1] }, /number of constants/],
  ['a step that is none', { block: [{}] }, /if/],
])('%s', (_, change, message) => {
  expect(() => native.loadFlow(JSON.stringify({ ...good, ...change }), [], [])).toThrow(message);
});

test('blocks that nest without end, a result that nobody computes, things that are no programs', () => {
  let block: object[] = [];
  for (let i = 0; i < 100; i++) block = [{ ...good.block[0], then: block }];
  expect(() => native.loadFlow(JSON.stringify({ ...good, block }), [], [])).toThrow(/deep/);
  const nothing = native.loadFlow(JSON.stringify({ ...good, block: [] }), [], []);
  expect(() => native.runFlow(nothing, [bool(1), bool(1)])).toThrow(/was not computed/);
  expect(() => native.loadFlow(JSON.stringify(good), [bool(1)], [])).toThrow(/graph 0 is no loaded graph/);
});
