// Every op of the table has a way to ONNX or a stated reason for none.
import { expect, test } from 'vitest';
import { OPS } from '../../generated/ts/ops.js';
import { Shapes } from '../../src/onnx/shapes.js';
import { OnnxBuilder } from '../../src/onnx/builder.js';
import { RECURRENT } from '../../src/onnx/recurrent.js';
import { allSymbolics } from '../../src/onnx/symbolics/index.js';

const symbolics = allSymbolics(new Shapes(new OnnxBuilder(17, new Map()), new Map()));

test('symbolics that declarations name exist; composites may go by their parts, pointwise ops by their expression', () => {
  const missing = Object.values(OPS).filter((op) => {
    if (!op.onnx || !('symbolic' in op.onnx)) return false;
    if (op.kind === 'composite' || op.kind === 'pointwise') return false;
    return !symbolics.has(op.name) && !symbolics.has(op.onnx.symbolic);
  });
  expect(missing.map((op) => `${op.name}: ${(op.onnx as { symbolic: string }).symbolic}`)).toEqual([]);
});

test('every symbolic belongs to an op', () => {
  const names = new Set(
    Object.values(OPS).flatMap((op) => [
      op.name,
      op.name.replace(/_$/, ''),
      op.onnx && 'symbolic' in op.onnx ? op.onnx.symbolic : '',
    ]),
  );
  expect([...symbolics.keys()].filter((name) => !names.has(name) && name !== RECURRENT)).toEqual([]);
});

test('reasons for having no ONNX form are stated', () => {
  const short = Object.values(OPS).filter((op) => op.onnx && 'none' in op.onnx && op.onnx.none.trim() === '');
  expect(short.map((op) => op.name)).toEqual([]);
});
