// Shapes as users write them: as arguments or as one array, with an options object last.
import { ShapeError } from './errors.js';

/** `(2, 3, options)` or `([2, 3], options)`. */
export type SizeArgs<O> =
  [...size: number[]] | [...size: number[], options: O] | [size: readonly number[], options?: O];

/** Splits `(2, 3, {…})` / `([2, 3], {…})` into the shape and the options. Throws ShapeError for sizes that are no integers >= 0. */
export function sizeArgs<O extends object>(op: string, args: readonly unknown[]): [readonly number[], Partial<O>] {
  if (!Array.isArray(args)) throw new ShapeError(`${op}(): expected sizes`);
  const last: unknown = args.at(-1);
  if (last === null) throw new ShapeError(`${op}(): sizes must be integers, got null`);
  const hasOptions = typeof last === 'object' && last !== null && !Array.isArray(last) && !ArrayBuffer.isView(last);
  const options = hasOptions ? (last as Partial<O>) : {};
  const rest = hasOptions || last === undefined ? args.slice(0, -1) : args;
  const shape =
    rest.length === 1 && typeof rest[0] === 'object'
      ? Array.from(rest[0] as readonly number[])
      : (rest as readonly number[]);
  for (const s of shape) {
    if (typeof s !== 'number' || !Number.isInteger(s))
      throw new ShapeError(`${op}(): sizes must be integers, got ${String(s)}`);
    if (s < 0)
      throw new ShapeError(`${op}(): Trying to create tensor with negative dimension ${s}: [${shape.join(', ')}]`);
  }
  return [shape, options];
}
