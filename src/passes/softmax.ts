// exp(c - log(sum(exp(c)))) with c = x - max(x) is exp(c) / sum(exp(c)): the backward pass of a cross-entropy asks for the exponential of a
// log-softmax, and so gets by with the exponentials that the forward pass has made. Not equal to the last bit (the quotient is the more
// accurate of the two), but for every x: an element of c is at most zero, so the sum is a number from 1 to the row's length, or NaN where
// the difference was NaN too.
import { inputValues, producers, valueInput } from '../ir/build.js';
import type { Graph, Node, Value } from '../ir/graph.js';
import { printAttr } from '../ir/print.js';

const first = (n: Node): Value | undefined => inputValues(n.inputs[0]!)[0];
const second = (n: Node): Value | undefined => (n.inputs[1] === undefined ? undefined : inputValues(n.inputs[1])[0]);

export function exponentialsOfLogSoftmax(g: Graph): Graph {
  const by = producers(g);
  const made = (v: Value | undefined, op: string): Node | undefined => {
    const n = v && by.get(v);
    return n?.op === op ? n : undefined;
  };
  const plain = (n: Node | undefined): n is Node => n !== undefined && (n.attrs['alpha'] ?? 1) === 1;
  let changed = false;
  const nodes = g.nodes.map((n) => {
    if (n.op !== 'exp') return n;
    const outer = made(first(n), 'sub');
    if (!plain(outer)) return n;
    const sum = made(first(made(second(outer), 'log') ?? n), 'sum');
    const powers = sum && made(first(sum), 'exp');
    const c = first(outer)!;
    const inner = made(c, 'sub');
    if (!sum || !powers || first(powers) !== c || !plain(inner)) return n;
    const max = made(second(inner), 'amax');
    const sameRows =
      max !== undefined &&
      ['dim', 'keepdim'].every((k) => printAttr(max.attrs[k] ?? null) === printAttr(sum.attrs[k] ?? null));
    if (!sameRows || first(max) !== first(inner) || sum.attrs['keepdim'] !== true) return n;
    changed = true;
    const operands = [powers, sum].map((x) => valueInput(x.outputs[0]!));
    return { ...n, op: 'trueDivide', inputs: operands, attrs: {} };
  });
  return changed ? { ...g, nodes } : g;
}
