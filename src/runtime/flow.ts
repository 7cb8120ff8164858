// Graphs with control flow as programs: straight-line stretches are graph programs of their own, and a plan of branches and loops over
// them is run by native/runtime/flow.cc. Format of the plan: docs/program-format.md.
import { emptyGraph, inputValues, nextId, nodeValues } from '../ir/build.js';
import { bodyPlace, carriedOf, isControl } from '../ir/control.js';
import { dimSymbols, isSym, printDim } from '../ir/dim.js';
import type { Dim, Graph, Node, Value } from '../ir/graph.js';
import { selectNumbers } from '../passes/selects.js';

interface Move {
  readonly from: number[];
  readonly to: number[];
}
type Step =
  | { readonly run: number; readonly in: number[]; readonly out: number[] }
  | { readonly if: number; readonly before: Move; readonly then: Step[]; readonly after: Move; readonly else: Step[]; readonly afterElse: Move } // prettier-ignore
  | { readonly loop: number; readonly before: Move; readonly body: Step[]; readonly after: Move; readonly done: Move };

export interface Plan {
  readonly values: number;
  readonly inputs: number[];
  /** Where the captured tensors go, in the order of the graph's captures. */
  readonly constants: number[];
  readonly outputs: number[];
  readonly block: Step[];
}
export interface Flow {
  readonly plan: Plan;
  /** The stretches, in the order of their numbers in the plan. */
  readonly programs: readonly Graph[];
  /** Where each of them stands: 'main', 'loop 1', 'loop 1, if 2 else'; a later one of the same block has its number. */
  readonly places: readonly string[];
}

/** Takes a graph apart; small choices between numbers are no branches any more. Stretches read everything through their inputs. */
export function planFlow(graph: Graph): Flow {
  const g = selectNumbers(graph);
  const programs: Graph[] = [];
  const places: string[] = [];
  const slots = new Map<Value, number>();
  let values = 0;
  const slotOf = (v: Value): number => {
    let s = slots.get(v);
    if (s === undefined) slots.set(v, (s = values++));
    return s;
  };
  const block = (graph: Graph, place: string): Step[] => {
    const steps: Step[] = [];
    let [stretches, controls] = [0, 0];
    const uses = lastUses(graph);
    let stretch: Node[] = [];
    const flush = (end: number): void => {
      if (stretch.length === 0) return;
      const made = new Set(stretch.flatMap((n) => n.outputs));
      const inputs = [...new Set(stretch.flatMap(nodeValues))].filter((v) => !made.has(v));
      const outputs = [...made].filter((v) => (uses.get(v) ?? -1) >= end);
      const { program, sizes } = stretchGraph(g, stretch, inputs, outputs);
      programs.push(program);
      places.push(`${place || 'main'}${stretches++ === 0 ? '' : ` (${stretches})`}`);
      steps.push({ run: programs.length - 1, in: [...inputs, ...sizes].map(slotOf), out: outputs.map(slotOf) });
      stretch = [];
    };
    graph.nodes.forEach((n, k) => {
      if (!isControl(n)) return void stretch.push(n);
      flush(k);
      controls++;
      steps.push(control(n, (way) => bodyPlace(place, n, controls, way)));
    });
    flush(graph.nodes.length);
    return steps;
  };
  const move = (from: readonly Value[], to: readonly Value[]): Move => ({ from: from.map(slotOf), to: to.map(slotOf) });
  const control = (n: Node, placeOf: (way: number) => string): Step => {
    const [condition, ...rest] = n.inputs.flatMap(inputValues);
    const bodies = n.bodies!;
    if (n.op === 'if') {
      const [yes, no] = [bodies[0]!, bodies[1]!];
      // A value that is passed on is read by either body: one move fills both.
      const before = { from: [...rest, ...rest].map(slotOf), to: [...yes.inputs, ...no.inputs].map(slotOf) };
      return {
        if: slotOf(condition!),
        before,
        then: block(yes, placeOf(0)),
        after: move(yes.outputs, n.outputs),
        else: block(no, placeOf(1)),
        afterElse: move(no.outputs, n.outputs),
      };
    }
    const body = bodies[0]!;
    const again = values++;
    const carried = body.inputs.slice(0, carriedOf(n));
    return {
      loop: again,
      before: { from: [condition!, ...rest].map(slotOf), to: [again, ...body.inputs.map(slotOf)] },
      body: block(body, placeOf(0)),
      after: { from: body.outputs.map(slotOf), to: [again, ...carried.map(slotOf)] },
      done: move(carried, n.outputs),
    };
  };
  const [inputs, constants] = [g.inputs.map(slotOf), g.captures.map(slotOf)];
  const steps = block(g, '');
  return { plan: { inputs, constants, outputs: g.outputs.map(slotOf), block: steps, values }, programs, places };
}

/** The last node that reads each value; results count as read after all. */
function lastUses(g: Graph): Map<Value, number> {
  const uses = new Map<Value, number>();
  g.nodes.forEach((n, k) => nodeValues(n).forEach((v) => uses.set(v, k)));
  g.outputs.forEach((v) => uses.set(v, g.nodes.length));
  return uses;
}

/**
 * A stretch of `whole` as a graph of its own. `sizes`: inputs of `whole` that it takes besides, because a symbol of its sizes is read there.
 * Their places in the plan hold the same tensors all the time.
 */
function stretchGraph(
  whole: Graph,
  nodes: readonly Node[],
  inputs: readonly Value[],
  outputs: readonly Value[],
): { readonly program: Graph; readonly sizes: readonly Value[] } {
  const used = symbolsOf(nodes, inputs);
  const symbols = whole.symbols.filter((s) => used.has(s.name));
  const program: Graph = {
    ...emptyGraph(),
    inputs: [...inputs],
    nodes: nodes.map(({ region: _, ...n }) => n),
    outputs: [...outputs],
    liveScalars: whole.liveScalars,
    symbols,
  };
  const has = (v: Value, name: string): boolean => v.type.shape.some((d) => isSym(d) && printDim(d) === name);
  const sizes: Value[] = [];
  for (const { name } of symbols) {
    if ([...inputs, ...sizes].some((v) => has(v, name))) continue;
    const from = whole.inputs.find((v) => has(v, name));
    if (from !== undefined) sizes.push(from);
  }
  // Bodies number their values for themselves.
  let id = nextId(program);
  program.inputs.push(...sizes.map((v) => ({ ...v, id: id++ })));
  return { program, sizes };
}

function symbolsOf(nodes: readonly Node[], inputs: readonly Value[]): Set<string> {
  const used = new Set<string>();
  const see = (d: unknown): void => void (isSym(d) && dimSymbols(d as Dim, used));
  for (const v of [...inputs, ...nodes.flatMap((n) => n.outputs)]) v.type.shape.forEach(see);
  for (const n of nodes) for (const a of Object.values(n.attrs)) (Array.isArray(a) ? a : [a]).forEach(see);
  return used;
}
