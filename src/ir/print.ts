// The textual form of a graph. parse.ts reads it back: parse(print(g)) has the same structure, ids, names and marks.
//
//   graph(%x#0: float32[s0, 4]) {
//     symbol s0 = 64
//     live $0 = 0.001
//     capture %fc.weight#1: float32[2, 4]
//     %2: float32[s0, 2] = linear(%x, %fc.weight, none) {} @fc "train.ts:12:3" ^0
//     region ^0 linear(%x, %fc.weight, none) {} -> (%2) @fc
//     write %fc.weight = %7
//     grad %fc.weight = %8
//     return (%2)
//   }
//
// '%5' is the value with id 5; a named value shows its name and, where it is defined, its id. Numbers with a point or an
// exponent are floating-point operands. Bodies of control nodes follow their node: `%3: ... = if(%c, %x) {} { graph(...) {...} graph(...) {...} }`.
// Bodies name values of their own. '$0' is a live scalar, '^0' the composite region that a node belongs to.
import { isSym, printDim } from './dim.js';
import type { Attr, Graph, Input, Node, Region, TensorType, Value } from './graph.js';
import { emptyGraph } from './build.js';

const PLAIN_NAME = /^(?!inf$)[A-Za-z_][\w.]*$/;

export const printType = (t: TensorType): string => `${t.dtype}[${t.shape.map(printDim).join(', ')}]`;

/** An operand number: floating ones always show a point, an exponent, 'nan' or 'inf'. */
function printConst(value: number | boolean, float: boolean): string {
  if (typeof value === 'boolean') return String(value);
  if (!Number.isFinite(value)) return printNumber(value);
  if (!float) return BigInt(Math.trunc(value)).toString();
  const s = printNumber(value);
  return /[.e]/.test(s) ? s : `${s}.0`;
}

function printNumber(v: number): string {
  if (Number.isNaN(v)) return 'nan';
  if (!Number.isFinite(v)) return v > 0 ? 'inf' : '-inf';
  return Object.is(v, -0) ? '-0' : String(v);
}

export function printAttr(a: Attr): string {
  if (a === null) return 'none';
  if (typeof a === 'boolean') return String(a);
  if (typeof a === 'number') return printNumber(a);
  if (typeof a === 'string') return JSON.stringify(a);
  if (Array.isArray(a))
    return `[${a.map((d) => (typeof d === 'number' ? printNumber(d) : printDim(d as never))).join(', ')}]`;
  if (isSym(a)) return printDim(a);
  return `$${(a as { live: number }).live}`;
}

/** Prints values with the names that are unique and plain in one graph. */
class Names {
  private readonly plain = new Set<Value>();

  constructor(g: Graph) {
    const all = new Set([...g.inputs, ...g.captures, ...g.nodes.flatMap((n) => n.outputs)]);
    const seen = new Map<string, number>();
    for (const v of all) if (v.name !== undefined) seen.set(v.name, (seen.get(v.name) ?? 0) + 1);
    for (const v of all)
      if (v.name !== undefined && PLAIN_NAME.test(v.name) && seen.get(v.name) === 1) this.plain.add(v);
  }
  ref(v: Value): string {
    return this.plain.has(v) ? `%${v.name}` : `%${v.id}`;
  }
  def(v: Value): string {
    const name = this.plain.has(v)
      ? `%${v.name}#${v.id}`
      : `%${v.id}${v.name === undefined ? '' : JSON.stringify(v.name)}`;
    const strides = v.strides === undefined ? '' : ` strides [${v.strides.map(printDim).join(', ')}]`;
    return `${name}: ${printType(v.type)}${strides}`;
  }
  input(i: Input): string {
    switch (i.kind) {
      case 'value':
        return this.ref(i.value);
      case 'list':
        return `[${i.values.map((v) => this.ref(v)).join(', ')}]`;
      case 'const':
        return printConst(i.value, i.float);
      case 'live':
        return `$${i.slot}`;
      case 'none':
        return 'none';
    }
  }
}

const scopeText = (scope: string | undefined): string =>
  scope === undefined ? '' : ` @${PLAIN_NAME.test(scope) ? scope : JSON.stringify(scope)}`;

function call(names: Names, n: Pick<Node, 'op' | 'inputs' | 'attrs'>): string {
  const attrs = Object.entries(n.attrs).map(([k, v]) => `${k}=${printAttr(v)}`);
  return `${n.op}(${n.inputs.map((i) => names.input(i)).join(', ')}) {${attrs.join(', ')}}`;
}

function nodeLine(names: Names, n: Node): string {
  const defs = n.outputs.map((v) => names.def(v));
  const left = defs.length === 1 ? defs[0]! : `(${defs.join(', ')})`;
  const site = n.site === undefined ? '' : ` ${JSON.stringify(n.site)}`;
  const region = n.region === undefined ? '' : ` ^${n.region}`;
  return `${left} = ${call(names, n)}${scopeText(n.scope)}${site}${region}`;
}

function regionLine(names: Names, r: Region, index: number): string {
  const parent = r.parent === undefined ? '' : ` ^${r.parent}`;
  return `region ^${index} ${call(names, r)} -> (${r.outputs.map((v) => names.ref(v)).join(', ')})${scopeText(r.scope)}${parent}`;
}

function bodiesText(n: Node): string {
  if (n.bodies === undefined) return '';
  const text = n.bodies.map(printGraph).join('');
  return ` {\n${text.replace(/^(?=.)/gm, '    ')}  }`;
}

/** One node as it stands in the text of its graph, without bodies. */
export const printNode = (n: Node, g?: Graph): string => nodeLine(new Names(g ?? { ...emptyGraph(), nodes: [n] }), n);

/** Prints nodes of one graph; for many nodes, where printNode would look at the whole graph each time. */
export function nodePrinter(g: Graph): (n: Node) => string {
  const names = new Names(g);
  return (n) => nodeLine(names, n);
}

/** The textual form of a graph. */
export function printGraph(g: Graph): string {
  const names = new Names(g);
  const lines = [
    ...g.symbols.map((s) => `symbol ${s.name} = ${s.hint}`),
    ...g.liveScalars.map((v, i) => `live $${i} = ${printNumber(v)}`),
    ...g.captures.map((v) => `capture ${names.def(v)}`),
    ...g.nodes.map((n) => nodeLine(names, n) + bodiesText(n)),
    ...g.regions.map((r, i) => regionLine(names, r, i)),
    ...g.writes.map((w) => `write ${names.ref(w.target)} = ${names.ref(w.value)}`),
    ...g.gradWrites.map((w) => `grad ${names.ref(w.leaf)} = ${w.value === null ? 'none' : names.ref(w.value)}`),
    ...(g.gradReads ?? []).map((r) => `expect grad ${names.ref(r.leaf)} = ${r.is === null ? 'none' : names.ref(r.is)}`),
    `return (${g.outputs.map((v) => names.ref(v)).join(', ')})`,
  ];
  // An argument given twice is defined once and then named.
  const inputs = g.inputs.map((v, i) => (g.inputs.indexOf(v) < i ? names.ref(v) : names.def(v)));
  return `graph(${inputs.join(', ')}) {\n${lines.map((l) => `  ${l}\n`).join('')}}\n`;
}
