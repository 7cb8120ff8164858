// Hand-built op graphs for the exporter's tests, and a runner that puts a model through onnxruntime.
import { createRequire } from 'node:module';
import { fromBinary } from '@bufbuild/protobuf';
import type { Attr, Dim, DType, Graph, Input, Node, Region, TensorType, Value } from '../../src/ir/graph.js';
import { symbol } from '../../src/ir/dim.js';
import type { OpInfo } from '../../src/ir/opinfo.js';
import { lowerGraph } from '../../src/onnx/lower.js';
import { encodeNumbers } from '../../src/onnx/types.js';
import { schema } from '../../src/onnx/schema/load.js';
import type { ModelProto } from '../../src/onnx/schema/onnx_pb.cjs';

export const batch: Dim = symbol('s0');

type Operand = Value | readonly Value[] | number | { readonly live: number } | null;
interface Place {
  readonly scope?: string;
  readonly site?: string;
  readonly region?: number;
}

/** Builds one graph; values are made in order, operands are values, lists, numbers or null. */
export class GraphMaker {
  readonly graph: Graph = {
    inputs: [],
    captures: [],
    nodes: [],
    regions: [],
    outputs: [],
    writes: [],
    gradWrites: [],
    liveScalars: [],
    symbols: [{ name: 's0', hint: 2 }],
  };
  readonly data: { name: string; bytes: () => Uint8Array }[] = [];
  private next = 0;

  input(shape: readonly Dim[], dtype: DType = 'float32'): Value {
    const value = this.value({ dtype, shape });
    this.graph.inputs.push(value);
    return value;
  }

  /** A captured tensor filled with a short repeating pattern of numbers around 0. */
  capture(name: string, shape: readonly number[], numbers = pattern(shape)): Value {
    const value = this.value({ dtype: 'float32', shape });
    this.graph.captures.push(value);
    this.data.push({ name, bytes: () => encodeNumbers(numbers, 'float32') });
    return value;
  }

  op(
    op: string,
    inputs: readonly Operand[],
    attrs: Record<string, Attr>,
    out: TensorType | readonly Dim[],
    place: Place = {},
  ): Value {
    return this.ops(op, inputs, attrs, [out], place)[0]!;
  }
  ops(
    op: string,
    inputs: readonly Operand[],
    attrs: Record<string, Attr>,
    outs: readonly (TensorType | readonly Dim[])[],
    place: Place = {},
  ): Value[] {
    const outputs = outs.map((o) =>
      this.value(Array.isArray(o) ? { dtype: 'float32', shape: o as readonly Dim[] } : (o as TensorType)),
    );
    const node: Node = { op, inputs: inputs.map(inputOf), attrs, outputs, ...place };
    this.graph.nodes.push(node);
    return outputs;
  }
  /** Declares a region; give its index to the nodes inside. Outputs are filled in when they exist. */
  region(
    op: string,
    inputs: readonly Operand[],
    attrs: Record<string, Attr>,
    place: { scope?: string; parent?: number } = {},
  ): number {
    this.graph.regions.push({ op, inputs: inputs.map(inputOf), attrs, outputs: [], ...place });
    return this.graph.regions.length - 1;
  }
  endRegion(index: number, outputs: readonly Value[]): void {
    this.graph.regions[index] = { ...this.graph.regions[index]!, outputs } as Region;
  }

  private value(type: TensorType): Value {
    return { id: this.next++, type };
  }

  export(
    ops: Readonly<Record<string, OpInfo>>,
    outputs: readonly Value[],
    options: Partial<Parameters<typeof lowerGraph>[1]> = {},
  ): Uint8Array {
    this.graph.outputs = [...outputs];
    return lowerGraph(this.graph, {
      ops,
      captures: this.data,
      inputNames: this.graph.inputs.map((_, i) => `x${i}`),
      outputNames: outputs.map((_, i) => `y${i}`),
      symbolNames: new Map([['s0', 'batch']]),
      opset: 17,
      graphName: 'test',
      producerVersion: '0',
      ...options,
    }).bytes;
  }
}

const inputOf = (o: Operand): Input => {
  if (o === null) return { kind: 'none' };
  if (typeof o === 'number') return { kind: 'const', value: o, float: !Number.isInteger(o) };
  if (Array.isArray(o)) return { kind: 'list', values: o as Value[] };
  if ('live' in o) return { kind: 'live', slot: o.live };
  return { kind: 'value', value: o as Value };
};

export function pattern(shape: readonly number[]): number[] {
  const n = shape.reduce((a, b) => a * b, 1);
  return [...new Array<number>(n).keys()].map((i) => Math.fround(((i * 37) % 23) / 11 - 1));
}

export const decode = (bytes: Uint8Array): ModelProto => fromBinary(schema().pb.ModelProtoSchema, bytes);

/** The operators of a model, in order. */
export const opTypes = (bytes: Uint8Array): string[] => decode(bytes).graph!.node.map((n) => n.opType);

interface OrtTensor {
  readonly data: ArrayLike<number | bigint>;
  readonly dims: readonly number[];
  readonly type: string;
}
interface Ort {
  Tensor: new (type: string, data: ArrayLike<unknown>, dims: readonly number[]) => OrtTensor;
  InferenceSession: {
    create(
      model: Uint8Array,
      options: object,
    ): Promise<{ run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>> }>;
  };
}

/** Runs a model in onnxruntime. */
export async function run(
  bytes: Uint8Array,
  feeds: Record<string, { readonly dims: readonly number[]; readonly data: readonly number[]; readonly dtype?: DType }>,
): Promise<Record<string, { dims: number[]; data: number[] }>> {
  const ort = createRequire(import.meta.url)('onnxruntime-node') as Ort;
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const make = ({ dims, data, dtype }: (typeof feeds)[string]): OrtTensor => {
    if (dtype === 'int64') return new ort.Tensor('int64', BigInt64Array.from(data, BigInt), dims);
    if (dtype === 'bool') return new ort.Tensor('bool', Uint8Array.from(data), dims);
    return new ort.Tensor('float32', Float32Array.from(data), dims);
  };
  const results = await session.run(Object.fromEntries(Object.entries(feeds).map(([k, v]) => [k, make(v)])));
  return Object.fromEntries(
    Object.entries(results).map(([k, t]) => [k, { dims: [...t.dims], data: Array.from(t.data, Number) }]),
  );
}
