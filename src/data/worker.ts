// The body of a loader's worker thread: makes the data set, then answers each request with a batch, one after the other.
import { parentPort, workerData } from 'node:worker_threads';
import '../tensor/tensor.js'; // tells `wrap` what to make
import { manualSeed } from '../random.js';
import { collateSamples, defaultConvert, loadBatch, type Collate } from './collate.js';
import { IterableDataset, type Dataset } from './dataset.js';
import { build, importFunction, pack, unpack, type WorkerFunction, type WorkerSource } from './worker_source.js';
import { setWorkerInfo } from './worker_info.js';

export interface WorkerStart {
  readonly source: unknown;
  readonly id: number;
  readonly numWorkers: number;
  readonly seed: bigint;
  readonly initFn: WorkerFunction | null;
  /** 'none': samples as they are, the main thread collates. */
  readonly collate: WorkerFunction | 'default' | 'none';
  /** For streams. */
  readonly batchSize: number | null;
  readonly dropLast: boolean;
}
export interface WorkerRequest {
  readonly epoch: number;
  readonly batch: number;
  /** One sample, a batch of them, or (null) the next of a stream. */
  readonly indices: readonly number[] | number | null;
}
export interface WorkerFailure {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  readonly code: string | null;
}
export interface WorkerReply {
  readonly epoch: number;
  readonly batch: number;
  readonly data?: unknown;
  /** The stream has ended. */
  readonly end?: boolean;
  readonly error?: WorkerFailure;
}

interface Ready {
  readonly dataset: Dataset | IterableDataset;
  readonly collate: Collate;
}

async function prepare(start: WorkerStart): Promise<Ready> {
  const seed = start.seed + BigInt(start.id);
  manualSeed(seed);
  const dataset = (await build(unpack(start.source) as WorkerSource)) as Dataset | IterableDataset;
  setWorkerInfo({ id: start.id, numWorkers: start.numWorkers, seed, dataset });
  if (start.initFn !== null) await (await importFunction(start.initFn))(start.id);
  const collate =
    typeof start.collate === 'string' ? start.collate : ((await importFunction(start.collate)) as Collate);
  return { dataset, collate };
}

/** Batches of a stream; a new one each epoch. */
async function* batchesOf(dataset: IterableDataset, start: WorkerStart, collate: Collate): AsyncGenerator<unknown> {
  let batch: unknown[] = [];
  for await (const sample of dataset) {
    if (start.batchSize === null) {
      yield typeof collate === 'function' ? collate([sample]) : collate === 'none' ? sample : defaultConvert(sample);
      continue;
    }
    batch.push(sample);
    if (batch.length === start.batchSize) {
      yield collateSamples(batch, collate);
      batch = [];
    }
  }
  if (batch.length > 0 && !start.dropLast) yield collateSamples(batch, collate);
}

if (parentPort !== null && workerData !== null && typeof workerData === 'object' && 'flambeauLoader' in workerData) {
  const port = parentPort;
  const start = (workerData as { flambeauLoader: WorkerStart }).flambeauLoader;
  const failure = (e: unknown): WorkerFailure => {
    const error = e instanceof Error ? e : new Error(String(e));
    const { name, message, stack = '' } = error;
    return { name, message, stack, code: (error as { code?: string }).code ?? null };
  };
  const ready = prepare(start);
  ready.catch(() => {}); // reported with the first batch
  let stream: { readonly epoch: number; readonly batches: AsyncGenerator<unknown> } | null = null;

  const answer = async ({ epoch, batch, indices }: WorkerRequest): Promise<WorkerReply> => {
    const { dataset, collate } = await ready;
    if (!(dataset instanceof IterableDataset))
      return { epoch, batch, data: pack(await loadBatch(dataset, indices!, collate)) };
    if (stream?.epoch !== epoch) stream = { epoch, batches: batchesOf(dataset, start, collate) };
    const next = await stream.batches.next();
    return next.done === true ? { epoch, batch, end: true } : { epoch, batch, data: pack(next.value) };
  };
  let last: Promise<void> = Promise.resolve();
  port.on('message', (request: WorkerRequest) => {
    last = last.then(async () => {
      const { epoch, batch } = request;
      port.postMessage(await answer(request).catch((e: unknown) => ({ epoch, batch, error: failure(e) })));
    });
  });
}
