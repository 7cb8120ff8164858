// Data sets: what a DataLoader reads samples from.
import { native } from '../native.js';
import { dtypeCode } from '../tensor/dtype.js';
import { randperm } from '../tensor/create.js';
import { IndexError, ShapeError, ValueError } from '../tensor/errors.js';
import { wrap, type Tensor } from '../tensor/handle.js';
import type { Generator } from '../random.js';
import type { WorkerSource } from './worker_source.js';

/** A map-style data set: `length` samples, `get(i)` gives one (or a promise of one). */
export abstract class Dataset<T = unknown> {
  abstract get length(): number;
  abstract get(index: number): T | Promise<T>;
  /**
   * The collated batch of these samples in one go, equal to collating `get(i)` of each; undefined when that is not possible.
   * A fast path for data sets over arrays: DataLoader uses it with the default collate function.
   */
  getBatch?(indices: readonly number[]): unknown;
  /** How a worker thread makes the same data set; undefined: it cannot, and the loader reads it on the main thread. */
  workerSource?(): WorkerSource | undefined;
  /** Data sets one after another. */
  concat(...others: Dataset<T>[]): ConcatDataset<T> {
    return new ConcatDataset([this, ...others]);
  }
}

/** A stream of samples: iterable, of unknown length. */
export abstract class IterableDataset<T = unknown> {
  abstract [Symbol.iterator](): Iterator<T>;
}

/** An int64 tensor of indices. */
export function indexTensor(indices: readonly number[]): Tensor {
  const n = indices.length;
  const a = new BigInt64Array(n);
  for (let i = 0; i < n; i++) a[i] = BigInt(indices[i]!);
  return wrap(native.fromTypedArray(a, [n], dtypeCode('int64'), false));
}

/** Rows of several tensors: sample i is [a[i], b[i], ...]. All have the same first size. */
export class TensorDataset<T extends readonly Tensor[]> extends Dataset<T> {
  readonly tensors: T;
  constructor(...tensors: T) {
    super();
    if (tensors.length === 0) throw new ValueError('TensorDataset(): expected at least one tensor');
    for (const t of tensors) {
      if (t.ndim === 0 || t.shape[0] !== tensors[0]!.shape[0]) {
        throw new ShapeError(
          `Size mismatch between tensors: first sizes are ${tensors.map((x) => String(x.shape[0])).join(', ')}`,
        );
      }
    }
    this.tensors = tensors;
  }
  get length(): number {
    return this.tensors[0]!.shape[0]!;
  }
  get(index: number): T {
    return this.tensors.map((t) => t.index(index)) as unknown as T;
  }
  override getBatch(indices: readonly number[]): unknown {
    if (this.get !== TensorDataset.prototype.get) return undefined; // a subclass with its own samples
    const i = indexTensor(indices);
    return this.tensors.map((t) => wrap(native.ops.indexSelect(t._h, 0, i._h)));
  }
  override workerSource(): WorkerSource | undefined {
    if (this.get !== TensorDataset.prototype.get) return undefined;
    return { module: import.meta.url, name: 'TensorDataset', args: [...this.tensors] };
  }
}

/** Samples in an array: nested arrays, records, tensors. */
export class ArrayDataset<T> extends Dataset<T> {
  readonly items: readonly T[];
  constructor(items: readonly T[]) {
    super();
    this.items = items;
  }
  get length(): number {
    return this.items.length;
  }
  get(index: number): T {
    if (index < 0 || index >= this.items.length)
      throw new IndexError(`index ${index} is out of range for a data set of ${this.items.length} samples`);
    return this.items[index]!;
  }
  override workerSource(): WorkerSource | undefined {
    return this.get === ArrayDataset.prototype.get
      ? { module: import.meta.url, name: 'ArrayDataset', args: [this.items] }
      : undefined;
  }
}

/** The samples of `dataset` at `indices`. */
export class Subset<T> extends Dataset<T> {
  readonly dataset: Dataset<T>;
  readonly indices: readonly number[];
  constructor(dataset: Dataset<T>, indices: readonly number[]) {
    super();
    this.dataset = dataset;
    this.indices = indices;
  }
  get length(): number {
    return this.indices.length;
  }
  get(index: number): T | Promise<T> {
    const at = this.indices[index];
    if (at === undefined)
      throw new IndexError(`index ${index} is out of range for a subset of ${this.indices.length} samples`);
    return this.dataset.get(at);
  }
  override getBatch(indices: readonly number[]): unknown {
    return this.get === Subset.prototype.get
      ? this.dataset.getBatch?.(indices.map((i) => this.indices[i]!))
      : undefined;
  }
  override workerSource(): WorkerSource | undefined {
    const inner = this.dataset.workerSource?.();
    if (inner === undefined || this.get !== Subset.prototype.get) return undefined;
    return { module: import.meta.url, name: 'Subset', args: [{ source: inner }, [...this.indices]] };
  }
}

/** Data sets one after another. */
export class ConcatDataset<T> extends Dataset<T> {
  readonly datasets: readonly Dataset<T>[];
  readonly cumulativeSizes: readonly number[];
  constructor(datasets: Iterable<Dataset<T>>) {
    super();
    this.datasets = [...datasets];
    if (this.datasets.length === 0) throw new ValueError('datasets should not be an empty iterable');
    let sum = 0;
    this.cumulativeSizes = this.datasets.map((d) => (sum += d.length));
  }
  get length(): number {
    return this.cumulativeSizes.at(-1)!;
  }
  get(index: number): T | Promise<T> {
    const at = index < 0 ? index + this.length : index;
    const d = this.cumulativeSizes.findIndex((end) => at < end);
    if (d < 0 || at < 0)
      throw new IndexError(`index ${index} is out of range for a data set of ${this.length} samples`);
    return this.datasets[d]!.get(d === 0 ? at : at - this.cumulativeSizes[d - 1]!);
  }
  override workerSource(): WorkerSource | undefined {
    const inner = this.datasets.map((d) => d.workerSource?.());
    if (this.get !== ConcatDataset.prototype.get || inner.includes(undefined)) return undefined;
    return { module: import.meta.url, name: 'ConcatDataset', args: [inner.map((source) => ({ source }))] };
  }
}

/**
 * Disjoint random subsets with these lengths, or with these fractions of the whole when they sum to 1.
 * The same generator seed gives PyTorch's split. Throws ValueError when the lengths do not sum to the data set's.
 */
export function randomSplit<T>(
  dataset: Dataset<T>,
  lengths: readonly number[],
  options: { generator?: Generator | null } = {},
): Subset<T>[] {
  let sizes = [...lengths];
  const sum = lengths.reduce((a, b) => a + b, 0);
  if (Math.abs(sum - 1) < 1e-9 && sum <= 1 + 1e-9 && lengths.some((f) => !Number.isInteger(f))) {
    if (lengths.some((f) => f < 0 || f > 1)) throw new ValueError('fractions must be between 0 and 1');
    sizes = lengths.map((f) => Math.floor(dataset.length * f));
    const rest = dataset.length - sizes.reduce((a, b) => a + b, 0);
    for (let i = 0; i < rest; i++) sizes[i % sizes.length]!++;
  }
  if (sizes.reduce((a, b) => a + b, 0) !== dataset.length) {
    throw new ValueError('Sum of input lengths does not equal the length of the input dataset!');
  }
  const order = Array.from(
    randperm(dataset.length, { generator: options.generator ?? null }).toTypedArray() as BigInt64Array,
    Number,
  );
  let at = 0;
  return sizes.map((n) => new Subset(dataset, order.slice(at, (at += n))));
}
