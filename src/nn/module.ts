// Module: the base of all layers. Instances are functions (`net(x)` calls forward through the hooks) whose prototype chain is
// the class; fields that hold parameters, buffers or modules are found by looking at the instance, in the order they were set.
import { inspect } from 'node:util';
import { native } from '../native.js';
import { empty } from '../tensor/create.js';
import { DTYPES, isFloatingDtype, type DType } from '../tensor/dtype.js';
import { DTypeError, ValueError } from '../tensor/errors.js';
import { isTensor } from '../tensor/handle.js';
import type { RemovableHandle, Tensor, ToOptions } from '../tensor/tensor.js';
import { deepCopy } from './clone.js';
import {
  checkName,
  collect,
  fieldOf,
  isModule,
  ownBuffers,
  ownModules,
  ownParameters,
  setField,
  STATE,
  type State,
} from './fields.js';
import * as hooks from './hooks.js';
import { Buffer, isUninitialized, Parameter } from './parameter.js';
import {
  loadState,
  saveState,
  type IncompatibleKeys,
  type LoadStateDictOptions,
  type StateDict,
  type StateDictOptions,
} from './state_dict.js';

export type { StateDict } from './state_dict.js';

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
  observer?.(m);
  const scope = native.traceActive() ? scopeName(m) : null;
  return hooks.callWithHooks(m, inputs, (args) => {
    if (scope !== null) native.pushScope(scope);
    running.push(m);
    try {
      return (m.forward as (...xs: unknown[]) => unknown)(...args);
    } finally {
      running.pop();
      if (scope !== null) native.popScope();
    }
  });
}

/** Path of a module below the one that calls it; null for the outermost. */
function scopeName(m: Module): string | null {
  const parent = running.at(-1);
  if (parent === undefined) return null;
  for (const [name, child] of parent.namedModules()) if (child === m) return name === '' ? null : name;
  return null;
}

/** A callable instance of the class with this prototype, without fields. */
function makeInstance(prototype: object): Module {
  const self = ((...inputs: unknown[]): unknown => {
    const own = self[STATE].hooks;
    if ((own !== null && hooks.hasCallHooks(own)) || hooks.hasCallHooks(hooks.globalHooks) || native.traceActive())
      return callSlowly(self, inputs);
    return (self.forward as (...xs: unknown[]) => unknown)(...inputs);
  }) as unknown as Module;
  // A function's own `name` and `length` would hide fields and getters of subclasses.
  delete (self as { name?: string }).name;
  delete (self as { length?: number }).length;
  Object.setPrototypeOf(self, prototype);
  Object.defineProperty(self, STATE, { value: { buffers: new Map(), named: new Map(), hooks: null } satisfies State });
  Object.defineProperty(self, 'training', { value: true, writable: true, configurable: true });
  return self;
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
    return makeInstance(new.target.prototype as object);
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
  /** A deep copy: new parameters and buffers with the same values. Private (#) fields of subclasses cannot be copied. */
  clone(): this {
    return deepCopy(this, makeInstance) as this;
  }

  // ---- registering ----

  /** Registers a tensor that is state but not learned. `persistent: false` keeps it out of the state dict. */
  registerBuffer(name: string, tensor: Tensor | null, options: { persistent?: boolean } | boolean = {}): void {
    checkName(this, name, 'buffer');
    if (tensor !== null && !isTensor(tensor))
      throw new DTypeError(`cannot assign '${typeof tensor}' object to buffer '${name}' (Tensor or null required)`);
    this[STATE].buffers.set(name, typeof options === 'boolean' ? options : (options.persistent ?? true));
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
    if (module !== null && !isModule(module)) throw new DTypeError(`${String(module)} is not a Module subclass`);
    this[STATE].named.set(name, 'module');
    setField(this, name, module);
  }
  /** Same as registerModule. */
  addModule(name: string, module: Module | null): void {
    this.registerModule(name, module);
  }

  // ---- looking at what is registered ----

  namedChildren(): [string, Module][] {
    const seen = new Set<Module>();
    return ownModules(this).filter(([, m]) => !seen.has(m) && seen.add(m));
  }
  children(): Module[] {
    return this.namedChildren().map(([, m]) => m);
  }
  /** This module and all below it, each once (unless `removeDuplicate` is false), with dotted names ('' for itself). */
  namedModules(prefix = '', seen: Set<Module> = new Set(), removeDuplicate = true): [string, Module][] {
    if (seen.has(this)) return [];
    if (removeDuplicate) seen.add(this);
    const out: [string, Module][] = [[prefix, this]];
    for (const [name, child] of ownModules(this)) {
      out.push(...child.namedModules(prefix === '' ? name : `${prefix}.${name}`, seen, removeDuplicate));
    }
    return out;
  }
  modules(): Module[] {
    return this.namedModules().map(([, m]) => m);
  }
  /** Own parameters first, then those of the children, each once (unless `removeDuplicate` is false). */
  namedParameters(prefix = '', recurse = true, removeDuplicate = true): [string, Parameter][] {
    return collect(this, prefix, recurse, !removeDuplicate, ownParameters);
  }
  parameters(recurse = true): Parameter[] {
    return this.namedParameters('', recurse).map(([, p]) => p);
  }
  namedBuffers(prefix = '', recurse = true, removeDuplicate = true): [string, Tensor][] {
    return collect(this, prefix, recurse, !removeDuplicate, ownBuffers);
  }
  buffers(recurse = true): Tensor[] {
    return this.namedBuffers('', recurse).map(([, b]) => b);
  }
  /** The module at a dotted path. Throws ValueError when there is none. */
  getSubmodule(path: string): Module {
    let at: Module = this;
    for (const name of path === '' ? [] : path.split('.')) {
      if (!(name in at)) throw new ValueError(`${at.getName()} has no attribute \`${name}\``);
      const next = fieldOf(at, name);
      if (!isModule(next)) throw new ValueError(`\`${name}\` is not an nn.Module`);
      at = next;
    }
    return at;
  }
  /** The parameter at a dotted path. Throws ValueError when there is none. */
  getParameter(path: string): Parameter {
    const { name, value } = memberAt(this, path);
    if (!(value instanceof Parameter)) throw new ValueError(`\`${name}\` is not an nn.Parameter`);
    return value;
  }
  /** The buffer at a dotted path. Throws ValueError when there is none. */
  getBuffer(path: string): Tensor {
    const { owner, name, value } = memberAt(this, path);
    const found = ownBuffers(owner).find(([n]) => n === name);
    if (found === undefined || value === null) throw new ValueError(`\`${name}\` is not a buffer`);
    return found[1];
  }

  // ---- state ----

  /** Parameters and persistent buffers under PyTorch's names; the tensors share memory with the module. */
  stateDict(options: string | StateDictOptions = {}): StateDict {
    const o = typeof options === 'string' ? { prefix: options } : options;
    return saveState(this, o.destination ?? {}, o.prefix ?? '', o.keepVars ?? false);
  }
  /**
   * Copies values into parameters and buffers by name (`assign`: makes the given tensors the module's). `strict` (default) also
   * throws for missing and unexpected keys; wrong sizes always throw ValueError, with PyTorch's text.
   */
  loadStateDict(
    state: Readonly<Record<string, Tensor>> | ReadonlyMap<string, Tensor>,
    options: boolean | LoadStateDictOptions = {},
  ): IncompatibleKeys {
    if (typeof state !== 'object' || state === null)
      throw new DTypeError(`Expected state_dict to be dict-like, got ${typeof state}.`);
    const o = typeof options === 'boolean' ? { strict: options } : options;
    const record = state instanceof Map ? (Object.fromEntries(state) as StateDict) : (state as StateDict);
    return loadState(this, record, o.strict ?? true, o.assign ?? false);
  }
  /** Rewrites entries that an older version saved in another form. For subclasses; `state` is a copy that may be changed. */
  upgradeStateDict(_state: StateDict, _prefix: string): void {
    // Nothing is old here.
  }
  /** More state for the state dict; undefined (the default) for none. Define setExtraState with it. */
  getExtraState(): unknown {
    return undefined;
  }
  /** Takes back what getExtraState returned. */
  setExtraState(_state: unknown): void {
    throw new ValueError(`${this.getName()} defines getExtraState without setExtraState`);
  }
  train(mode = true): this {
    if (typeof mode !== 'boolean') throw new ValueError('training mode is expected to be boolean');
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
  zeroGrad(setToNone: boolean | { setToNone?: boolean } = true): void {
    const none = typeof setToNone === 'boolean' ? setToNone : (setToNone.setToNone ?? true);
    for (const p of this.parameters()) {
      if (none) native.setGrad(p._h, null);
      else {
        const g = native.grad(p._h);
        if (g !== null) native.ops.zero_(native.ops.detach(g));
      }
    }
  }
  /** Replaces every parameter's data (gradients too) and every buffer by `fn` of it. The parameters stay the same objects. */
  protected convert(fn: (t: Tensor) => Tensor): this {
    for (const m of this.modules()) {
      for (const [, p] of ownParameters(m)) {
        const grad = native.grad(p._h) === null ? null : p.grad;
        const old = p.detach();
        const data = fn(old);
        if (data === old) continue;
        p.data = data;
        if (grad !== null) p.grad = fn(grad.detach());
      }
      for (const [name, b] of ownBuffers(m)) {
        const data = fn(b);
        if (data === b) continue;
        if (isUninitialized(b)) b.data = data;
        else setField(m, name, b instanceof Buffer ? new Buffer(data, b.persistent) : data);
      }
    }
    return this;
  }
  /** Converts floating parameters and buffers to a dtype, or moves to a device. The parameters stay the same objects. */
  to(target: DType | string | Tensor | ToOptions): this {
    const dtype = isTensor(target)
      ? target.dtype
      : typeof target === 'object'
        ? target.dtype
        : isDtype(target)
          ? target
          : null;
    if (dtype != null && !isFloatingDtype(dtype)) {
      throw new DTypeError(`nn.Module.to only accepts floating point dtypes, but got desired dtype=${dtype}`);
    }
    return this.convert((t) => (dtype == null || isFloatingDtype(t.dtype) ? t.to(target) : t));
  }
  /** Converts all parameters and buffers, integers too. */
  type(dtype: DType): this {
    return this.convert((t) => t.to(dtype));
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
  bfloat16(): this {
    return this.to('bfloat16');
  }
  cpu(): this {
    return this.to('cpu');
  }
  /** Throws DeviceError where there is no such device. */
  cuda(device?: number): this {
    return this.to(device === undefined ? 'cuda' : `cuda:${device}`);
  }
  /** New memory of the same sizes on a device, values undefined. */
  toEmpty(options: { device?: string } = {}): this {
    return this.convert((t) => empty(t.shape, { dtype: t.dtype, device: options.device ?? t.device }));
  }
  /** Storages are native memory, which worker threads share as it is. Returns the module. */
  shareMemory(): this {
    return this;
  }

  // ---- hooks ----

  /** `hook(module, inputs)` before forward; a returned value replaces the inputs. */
  registerForwardPreHook(
    hook: hooks.ForwardPreHookWithKwargs,
    options: hooks.HookOptions & { withKwargs: true },
  ): RemovableHandle;
  registerForwardPreHook(hook: hooks.ForwardPreHook, options?: hooks.HookOptions): RemovableHandle;
  registerForwardPreHook(hook: never, options: hooks.HookOptions = {}): RemovableHandle {
    return hooks.addHook(hooksOf(this).forwardPre, hook, options);
  }
  /** `hook(module, inputs, output)` after forward; a returned value replaces the output. */
  registerForwardHook(
    hook: hooks.ForwardHookWithKwargs,
    options: hooks.HookOptions & { withKwargs: true },
  ): RemovableHandle;
  registerForwardHook(hook: hooks.ForwardHook, options?: hooks.HookOptions): RemovableHandle;
  registerForwardHook(hook: never, options: hooks.HookOptions = {}): RemovableHandle {
    return hooks.addHook(hooksOf(this).forward, hook, options);
  }
  /** `hook(module, gradInput, gradOutput)` after the gradients of the inputs are known; a returned array replaces them. */
  registerFullBackwardHook(hook: hooks.BackwardHook, options: hooks.HookOptions = {}): RemovableHandle {
    return hooks.addHook(hooksOf(this).backward, hook, options);
  }
  /** `hook(module, gradOutput)` before the gradients go through the module; a returned array replaces them. */
  registerFullBackwardPreHook(hook: hooks.BackwardPreHook, options: hooks.HookOptions = {}): RemovableHandle {
    return hooks.addHook(hooksOf(this).backwardPre, hook, options);
  }
  /** The older name; here it is registerFullBackwardHook. */
  registerBackwardHook(hook: hooks.BackwardHook): RemovableHandle {
    return this.registerFullBackwardHook(hook);
  }
  /** `hook(module, prefix, keepVars)` before stateDict collects this module. */
  registerStateDictPreHook(hook: hooks.StateDictPreHook): RemovableHandle {
    return hooks.addHook(hooksOf(this).stateDictPre, hook);
  }
  /** `hook(module, state, prefix)` after stateDict collected this module and those below; it may change `state` or return another. */
  registerStateDictPostHook(hook: hooks.StateDictHook): RemovableHandle {
    return hooks.addHook(hooksOf(this).stateDict, hook);
  }
  /** `hook(module, state, prefix)` before this module takes its entries; `state` is a copy that may be changed. */
  registerLoadStateDictPreHook(hook: hooks.LoadStateDictPreHook): RemovableHandle {
    return hooks.addHook(hooksOf(this).loadPre, hook);
  }
  /** `hook(module, { missingKeys, unexpectedKeys })` after loading; it may change the lists (an emptied list does not throw). */
  registerLoadStateDictPostHook(hook: hooks.LoadStateDictPostHook): RemovableHandle {
    return hooks.addHook(hooksOf(this).loadPost, hook);
  }

  // ---- printing ----

  /** What prints between the parentheses; subclasses override it. */
  extraRepr(): string {
    return '';
  }
  /** As PyTorch prints modules. */
  toString(): string {
    const extra = this.extraRepr();
    const extraLines = extra === '' ? [] : extra.split('\n');
    const children = ownModules(this).map(([name, m]) => `(${name}): ${String(m).replaceAll('\n', '\n  ')}`);
    const lines = [...extraLines, ...children];
    if (lines.length === 0) return `${this.getName()}()`;
    if (extraLines.length === 1 && children.length === 0) return `${this.getName()}(${extraLines[0]})`;
    return `${this.getName()}(\n  ${lines.join('\n  ')}\n)`;
  }
  [inspect.custom](): string {
    return this.toString();
  }
}
// On the prototype too, so that the name is known without an instance.
Object.defineProperty(Module.prototype, 'training', { value: true, writable: true, configurable: true });

const hooksOf = (m: Module): hooks.HookLists => (m[STATE].hooks ??= hooks.newHookLists());

const isDtype = (x: string): x is DType => (DTYPES as readonly string[]).includes(x);

/** The owner of a dotted path's last name, and what it has there. */
function memberAt(root: Module, path: string): { owner: Module; name: string; value: unknown } {
  const dot = path.lastIndexOf('.');
  const owner = root.getSubmodule(dot < 0 ? '' : path.slice(0, dot));
  const name = path.slice(dot + 1);
  if (!(name in owner)) throw new ValueError(`${owner.constructor.name} has no attribute \`${name}\``);
  return { owner, name, value: fieldOf(owner, name) };
}
