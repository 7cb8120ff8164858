// Samplers: the order in which a DataLoader visits a data set. Draws equal PyTorch's for the same seed.
import { native } from '../native.js';
import { drawSeed, Generator } from '../random.js';
import { randint, randperm, tensor } from '../tensor/create.js';
import { ValueError } from '../tensor/errors.js';

/** Something that gives the indices of one epoch each time it is iterated. */
export abstract class Sampler<T = number> {
  abstract [Symbol.iterator](): Iterator<T>;
  /** Number of items of one epoch. */
  abstract get length(): number;
}
/** What samplers need to know about a data set. */
export interface Sized {
  readonly length: number;
}

/** 0, 1, 2, ... */
export class SequentialSampler extends Sampler {
  readonly dataSource: Sized;
  constructor(dataSource: Sized) {
    super();
    this.dataSource = dataSource;
  }
  get length(): number {
    return this.dataSource.length;
  }
  *[Symbol.iterator](): Iterator<number> {
    for (let i = 0, n = this.dataSource.length; i < n; i++) yield i;
  }
}

export interface RandomSamplerOptions {
  replacement?: boolean;
  /** Samples per epoch; the size of the data set when absent. */
  numSamples?: number | null;
  generator?: Generator | null;
}
/** A random order; with `replacement` independent draws. */
export class RandomSampler extends Sampler {
  readonly dataSource: Sized;
  readonly replacement: boolean;
  readonly generator: Generator | null;
  readonly #numSamples: number | null;
  constructor(dataSource: Sized, options: RandomSamplerOptions = {}) {
    super();
    this.dataSource = dataSource;
    this.replacement = options.replacement ?? false;
    this.generator = options.generator ?? null;
    this.#numSamples = options.numSamples ?? null;
    if (this.#numSamples !== null && (!Number.isInteger(this.#numSamples) || this.#numSamples <= 0)) {
      throw new ValueError(`num_samples should be a positive integer value, but got num_samples=${this.#numSamples}`);
    }
  }
  get length(): number {
    return this.#numSamples ?? this.dataSource.length;
  }
  *[Symbol.iterator](): Iterator<number> {
    const n = this.dataSource.length;
    const count = this.length;
    // PyTorch seeds a generator of the epoch from the default one unless it was given one.
    const generator = this.generator ?? new Generator().manualSeed(drawSeed());
    if (n === 0) return;
    if (this.replacement) {
      for (let left = count; left > 0; left -= 32) yield* numbers(randint(0, n, [Math.min(32, left)], { generator }));
      return;
    }
    for (let i = 0; i < Math.floor(count / n); i++) yield* numbers(randperm(n, { generator }));
    // Also drawn when nothing is left, as PyTorch does: a shared generator advances.
    yield* numbers(randperm(n, { generator })).slice(0, count % n);
  }
}
const numbers = (t: { toTypedArray(): ArrayLike<unknown>; dispose(): void }): number[] => {
  const out = Array.from(t.toTypedArray() as BigInt64Array, Number);
  t.dispose();
  return out;
};

/** The given indices in random order. */
export class SubsetRandomSampler extends Sampler {
  readonly indices: readonly number[];
  readonly generator: Generator | null;
  constructor(indices: readonly number[], options: { generator?: Generator | null } = {}) {
    super();
    this.indices = indices;
    this.generator = options.generator ?? null;
  }
  get length(): number {
    return this.indices.length;
  }
  *[Symbol.iterator](): Iterator<number> {
    for (const i of numbers(randperm(this.indices.length, { generator: this.generator }))) yield this.indices[i]!;
  }
}

/** Indices drawn with probabilities proportional to `weights`. */
export class WeightedRandomSampler extends Sampler {
  readonly weights: readonly number[];
  readonly numSamples: number;
  readonly replacement: boolean;
  readonly generator: Generator | null;
  constructor(
    weights: readonly number[],
    numSamples: number,
    options: { replacement?: boolean; generator?: Generator | null } = {},
  ) {
    super();
    if (!Number.isInteger(numSamples) || numSamples <= 0) {
      throw new ValueError(`num_samples should be a positive integer value, but got num_samples=${numSamples}`);
    }
    this.weights = weights;
    this.numSamples = numSamples;
    this.replacement = options.replacement ?? true;
    this.generator = options.generator ?? null;
  }
  get length(): number {
    return this.numSamples;
  }
  *[Symbol.iterator](): Iterator<number> {
    const w = tensor([...this.weights], { dtype: 'float64' });
    const drawn = native.ops.multinomial(w._h, this.numSamples, this.replacement, this.generator?._g ?? null);
    yield* Array.from(native.toTypedArray(drawn) as BigInt64Array, Number);
  }
}

/** Groups the indices of another sampler. */
export class BatchSampler extends Sampler<number[]> {
  readonly sampler: Iterable<number> & Sized;
  readonly batchSize: number;
  readonly dropLast: boolean;
  constructor(sampler: Iterable<number> & Sized, batchSize: number, dropLast: boolean) {
    super();
    if (!Number.isInteger(batchSize) || batchSize <= 0) {
      throw new ValueError(`batch_size should be a positive integer value, but got batch_size=${batchSize}`);
    }
    this.sampler = sampler;
    this.batchSize = batchSize;
    this.dropLast = dropLast;
  }
  get length(): number {
    const n = this.sampler.length / this.batchSize;
    return this.dropLast ? Math.floor(n) : Math.ceil(n);
  }
  *[Symbol.iterator](): Iterator<number[]> {
    let batch: number[] = [];
    for (const i of this.sampler) {
      batch.push(i);
      if (batch.length === this.batchSize) {
        yield batch;
        batch = [];
      }
    }
    if (batch.length > 0 && !this.dropLast) yield batch;
  }
}

export interface DistributedSamplerOptions {
  /** Processes that share the data set, and which of them this one is. */
  numReplicas?: number | null;
  rank?: number | null;
  shuffle?: boolean;
  /** Equal in all processes. */
  seed?: number;
  /** Leave out the tail that not all processes would get; otherwise the first indices are given out again. */
  dropLast?: boolean;
}

/** The part of a data set that one of several processes reads. Call `setEpoch` before each epoch, or the order stays the same. */
export class DistributedSampler extends Sampler {
  readonly dataset: Sized;
  readonly numReplicas: number;
  readonly rank: number;
  readonly shuffle: boolean;
  readonly seed: number;
  readonly dropLast: boolean;
  epoch = 0;
  constructor(dataset: Sized, options: DistributedSamplerOptions = {}) {
    super();
    const { numReplicas = null, rank = null, shuffle = true, seed = 0, dropLast = false } = options;
    if (numReplicas === null || rank === null)
      throw new ValueError('DistributedSampler(): numReplicas and rank are required');
    if (!Number.isInteger(rank) || rank >= numReplicas || rank < 0)
      throw new ValueError(`Invalid rank ${rank}, rank should be in the interval [0, ${numReplicas - 1}]`);
    this.dataset = dataset;
    this.numReplicas = numReplicas;
    this.rank = rank;
    this.shuffle = shuffle;
    this.seed = seed;
    this.dropLast = dropLast;
  }
  get length(): number {
    const n = this.dataset.length / this.numReplicas;
    return this.dropLast ? Math.floor(n) : Math.ceil(n);
  }
  /** Makes the order that of this epoch. */
  setEpoch(epoch: number): void {
    this.epoch = epoch;
  }
  *[Symbol.iterator](): Iterator<number> {
    const n = this.dataset.length;
    const order = this.shuffle
      ? numbers(randperm(n, { generator: new Generator().manualSeed(this.seed + this.epoch) }))
      : Array.from({ length: n }, (_, i) => i);
    const total = this.length * this.numReplicas;
    for (let i = this.rank; i < total; i += this.numReplicas) yield order[i % n]!;
  }
}
