// Attention over the matrix of scores: what attentionForward and attentionBackward become for machines whose library has neither.
import { constInput, nextId, useCounts, valueInput } from '../ir/build.js';
import type { Attr, Graph, Input, Node, Value } from '../ir/graph.js';
import { infer } from '../ir/rules.js';

export function expandAttention(g: Graph): Graph {
  if (!g.nodes.some((n) => n.op === 'attentionForward' || n.op === 'attentionBackward')) return g;
  const uses = useCounts(g);
  let id = nextId(g);
  const nodes = g.nodes.flatMap((n): Node[] => {
    if (n.op !== 'attentionForward' && n.op !== 'attentionBackward') return [n];
    const made: Node[] = [];
    /** Adds a node; `result`: the value that it makes. */
    const op: Emit = (name, inputs, attrs = {}, result) => {
      const operands = inputs.map((i): Input => (typeof i === 'number' ? constInput(i, true) : valueInput(i)));
      const [type] = infer(name, operands, attrs)!;
      const output = result ?? { id: id++, type: type! };
      const { site, scope } = n;
      made.push({
        op: name,
        inputs: operands,
        attrs,
        outputs: [output],
        ...(site === undefined ? {} : { site }),
        ...(scope === undefined ? {} : { scope }),
      });
      return output;
    };
    if (n.op === 'attentionForward') forward(n, op, (uses.get(n.outputs[1]!) ?? 0) > 0);
    else backward(n, op);
    return made;
  });
  return { ...g, nodes };
}

type Emit = (name: string, inputs: readonly (Value | number)[], attrs?: Record<string, Attr>, result?: Value) => Value;

const valueAt = (n: Node, k: number): Value => (n.inputs[k] as { value: Value }).value;
const last = { dim: [-1], keepdim: true };
const turned = (op: Emit, v: Value): Value => {
  const rank = v.type.shape.length;
  return op('permute', [v], { dims: [...Array.from({ length: rank - 2 }, (_, d) => d), rank - 1, rank - 2] });
};

/** Masked scores, and where keys are seen (null: everywhere, or a mask of numbers). Operands from `first` on are those of the forward op. */
function scoresOf(n: Node, op: Emit, first: number): { readonly scores: Value; readonly seen: Value | null } {
  const [query, key] = [valueAt(n, first), valueAt(n, first + 1)];
  const product = op('matmul', [query, turned(op, key)]);
  const scores = op('mul', [product, n.attrs['scale'] as number]);
  const given = n.inputs[first + 3];
  const mask = given?.kind === 'value' ? given.value : null;
  let seen: Value | null = null;
  if (n.attrs['isCausal'] === true) {
    const size = scores.type.shape.slice(-2) as Attr;
    seen = op('tril', [op('full', [], { size, fillValue: 1, dtype: 'bool' })], { diagonal: 0 });
  } else if (mask?.type.dtype === 'bool') seen = mask;
  if (seen !== null) return { scores: op('where', [seen, scores, -Infinity]), seen };
  return { scores: mask === null ? scores : op('add', [scores, mask]), seen };
}

function forward(n: Node, op: Emit, logsumexp: boolean): void {
  let x = scoresOf(n, op, 0).scores;
  const hidden = n.attrs['zeroUnseen'] === true && n.inputs[3]?.kind === 'value';
  const unseen = hidden ? op('eq', [op('amax', [x], last), -Infinity]) : null;
  if (unseen !== null) x = op('where', [unseen, 0, x]);
  const max = op('amax', [x], last);
  const e = op('exp', [op('sub', [x, max])]);
  const sum = op('sum', [e], last);
  let weights = op('trueDivide', [e, sum]);
  if (unseen !== null) weights = op('where', [unseen, 0, weights]);
  op('matmul', [weights, valueAt(n, 2)], {}, n.outputs[0]);
  if (!logsumexp) return;
  const log = op('add', [max, op('log', [sum])]);
  const kept = unseen === null ? log : op('where', [unseen, 0, log]);
  op('view', [kept], { size: n.outputs[1]!.type.shape as Attr }, n.outputs[1]);
}

function backward(n: Node, op: Emit): void {
  const [grad, query, key, value] = [0, 1, 2, 3].map((k) => valueAt(n, k)) as [Value, Value, Value, Value];
  const [result, logsumexp] = [valueAt(n, 5), valueAt(n, 6)];
  const { scores, seen } = scoresOf(n, op, 1);
  const rows = op('view', [logsumexp], { size: [...logsumexp.type.shape, 1] as Attr });
  const weights = op('exp', [op('sub', [scores, rows])]);
  const mean = op('sum', [op('mul', [grad, result])], last);
  let slopes = op('mul', [weights, op('sub', [op('matmul', [grad, turned(op, value)]), mean])]);
  if (seen !== null) slopes = op('where', [seen, slopes, 0]);
  const scale = n.attrs['scale'] as number;
  op('mul', [op('matmul', [slopes, key]), scale], {}, n.outputs[0]);
  op('mul', [op('matmul', [turned(op, slopes), query]), scale], {}, n.outputs[1]);
  op('matmul', [turned(op, weights), grad], {}, n.outputs[2]);
}
