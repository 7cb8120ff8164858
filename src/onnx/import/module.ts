// The module that a model becomes: its weights are parameters and buffers under their names, its forward runs the graph.
import { ValueError } from '../../tensor/errors.js';
import { isFloatingDtype, type DType } from '../../tensor/dtype.js';
import { isTensor, type Tensor } from '../../tensor/handle.js';
import { Module } from '../../nn/module.js';
import { Parameter } from '../../nn/parameter.js';
import { OnnxImportError, quote } from './errors.js';
import type { Graph, GraphInput, Model } from './model.js';
import type { Value } from './node.js';
import { OPERATORS } from './ops/index.js';
import { Runner } from './run.js';
import { elementType, tensorOf, type Wide } from './tensors.js';

/** Where a weight is kept: a field of a module. */
interface Place {
  readonly module: Module;
  readonly field: string;
  readonly wide: Wide | undefined;
  readonly known: boolean;
}

/**
 * An ONNX model as a module. `forward` takes the graph's inputs in order, or one object or Map of inputs by name, and returns the output,
 * or an array of them where there are several.
 */
export class OnnxModule extends Module {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** Versions of the operator sets that the model imports, by domain ('' is ai.onnx). */
  readonly opsets: ReadonlyMap<string, number>;
  readonly #graphInputs: readonly GraphInput[];
  readonly #runner: Runner;
  readonly #places = new Map<string, Place>();
  readonly #file: string;
  /** Inputs that have one value for good. */
  readonly #constants = new Map<string, Value>();

  constructor(model: Model, folder: string | null, constants: Readonly<Record<string, Tensor>> = {}) {
    super();
    this.#file = model.file;
    this.outputNames = model.graph.outputs;
    this.opsets = model.opsets;
    this.#graphInputs = model.graph.inputs;
    const names = model.graph.inputs.map((i) => i.name);
    for (const [name, tensor] of Object.entries(constants)) {
      const input = model.graph.inputs[names.indexOf(name)];
      if (!input)
        throw new ValueError(
          `constants: the model has no input ${quote(name)} (its inputs: ${names.map(quote).join(', ')})`,
        );
      this.#constants.set(name, { ...this.#checked(input, tensor), known: true });
    }
    this.inputNames = names.filter((n) => !this.#constants.has(n));
    this.#runner = new Runner(model, folder);
    this.#runner.checkOperators();
    const settings = settingNames(model.graph);
    for (const t of model.graph.initializers) {
      const { tensor, wide } = tensorOf(t, model.file, folder);
      const weight = isFloatingDtype(tensor.dtype) && !settings.has(t.name);
      this.#places.set(t.name, { ...this.#place(t.name, tensor, weight), wide, known: !weight });
    }
  }

  override forward(...args: unknown[]): Tensor | Tensor[] {
    const given = this.#given(args);
    let next = 0;
    const inputs = this.#graphInputs.map(
      (input) => this.#constants.get(input.name) ?? this.#checked(input, given[next++]),
    );
    const weights = new Map<string, Value>();
    for (const [name, p] of this.#places) {
      const tensor = (p.module as unknown as Record<string, Tensor>)[p.field]!;
      weights.set(name, p.wide ? { tensor, known: p.known, wide: p.wide } : { tensor, known: p.known });
    }
    const outputs = this.#runner.run(weights, inputs).map((v) => v.tensor);
    return outputs.length === 1 ? outputs[0]! : outputs;
  }

  override extraRepr(): string {
    return `${this.inputNames.map(quote).join(', ')} -> ${this.outputNames.map(quote).join(', ')}`;
  }

  /** Dtype and shape of each input in `inputNames`: numbers, names of free sizes ('?' where the model gives none). @throws OnnxImportError */
  get inputTypes(): { readonly name: string; readonly dtype: DType; readonly shape: (number | string)[] }[] {
    return this.#graphInputs
      .filter((i) => !this.#constants.has(i.name))
      .map((i) => ({
        name: i.name,
        dtype: elementType(i.elemType, (reason) => {
          throw new OnnxImportError(this.#file, `input ${quote(i.name)}: ${reason}`);
        }).dtype,
        shape: (i.shape ?? []).map((d) => (d === null ? '?' : typeof d === 'bigint' ? Number(d) : d)),
      }));
  }

  /** 'fc1.weight' becomes the parameter `weight` of a child `fc1`; other names a field of this module, made unique. */
  #place(name: string, tensor: Tensor, weight: boolean): { module: Module; field: string } {
    const path = name.split('.');
    let module: Module = this;
    let field = name;
    if (path.length > 1 && path.every((s) => /^[A-Za-z0-9_]{1,64}$/.test(s)) && this.#free(path)) {
      for (const step of path.slice(0, -1)) {
        const children = module as unknown as Record<string, Module>;
        if (!Object.hasOwn(module, step)) module.registerModule(step, new Module());
        module = children[step]!;
      }
      field = path.at(-1)!;
    } else {
      field = name.replaceAll('.', '_') || '_';
      while (field in this) field += '_';
    }
    if (weight) module.registerParameter(field, new Parameter(tensor));
    else module.registerBuffer(field, tensor);
    return { module, field };
  }

  /** Whether a dotted path meets nothing else on its way. */
  #free(path: readonly string[]): boolean {
    let at: Module | null = this;
    for (const [i, step] of path.entries()) {
      if (at === null) return true;
      if (!(step in at)) at = null;
      else if (i === path.length - 1 || !Object.hasOwn(at, step)) return false;
      else {
        const next: unknown = (at as unknown as Record<string, unknown>)[step];
        if (!(next instanceof Module)) return false;
        at = next;
      }
    }
    return at === null;
  }

  #given(args: readonly unknown[]): readonly unknown[] {
    const first = args[0];
    if (args.length === 1 && typeof first === 'object' && first !== null && !isTensor(first)) {
      const named = first instanceof Map ? (first as Map<string, unknown>) : new Map(Object.entries(first));
      for (const name of named.keys())
        if (!this.inputNames.includes(name))
          throw new ValueError(
            `the model has no input ${quote(name)} (its inputs: ${this.inputNames.map(quote).join(', ')})`,
          );
      return this.inputNames.map((name) => named.get(name));
    }
    if (args.length !== this.inputNames.length)
      throw new ValueError(
        `the model takes ${this.inputNames.length} inputs (${this.inputNames.map(quote).join(', ')}), got ${args.length}`,
      );
    return args;
  }

  #checked(input: GraphInput, given: unknown): Value {
    const fail = (reason: string): never => {
      throw new OnnxImportError(this.#file, `input ${quote(input.name)}: ${reason}`);
    };
    if (!isTensor(given)) return fail('must be a Tensor');
    const t = given as Tensor;
    let wide: Wide | undefined;
    if (input.elemType !== 0) {
      const type = elementType(input.elemType, fail);
      wide = type.wide;
      if (t.dtype !== type.dtype)
        fail(`must be ${type.wide ?? type.dtype}${type.wide ? ` (in a tensor of ${type.dtype})` : ''}, got ${t.dtype}`);
    }
    if (input.shape) {
      const fits =
        input.shape.length === t.dim() &&
        input.shape.every((d, i) => typeof d !== 'bigint' || d < 0n || d === BigInt(t.shape[i]!));
      if (!fits) fail(`must be of shape [${input.shape.map((d) => d ?? '?').join(', ')}], got [${t.shape.join(', ')}]`);
    }
    return wide ? { tensor: t, known: false, wide } : { tensor: t, known: false };
  }
}

/** Float initializers that operators read as settings (scales of Resize, bounds of Clip), or keep as statistics: no weights. */
function settingNames(graph: Graph, out = new Set<string>()): Set<string> {
  for (const node of graph.nodes) {
    const entry = node.domain === '' && Object.hasOwn(OPERATORS, node.op) ? OPERATORS[node.op] : undefined;
    for (const i of entry?.settings ?? []) if (node.inputs[i]) out.add(node.inputs[i]);
    for (const a of node.attributes.values()) if (a.kind === 'graph') settingNames(a.value, out);
  }
  return out;
}
