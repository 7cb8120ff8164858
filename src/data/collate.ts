// Turning a list of samples into a batch.
import { DTypeError, ShapeError } from '../tensor/errors.js';
import { isTensor, type Tensor } from '../tensor/handle.js';
import { fromTypedArray, tensor, type TypedArray } from '../tensor/create.js';
import { stack } from '../../generated/ts/functions.js';
import type { Dataset } from './dataset.js';

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

/**
 * What a single sample becomes when there are no batches: typed arrays become tensors, inside arrays and records too; everything
 * else stays.
 */
export function defaultConvert(sample: unknown): unknown {
  if (isTensor(sample) || typeof sample !== 'object' || sample === null) return sample;
  if (ArrayBuffer.isView(sample) && !(sample instanceof DataView)) return fromTypedArray(sample as TypedArray);
  if (Array.isArray(sample)) return sample.map(defaultConvert);
  if (Object.getPrototypeOf(sample) !== Object.prototype) return sample;
  return Object.fromEntries(Object.entries(sample).map(([k, v]) => [k, defaultConvert(v)]));
}

/** How samples become a batch: by `defaultCollate`, not at all, or by a function. */
export type Collate = 'default' | 'none' | ((samples: unknown[]) => unknown);

export function collateSamples(samples: unknown[], collate: Collate): unknown {
  if (collate === 'none') return samples;
  return collate === 'default' ? defaultCollate(samples) : collate(samples);
}

/** One sample or a batch of a map-style data set; by its fast path where there is one. */
export async function loadBatch(
  dataset: Dataset,
  indices: readonly number[] | number,
  collate: Collate,
): Promise<unknown> {
  if (typeof indices === 'number') {
    const sample = await dataset.get(indices);
    if (collate === 'none') return sample;
    return collate === 'default' ? defaultConvert(sample) : collate([sample]);
  }
  const fast = collate === 'default' ? dataset.getBatch?.(indices) : undefined;
  if (fast !== undefined) return fast;
  return collateSamples(await Promise.all(indices.map((i) => dataset.get(i))), collate);
}
