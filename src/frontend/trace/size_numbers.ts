// Numbers that a function computed from sizes (the count of a mean, n / (n - 1) of a variance) as nodes of the symbolic graph: a size
// is a scalar filled with a symbolic extent. Found by exact equality in every trace; anything else stays a number of one size.
import { addDims } from '../../ir/dim.js';
import { isFloatType } from '../../ir/dtype.js';
import type { Attr, DType, Dim, Input, Node, Value } from '../../ir/graph.js';

/** A polynomial of the symbols with these values, or null. */
export type FitDim = (values: readonly number[]) => Dim | null;

export class SizeNumbers {
  constructor(
    private readonly fit: FitDim,
    private nextId: number,
  ) {}

  /** The operand for a number with these values, and the nodes that make it; null when it is no such number. */
  operand(values: readonly number[], n: Node): { readonly input: Input; readonly nodes: readonly Node[] } | null {
    const dtype = n.outputs[0]?.type.dtype;
    if (dtype === undefined || !isFloatType(dtype) || values.some((v) => !Number.isFinite(v))) return null;
    const nodes: Node[] = [];
    const op = (name: string, inputs: readonly Value[], attrs: Record<string, Attr>): Value => {
      const out: Value = { id: this.nextId++, type: { dtype, shape: [] } };
      nodes.push({
        ...n,
        op: name,
        inputs: inputs.map((value): Input => ({ kind: 'value', value })),
        attrs,
        outputs: [out],
      });
      return out;
    };
    const size = (d: Dim): Value =>
      op('full', [], { size: [], fillValue: d as unknown as Attr, dtype: dtype as DType });
    const whole = (list: readonly number[]): Dim | null => (list.every(Number.isInteger) ? this.fit(list) : null);
    // n; 1 / n, 2 / n, 1 / (n - 1), 2 / (n - 1); n / (n - 1): each checked to the last bit.
    const plain = whole(values);
    if (plain !== null) return { input: { kind: 'value', value: size(plain) }, nodes };
    for (const top of [1, 2]) {
      const below = values.map((v) => Math.round(top / v));
      if (below.some((d, i) => top / d !== values[i])) continue;
      for (const less of [0, 1]) {
        const found = whole(below.map((d) => d + less));
        if (found === null) continue;
        const divisor = size(less === 0 ? found : addDims(found, -less));
        return { input: { kind: 'value', value: op('trueDivide', [size(top), divisor], {}) }, nodes };
      }
    }
    const counts = values.map((v) => Math.round(v / (v - 1)));
    const count = counts.every((d, i) => d / (d - 1) === values[i]) ? whole(counts) : null;
    if (count === null) return null;
    const quotient = op('trueDivide', [size(count), size(addDims(count, -1))], {});
    return { input: { kind: 'value', value: quotient }, nodes };
  }
}
