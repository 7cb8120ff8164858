// Sequential, ModuleList, ModuleDict.
import { IndexError, ValueError } from '../tensor/errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';

/** Modules under the names '0', '1', ... or those of a record; shared by Sequential and ModuleList. */
abstract class ModuleSequence extends Module {
  protected list(): Module[] {
    const own = this as unknown as Record<string, unknown>;
    // Not children(): the same module may stand twice.
    return Object.keys(this)
      .map((k) => own[k])
      .filter((v): v is Module => v instanceof Module);
  }
  override get length(): number {
    return this.list().length;
  }
  /** The module at an index (negative: from the end). Throws IndexError. */
  at(index: number): Module {
    const m = this.list().at(index);
    if (m === undefined) throw new IndexError(`index ${index} is out of range`);
    return m;
  }
  [Symbol.iterator](): IterableIterator<Module> {
    return this.list()[Symbol.iterator]();
  }
  append(module: Module): this {
    this.registerModule(String(this.length), module);
    return this;
  }
  extend(modules: Iterable<Module>): this {
    for (const m of modules) this.append(m);
    return this;
  }
}

const checkModule = (what: string, m: unknown): void => {
  if (!(m instanceof Module)) throw new ValueError(`${what}: ${String(m)} is not a Module`);
};

/** A record of modules stands for its entries; anything else must be a module. */
const checkModules = (m: unknown): void => {
  if (typeof m !== 'object' || m === null) checkModule('Sequential()', m);
};

/** Calls its modules one after another: `new Sequential(a, b)` or `new Sequential({ first: a, second: b })`. */
export class Sequential extends ModuleSequence {
  constructor(...modules: Module[] | [Readonly<Record<string, Module>>]) {
    super();
    if (modules.length === 1) checkModules(modules[0]);
    const named =
      modules.length === 1 && !(modules[0] instanceof Module)
        ? Object.entries(modules[0] as Readonly<Record<string, Module>>)
        : (modules as Module[]).map((m, i): [string, Module] => [String(i), m]);
    for (const [name, m] of named) {
      checkModule('Sequential()', m);
      this.registerModule(name, m);
    }
  }
  override forward(input: Tensor): Tensor {
    let x = input;
    for (const m of this.list()) x = (m as unknown as (t: Tensor) => Tensor)(x);
    return x;
  }
}

/** A list of modules, registered by index; it has no forward of its own. */
export class ModuleList extends ModuleSequence {
  constructor(modules: Iterable<Module> = []) {
    super();
    for (const m of modules) {
      checkModule('ModuleList()', m);
      this.append(m);
    }
  }
}

/** Modules by name. */
export class ModuleDict extends Module {
  constructor(modules: Readonly<Record<string, Module>> = {}) {
    super();
    for (const [name, m] of Object.entries(modules)) this.set(name, m);
  }
  #own(): Record<string, unknown> {
    return this as unknown as Record<string, unknown>;
  }
  get(name: string): Module {
    const m = Object.hasOwn(this, name) ? this.#own()[name] : undefined;
    if (!(m instanceof Module)) throw new ValueError(`ModuleDict has no module '${name}'`);
    return m;
  }
  set(name: string, m: Module): this {
    checkModule('ModuleDict', m);
    this.registerModule(name, m);
    return this;
  }
  has(name: string): boolean {
    return Object.hasOwn(this, name) && this.#own()[name] instanceof Module;
  }
  keys(): string[] {
    return Object.keys(this).filter((k) => this.has(k));
  }
  values(): Module[] {
    return this.keys().map((k) => this.get(k));
  }
  entries(): [string, Module][] {
    return this.keys().map((k) => [k, this.get(k)]);
  }
  override get length(): number {
    return this.keys().length;
  }
  [Symbol.iterator](): IterableIterator<string> {
    return this.keys()[Symbol.iterator]();
  }
}
