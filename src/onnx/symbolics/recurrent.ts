// LSTM, GRU and RNN layers: ONNX orders the gates otherwise and stacks the directions' weights.
import type { OnnxBuilder, Ref } from '../builder.js';
import type { AttrValue } from '../encode.js';
import type { Call, Symbolic } from '../call.js';

interface Cell {
  readonly op: 'LSTM' | 'GRU' | 'RNN';
  /** Place of each of ONNX's gates among PyTorch's. */
  readonly gates: readonly number[];
  readonly attrs: (directions: number) => Record<string, AttrValue>;
}
const activation =
  (name: string) =>
  (directions: number): Record<string, AttrValue> => ({
    activations: { strings: new Array<string>(directions).fill(name) },
  });
const CELLS: Readonly<Record<string, Cell>> = {
  // i, o, f, c of i, f, g, o
  lstm: { op: 'LSTM', gates: [0, 3, 1, 2], attrs: () => ({}) },
  // z, r, h of r, z, n
  gru: { op: 'GRU', gates: [1, 0, 2], attrs: () => ({ linear_before_reset: 1 }) },
  rnnTanh: { op: 'RNN', gates: [0], attrs: activation('Tanh') },
  rnnRelu: { op: 'RNN', gates: [0], attrs: activation('Relu') },
};

/** The rows of a weight in ONNX's order of gates, with a dimension for the direction in front. */
function ordered(b: OnnxBuilder, weight: Ref, gates: readonly number[], hidden: number): Ref {
  const rows = gates.flatMap((g) => Array.from({ length: hidden }, (_, i) => g * hidden + i));
  const shape = [1, ...weight.type.shape];
  const type = { dtype: weight.type.dtype, shape };
  if (gates.length === 1) return b.op('Unsqueeze', [weight, b.int64s([0])], type);
  return b.op('Gather', [weight, b.constant(rows, 'int64', [1, rows.length])], type, { axis: 0 });
}

function joined(b: OnnxBuilder, parts: readonly Ref[], axis: number): Ref {
  if (parts.length === 1) return parts[0]!;
  const [first] = parts as [Ref];
  const shape = first.type.shape.map((d, i) => (i === axis ? (d as number) * parts.length : d));
  return b.op('Concat', parts, { dtype: first.type.dtype, shape }, { axis });
}

export const recurrentLayer: Symbolic = (b, call: Call) => {
  const cell = CELLS[call.string('mode')]!;
  const [hidden, directions] = [call.number('hiddenSize'), call.number('directions')];
  const x = call.tensor('input');
  const all = call.list('weights');
  const each = all.length / directions;
  const of = (k: number): Ref[] =>
    Array.from({ length: directions }, (_, d) => ordered(b, all[d * each + k]!, cell.gates, hidden));
  const bias =
    each < 4
      ? null
      : joined(
          b,
          of(2).map((w, d) => joined(b, [w, ordered(b, all[d * each + 3]!, cell.gates, hidden)], 1)),
          0,
        );
  const [length, batch] = x.type.shape as [Ref['type']['shape'][number], Ref['type']['shape'][number]];
  const { dtype } = x.type;
  const state = { dtype, shape: [directions, batch, hidden] };
  const wide = { dtype, shape: [length, directions, batch, hidden] };
  const inputs = [x, joined(b, of(0), 0), joined(b, of(1), 0), bias, null, ...call.list('states')];
  const attrs = {
    hidden_size: hidden,
    ...(directions === 2 ? { direction: 'bidirectional' } : {}),
    ...cell.attrs(directions),
  };
  const results = b.multi(cell.op, inputs, cell.op === 'LSTM' ? [wide, state, state] : [wide, state], attrs);
  const [y, ...finals] = results as [Ref, ...Ref[]];
  const out = { dtype, shape: [length, batch, directions * hidden] };
  if (directions === 1) return [b.op('Squeeze', [y, b.int64s([1])], out), ...finals];
  const moved = { dtype, shape: [length, batch, directions, hidden] };
  const beside = b.op('Transpose', [y], moved, { perm: [0, 2, 1, 3] });
  return [b.op('Reshape', [beside, b.int64s([0, 0, directions * hidden])], out), ...finals];
};
