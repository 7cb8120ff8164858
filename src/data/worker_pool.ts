// Worker threads of one pass over a loader: requests go out in order, round robin, a few ahead; replies come back in order.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { FlambeauError } from '../tensor/errors.js';
import type { WorkerReply, WorkerRequest, WorkerStart } from './worker.js';
import { pack, unpack, type WorkerSource } from './worker_source.js';

/** An error that a data set threw in a worker thread: message and stack are those of the worker. */
export class WorkerError extends FlambeauError {
  constructor(id: number, e: { name: string; message: string; stack: string; code: string | null }) {
    super(e.code ?? 'ERR_FLAMBEAU_WORKER', `Caught ${e.name} in DataLoader worker thread ${id}: ${e.message}`);
    this.stack = `${this.name}: ${this.message}\n--- worker stack ---\n${e.stack}`;
  }
}

/** Starts the worker's module. From TypeScript sources (development, tests) it has to load tsx first. */
function startThread(start: WorkerStart): Worker {
  const workerData = { flambeauLoader: start };
  const js = new URL('./worker.js', import.meta.url);
  if (existsSync(fileURLToPath(js))) return new Worker(js, { workerData });
  const tsx = pathToFileURL(
    createRequire(import.meta.url)
      .resolve('tsx/esm/api')
      .replace('index.cjs', 'index.mjs'),
  ).href;
  const ts = new URL('./worker.ts', import.meta.url).href;
  const code = `import(${JSON.stringify(tsx)}).then((t) => (t.register(), import(${JSON.stringify(ts)})))`;
  return new Worker(code, { eval: true, workerData });
}

export interface PoolOptions {
  readonly source: WorkerSource;
  readonly numWorkers: number;
  readonly prefetchFactor: number;
  readonly seed: bigint;
  /** Milliseconds to wait for a batch; 0: forever. */
  readonly timeout: number;
}

/** Yields the batches of `requests` in order. Ends its threads however the loop is left. */
export async function* runPool(
  requests: Iterator<readonly number[] | number>,
  o: PoolOptions,
): AsyncGenerator<unknown> {
  const waiting = new Map<
    number,
    { resolve: (data: unknown) => void; reject: (e: Error) => void; data: Promise<unknown> }
  >();
  const failAll = (e: Error): void => {
    for (const w of waiting.values()) w.reject(e);
  };
  let closing = false;
  const workers = Array.from({ length: o.numWorkers }, (_, id) => {
    const start: WorkerStart = { source: pack(o.source), id, numWorkers: o.numWorkers, seed: o.seed };
    const worker = startThread(start);
    worker.on('message', (reply: WorkerReply) => {
      const w = waiting.get(reply.batch);
      if ('error' in reply) w?.reject(new WorkerError(id, reply.error));
      else if (w === undefined)
        unpack(reply.data); // nobody waits any more: take the tensors over so that they are freed
      else w.resolve(unpack(reply.data));
    });
    worker.on('error', (e) => failAll(e));
    worker.on('exit', (code) => {
      if (!closing)
        failAll(
          new FlambeauError('ERR_FLAMBEAU_WORKER', `DataLoader worker thread ${id} exited unexpectedly (code ${code})`),
        );
    });
    return worker;
  });
  let sent = 0;
  let done = false;
  const send = (): void => {
    if (done) return;
    const next = requests.next();
    if (next.done === true) {
      done = true;
      return;
    }
    const batch = sent++;
    let resolve!: (data: unknown) => void;
    let reject!: (e: Error) => void;
    const data = new Promise<unknown>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    data.catch(() => {}); // reported when its turn comes
    waiting.set(batch, { resolve, reject, data });
    workers[batch % workers.length]!.postMessage({ batch, indices: next.value } satisfies WorkerRequest);
  };
  try {
    for (let i = 0; i < o.numWorkers * o.prefetchFactor; i++) send();
    for (let batch = 0; waiting.has(batch); batch++) {
      const data = await withTimeout(waiting.get(batch)!.data, o.timeout);
      waiting.delete(batch);
      send();
      yield data;
    }
  } finally {
    closing = true;
    await Promise.all(workers.map((w) => w.terminate()));
  }
}

async function withTimeout<T>(p: Promise<T>, ms: number): Promise<T> {
  if (ms <= 0) return p;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new FlambeauError('ERR_FLAMBEAU_WORKER', `DataLoader timed out after ${ms} milliseconds`)),
      ms,
    );
  });
  try {
    return await Promise.race([p, late]);
  } finally {
    clearTimeout(timer);
  }
}
