// One op call as a symbolic sees it: operands and attributes by the names of the op's declaration.
import { isSym } from '../ir/dim.js';
import type { Attr, Dim, DType, TensorType, Value } from '../ir/graph.js';
import type { OpInfo, ParamType } from '../ir/opinfo.js';
import type { OnnxBuilder, Ref } from './builder.js';
import { isDType, OnnxExportError } from './types.js';

/** An operand: an ONNX value, a number, a list of values, or nothing. */
export type Arg =
  | { readonly kind: 'tensor'; readonly ref: Ref }
  | { readonly kind: 'number'; readonly value: number | boolean; readonly float: boolean }
  | { readonly kind: 'list'; readonly refs: readonly Ref[] }
  | { readonly kind: 'none' };

const OPERAND_TYPES: ReadonlySet<ParamType> = new Set([
  'Tensor',
  'Tensor?',
  'Tensor[]',
  'Tensor?[]',
  'Operand',
  'Operand?',
]);

export class Call {
  readonly args: ReadonlyMap<string, Arg>;

  constructor(
    readonly info: OpInfo,
    args: readonly Arg[],
    private readonly attrs: Readonly<Record<string, Attr>>,
    readonly outputs: readonly Value[],
    readonly scope: string | undefined,
    readonly site: string | undefined,
    /** Operands that are views of other tensors. */
    private readonly views: ReadonlySet<string> = new Set(),
  ) {
    const names = info.params.filter((p) => OPERAND_TYPES.has(p.type)).map((p) => p.name);
    this.args = new Map(names.map((name, i) => [name, args[i] ?? { kind: 'none' }]));
  }

  get op(): string {
    return this.info.name;
  }
  /** Type of result `i`. */
  type(i = 0): TensorType {
    return this.outputs[i]!.type;
  }

  arg(name: string): Arg {
    return this.args.get(name) ?? this.fail(`the op has no operand '${name}'`);
  }
  tensor(name: string): Ref {
    const arg = this.arg(name);
    return arg.kind === 'tensor' ? arg.ref : this.fail(`operand '${name}' must be a tensor`);
  }
  optional(name: string): Ref | null {
    return this.arg(name).kind === 'none' ? null : this.tensor(name);
  }
  list(name: string): readonly Ref[] {
    const arg = this.arg(name);
    return arg.kind === 'list' ? arg.refs : this.fail(`operand '${name}' must be a list of tensors`);
  }

  /** The same call with another tensor in an operand's place. */
  withTensor(name: string, ref: Ref): Call {
    const args = [...this.args].map(([n, arg]): Arg => (n === name ? { kind: 'tensor', ref } : arg));
    return new Call(this.info, args, this.attrs, this.outputs, this.scope, this.site, this.views);
  }

  /** Whether the operand is a view, whose memory may lie in another order than its elements. */
  isView(name: string): boolean {
    const arg = this.arg(name);
    return arg.kind === 'tensor' && this.views.has(arg.ref.name);
  }
  /** Whether the op has a parameter of that name. */
  takes(name: string): boolean {
    return this.info.params.some((p) => p.name === name);
  }

  /** An attribute, or the declaration's default when the recorder left it out. */
  attr(name: string): Attr {
    if (Object.hasOwn(this.attrs, name)) return this.attrs[name]!;
    const param = this.info.params.find((p) => p.name === name);
    if (!param) return this.fail(`the op has no parameter '${name}'`);
    return param.default ?? null;
  }
  has(name: string): boolean {
    return this.attr(name) !== null;
  }
  number(name: string): number {
    const value = this.attr(name);
    if (value !== null && typeof value === 'object' && 'live' in value) {
      this.fail(`'${name}' is a number that varies between calls; pass it as a tensor to keep it an input`);
    }
    return typeof value === 'number' || typeof value === 'boolean'
      ? Number(value)
      : this.fail(`'${name}' must be a number`);
  }
  /** A number that may be a size. */
  dim(name: string): Dim {
    const value = this.attr(name);
    return isSym(value) ? value : this.number(name);
  }
  bool(name: string): boolean {
    return this.number(name) !== 0;
  }
  string(name: string): string {
    const value = this.attr(name);
    return typeof value === 'string' ? value : this.fail(`'${name}' must be a string`);
  }
  dims(name: string): readonly Dim[] {
    const value = this.attr(name);
    return Array.isArray(value) ? (value as readonly Dim[]) : this.fail(`'${name}' must be a list of integers`);
  }
  ints(name: string): number[] {
    return this.dims(name).map((d) =>
      typeof d === 'number' ? d : this.fail(`'${name}' must not depend on a dynamic axis`),
    );
  }
  /** `ints`, a single one repeated to `n`. */
  intsOf(name: string, n: number): number[] {
    const list = this.ints(name);
    return list.length === 1 && n > 1 ? new Array<number>(n).fill(list[0]!) : list;
  }
  dtype(name: string): DType | null {
    const value = this.attr(name);
    if (value === null) return null;
    return isDType(value) ? value : this.fail(`'${name}' must be a dtype, got ${JSON.stringify(value)}`);
  }
  /** True where every attribute has the declaration's default value. */
  allDefaults(except: ReadonlySet<string> = new Set()): boolean {
    return this.info.params.every((p) => {
      if (OPERAND_TYPES.has(p.type) || except.has(p.name) || !Object.hasOwn(this.attrs, p.name)) return true;
      return JSON.stringify(this.attrs[p.name]) === JSON.stringify(p.default ?? null);
    });
  }

  fail(reason: string): never {
    throw new OnnxExportError(`op '${this.op}': ${reason}`, this);
  }
}

/** The sizes of an operand. Fails where one is dynamic. */
export const fixedSizes = (call: Call, { type }: Ref): number[] =>
  type.shape.map((d) => (typeof d === 'number' ? d : call.fail('its sizes must be fixed')));

/** An axis counted from the front. */
export const axisOf = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** Builds the nodes of one op and returns its results; null: "not in this form", try the next way. */
export type Symbolic = (b: OnnxBuilder, call: Call) => readonly Ref[] | null;
