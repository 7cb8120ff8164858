// The parts of a model as messages of the official schema, and the file's bytes. Weights may lie in a second file.
import { basename } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Dim, DType, TensorType } from '../ir/graph.js';
import { schema } from './schema/load.js';
import type {
  AttributeProtoSchema,
  GraphProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from './schema/onnx_pb.cjs';
import { byteLength, dimText, onnxType, OnnxExportError } from './types.js';

export type GraphInit = MessageInitShape<typeof GraphProtoSchema>;

/** int, string, ints, strings; `{ float }` and `{ floats }` keep whole numbers floats; a dtype; the body of If or Loop. */
export type AttrValue =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly strings: readonly string[] }
  | { readonly dtype: DType }
  | { readonly graph: GraphInit };

/** A named tensor of the model. `bytes` is called once, when the model is written. */
export interface Initializer {
  readonly name: string;
  readonly type: TensorType;
  readonly bytes: () => Uint8Array;
}

export interface ModelInfo {
  readonly graphName: string;
  readonly graphDoc?: string;
  readonly producer: { readonly name: string; readonly version: string };
  /** Name of the file for the weights, beside the model. Absent: they lie in the model. */
  readonly external?: string;
}

export interface ModelParts {
  readonly irVersion: number;
  readonly opset: number;
  readonly nodes: MessageInitShape<typeof NodeProtoSchema>[];
  readonly initializers: readonly Initializer[];
  readonly inputs: MessageInitShape<typeof ValueInfoProtoSchema>[];
  readonly outputs: MessageInitShape<typeof ValueInfoProtoSchema>[];
  readonly valueInfo: MessageInitShape<typeof ValueInfoProtoSchema>[];
}

/** The model's bytes, and those of the file beside it, piece by piece. */
export interface EncodedModel {
  readonly bytes: Uint8Array;
  readonly weights: Iterable<Uint8Array> | null;
}

/** The name of the file for the weights of a model. */
export const weightsFile = (path: string): string => `${basename(path)}.data`;

/** Smaller tensors stay in the model: shapes, scalars, axes. */
const EXTERNAL_FROM = 1024;
/** Weights begin at pages, so that runtimes can map them. */
const ALIGN = 4096;
/** A protobuf message holds less than 2 GiB; the nodes need some of it, too. */
export const MESSAGE_LIMIT = 2 ** 31 - 2 ** 26;

export function encodeModel(parts: ModelParts, info: ModelInfo): EncodedModel {
  const size = parts.initializers.reduce((n, t) => n + byteLength(t.type), 0);
  if (size > MESSAGE_LIMIT && info.external === undefined)
    throw new OnnxExportError(
      `the weights take ${(size / 2 ** 30).toFixed(1)} GiB, a model without external data holds 2 GiB: give a path`,
    );
  const { pb, create, toBinary } = schema();
  const outside: Initializer[] = [];
  let offset = 0;
  const tensors = parts.initializers.map((t): MessageInitShape<typeof TensorProtoSchema> => {
    const head = { name: t.name, dims: t.type.shape.map((d) => BigInt(d as number)), dataType: onnxType(t.type.dtype) };
    const length = byteLength(t.type);
    if (info.external === undefined || length < EXTERNAL_FROM) return { ...head, rawData: t.bytes() };
    outside.push(t);
    const at = offset;
    offset += Math.ceil(length / ALIGN) * ALIGN;
    const entries = { location: info.external, offset: String(at), length: String(length) };
    return {
      ...head,
      dataLocation: pb.TensorProto_DataLocation.EXTERNAL,
      externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
    };
  });
  const model = create(pb.ModelProtoSchema, {
    irVersion: BigInt(parts.irVersion),
    producerName: info.producer.name,
    producerVersion: info.producer.version,
    opsetImport: [{ domain: '', version: BigInt(parts.opset) }],
    graph: {
      name: info.graphName,
      docString: info.graphDoc ?? '',
      node: parts.nodes,
      initializer: tensors,
      input: parts.inputs,
      output: parts.outputs,
      valueInfo: parts.valueInfo,
    },
  });
  return { bytes: toBinary(pb.ModelProtoSchema, model), weights: outside.length === 0 ? null : padded(outside) };
}

function* padded(tensors: readonly Initializer[]): Generator<Uint8Array> {
  for (const t of tensors) {
    const bytes = t.bytes();
    yield bytes;
    const rest = bytes.byteLength % ALIGN;
    if (rest !== 0) yield new Uint8Array(ALIGN - rest);
  }
}

export function valueInfo(
  name: string,
  type: TensorType,
  symbolNames: ReadonlyMap<string, string>,
): MessageInitShape<typeof ValueInfoProtoSchema> {
  const dim = type.shape.map((d) => dimension(d, symbolNames));
  const value: MessageInitShape<typeof TypeProtoSchema>['value'] = {
    case: 'tensorType',
    value: { elemType: onnxType(type.dtype), shape: { dim } },
  };
  return { name, type: { value } };
}

function dimension(
  d: Dim,
  symbolNames: ReadonlyMap<string, string>,
): { value: { case: 'dimValue'; value: bigint } | { case: 'dimParam'; value: string } } {
  if (typeof d === 'number') return { value: { case: 'dimValue', value: BigInt(d) } };
  return { value: { case: 'dimParam', value: dimText(d, symbolNames) } };
}

export function attributeOf(name: string, value: AttrValue): MessageInitShape<typeof AttributeProtoSchema> {
  const A = schema().pb.AttributeProto_AttributeType;
  if (typeof value === 'string') return { name, type: A.STRING, s: new TextEncoder().encode(value) };
  if (typeof value === 'number') {
    if (!Number.isInteger(value)) throw new OnnxExportError(`attribute ${name} must be an integer, got ${value}`);
    return { name, type: A.INT, i: BigInt(value) };
  }
  if ('float' in value) return { name, type: A.FLOAT, f: value.float };
  if ('floats' in value) return { name, type: A.FLOATS, floats: [...value.floats] };
  if ('strings' in value) {
    const strings = value.strings.map((v) => new TextEncoder().encode(v));
    return { name, type: A.STRINGS, strings };
  }
  if ('dtype' in value) return { name, type: A.INT, i: BigInt(onnxType(value.dtype)) };
  if ('graph' in value) return { name, type: A.GRAPH, g: value.graph };
  return { name, type: A.INTS, ints: value.map((v) => BigInt(v)) };
}
