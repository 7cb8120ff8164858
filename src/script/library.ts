// Calls of the library: they run on example tensors and are recorded. Numbers that the graph computes are handed over as 0-d tensors.
import * as functions from '../../generated/ts/functions.js';
import * as create from '../tensor/create.js';
import * as functional from '../nn/functional.js';
import * as nn from '../nn/index.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { RegionError, ScriptScalar, tensorsIn, type Region } from './region.js';

export type Namespace = Readonly<Record<string, unknown>>;
const root: Namespace = { ...functions, ...create, nn: { ...nn, functional } };
const SPACES: Readonly<Record<string, Namespace>> = {
  fb: root,
  flambeau: root,
  torch: root,
  nn: root['nn'] as Namespace,
  F: functional,
  functional,
};
const spaces = new Set<unknown>([root, ...Object.values(SPACES)]);
export const isNamespace = (x: unknown): x is Namespace => spaces.has(x);

/** What the library's usual names stand for. */
export const library = (name: string): Namespace | undefined =>
  Object.hasOwn(SPACES, name) ? SPACES[name] : undefined;

/** A number as operand of a tensor: it takes part in promotion as a number does, so it gets the tensor's dtype where that holds it. */
function beside(s: ScriptScalar, t: Tensor | undefined, region: Region): Tensor {
  const float = (t?.dtype ?? 'float32').includes('float') || t?.dtype === 'bfloat16';
  const to =
    t === undefined
      ? undefined
      : s.kind === 'bool' || float || (s.kind === 'int' && t.dtype !== 'bool')
        ? t.dtype
        : undefined;
  if (to === undefined) return s.kind === 'float' && t !== undefined ? cast(s, 'float32', region) : s.tensor;
  return cast(s, to, region);
}
export const cast = (s: ScriptScalar, to: Tensor['dtype'], region: Region): Tensor =>
  s.tensor.dtype === to ? s.tensor : region.emit(() => s.tensor.to(to), [s.tensor]);

function handed(args: readonly unknown[], t: Tensor | undefined, region: Region): unknown[] {
  return args.map((a) => {
    if (a instanceof ScriptScalar) return beside(a, t, region);
    return Array.isArray(a) ? handed(a, t, region) : a;
  });
}

/** Calls a function of the library; what it gives are tensors, or numbers that are known. */
export function callLibrary(region: Region, f: unknown, args: readonly unknown[]): unknown {
  if (typeof f !== 'function') throw new RegionError('this is no function of the library');
  const given = handed(args, args.find(isTensor), region);
  return run(region, args, () => (f as (...a: unknown[]) => unknown)(...given), [given]);
}

/** Sizes and the like, which are known. */
const KNOWN: ReadonlySet<string> = new Set(['size', 'dim', 'numel', 'isContiguous', 'isFloatingPoint', 'elementSize']);

export function callMethod(region: Region, o: Tensor, name: string, args: readonly unknown[]): unknown {
  const table = o as unknown as Record<string, unknown>;
  const f = table[name];
  if (typeof f !== 'function') throw new RegionError(`tensors have no method '${name}'`);
  if (KNOWN.has(name)) return (f as (...a: unknown[]) => unknown).apply(o, [...args]);
  if (name === 'item') return item(region, o);
  if (name === 'detach') return o;
  if (['tolist', 'toTypedArray', 'numpy', 'backward'].includes(name))
    throw new RegionError(`${name}() is not part of script; one number is read by item()`);
  // A position that the graph computes selects by an index tensor.
  const [first, second] = args;
  if (name === 'select' && second instanceof ScriptScalar && typeof first === 'number')
    return region.emit(() => o.indexSelect(first, second.tensor.reshape(1)).squeeze(first), [o, second.tensor]);
  const isIndex = name === 'index' || name === 'indexPut_' || name === 'gather';
  const given = isIndex ? args.map((a) => (a instanceof ScriptScalar ? a.tensor : a)) : handed(args, o, region);
  return run(region, args, () => (f as (...a: unknown[]) => unknown).apply(o, given), [o, given]);
}

function run(region: Region, args: readonly unknown[], f: () => unknown, operands: unknown): unknown {
  try {
    return region.emit(f, tensorsIn(operands));
  } catch (e) {
    // A number that is part of an op's form (a size, a dimension) must be known.
    if (e instanceof Error && !(e instanceof RegionError) && args.flat().some((a) => a instanceof ScriptScalar))
      throw new NeedsNumber(`a number that the graph computes cannot be used here: ${e.message}`);
    throw e;
  }
}
/** A number is part of an op's form: it must be known when the graph is made. */
export class NeedsNumber extends RegionError {}

/** One element as a number. */
export function item(region: Region, t: Tensor): ScriptScalar {
  if (t.numel() !== 1) throw new RegionError(`a Tensor with ${t.numel()} elements cannot be converted to Scalar`);
  const to = t.dtype === 'bool' ? 'bool' : t.dtype.includes('float') ? 'float64' : 'int64';
  return new ScriptScalar(region.emit(() => t.reshape([]).to(to), [t]));
}
