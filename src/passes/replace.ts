// Which value may stand for which. A result or written value is a tensor of its own: it must not become the caller's own
// tensor, nor share one buffer with another result, just because their contents are equal.
import { mapInput, replaceUses, rootValues } from '../ir/build.js';
import type { Graph, Node, Value } from '../ir/graph.js';

/** Collects replacements that keep results distinct, in the order of the nodes. */
export class Replacements {
  private readonly by = new Map<Value, Value>();
  private readonly roots: Set<Value>;
  private readonly outside: Set<Value>;

  constructor(private readonly g: Graph) {
    this.roots = new Set(rootValues(g));
    this.outside = new Set([...g.inputs, ...g.captures]);
  }
  /** The value that stands for `v` now. */
  readonly resolve = (v: Value): Value => this.by.get(v) ?? v;

  /** Lets `value` stand for `v` (both already resolved operands' spellings); false when that is not allowed. */
  add(v: Value, value: Value): boolean {
    const to = this.resolve(value);
    if (to === v) return false;
    if (this.roots.has(v)) {
      if (this.outside.has(to) || this.roots.has(to)) return false;
      this.roots.add(to);
    }
    this.by.set(v, to);
    return true;
  }
  /** The node with its operands replaced. */
  rewrite(n: Node): Node {
    return this.by.size === 0 ? n : { ...n, inputs: n.inputs.map((i) => mapInput(i, this.resolve)) };
  }
  get any(): boolean {
    return this.by.size > 0;
  }
  /** The whole graph with everything replaced; `nodes` as rewritten so far. */
  finish(nodes: Node[]): Graph {
    return replaceUses({ ...this.g, nodes }, this.by);
  }
}
