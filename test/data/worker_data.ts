// Data sets and functions that the tests of worker threads load by name, as users' modules do.
import * as fb from '../../src/index.js';
import { data, type Tensor } from '../../src/index.js';

/** Squares, as tensors; a thread can make it. */
export class Squares extends data.Dataset<Tensor> {
  constructor(private readonly n: number) {
    super();
  }
  override get length(): number {
    return this.n;
  }
  override get(i: number): Tensor {
    if (i === 13) throw new RangeError('unlucky');
    return fb.tensor([i * i + offset]);
  }
  override workerSource(): data.WorkerSource {
    return { module: import.meta.url, name: 'Squares', args: [this.n] };
  }
}

/** 0, 1, 2, ...: each thread takes every n-th number. */
export class Count extends data.IterableDataset<number> {
  constructor(private readonly n: number) {
    super();
  }
  override *[Symbol.iterator](): Iterator<number> {
    const info = data.getWorkerInfo();
    for (let i = info?.id ?? 0; i < this.n; i += info?.numWorkers ?? 1) yield i;
  }
  override workerSource(): data.WorkerSource {
    return { module: import.meta.url, name: 'Count', args: [this.n] };
  }
}

let offset = 0;
/** A workerInitFn: changes what the thread's data set gives. */
export function init(id: number): void {
  offset = 1000 * (id + 1);
}
/** A collateFn: the sum of the samples, and the thread that made it. */
export function total(samples: Tensor[]): [Tensor, number] {
  return [fb.stack(samples).sum(), data.getWorkerInfo()?.id ?? -1];
}
