// The body of a loader's worker thread: makes the data set, then answers each list of indices with a batch.
import { parentPort, workerData } from 'node:worker_threads';
import '../tensor/tensor.js'; // tells `wrap` what to make
import { manualSeed } from '../random.js';
import { defaultCollate } from './collate.js';
import type { Dataset } from './dataset.js';
import { build, pack, unpack, type WorkerSource } from './worker_source.js';
import { setWorkerInfo } from './worker_info.js';

export interface WorkerStart {
  readonly source: unknown;
  readonly id: number;
  readonly numWorkers: number;
  readonly seed: bigint;
}
export interface WorkerRequest {
  readonly batch: number;
  readonly indices: readonly number[] | number;
}
export type WorkerReply =
  | { readonly batch: number; readonly data: unknown }
  | {
      readonly batch: number;
      readonly error: {
        readonly name: string;
        readonly message: string;
        readonly stack: string;
        readonly code: string | null;
      };
    };

/** One sample (batchSize null) or a collated batch, by the fast path where there is one. */
export async function load(dataset: Dataset, indices: readonly number[] | number): Promise<unknown> {
  if (typeof indices === 'number') return dataset.get(indices);
  const fast = dataset.getBatch?.(indices);
  if (fast !== undefined) return fast;
  return defaultCollate(await Promise.all(indices.map((i) => dataset.get(i))));
}

if (parentPort !== null && workerData !== null && typeof workerData === 'object' && 'flambeauLoader' in workerData) {
  const port = parentPort;
  const start = (workerData as { flambeauLoader: WorkerStart }).flambeauLoader;
  const describe = (batch: number, e: unknown): WorkerReply => {
    const error = e instanceof Error ? e : new Error(String(e));
    return {
      batch,
      error: {
        name: error.name,
        message: error.message,
        stack: error.stack ?? '',
        code: (error as { code?: string }).code ?? null,
      },
    };
  };
  const ready = (async (): Promise<Dataset> => {
    manualSeed(start.seed + BigInt(start.id));
    const dataset = (await build(unpack(start.source) as WorkerSource)) as Dataset;
    setWorkerInfo({ id: start.id, numWorkers: start.numWorkers, seed: start.seed + BigInt(start.id), dataset });
    return dataset;
  })();
  ready.catch(() => {}); // reported with the first batch
  port.on('message', (request: WorkerRequest) => {
    void (async () => {
      let reply: WorkerReply;
      try {
        reply = { batch: request.batch, data: pack(await load(await ready, request.indices)) };
      } catch (e) {
        reply = describe(request.batch, e);
      }
      port.postMessage(reply);
    })();
  });
}
