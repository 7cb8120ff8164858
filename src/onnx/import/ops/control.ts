// Control flow: the subgraph to run, and how often, is decided on the host. Loops run as the data say, up to a limit.
import * as t from './t.js';
import { tensor } from '../../../tensor/create.js';
import type { Tensor } from '../../../tensor/handle.js';
import { MANY, op, unrecorded, type NodeContext, type OperatorTable, type Value } from '../node.js';

/** Rounds of one loop; a model that wants more is taken for one that never ends. */
export const MAX_ROUNDS = 10_000_000;

function branch(n: NodeContext): Value[] {
  return n.runGraph(n.graph(n.number(0) !== 0 ? 'then_branch' : 'else_branch'), []);
}

const scalar = (value: number, dtype: 'int64' | 'bool'): Value => ({
  tensor: unrecorded(() => tensor(dtype === 'bool' ? value !== 0 : value, { dtype })),
  known: true,
});
function truth(n: NodeContext, v: Value): boolean {
  if (v.tensor.numel() !== 1) n.fail(`a condition of shape [${v.tensor.shape}]`);
  const read = (): boolean => Boolean(v.tensor.reshape([]).item());
  return v.known ? unrecorded(read) : read();
}

function loop(n: NodeContext): (Value | Tensor)[] {
  const body = n.graph('body');
  // May be the largest integer: a loop that its condition ends.
  const rounds = n.has(0) ? (n.numbers(0)[0] ?? n.fail('an empty number of rounds')) : Infinity;
  let going = n.has(1) ? truth(n, n.value(1)) : true;
  let state = n.inputs.slice(2).map((v) => v ?? n.fail('a loop state is left out'));
  const scans: Tensor[][] = Array.from({ length: n.node.outputs.length - state.length }, () => []);
  for (let i = 0; i < rounds && going; i++) {
    if (i >= MAX_ROUNDS) n.fail(`more than ${MAX_ROUNDS} rounds`);
    const results = n.runGraph(body, [scalar(i, 'int64'), scalar(1, 'bool'), ...state]);
    if (results.length !== 1 + state.length + scans.length) n.fail(`its body has ${results.length} outputs`);
    going = truth(n, results[0]!);
    state = results.slice(1, 1 + state.length);
    scans.forEach((list, s) => list.push(results[1 + state.length + s]!.tensor));
  }
  return [...state, ...scans.map((list) => (list.length > 0 ? t.stack(list) : t.zeros([0], {})))];
}

function scan(n: NodeContext): (Value | Tensor)[] {
  const body = n.graph('body');
  const old = n.opset < 9;
  const inputs = n.inputs.slice(old ? 1 : 0).map((v) => v ?? n.fail('an input is left out'));
  const M = n.attributeInt('num_scan_inputs');
  if (M < 1 || M > inputs.length) n.fail(`num_scan_inputs is ${M} of ${inputs.length} inputs`);
  const states = inputs.slice(0, inputs.length - M);
  const sources = inputs.slice(inputs.length - M);
  if (old) return oldScan(n, states, sources);
  const K = n.node.outputs.length - states.length;
  const [inAxes, outAxes] = [n.attributeInts('scan_input_axes'), n.attributeInts('scan_output_axes')];
  const [inDirections, outDirections] = [
    n.attributeInts('scan_input_directions'),
    n.attributeInts('scan_output_directions'),
  ];
  const axes = sources.map((v, i) => n.axis(inAxes?.[i] ?? 0, v.tensor.dim()));
  return scanned(n, body, states, sources, axes, inDirections, K, outAxes, outDirections);
}

function scanned(
  n: NodeContext,
  body: ReturnType<NodeContext['graph']>,
  initial: readonly Value[],
  sources: readonly Value[],
  axes: readonly number[],
  inDirections: readonly number[] | undefined,
  K: number,
  outAxes: readonly number[] | undefined,
  outDirections: readonly number[] | undefined,
): (Value | Tensor)[] {
  const length = sources[0]!.tensor.shape[axes[0]!]!;
  if (sources.some((v, i) => v.tensor.shape[axes[i]!] !== length)) n.fail('scan inputs of different lengths');
  let state = [...initial];
  const lists: Tensor[][] = Array.from({ length: K }, () => []);
  for (let i = 0; i < length; i++) {
    const slices = sources.map((v, s) => ({
      ...v,
      tensor: v.tensor.select(axes[s]!, inDirections?.[s] === 1 ? length - 1 - i : i),
    }));
    const results = n.runGraph(body, [...state, ...slices]);
    if (results.length !== state.length + K) n.fail(`its body has ${results.length} outputs`);
    state = results.slice(0, state.length);
    lists.forEach((list, k) => list.push(results[state.length + k]!.tensor));
  }
  const outs = lists.map((list, k) => {
    const ordered = outDirections?.[k] === 1 ? list.toReversed() : list;
    if (ordered.length === 0) return t.zeros([0], {});
    return t.stack(ordered, n.axis(outAxes?.[k] ?? 0, ordered[0]!.dim() + 1));
  });
  return [...state, ...outs];
}

/** Opset 8: a batch in front, every sequence on its own. */
function oldScan(n: NodeContext, states: readonly Value[], sources: readonly Value[]): Tensor[] {
  const body = n.graph('body');
  if (n.has(0)) n.fail('sequence_lens is not supported');
  const K = n.node.outputs.length - states.length;
  const directions = n.attributeInts('directions');
  const batch = sources[0]!.tensor.shape[0]!;
  const rows: Tensor[][] = [];
  for (let b = 0; b < batch; b++) {
    const at = (v: Value): Value => ({ ...v, tensor: v.tensor.select(0, b) });
    const out = scanned(
      n,
      body,
      states.map(at),
      sources.map(at),
      sources.map(() => 0),
      directions,
      K,
      undefined,
      undefined,
    );
    rows.push(out.map((v) => ('tensor' in v ? v.tensor : v)));
  }
  return rows[0]!.map((_, i) => t.stack(rows.map((r) => r[i]!)));
}

export const CONTROL: OperatorTable = {
  If: op(branch, 1, { outputs: [1, MANY], pure: false, wideAs: null }),
  Loop: op(loop, [1, MANY], { outputs: [1, MANY], pure: false, wideAs: null }),
  Scan: op(scan, [1, MANY], { outputs: [1, MANY], pure: false, wideAs: null }),
};
