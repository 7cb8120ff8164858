// Runs a graph op by op through a callback: what happens when there is no compiler, what constant folding asks, and how
// tests compare a graph before and after a pass. Generic over the tensor type, so this file knows no tensors.
import { evalDim, isSym } from './dim.js';
import { inputValues, rootValues } from './build.js';
import { carriedOf, isControl } from './control.js';
import type { Attr, Graph, Node, Value } from './graph.js';

/** An operand as `execute` gets it. */
export type OperandOf<T> = T | number | boolean | null | readonly T[];
/** An attribute with live scalars and symbolic extents replaced by their numbers. */
export type ConcreteAttr = null | number | boolean | string | readonly number[];

/** Runs one op: operands in declared order, attributes by name, one tensor per result. */
export type Execute<T> = (
  op: string,
  inputs: readonly OperandOf<T>[],
  attrs: Readonly<Record<string, ConcreteAttr>>,
  node: Node,
) => readonly T[];

export interface GraphArguments<T> {
  readonly inputs: readonly T[];
  readonly captures: readonly T[];
  readonly live?: readonly number[];
  /** Values of the symbols of a symbolic graph. */
  readonly symbols?: ReadonlyMap<string, number>;
}

export interface GraphResults<T> {
  readonly outputs: T[];
  /** New contents, one per `graph.writes`; the caller copies them to their targets. */
  readonly writes: T[];
  readonly gradWrites: (T | null)[];
}

export function concreteAttr(a: Attr, live: readonly number[], symbols: ReadonlyMap<string, number>): ConcreteAttr {
  if (isSym(a)) return evalDim(a, symbols);
  if (Array.isArray(a)) return a.map((d) => evalDim(d, symbols));
  if (typeof a === 'object' && a !== null) return live[(a as { live: number }).live]!;
  return a;
}

function control<T>(
  n: Node,
  [cond, ...rest]: readonly T[],
  execute: Execute<T>,
  truth: (condition: T) => boolean,
): readonly T[] {
  const run = (body: Graph, inputs: readonly T[]): T[] =>
    interpret(body, { inputs, captures: [] }, execute, truth).outputs;
  const bodies = n.bodies!;
  if (n.op === 'if') return run(truth(cond!) ? bodies[0]! : bodies[1]!, rest);
  const carried = carriedOf(n);
  const fixed = rest.slice(carried);
  let state: readonly T[] = rest.slice(0, carried);
  for (let again = truth(cond!); again;) {
    const [next, ...values] = run(bodies[0]!, [...state, ...fixed]);
    [again, state] = [truth(next!), values];
  }
  return state;
}

/** Runs the nodes in order and drops every tensor after its last use. Writes nothing: the caller applies the writes. */
export function interpret<T>(
  g: Graph,
  args: GraphArguments<T>,
  execute: Execute<T>,
  /** The number in a bool scalar; graphs without control flow need none. */
  truth: (condition: T) => boolean = () => {
    throw new Error('control flow needs the value of its condition');
  },
): GraphResults<T> {
  if (args.inputs.length !== g.inputs.length)
    throw new RangeError(`the graph takes ${g.inputs.length} inputs, got ${args.inputs.length}`);
  if (args.captures.length !== g.captures.length)
    throw new RangeError(`the graph captures ${g.captures.length} tensors, got ${args.captures.length}`);
  const live = args.live ?? g.liveScalars;
  const symbols = args.symbols ?? new Map(g.symbols.map((s) => [s.name, s.hint]));
  const env = new Map<Value, T>();
  g.inputs.forEach((v, i) => env.set(v, args.inputs[i]!));
  g.captures.forEach((v, i) => env.set(v, args.captures[i]!));

  const keep = new Set(rootValues(g));
  const lastUse = new Map<Value, number>();
  g.nodes.forEach((n, k) => n.inputs.forEach((i) => inputValues(i).forEach((v) => lastUse.set(v, k))));

  g.nodes.forEach((n, k) => {
    const inputs = n.inputs.map((i): OperandOf<T> => {
      switch (i.kind) {
        case 'value':
          return env.get(i.value)!;
        case 'list':
          return i.values.map((v) => env.get(v)!);
        case 'const':
          return i.value;
        case 'live':
          return live[i.slot]!;
        case 'none':
          return null;
      }
    });
    const attrs = Object.fromEntries(
      Object.entries(n.attrs).map(([name, a]) => [name, concreteAttr(a, live, symbols)]),
    );
    const results = isControl(n) ? control(n, inputs as T[], execute, truth) : execute(n.op, inputs, attrs, n);
    if (results.length !== n.outputs.length)
      throw new Error(`'${n.op}' gave ${results.length} results, the graph has ${n.outputs.length}`);
    n.outputs.forEach((v, r) => env.set(v, results[r]!));
    for (const i of n.inputs) for (const v of inputValues(i)) if (lastUse.get(v) === k && !keep.has(v)) env.delete(v);
  });
  return {
    outputs: g.outputs.map((v) => env.get(v)!),
    writes: g.writes.map((w) => env.get(w.value)!),
    gradWrites: g.gradWrites.map((w) => (w.value === null ? null : env.get(w.value)!)),
  };
}
