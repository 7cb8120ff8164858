// How a shape rule reads the operands and attributes of its op: by parameter name, with the declared defaults filled in.
import { isSym, printDim, sameDim } from './dim.js';
import type { Attr, DType, Dim, Input, TensorType } from './graph.js';
import type { OpInfo, Param } from './opinfo.js';
import { isOperand } from './table.js';

/** Operands or attributes that an op rejects. */
export class RuleError extends Error {
  override readonly name = 'RuleError';
  readonly code = 'ERR_FLAMBEAU_GRAPH';
  constructor(
    readonly op: string,
    why: string,
  ) {
    super(`${op}: ${why}`);
  }
}

export class RuleArgs {
  private readonly operandIndex = new Map<string, number>();
  private readonly params = new Map<string, Param>();

  constructor(
    readonly op: string,
    info: OpInfo,
    private readonly inputs: readonly Input[],
    private readonly attrs: Readonly<Record<string, Attr>>,
  ) {
    let at = 0;
    for (const p of info.params) {
      this.params.set(p.name, p);
      if (isOperand(p)) this.operandIndex.set(p.name, at++);
    }
  }

  fail(why: string): never {
    throw new RuleError(this.op, why);
  }
  operand(name: string): Input {
    const at = this.operandIndex.get(name);
    if (at === undefined) this.fail(`has no operand '${name}'`);
    return this.inputs[at] ?? { kind: 'none' };
  }
  tensor(name: string): TensorType {
    const i = this.operand(name);
    return i.kind === 'value' ? i.value.type : this.fail(`operand '${name}' must be a tensor, got ${i.kind}`);
  }
  optional(name: string): TensorType | null {
    const i = this.operand(name);
    return i.kind === 'none' ? null : this.tensor(name);
  }
  tensors(name: string): TensorType[] {
    const i = this.operand(name);
    if (i.kind !== 'list') this.fail(`operand '${name}' must be a list of tensors, got ${i.kind}`);
    return i.values.map((v) => v.type);
  }

  /** The attribute, or its declared default. */
  attr(name: string): Attr | undefined {
    return Object.hasOwn(this.attrs, name) ? this.attrs[name] : this.params.get(name)?.default;
  }
  int(name: string): number {
    const v = this.attr(name);
    return typeof v === 'number' ? v : this.fail(`attribute '${name}' must be an integer, got ${JSON.stringify(v)}`);
  }
  bool(name: string): boolean {
    const v = this.attr(name);
    return typeof v === 'boolean' ? v : this.fail(`attribute '${name}' must be a boolean, got ${JSON.stringify(v)}`);
  }
  dim(name: string): Dim {
    const v: unknown = this.attr(name);
    return typeof v === 'number' || isSym(v)
      ? v
      : this.fail(`attribute '${name}' must be an extent, got ${JSON.stringify(v)}`);
  }
  dims(name: string): readonly Dim[] {
    const v = this.attr(name);
    if (typeof v === 'number') return [v];
    return Array.isArray(v)
      ? (v as readonly Dim[])
      : this.fail(`attribute '${name}' must be a list, got ${JSON.stringify(v)}`);
  }
  ints(name: string): readonly number[] {
    return this.dims(name).map((d) =>
      typeof d === 'number' ? d : this.fail(`attribute '${name}' must be numbers, got ${printDim(d)}`),
    );
  }
  /** A list of two integers: one number stands for both. */
  pair(name: string): readonly [number, number] {
    const v = this.ints(name);
    return [v[0]!, v[1] ?? v[0]!];
  }
  dtype(name: string): DType | null {
    const v = this.attr(name);
    return v === null || v === undefined
      ? null
      : typeof v === 'string'
        ? (v as DType)
        : this.fail(`attribute '${name}' must be a dtype`);
  }
}

/** A dimension index counted from the end when negative. */
export function wrapDim(op: string, dim: number, rank: number): number {
  const n = Math.max(rank, 1);
  if (!Number.isInteger(dim) || dim < -n || dim >= n) {
    throw new RuleError(op, `Dimension out of range (expected to be in range of [${-n}, ${n - 1}], but got ${dim})`);
  }
  return dim < 0 ? dim + n : dim;
}

export function normalizeDims(op: string, dims: readonly number[], rank: number): Set<number> {
  const out = new Set<number>();
  for (const d of dims) {
    const w = wrapDim(op, d, rank);
    if (out.has(w)) throw new RuleError(op, `dim ${w} appears multiple times in the list of dims`);
    out.add(w);
  }
  return out;
}

/** The common shape of operands by PyTorch's broadcasting. A symbolic dimension is taken to be other than 1. */
export function broadcast(op: string, shapes: readonly (readonly Dim[])[]): Dim[] {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  const out: Dim[] = new Array<Dim>(rank).fill(1);
  for (const s of shapes) {
    const skip = rank - s.length;
    s.forEach((d, i) => {
      const have = out[skip + i]!;
      if (sameDim(have, d) || d === 1) return;
      if (have !== 1) {
        throw new RuleError(
          op,
          `The size of tensor a (${printDim(have)}) must match the size of tensor b (${printDim(d)}) at non-singleton dimension ${skip + i}`,
        );
      }
      out[skip + i] = d;
    });
  }
  return out;
}
