// Attention that a program spells out - softmax(query key^T scale + mask) value - becomes one op that never stores the matrix of scores,
// and so does its gradient in graphs that hold forward and backward. Only where nothing else reads the scores or the weights.
import { log } from '../debug/log.js';
import { nextId, producers, rootValues, valueInput } from '../ir/build.js';
import { productOf, sameShape } from '../ir/dim.js';
import type { Attr, Graph, Input, Node, Value } from '../ir/graph.js';
import { infer } from '../ir/rules.js';
import { matchGradient, type AttentionGradient } from './attention_gradient.js';
import {
  constantOf,
  turnedDims,
  operandOf,
  overRows,
  Reads,
  swapped,
  type Forward,
  type Step,
} from './attention_parts.js';

/** Up to this many multiply-adds the products are cheaper as loops of the kernels around them (measured; emit/program.ts: smallMatmul). */
const LEAST_WORK = 32768;

export function recogniseAttention(g: Graph): Graph {
  if (!g.nodes.some((n) => n.op === 'exp')) return g;
  const reads = new Reads(g, producers(g), new Set(rootValues(g)));
  const instead = new Map<Node, readonly Node[]>();
  const ids = { next: nextId(g) };
  for (const n of g.nodes) {
    if (n.op !== 'matmul' && n.op !== 'bmm') continue;
    const f = matchForward(n, reads);
    if (f === null) continue;
    const gradient = matchGradient(f, reads);
    const why = gradient === 'other' ? 'something else reads its weights' : refused(f);
    if (why !== null || gradient === 'other') {
      log('passes', () => `attention of %${n.outputs[0]!.id} stays spelled out: ${why ?? ''}`);
      continue;
    }
    replace(f, gradient, reads, ids, instead);
  }
  if (instead.size === 0) return g;
  return { ...g, nodes: g.nodes.flatMap((n) => instead.get(n) ?? [n]) };
}

/** Why the op would be no gain; null: it is one. */
function refused(f: Forward): string | null {
  const work = productOf([...f.scores.type.shape, f.key.type.shape.at(-2)!]);
  return typeof work === 'number' && work <= LEAST_WORK ? `${work} multiply-adds are cheaper as loops` : null;
}

/** softmax over the last dimension, from its quotient up to what it is of. */
function matchSoftmax(weights: Node, reads: Reads): Value | null {
  if (weights.op !== 'trueDivide' && weights.op !== 'div') return null;
  const [e, sum] = weights.inputs.map(operandOf);
  const exp = reads.by(e, 'exp');
  const total = reads.by(sum, 'sum');
  const difference = exp && reads.by(operandOf(exp.inputs[0]), 'sub');
  if (!exp || !total || !difference || operandOf(total.inputs[0]) !== e || !overRows(total)) return null;
  const [x, m] = difference.inputs.map(operandOf);
  const max = reads.by(m, 'amax');
  if (!x || !max || operandOf(max.inputs[0]) !== x || !overRows(max)) return null;
  const only =
    reads.only(e!, [weights, total]) &&
    reads.only(sum!, [weights]) &&
    reads.only(difference.outputs[0]!, [exp]) &&
    reads.only(m!, [difference]) &&
    reads.only(x, [difference, max]);
  return only && (difference.attrs['alpha'] ?? 1) === 1 ? x : null;
}

/** Scale or mask between the product and the softmax; null: neither. */
function matchStep(n: Node): { readonly step: Step; readonly from: Value } | null {
  const [a, b] = n.inputs;
  const [x, y] = [operandOf(a), operandOf(b)];
  const number = constantOf(b) ?? constantOf(a);
  switch (n.op) {
    case 'mul':
      return number === undefined ? null : { step: { kind: 'scale', node: n, factor: number }, from: (x ?? y)! };
    case 'div':
    case 'trueDivide':
      return x === undefined || constantOf(b) === undefined || (n.attrs['roundingMode'] ?? null) !== null
        ? null
        : { step: { kind: 'scale', node: n, factor: 1 / constantOf(b)!, divisor: constantOf(b)! }, from: x };
    case 'maskedFillValue':
      return x && y && constantOf(n.inputs[2]) === -Infinity
        ? { step: { kind: 'mask', node: n, mask: y, hides: true }, from: x }
        : null;
    case 'where': {
      const c = n.inputs[2];
      if (x && y && constantOf(c) === -Infinity)
        return { step: { kind: 'mask', node: n, mask: x, hides: false }, from: y };
      const z = operandOf(c);
      return x && z && constantOf(b) === -Infinity
        ? { step: { kind: 'mask', node: n, mask: x, hides: true }, from: z }
        : null;
    }
    case 'add':
      // Which of the two are the scores shows further up.
      return x && y && (n.attrs['alpha'] ?? 1) === 1 ? { step: { kind: 'added', node: n, mask: y }, from: x } : null;
    default:
      return null;
  }
}

function matchForward(n: Node, reads: Reads): Forward | null {
  const [weights, value] = n.inputs.map(operandOf);
  const quotient = weights && reads.by(weights);
  const masked = quotient && matchSoftmax(quotient, reads);
  if (!masked || !value) return null;
  const steps: Step[] = [];
  let x = masked;
  for (;;) {
    let node = reads.by(x);
    if (node === undefined) return null;
    if (node.op === 'matmul' || node.op === 'bmm') break;
    let found = matchStep(node);
    if (found?.step.kind === 'added' && !isScores(found.from, reads)) {
      const [a, b] = node.inputs.map(operandOf);
      if (!isScores(b!, reads)) return null;
      found = { step: { kind: 'added', node, mask: a! }, from: b! };
    }
    if (found === null || steps.some((s) => (s.kind === 'scale') === (found.step.kind === 'scale'))) return null;
    // The mask comes last: an added one would be scaled.
    if (found.step.kind !== 'scale' && steps.length > 0) return null;
    if (!reads.only(found.from, [node]) || !sameShape(found.from.type.shape, masked.type.shape)) return null;
    steps.push(found.step);
    x = found.from;
    node = reads.by(x);
  }
  const scores = reads.by(x)!;
  const [query, keyT] = scores.inputs.map(operandOf);
  if (!query || !keyT) return null;
  const values = [query, keyT, value, x, weights];
  const dtype = query.type.dtype;
  if (dtype !== 'float32' && dtype !== 'float64') return null;
  if (values.some((v) => v.type.dtype !== dtype || v.type.shape.length < 2) || weights.type.shape.length < 2)
    return null;
  if (n.outputs[0]!.type.shape.length !== weights.type.shape.length) return null;
  const mask = steps.find((s) => s.kind !== 'scale');
  if (mask && mask.mask.type.dtype !== (mask.kind === 'added' ? dtype : 'bool')) return null;
  return { output: n, weights, query, key: keyT, value, scores: x, product: scores, steps, mask: mask ?? null };
}

/** The scores, or the scores times a number. */
function isScores(v: Value, reads: Reads): boolean {
  const n = reads.by(v);
  if (n === undefined) return false;
  if (n.op === 'matmul' || n.op === 'bmm') return true;
  const step = matchStep(n);
  return step?.step.kind === 'scale' && ['matmul', 'bmm'].includes(reads.by(step.from)?.op ?? '');
}

/** Whether a mask is the triangle of causality, by what it is made from. */
function isCausal(mask: Value, hides: boolean, reads: Reads): boolean {
  const n = reads.by(mask);
  if (n === undefined) return false;
  const [first, second] = n.inputs;
  const from = operandOf(first);
  switch (n.op) {
    case 'tril':
    case 'triu': {
      const ones = from && reads.by(from, 'full')?.attrs['fillValue'];
      return Boolean(ones) && (n.attrs['diagonal'] ?? 0) === (hides ? 1 : 0) && (n.op === 'triu') === hides;
    }
    case 'logicalNot':
      return from !== undefined && isCausal(from, !hides, reads);
    case 'eq':
    case 'ne':
      return from !== undefined && constantOf(second) === 0 && isCausal(from, n.op === 'eq' ? !hides : hides, reads);
    case 'toDtype':
      return from !== undefined && isCausal(from, hides, reads);
    case 'view': {
      // Only more dimensions of one element.
      const kept = mask.type.shape.slice(-2);
      const fresh = mask.type.shape.slice(0, -2).every((d) => d === 1);
      return from !== undefined && fresh && sameShape(from.type.shape, kept) && isCausal(from, hides, reads);
    }
    default:
      return false;
  }
}

function replace(
  f: Forward,
  gradient: AttentionGradient | null,
  reads: Reads,
  ids: { next: number },
  instead: Map<Node, readonly Node[]>,
): void {
  const at = f.output;
  const make = (
    op: string,
    inputs: readonly Input[],
    attrs: Record<string, Attr>,
    like: Node,
    given: readonly (Value | undefined)[] = [],
  ): Node => {
    const types = infer(op, inputs, attrs)!;
    const outputs = types.map((type, k): Value => given[k] ?? { id: ids.next++, type });
    const { site, scope } = like;
    return {
      op,
      inputs: [...inputs],
      attrs,
      outputs,
      ...(site === undefined ? {} : { site }),
      ...(scope === undefined ? {} : { scope }),
    };
  };
  const before: Node[] = [];
  const emit = (op: string, v: Value, attrs: Record<string, Attr>): Value => {
    const n = make(op, [valueInput(v)], attrs, at);
    before.push(n);
    return n.outputs[0]!;
  };
  const turned = (v: Value): Value =>
    swapped(v, reads) ?? emit('permute', v, { dims: turnedDims(v.type.shape.length) });
  const batch = f.scores.type.shape.slice(0, -2);
  const spread = (v: Value): Value =>
    sameShape(v.type.shape.slice(0, -2), batch)
      ? v
      : emit('expand', v, { size: [...batch, ...v.type.shape.slice(-2)] as Attr });
  const query = spread(f.query);
  const key = spread(turned(f.key));
  const value = spread(f.value);
  const scale = f.steps.find((s) => s.kind === 'scale')?.factor ?? 1;
  const hides = f.mask?.kind === 'mask' && f.mask.hides;
  const causal = f.mask?.kind === 'mask' && isCausal(f.mask.mask, f.mask.hides, reads);
  let mask: Value | null = null;
  if (f.mask && !causal) mask = hides ? emit('logicalNot', f.mask.mask, {}) : f.mask.mask;
  const maskInput: Input = mask === null ? { kind: 'none' } : valueInput(mask);
  const operands = [valueInput(query), valueInput(key), valueInput(value), maskInput];
  const forward = make('attentionForward', operands, { isCausal: causal, scale, zeroUnseen: false }, at, [
    at.outputs[0],
  ]);
  instead.set(at, [...before, forward]);
  if (gradient === null) return;

  const [out, logsumexp] = forward.outputs as [Value, Value];
  const inputs = [gradient.grad, ...operands, out, logsumexp].map((x) => ('kind' in x ? x : valueInput(x)));
  // What the gradient of the key becomes depends on how it was spelled.
  const backward = make('attentionBackward', inputs, { isCausal: causal, scale }, gradient.first, [
    gradient.query?.outputs[0],
    gradient.keyTurned ? undefined : gradient.key?.outputs[0],
    gradient.value?.outputs[0],
  ]);
  for (const n of [gradient.query, gradient.value, gradient.keyTurned ? undefined : gradient.key])
    if (n) instead.set(n, []);
  if (gradient.key && gradient.keyTurned) {
    const dims = turnedDims(gradient.key.outputs[0]!.type.shape.length);
    const turn = make('permute', [valueInput(backward.outputs[1]!)], { dims }, gradient.key, [gradient.key.outputs[0]]);
    instead.set(gradient.key, [turn]);
  }
  instead.set(gradient.first, [backward, ...(instead.get(gradient.first) ?? [gradient.first])]);
}
