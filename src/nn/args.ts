// Optional arguments of layers: PyTorch users pass them by position or by name; both end in one record.
import { ValueError } from '../tensor/errors.js';

/** `[a?, b?, ..., options?]`: positional arguments, then an options object at any point. */
export type Rest<P extends readonly unknown[], O> = P extends readonly [infer A, ...infer B]
  ? [options?: O] | [A, ...Rest<B, O>]
  : [options?: O];

/** Merges positional values (named in order by `names`) and a trailing options object over the defaults. Unknown names throw. */
export function merge<O extends object>(
  what: string,
  rest: readonly unknown[],
  names: readonly (keyof O)[],
  defaults: Required<O>,
): Required<O> {
  const out = { ...defaults };
  for (const [i, value] of rest.entries()) {
    if (value === undefined) continue;
    if (
      typeof value === 'object' &&
      value !== null &&
      !Array.isArray(value) &&
      Object.getPrototypeOf(value) === Object.prototype
    ) {
      if (i !== rest.length - 1) throw new ValueError(`${what}(): the options object must be the last argument`);
      for (const [name, v] of Object.entries(value)) {
        if (!(name in defaults)) {
          throw new ValueError(
            `${what}(): unknown option '${name}' (expected one of ${Object.keys(defaults).join(', ')})`,
          );
        }
        if (v !== undefined) out[name as keyof O] = v as Required<O>[keyof O];
      }
    } else if (i < names.length) out[names[i]!] = value as Required<O>[keyof O];
    else
      throw new ValueError(
        `${what}(): takes at most ${names.length} optional arguments by position, got ${rest.length}`,
      );
  }
  return out;
}

/** A number or one number per spatial dimension, as a list. */
export type Size1 = number | readonly [number];
export type Size2 = number | readonly [number, number];
export type Size3 = number | readonly [number, number, number];
/** The size type of layers over n spatial dimensions. */
export type Sizes<N extends 1 | 2 | 3> = N extends 1 ? Size1 : N extends 2 ? Size2 : Size3;
export function ntuple(x: number | readonly number[], n: number, what: string): number[] {
  const list =
    typeof x === 'number' ? Array.from({ length: n }, () => x) : Array.isArray(x) ? [...(x as number[])] : null;
  if (list === null || list.length !== n || list.some((v) => typeof v !== 'number')) {
    throw new ValueError(
      `${what} must be a number or ${n} numbers, got ${list === null ? String(x) : `[${list.join(', ')}]`}`,
    );
  }
  return list;
}

/** Python's spelling of a value in a repr. */
export function py(x: unknown): string {
  if (x === null || x === undefined) return 'None';
  if (x === true) return 'True';
  if (x === false) return 'False';
  if (Array.isArray(x)) return x.length === 1 ? `(${py(x[0])},)` : `(${x.map(py).join(', ')})`;
  if (typeof x === 'string') return `'${x}'`;
  return String(x);
}

export { pyFloat } from '../tensor/print.js';

/** `merge` where the order of the defaults is the order of the positional arguments. */
export const settings = <O extends object>(
  what: string,
  rest: readonly unknown[],
  defaults: Required<O>,
): Required<O> => merge<O>(what, rest, Object.keys(defaults) as (keyof O)[], defaults);
