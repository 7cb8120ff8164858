// Library ops of which a part is better generated: what a kernel computes on the way costs no pass of its own.
import { printDim } from '../ir/dim.js';
import type { Node, TensorType, Value } from '../ir/graph.js';
import { computeType } from './dtype.js';
import { lCvt, lOp, lRead } from './expr.js';
import { type Lowering, type NodeRule } from './lowering.js';
import { define, out, tensor } from './rule_util.js';

/** A transposed convolution is the gradient of a plain one, which takes no bias: the bias joins what is computed of the result. */
const convolution: NodeRule = (l: Lowering, n, a) => {
  const [x, w, bias] = [tensor(l, n, 0), tensor(l, n, 1), tensor(l, n, 2)];
  if (a.get('transposed') !== true || !x || !w || !bias) return false;
  const o = out(n);
  const ct = computeType(o.dtype);
  const channel = o.shape.length - (w.shape.length - 1);
  const [product] = l.step(
    n,
    n.op,
    [l.stepTensor(x), l.stepTensor(w), null],
    n.attrs,
    [o],
    'a transposed convolution, its bias apart',
  );
  return define(l, n, (idx) => lOp('add', [lCvt(lRead(product!, idx), ct), lCvt(bias.at([idx[channel]!]), ct)], ct));
};

/** In tiles: what it saves is said. */
const attention =
  (scores: (n: Node) => string): NodeRule =>
  (l, n) => {
    l.library(n, scores(n));
    return true;
  };
const sizesOf = (n: Node, query: number): string => {
  const [q, k] = [query, query + 1].map((i) => (n.inputs[i] as { value: Value }).value.type) as [
    TensorType,
    TensorType,
  ];
  return `${q.dtype}[${[...q.shape.slice(0, -1), k.shape.at(-2)!].map(printDim).join(', ')}]`;
};

/** Rules by op name. */
export const LIBRARY: Readonly<Record<string, NodeRule>> = {
  convolution,
  attentionForward: attention(
    (n) =>
      `attention in tiles${n.attrs['isCausal'] === true ? ', causal' : ''}; the scores, ${sizesOf(n, 0)}, are never stored`,
  ),
  attentionBackward: attention(
    (n) => `the gradient of attention in tiles; the scores, ${sizesOf(n, 1)}, are computed again instead of stored`,
  ),
};
