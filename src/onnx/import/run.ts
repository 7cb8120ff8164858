// Runs the nodes of a graph on our ops, one after the other. Values that follow from constants and shapes alone are computed
// without being recorded, so a compiled or traced model holds only what depends on its inputs' numbers.
import { noGrad } from '../../autograd/modes.js';
import { native } from '../../native.js';
import { isTensor, unwrap, type Tensor } from '../../tensor/handle.js';
import { OnnxImportError, quote } from './errors.js';
import { functionKey, type Attribute, type Graph, type GraphNode, type Model, type ModelFunction } from './model.js';
import { NodeContext, unrecorded, type Entry, type Value } from './node.js';
import { OPERATORS } from './ops/index.js';
import { tensorOf, type Wide } from './tensors.js';

/** Names of a graph and of those around it. */
class Scope {
  private readonly values = new Map<string, Value>();
  constructor(private readonly outer: Scope | null) {}
  get(name: string): Value | undefined {
    return this.values.get(name) ?? this.outer?.get(name);
  }
  set(name: string, value: Value): void {
    this.values.set(name, value);
  }
  delete(name: string): void {
    this.values.delete(name);
  }
}

/** What nodes of one body have in common. */
interface Body {
  readonly opsets: ReadonlyMap<string, number>;
  /** Of the call of a function; null in a graph. */
  readonly attributes: ReadonlyMap<string, Attribute> | null;
}

interface Kept {
  readonly inputs: readonly (Value | undefined)[];
  readonly versions: readonly (number | undefined)[];
  readonly results: (Value | null)[];
}
const versionOf = (v: Value | undefined): number | undefined => (v ? native.version(unwrap(v.tensor)) : undefined);
/** The very same tensors, not written since. */
const sameInputs = (kept: Kept, inputs: readonly (Value | undefined)[]): boolean =>
  kept.inputs.length === inputs.length &&
  inputs.every((v, i) => v?.tensor === kept.inputs[i]?.tensor && versionOf(v) === kept.versions[i]);

export class Runner {
  /** Constants of subgraphs, made once. */
  private readonly constants = new WeakMap<Graph, ReadonlyMap<string, Value>>();
  /** After which node of a graph a value is needed no more. */
  private readonly lastUses = new WeakMap<readonly GraphNode[], ReadonlyMap<number, readonly string[]>>();

  /** The last results of nodes whose inputs are known: weights that a model computes are made once, not in every call. */
  private readonly kept = new WeakMap<GraphNode, Kept>();

  constructor(
    private readonly model: Model,
    private readonly folder: string | null,
  ) {}

  /** Runs the main graph. `weights`: its initializers by name. */
  run(weights: ReadonlyMap<string, Value>, inputs: readonly Value[]): Value[] {
    const scope = new Scope(null);
    for (const [name, value] of weights) scope.set(name, value);
    return this.graph(this.model.graph, inputs, scope, { opsets: this.model.opsets, attributes: null }, false);
  }

  private graph(graph: Graph, inputs: readonly Value[], scope: Scope, body: Body, constants: boolean): Value[] {
    if (constants) for (const [name, value] of this.constantsOf(graph)) scope.set(name, value);
    graph.inputs.forEach((input, i) => scope.set(input.name, inputs[i]!));
    this.nodes(graph.nodes, graph.outputs, scope, body);
    return graph.outputs.map((name) => scope.get(name)!);
  }

  private constantsOf(graph: Graph): ReadonlyMap<string, Value> {
    let found = this.constants.get(graph);
    if (!found) {
      found = unrecorded(
        () =>
          new Map(
            graph.initializers.map((t) => [t.name, { ...tensorOf(t, this.model.file, this.folder), known: true }]),
          ),
      );
      this.constants.set(graph, found);
    }
    return found;
  }

  private nodes(nodes: readonly GraphNode[], outputs: readonly string[], scope: Scope, body: Body): void {
    const dead = this.lastUsesOf(nodes, outputs);
    nodes.forEach((node, i) => {
      this.node(node, scope, body);
      for (const name of dead.get(i) ?? []) scope.delete(name);
    });
  }

  private lastUsesOf(nodes: readonly GraphNode[], outputs: readonly string[]): ReadonlyMap<number, readonly string[]> {
    const known = this.lastUses.get(nodes);
    if (known) return known;
    const last = new Map<string, number>();
    const made = new Set<string>();
    const use = (node: GraphNode, at: number): void => {
      for (const name of node.inputs) last.set(name, at);
      for (const a of node.attributes.values())
        if (a.kind === 'graph') {
          for (const inner of a.value.nodes) use(inner, at);
          for (const name of a.value.outputs) last.set(name, at);
        }
    };
    nodes.forEach((node, at) => {
      use(node, at);
      for (const name of node.outputs) {
        made.add(name);
        if (!last.has(name)) last.set(name, at);
      }
    });
    const result = new Map<number, string[]>();
    const kept = new Set(outputs);
    for (const [name, at] of last) {
      if (!made.has(name) || kept.has(name)) continue;
      const list = result.get(at);
      if (list) list.push(name);
      else result.set(at, [name]);
    }
    this.lastUses.set(nodes, result);
    return result;
  }

  private node(node: GraphNode, scope: Scope, body: Body): void {
    const inputs = node.inputs.map((name) => (name === '' ? undefined : scope.get(name)!));
    while (inputs.length > 0 && inputs.at(-1) === undefined) inputs.pop();
    const fn = this.model.functions.get(functionKey(node.domain, node.op));
    const results = fn ? this.call(fn, node, inputs, body) : this.operator(node, inputs, scope, body);
    node.outputs.forEach((name, i) => {
      if (name === '') return;
      const value = results[i];
      if (!value) throw this.error(node, `it has no output ${i} (${quote(name)})`);
      scope.set(name, value);
    });
  }

  private attributesOf(node: GraphNode, body: Body): ReadonlyMap<string, Attribute> {
    let out: Map<string, Attribute> | null = null;
    for (const [name, a] of node.attributes) {
      if (a.kind !== 'ref') continue;
      out ??= new Map(node.attributes);
      const given = body.attributes?.get(a.value);
      if (given) out.set(name, given);
      else out.delete(name);
    }
    return out ?? node.attributes;
  }

  private call(fn: ModelFunction, node: GraphNode, inputs: readonly (Value | undefined)[], body: Body): Value[] {
    if (inputs.length > fn.inputs.length)
      throw this.error(node, `it takes ${fn.inputs.length} inputs, got ${inputs.length}`);
    const scope = new Scope(null);
    fn.inputs.forEach((name, i) => {
      const value = inputs[i];
      if (value) scope.set(name, value);
    });
    const attributes = new Map([...fn.defaults, ...this.attributesOf(node, body)]);
    this.nodes(fn.nodes, fn.outputs, scope, { opsets: fn.opsets, attributes });
    return fn.outputs.map((name) => scope.get(name)!);
  }

  private operator(
    node: GraphNode,
    inputs: readonly (Value | undefined)[],
    scope: Scope,
    body: Body,
  ): (Value | null)[] {
    const { entry, opset } = this.entryOf(node, body.opsets);
    this.checkCounts(entry, node, inputs.length);
    const context = new NodeContext(
      node,
      opset,
      inputs,
      this.attributesOf(node, body),
      this.model.file,
      this.folder,
      (graph, values) => {
        if (graph.inputs.length !== values.length)
          throw this.error(node, `its subgraph takes ${graph.inputs.length} inputs, got ${values.length}`);
        return this.graph(graph, values, new Scope(scope), body, true);
      },
    );
    const known = entry.pure && inputs.every((v) => v === undefined || v.known);
    const kept = known && body.attributes === null ? this.kept.get(node) : undefined;
    if (kept && sameInputs(kept, inputs)) return kept.results;
    try {
      const results = known ? unrecorded(() => noGrad(() => entry.run(context))) : entry.run(context);
      const values = this.values(entry, context, results, known);
      if (known && body.attributes === null)
        this.kept.set(node, { inputs, versions: inputs.map(versionOf), results: values });
      return values;
    } catch (error) {
      // What our ops say of their arguments, in the words of the model.
      throw error instanceof OnnxImportError || !(error instanceof Error)
        ? error
        : this.error(node, error.message, error);
    }
  }

  private entryOf(node: GraphNode, opsets: ReadonlyMap<string, number>): { entry: Entry; opset: number } {
    const entry = node.domain === '' && Object.hasOwn(OPERATORS, node.op) ? OPERATORS[node.op] : undefined;
    const opset = opsets.get(node.domain);
    if (opset === undefined) throw this.error(node, `the model does not import the domain ${quote(node.domain)}`);
    if (!entry || opset < entry.since)
      throw this.error(
        node,
        `operator ${quote(node.op)} is not known in opset ${opset} of ${quote(node.domain || 'ai.onnx')}`,
      );
    return { entry, opset };
  }

  /** Every operator of the model is one that we have. @throws OnnxImportError */
  checkOperators(): void {
    const check = (nodes: readonly GraphNode[], opsets: ReadonlyMap<string, number>): void => {
      for (const node of nodes) {
        if (!this.model.functions.has(functionKey(node.domain, node.op))) this.entryOf(node, opsets);
        for (const a of node.attributes.values()) if (a.kind === 'graph') check(a.value.nodes, opsets);
      }
    };
    check(this.model.graph.nodes, this.model.opsets);
    for (const f of this.model.functions.values()) check(f.nodes, f.opsets);
  }

  private values(
    entry: Entry,
    context: NodeContext,
    results: ReturnType<Entry['run']>,
    known: boolean,
  ): (Value | null)[] {
    const wide: Wide | undefined = entry.wideAs === null ? undefined : context.inputs[entry.wideAs]?.wide;
    const finish = (r: Tensor | Value | null): Value | null => {
      if (r === null || !isTensor(r)) return r;
      return wide === undefined ? { tensor: r, known } : { tensor: narrowed(r, wide), known, wide };
    };
    return Array.isArray(results)
      ? (results as (Tensor | Value | null)[]).map(finish)
      : [finish(results as Tensor | Value)];
  }

  private checkCounts(entry: Entry, node: GraphNode, given: number): void {
    const [least, most] = entry.inputs;
    if (given < least || given > most)
      throw this.error(node, `it takes ${least === most ? least : `${least} to ${most}`} inputs, got ${given}`);
    const outputs = node.outputs.length;
    if (outputs < entry.outputs[0] || outputs > entry.outputs[1])
      throw this.error(node, `it has ${entry.outputs[1]} outputs, not ${outputs}`);
  }

  private error(node: GraphNode, reason: string, cause?: Error): OnnxImportError {
    const error = new OnnxImportError(
      this.model.file,
      `${quote(node.op)}${node.name ? ` ${quote(node.name)}` : ''}: ${reason}`,
    );
    if (cause) error.cause = cause;
    return error;
  }
}

/** Arithmetic of unsigned integers wraps at their own width. */
function narrowed(t: Tensor, wide: Wide): Tensor {
  if (wide === 'uint16' && t.dtype === 'int32') return t.bitwiseAnd(0xffff);
  if (wide === 'uint32' && t.dtype === 'int64') return t.bitwiseAnd(0xffffffff);
  return t;
}
