// Results of branches and loops that nothing reads: they, what computes them in the bodies, and operands that only they read go away.
import { nodeValues, rootValues } from '../ir/build.js';
import { carriedOf, isControl } from '../ir/control.js';
import type { Graph, Node, Value } from '../ir/graph.js';
import { pruneRegions } from './regions.js';

/** The values that the graph's results and `kept` nodes need, the results included. */
function neededValues(g: Graph, kept: (n: Node) => boolean): Set<Value> {
  const needed = new Set<Value>(rootValues(g));
  for (let k = g.nodes.length - 1; k >= 0; k--) {
    const n = g.nodes[k]!;
    if (kept(n) || n.outputs.some((v) => needed.has(v))) nodeValues(n).forEach((v) => needed.add(v));
  }
  return needed;
}

/** The graph without nodes that none of its results needs. */
export function liveOnly(g: Graph, kept: (n: Node) => boolean): Graph {
  const needed = neededValues(g, kept);
  const nodes = g.nodes.filter((n) => kept(n) || n.outputs.some((v) => needed.has(v)));
  return nodes.length === g.nodes.length ? g : pruneRegions({ ...g, nodes });
}

/** The graph without results of its branches and loops that nothing reads. Its own nodes stay, dead ones too. */
export function pruneResults(g: Graph, kept: (n: Node) => boolean): Graph {
  if (!g.nodes.some(isControl)) return g;
  const needed = neededValues(g, kept);
  const nodes = g.nodes.map((n) => {
    if (!isControl(n)) return n;
    return n.op === 'if' ? pruneIf(n, needed, kept) : pruneLoop(n, needed, kept);
  });
  return nodes.every((n, k) => n === g.nodes[k]) ? g : { ...g, nodes };
}

const pick = <T>(list: readonly T[], take: (k: number) => boolean): T[] => list.filter((_, k) => take(k));
/** A body with some of its results. What its own branches hand over follows, so that less of what it is given is read. */
const withOutputs = (b: Graph, take: (k: number) => boolean, kept: (n: Node) => boolean): Graph => {
  const outputs = pick(b.outputs, take);
  const less = pruneResults(outputs.length === b.outputs.length ? b : { ...b, outputs }, kept);
  return less === b ? b : liveOnly(less, kept);
};

function pruneIf(n: Node, needed: ReadonlySet<Value>, kept: (n: Node) => boolean): Node {
  const live = (k: number): boolean => needed.has(n.outputs[k]!);
  const bodies = n.bodies!.map((b) => withOutputs(b, live, kept));
  const reads = bodies.map((b) => neededValues(b, kept));
  const read = (k: number): boolean => bodies.some((b, j) => reads[j]!.has(b.inputs[k]!));
  return rebuilt(n, bodies, pick(n.outputs, live), read, {});
}

function pruneLoop(n: Node, needed: ReadonlySet<Value>, kept: (n: Node) => boolean): Node {
  const body = n.bodies![0]!;
  const carried = carriedOf(n);
  const live = new Set(n.outputs.flatMap((v, k) => (needed.has(v) ? [k] : [])));
  // A carried value that a live one is computed from lives, too.
  const bodyOf = (): Graph => withOutputs(body, (k) => k === 0 || live.has(k - 1), kept);
  const readsOf = (b: Graph): boolean[] => {
    const values = neededValues(b, kept);
    return b.inputs.map((v) => values.has(v));
  };
  let reads = readsOf(bodyOf());
  for (let grown = true; grown; reads = readsOf(bodyOf())) {
    grown = false;
    for (let k = 0; k < carried; k++)
      if (reads[k] && !live.has(k)) {
        live.add(k);
        grown = true;
      }
  }
  const read = (k: number): boolean => (k < carried ? live.has(k) : reads[k]!);
  const outputs = pick(n.outputs, (k) => live.has(k));
  return rebuilt(n, [bodyOf()], outputs, read, { carried: live.size });
}

/** The node with other bodies and results, and the operands that are read; itself when all of them are. The condition stays. */
function rebuilt(
  n: Node,
  bodies: readonly Graph[],
  outputs: Value[],
  read: (operand: number) => boolean,
  attrs: Node['attrs'],
): Node {
  const inputs = n.inputs.filter((_, k) => k === 0 || read(k - 1));
  const same = inputs.length === n.inputs.length && outputs.length === n.outputs.length;
  if (same && bodies.every((b, k) => b === n.bodies![k])) return n;
  return {
    ...n,
    inputs,
    outputs,
    attrs: { ...n.attrs, ...attrs },
    bodies: bodies.map((b) => ({ ...b, inputs: pick(b.inputs, read) })),
  };
}
