// From the bytes of a model to graphs of nodes, checked: every value has one maker, which comes before its uses.
import type * as pb from '../schema/onnx_pb.cjs';
import { schema } from '../schema/load.js';
import { OnnxImportError, quote } from './errors.js';

export type Attribute =
  | { readonly kind: 'int'; readonly value: bigint }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'tensor'; readonly value: pb.TensorProto }
  | { readonly kind: 'graph'; readonly value: Graph }
  | { readonly kind: 'ints'; readonly value: readonly bigint[] }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  /** Inside a function: the attribute of the calling node. */
  | { readonly kind: 'ref'; readonly value: string }
  | { readonly kind: 'unsupported'; readonly value: string };

export interface GraphNode {
  readonly name: string;
  readonly op: string;
  readonly domain: string;
  /** '' where an optional input is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Attribute>;
}
export interface GraphInput {
  readonly name: string;
  /** A number of TensorProto.DataType; 0 where the model does not say. */
  readonly elemType: number;
  /** Sizes, names of symbolic sizes, null where unknown; undefined where the rank is unknown. */
  readonly shape: readonly (bigint | string | null)[] | undefined;
}
export interface Graph {
  readonly name: string;
  readonly nodes: readonly GraphNode[];
  /** In order; those that have an initializer are left out. */
  readonly inputs: readonly GraphInput[];
  readonly outputs: readonly string[];
  readonly initializers: readonly pb.TensorProto[];
}
export interface ModelFunction {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly GraphNode[];
  readonly attributes: ReadonlySet<string>;
  readonly defaults: ReadonlyMap<string, Attribute>;
  readonly opsets: ReadonlyMap<string, number>;
}
export interface Model {
  readonly file: string;
  readonly irVersion: number;
  readonly producer: string;
  readonly opsets: ReadonlyMap<string, number>;
  readonly graph: Graph;
  readonly functions: ReadonlyMap<string, ModelFunction>;
}

export const NEWEST_OPSET = 28;
/** Subgraphs inside subgraphs; real models have two or three levels. */
const MAX_DEPTH = 64;

/** Subgraphs that operators must have. */
const SUBGRAPHS: Readonly<Partial<Record<string, readonly string[]>>> = Object.assign(Object.create(null) as object, {
  If: ['then_branch', 'else_branch'],
  Loop: ['body'],
  Scan: ['body'],
});

export const functionKey = (domain: string, name: string): string => `${domain}\n${name}`;
const domainOf = (domain: string): string => (domain === 'ai.onnx' ? '' : domain);

/** Decodes and checks a model. @throws OnnxImportError */
export function decodeModel(bytes: Uint8Array, file: string): Model {
  const fail = (reason: string): never => {
    throw new OnnxImportError(file, reason);
  };
  const { pb: messages, fromBinary } = schema();
  if (bytes.length === 0) fail('the file is empty');
  let proto: pb.ModelProto;
  try {
    proto = fromBinary(messages.ModelProtoSchema, bytes);
  } catch (error) {
    if (error instanceof RangeError && /call stack/.test(error.message)) fail('graphs are nested too deeply');
    return fail(`no ONNX model (${(error as Error).message})`);
  }
  if (!proto.graph) return fail('the model has no graph');
  const opsets = opsetsOf(proto.opsetImport, fail);
  if (opsets.size === 0) fail('the model does not say which opset it uses');
  const reader = new Reader(fail);
  const functions = new Map<string, ModelFunction>();
  for (const f of proto.functions) {
    const key = functionKey(domainOf(f.domain), f.name);
    if (functions.has(key)) fail(`two functions are called ${quote(f.name)}`);
    functions.set(key, reader.function(f));
  }
  checkRecursion(functions, fail);
  const graph = reader.graph(proto.graph, new Set(), 0);
  return {
    file,
    irVersion: Number(proto.irVersion),
    producer: proto.producerName,
    opsets,
    graph,
    functions,
  };
}

function opsetsOf(list: readonly pb.OperatorSetIdProto[], fail: (reason: string) => never): Map<string, number> {
  const opsets = new Map<string, number>();
  for (const { domain, version } of list) {
    if (domainOf(domain) === '' && (version < 1n || version > BigInt(NEWEST_OPSET)))
      fail(`opset ${version} is not known (1 to ${NEWEST_OPSET})`);
    opsets.set(domainOf(domain), Number(version));
  }
  return opsets;
}

class Reader {
  constructor(private readonly fail: (reason: string) => never) {}

  /** `outer`: the names that a subgraph may use. */
  graph(g: pb.GraphProto, outer: ReadonlySet<string>, depth: number): Graph {
    if (depth > MAX_DEPTH) this.fail(`graphs are nested more than ${MAX_DEPTH} deep`);
    const known = new Set(outer);
    const own = new Set<string>();
    const initialized = new Set<string>();
    for (const t of g.initializer) {
      if (initialized.has(t.name)) this.fail(`two initializers are called ${quote(t.name)}`);
      initialized.add(t.name);
      own.add(t.name);
      known.add(t.name);
    }
    if (g.sparseInitializer.length > 0) this.fail('sparse initializers are not supported');
    const inputs: GraphInput[] = [];
    const names = new Set<string>();
    for (const v of [...g.input, ...g.output, ...g.initializer])
      if (v.name.includes('\ufffd')) this.fail('a name is no UTF-8');
    for (const input of g.input) {
      if (names.has(input.name)) this.fail(`two inputs are called ${quote(input.name)}`);
      names.add(input.name);
      own.add(input.name);
      known.add(input.name);
      if (!initialized.has(input.name)) inputs.push(this.input(input));
    }
    const nodes = this.nodes(g.node, own, known, depth);
    const outputs = g.output.map((o) => o.name);
    for (const name of outputs) if (!known.has(name)) this.fail(`no node makes the output ${quote(name)}`);
    return { name: g.name, nodes, inputs, outputs, initializers: g.initializer };
  }

  function(f: pb.FunctionProto): ModelFunction {
    const own = new Set(f.input);
    const nodes = this.nodes(f.node, own, new Set(f.input), 0);
    for (const name of f.output)
      if (!own.has(name)) this.fail(`function ${quote(f.name)}: no node makes ${quote(name)}`);
    const defaults = new Map<string, Attribute>();
    for (const a of f.attributeProto) defaults.set(a.name, this.attribute(a, new Set(), 0));
    return {
      inputs: f.input,
      outputs: f.output,
      nodes,
      attributes: new Set(f.attribute),
      defaults,
      opsets: opsetsOf(f.opsetImport, this.fail),
    };
  }

  private nodes(list: readonly pb.NodeProto[], own: Set<string>, known: Set<string>, depth: number): GraphNode[] {
    return list.map((n) => {
      const label = `node ${quote(n.name || n.opType)}`;
      for (const name of n.input)
        if (name !== '' && !known.has(name)) this.fail(`${label}: its input ${quote(name)} is made by no earlier node`);
      const attributes = new Map<string, Attribute>();
      for (const a of n.attribute) {
        if (attributes.has(a.name)) this.fail(`${label}: it has two attributes ${quote(a.name)}`);
        attributes.set(a.name, this.attribute(a, known, depth));
      }
      for (const needed of SUBGRAPHS[domainOf(n.domain) === '' ? n.opType : ''] ?? [])
        if (attributes.get(needed)?.kind !== 'graph') this.fail(`${label}: its ${needed} is missing`);
      for (const name of n.output) {
        if (name.includes('\ufffd')) this.fail(`${label}: the name of an output is no UTF-8`);
        if (name === '') continue;
        if (own.has(name)) this.fail(`${label}: its output ${quote(name)} has another maker`);
        own.add(name);
        known.add(name);
      }
      return {
        name: n.name,
        op: n.opType,
        domain: domainOf(n.domain),
        inputs: n.input,
        outputs: n.output,
        attributes,
      };
    });
  }

  private attribute(a: pb.AttributeProto, known: ReadonlySet<string>, depth: number): Attribute {
    const T = schema().pb.AttributeProto_AttributeType;
    if (a.refAttrName !== '') return { kind: 'ref', value: a.refAttrName };
    switch (a.type) {
      case T.INT:
        return { kind: 'int', value: a.i };
      case T.FLOAT:
        return { kind: 'float', value: a.f };
      case T.STRING:
        return { kind: 'string', value: Buffer.from(a.s).toString('utf8') };
      case T.TENSOR:
        if (!a.t) return this.fail(`attribute ${quote(a.name)}: it says it is a tensor and holds none`);
        return { kind: 'tensor', value: a.t };
      case T.GRAPH:
        if (!a.g) return this.fail(`attribute ${quote(a.name)}: it says it is a graph and holds none`);
        return { kind: 'graph', value: this.graph(a.g, known, depth + 1) };
      case T.INTS:
        return { kind: 'ints', value: a.ints };
      case T.FLOATS:
        return { kind: 'floats', value: a.floats };
      case T.STRINGS:
        return { kind: 'strings', value: a.strings.map((s) => Buffer.from(s).toString('utf8')) };
      case T.UNDEFINED:
        return this.untyped(a);
      default:
        return { kind: 'unsupported', value: String(a.type) };
    }
  }

  /** The first files of the format have no types: the field that is set tells. */
  private untyped(a: pb.AttributeProto): Attribute {
    if (a.ints.length > 0) return { kind: 'ints', value: a.ints };
    if (a.floats.length > 0) return { kind: 'floats', value: a.floats };
    if (a.t) return { kind: 'tensor', value: a.t };
    if (a.s.length > 0) return { kind: 'string', value: Buffer.from(a.s).toString('utf8') };
    if (a.f !== 0) return { kind: 'float', value: a.f };
    return { kind: 'int', value: a.i };
  }

  private input(v: pb.ValueInfoProto): GraphInput {
    const type = v.type?.value;
    if (type === undefined || type.case === undefined) return { name: v.name, elemType: 0, shape: undefined };
    if (type.case !== 'tensorType')
      return this.fail(`input ${quote(v.name)} is no tensor (${type.case}): only tensors are supported`);
    const dims = type.value.shape?.dim.map((d) =>
      d.value.case === 'dimValue'
        ? d.value.value
        : d.value.case === 'dimParam' && d.value.value !== ''
          ? d.value.value
          : null,
    );
    return { name: v.name, elemType: type.value.elemType, shape: dims };
  }
}

/** Functions are expanded where they are called, so none may reach itself. */
function checkRecursion(functions: ReadonlyMap<string, ModelFunction>, fail: (reason: string) => never): void {
  const state = new Map<string, 'open' | 'done'>();
  const visit = (key: string, depth: number): void => {
    const f = functions.get(key);
    if (!f || state.get(key) === 'done') return;
    if (state.get(key) === 'open') fail(`function ${quote(key.split('\n')[1]!)} calls itself`);
    if (depth > MAX_DEPTH) fail(`functions call each other more than ${MAX_DEPTH} deep`);
    state.set(key, 'open');
    const walk = (nodes: readonly GraphNode[]): void => {
      for (const n of nodes) {
        visit(functionKey(n.domain, n.op), depth + 1);
        for (const a of n.attributes.values()) if (a.kind === 'graph') walk(a.value.nodes);
      }
    };
    walk(f.nodes);
    state.set(key, 'done');
  };
  for (const key of functions.keys()) visit(key, 0);
}
