// How a data set crosses to a worker thread: as the call that makes it there. Tensors travel as native handles, so that all
// threads share one storage; everything else must be structured-cloneable.
import { native } from '../native.js';
import { isTensor, wrap } from '../tensor/handle.js';

/** `new module.name(...args)`. Arguments: tensors, `{ source }` for nested sources, arrays of these, cloneable values. */
export interface WorkerSource {
  /** URL of a module that exports the class. */
  readonly module: string;
  readonly name: string;
  readonly args: readonly unknown[];
}

/** A function that a worker thread imports: an export of a module, such as `{ module: import.meta.url, name: 'initWorker' }`. */
export interface WorkerFunction {
  readonly module: string;
  readonly name: string;
}
export const isWorkerFunction = (x: unknown): x is WorkerFunction =>
  typeof x === 'object' && x !== null && typeof (x as WorkerFunction).module === 'string';

export async function importFunction(f: WorkerFunction): Promise<(...args: unknown[]) => unknown> {
  const found = ((await import(f.module)) as Record<string, unknown>)[f.name];
  if (typeof found !== 'function') throw new Error(`${f.module} has no exported function '${f.name}'`);
  return found as (...args: unknown[]) => unknown;
}

/** Marks a tensor that travels by token. */
interface TensorToken {
  readonly __tensor: unknown;
}
const isPlain = (x: object): boolean =>
  Object.getPrototypeOf(x) === Object.prototype || Object.getPrototypeOf(x) === null;

/** Replaces tensors by tokens. Each token must be unpacked exactly once. */
export function pack(x: unknown): unknown {
  if (isTensor(x)) return { __tensor: native.exportHandle(x._h) } satisfies TensorToken;
  if (Array.isArray(x)) return x.map(pack);
  if (typeof x === 'object' && x !== null && isPlain(x)) {
    return Object.fromEntries(Object.entries(x).map(([k, v]) => [k, pack(v)]));
  }
  return x;
}

/** The reverse of `pack`. */
export function unpack(x: unknown): unknown {
  if (Array.isArray(x)) return x.map(unpack);
  if (typeof x === 'object' && x !== null && isPlain(x)) {
    if ('__tensor' in x) return wrap(native.importHandle((x as { __tensor: never }).__tensor));
    return Object.fromEntries(Object.entries(x).map(([k, v]) => [k, unpack(v)]));
  }
  return x;
}

/** Makes the data set (or transform) that an unpacked source describes. */
export async function build(source: WorkerSource): Promise<unknown> {
  const namespace = (await import(source.module)) as Record<string, new (...args: unknown[]) => unknown>;
  const make = namespace[source.name];
  if (typeof make !== 'function') throw new Error(`${source.module} has no export '${source.name}'`);
  const args: unknown[] = [];
  for (const a of source.args) args.push(await resolve(a));
  return new make(...args);
}
async function resolve(x: unknown): Promise<unknown> {
  if (Array.isArray(x)) return Promise.all(x.map(resolve));
  if (typeof x === 'object' && x !== null && isPlain(x) && 'source' in x)
    return build((x as { source: WorkerSource }).source);
  return x;
}
