// Builds one ONNX model: names, initializers, constants, nodes; encodes it with the official schema.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Dim, DType, TensorType } from '../ir/graph.js';
import { schema } from './schema/load.js';
import type {
  AttributeProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from './schema/onnx_pb.cjs';
import { dimText, encodeNumbers, onnxType, OnnxExportError } from './types.js';

/** A named ONNX value with its type. */
export interface Ref {
  readonly name: string;
  readonly type: TensorType;
}

/** int, float, string, ints or floats; a `{ float }` wrapper keeps whole numbers floats. */
export type AttrValue = number | string | readonly number[] | { readonly float: number } | { readonly dtype: DType };

/** ONNX operator set → version of the file format it came with. */
const IR_VERSION: Readonly<Record<number, number>> = { 17: 8, 18: 8, 19: 9, 20: 9 };
export const OPSETS = Object.keys(IR_VERSION).map(Number);

export class OnnxBuilder {
  private readonly nodes: MessageInitShape<typeof NodeProtoSchema>[] = [];
  private readonly initializers: MessageInitShape<typeof TensorProtoSchema>[] = [];
  private readonly valueNames = new Set<string>();
  private readonly nodeNames = new Set<string>();
  private readonly constants = new Map<string, Ref>();
  private readonly inputs: MessageInitShape<typeof ValueInfoProtoSchema>[] = [];
  private readonly outputs: MessageInitShape<typeof ValueInfoProtoSchema>[] = [];
  /** Module path of the nodes that are added now ('features.0'). */
  scope = '';

  constructor(
    readonly opset: number,
    private readonly symbolNames: ReadonlyMap<string, string>,
  ) {
    if (!(opset in IR_VERSION)) {
      throw new OnnxExportError(`opset version ${opset} is not supported; supported: ${OPSETS.join(', ')}`);
    }
  }

  /** Reserves a name that must not be changed: a graph input or output, an initializer. */
  reserve(name: string, what: string): void {
    if (name === '') throw new OnnxExportError(`the name of ${what} is empty`);
    if (this.valueNames.has(name)) throw new OnnxExportError(`the name '${name}' of ${what} is already taken`);
    this.valueNames.add(name);
  }

  /** A value name that nothing has yet: `base`, else `base_1`, ... */
  fresh(base: string): string {
    return unique(base, this.valueNames);
  }

  input(name: string, type: TensorType): Ref {
    this.inputs.push(this.valueInfo(name, type));
    return { name, type };
  }

  output(name: string, type: TensorType): void {
    this.outputs.push(this.valueInfo(name, type));
  }

  /** A tensor stored in the model under its own name. */
  initializer(name: string, type: TensorType, bytes: Uint8Array): Ref {
    const dims = type.shape.map((d) => BigInt(d as number));
    this.initializers.push({ name, dims, dataType: onnxType(type.dtype), rawData: bytes });
    return { name, type };
  }

  /** A constant tensor, stored once per value. `shape` [] is a scalar. */
  constant(values: readonly (number | boolean)[], dtype: DType, shape: readonly number[] = [values.length]): Ref {
    const key = `${dtype}[${shape.join(',')}]${values.map((v) => (Object.is(v, -0) ? '-0' : String(v))).join(',')}`;
    let ref = this.constants.get(key);
    if (!ref) {
      ref = this.initializer(this.fresh('/constant'), { dtype, shape }, encodeNumbers(values, dtype));
      this.constants.set(key, ref);
    }
    return ref;
  }

  scalar(value: number | boolean, dtype: DType): Ref {
    return this.constant([value], dtype, []);
  }

  int64s(values: readonly number[]): Ref {
    return this.constant(values, 'int64');
  }

  /** Adds a node with one result. `null` inputs are absent optional ones. */
  op(type: string, inputs: readonly (Ref | null)[], result: TensorType, attrs: Record<string, AttrValue> = {}): Ref {
    return this.multi(type, inputs, [result], attrs)[0]!;
  }

  /** Adds a node with several results. */
  multi(
    type: string,
    inputs: readonly (Ref | null)[],
    results: readonly TensorType[],
    attrs: Record<string, AttrValue> = {},
  ): Ref[] {
    const path = this.scope === '' ? '' : `/${this.scope.replaceAll('.', '/')}`;
    const name = unique(`${path}/${type}`, this.nodeNames);
    const outputs = results.map((_, i) => this.fresh(`${name}_output_${i}`));
    const names = inputs.map((r) => r?.name ?? '');
    while (names.length > 0 && names[names.length - 1] === '') names.pop();
    const attribute = Object.entries(attrs).map(([key, value]) => attributeOf(key, value));
    this.nodes.push({ name, opType: type, input: names, output: outputs, attribute });
    return outputs.map((output, i) => ({ name: output, type: results[i]! }));
  }

  cast(ref: Ref, dtype: DType): Ref {
    if (ref.type.dtype === dtype) return ref;
    return this.op('Cast', [ref], { dtype, shape: ref.type.shape }, { to: { dtype } });
  }

  /** Gives a result its final name: renames the node's output, or adds an Identity where the name is not free to change. */
  name(ref: Ref, name: string, mayRename: boolean): void {
    const maker = mayRename ? this.nodes.find((n) => (n.output as string[]).includes(ref.name)) : undefined;
    if (maker) {
      for (const node of this.nodes) {
        node.input = (node.input as string[]).map((n) => (n === ref.name ? name : n));
        node.output = (node.output as string[]).map((n) => (n === ref.name ? name : n));
      }
      return;
    }
    this.scope = '';
    const copy = this.op('Identity', [ref], ref.type);
    this.name(copy, name, true);
  }

  /** The encoded model. Nodes and initializers that lead to no output are left out. */
  encode(graphName: string, producer: { readonly name: string; readonly version: string }): Uint8Array {
    const used = new Set(this.outputs.map((o) => o.name!));
    const live: typeof this.nodes = [];
    for (const node of [...this.nodes].reverse()) {
      if (!(node.output as string[]).some((o) => used.has(o))) continue;
      for (const i of node.input as string[]) used.add(i);
      live.unshift(node);
    }
    const { pb, create, toBinary } = schema();
    const model = create(pb.ModelProtoSchema, {
      irVersion: BigInt(IR_VERSION[this.opset]!),
      producerName: producer.name,
      producerVersion: producer.version,
      opsetImport: [{ domain: '', version: BigInt(this.opset) }],
      graph: {
        name: graphName,
        node: live,
        initializer: this.initializers.filter((t) => used.has(t.name!)),
        input: this.inputs,
        output: this.outputs,
      },
    });
    return toBinary(pb.ModelProtoSchema, model);
  }

  private valueInfo(name: string, type: TensorType): MessageInitShape<typeof ValueInfoProtoSchema> {
    const dim = type.shape.map((d) => this.dimension(d));
    const value: MessageInitShape<typeof TypeProtoSchema>['value'] = {
      case: 'tensorType',
      value: { elemType: onnxType(type.dtype), shape: { dim } },
    };
    return { name, type: { value } };
  }

  private dimension(d: Dim): { value: { case: 'dimValue'; value: bigint } | { case: 'dimParam'; value: string } } {
    if (typeof d === 'number') return { value: { case: 'dimValue', value: BigInt(d) } };
    return { value: { case: 'dimParam', value: dimText(d, this.symbolNames) } };
  }
}

function unique(base: string, taken: Set<string>): string {
  let name = base;
  for (let i = 1; taken.has(name); i++) name = `${base}_${i}`;
  taken.add(name);
  return name;
}

function attributeOf(name: string, value: AttrValue): MessageInitShape<typeof AttributeProtoSchema> {
  const A = schema().pb.AttributeProto_AttributeType;
  if (typeof value === 'string') return { name, type: A.STRING, s: new TextEncoder().encode(value) };
  if (typeof value === 'number') {
    if (!Number.isInteger(value)) throw new OnnxExportError(`attribute ${name} must be an integer, got ${value}`);
    return { name, type: A.INT, i: BigInt(value) };
  }
  if ('float' in value) return { name, type: A.FLOAT, f: value.float };
  if ('dtype' in value) return { name, type: A.INT, i: BigInt(onnxType(value.dtype)) };
  return { name, type: A.INTS, ints: value.map((v) => BigInt(v)) };
}
