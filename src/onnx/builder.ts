// Builds one ONNX model: names, initializers, constants, nodes with their place in the source, subgraphs.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { DType, TensorType } from '../ir/graph.js';
import {
  attributeOf,
  encodeModel,
  valueInfo,
  type AttrValue,
  type EncodedModel,
  type GraphInit,
  type Initializer,
  type ModelInfo,
} from './encode.js';
import type { NodeProtoSchema, ValueInfoProtoSchema } from './schema/onnx_pb.cjs';
import { encodeNumbers, OnnxExportError } from './types.js';
import { COMPARES, firstOpset, IR_VERSION, NODE_METADATA_IR, OPSETS, widerType } from './versions.js';

/** A named ONNX value with its type. */
export interface Ref {
  readonly name: string;
  readonly type: TensorType;
}

type NodeInit = MessageInitShape<typeof NodeProtoSchema>;

export class OnnxBuilder {
  private nodes: NodeInit[] = [];
  /** The nodes of the model itself, whichever body is being built. */
  private readonly outermost = this.nodes;
  private readonly initializers: Initializer[] = [];
  private readonly valueNames = new Set<string>();
  private readonly nodeNames = new Set<string>();
  private readonly constants = new Map<string, Ref>();
  private readonly inputs: MessageInitShape<typeof ValueInfoProtoSchema>[] = [];
  private readonly outputs: MessageInitShape<typeof ValueInfoProtoSchema>[] = [];
  private readonly types = new Map<string, TensorType>();
  /** Module path of the nodes that are added now ('features.0'), and where the program calls them ('lenet.ts:12:3'). */
  scope = '';
  site: string | undefined;

  constructor(
    readonly opset: number,
    private readonly symbolNames: ReadonlyMap<string, string>,
    /** The model is one of training. */
    readonly training = false,
  ) {
    if (!Object.hasOwn(IR_VERSION, opset)) {
      throw new OnnxExportError(`opset version ${opset} is not supported; supported: ${OPSETS.join(', ')}`);
    }
  }

  /** Whether the operator set has an operator. */
  has(operator: string): boolean {
    return firstOpset(operator) <= this.opset;
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
    this.inputs.push(valueInfo(name, type, this.symbolNames));
    return { name, type };
  }

  output(name: string, type: TensorType): void {
    this.outputs.push(valueInfo(name, type, this.symbolNames));
  }

  /** A tensor stored in the model under its own name. Its bytes are asked for when the model is written. */
  initializer(name: string, type: TensorType, bytes: () => Uint8Array): Ref {
    this.initializers.push({ name, type, bytes });
    return { name, type };
  }

  /** A constant tensor, stored once per value. `shape` [] is a scalar. */
  constant(values: readonly (number | boolean)[], dtype: DType, shape: readonly number[] = [values.length]): Ref {
    const key = `${dtype}[${shape.join(',')}]${values.map((v) => (Object.is(v, -0) ? '-0' : String(v))).join(',')}`;
    let ref = this.constants.get(key);
    if (!ref) {
      ref = this.initializer(this.fresh('/constant'), { dtype, shape }, () => encodeNumbers(values, dtype));
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

  /**
   * Adds a node with several results. Operands of a dtype that the operator does not take at this opset are computed in a wider
   * one. @throws OnnxExportError where the opset has no such operator.
   */
  multi(
    type: string,
    inputs: readonly (Ref | null)[],
    results: readonly TensorType[],
    attrs: Record<string, AttrValue> = {},
  ): Ref[] {
    const since = firstOpset(type);
    if (since > this.opset)
      throw new OnnxExportError(`operator ${type} comes with opset ${since}, this is ${this.opset}`);
    const dtype = inputs[0]?.type.dtype;
    const wider = dtype === undefined ? null : widerType(type, dtype, this.opset);
    if (wider === null) return this.node(type, inputs, results, attrs);
    const cast = inputs.map((r) => (r !== null && r.type.dtype === dtype ? this.cast(r, wider) : r));
    const raw = results.map((t) => (t.dtype === dtype && !COMPARES.has(type) ? { ...t, dtype: wider } : t));
    return this.node(type, cast, raw, attrs).map((r, i) => this.cast(r, results[i]!.dtype));
  }

  private node(
    type: string,
    inputs: readonly (Ref | null)[],
    results: readonly TensorType[],
    attrs: Record<string, AttrValue>,
  ): Ref[] {
    const path = this.scope === '' ? '' : `/${this.scope.replaceAll('.', '/')}`;
    const name = unique(`${path}/${type}`, this.nodeNames);
    const outputs = results.map((_, i) => this.fresh(`${name}_output_${i}`));
    const names = inputs.map((r) => r?.name ?? '');
    while (names.length > 0 && names[names.length - 1] === '') names.pop();
    const attribute = Object.entries(attrs).map(([key, value]) => attributeOf(key, value));
    this.nodes.push({ name, opType: type, input: names, output: outputs, attribute, ...this.origin() });
    outputs.forEach((output, i) => this.types.set(output, results[i]!));
    return outputs.map((output, i) => ({ name: output, type: results[i]! }));
  }

  /** Where in the source the nodes come from, for people (doc_string) and for tools (metadata_props). */
  private origin(): Pick<NodeInit, 'docString' | 'metadataProps'> {
    const module = this.scope === '' ? [] : [{ key: 'module', value: this.scope }];
    const source = this.site === undefined ? [] : [{ key: 'source', value: this.site }];
    const props = [...module, ...source];
    if (props.length === 0) return {};
    const docString = props.map((p) => `${p.key} ${p.value}`).join(', ');
    return IR_VERSION[this.opset]! >= NODE_METADATA_IR ? { docString, metadataProps: props } : { docString };
  }

  cast(ref: Ref, dtype: DType): Ref {
    if (ref.type.dtype === dtype) return ref;
    return this.op('Cast', [ref], { dtype, shape: ref.type.shape }, { to: { dtype } });
  }

  /**
   * The body of If, Loop or Scan as an attribute: `build` adds its nodes and returns its results. The body may use values of the
   * graph around it; constants are kept there.
   */
  subgraph(
    name: string,
    inputs: readonly { name: string; type: TensorType }[],
    build: (inputs: Ref[]) => readonly Ref[],
  ): {
    readonly graph: GraphInit;
  } {
    const outside = this.nodes;
    this.nodes = [];
    try {
      const refs = inputs.map(({ name: base, type }) => ({ name: this.fresh(base), type }));
      const made = new Set<string>();
      const results = build(refs).map((r) => {
        // A body gives every result under a name of its own, made inside.
        const inside = this.nodes.some((n) => (n.output as string[]).includes(r.name)) && !made.has(r.name);
        const own = inside ? r : this.op('Identity', [r], r.type);
        made.add(own.name);
        return own;
      });
      const info = (r: Ref): MessageInitShape<typeof ValueInfoProtoSchema> =>
        valueInfo(r.name, r.type, this.symbolNames);
      const node = liveNodes(this.nodes, new Set(results.map((r) => r.name)));
      return { graph: { name, node, input: refs.map(info), output: results.map(info) } };
    } finally {
      this.nodes = outside;
    }
  }

  /** What `build` adds goes before the branches and loops that are being built: it serves the whole model. */
  outside(build: () => Ref): Ref {
    const inside = this.nodes;
    this.nodes = this.outermost;
    try {
      return build();
    } finally {
      this.nodes = inside;
    }
  }

  /** Gives a result its final name: renames the node's output, or adds an Identity where the name is not free to change. */
  name(ref: Ref, name: string, mayRename: boolean): void {
    const maker = mayRename ? this.nodes.find((n) => (n.output as string[]).includes(ref.name)) : undefined;
    if (maker) {
      rename(this.nodes, ref.name, name);
      this.types.set(name, ref.type);
      return;
    }
    this.scope = '';
    this.site = undefined;
    this.name(this.op('Identity', [ref], ref.type), name, true);
  }

  /** The encoded model. Nodes and initializers that lead to no output are left out. */
  encode(info: ModelInfo): EncodedModel {
    const used = new Set(this.outputs.map((o) => o.name!));
    const live = liveNodes(this.nodes, used);
    const ends = new Set(this.outputs.map((o) => o.name!));
    const inner = live.flatMap((n) => n.output as string[]).filter((n) => !ends.has(n) && used.has(n));
    return encodeModel(
      {
        irVersion: IR_VERSION[this.opset]!,
        opset: this.opset,
        nodes: live,
        initializers: this.initializers.filter((t) => used.has(t.name)),
        inputs: this.inputs,
        outputs: this.outputs,
        valueInfo: inner.map((n) => valueInfo(n, this.types.get(n)!, this.symbolNames)),
      },
      info,
    );
  }
}

const bodies = (node: NodeInit): GraphInit[] =>
  (node.attribute ?? []).flatMap((a) => ('g' in a && a.g ? [a.g as GraphInit] : []));

/** The nodes that lead to the names in `used`, which grows by what they read. */
function liveNodes(nodes: readonly NodeInit[], used: Set<string>): NodeInit[] {
  const live: NodeInit[] = [];
  for (const node of [...nodes].reverse()) {
    if (!(node.output as string[]).some((o) => used.has(o))) continue;
    for (const name of reads(node)) used.add(name);
    live.push(node);
  }
  return live.reverse();
}

/** All names that a node reads, those of its bodies included. */
function reads(node: NodeInit): string[] {
  return [
    ...(node.input as string[]),
    ...bodies(node).flatMap((g) => [...(g.node as NodeInit[]).flatMap(reads), ...(g.output ?? []).map((o) => o.name!)]),
  ];
}

function rename(nodes: readonly NodeInit[], from: string, to: string): void {
  const change = (names: readonly string[]): string[] => names.map((n) => (n === from ? to : n));
  for (const node of nodes) {
    node.input = change(node.input as string[]);
    node.output = change(node.output as string[]);
    for (const g of bodies(node)) rename(g.node as NodeInit[], from, to);
  }
}

function unique(base: string, taken: Set<string>): string {
  let name = base;
  for (let i = 1; taken.has(name); i++) name = `${base}_${i}`;
  taken.add(name);
  return name;
}
