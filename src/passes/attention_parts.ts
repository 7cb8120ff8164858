// What the two halves of the recognition of attention share: who makes and who reads a value, and how matrices are turned.
import { inputValues } from '../ir/build.js';
import { sameShape } from '../ir/dim.js';
import type { Graph, Input, Node, Value } from '../ir/graph.js';

/** Between the scores and the softmax, from the softmax upwards. */
export type Step =
  /** `divisor`: it was spelled as a division. */
  | { readonly kind: 'scale'; readonly node: Node; readonly factor: number; readonly divisor?: number }
  /** Scores become minus infinity where the mask is true (`hides`) or where it is false. */
  | { readonly kind: 'mask'; readonly node: Node; readonly mask: Value; readonly hides: boolean }
  | { readonly kind: 'added'; readonly node: Node; readonly mask: Value };

/** softmax(query key) value, with what lies between. */
export interface Forward {
  /** The product with the value. */
  readonly output: Node;
  /** The softmax. */
  readonly weights: Value;
  readonly query: Value;
  /** [..., size, keys] */
  readonly key: Value;
  readonly value: Value;
  readonly scores: Value;
  /** The product that makes the scores. */
  readonly product: Node;
  readonly steps: readonly Step[];
  readonly mask: Exclude<Step, { kind: 'scale' }> | null;
}

export const operandOf = (i: Input | undefined): Value | undefined => (i?.kind === 'value' ? i.value : undefined);
export const constantOf = (i: Input | undefined): number | undefined =>
  i?.kind === 'const' ? Number(i.value) : undefined;

/** A reduction over the last dimension that keeps it. */
export function overRows(n: Node): boolean {
  const rank = operandOf(n.inputs[0])!.type.shape.length;
  const dims = n.attrs['dim'];
  const [d] = Array.isArray(dims) && dims.length === 1 ? (dims as number[]) : [undefined];
  return (
    n.attrs['keepdim'] === true &&
    d !== undefined &&
    (d === -1 || d === rank - 1) &&
    (n.attrs['dtype'] ?? null) === null
  );
}

/** The permutation that turns matrices: the last two dimensions change places. */
export const turnedDims = (rank: number): number[] => [
  ...Array.from({ length: rank - 2 }, (_, d) => d),
  rank - 1,
  rank - 2,
];

export class Reads {
  private readonly readers = new Map<Value, Node[]>();
  private readonly places: ReadonlyMap<Node, number>;
  constructor(
    g: Graph,
    private readonly makers: ReadonlyMap<Value, Node>,
    private readonly roots: ReadonlySet<Value>,
  ) {
    this.places = new Map(g.nodes.map((n, i) => [n, i]));
    for (const n of g.nodes)
      for (const v of n.inputs.flatMap(inputValues)) {
        const list = this.readers.get(v);
        if (list === undefined) this.readers.set(v, [n]);
        else if (!list.includes(n)) list.push(n);
      }
  }
  /** The node that makes a value, when it is of this op. */
  by(v: Value | undefined, op?: string): Node | undefined {
    const n = v && this.makers.get(v);
    return op === undefined || n?.op === op ? n : undefined;
  }
  of(v: Value): readonly Node[] {
    return this.readers.get(v) ?? [];
  }
  /** Where a node stands in the graph. */
  place(n: Node): number {
    return this.places.get(n)!;
  }
  isRoot(v: Value): boolean {
    return this.roots.has(v);
  }
  /** Exactly these nodes read the value. */
  only(v: Value, nodes: readonly Node[]): boolean {
    const readers = this.of(v);
    return !this.roots.has(v) && readers.length === nodes.length && nodes.every((n) => readers.includes(n));
  }
}

/** A value as a permutation of another. */
function origin(v: Value, reads: Reads): { readonly base: Value; readonly dims: readonly number[] } {
  const n = reads.by(v, 'permute');
  const dims = n?.attrs['dims'];
  return n && Array.isArray(dims)
    ? { base: operandOf(n.inputs[0])!, dims: dims as number[] }
    : { base: v, dims: v.type.shape.map((_, d) => d) };
}
const turn = (dims: readonly number[]): number[] => turnedDims(dims.length).map((d) => dims[d]!);
const isIdentity = (dims: readonly number[]): boolean => dims.every((d, i) => d === i);

/** The value of which `v` is the turned one, where it is at hand. */
export function swapped(v: Value, reads: Reads): Value | null {
  const { base, dims } = origin(v, reads);
  return base !== v && isIdentity(turn(dims)) ? base : null;
}
/** `b` holds the turned matrices of `a`. */
export function areTurned(a: Value, b: Value, reads: Reads): boolean {
  const [p, q] = [origin(a, reads), origin(b, reads)];
  return p.base === q.base && sameShape(turn(p.dims), q.dims);
}
