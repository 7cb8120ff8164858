// DataLoader: batches of a data set, in PyTorch's order for the same seed; with worker threads when asked for.
import { defaultGenerator, drawSeed, type Generator } from '../random.js';
import { ValueError } from '../tensor/errors.js';
import { defaultCollate, type Collated } from './collate.js';
import { IterableDataset, type Dataset } from './dataset.js';
import { BatchSampler, RandomSampler, SequentialSampler, type Sized } from './sampler.js';
import { load } from './worker.js';
import { runPool } from './worker_pool.js';

export interface DataLoaderOptions<T, B> {
  /** Samples per batch (default 1); null gives single samples, uncollated. */
  batchSize?: number | null;
  /** A new random order each epoch. */
  shuffle?: boolean;
  sampler?: (Iterable<number> & Sized) | null;
  batchSampler?: (Iterable<readonly number[]> & Sized) | null;
  /** Threads that load batches ahead (`for await` only); 0: the main thread. */
  numWorkers?: number;
  collateFn?: ((samples: T[]) => B) | null;
  /** Leave out a last batch that is not full. */
  dropLast?: boolean;
  /** Milliseconds to wait for a worker's batch; 0: forever. */
  timeout?: number;
  /** Batches that each worker loads ahead. */
  prefetchFactor?: number;
  generator?: Generator | null;
}

const notices = new Set<string>();
function noticeOnce(text: string): void {
  if (notices.has(text)) return;
  notices.add(text);
  process.emitWarning(text, { code: 'FLAMBEAU_DATALOADER' });
}

/**
 * Iterates over batches: `for (const [x, y] of loader)` when numWorkers is 0, `for await` always.
 * Tensors of a batch are stacked samples: [batch, ...sample shape].
 */
export class DataLoader<T, B = Collated<T>> implements Iterable<B>, AsyncIterable<B> {
  readonly dataset: Dataset<T> | IterableDataset<T>;
  readonly batchSize: number | null;
  readonly numWorkers: number;
  readonly collateFn: ((samples: T[]) => B) | null;
  readonly dropLast: boolean;
  readonly sampler: (Iterable<number> & Sized) | null;
  readonly batchSampler: (Iterable<readonly number[]> & Sized) | null;
  readonly generator: Generator | null;
  readonly timeout: number;
  readonly prefetchFactor: number;

  constructor(dataset: Dataset<T> | IterableDataset<T>, options: DataLoaderOptions<T, B> = {}) {
    const {
      shuffle = false,
      sampler = null,
      batchSampler = null,
      numWorkers = 0,
      collateFn = null,
      dropLast = false,
      generator = null,
    } = options;
    const { timeout = 0, prefetchFactor = 2 } = options;
    const batchSize = options.batchSize === undefined ? 1 : options.batchSize;
    if (!Number.isInteger(numWorkers) || numWorkers < 0) {
      throw new ValueError('num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.');
    }
    if (timeout < 0) throw new ValueError('timeout option should be non-negative');
    if (!Number.isInteger(prefetchFactor) || prefetchFactor < 1)
      throw new ValueError('prefetchFactor must be a positive integer');
    if (sampler !== null && shuffle) throw new ValueError('sampler option is mutually exclusive with shuffle');
    if (dataset instanceof IterableDataset) {
      if (shuffle)
        throw new ValueError(
          'DataLoader with IterableDataset: expected unspecified shuffle option, but got shuffle=true',
        );
      if (sampler !== null || batchSampler !== null)
        throw new ValueError('DataLoader with IterableDataset: expected unspecified sampler option');
    }
    if (batchSampler !== null && ((options.batchSize ?? 1) !== 1 || shuffle || sampler !== null || dropLast)) {
      throw new ValueError(
        'batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last',
      );
    }
    if (batchSize === null && dropLast)
      throw new ValueError('batch_size=None option disables auto-batching and is mutually exclusive with drop_last');
    this.dataset = dataset;
    this.numWorkers = numWorkers;
    this.collateFn = collateFn;
    this.dropLast = dropLast;
    this.generator = generator;
    this.timeout = timeout;
    this.prefetchFactor = prefetchFactor;
    this.batchSize = batchSampler === null ? batchSize : null;
    if (dataset instanceof IterableDataset) {
      if (batchSize !== null && (!Number.isInteger(batchSize) || batchSize <= 0)) {
        throw new ValueError(`batch_size should be a positive integer value, but got batch_size=${batchSize}`);
      }
      this.sampler = null;
      this.batchSampler = null;
    } else {
      this.sampler = sampler ?? (shuffle ? new RandomSampler(dataset, { generator }) : new SequentialSampler(dataset));
      this.batchSampler =
        batchSampler ?? (batchSize === null ? null : new BatchSampler(this.sampler, batchSize, dropLast));
    }
  }

  /** Batches of one epoch. Throws for an IterableDataset. */
  get length(): number {
    if (this.batchSampler !== null) return this.batchSampler.length;
    if (this.sampler === null) throw new ValueError('a DataLoader over an IterableDataset has no length');
    return this.sampler.length;
  }

  /** The loader's own random draw of an epoch; PyTorch makes it before the sampler's. */
  #baseSeed(): bigint {
    return drawSeed(this.generator ?? defaultGenerator());
  }
  #requests(): Iterator<readonly number[] | number> {
    return (this.batchSampler ?? this.sampler!)[Symbol.iterator]();
  }
  #collate(samples: T[]): B {
    return this.collateFn === null ? (defaultCollate(samples) as B) : this.collateFn(samples);
  }

  [Symbol.iterator](): IterableIterator<B> {
    if (this.numWorkers > 0) throw new ValueError('a DataLoader with numWorkers > 0 is asynchronous: use `for await`');
    this.#baseSeed();
    return this.dataset instanceof IterableDataset
      ? this.#stream(this.dataset)
      : this.#batches(this.dataset, this.#requests());
  }
  *#batches(dataset: Dataset<T>, requests: Iterator<readonly number[] | number>): IterableIterator<B> {
    const sync = (i: number): T => {
      const sample = dataset.get(i);
      if (sample instanceof Promise)
        throw new ValueError('the data set gives promises: use `for await` over the DataLoader');
      return sample;
    };
    for (let r = requests.next(); r.done !== true; r = requests.next()) {
      if (typeof r.value === 'number') {
        const sample = sync(r.value);
        yield this.collateFn === null ? (sample as unknown as B) : this.collateFn([sample]);
        continue;
      }
      const fast = this.collateFn === null ? dataset.getBatch?.(r.value) : undefined;
      yield fast === undefined ? this.#collate(r.value.map(sync)) : (fast as B);
    }
  }
  *#stream(dataset: IterableDataset<T>): IterableIterator<B> {
    let batch: T[] = [];
    for (const sample of { [Symbol.iterator]: () => dataset[Symbol.iterator]() }) {
      if (this.batchSize === null) {
        yield sample as unknown as B;
        continue;
      }
      batch.push(sample);
      if (batch.length === this.batchSize) {
        yield this.#collate(batch);
        batch = [];
      }
    }
    if (batch.length > 0 && !this.dropLast) yield this.#collate(batch);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<B> {
    const seed = this.#baseSeed();
    if (this.dataset instanceof IterableDataset) return asAsync(this.#stream(this.dataset));
    const requests = this.#requests();
    if (this.numWorkers > 0) {
      const source = this.collateFn === null ? this.dataset.workerSource?.() : undefined;
      if (source !== undefined) {
        const { numWorkers, prefetchFactor, timeout } = this;
        return runPool(requests, { source, numWorkers, prefetchFactor, seed, timeout }) as AsyncGenerator<B>;
      }
      noticeOnce(
        `DataLoader: ${this.collateFn === null ? `data set ${this.dataset.constructor.name}` : 'a custom collateFn'} cannot cross to worker threads ` +
          '(it has no workerSource()); loading on the main thread instead.',
      );
    }
    return this.#asyncBatches(this.dataset, requests);
  }
  async *#asyncBatches(dataset: Dataset<T>, requests: Iterator<readonly number[] | number>): AsyncGenerator<B> {
    for (let r = requests.next(); r.done !== true; r = requests.next()) {
      if (this.collateFn === null) yield (await load(dataset, r.value)) as B;
      else
        yield this.collateFn(
          await Promise.all((typeof r.value === 'number' ? [r.value] : r.value).map((i) => dataset.get(i))),
        );
    }
  }
}

async function* asAsync<B>(it: Iterable<B>): AsyncGenerator<B> {
  yield* it;
}
