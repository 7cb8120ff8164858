// Algebraic simplification: small named rewrites, each exact for every IEEE value (NaN, infinities, both zeros).
// A rule looks at one node; it names a value that equals the node's result, or a cheaper node with the same result.
import { inputValues, producers, valueInput } from '../ir/build.js';
import { contiguousStrides, sameShape } from '../ir/dim.js';
import { isFloatType } from '../ir/dtype.js';
import type { Attr, DType, Graph, Input, Node, Value } from '../ir/graph.js';
import { sameType } from '../ir/rules.js';
import { Replacements } from './replace.js';

interface Context {
  readonly producer: (v: Value) => Node | undefined;
  /** Adds a helper node before the current one. */
  readonly emit: (op: string, inputs: Input[], attrs: Record<string, Attr>, type: Value['type']) => Value;
}
type Rewrite = { readonly use: Value } | { readonly node: Node } | null;

interface Rule {
  readonly name: string;
  readonly ops: readonly string[];
  readonly apply: (n: Node, c: Context) => Rewrite;
}

const out = (n: Node): Value => n.outputs[0]!;
const self = (n: Node): Value | undefined => inputValues(n.inputs[0]!)[0];
const constant = (i: Input | undefined): number | undefined => (i?.kind === 'const' ? Number(i.value) : undefined);

/** The operand when it already has the result's type: then the op may vanish. */
function unchanged(n: Node, i: Input | undefined): Rewrite {
  return i?.kind === 'value' && sameType(i.value.type, out(n).type) ? { use: i.value } : null;
}
const alphaIsOne = (n: Node): boolean => (n.attrs['alpha'] ?? 1) === 1;
const floats = (n: Node): boolean => isFloatType(out(n).type.dtype);

/** Contents of a whole tensor with one number everywhere. */
const splat = (n: Node, fillValue: Attr): Rewrite => ({
  node: {
    ...n,
    op: 'full',
    inputs: [],
    attrs: { size: out(n).type.shape as Attr, fillValue, dtype: out(n).type.dtype },
  },
});

/** `src` in another dtype and shape: a cast, then an expansion, each only when needed. */
function converted(n: Node, src: Value, c: Context): Rewrite {
  const { dtype, shape } = out(n).type;
  const cast = src.type.dtype === dtype ? src : null;
  if (sameShape(src.type.shape, shape)) {
    return cast ? { use: cast } : { node: { ...n, op: 'toDtype', inputs: [valueInput(src)], attrs: { dtype } } };
  }
  const value = cast ?? c.emit('toDtype', [valueInput(src)], { dtype }, { dtype, shape: src.type.shape });
  return { node: { ...n, op: 'expand', inputs: [valueInput(value)], attrs: { size: shape as Attr } } };
}

const RULES: readonly Rule[] = [
  // x * 1 is x for every x, NaN and -0 included.
  {
    name: 'mul by one',
    ops: ['mul'],
    apply: (n) =>
      constant(n.inputs[1]) === 1
        ? unchanged(n, n.inputs[0])
        : constant(n.inputs[0]) === 1
          ? unchanged(n, n.inputs[1])
          : null,
  },
  {
    name: 'div by one',
    ops: ['div', 'trueDivide', 'pow'],
    apply: (n) =>
      (n.attrs['roundingMode'] ?? null) === null && constant(n.inputs[1]) === 1 ? unchanged(n, n.inputs[0]) : null,
  },
  // -0 + 0 is +0, so x + 0 is not x for floats; x + -0 is.
  {
    name: 'add zero',
    ops: ['add'],
    apply: (n) => (alphaIsOne(n) && isNeutral(n, -0) ? unchanged(n, n.inputs[0]) : null),
  },
  // -0 - 0 is -0: x - 0 is x; x - -0 is not.
  {
    name: 'sub zero',
    ops: ['sub'],
    apply: (n) => (alphaIsOne(n) && isNeutral(n, 0) ? unchanged(n, n.inputs[0]) : null),
  },
  // PyTorch computes the square as x * x too.
  {
    name: 'square',
    ops: ['pow'],
    apply: (n) =>
      constant(n.inputs[1]) === 2 && unchanged(n, n.inputs[0])
        ? { node: { ...n, op: 'mul', inputs: [n.inputs[0]!, n.inputs[0]!], attrs: {} } }
        : null,
  },
  {
    name: 'double negation',
    ops: ['neg', 'logicalNot', 'bitwiseNot'],
    apply: (n, c) => {
      const inner = self(n) && c.producer(self(n)!);
      // logicalNot twice gives a bool: only of a bool is that the value itself.
      return inner?.op === n.op ? unchanged(n, inner.inputs[0]) : null;
    },
  },
  {
    name: 'relu of relu',
    ops: ['relu'],
    apply: (n, c) => (c.producer(self(n)!)?.op === 'relu' ? { use: self(n)! } : null),
  },
  { name: 'cast to own dtype', ops: ['toDtype'], apply: (n) => unchanged(n, n.inputs[0]) },
  {
    // Widening loses nothing: float16 → float32 → float16.
    name: 'cast there and back',
    ops: ['toDtype'],
    apply: (n, c) => {
      const inner = c.producer(self(n)!);
      return inner?.op === 'toDtype' && widens(self(inner)!.type.dtype, out(inner).type.dtype)
        ? unchanged(n, inner.inputs[0])
        : null;
    },
  },
  // Values do not change once made, so a copy of one is the value.
  { name: 'copy', ops: ['clone', 'contiguous', 'detach', 'alias'], apply: (n) => unchanged(n, n.inputs[0]) },
  {
    name: 'copy into',
    ops: ['copy'],
    apply: (n, c) => {
      const src = n.inputs[1];
      if (src?.kind === 'value') return converted(n, src.value, c);
      if (src?.kind === 'const') return splat(n, Number(src.value));
      return src?.kind === 'live' ? splat(n, { live: src.slot }) : null;
    },
  },
  { name: 'fill', ops: ['fill'], apply: (n) => splat(n, n.attrs['value'] ?? 0) },
  { name: 'zero', ops: ['zero'], apply: (n) => splat(n, 0) },
  {
    // Writing all of the base with its own layout: the new value is what was written.
    name: 'scatter of the whole',
    ops: ['asStridedScatter'],
    apply: (n) => {
      const [base, src] = [self(n)!, inputValues(n.inputs[1]!)[0]!];
      const [size, stride, offset] = [n.attrs['size'], n.attrs['stride'], n.attrs['storageOffset'] ?? null];
      if (
        base.strides !== undefined ||
        (offset !== null && offset !== 0) ||
        !Array.isArray(size) ||
        !Array.isArray(stride)
      )
        return null;
      if (!sameShape(stride, contiguousStrides(size)) || src.type.dtype !== base.type.dtype) return null;
      if (sameType(src.type, base.type)) return { use: src };
      const count = (s: readonly unknown[]): number =>
        s.reduce<number>((p, d) => p * (typeof d === 'number' ? d : NaN), 1);
      return count(size) === count(base.type.shape)
        ? { node: { ...n, op: 'view', inputs: [valueInput(src)], attrs: { size: base.type.shape as Attr } } }
        : null;
    },
  },
];

/** True when the second operand is the neutral number: any zero for integers, `zero` with its sign for floats. */
function isNeutral(n: Node, zero: number): boolean {
  const c = constant(n.inputs[1]);
  return c !== undefined && (floats(n) ? Object.is(c, zero) : c === 0);
}

const WIDER: Partial<Record<DType, readonly DType[]>> = {
  float16: ['float32', 'float64'],
  bfloat16: ['float32', 'float64'],
  float32: ['float64'],
  int8: ['int16', 'int32', 'int64'],
  uint8: ['int16', 'int32', 'int64'],
  int16: ['int32', 'int64'],
  int32: ['int64', 'float64'],
  bool: ['uint8', 'int8', 'int16', 'int32', 'int64', 'float32', 'float64', 'float16', 'bfloat16'],
};
const widens = (from: DType, to: DType): boolean => WIDER[from]?.includes(to) ?? false;

const BY_OP = new Map<string, Rule[]>();
for (const rule of RULES) for (const op of rule.ops) BY_OP.set(op, [...(BY_OP.get(op) ?? []), rule]);

export function simplify(g: Graph): Graph {
  const by = producers(g);
  const r = new Replacements(g);
  let ids = -1;
  const nodes: Node[] = [];
  let changed = false;
  for (const original of g.nodes) {
    let n = r.rewrite(original);
    const helpers: Node[] = [];
    const context: Context = {
      producer: (v) => by.get(v),
      emit: (op, inputs, attrs, type) => {
        ids = ids < 0 ? firstFreeId(g) : ids + 1;
        const v: Value = { id: ids, type };
        helpers.push({ ...n, op, inputs, attrs, outputs: [v] });
        return v;
      },
    };
    for (const rule of BY_OP.get(n.op) ?? []) {
      const result = rule.apply(n, context);
      if (result === null) continue;
      if ('use' in result) {
        if (r.add(out(n), result.use)) break;
        // A result must stay a tensor of its own: keep the node as it is.
        continue;
      }
      n = result.node;
      changed = true;
      break;
    }
    for (const h of helpers) by.set(h.outputs[0]!, h);
    nodes.push(...helpers);
    nodes.push(n);
    n.outputs.forEach((v) => by.set(v, n));
  }
  return r.any ? r.finish(nodes) : changed ? { ...g, nodes } : g;
}

const firstFreeId = (g: Graph): number =>
  1 + [...g.inputs, ...g.captures, ...g.nodes.flatMap((n) => n.outputs)].reduce((m, v) => Math.max(m, v.id), -1);
