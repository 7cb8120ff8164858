// LSTM, GRU and RNN layers as single nodes. A trace would hold every step of the one length it saw; so, while the exporter records,
// each layer runs outside of the trace, and a node of its own takes its place in the graph.
import { nextId } from '../ir/build.js';
import type { Graph, Input, Node, Value } from '../ir/graph.js';
import type { OpInfo, Param } from '../ir/opinfo.js';
import { observeLayers, type LayerResult, type RecurrentLayer } from '../nn/recurrent.js';
import { native } from '../native.js';
import { unwrap, type Handle, type Tensor } from '../tensor/handle.js';
import { unrecorded } from './import/node.js';

const params: readonly Param[] = [
  { name: 'input', type: 'Tensor' },
  { name: 'states', type: 'Tensor[]' },
  { name: 'weights', type: 'Tensor[]' },
  { name: 'mode', type: 'string' },
  { name: 'hiddenSize', type: 'int' },
  { name: 'directions', type: 'int' },
];
/** The op of such a node: input [T, B, in], initial states (none: zeros), weights of one direction after the other. */
export const RECURRENT = 'recurrentLayer';
export const RECURRENT_OP: OpInfo = {
  kind: 'composite',
  name: RECURRENT,
  params,
  results: ['output', 'h', 'c'],
  returns: 'list',
  onnx: { symbolic: RECURRENT },
};

/** A layer that ran outside of the trace. */
interface Call {
  readonly layer: RecurrentLayer;
  /** Recorded copies of what it read, which later writes do not change. */
  readonly reads: readonly Tensor[];
  readonly result: LayerResult;
}

/** Watches the layers of one recording. */
export class RecurrentWatch {
  private readonly calls: Call[] = [];

  run<T>(body: () => T): T {
    const before = observeLayers((layer, run) => {
      if (!native.traceActive()) return run();
      const reads = [layer.input, ...(layer.initial ?? [])].map((t) => t.clone());
      const result = unrecorded(run);
      this.calls.push({ layer, reads, result });
      return result;
    });
    try {
      return body();
    } finally {
      observeLayers(before);
    }
  }

  /** What the trace must give besides its results: the operands of the layers. */
  operands(): Handle[] {
    return this.calls.flatMap((c) => [...c.reads, ...c.layer.weights.flat()].map(unwrap));
  }

  /** The graph with a node for each layer; its results were met as tensors from outside, and their handles leave `captures`. */
  insert(graph: Graph, captures: readonly Handle[]): { graph: Graph; captures: Handle[] } {
    const extra = this.calls.reduce((n, c) => n + c.reads.length + c.layer.weights.flat().length, 0);
    const own = graph.outputs.length - extra;
    const operands = graph.outputs.slice(own);
    const nodes = [...graph.nodes];
    const taken = new Set<number>();
    let id = nextId(graph);
    for (const { layer, reads, result } of this.calls) {
      const given = operands.splice(0, reads.length);
      const weights = operands.splice(0, layer.weights.flat().length);
      const results = [result.output, ...result.finals].map((t, i): Value => {
        const at = captures.findIndex((h) => native.isSame(h, unwrap(t)));
        if (at < 0) return unused(id++, given[0]!, layer, i);
        taken.add(at);
        return graph.captures[at]!;
      });
      const after = Math.max(...given.map((v) => nodes.findIndex((n) => n.outputs.includes(v))));
      nodes.splice(after + 1, 0, nodeOf(layer, given, weights, results, nodes[after]!));
    }
    const keep = <T>(list: readonly T[]): T[] => list.filter((_, i) => !taken.has(i));
    return {
      graph: { ...graph, nodes, outputs: graph.outputs.slice(0, own), captures: keep(graph.captures) },
      captures: keep(captures),
    };
  }
}

/** A result that nobody reads. */
function unused(id: number, input: Value, layer: RecurrentLayer, i: number): Value {
  const [length, batch] = input.type.shape;
  const directions = layer.weights.length;
  const { dtype } = input.type;
  if (i === 0) return { id, type: { dtype, shape: [length!, batch!, directions * layer.hiddenSize] } };
  return { id, type: { dtype, shape: [directions, batch!, layer.hiddenSize] } };
}

function nodeOf(
  layer: RecurrentLayer,
  reads: readonly Value[],
  weights: readonly Value[],
  outputs: Value[],
  place: Node,
): Node {
  const [input, ...states] = reads;
  const inputs: Input[] = [
    { kind: 'value', value: input! },
    { kind: 'list', values: states },
    { kind: 'list', values: weights },
  ];
  return {
    op: RECURRENT,
    inputs,
    attrs: { mode: layer.mode, hiddenSize: layer.hiddenSize, directions: layer.weights.length },
    outputs,
    ...(place.scope === undefined ? {} : { scope: place.scope }),
    ...(place.site === undefined ? {} : { site: place.site }),
  };
}
