// Deep copies of modules: tensors, buffers, submodules and plain values, each object once.
import { native } from '../native.js';
import { noGrad } from '../autograd/modes.js';
import { isTensor } from '../tensor/handle.js';
import type { Tensor } from '../tensor/tensor.js';
import { isModule, STATE } from './fields.js';
import type { Module } from './module.js';
import { isUninitialized } from './parameter.js';

type Memo = Map<object, unknown>;

/** A copy of `root` that shares nothing with it. `make` makes an empty instance with a module's class. */
export function deepCopy(root: Module, make: (prototype: object) => Module): Module {
  return copyModule(root, new Map(), make);
}

function copyModule(m: Module, memo: Memo, make: (prototype: object) => Module): Module {
  const known = memo.get(m) as Module | undefined;
  if (known !== undefined) return known;
  const copy = make(Object.getPrototypeOf(m) as object);
  memo.set(m, copy);
  const { buffers, named, hooks } = m[STATE];
  for (const [name, persistent] of buffers) copy[STATE].buffers.set(name, persistent);
  for (const [name, kind] of named) copy[STATE].named.set(name, kind);
  if (hooks !== null) {
    copy[STATE].hooks = Object.fromEntries(Object.entries(hooks).map(([k, list]) => [k, [...list]])) as never;
  }
  for (const key of Reflect.ownKeys(m)) {
    const property = Object.getOwnPropertyDescriptor(m, key)!;
    if (key === STATE || (key === 'prototype' && !property.configurable)) continue;
    if ('value' in property) property.value = copyValue(property.value, memo, make);
    Object.defineProperty(copy, key, property);
  }
  return copy;
}

function copyValue(value: unknown, memo: Memo, make: (prototype: object) => Module): unknown {
  if (isModule(value)) return copyModule(value, memo, make);
  if (typeof value !== 'object' || value === null) return value;
  const known = memo.get(value);
  if (known !== undefined) return known;
  const remember = <T>(copy: T): T => (memo.set(value, copy), copy);
  if (isTensor(value)) return remember(copyTensor(value));
  const inner = (v: unknown): unknown => copyValue(v, memo, make);
  if (Array.isArray(value)) {
    const copy: unknown[] = remember([]);
    for (const v of value) copy.push(inner(v));
    return copy;
  }
  if (value instanceof Map) {
    const copy = remember(new Map<unknown, unknown>());
    for (const [k, v] of value) copy.set(k, inner(v));
    return copy;
  }
  if (value instanceof Set) {
    const copy = remember(new Set<unknown>());
    for (const v of value) copy.add(inner(v));
    return copy;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return value; // of a class of the user: shared
  const copy: Record<string, unknown> = remember({});
  for (const [k, v] of Object.entries(value)) copy[k] = inner(v);
  return copy;
}

/** The same class of tensor over fresh memory, with requiresGrad and gradient. */
function copyTensor(t: Tensor): Tensor {
  const data = noGrad(() => t.detach().clone());
  const copy = data as Tensor & Record<string, unknown>;
  Object.setPrototypeOf(copy, Object.getPrototypeOf(t) as object);
  for (const key of Object.keys(t)) if (key !== '_h') copy[key] = (t as unknown as Record<string, unknown>)[key];
  if (t.requiresGrad) native.setRequiresGrad(copy._h, true);
  if (!isUninitialized(t) && t.grad !== null) copy.grad = t.grad.detach().clone();
  return copy;
}
