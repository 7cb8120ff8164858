// What an operator's implementation sees of its node: inputs, attributes by type, the opset.
import { unrecorded } from '../../runtime/recorder.js';
import type { Tensor } from '../../tensor/handle.js';
import { OnnxImportError, quote } from './errors.js';
import type { Attribute, Graph, GraphNode } from './model.js';
import { tensorOf, type Wide } from './tensors.js';

/** A value of a running model. */
export interface Value {
  readonly tensor: Tensor;
  /** It follows from constants and shapes alone, so its numbers may be read while a recording goes on. */
  readonly known: boolean;
  readonly wide?: Wide | undefined;
}

type ValueOf<K extends Attribute['kind']> = Extract<Attribute, { kind: K }>['value'];

/** Runs a subgraph of the node with these inputs. */
export type RunGraph = (graph: Graph, inputs: readonly Value[]) => Value[];

export { unrecorded };

export class NodeContext {
  constructor(
    readonly node: GraphNode,
    readonly opset: number,
    readonly inputs: readonly (Value | undefined)[],
    private readonly attributes: ReadonlyMap<string, Attribute>,
    private readonly file: string,
    private readonly folder: string | null,
    readonly runGraph: RunGraph,
  ) {}

  /** Ends with an error that names the node. */
  readonly fail = (reason: string): never => {
    const { name, op } = this.node;
    throw new OnnxImportError(this.file, `${op}${name ? ` ${quote(name)}` : ''}: ${reason}`);
  };

  // ---- inputs ----

  get count(): number {
    return this.inputs.length;
  }
  has(i: number): boolean {
    return this.inputs[i] !== undefined;
  }
  /** A required input. */
  value(i: number): Value {
    return this.inputs[i] ?? this.fail(`input ${i} is missing`);
  }
  tensor(i: number): Tensor {
    return this.value(i).tensor;
  }
  optional(i: number): Tensor | undefined {
    return this.inputs[i]?.tensor;
  }
  /** All inputs, none left out. */
  all(): Tensor[] {
    return this.inputs.map((_, i) => this.tensor(i));
  }
  /** The numbers of an input in row-major order. Ends a recording unless they are known. */
  numbers(i: number): number[] {
    const v = this.value(i);
    const read = (): number[] => Array.from(v.tensor.detach().double().flatten().toTypedArray() as Float64Array);
    return v.known ? unrecorded(read) : read();
  }
  /** The same as whole numbers; beyond 2^53 they are errors. */
  ints(i: number): number[] {
    const v = this.value(i);
    if (/float/.test(v.tensor.dtype)) this.fail(`input ${i} must hold integers, got ${v.tensor.dtype}`);
    return this.numbers(i).map((n) => (Number.isSafeInteger(n) ? n : this.fail(`input ${i} holds ${n}`)));
  }
  /** One number. */
  number(i: number): number {
    const list = this.numbers(i);
    return list.length === 1 ? list[0]! : this.fail(`input ${i} must hold one number, got ${list.length}`);
  }
  int(i: number): number {
    const list = this.ints(i);
    return list.length === 1 ? list[0]! : this.fail(`input ${i} must hold one integer, got ${list.length}`);
  }

  // ---- attributes ----

  private attribute<K extends Attribute['kind']>(name: string, kind: K): ValueOf<K> | null {
    const a = this.attributes.get(name);
    if (a === undefined) return null;
    if (a.kind !== kind) this.fail(`attribute ${name} is of type ${a.kind}, expected ${kind}`);
    return a.value as ValueOf<K> | null;
  }
  hasAttribute(name: string): boolean {
    return this.attributes.has(name);
  }
  attributeInt(name: string, missing?: number): number {
    const value = this.attribute(name, 'int');
    if (value === null) return missing ?? this.fail(`attribute ${name} is missing`);
    return this.safe(name, value);
  }
  flag(name: string, missing = false): boolean {
    return this.attributeInt(name, missing ? 1 : 0) !== 0;
  }
  float(name: string, missing?: number): number {
    return this.attribute(name, 'float') ?? missing ?? this.fail(`attribute ${name} is missing`);
  }
  string(name: string, missing?: string): string {
    return this.attribute(name, 'string') ?? missing ?? this.fail(`attribute ${name} is missing`);
  }
  oneOf<T extends string>(name: string, values: readonly T[], missing: T): T {
    const value = this.string(name, missing);
    return (
      values.find((v) => v === value) ??
      this.fail(`attribute ${name} is ${quote(value)}, expected one of ${values.join(', ')}`)
    );
  }
  attributeInts(name: string): number[] | undefined {
    return this.attribute(name, 'ints')?.map((v) => this.safe(name, v));
  }
  floats(name: string): readonly number[] | undefined {
    return this.attribute(name, 'floats') ?? undefined;
  }
  strings(name: string): readonly string[] | undefined {
    return this.attribute(name, 'strings') ?? undefined;
  }
  graph(name: string): Graph {
    return this.attribute(name, 'graph') ?? this.fail(`attribute ${name} is missing`);
  }
  attributeTensor(name: string): { tensor: Tensor; wide?: Wide } | undefined {
    const value = this.attribute(name, 'tensor');
    return value === null ? undefined : unrecorded(() => tensorOf(value, this.file, this.folder));
  }
  private safe(name: string, value: bigint): number {
    const n = Number(value);
    return Number.isSafeInteger(n) ? n : this.fail(`attribute ${name} is ${value}`);
  }

  // ---- what many operators need ----

  /** A dimension of an input of `rank` dimensions, negative ones from the end. */
  axis(value: number, rank: number): number {
    if (value < -rank || value >= Math.max(rank, 1)) this.fail(`axis ${value} is outside of ${rank} dimensions`);
    return value < 0 ? value + rank : value;
  }
  axes(values: readonly number[], rank: number): number[] {
    const list = values.map((v) => this.axis(v, rank));
    if (new Set(list).size !== list.length) this.fail(`axes [${values.join(', ')}] name one dimension twice`);
    return list;
  }
  /** Axes that are an attribute before `since` and input `i` from then on; undefined where they are left out. */
  axesBefore(since: number, i: number, rank: number): number[] | undefined {
    const given = this.opset < since ? this.attributeInts('axes') : this.has(i) ? this.ints(i) : undefined;
    return given === undefined ? undefined : this.axes(given, rank);
  }
}

/** An operator: its results in order. */
export type Operator = (n: NodeContext) => Tensor | readonly (Tensor | Value | null)[] | Value;
/** Least and most inputs that the node may have, and how many outputs. */
export interface Entry {
  readonly run: Operator;
  readonly inputs: readonly [number, number];
  readonly outputs: readonly [number, number];
  /** First opset that has it. */
  readonly since: number;
  /** Results are known when these inputs are (all, where left out); false: never. */
  readonly pure: boolean;
  /** Its results have the wide type of that input. */
  readonly wideAs: number | null;
  /** Float inputs that are settings, read on the host, not weights. */
  readonly settings: readonly number[];
}
export const op = (
  run: Operator,
  inputs: number | readonly [number, number] = 1,
  options: Partial<Pick<Entry, 'outputs' | 'since' | 'pure' | 'wideAs' | 'settings'>> = {},
): Entry => ({
  run,
  inputs: typeof inputs === 'number' ? [inputs, inputs] : inputs,
  outputs: [1, 1],
  since: 1,
  pure: true,
  wideAs: 0,
  settings: [],
  ...options,
});
export type OperatorTable = Readonly<Record<string, Entry>>;
export const MANY = Number.MAX_SAFE_INTEGER;
