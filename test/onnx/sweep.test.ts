// Every pointwise op and reduction of the table, exported alone with its default attributes and run in onnxruntime.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';
import { OPS } from '../../generated/ts/ops.js';
import type { OpInfo } from '../../src/ir/opinfo.js';
import { exportModel } from '../../src/onnx/export.js';
import { run } from './graphs.js';

const numbers = (t: Tensor): number[] => Array.from(t.toTypedArray() as ArrayLike<number | bigint>, Number);
const TENSORS = ['Tensor', 'Operand'];

/** Functions that ONNX has no operator for at opset 17, and none can be made from others: the reason is in the message. */
const REFUSED = /has no ONNX operator at opset 17|cannot be exported/;

function callable(op: OpInfo): ((...x: Tensor[]) => Tensor) | null {
  const f = (fb as unknown as Record<string, unknown>)[op.name];
  const rest = op.params.filter((p) => !TENSORS.includes(p.type));
  if (typeof f !== 'function' || op.derivedFrom || op.returns !== 'tensor' || rest.some((p) => p.default === undefined))
    return null;
  return f as (...x: Tensor[]) => Tensor;
}

/** Functions that are defined from here on only. */
const FROM: Readonly<Record<string, number>> = { acosh: 1 };

/** Numbers inside every function's domain; bool tensors for conditions. */
function inputsOf(op: OpInfo): Tensor[] {
  fb.manualSeed(3);
  return op.params
    .filter((p) => TENSORS.includes(p.type))
    .map((p) => {
      const x = fb
        .rand(3, 4)
        .mul(0.8)
        .add(0.1 + (FROM[op.name] ?? 0));
      const condition = op.kind === 'pointwise' && op.conditions.includes(p.name);
      return condition ? x.gt(0.5) : x;
    });
}

const ops = Object.values(OPS).filter((op) => (op.kind === 'pointwise' || op.kind === 'reduction') && callable(op));

describe('float32', () => {
  test.each(ops.map((op) => [op.name, op] as const))('%s', async (_, op) => {
    const f = callable(op)!;
    const inputs = inputsOf(op);
    let want: Tensor;
    try {
      want = fb.noGrad(() => f(...inputs));
    } catch {
      return; // an op for integers
    }
    let bytes: Uint8Array;
    try {
      bytes = exportModel(f, inputs, null);
    } catch (error) {
      expect(String(error)).toMatch(REFUSED);
      return;
    }
    const names = inputs.length === 1 ? ['input'] : inputs.map((_, i) => `input_${i}`);
    const feeds = Object.fromEntries(
      inputs.map((t, i) => [names[i]!, { dims: t.shape, data: numbers(t), dtype: t.dtype }]),
    );
    const got = (await run(bytes, feeds)).output!;
    expect(got.dims).toEqual([...want.shape]);
    numbers(want).forEach((w, i) =>
      expect(Math.abs(got.data[i]! - w), `element ${i}`).toBeLessThanOrEqual(1e-5 + 1e-4 * Math.abs(w)),
    );
  });
});

test('the sweep covers the table', () => {
  expect(ops.length).toBeGreaterThan(60);
});
