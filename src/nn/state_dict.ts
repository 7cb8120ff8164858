// Saving and loading the state of a module tree under PyTorch's names.
import { noGrad } from '../autograd/modes.js';
import { ValueError } from '../tensor/errors.js';
import { isTensor } from '../tensor/handle.js';
import type { Tensor } from '../tensor/tensor.js';
import { fieldOf, ownBuffers, ownModules, ownParameters, setField, STATE } from './fields.js';
import type { Module } from './module.js';
import { Buffer, isUninitialized, Parameter } from './parameter.js';

/** State dicts: PyTorch's own keys, tensors that share memory with the module. */
export type StateDict = Record<string, Tensor>;

export interface StateDictOptions {
  /** Before every key. */
  prefix?: string;
  /** The parameters and buffers themselves instead of detached tensors that share their memory. */
  keepVars?: boolean;
  /** Where the entries go; a new record by default. */
  destination?: StateDict;
}
export interface LoadStateDictOptions {
  /** (default) Missing and unexpected keys throw. */
  strict?: boolean;
  /** The given tensors become the module's, instead of their values being copied. */
  assign?: boolean;
}
export interface IncompatibleKeys {
  missingKeys: string[];
  unexpectedKeys: string[];
}

const EXTRA = '_extra_state';
/** What getExtraState returns goes into the dict as it is; files can only hold it when it is a tensor. */
const hasExtraState = (m: Module): boolean => m.getExtraState() !== undefined;

export function saveState(m: Module, out: StateDict, prefix: string, keepVars: boolean): StateDict {
  const hooks = m[STATE].hooks;
  for (const { hook } of hooks?.stateDictPre ?? []) hook(m, prefix, keepVars);
  const put = (name: string, t: Tensor): void => {
    out[prefix + name] = keepVars || isUninitialized(t) ? t : t.detach();
  };
  for (const [name, p] of ownParameters(m)) put(name, p);
  for (const [name, b] of ownBuffers(m, true)) put(name, b);
  const extra = m.getExtraState();
  if (extra !== undefined) out[prefix + EXTRA] = extra as Tensor;
  for (const [name, child] of ownModules(m)) saveState(child, out, `${prefix}${name}.`, keepVars);
  let result = out;
  for (const { hook } of hooks?.stateDict ?? []) result = hook(m, result, prefix) ?? result;
  return result;
}

interface Loading {
  readonly state: StateDict;
  readonly assign: boolean;
  readonly missing: string[];
  readonly unexpected: string[];
  readonly errors: string[];
}

/** Loads `given` into the tree; as in PyTorch what fits is copied before an error is thrown. */
export function loadState(m: Module, given: StateDict, strict: boolean, assign: boolean): IncompatibleKeys {
  const loading: Loading = { state: { ...given }, assign, missing: [], unexpected: [], errors: [] };
  noGrad(() => {
    loadInto(m, loading, '');
  });
  const { missing, unexpected, errors } = loading;
  const keys = { missingKeys: missing, unexpectedKeys: unexpected };
  runPostHooks(m, keys);
  const quote = (names: string[]): string => names.map((k) => `"${k}"`).join(', ');
  if (strict) {
    if (unexpected.length > 0) errors.unshift(`Unexpected key(s) in state_dict: ${quote(unexpected)}. `);
    if (missing.length > 0) errors.unshift(`Missing key(s) in state_dict: ${quote(missing)}. `);
  }
  if (errors.length > 0)
    throw new ValueError(`Error(s) in loading state_dict for ${m.constructor.name}:\n\t${errors.join('\n\t')}`);
  return keys;
}

function runPostHooks(m: Module, keys: IncompatibleKeys): void {
  for (const [, child] of ownModules(m)) runPostHooks(child, keys);
  for (const { hook } of m[STATE].hooks?.loadPost ?? []) hook(m, keys);
}

function loadInto(m: Module, loading: Loading, prefix: string): void {
  const { state, missing, unexpected } = loading;
  for (const { hook } of m[STATE].hooks?.loadPre ?? []) hook(m, state, prefix);
  m.upgradeStateDict(state, prefix);
  const local = [...ownParameters(m), ...ownBuffers(m, true)];
  for (const [name, target] of local) {
    const key = prefix + name;
    if (!Object.hasOwn(state, key)) missing.push(key);
    else loadTensor(m, name, key, target, loading);
  }
  const children = ownModules(m);
  const extra = prefix + EXTRA;
  if (hasExtraState(m)) {
    if (Object.hasOwn(state, extra)) m.setExtraState(state[extra]);
    else missing.push(extra);
  } else if (Object.hasOwn(state, extra)) unexpected.push(extra);
  const known = new Set([...local, ...children].map(([name]) => name));
  for (const key of Object.keys(state)) {
    if (!key.startsWith(prefix) || key === extra) continue;
    const [first] = key.slice(prefix.length).split('.', 1);
    if (!known.has(first!)) unexpected.push(key);
  }
  for (const [name, child] of children) loadInto(child, loading, `${prefix}${name}.`);
}

function loadTensor(m: Module, name: string, key: string, target: Tensor, { state, assign, errors }: Loading): void {
  let source: unknown = state[key];
  if (!isTensor(source)) {
    errors.push(
      `While copying the parameter named "${key}", expected a tensor from checkpoint but received ${typeof source}`,
    );
    return;
  }
  if (isUninitialized(source)) {
    if (!isUninitialized(target))
      errors.push(`While copying the parameter named "${key}", the checkpoint has an uninitialized parameter.`);
    return;
  }
  if (isUninitialized(target)) target.materialize(source.shape);
  // Files of PyTorch 0.3 hold 0-d tensors with one dimension.
  if (target.ndim === 0 && source.ndim === 1 && source.numel() === 1) source = source.select(0, 0);
  const from = source as Tensor;
  if (!target.isSameSize(from)) {
    errors.push(
      `size mismatch for ${key}: copying a param with shape torch.Size([${from.shape.join(', ')}]) from checkpoint, ` +
        `the shape in current model is torch.Size([${target.shape.join(', ')}]).`,
    );
    return;
  }
  if (!assign) target.copy_(from);
  else if (target instanceof Parameter) {
    setField(m, name, from instanceof Parameter ? from : new Parameter(from, target.requiresGrad));
  } else {
    const old = fieldOf(m, name);
    setField(m, name, old instanceof Buffer ? new Buffer(from, old.persistent) : from);
  }
}
