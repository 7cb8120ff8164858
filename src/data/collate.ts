// Turning a list of samples into a batch.
import { DTypeError, ShapeError } from '../tensor/errors.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { fromTypedArray, tensor, type TypedArray } from '../tensor/create.js';
import { stack } from '../../generated/ts/functions.js';

/** The type of a batch of samples of type T: tensors and numbers become tensors, tuples and records keep their form. */
export type Collated<T> = T extends Tensor | number | boolean | bigint | ArrayBufferView
  ? Tensor
  : T extends string
    ? string[]
    : T extends readonly unknown[]
      ? { -readonly [K in keyof T]: Collated<T[K]> }
      : T extends object
        ? { [K in keyof T]: Collated<T[K]> }
        : T[];

function collate(samples: readonly unknown[]): unknown {
  const first = samples[0];
  if (isTensor(first)) {
    const tensors = samples as readonly Tensor[];
    for (const [i, t] of tensors.entries()) {
      if (!isTensor(t)) throw new DTypeError(`defaultCollate: sample 0 is a tensor, sample ${i} is not`);
      if (!t.isSameSize(first)) {
        throw new ShapeError(
          `stack expects each tensor to be equal size, but got [${first.shape.join(', ')}] at entry 0 and [${t.shape.join(', ')}] at entry ${i}`,
        );
      }
    }
    return stack(tensors, 0);
  }
  switch (typeof first) {
    case 'number':
      // Whole numbers are labels: int64, as Python's ints. Others become the default dtype (PyTorch: float64).
      return tensor(samples as number[], samples.every(Number.isInteger) ? { dtype: 'int64' } : {});
    case 'boolean':
    case 'bigint':
      return tensor(samples as boolean[]);
    case 'string':
      return [...samples];
    case 'object':
      break;
    default:
      throw new DTypeError(
        `default_collate: batch must contain tensors, numbers, strings, arrays or records; found ${typeof first}`,
      );
  }
  if (first === null)
    throw new DTypeError(
      'default_collate: batch must contain tensors, numbers, strings, arrays or records; found null',
    );
  if (ArrayBuffer.isView(first)) return collate((samples as TypedArray[]).map((a) => fromTypedArray(a)));
  if (Array.isArray(first)) {
    const rows = samples as readonly (readonly unknown[])[];
    if (rows.some((r) => !Array.isArray(r) || r.length !== first.length))
      throw new ShapeError('each element in list of batch should be of equal size');
    return first.map((_, k) => collate(rows.map((r) => r[k])));
  }
  return Object.fromEntries(
    Object.keys(first).map((k) => [k, collate(samples.map((s) => (s as Record<string, unknown>)[k]))]),
  );
}

/**
 * Stacks samples: tensors along a new first dimension, numbers and booleans into a tensor (whole numbers: int64), strings into
 * an array; arrays and records element by element. Throws ShapeError / DTypeError for samples that do not fit together.
 */
export function defaultCollate<T>(samples: readonly T[]): Collated<T> {
  return collate(samples) as Collated<T>;
}
