// What a module instance holds: its hidden state, and its fields that are parameters, buffers or modules, in the order in
// which they were set (as in PyTorch, whose state dicts follow it).
import { ValueError } from '../tensor/errors.js';
import { isTensor } from '../tensor/handle.js';
import type { Tensor } from '../tensor/tensor.js';
import type { HookLists } from './hooks.js';
import type { Module } from './module.js';
import { Buffer, Parameter } from './parameter.js';

export const STATE = Symbol('module state');

export interface State {
  /** Registered buffers, and whether they are part of the state dict. */
  buffers: Map<string, boolean>;
  /** Parameters and modules registered by name (they may be null). */
  named: Map<string, 'parameter' | 'module'>;
  /** null as long as nobody registered a hook, so that a call costs one test. */
  hooks: HookLists | null;
}

export const isModule = (x: unknown): x is Module => typeof x === 'function' && STATE in x;

export const fieldOf = (m: Module, name: string): unknown => (m as unknown as Record<string, unknown>)[name];

export function setField(m: Module, name: string, value: unknown): void {
  Object.defineProperty(m, name, { value, writable: true, enumerable: true, configurable: true });
}

/** Takes a field and its registration away. */
export function removeField(m: Module, name: string): void {
  m[STATE].named.delete(name);
  m[STATE].buffers.delete(name);

  delete (m as unknown as Record<string, unknown>)[name];
}

export function checkName(m: Module, name: string, what: string): void {
  if (typeof name !== 'string') throw new ValueError(`${what} name should be a string. Got ${typeof name}`);
  if (name === '') throw new ValueError(`${what} name can't be empty string ""`);
  if (name.includes('.')) throw new ValueError(`${what} name can't contain "."`);
  const known = m[STATE].named.has(name) || m[STATE].buffers.has(name) || isModule(ownField(m, name));
  if (!known && name in m) throw new ValueError(`attribute '${name}' already exists`);
}

const ownField = (m: Module, name: string): unknown => (Object.hasOwn(m, name) ? fieldOf(m, name) : undefined);

/** Own fields whose value passes the test. Accessors are not read. */
function ownEntries<T>(m: Module, is: (value: unknown) => value is T): [string, T][] {
  const out: [string, T][] = [];
  for (const name of Object.keys(m)) {
    const value = Object.getOwnPropertyDescriptor(m, name)!.value as unknown;
    if (is(value)) out.push([name, value]);
  }
  return out;
}

/** Child modules; the same one may stand under several names. */
export const ownModules = (m: Module): [string, Module][] => ownEntries(m, isModule);
export const ownParameters = (m: Module): [string, Parameter][] =>
  ownEntries(m, (v): v is Parameter => v instanceof Parameter);

export function ownBuffers(m: Module, persistentOnly = false): [string, Tensor][] {
  const out: [string, Tensor][] = [];
  for (const [name, persistent] of m[STATE].buffers) {
    const value = fieldOf(m, name);
    if (isTensor(value) && (persistent || !persistentOnly)) out.push([name, value]);
  }
  for (const [name, b] of ownEntries(m, (v): v is Buffer => v instanceof Buffer)) {
    if (!m[STATE].buffers.has(name) && (b.persistent || !persistentOnly)) out.push([name, b]);
  }
  return out;
}

/** Named tensors of a module tree, each once unless `all`. */
export function collect<T>(
  root: Module,
  prefix: string,
  recurse: boolean,
  all: boolean,
  own: (m: Module) => [string, T][],
): [string, T][] {
  const seen = new Set<T>();
  const out: [string, T][] = [];
  const modules = recurse ? root.namedModules(prefix, undefined, !all) : [[prefix, root] as [string, Module]];
  for (const [path, m] of modules) {
    for (const [name, value] of own(m)) {
      if (seen.has(value) && !all) continue;
      seen.add(value);
      out.push([path === '' ? name : `${path}.${name}`, value]);
    }
  }
  return out;
}
