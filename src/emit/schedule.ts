// The decisions behind a program, for people: kernels with their loops, library steps, and why neighbours were not fused.
import { evalDim, printDim } from '../ir/dim.js';
import { type Graph, type Node } from '../ir/graph.js';
import { type Step, stepTensors } from '../schedule/defs.js';
import { type LExpr, walk } from '../schedule/expr.js';
import { type Apart, type Grouping, unitOf } from '../schedule/group.js';
import { newAxis, ixAxis } from '../schedule/indexing.js';
import { type Unit } from '../schedule/units.js';
import { type Def } from '../schedule/defs.js';
import { type Kernel, describeKernel } from '../loop/kernel.js';
import { type Event } from './memory.js';
import { type Traffic, trafficOf } from './traffic.js';

/** One kernel or library call, in the order in which they run. Plain data: it is kept in the cache beside the source. */
export interface PartReport extends Traffic {
  readonly kind: 'kernel' | 'library';
  /** 'kernel0', 'step 3'. */
  readonly name: string;
  readonly title: string;
  /** Indices into the graph's nodes: the ops that it computes. An op may be part of several; views are index arithmetic and of none. */
  readonly nodes: readonly number[];
  /** The loop nest, or the call. */
  readonly loops: string;
  /** Generated source; empty for a call of the library. */
  readonly source: string;
  /** Why it is a library call; null for kernels. */
  readonly reason: string | null;
}
/** A result that goes through memory from one part to another, and why they are not one kernel. */
export interface ApartReport {
  /** Indices into `parts`. */
  readonly from: number;
  readonly to: number;
  /** What makes and what reads it. */
  readonly producer: string;
  readonly consumer: string;
  readonly reason: string;
}
export interface ScheduleReport {
  readonly parts: readonly PartReport[];
  readonly apart: readonly ApartReport[];
}

export interface Schedule {
  readonly kernels: readonly Kernel[];
  readonly steps: readonly Step[];
  readonly apart: readonly Apart[];
  /** With the kernels' sources, in their order. */
  report(sources: readonly string[]): ScheduleReport;
  toString(): string;
}

export function makeSchedule(graph: Graph, grouping: Grouping, events: readonly Event[]): Schedule {
  const kernels = events.flatMap((e) => (e.k === 'kernel' ? [e.kernel] : []));
  const steps = events.flatMap((e) => (e.k === 'step' ? [e.step] : []));
  return {
    kernels,
    steps,
    apart: grouping.apart,
    report: (sources) => ({
      parts: partReports(graph, grouping, events, sources),
      apart: apartReports(grouping, events),
    }),
    toString: () =>
      [
        ...events.map((e) =>
          e.k === 'kernel' ? describeKernel(e.kernel) : `${describeStep(e.step)}  library call: ${e.step.reason}`,
        ),
        ...new Set(
          grouping.apart.flatMap((a) => {
            const home = grouping.groupOf.get(a.producer as Unit);
            return home === undefined || isStep(a.consumer)
              ? []
              : [`not fused: ${a.consumer.name} into ${title(home.items.map((i) => nameOf(unitOf(i))))}: ${a.reason}`];
          }),
        ),
      ].join('\n') + '\n',
  };
}

const isStep = (x: Unit | Step): x is Step => 'attrs' in x;
const nameOf = (x: Unit | Step): string => (isStep(x) ? x.op : x.name);
const title = (names: readonly string[]): string => names.slice(0, 4).join('+');

function describeStep(s: Step): string {
  const shapes = stepTensors(s).map((t) => `${t.def.name}[${t.shape.map(printDim).join(', ')}]`);
  const tail = s.epilogue.length > 0 ? ` + ${s.epilogue.map((x) => x.op).join(' + ')}` : '';
  return `step ${s.id}: ${s.op}(${shapes.join(', ')})${tail}`;
}

function partReports(
  graph: Graph,
  grouping: Grouping,
  events: readonly Event[],
  sources: readonly string[],
): PartReport[] {
  const symbols = new Map(graph.symbols.map((s) => [s.name, s.hint]));
  const index = new Map(graph.nodes.map((n, i) => [n, i]));
  const indices = (nodes: Iterable<Node>): number[] =>
    [...new Set([...nodes].flatMap((n) => index.get(n) ?? []))].sort((a, b) => a - b);
  let kernel = 0;
  return events.map((e) => {
    const traffic = trafficOf(e, (d) => evalDim(d, symbols));
    if (e.k === 'step') {
      const s = e.step;
      return {
        kind: 'library',
        name: `step ${s.id}`,
        title: [s.op, ...s.epilogue.map((x) => x.op)].join(' '),
        nodes: indices(s.nodes),
        loops: describeStep(s),
        source: '',
        reason: s.reason,
        ...traffic,
      };
    }
    const k = e.kernel;
    return {
      kind: 'kernel',
      name: k.name,
      title: k.title,
      nodes: indices(nodesOf(k.units, grouping)),
      loops: describeKernel(k),
      source: sources[kernel++]!,
      reason: null,
      ...traffic,
    };
  });
}

/** The graph nodes that units compute, those of maps included that are computed where they are read. */
function nodesOf(units: readonly Unit[], grouping: Grouping): Set<Node> {
  const nodes = new Set<Node>();
  const seen = new Set<LExpr>();
  const look = (e: LExpr): void =>
    walk(
      e,
      (x) => {
        if (x.k !== 'read') return;
        const d = x.src as Def;
        if (!grouping.virtual.has(d) || d.how.k !== 'map') return;
        if (d.node) nodes.add(d.node);
        look(d.how.body(x.idx));
      },
      seen,
    );
  for (const u of units) {
    const node = 'inShape' in u ? u.results[0]?.node : u.node;
    if (node) nodes.add(node);
    const axes = ('inShape' in u ? u.inShape : u.shape).map((d, k) => ixAxis(newAxis(`d${k}`, d)));
    if ('inShape' in u) look(u.elem(axes));
    else if (u.how.k === 'map') look(u.how.body(axes));
  }
  return nodes;
}

function apartReports(grouping: Grouping, events: readonly Event[]): ApartReport[] {
  const place = new Map<Unit | Step, number>();
  events.forEach((e, i) => {
    for (const x of e.k === 'step' ? [e.step] : e.kernel.units) place.set(x, i);
  });
  const reports = grouping.apart.flatMap((a): ApartReport[] => {
    const [from, to] = [place.get(a.producer), place.get(a.consumer)];
    if (from === undefined || to === undefined) return []; // nothing reads what it makes
    return [{ from, to, producer: nameOf(a.producer), consumer: nameOf(a.consumer), reason: a.reason }];
  });
  return [...new Map(reports.map((r) => [JSON.stringify(r), r])).values()];
}
