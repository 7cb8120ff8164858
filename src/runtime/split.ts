// Splits a joint graph (a forward and, from placeholder output gradients, its backward) into two programs: forward, which also
// returns what backward needs, and backward. View chains are recomputed instead of saved: they cost nothing.
import { nodeValues, producers } from '../ir/build.js';
import type { Graph, Node, Value } from '../ir/graph.js';
import { opInfo } from '../ir/table.js';
import { deadCode } from '../passes/dead_code.js';

export interface JointParts {
  /** Outputs: the results, then `saved`. */
  readonly forward: Graph;
  /** Inputs: the placeholders, then `saved`, then `savedInputs`; captures: those it reads. Outputs: the gradients. */
  readonly backward: Graph;
  /** Values computed by forward that backward reads. */
  readonly saved: readonly Value[];
  /** Arguments of forward that backward reads. */
  readonly savedInputs: readonly Value[];
}

/** A joint graph that cannot be split, and why. */
export class SplitError extends Error {
  override readonly name = 'SplitError';
}

/** @throws SplitError when backward reads a captured tensor that forward overwrites. */
export function splitJoint(g: Graph, placeholders: readonly Value[], results: number): JointParts {
  const late = new Set<Value>(placeholders);
  const dependents: Node[] = [];
  const early: Node[] = [];
  for (const n of g.nodes) {
    const depends = nodeValues(n).some((v) => late.has(v));
    (depends ? dependents : early).push(n);
    if (depends) n.outputs.forEach((v) => late.add(v));
  }
  const by = producers(g);
  const outside = new Set([...g.inputs, ...g.captures]);
  const saved = new Set<Value>();
  const usedOutside = new Set<Value>();
  const recomputed = new Set<Node>();
  const need = (v: Value): void => {
    if (late.has(v)) return;
    if (outside.has(v)) return void usedOutside.add(v);
    const n = by.get(v)!;
    if (opInfo(n.op)?.kind === 'view' && n.op !== 'asStridedScatter') {
      recomputed.add(n);
      nodeValues(n).forEach(need);
    } else saved.add(v);
  };
  dependents.forEach((n) => nodeValues(n).forEach(need));
  const grads = g.outputs.slice(results);
  grads.forEach(need);

  const overwritten = g.writes.find((w) => usedOutside.has(w.target));
  if (overwritten !== undefined) throw new SplitError('its backward reads a tensor that its forward overwrites');

  const placeholderSet = new Set(placeholders);
  const forwardCaptures = g.captures.filter((v) => !placeholderSet.has(v));
  const savedList = [...saved];
  const savedInputs = g.inputs.filter((v, i) => usedOutside.has(v) && g.inputs.indexOf(v) === i);
  const forward = deadCode({
    ...g,
    captures: forwardCaptures,
    nodes: early,
    regions: [],
    outputs: [...g.outputs.slice(0, results), ...savedList],
    gradWrites: [],
  });
  const backward = deadCode({
    ...g,
    inputs: [...placeholders, ...savedList, ...savedInputs],
    captures: forwardCaptures.filter((v) => usedOutside.has(v)),
    nodes: [...early.filter((n) => recomputed.has(n)), ...dependents],
    regions: [],
    outputs: [...grads],
    writes: [],
    gradWrites: [],
    gradReads: [],
  });
  return { forward, backward, saved: savedList, savedInputs };
}
