// Merges nodes that compute the same thing from the same operands.
import { isControl } from '../ir/control.js';
import type { Graph, Input, Node, Value } from '../ir/graph.js';
import { printAttr } from '../ir/print.js';
import { isRandom } from '../ir/table.js';
import { Replacements } from './replace.js';

const operandKey = (i: Input): string => {
  switch (i.kind) {
    case 'value':
      return `%${i.value.id}`;
    case 'list':
      return `[${i.values.map((v) => v.id).join()}]`;
    case 'const':
      return `${typeof i.value}${Object.is(i.value, -0) ? '-0' : String(i.value)}${i.float ? 'f' : ''}`;
    case 'live':
      return `$${i.slot}`;
    case 'none':
      return '-';
  }
};

const nodeKey = (n: Node): string =>
  `${n.op}(${n.inputs.map(operandKey).join()}){${Object.keys(n.attrs)
    .sort()
    .map((k) => `${k}=${printAttr(n.attrs[k]!)}`)
    .join()}}`;

export function commonSubexpressions(g: Graph): Graph {
  const seen = new Map<string, readonly Value[]>();
  const r = new Replacements(g);
  const nodes = g.nodes.map((original) => {
    const n = r.rewrite(original);
    // `empty` has no contents to share, and two draws are two draws.
    if (isRandom(n.op) || n.op === 'empty' || isControl(n)) return n;
    const key = nodeKey(n);
    const have = seen.get(key);
    if (have === undefined) seen.set(key, n.outputs);
    else n.outputs.forEach((v, i) => r.add(v, have[i]!));
    return n;
  });
  return r.any ? r.finish(nodes) : g;
}
