// Calls of a module with other tensors in the place of its parameters and buffers.
import { ValueError } from '../../tensor/errors.js';
import type { Tensor } from '../../tensor/tensor.js';
import { setField } from '../fields.js';
import type { Module } from '../module.js';

/**
 * Calls `module(...args)` as if its parameters and buffers of these names were the given tensors; gradients reach those.
 * The module is as before afterwards. `strict`: every parameter and buffer must be given.
 */
export function functionalCall<M extends Module>(
  module: M,
  tensors: Readonly<Record<string, Tensor>> | readonly Readonly<Record<string, Tensor>>[],
  args: unknown,
  options: { strict?: boolean } = {},
): ReturnType<M['forward']> {
  const given = (Array.isArray(tensors) ? Object.assign({}, ...tensors) : tensors) as Record<string, Tensor>;
  const known = new Map<string, Tensor>([
    ...module.namedParameters('', true, false),
    ...module.namedBuffers('', true, false),
  ]);
  const unexpected = Object.keys(given).filter((k) => !known.has(k));
  if (unexpected.length > 0) throw new ValueError(`Unexpected key(s): ${unexpected.join(', ')}.`);
  if (options.strict ?? false) {
    const missing = [...known.keys()].filter((k) => !(k in given));
    if (missing.length > 0) throw new ValueError(`Missing key(s): ${missing.join(', ')}.`);
  }
  // A tensor that stands under several names (tied weights) is replaced everywhere.
  const replaced = new Map<Tensor, Tensor>();
  for (const [name, t] of Object.entries(given)) replaced.set(known.get(name)!, t);
  const swapped: [owner: Module, name: string, before: Tensor][] = [];
  try {
    for (const [path, before] of known) {
      const after = Object.hasOwn(given, path) ? given[path]! : replaced.get(before);
      if (after === undefined) continue;
      const dot = path.lastIndexOf('.');
      const owner = module.getSubmodule(dot < 0 ? '' : path.slice(0, dot));
      const name = path.slice(dot + 1);
      swapped.push([owner, name, before]);
      setField(owner, name, after);
    }
    const list = Array.isArray(args) ? (args as unknown[]) : [args];
    return (module as unknown as (...xs: unknown[]) => ReturnType<M['forward']>)(...list);
  } finally {
    for (const [owner, name, before] of swapped) setField(owner, name, before);
  }
}
