// The gradient of spelled-out attention, from the weights on: the products by value, query and key around softmax's own gradient.
import type { Node, Value } from '../ir/graph.js';
import { areTurned, constantOf, operandOf, overRows, type Forward, type Reads, type Step } from './attention_parts.js';

export interface AttentionGradient {
  /** The gradient of the output. */
  readonly grad: Value;
  /** The first of the nodes that read it: there the op comes. */
  readonly first: Node;
  /** The products that make the gradients; undefined: nobody wants it. */
  readonly query: Node | undefined;
  readonly key: Node | undefined;
  readonly value: Node | undefined;
  /** The product is the gradient of the turned key, [..., size, keys]. */
  readonly keyTurned: boolean;
}

const isProduct = (n: Node | undefined): n is Node => n !== undefined && (n.op === 'matmul' || n.op === 'bmm');

/** null: nothing but the forward pass reads the weights; 'other': something does that is no gradient of attention. */
export function matchGradient(f: Forward, reads: Reads): AttentionGradient | null | 'other' {
  const { weights } = f;
  if (reads.isRoot(weights)) return 'other';
  const readers = reads.of(weights).filter((n) => n !== f.output);
  if (readers.length === 0) return null;
  const turns = readers.filter((n) => n.op === 'permute');
  const products = readers.filter((n) => n.op === 'mul');
  if (products.length !== 2 || turns.length > 1 || turns.length + 2 !== readers.length) return 'other';

  // dS = P * dP - P * sum(P * dP)
  const [times, mean] = isMean(products[0]!, weights, reads)
    ? [products[1]!, products[0]!]
    : (products as [Node, Node]);
  if (!isMean(mean, weights, reads)) return 'other';
  const product = times.outputs[0]!;
  const sum = reads.by(other(mean, weights), 'sum')!;
  const dWeights = other(times, weights);
  const difference = reads.of(product).find((n) => n.op === 'sub');
  if (!dWeights || !difference || operandOf(sum.inputs[0]) !== product) return 'other';
  if (operandOf(difference.inputs[0]) !== product || operandOf(difference.inputs[1]) !== mean.outputs[0])
    return 'other';
  const inner =
    reads.only(product, [sum, difference]) &&
    reads.only(sum.outputs[0]!, [mean]) &&
    reads.only(mean.outputs[0]!, [difference]) &&
    reads.only(dWeights, [times]) &&
    (difference.attrs['alpha'] ?? 1) === 1;
  if (!inner) return 'other';

  // dP = dO V^T
  const outer = reads.by(dWeights);
  if (!isProduct(outer)) return 'other';
  const [grad, valueT] = outer.inputs.map(operandOf);
  if (!grad || !valueT || !areTurned(f.value, valueT, reads)) return 'other';
  // dV = P^T dO
  let value: Node | undefined;
  if (turns.length === 1) {
    const turned = turns[0]!.outputs[0]!;
    value = reads.of(turned)[0];
    if (!reads.only(turned, value ? [value] : []) || !isProduct(value)) return 'other';
    if (!areTurned(weights, turned, reads) || operandOf(value.inputs[0]) !== turned) return 'other';
    if (operandOf(value.inputs[1]) !== grad) return 'other';
  }

  // Back through mask and scale to the gradient of the scores, and from there to query and key.
  let slopes = difference.outputs[0]!;
  for (const step of f.steps) {
    const next = reads.of(slopes)[0];
    if (!next || step.kind === 'added') continue;
    if (!reads.only(slopes, [next]) || !undoes(next, step, slopes)) return 'other';
    slopes = next.outputs[0]!;
  }
  if (reads.isRoot(slopes)) return 'other';
  let query: Node | undefined;
  let key: Node | undefined;
  let keyTurned = false;
  for (const n of reads.of(slopes)) {
    const [a, b] = n.inputs.map(operandOf);
    if (isProduct(n) && a === slopes && b && areTurned(f.key, b, reads) && query === undefined) {
      query = n;
    } else if (isProduct(n) && b === slopes && a && areTurned(f.query, a, reads) && key === undefined) {
      [key, keyTurned] = [n, true];
    } else if (n.op === 'permute' && key === undefined && areTurned(slopes, n.outputs[0]!, reads)) {
      const [reader, ...more] = reads.of(n.outputs[0]!);
      if (!isProduct(reader) || more.length > 0 || reads.isRoot(n.outputs[0]!)) return 'other';
      if (operandOf(reader.inputs[0]) !== n.outputs[0] || operandOf(reader.inputs[1]) !== f.query) return 'other';
      key = reader;
    } else return 'other';
  }
  const first = [outer, value].filter((n) => n !== undefined).sort((p, q) => reads.place(p) - reads.place(q))[0]!;
  return { grad, first, query, key, value, keyTurned };
}

/** The other operand of a product with `v`. */
function other(n: Node, v: Value): Value | undefined {
  const [a, b] = n.inputs.map(operandOf);
  return a === v ? b : b === v ? a : undefined;
}
/** weights * sum over the rows */
function isMean(n: Node, weights: Value, reads: Reads): boolean {
  const sum = reads.by(other(n, weights), 'sum');
  return sum !== undefined && overRows(sum);
}

/** The node is the gradient of a step. */
function undoes(n: Node, step: Exclude<Step, { kind: 'added' }>, grad: Value): boolean {
  const [a, b] = n.inputs;
  const [x, y] = [operandOf(a), operandOf(b)];
  if (step.kind === 'scale') {
    if (step.divisor !== undefined)
      return (n.op === 'div' || n.op === 'trueDivide') && x === grad && constantOf(b) === step.divisor;
    return n.op === 'mul' && (x === grad || y === grad) && (constantOf(b) ?? constantOf(a)) === step.factor;
  }
  switch (n.op) {
    // Derivative kernels: (grad, mask).
    case 'maskedFillValueBackwardSelf':
      return step.hides && x === grad && y === step.mask;
    case 'whereBackwardSelf':
      return !step.hides && x === grad && y === step.mask;
    case 'whereBackwardOther':
      return step.hides && x === grad && y === step.mask;
    default:
      return false;
  }
}
