// Module: the base of all layers. Instances are functions (`net(x)` calls forward through the hooks) whose prototype chain is
// the class; fields that hold parameters, buffers or modules are found by looking at the instance, in the order they were set.
import { inspect } from 'node:util';
import { native } from '../native.js';
import { noGrad } from '../autograd/modes.js';
import { isFloatingDtype, type DType } from '../tensor/dtype.js';
import { ValueError } from '../tensor/errors.js';
import { isTensor } from '../tensor/handle.js';
import type { RemovableHandle, Tensor, ToOptions } from '../tensor/tensor.js';
import { Parameter } from './parameter.js';

const STATE = Symbol('module state');

type ForwardPreHook = (module: Module, inputs: readonly unknown[]) => unknown;
type ForwardHook = (module: Module, inputs: readonly unknown[], output: unknown) => unknown;

interface State {
  /** Registered buffers, and whether they are part of the state dict. */
  buffers: Map<string, boolean>;
  /** Parameters and modules registered by name (they may be null). */
  named: Map<string, 'parameter' | 'module'>;
  preHooks: Set<ForwardPreHook> | null;
  hooks: Set<ForwardHook> | null;
}

/** State dicts: PyTorch's own keys, tensors that share memory with the module. */
export type StateDict = Record<string, Tensor>;

/** Modules whose forward is running, for the scope names of traces. */
const running: Module[] = [];

let observer: ((m: Module) => void) | null = null;
/** Tells `fn` about every module that is called while a trace runs; gives back the previous observer. Internal. */
export function observeModules(fn: ((m: Module) => void) | null): ((m: Module) => void) | null {
  const before = observer;
  observer = fn;
  return before;
}

/** Calls forward with the hooks, and tells a running trace which module it is in. */
function callSlowly(m: Module, inputs: unknown[]): unknown {
  const state = m[STATE];
  observer?.(m);
  let args = inputs;
  for (const hook of state.preHooks ?? []) {
    const changed = hook(m, args);
    if (changed !== undefined && changed !== null) args = Array.isArray(changed) ? (changed as unknown[]) : [changed];
  }
  const scope = native.traceActive() ? scopeName(m) : null;
  if (scope !== null) native.pushScope(scope);
  running.push(m);
  let output: unknown;
  try {
    output = (m.forward as (...xs: unknown[]) => unknown)(...args);
  } finally {
    running.pop();
    if (scope !== null) native.popScope();
  }
  for (const hook of state.hooks ?? []) {
    const changed = hook(m, args, output);
    if (changed !== undefined && changed !== null) output = changed;
  }
  return output;
}

/** Path of a module below the one that calls it; null for the outermost. */
function scopeName(m: Module): string | null {
  const parent = running.at(-1);
  if (parent === undefined) return null;
  for (const [name, child] of parent.namedModules()) if (child === m) return name === '' ? null : name;
  return null;
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- the interface gives instances their call signature
export interface Module {
  (...inputs: Parameters<this['forward']>): ReturnType<this['forward']>;
}

/**
 * Base class of layers and networks: define fields and `forward`, then call the instance.
 *
 *     class Net extends nn.Module {
 *       fc = new nn.Linear(4, 2);
 *       forward(x: Tensor) { return this.fc(x).relu(); }
 *     }
 *     const y = new Net()(x);
 */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging
export class Module {
  declare readonly [STATE]: State;
  /** true while training: dropout drops, batch norm uses the batch. See train() and eval(). */
  declare training: boolean;

  constructor() {
    const self = ((...inputs: unknown[]): unknown => {
      const state = self[STATE];
      if (state.hooks !== null || state.preHooks !== null || native.traceActive()) return callSlowly(self, inputs);
      return (self.forward as (...xs: unknown[]) => unknown)(...inputs);
    }) as unknown as Module;
    // A function's own `name` and `length` would hide fields and getters of subclasses.
    delete (self as { name?: string }).name;
    delete (self as { length?: number }).length;
    Object.setPrototypeOf(self, new.target.prototype as object);
    Object.defineProperty(self, STATE, {
      value: { buffers: new Map(), named: new Map(), preHooks: null, hooks: null } satisfies State,
    });
    Object.defineProperty(self, 'training', { value: true, writable: true, configurable: true });
    return self;
  }

  /** What the module computes. Subclasses define it with their own arguments. */
  forward(..._inputs: never[]): unknown {
    throw new ValueError(`Module [${this.getName()}] is missing the required "forward" function`);
  }
  /** Same as calling the instance. */
  call(...inputs: Parameters<this['forward']>): ReturnType<this['forward']> {
    return this(...inputs);
  }
  /** The class name that prints. */
  protected getName(): string {
    return this.constructor.name;
  }

  // ---- registering ----

  /** Registers a tensor that is state but not learned. `persistent: false` keeps it out of the state dict. */
  registerBuffer(name: string, tensor: Tensor | null, options: { persistent?: boolean } = {}): void {
    checkName(this, name, 'buffer');
    this[STATE].buffers.set(name, options.persistent ?? true);
    setField(this, name, tensor);
  }
  registerParameter(name: string, parameter: Parameter | null): void {
    checkName(this, name, 'parameter');
    if (parameter !== null && !(parameter instanceof Parameter)) {
      throw new ValueError(`cannot assign a plain tensor to parameter '${name}' (nn.Parameter or null required)`);
    }
    this[STATE].named.set(name, 'parameter');
    setField(this, name, parameter);
  }
  registerModule(name: string, module: Module | null): void {
    checkName(this, name, 'module');
    this[STATE].named.set(name, 'module');
    setField(this, name, module);
  }
  addModule(name: string, module: Module | null): void {
    this.registerModule(name, module);
  }

  // ---- looking at what is registered ----

  namedChildren(): [string, Module][] {
    const seen = new Set<Module>();
    return ownEntries(this, (v): v is Module => v instanceof Module).filter(([, m]) => !seen.has(m) && seen.add(m));
  }
  children(): Module[] {
    return this.namedChildren().map(([, m]) => m);
  }
  /** This module and all below it, each once, with dotted names ('' for itself). */
  namedModules(prefix = '', seen: Set<Module> = new Set()): [string, Module][] {
    if (seen.has(this)) return [];
    seen.add(this);
    const out: [string, Module][] = [[prefix, this]];
    for (const [name, child] of ownEntries(this, (v): v is Module => v instanceof Module)) {
      out.push(...child.namedModules(prefix === '' ? name : `${prefix}.${name}`, seen));
    }
    return out;
  }
  modules(): Module[] {
    return this.namedModules().map(([, m]) => m);
  }
  /** Own parameters first, then those of the children, each once. */
  namedParameters(prefix = '', recurse = true): [string, Parameter][] {
    return collect(this, prefix, recurse, (m) => ownEntries(m, (v): v is Parameter => v instanceof Parameter));
  }
  parameters(recurse = true): Parameter[] {
    return this.namedParameters('', recurse).map(([, p]) => p);
  }
  namedBuffers(prefix = '', recurse = true): [string, Tensor][] {
    return collect(this, prefix, recurse, (m) => ownBuffers(m, false));
  }
  buffers(recurse = true): Tensor[] {
    return this.namedBuffers('', recurse).map(([, b]) => b);
  }
  /** The module at a dotted path. Throws ValueError when there is none. */
  getSubmodule(path: string): Module {
    let at: Module = this;
    for (const name of path === '' ? [] : path.split('.')) {
      const next = (at as unknown as Record<string, unknown>)[name];
      if (!(next instanceof Module)) throw new ValueError(`${at.getName()} has no attribute \`${name}\``);
      at = next;
    }
    return at;
  }
  getParameter(path: string): Parameter {
    const dot = path.lastIndexOf('.');
    const owner = this.getSubmodule(dot < 0 ? '' : path.slice(0, dot));
    const p = (owner as unknown as Record<string, unknown>)[path.slice(dot + 1)];
    if (!(p instanceof Parameter))
      throw new ValueError(`${owner.getName()} has no attribute \`${path.slice(dot + 1)}\``);
    return p;
  }

  // ---- state ----

  /** Parameters and persistent buffers under PyTorch's names; the tensors share memory with the module. */
  stateDict(prefix = ''): StateDict {
    const out: StateDict = {};
    for (const [name, p] of ownEntries(this, (v): v is Parameter => v instanceof Parameter))
      out[prefix + name] = p.detach();
    for (const [name, b] of ownBuffers(this, true)) out[prefix + name] = b.detach();
    for (const [name, child] of ownEntries(this, (v): v is Module => v instanceof Module)) {
      Object.assign(out, child.stateDict(`${prefix}${name}.`));
    }
    return out;
  }
  /**
   * Copies values into parameters and buffers by name. `strict` (default) also throws for missing and unexpected keys;
   * wrong sizes always throw ValueError, with PyTorch's text.
   */
  loadStateDict(
    state: Readonly<Record<string, Tensor>> | ReadonlyMap<string, Tensor>,
    options: { strict?: boolean } = {},
  ): { missingKeys: string[]; unexpectedKeys: string[] } {
    const given: ReadonlyMap<string, Tensor> = state instanceof Map ? state : new Map(Object.entries(state));
    const own = new Map(Object.entries(this.stateDict()));
    const missingKeys = [...own.keys()].filter((k) => !given.has(k));
    const unexpectedKeys = [...given.keys()].filter((k) => !own.has(k));
    const quote = (keys: string[]): string => keys.map((k) => `"${k}"`).join(', ');
    const errors: string[] = [];
    if (options.strict ?? true) {
      if (missingKeys.length > 0) errors.push(`Missing key(s) in state_dict: ${quote(missingKeys)}. `);
      if (unexpectedKeys.length > 0) errors.push(`Unexpected key(s) in state_dict: ${quote(unexpectedKeys)}. `);
    }
    const copies: [Tensor, Tensor][] = [];
    for (const [name, target] of own) {
      const source = given.get(name);
      if (source === undefined) continue;
      if (!isTensor(source)) {
        errors.push(
          `While copying the parameter named "${name}", expected a tensor from checkpoint but received ${typeof source}`,
        );
      } else if (!target.isSameSize(source)) {
        errors.push(
          `size mismatch for ${name}: copying a param with shape torch.Size([${source.shape.join(', ')}]) from checkpoint, ` +
            `the shape in current model is torch.Size([${target.shape.join(', ')}]).`,
        );
      } else copies.push([target, source]);
    }
    // As in PyTorch what fits is copied before the error is thrown.
    noGrad(() => {
      for (const [target, source] of copies) target.copy_(source);
    });
    if (errors.length > 0)
      throw new ValueError(`Error(s) in loading state_dict for ${this.getName()}:\n\t${errors.join('\n\t')}`);
    return { missingKeys, unexpectedKeys };
  }
  train(mode = true): this {
    this.training = mode;
    for (const child of this.children()) child.train(mode);
    return this;
  }
  eval(): this {
    return this.train(false);
  }
  /** Calls `fn` for every module below and then for this one. */
  apply(fn: (m: Module) => void): this {
    for (const child of this.children()) child.apply(fn);
    fn(this);
    return this;
  }
  requiresGrad_(requiresGrad = true): this {
    for (const p of this.parameters()) p.requiresGrad_(requiresGrad);
    return this;
  }
  /** Clears the gradients: to null, or to zeros with `setToNone: false`. */
  zeroGrad(setToNone = true): void {
    for (const p of this.parameters()) {
      if (setToNone) native.setGrad(p._h, null);
      else {
        const g = native.grad(p._h);
        if (g !== null) native.ops.zero_(native.ops.detach(g));
      }
    }
  }
  /** Converts floating parameters and buffers to a dtype, or moves to a device. The parameters stay the same objects. */
  to(target: DType | string | Tensor | ToOptions): this {
    const convert = (t: Tensor): Tensor => {
      if (isTensor(target) || typeof target === 'object' ? (target as ToOptions).dtype != null : isDtype(target)) {
        return isFloatingDtype(t.dtype) ? t.to(target) : t;
      }
      return t.to(target);
    };
    for (const m of this.modules()) {
      for (const [, p] of ownEntries(m, (v): v is Parameter => v instanceof Parameter)) {
        const converted = convert(p.detach());
        if (converted.dtype !== p.dtype) p.data = converted;
      }
      for (const [name, b] of ownBuffers(m, false)) setField(m, name, convert(b));
    }
    return this;
  }
  float(): this {
    return this.to('float32');
  }
  double(): this {
    return this.to('float64');
  }
  half(): this {
    return this.to('float16');
  }
  cpu(): this {
    return this;
  }

  // ---- hooks ----

  /** `hook(module, inputs)` before forward; a returned value replaces the inputs. */
  registerForwardPreHook(hook: ForwardPreHook): RemovableHandle {
    const state = this[STATE];
    (state.preHooks ??= new Set()).add(hook);
    return {
      remove: () => {
        state.preHooks?.delete(hook);
        if (state.preHooks?.size === 0) state.preHooks = null;
      },
    };
  }
  /** `hook(module, inputs, output)` after forward; a returned value replaces the output. */
  registerForwardHook(hook: ForwardHook): RemovableHandle {
    const state = this[STATE];
    (state.hooks ??= new Set()).add(hook);
    return {
      remove: () => {
        state.hooks?.delete(hook);
        if (state.hooks?.size === 0) state.hooks = null;
      },
    };
  }

  // ---- printing ----

  /** What prints between the parentheses; subclasses override it. */
  extraRepr(): string {
    return '';
  }
  toString(): string {
    const extra = this.extraRepr();
    const extraLines = extra === '' ? [] : extra.split('\n');
    const children = ownEntries(this, (v): v is Module => v instanceof Module).map(
      ([name, m]) => `(${name}): ${String(m).replaceAll('\n', '\n  ')}`,
    );
    const lines = [...extraLines, ...children];
    if (lines.length === 0) return `${this.getName()}()`;
    if (extraLines.length === 1 && children.length === 0) return `${this.getName()}(${extraLines[0]})`;
    return `${this.getName()}(\n  ${lines.join('\n  ')}\n)`;
  }
  [inspect.custom](): string {
    return this.toString();
  }
}

const isDtype = (x: unknown): boolean => typeof x === 'string' && /^(b?float|u?int)\d+$|^bool$/.test(x);

function setField(m: Module, name: string, value: unknown): void {
  Object.defineProperty(m, name, { value, writable: true, enumerable: true, configurable: true });
}

function checkName(m: Module, name: string, what: string): void {
  if (typeof name !== 'string' || name === '') throw new ValueError(`${what} name can't be empty string ""`);
  if (name.includes('.')) throw new ValueError(`${what} name can't contain "."`);
  const known = m[STATE].named.has(name) || m[STATE].buffers.has(name);
  if (!known && name in m) throw new ValueError(`attribute '${name}' already exists`);
}

/** Own fields whose value passes the test, in the order they were set. */
function ownEntries<T>(m: Module, is: (value: unknown) => value is T): [string, T][] {
  const out: [string, T][] = [];
  for (const name of Object.keys(m)) {
    const value = (m as unknown as Record<string, unknown>)[name];
    if (is(value)) out.push([name, value]);
  }
  return out;
}

function ownBuffers(m: Module, persistentOnly: boolean): [string, Tensor][] {
  const out: [string, Tensor][] = [];
  for (const [name, persistent] of m[STATE].buffers) {
    const value = (m as unknown as Record<string, unknown>)[name];
    if (isTensor(value) && (persistent || !persistentOnly)) out.push([name, value]);
  }
  return out;
}

/** Named tensors of a module tree, each tensor once. */
function collect<T>(root: Module, prefix: string, recurse: boolean, own: (m: Module) => [string, T][]): [string, T][] {
  const seen = new Set<T>();
  const out: [string, T][] = [];
  for (const [path, m] of recurse ? root.namedModules(prefix) : [[prefix, root] as [string, Module]]) {
    for (const [name, value] of own(m)) {
      if (seen.has(value)) continue;
      seen.add(value);
      out.push([path === '' ? name : `${path}.${name}`, value]);
    }
  }
  return out;
}
