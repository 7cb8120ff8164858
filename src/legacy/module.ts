// legacy.nn's base: layers with explicit forward and backward, as Lua Torch had them. Each layer keeps its output, the gradient
// of its input and the gradients of its parameters; inside, a small autograd graph of one layer does the work.
import { grad } from '../autograd/grad.js';
import { enableGrad, noGrad } from '../autograd/modes.js';
import { ValueError } from '../tensor/errors.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { cat, zerosLike } from '../../generated/ts/functions.js';

/** A tensor, or a table of them. */
export type Table = Tensor | readonly Table[];
const isTable = (x: Table): x is readonly Table[] => !isTensor(x);
const flat = (x: Table): Tensor[] => (isTable(x) ? x.flatMap(flat) : [x]);
/** The same structure with other tensors, in order. */
function like(x: Table, tensors: Iterator<Tensor>): Table {
  return isTable(x) ? x.map((t) => like(t, tensors)) : (tensors.next().value as Tensor);
}
/** The only tensor of an input that must not be a table. */
export function single(x: Table): Tensor {
  if (isTable(x)) throw new ValueError(`expected a tensor, got a table of ${x.length}`);
  return x;
}
export function table(x: Table): readonly Table[] {
  if (!isTable(x)) throw new ValueError('expected a table (an array) of tensors');
  return x;
}

/** Base of all layers. `forward` and `backward` are what users call; subclasses say what `updateOutput` does. */
export abstract class Module {
  output: Table | null = null;
  gradInput: Table | null = null;
  train = true;

  /** Computes and keeps the output. */
  abstract updateOutput(input: Table): Table;
  /** The gradient of the input, given that of the output; keeps it. */
  abstract updateGradInput(input: Table, gradOutput: Table): Table;
  /** Adds `scale` times the gradients of the parameters to those kept. */
  accGradParameters(_input: Table, _gradOutput: Table, _scale = 1): void {}

  forward(input: Table): Table {
    return this.updateOutput(input);
  }
  backward(input: Table, gradOutput: Table, scale = 1): Table {
    const gradInput = this.updateGradInput(input, gradOutput);
    this.accGradParameters(input, gradOutput, scale);
    return gradInput;
  }
  /** [parameters, their gradients]. */
  parameters(): [Tensor[], Tensor[]] {
    return [[], []];
  }
  zeroGradParameters(): void {
    for (const g of this.parameters()[1]) g.zero_();
  }
  /** One step of gradient descent. */
  updateParameters(learningRate: number): void {
    const [params, grads] = this.parameters();
    noGrad(() => params.forEach((p, i) => p.add_(grads[i]!, { alpha: -learningRate })));
  }
  training(): void {
    for (const m of this.listModules()) m.train = true;
  }
  evaluate(): void {
    for (const m of this.listModules()) m.train = false;
  }
  /** This module and all below it. */
  listModules(): Module[] {
    return [this];
  }
  /** [modules of the class, the containers they stand in]. */
  findModules<T extends Module>(type: abstract new (...args: never[]) => T): [T[], Module[]] {
    const found: T[] = [];
    const owners: Module[] = [];
    const visit = (m: Module, owner: Module | null): void => {
      if (m instanceof type) {
        found.push(m);
        if (owner !== null) owners.push(owner);
      }
      if (m instanceof Container) for (const child of m.modules) visit(child, m);
    };
    visit(this, null);
    return [found, owners];
  }
  /** Moves all parameters into one vector, and their gradients into another; both stay shared with the layers. */
  flattenParameters(): [Tensor, Tensor] {
    const leaves = this.listModules().filter((m): m is Layer => m instanceof Layer);
    const [params, grads] = this.parameters();
    if (params.length === 0) throw new ValueError('flattenParameters(): there are no parameters');
    const vectors = [params, grads].map((list) => cat(list.map((t) => t.detach().reshape([-1])))) as [Tensor, Tensor];
    let at = 0;
    const place = new Map<Tensor, [Tensor, Tensor]>();
    params.forEach((p, i) => {
      const cut = (v: Tensor): Tensor => v.narrow(0, at, p.numel()).view([...p.shape]);
      if (!place.has(p)) place.set(p, [cut(vectors[0]), cut(vectors[1])]);
      place.set(grads[i]!, [cut(vectors[0]), cut(vectors[1])]);
      at += p.numel();
    });
    for (const leaf of leaves) leaf.moveParameters((p) => place.get(p)!);
    return vectors;
  }
  /** Forgets what the last passes kept. */
  clearState(): this {
    for (const m of this.listModules()) {
      m.output = null;
      m.gradInput = null;
      if (m instanceof Layer) m.forget();
    }
    return this;
  }
  toString(): string {
    return `nn.${this.constructor.name}`;
  }
}

interface Graph {
  readonly input: Table;
  readonly leaves: readonly Tensor[];
  readonly weights: readonly Tensor[];
  readonly output: Table;
  gradOutput: Table | null;
  weightGrads: readonly (Tensor | null)[];
}
/** A layer that is one differentiable function of its input and its parameters. */
export abstract class Layer extends Module {
  weight: Tensor | null = null;
  bias: Tensor | null = null;
  gradWeight: Tensor | null = null;
  gradBias: Tensor | null = null;
  #graph: Graph | null = null;

  /** The function; `weight` and `bias` are the layer's own, watched by autograd. */
  protected abstract compute(input: Table, weight: Tensor | null, bias: Tensor | null): Table;

  protected setParameters(weight: Tensor | null, bias: Tensor | null): void {
    this.weight = weight?.detach() ?? null;
    this.bias = bias?.detach() ?? null;
    this.gradWeight = this.weight === null ? null : zerosLike(this.weight);
    this.gradBias = this.bias === null ? null : zerosLike(this.bias);
  }
  override parameters(): [Tensor[], Tensor[]] {
    const present = (t: Tensor | null): t is Tensor => t !== null;
    return [[this.weight, this.bias].filter(present), [this.gradWeight, this.gradBias].filter(present)];
  }
  /** Puts parameters and gradients into other memory. Internal. */
  moveParameters(to: (parameter: Tensor) => readonly [Tensor, Tensor]): void {
    if (this.weight !== null) [this.weight, this.gradWeight] = to(this.weight);
    if (this.bias !== null) [this.bias, this.gradBias] = to(this.bias);
    this.forget();
  }
  forget(): void {
    this.#graph = null;
  }

  override updateOutput(input: Table): Table {
    const watch = (t: Tensor): Tensor => {
      const leaf = t.detach();
      return leaf.isFloatingPoint() ? leaf.requiresGrad_() : leaf;
    };
    const leaves = flat(input).map(watch);
    const weights = [this.weight, this.bias].map((t) => (t === null ? null : watch(t)));
    const output = enableGrad(() => this.compute(like(input, leaves[Symbol.iterator]()), weights[0]!, weights[1]!));
    const present = weights.filter((t): t is Tensor => t !== null);
    this.#graph = { input, leaves, weights: present, output, gradOutput: null, weightGrads: [] };
    this.output = like(
      output,
      flat(output)
        .map((t) => t.detach())
        [Symbol.iterator](),
    );
    return this.output;
  }
  override updateGradInput(input: Table, gradOutput: Table): Table {
    if (this.#graph?.input !== input) this.updateOutput(input);
    const g = this.#graph!;
    const watched = [...g.leaves.filter((t) => t.requiresGrad), ...g.weights];
    const outputs = flat(g.output);
    const results = outputs.some((t) => t.requiresGrad)
      ? (grad(outputs, watched, {
          gradOutputs: flat(gradOutput),
          retainGraph: true,
          allowUnused: true,
        }) as (Tensor | null)[])
      : watched.map(() => null);
    g.gradOutput = gradOutput;
    g.weightGrads = results.slice(results.length - g.weights.length);
    let next = 0;
    const inputs = g.leaves.map((t) => (t.requiresGrad ? (results[next++] ?? zerosLike(t)) : zerosLike(t)));
    this.gradInput = like(input, inputs[Symbol.iterator]());
    return this.gradInput;
  }
  override accGradParameters(input: Table, gradOutput: Table, scale = 1): void {
    if (this.#graph?.input !== input || this.#graph.gradOutput !== gradOutput) this.updateGradInput(input, gradOutput);
    const kept = this.parameters()[1];
    noGrad(() =>
      this.#graph!.weightGrads.forEach((g, i) => {
        if (g !== null) kept[i]!.add_(g, { alpha: scale });
      }),
    );
  }
}

/** Modules in a list. */
export abstract class Container extends Module {
  readonly modules: Module[];
  constructor(...modules: Module[]) {
    super();
    this.modules = modules;
  }
  add(module: Module): this {
    this.modules.push(module);
    return this;
  }
  get(index: number): Module {
    const m = this.modules.at(index);
    if (m === undefined) throw new ValueError(`there is no module ${index} among ${this.modules.length}`);
    return m;
  }
  size(): number {
    return this.modules.length;
  }
  override parameters(): [Tensor[], Tensor[]] {
    const all = this.modules.map((m) => m.parameters());
    return [all.flatMap(([p]) => p), all.flatMap(([, g]) => g)];
  }
  override listModules(): Module[] {
    return [this, ...this.modules.flatMap((m) => m.listModules())];
  }
  override toString(): string {
    const lines = this.modules.map((m, i) => `  (${i}): ${m.toString().replaceAll('\n', '\n  ')}`);
    return `nn.${this.constructor.name} {\n${lines.join('\n')}\n}`;
  }
}
/** Sum of gradients that came along several ways. */
export function addTables(a: Table, b: Table): Table {
  const sums = flat(a).map((t, i) => t.add(flat(b)[i]!));
  return like(a, sums[Symbol.iterator]());
}
