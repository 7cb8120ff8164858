// Memory back at once: `tidy` frees the tensors that a callback made and did not return.
import { collectCreated, isTensor, type Tensor } from './handle.js';

/** Tensors anywhere inside a value (arrays, plain objects, maps). */
function collectTensors(value: unknown, into: Set<object>): void {
  if (typeof value !== 'object' || value === null) return;
  if (isTensor(value)) into.add(value);
  else if (value instanceof Map) for (const v of value.values()) collectTensors(v, into);
  else if (Array.isArray(value) || value instanceof Set) for (const v of value) collectTensors(v, into);
  else if (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null) {
    for (const v of Object.values(value)) collectTensors(v, into);
  }
}

/**
 * Calls `body` and disposes every tensor made inside it that is neither in its result nor marked by `keep`.
 * What the autograd graph or another tensor still needs stays alive natively; only the JavaScript objects are closed.
 * Throws TypeError for an async callback: its tensors would be freed while it waits.
 */
export function tidy<T>(body: () => T): T {
  const list: Tensor[] = [];
  const outer = collectCreated(list);
  let result: T;
  try {
    result = body();
    if (result instanceof Promise) throw new TypeError('tidy() takes a synchronous callback');
  } catch (e) {
    collectCreated(outer);
    for (const t of list) t.dispose();
    throw e;
  }
  collectCreated(outer);
  const returned = new Set<object>();
  collectTensors(result, returned);
  for (const t of list) {
    if (!returned.has(t) && !kept.has(t)) t.dispose();
    else if (outer !== null) outer.push(t);
  }
  return result;
}

const kept = new WeakSet<object>();
/** Marks a tensor made inside `tidy` to outlive it. */
export function keep<T extends Tensor>(t: T): T {
  kept.add(t);
  return t;
}
