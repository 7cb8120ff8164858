// Structured control flow: nodes whose bodies are graphs. Bodies are closed: what they read of the graph around them is an input of
// theirs, so every pass works on a body as on any graph.
//
//   if(cond, x...)            bodies then(x...) -> results, else(x...) -> results
//   loop(cond, s..., x...)    {carried = number of s}; body(s..., x...) -> (cond, s...). While `cond` holds, the body makes the next
//                             s; the results are the last ones.
//
// `cond` is a bool scalar. Carried values keep their types.
import type { Graph, Node, TensorType } from './graph.js';
import { RuleError, sameType } from './rules.js';
import { printType } from './print.js';

export const isControl = (n: Pick<Node, 'op'>): boolean => n.op === 'if' || n.op === 'loop';

/** Number of values that a loop hands from one round to the next. */
export const carriedOf = (n: Node): number => n.attrs['carried'] as number;

/** Whether an op of the graph or of a body in it holds for `test`. */
export const someNode = (g: Graph, test: (n: Node) => boolean): boolean =>
  g.nodes.some((n) => test(n) || (n.bodies ?? []).some((b) => someNode(b, test)));

/** A body in words: 'loop 1', 'loop 1, if 2 else'. `around`: the place of the graph of the node; `number`: which of its control nodes this is. */
export const bodyPlace = (around: string, n: Node, number: number, body: number): string =>
  `${around === '' ? '' : `${around}, `}${n.op} ${number}${n.op === 'if' ? (body === 0 ? ' then' : ' else') : ''}`;

/** The node with its bodies changed; itself when none was. */
export function mapBodies(n: Node, f: (g: Graph, body: number) => Graph): Node {
  if (n.bodies === undefined) return n;
  const bodies = n.bodies.map(f);
  return bodies.every((b, i) => b === n.bodies![i]) ? n : { ...n, bodies };
}

/** @throws RuleError when a control node's operands, bodies and results do not fit together */
export function checkControl(n: Node): void {
  const types = n.inputs.map((i): TensorType => {
    if (i.kind !== 'value') throw new RuleError(n.op, `operands of '${n.op}' are tensors`);
    return i.value.type;
  });
  const [cond, ...rest] = types;
  if (cond?.dtype !== 'bool' || cond.shape.length !== 0)
    throw new RuleError(n.op, `the condition of '${n.op}' is a bool scalar, got ${cond ? printType(cond) : 'nothing'}`);
  const bodies = n.bodies ?? [];
  const odd = Object.keys(n.attrs).find((k) => n.op === 'if' || k !== 'carried');
  if (odd !== undefined) throw new RuleError(n.op, `'${n.op}' has no attribute '${odd}'`);
  if (bodies.length !== (n.op === 'if' ? 2 : 1)) throw new RuleError(n.op, `'${n.op}' has ${bodies.length} bodies`);
  const same = (what: string, have: readonly TensorType[], want: readonly TensorType[]): void => {
    if (have.length !== want.length)
      throw new RuleError(n.op, `${what} of '${n.op}': ${want.length} expected, got ${have.length}`);
    have.forEach((t, k) => {
      if (!sameType(t, want[k]!))
        throw new RuleError(n.op, `${what} ${k} of '${n.op}': ${printType(want[k]!)} expected, got ${printType(t)}`);
    });
  };
  const results = n.outputs.map((v) => v.type);
  for (const b of bodies) {
    const open = [b.captures, b.writes, b.gradWrites, b.gradReads ?? [], b.symbols, b.liveScalars];
    if (open.some((list) => list.length > 0)) throw new RuleError(n.op, `a body of '${n.op}' is not closed`);
    same(
      'body input',
      b.inputs.map((v) => v.type),
      rest,
    );
    const made = b.outputs.map((v) => v.type);
    if (n.op === 'if') same('body result', made, results);
    else same('body result', made, [cond, ...results]);
  }
  if (n.op !== 'loop') return;
  const carried = n.attrs['carried'];
  if (typeof carried !== 'number' || !Number.isInteger(carried) || carried < 0 || carried > rest.length)
    throw new RuleError(n.op, `'loop' carries ${String(carried)} of ${rest.length} values`);
  same('result', results, rest.slice(0, carried));
}

/** All nodes, those of bodies included, in order. */
export function* allNodes(g: Graph): Generator<Node> {
  for (const n of g.nodes) {
    yield n;
    for (const b of n.bodies ?? []) yield* allNodes(b);
  }
}
