// DataLoader: batches of a data set, in PyTorch's order for the same seed; with worker threads when asked for.
import { defaultGenerator, drawSeed, type Generator } from '../random.js';
import { ValueError } from '../tensor/errors.js';
import { defaultCollate, defaultConvert, loadBatch, type Collated } from './collate.js';
import { IterableDataset, type Dataset } from './dataset.js';
import { BatchSampler, RandomSampler, SequentialSampler, type Sized } from './sampler.js';
import { WorkerPool } from './worker_pool.js';
import { importFunction, isWorkerFunction, type WorkerFunction } from './worker_source.js';

export interface DataLoaderOptions<T, B> {
  /** Samples per batch (default 1); null gives single samples, uncollated. */
  batchSize?: number | null;
  /** A new random order each epoch. */
  shuffle?: boolean;
  sampler?: (Iterable<number> & Sized) | null;
  batchSampler?: (Iterable<readonly number[]> & Sized) | null;
  /** Threads that load batches ahead (`for await` only); 0: the main thread. */
  numWorkers?: number;
  /**
   * Makes a batch of samples. With worker threads a function runs on the main thread, on samples that the threads have loaded; an
   * exported function named by module and name runs in the threads.
   */
  collateFn?: ((samples: T[]) => B) | WorkerFunction | null;
  /** Leave out a last batch that is not full. */
  dropLast?: boolean;
  /** Milliseconds to wait for a worker's batch; 0: forever. */
  timeout?: number;
  /** Batches that each worker loads ahead. */
  prefetchFactor?: number;
  generator?: Generator | null;
  /** Called with the thread's number when it starts, in the thread: so it must be an exported function. */
  workerInitFn?: WorkerFunction | null;
  /** Keep the threads between epochs; `close()` ends them. */
  persistentWorkers?: boolean;
  /** Accepted: memory of the CPU is all there is. */
  pinMemory?: boolean;
  pinMemoryDevice?: string;
  /** Accepted: workers are threads. */
  multiprocessingContext?: unknown;
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
  readonly collateFn: ((samples: T[]) => B) | WorkerFunction | null;
  readonly dropLast: boolean;
  readonly sampler: (Iterable<number> & Sized) | null;
  readonly batchSampler: (Iterable<readonly number[]> & Sized) | null;
  readonly generator: Generator | null;
  readonly timeout: number;
  readonly prefetchFactor: number;
  readonly workerInitFn: WorkerFunction | null;
  readonly persistentWorkers: boolean;
  readonly pinMemory: boolean;
  #pool: WorkerPool | null = null;

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
    const { timeout = 0, prefetchFactor = 2, workerInitFn = null, persistentWorkers = false } = options;
    const batchSize = options.batchSize === undefined ? 1 : options.batchSize;
    if (!Number.isInteger(numWorkers) || numWorkers < 0) {
      throw new ValueError('num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.');
    }
    if (timeout < 0) throw new ValueError('timeout option should be non-negative');
    if (!Number.isInteger(prefetchFactor) || prefetchFactor < 1)
      throw new ValueError('prefetchFactor must be a positive integer');
    if (persistentWorkers && numWorkers === 0) throw new ValueError('persistent_workers option needs num_workers > 0');
    if (workerInitFn !== null && !isWorkerFunction(workerInitFn)) {
      throw new ValueError(
        "workerInitFn runs in another thread: give { module: import.meta.url, name: 'nameOfTheExportedFunction' }",
      );
    }
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
    this.workerInitFn = workerInitFn;
    this.persistentWorkers = persistentWorkers;
    this.pinMemory = options.pinMemory ?? false;
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
    if (this.sampler !== null) return this.sampler.length;
    const { length } = this.dataset as { readonly length?: number };
    if (length === undefined) throw new ValueError('a DataLoader over an IterableDataset has no length');
    if (this.batchSize === null) return length;
    return this.dropLast ? Math.floor(length / this.batchSize) : Math.ceil(length / this.batchSize);
  }

  /** The loader's own random draw of an epoch; PyTorch makes it before the sampler's. */
  #baseSeed(): bigint {
    return drawSeed(this.generator ?? defaultGenerator());
  }
  #requests(): Iterator<readonly number[] | number> {
    return (this.batchSampler ?? this.sampler!)[Symbol.iterator]();
  }
  /** The collate function of loops on the main thread. */
  #collateHere(): ((samples: T[]) => B) | null {
    if (isWorkerFunction(this.collateFn))
      throw new ValueError('a collateFn named by its module needs worker threads, or `for await`');
    return this.collateFn;
  }

  [Symbol.iterator](): IterableIterator<B> {
    if (this.numWorkers > 0) throw new ValueError('a DataLoader with numWorkers > 0 is asynchronous: use `for await`');
    this.#baseSeed();
    const collate = this.#collateHere();
    return this.dataset instanceof IterableDataset
      ? this.#stream(this.dataset, collate)
      : this.#batches(this.dataset, this.#requests(), collate);
  }
  *#batches(
    dataset: Dataset<T>,
    requests: Iterator<readonly number[] | number>,
    collate: ((samples: T[]) => B) | null,
  ): IterableIterator<B> {
    const sync = (i: number): T => {
      const sample = dataset.get(i);
      if (sample instanceof Promise)
        throw new ValueError('the data set gives promises: use `for await` over the DataLoader');
      return sample;
    };
    for (let r = requests.next(); r.done !== true; r = requests.next()) {
      if (typeof r.value === 'number') {
        const sample = sync(r.value);
        yield collate === null ? (defaultConvert(sample) as B) : collate([sample]);
        continue;
      }
      const fast = collate === null ? dataset.getBatch?.(r.value) : undefined;
      if (fast !== undefined) yield fast as B;
      else yield join(r.value.map(sync), collate);
    }
  }
  *#stream(dataset: IterableDataset<T>, collate: ((samples: T[]) => B) | null): IterableIterator<B> {
    const batcher = new Batcher<T, B>(this.batchSize, this.dropLast, collate);
    for (const sample of { [Symbol.iterator]: () => dataset[Symbol.iterator]() }) yield* batcher.add(sample);
    yield* batcher.end();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<B> {
    const seed = this.#baseSeed();
    const requests = this.dataset instanceof IterableDataset ? null : this.#requests();
    if (this.numWorkers > 0) {
      const pool = this.#threads(seed);
      if (pool !== null) return this.#fromThreads(pool, requests);
    }
    return this.#asyncBatches(requests);
  }
  async *#asyncBatches(requests: Iterator<readonly number[] | number> | null): AsyncGenerator<B> {
    const collate = isWorkerFunction(this.collateFn)
      ? ((await importFunction(this.collateFn)) as (samples: T[]) => B)
      : this.collateFn;
    if (requests === null) {
      const batcher = new Batcher<T, B>(this.batchSize, this.dropLast, collate);
      for await (const sample of this.dataset as IterableDataset<T>) yield* batcher.add(sample);
      yield* batcher.end();
      return;
    }
    const how = (collate ?? 'default') as 'default';
    for (let r = requests.next(); r.done !== true; r = requests.next())
      yield (await loadBatch(this.dataset as Dataset, r.value, how)) as B;
  }

  // ---- worker threads ----

  /** Threads for a pass, or null when the data set cannot cross to them. */
  #threads(seed: bigint): WorkerPool | null {
    if (this.#pool?.usable) return this.#pool;
    const source = this.dataset.workerSource?.();
    if (source === undefined) {
      noticeOnce(
        `DataLoader: data set ${this.dataset.constructor.name} cannot cross to worker threads (it has no workerSource()); ` +
          'loading on the main thread instead.',
      );
      return null;
    }
    const { collateFn, numWorkers, prefetchFactor, timeout, batchSize, dropLast } = this;
    const pool = new WorkerPool({
      source,
      numWorkers,
      prefetchFactor,
      seed,
      timeout,
      batchSize,
      dropLast,
      initFn: this.workerInitFn,
      collate: collateFn === null ? 'default' : isWorkerFunction(collateFn) ? collateFn : 'none',
      persistent: this.persistentWorkers,
    });
    if (this.persistentWorkers) this.#pool = pool;
    return pool;
  }
  async *#fromThreads(pool: WorkerPool, requests: Iterator<readonly number[] | number> | null): AsyncGenerator<B> {
    const { collateFn } = this;
    const single = this.batchSampler === null && this.batchSize === null;
    for await (const data of pool.run(requests)) {
      if (typeof collateFn === 'function') yield collateFn((single ? [data] : data) as T[]);
      else yield data as B;
    }
  }
  /** Ends the threads of a loader with persistentWorkers. */
  async close(): Promise<void> {
    await this.#pool?.close();
    this.#pool = null;
  }
}

function join<T, B>(samples: T[], collate: ((samples: T[]) => B) | null): B {
  return collate === null ? (defaultCollate(samples) as B) : collate(samples);
}

/** Puts the samples of a stream into batches; `batchSize` null: each on its own. */
class Batcher<T, B> {
  private batch: T[] = [];
  constructor(
    private readonly batchSize: number | null,
    private readonly dropLast: boolean,
    private readonly collate: ((samples: T[]) => B) | null,
  ) {}
  *add(sample: T): Iterable<B> {
    if (this.batchSize === null) {
      yield this.collate === null ? (defaultConvert(sample) as B) : this.collate([sample]);
      return;
    }
    this.batch.push(sample);
    if (this.batch.length < this.batchSize) return;
    const full = this.batch;
    this.batch = [];
    yield join(full, this.collate);
  }
  *end(): Iterable<B> {
    if (this.batch.length > 0 && !this.dropLast) yield join(this.batch, this.collate);
  }
}
