// Constant folding. The constants of a graph are tensors of one repeated number (`full`): a pointwise op over such constants and
// numbers is again one. The arithmetic is the library's own, through the callback, so that folded and computed agree.
import { inputValues, producers } from '../ir/build.js';
import type { Attr, DType, Graph, Input, Node } from '../ir/graph.js';
import { opInfo } from '../ir/table.js';

/** A number of some dtype. */
export interface ScalarOperand {
  readonly value: number | boolean;
  /** The dtype of a tensor; null: a plain number. */
  readonly dtype: DType | null;
  readonly rank: number;
}
/** Runs a pointwise op over single numbers and gives the result, or null when it cannot tell exactly. */
export type EvaluateScalar = (
  op: string,
  operands: readonly (ScalarOperand | null)[],
  attrs: Readonly<Record<string, Attr>>,
  result: DType,
) => number | boolean | null;

export function foldConstants(g: Graph, evaluate: EvaluateScalar): Graph {
  const by = producers(g);
  let changed = false;
  const nodes = g.nodes.map((n): Node => {
    const folded = fold(n);
    if (folded === null) return n;
    changed = true;
    by.set(folded.outputs[0]!, folded);
    return folded;
  });
  return changed ? { ...g, nodes } : g;

  function fold(n: Node): Node | null {
    const value = splatOf(n);
    if (value === null) return null;
    const { dtype, shape } = n.outputs[0]!.type;
    return { ...n, op: 'full', inputs: [], attrs: { size: shape as Attr, fillValue: Number(value), dtype } };
  }

  function splatOf(n: Node): number | boolean | null {
    const info = opInfo(n.op);
    if (n.outputs.length !== 1 || info === undefined) return null;
    const views = info.kind === 'view' && n.op !== 'asStridedScatter';
    if (views || n.op === 'toDtype' || n.op === 'clone') {
      const source = operand(n.inputs[0]!);
      if (source === null || source === undefined) return null;
      // An index map over one repeated number changes nothing.
      return n.op === 'toDtype' ? evaluate('toDtype', [source], n.attrs, n.outputs[0]!.type.dtype) : source.value;
    }
    if (info.kind !== 'pointwise' || info.mutates !== undefined) return null;
    if (Object.values(n.attrs).some((a) => typeof a === 'object' && a !== null && !Array.isArray(a))) return null;
    const operands = n.inputs.map(operand);
    if (operands.some((o) => o === undefined) || !n.inputs.some((i) => i.kind === 'value')) return null;
    return evaluate(n.op, operands as (ScalarOperand | null)[], n.attrs, n.outputs[0]!.type.dtype);
  }

  /** undefined: not a constant. */
  function operand(i: Input): ScalarOperand | null | undefined {
    if (i.kind === 'none') return null;
    if (i.kind === 'const') return { value: i.value, dtype: null, rank: 0 };
    if (i.kind !== 'value') return undefined;
    const made = by.get(inputValues(i)[0]!);
    const fill = made?.op === 'full' ? made.attrs['fillValue'] : undefined;
    if (typeof fill !== 'number' && typeof fill !== 'boolean') return undefined;
    return { value: fill, dtype: i.value.type.dtype, rank: i.value.type.shape.length };
  }
}
