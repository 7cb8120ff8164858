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

// Both are abstract; the prototype says so at run time too.
const missing = (what: string): never => {
  throw new ValueError(`a Dataset must define ${what}`);
};
Object.defineProperty(Dataset.prototype, 'length', { get: () => missing('length'), configurable: true });
Object.defineProperty(Dataset.prototype, 'get', {
  value: () => missing('get(index)'),
  configurable: true,
  writable: true,
});

/**
 * A stream of samples, of unknown length: define `*[Symbol.iterator]()`, or `async *[Symbol.asyncIterator]()` for loops with
 * `for await`. In worker threads each thread runs through the stream: `getWorkerInfo()` tells it which part is its own.
 */
export abstract class IterableDataset<T = unknown> {
  [Symbol.iterator](): Iterator<T> {
    throw new ValueError(`${this.constructor.name} has no [Symbol.iterator](): use \`for await\``);
  }
  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    yield* { [Symbol.iterator]: () => this[Symbol.iterator]() };
  }
  /** How a worker thread makes the same stream; undefined: the loader reads it on the main thread. */
  workerSource?(): WorkerSource | undefined;
  /** Streams one after another. */
  concat(...others: IterableDataset<T>[]): ChainDataset<T> {
    return new ChainDataset([this, ...others]);
  }
}

/** Streams one after another. */
export class ChainDataset<T> extends IterableDataset<T> {
  readonly datasets: readonly IterableDataset<T>[];
  constructor(datasets: Iterable<IterableDataset<T>>) {
    super();
    this.datasets = [...datasets];
    if (this.datasets.some((d) => !(d instanceof IterableDataset)))
      throw new ValueError('ChainDataset only supports IterableDataset');
  }
  override *[Symbol.iterator](): Iterator<T> {
    for (const d of this.datasets) yield* { [Symbol.iterator]: () => d[Symbol.iterator]() };
  }
  override async *[Symbol.asyncIterator](): AsyncIterator<T> {
    for (const d of this.datasets) yield* { [Symbol.asyncIterator]: () => d[Symbol.asyncIterator]() };
  }
  override workerSource(): WorkerSource | undefined {
    const inner = this.datasets.map((d) => d.workerSource?.());
    if (inner.includes(undefined)) return undefined;
    return { module: import.meta.url, name: 'ChainDataset', args: [inner.map((source) => ({ source }))] };
  }
}

type Samples<D> = { [K in keyof D]: D[K] extends Dataset<infer T> ? T : never };

/** Data sets side by side: sample i holds sample i of each, as an array or (from a record) as a record. */
export class StackDataset<D extends readonly Dataset[] | Readonly<Record<string, Dataset>>> extends Dataset<
  Samples<D>
> {
  readonly datasets: D;
  constructor(...datasets: D extends readonly Dataset[] ? D : [D]) {
    super();
    const [first] = datasets as unknown[];
    this.datasets = (first instanceof Dataset || first === undefined ? datasets : first) as D;
    const lengths = Object.values(this.datasets as Readonly<Record<string, Dataset>>).map((d) => d.length);
    if (lengths.length === 0) throw new ValueError('At least one dataset should be passed');
    if (lengths.some((n) => n !== lengths[0]))
      throw new ShapeError(`Size mismatch between datasets: lengths are ${lengths.join(', ')}`);
  }
  get length(): number {
    return Object.values(this.datasets as Readonly<Record<string, Dataset>>)[0]!.length;
  }
  get(index: number): Samples<D> | Promise<Samples<D>> {
    const entries = Object.entries(this.datasets as Readonly<Record<string, Dataset>>);
    const samples = entries.map(([, d]) => d.get(index));
    const join = (values: unknown[]): Samples<D> =>
      (Array.isArray(this.datasets)
        ? values
        : Object.fromEntries(entries.map(([k], i) => [k, values[i]]))) as unknown as Samples<D>;
    return samples.some((s) => s instanceof Promise) ? Promise.all(samples).then(join) : join(samples);
  }
  override workerSource(): WorkerSource | undefined {
    // A record would look like a source to the thread; it stays on the main thread.
    if (!Array.isArray(this.datasets)) return undefined;
    const inner = (this.datasets as readonly Dataset[]).map((d) => d.workerSource?.());
    if (inner.includes(undefined)) return undefined;
    return { module: import.meta.url, name: 'StackDataset', args: inner.map((source) => ({ source })) };
  }
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
