// An optimizer's state dict as a safetensors file: tensors by name ('state.0.exp_avg'), the rest as JSON in the text `optimizer`, with
// { tensor: name } in their places. native/frontend/optimizer_file.cc has the same layout.
import { isTensor, type Tensor } from '../tensor/handle.js';
import { DTypeError } from '../tensor/errors.js';
import type { Fail } from './errors.js';

export const OPTIMIZER_TEXT = 'optimizer';
/** Deeper nesting than that of a list in a state is no state dict. */
const MAX_DEPTH = 6;

/** true for what `optimizer.stateDict()` gives. */
export function isOptimizerState(value: unknown): value is { state: unknown; param_groups: unknown } {
  if (typeof value !== 'object' || value === null || isTensor(value)) return false;
  const { state, param_groups } = value as { state?: unknown; param_groups?: unknown };
  return typeof state === 'object' && state !== null && !isTensor(state) && Array.isArray(param_groups);
}

/** Numbers that JSON has not travel as text. */
const numberOut = (n: number): number | string =>
  Number.isFinite(n) ? n : Number.isNaN(n) ? 'nan' : n > 0 ? 'inf' : '-inf';
const NUMBERS: Readonly<Record<string, number>> = { nan: NaN, inf: Infinity, '-inf': -Infinity };

/** The tensors, and the text. Throws DTypeError for values that are neither tensors, numbers, text nor lists and records of them. */
export function packOptimizerState(value: { state: unknown; param_groups: unknown }): {
  tensors: [string, Tensor][];
  text: string;
} {
  const tensors: [string, Tensor][] = [];
  const pack = (x: unknown, name: string): unknown => {
    if (isTensor(x)) {
      tensors.push([name, x]);
      return { tensor: name };
    }
    if (typeof x === 'number') return numberOut(x);
    if (x === null || typeof x === 'boolean' || typeof x === 'string') return x;
    if (Array.isArray(x)) return x.map((v, i) => pack(v, `${name}.${i}`));
    if (typeof x !== 'object') throw new DTypeError(`save(): '${name}' of an optimizer's state cannot be stored`);
    const entries: [unknown, unknown][] = x instanceof Map ? [...x] : Object.entries(x);
    return Object.fromEntries(entries.map(([k, v]) => [String(k), pack(v, `${name}.${String(k)}`)]));
  };
  const json = { state: pack(value.state, 'state'), param_groups: pack(value.param_groups, 'param_groups') };
  return { tensors, text: JSON.stringify(json) };
}

/** The way back. Calls `fail` for a text that is none of `packOptimizerState`. */
export function unpackOptimizerState(text: string, tensors: ReadonlyMap<string, Tensor>, fail: Fail): unknown {
  const unpack = (x: unknown, depth: number): unknown => {
    if (depth > MAX_DEPTH) return fail('the state of an optimizer is nested too deeply');
    if (typeof x === 'string') return NUMBERS[x] ?? x;
    if (Array.isArray(x)) return x.map((v) => unpack(v, depth + 1));
    if (typeof x !== 'object' || x === null) return x;
    const entries = Object.entries(x);
    if (entries.length === 1 && entries[0]![0] === 'tensor') {
      const name = String(entries[0]![1]);
      return tensors.get(name) ?? fail(`the state of an optimizer names the tensor '${name}', which is not there`);
    }
    return Object.fromEntries(entries.map(([k, v]) => [k, unpack(v, depth + 1)]));
  };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return fail('the state of an optimizer is no JSON');
  }
  const value = unpack(json, 0);
  return isOptimizerState(value) ? value : fail('the state of an optimizer lacks its fields');
}
