// Op graph → ONNX model. Composites that were called (softmax, layer norm, ...) are exported whole where ONNX has an operator
// for them, else by their parts; every op goes by its symbolic, its mapping in the op table, or its scalar expression.
import { carriedOf, isControl } from '../ir/control.js';
import type { Graph, Input, Node, Region, TensorType, Value } from '../ir/graph.js';
import type { OpInfo } from '../ir/opinfo.js';
import { opInfo } from '../ir/table.js';
import { OnnxBuilder, type Ref } from './builder.js';
import { markDataDependent } from './data_dependent.js';
import { MESSAGE_LIMIT, weightsFile, type AttrValue, type EncodedModel } from './encode.js';
import { Call, type Arg, type Symbolic } from './call.js';
import { computeType, lowerPointwise } from './scalar.js';
import { Shapes, type SymbolSources } from './shapes.js';
import { allSymbolics } from './symbolics/index.js';
import { byteLength, OnnxExportError } from './types.js';
import { takesType } from './versions.js';

export interface LowerOptions {
  readonly ops: Readonly<Record<string, OpInfo>>;
  /** Name and bytes (row-major, little-endian) of each captured tensor, in the order of `graph.captures`. */
  readonly captures: readonly { readonly name: string; readonly bytes: () => Uint8Array }[];
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** Names of the symbolic dimensions in the model ('batch'); others keep their own. */
  readonly symbolNames?: ReadonlyMap<string, string>;
  readonly opset: number;
  readonly graphName: string;
  readonly producerVersion: string;
  /** The graph is one of training: changed buffers become outputs. */
  readonly training?: boolean;
  /** Where the model will lie; names the file of external weights. */
  readonly path?: string;
  readonly externalData?: boolean;
}

/** Encodes `graph` as an ONNX model. Throws OnnxExportError for what has no ONNX form. */
export function lowerGraph(graph: Graph, options: LowerOptions): EncodedModel {
  return new GraphLowering(graph, options).run();
}

class GraphLowering {
  private readonly b: OnnxBuilder;
  private values = new Map<number, Ref>();
  private readonly shapes: Shapes;
  private readonly symbolics: ReadonlyMap<string, Symbolic>;
  private whole = new Set<number>(); // regions exported as one operator
  private opened = new Set<number>(); // regions that must be exported by their parts
  private readonly views = new Set<string>(); // names of views
  private readonly fixed = new Set<string>(); // names of inputs, initializers and outputs: not free to change

  constructor(
    private graph: Graph,
    private readonly options: LowerOptions,
  ) {
    this.checkPure();
    markDataDependent(graph, options.ops);
    this.b = new OnnxBuilder(options.opset, options.symbolNames ?? new Map(), options.training);
    this.reserveNames();
    const sources = this.addInputs();
    graph.captures.forEach((value, i) => this.addCapture(value, i));
    this.shapes = new Shapes(this.b, sources);
    this.symbolics = allSymbolics(this.shapes);
  }

  run(): EncodedModel {
    for (const node of this.graph.nodes) this.node(node);
    this.graph.outputs.forEach((value, i) => this.output(value, this.options.outputNames[i]!));
    for (const { target, value } of this.graph.writes) this.output(value, `${this.nameOf(target)}.updated`);
    const { graphName, producerVersion, path } = this.options;
    return this.b.encode({
      graphName,
      graphDoc: `${graphName}${this.options.training ? ' in training mode' : ''}`,
      producer: { name: 'flambeau', version: producerVersion },
      ...(path !== undefined && this.isExternal() ? { external: weightsFile(path) } : {}),
    });
  }

  private output(value: Value, name: string): void {
    const ref = this.value(value);
    this.b.name(ref, name, !this.fixed.has(ref.name));
    if (!this.fixed.has(ref.name)) this.values.set(value.id, { name, type: ref.type });
    this.fixed.add(name);
    this.b.output(name, ref.type);
  }

  private isExternal(): boolean {
    const size = this.graph.captures.reduce((n, v) => n + byteLength(v.type), 0);
    return this.options.externalData ?? size > MESSAGE_LIMIT;
  }

  private nameOf(target: Value): string {
    return this.options.captures[this.graph.captures.indexOf(target)]!.name;
  }

  /** ONNX graphs are functions: nothing that the program changed may be lost. */
  private checkPure(): void {
    for (const { target } of this.graph.writes) {
      const at = this.graph.captures.indexOf(target);
      if (at >= 0 && this.options.training) continue;
      const input = this.graph.inputs.indexOf(target);
      const name = at >= 0 ? `'${this.nameOf(target)}'` : `input '${this.options.inputNames[input]}'`;
      throw new OnnxExportError(
        `the program writes ${name} in place, which an ONNX model cannot${at >= 0 ? '; export in eval mode' : '; write a clone'}`,
      );
    }
    if (this.graph.gradWrites.length > 0) {
      throw new OnnxExportError('the program runs a backward pass; export the forward function only');
    }
  }

  private reserveNames(): void {
    const { inputNames, outputNames, captures } = this.options;
    inputNames.forEach((n, i) => this.b.reserve(n, `input ${i}`));
    outputNames.forEach((n, i) => this.b.reserve(n, `output ${i}`));
    captures.forEach((c) => this.b.reserve(c.name, 'a parameter'));
    for (const { target } of this.graph.writes) this.b.reserve(`${this.nameOf(target)}.updated`, 'a changed buffer');
    for (const name of [...inputNames, ...captures.map((c) => c.name)]) this.fixed.add(name);
  }

  private addInputs(): SymbolSources {
    const sources = new Map<string, { input: Ref; axis: number }>();
    this.graph.inputs.forEach((value, i) => {
      if (this.values.has(value.id)) {
        throw new OnnxExportError(
          `inputs ${this.graph.inputs.indexOf(value)} and ${i} are the same tensor; give two tensors`,
        );
      }
      const input = this.b.input(this.options.inputNames[i]!, value.type);
      this.values.set(value.id, input);
      if (value.strides) this.views.add(input.name);
      value.type.shape.forEach((d, axis) => {
        if (typeof d === 'number' || d.terms.length !== 1) return;
        const { coef, symbols } = d.terms[0]!;
        if (coef === 1 && symbols.length === 1 && !sources.has(symbols[0]!)) sources.set(symbols[0]!, { input, axis });
      });
    });
    return sources;
  }

  private addCapture(value: Value, i: number): void {
    const { name, bytes } = this.options.captures[i]!;
    if (value.strides) this.views.add(name);
    this.values.set(value.id, this.b.initializer(name, value.type, bytes));
  }

  private node(node: Node): void {
    if (isControl(node)) return this.control(node);
    if (node.op === 'region.begin' || node.op === 'region.end') return;
    for (const index of this.regionsOf(node)) {
      if (this.whole.has(index)) return;
      if (this.opened.has(index)) continue;
      if (this.region(index)) return;
      this.opened.add(index);
    }
    this.emit(this.callOf(node.op, node.inputs, node.attrs, node.outputs, node.scope, node.site), true);
  }

  /** If and Loop; their bodies name values of the graph around them, so nothing is handed over but what a loop carries. */
  private control(node: Node): void {
    const [condition, ...rest] = node.inputs.map((i) => this.value((i as { value: Value }).value));
    const types = node.outputs.map((v) => v.type);
    [this.b.scope, this.b.site] = [node.scope ?? '', node.site];
    let refs: readonly Ref[];
    if (node.op === 'if') {
      const way = (k: 0 | 1, name: string): AttrValue =>
        this.b.subgraph(name, [], () => this.body(node.bodies![k]!, rest));
      const attrs = { then_branch: way(0, 'then'), else_branch: way(1, 'else') };
      refs = this.b.multi('If', [condition!], types, attrs);
    } else {
      const carried = carriedOf(node);
      const inputs = [
        { name: 'iteration', type: { dtype: 'int64' as const, shape: [] } },
        { name: 'condition', type: { dtype: 'bool' as const, shape: [] } },
        ...types.map((type, k) => ({ name: `carried_${k}`, type })),
      ];
      const body = this.b.subgraph('body', inputs, ([, , ...state]) =>
        this.body(node.bodies![0]!, [...state, ...rest.slice(carried)]),
      );
      refs = this.b.multi('Loop', [null, condition!, ...rest.slice(0, carried)], types, { body });
    }
    node.outputs.forEach((v, k) => this.values.set(v.id, refs[k]!));
  }

  /** Adds the nodes of a body, whose values are its own. */
  private body(graph: Graph, inputs: readonly Ref[]): Ref[] {
    const around = [this.graph, this.values, this.whole, this.opened] as const;
    [this.graph, this.values, this.whole, this.opened] = [graph, new Map(), new Set(), new Set()];
    try {
      graph.inputs.forEach((v, k) => this.values.set(v.id, inputs[k]!));
      for (const n of graph.nodes) this.node(n);
      return graph.outputs.map((v) => this.value(v));
    } finally {
      [this.graph, this.values, this.whole, this.opened] = around;
    }
  }

  /** Exports a region as one operator; false where it must be taken by its parts. */
  private region(index: number): boolean {
    const region = this.graph.regions[index]!;
    const info = this.options.ops[region.op];
    if (!info || region.varies || this.escapes(index, region)) return false;
    if (!region.inputs.every((i) => this.available(i))) return false;
    const call = this.callOf(region.op, region.inputs, region.attrs, region.outputs, region.scope, this.siteOf(index));
    if (!this.emit(call, false)) return false;
    this.whole.add(index);
    return true;
  }

  /** Where the program calls a composite: its nodes say. */
  private siteOf(index: number): string | undefined {
    return this.graph.nodes.find((n) => n.site !== undefined && this.regionsOf(n).includes(index))?.site;
  }

  private emit(call: Call, must: boolean): boolean {
    this.b.scope = call.scope ?? '';
    this.b.site = call.site;
    const refs = this.located(call, () => this.lower(call, must));
    if (!refs) return false;
    call.outputs.forEach((value, i) => {
      this.values.set(value.id, refs[i]!);
      if (call.info.kind === 'view') this.views.add(refs[i]!.name);
    });
    return true;
  }

  /** Errors of the builder (an operator that the opset lacks) name the op and its place, too. */
  private located<T>(call: Call, act: () => T): T {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof OnnxExportError) || error.located) throw error;
      return call.fail(error.reason);
    }
  }

  private lower(call: Call, must: boolean): readonly Ref[] | null {
    const { info } = call;
    const onnx = info.onnx;
    const named = onnx && 'symbolic' in onnx ? this.symbolics.get(onnx.symbolic) : undefined;
    const symbolic = this.symbolics.get(call.op) ?? named;
    const refs = symbolic?.(this.b, call) ?? this.direct(call);
    if (refs) return refs;
    if (info.kind === 'pointwise' && !info.mutates) return lowerPointwise(this.b, call, info, this.shapes);
    if (!must) return null;
    const reason = onnx && 'none' in onnx ? onnx.none : `it has no ONNX form at opset ${this.b.opset}`;
    return call.fail(`cannot be exported: ${reason}`);
  }

  /** The op table's one-to-one mapping. Attribute values that name a parameter take its value. */
  private direct(call: Call): Ref[] | null {
    const { info } = call;
    if (!info.onnx || !('op' in info.onnx) || info.onnx.since > this.b.opset) return null;
    const attrs: Record<string, AttrValue> = {};
    const mapped = new Set<string>();
    for (const [key, value] of Object.entries(info.onnx.attrs ?? {})) {
      const param = typeof value === 'string' ? info.params.find((p) => p.name === value) : undefined;
      if (param) mapped.add(param.name);
      attrs[key] = param
        ? attrOf(call, param.name, param.type)
        : typeof value === 'number' && !Number.isInteger(value)
          ? { float: value }
          : value;
    }
    if (!call.allDefaults(mapped)) return null;
    const compute = info.kind === 'pointwise' ? computeType(call, info) : null;
    if (compute === 'bool' && !['And', 'Or', 'Xor', 'Not', 'Equal'].includes(info.onnx.op)) return null;
    if (compute !== null && !takesType(info.onnx.op, compute, this.b.opset)) return null;
    // ONNX shifts unsigned integers only.
    if (info.onnx.op === 'BitShift' && compute !== 'uint8') return null;
    const inputs: (Ref | null)[] = [];
    for (const [name, arg] of call.args) {
      if (arg.kind === 'none') inputs.push(null);
      else if (arg.kind === 'list') inputs.push(...arg.refs);
      else {
        const condition = info.kind === 'pointwise' && info.conditions.includes(name);
        const dtype = condition ? 'bool' : (compute ?? call.type().dtype);
        if (arg.kind === 'number') inputs.push(this.b.scalar(arg.value, dtype));
        else inputs.push(compute ? this.b.cast(arg.ref, dtype) : arg.ref);
      }
    }
    const types = call.outputs.map((v) => v.type);
    const raw: TensorType[] = types.map((t) => ({
      ...t,
      dtype: info.kind === 'pointwise' && info.rule !== 'bool' ? compute! : t.dtype,
    }));
    return this.b.multi(info.onnx.op, inputs, raw, attrs).map((ref, i) => this.b.cast(ref, types[i]!.dtype));
  }

  private callOf(
    op: string,
    inputs: readonly Input[],
    attrs: Node['attrs'],
    outputs: readonly Value[],
    scope?: string,
    site?: string,
  ): Call {
    const info = Object.hasOwn(this.options.ops, op) ? this.options.ops[op] : opInfo(op);
    if (!info) throw new OnnxExportError(`unknown op '${op}'`, { scope, site });
    return new Call(
      info,
      inputs.map((i) => this.arg(i, op, scope, site)),
      attrs,
      outputs,
      scope,
      site,
      this.views,
    );
  }

  private arg(input: Input, op: string, scope?: string, site?: string): Arg {
    switch (input.kind) {
      case 'value':
        return { kind: 'tensor', ref: this.value(input.value) };
      case 'list':
        return { kind: 'list', refs: input.values.map((v) => this.value(v)) };
      case 'const':
        return { kind: 'number', value: input.value, float: input.float };
      case 'none':
        return { kind: 'none' };
      case 'live':
        throw new OnnxExportError(
          `op '${op}' uses a number that varies between calls (${this.graph.liveScalars[input.slot]}); pass it as a tensor to keep it an input`,
          { scope, site },
        );
    }
  }

  private value(value: Value): Ref {
    const ref = this.values.get(value.id);
    if (!ref) throw new OnnxExportError(`the graph uses value %${value.id} before it is computed`);
    return ref;
  }

  private available(input: Input): boolean {
    if (input.kind === 'value') return this.values.has(input.value.id);
    return input.kind !== 'list' || input.values.every((v) => this.values.has(v.id));
  }

  /** The regions that a node lies in, outermost first. */
  private regionsOf(node: Node): number[] {
    const chain: number[] = [];
    for (let r = node.region; r !== undefined; r = this.graph.regions[r]!.parent) chain.unshift(r);
    return chain;
  }

  /** True where a value computed inside the region is used outside without being one of its results. */
  private escapes(index: number, region: Region): boolean {
    const inside = (node: Node): boolean => this.regionsOf(node).includes(index);
    const made = new Set(this.graph.nodes.filter(inside).flatMap((n) => n.outputs.map((v) => v.id)));
    for (const v of region.outputs) made.delete(v.id);
    const uses = this.graph.nodes.filter((n) => !inside(n)).flatMap((n) => n.inputs.flatMap(valuesOf));
    const ends = [...this.graph.outputs, ...this.graph.writes.map((w) => w.value)];
    return [...uses, ...ends].some((v) => made.has(v.id));
  }
}

const valuesOf = (input: Input): readonly Value[] =>
  input.kind === 'value' ? [input.value] : input.kind === 'list' ? input.values : [];

function attrOf(call: Call, name: string, type: string): AttrValue {
  if (type === 'int[]') return call.ints(name);
  if (type === 'string') return call.string(name);
  if (type === 'float' || type === 'Scalar') return { float: call.number(name) };
  return call.number(name);
}
