// Containers: Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict, with the API of Python's list and dict.
import { IndexError, ValueError } from '../tensor/errors.js';
import { isTensor } from '../tensor/handle.js';
import type { Tensor } from '../tensor/tensor.js';
import { fieldOf, isModule, ownModules, removeField, setField } from './fields.js';
import { Module } from './module.js';
import { isUninitialized, Parameter } from './parameter.js';

const isRecord = (x: unknown): x is Readonly<Record<string, unknown>> =>
  typeof x === 'object' && x !== null && !isTensor(x) && Object.getPrototypeOf(x) === Object.prototype;

/** What `insert`, slices and deletions count from: negative from the end. */
function place(index: number, length: number, what = 'index'): number {
  if (!Number.isInteger(index) || index < -length || index >= length)
    throw new IndexError(`${what} ${index} is out of range`);
  return index < 0 ? index + length : index;
}

/** Modules under the names '0', '1', ... or those of a record; shared by Sequential and ModuleList. */
abstract class ModuleSequence<M extends Module> extends Module {
  protected list(): M[] {
    // Not children(): the same module may stand twice.
    return ownModules(this).map(([, m]) => m as M);
  }
  protected names(): string[] {
    return ownModules(this).map(([name]) => name);
  }
  protected checked(m: unknown): M {
    if (!isModule(m)) throw new ValueError(`${this.constructor.name}: ${String(m)} is not a Module`);
    return m as M;
  }
  override get length(): number {
    return this.list().length;
  }
  /** The module at an index (negative: from the end). Throws IndexError. */
  at(index: number): M {
    const list = this.list();
    return list[place(index, list.length)]!;
  }
  /** Puts another module at an index. */
  set(index: number, module: M): this {
    const names = this.names();
    setField(this, names[place(index, names.length)]!, this.checked(module));
    return this;
  }
  /** Takes the module at an index out and returns it; those behind move up. */
  pop(index = -1): M {
    const list = this.list();
    const at = place(index, list.length);
    const [taken] = list.splice(at, 1);
    this.renumber(list, at);
    return taken!;
  }
  append(module: M): this {
    this.registerModule(String(this.length), this.checked(module));
    return this;
  }
  extend(modules: Iterable<M>): this {
    if (typeof (modules as { [Symbol.iterator]?: unknown })[Symbol.iterator] !== 'function')
      throw new ValueError(
        `${this.constructor.name}.extend should be called with an iterable, but got ${typeof modules}`,
      );
    for (const m of [...modules]) this.append(m);
    return this;
  }
  /** Puts a module before the one at `index`. */
  insert(index: number, module: M): this {
    const list = this.list();
    const n = list.length;
    if (!Number.isInteger(index) || index < -n || index > n) throw new IndexError(`Index out of range: ${index}`);
    const at = index < 0 ? index + n : index;
    list.splice(at, 0, this.checked(module));
    this.renumber(list, at);
    return this;
  }
  /** Names from `from` on are the indices again, as PyTorch does after an insertion or a deletion. */
  protected renumber(list: readonly M[], from: number): void {
    for (const name of this.names().slice(from)) removeField(this, name);
    list.slice(from).forEach((m, i) => {
      this.registerModule(String(from + i), m);
    });
  }
  map<T>(fn: (module: M, index: number) => T): T[] {
    return this.list().map(fn);
  }
  forEach(fn: (module: M, index: number) => void): void {
    this.list().forEach(fn);
  }
  entries(): IterableIterator<[number, M]> {
    return this.list().entries();
  }
  [Symbol.iterator](): IterableIterator<M> {
    return this.list()[Symbol.iterator]();
  }
}

type AnyModule = Module;

/** Calls its modules one after another: `new Sequential(a, b)` or `new Sequential({ first: a, second: b })`. */
export class Sequential extends ModuleSequence<AnyModule> {
  constructor(...modules: Module[] | [Readonly<Record<string, Module>>]) {
    super();
    const [only] = modules;
    const named =
      modules.length === 1 && isRecord(only)
        ? Object.entries(only)
        : modules.map((m, i): [string, unknown] => [String(i), m]);
    for (const [name, m] of named) this.registerModule(name, this.checked(m));
  }
  override forward(input: Tensor): Tensor {
    let x = input;
    for (const m of this.list()) x = (m as unknown as (t: Tensor) => Tensor)(x);
    return x;
  }
  /** The modules from `start` to before `end` as a new Sequential under their names; the modules are shared. */
  slice(start?: number, end?: number): Sequential {
    return new Sequential(Object.fromEntries(ownModules(this).slice(start, end)));
  }
}

/** A list of modules, registered by index; it has no forward of its own. */
export class ModuleList<M extends Module = Module> extends ModuleSequence<M> {
  constructor(modules: Iterable<M> = []) {
    super();
    this.extend(modules);
  }
  /** The modules from `start` to before `end` as a new list; the modules are shared. */
  slice(start?: number, end?: number): ModuleList<M> {
    return new ModuleList(this.list().slice(start, end));
  }
}

/** Modules by name. */
export class ModuleDict<M extends Module = Module> extends Module {
  constructor(modules: Readonly<Record<string, M>> | Iterable<readonly [string, M]> = {}) {
    super();
    this.update(modules);
  }
  get(name: string): M {
    if (!this.has(name)) throw new ValueError(`ModuleDict has no module '${name}'`);
    return fieldOf(this, name) as M;
  }
  set(name: string, m: M): this {
    if (!isModule(m)) throw new ValueError(`ModuleDict: ${String(m)} is not a Module`);
    this.registerModule(name, m);
    return this;
  }
  has(name: string): boolean {
    return Object.hasOwn(this, name) && isModule(fieldOf(this, name));
  }
  delete(name: string): boolean {
    const had = this.has(name);
    if (had) removeField(this, name);
    return had;
  }
  /** Takes a module out and returns it. */
  pop(name: string): M {
    const m = this.get(name);
    this.delete(name);
    return m;
  }
  clear(): void {
    for (const name of this.keys()) this.delete(name);
  }
  /** Adds or replaces modules. */
  update(modules: Readonly<Record<string, M>> | Iterable<readonly [string, M]>): this {
    for (const [name, m] of entriesOf(modules)) this.set(name, m);
    return this;
  }
  keys(): string[] {
    return ownModules(this).map(([name]) => name);
  }
  values(): M[] {
    return ownModules(this).map(([, m]) => m as M);
  }
  entries(): [string, M][] {
    return ownModules(this) as [string, M][];
  }
  /** Same as entries. */
  items(): [string, M][] {
    return this.entries();
  }
  override get length(): number {
    return this.keys().length;
  }
  [Symbol.iterator](): IterableIterator<string> {
    return this.keys()[Symbol.iterator]();
  }
}

function entriesOf<T>(x: Readonly<Record<string, T>> | Iterable<readonly [string, T]>): (readonly [string, T])[] {
  if (isModule(x) || (typeof x === 'object' && x !== null && Symbol.iterator in x)) {
    const keyed = x as { entries?: () => Iterable<readonly [string, T]> };
    return [...(!Array.isArray(x) && keyed.entries ? keyed.entries() : (x as Iterable<readonly [string, T]>))];
  }
  if (typeof x !== 'object' || x === null) throw new ValueError(`expected a record or pairs, got ${String(x)}`);
  return Object.entries(x as Readonly<Record<string, T>>);
}

/** What a ParameterList or ParameterDict keeps: a tensor becomes a parameter, as in PyTorch. */
const asParameter = (x: Tensor): Parameter => {
  if (!isTensor(x)) throw new ValueError(`a parameter container takes tensors, got ${String(x)}`);
  return x instanceof Parameter ? x : new Parameter(x);
};
const describe = (p: Parameter, type: string): string =>
  isUninitialized(p) ? String(p) : `Parameter containing: [torch.${type} of size ${p.shape.join('x')}]`;
const TYPE_NAMES = {
  float32: 'Float',
  float64: 'Double',
  float16: 'Half',
  bfloat16: 'BFloat16',
  int8: 'Char',
  int16: 'Short',
  int32: 'Int',
  int64: 'Long',
  uint8: 'Byte',
  bool: 'Bool',
} as const;

/** The parameters of a container by name. */
const parametersOf = (m: Module): [string, Parameter][] => m.namedParameters('', false, false);
/** PyTorch names the dtype in lists and the class of the tensor in dicts. */
function printed(m: Module, typeOf: (p: Parameter) => string): string {
  const lines = parametersOf(m).map(([name, p]) => `    (${name}): ${describe(p, typeOf(p))}`);
  return lines.length === 0 ? `${m.constructor.name}()` : [`${m.constructor.name}(`, ...lines, ')'].join('\n');
}

/** A list of parameters, registered by index. */
export class ParameterList extends Module {
  constructor(parameters: Iterable<Tensor> = []) {
    super();
    this.extend(parameters);
  }
  at(index: number): Parameter {
    const list = parametersOf(this);
    return list[place(index, list.length)]![1];
  }
  set(index: number, parameter: Tensor): this {
    setField(this, String(place(index, this.length)), asParameter(parameter));
    return this;
  }
  append(parameter: Tensor): this {
    this.registerParameter(String(this.length), asParameter(parameter));
    return this;
  }
  extend(parameters: Iterable<Tensor>): this {
    for (const p of [...parameters]) this.append(p);
    return this;
  }
  pop(index = -1): Parameter {
    const list = parametersOf(this).map(([, p]) => p);
    const [taken] = list.splice(place(index, list.length), 1);
    for (const [name] of parametersOf(this)) removeField(this, name);
    this.extend(list);
    return taken!;
  }
  slice(start?: number, end?: number): ParameterList {
    return new ParameterList([...this].slice(start, end));
  }
  override get length(): number {
    return parametersOf(this).length;
  }
  [Symbol.iterator](): IterableIterator<Parameter> {
    return parametersOf(this)
      .map(([, p]) => p)
      [Symbol.iterator]();
  }
  override toString(): string {
    return printed(this, (p) => p.dtype);
  }
}

/** Parameters by name. */
export class ParameterDict extends Module {
  constructor(parameters: Readonly<Record<string, Tensor>> | Iterable<readonly [string, Tensor]> = {}) {
    super();
    this.update(parameters);
  }
  /** The parameter of a name, or `otherwise`; throws ValueError when neither is there. */
  get(name: string, otherwise?: Parameter): Parameter {
    if (this.has(name)) return fieldOf(this, name) as Parameter;
    if (otherwise !== undefined) return otherwise;
    throw new ValueError(`ParameterDict has no parameter '${name}'`);
  }
  set(name: string, parameter: Tensor): this {
    this.registerParameter(name, asParameter(parameter));
    return this;
  }
  has(name: string): boolean {
    return Object.hasOwn(this, name) && fieldOf(this, name) instanceof Parameter;
  }
  delete(name: string): boolean {
    const had = this.has(name);
    if (had) removeField(this, name);
    return had;
  }
  pop(name: string): Parameter {
    const p = this.get(name);
    this.delete(name);
    return p;
  }
  /** Takes the parameter that was added last. */
  popitem(): [string, Parameter] {
    const last = parametersOf(this).at(-1);
    if (last === undefined) throw new ValueError('popitem(): ParameterDict is empty');
    this.delete(last[0]);
    return last;
  }
  setdefault(name: string, otherwise: Tensor): Parameter {
    if (!this.has(name)) this.set(name, otherwise);
    return this.get(name);
  }
  clear(): void {
    for (const name of this.keys()) this.delete(name);
  }
  update(parameters: Readonly<Record<string, Tensor>> | Iterable<readonly [string, Tensor]>): this {
    for (const [name, p] of entriesOf(parameters)) this.set(name, p);
    return this;
  }
  copy(): ParameterDict {
    return new ParameterDict(this.entries());
  }
  keys(): string[] {
    return parametersOf(this).map(([name]) => name);
  }
  values(): Parameter[] {
    return parametersOf(this).map(([, p]) => p);
  }
  entries(): [string, Parameter][] {
    return parametersOf(this);
  }
  items(): [string, Parameter][] {
    return this.entries();
  }
  override get length(): number {
    return this.keys().length;
  }
  [Symbol.iterator](): IterableIterator<string> {
    return this.keys()[Symbol.iterator]();
  }
  override toString(): string {
    return printed(this, (p) => `${TYPE_NAMES[p.dtype]}Tensor`);
  }
}
