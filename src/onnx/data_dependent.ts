// Results whose size depends on data (nonzero, x[mask]): a trace knows one size only. Such sizes become symbols of their own, and
// only ops that work at any size may follow; everything else is refused, as its sizes or numbers could be of this one run.
import { allNodes } from '../ir/control.js';
import { symbol } from '../ir/dim.js';
import type { Dim, Graph, Node, Value } from '../ir/graph.js';
import type { OpInfo } from '../ir/opinfo.js';
import { OnnxExportError } from './types.js';

/** Gives values behind data-dependent ops their symbolic shapes. @throws OnnxExportError naming the first op that cannot follow */
export function markDataDependent(graph: Graph, ops: Readonly<Record<string, OpInfo>>): void {
  const marked = new Set<number>();
  let count = 0;
  const set = (value: Value, shape: readonly Dim[]): void => {
    value.type = { ...value.type, shape };
    marked.add(value.id);
  };
  for (const node of graph.nodes) {
    if (node.bodies !== undefined) {
      const dependent = (n: Node): boolean => {
        const info = Object.hasOwn(ops, n.op) ? ops[n.op] : undefined;
        return info?.kind === 'extern' && info.dataDependent === true;
      };
      const inside = [...allNodes({ ...graph, nodes: [node] })].find(dependent);
      if (inside !== undefined)
        throw new OnnxExportError(
          `op '${inside.op}': the size of its result depends on the data, inside of a branch or loop`,
          {
            scope: inside.scope,
            site: inside.site,
          },
        );
    }
    const info = Object.hasOwn(ops, node.op) ? ops[node.op] : undefined;
    if (info?.kind === 'extern' && info.dataDependent) {
      const extent = symbol(`${node.op}_${count++}`);
      for (const v of node.outputs) set(v, v.type.shape.length === 0 ? [] : [extent, ...v.type.shape.slice(1)]);
      continue;
    }
    if (!node.inputs.some((i) => valuesOf(i).some((v) => marked.has(v.id)))) continue;
    const shape = follow(node, info, marked);
    if (shape === null)
      throw new OnnxExportError(
        `op '${node.op}': a size of its operand depends on the data; only element-wise ops, indexing and sums of everything may follow`,
        { scope: node.scope, site: node.site },
      );
    for (const v of node.outputs) set(v, shape);
  }
}

const valuesOf = (i: Node['inputs'][number]): readonly Value[] =>
  i.kind === 'value' ? [i.value] : i.kind === 'list' ? i.values : [];

/** The shape of the result, null where the op must know the size. */
function follow(node: Node, info: OpInfo | undefined, marked: ReadonlySet<number>): readonly Dim[] | null {
  const operands = node.inputs.flatMap(valuesOf);
  const first = operands.find((v) => marked.has(v.id))!.type.shape;
  const rank = node.outputs[0]!.type.shape.length;
  if (info?.kind === 'pointwise' || node.op === 'toDtype' || node.op === 'clone') {
    // Another tensor of that rank would have to be of that very size.
    const fits = operands.every((v) => marked.has(v.id) || v.type.shape.length < first.length || v.type.shape[0] === 1);
    return fits && rank === first.length ? first : null;
  }
  if (info?.kind === 'reduction' && rank === 0) return [];
  if (node.op === 'select') {
    const dim = Number(node.attrs.dim);
    return dim === 0 || dim === -first.length ? null : [first[0]!, ...node.outputs[0]!.type.shape.slice(1)];
  }
  if (node.op === 'index') {
    const [self, list] = node.inputs;
    if (self?.kind !== 'value' || marked.has(self.value.id) || list?.kind !== 'list') return null;
    // The indexed dimensions are the first ones: theirs is the result's first dimension.
    const dims = list.values.length;
    const all = list.values.every((v) => marked.has(v.id));
    return all ? [first[0]!, ...self.value.type.shape.slice(dims)] : null;
  }
  return null;
}
