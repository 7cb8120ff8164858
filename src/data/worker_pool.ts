// The worker threads of a loader: requests go out in order, round robin, a few ahead; replies come back in order.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { FlambeauError } from '../tensor/errors.js';
import type { WorkerFailure, WorkerReply, WorkerRequest, WorkerStart } from './worker.js';
import { pack, unpack, type WorkerSource } from './worker_source.js';

/** An error that a data set threw in a worker thread: message and stack are those of the worker. */
export class WorkerError extends FlambeauError {
  constructor(id: number, e: WorkerFailure) {
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

export interface PoolOptions extends Pick<WorkerStart, 'initFn' | 'collate' | 'batchSize' | 'dropLast'> {
  readonly source: WorkerSource;
  readonly numWorkers: number;
  readonly prefetchFactor: number;
  readonly seed: bigint;
  /** Milliseconds to wait for a batch; 0: forever. */
  readonly timeout: number;
  /** Keep the threads for the next pass. */
  readonly persistent: boolean;
}

interface Waiting {
  readonly worker: number;
  readonly resolve: (data: unknown) => void;
  readonly reject: (e: Error) => void;
  readonly data: Promise<unknown>;
}
/** Stands for the end of a worker's part of a stream. */
const END = Symbol('end of stream');

const workerFailed = (message: string): FlambeauError => new FlambeauError('ERR_FLAMBEAU_WORKER', message);

export class WorkerPool {
  private readonly workers: Worker[];
  private readonly waiting = new Map<number, Waiting>();
  private epoch = 0;
  private closed = false;

  constructor(private readonly options: PoolOptions) {
    const { source, numWorkers, seed, initFn, collate, batchSize, dropLast } = options;
    this.workers = Array.from({ length: numWorkers }, (_, id) => {
      const start = { source: pack(source), id, numWorkers, seed, initFn, collate, batchSize, dropLast };
      const worker = startThread(start);
      worker.on('message', (reply: WorkerReply) => this.receive(id, reply));
      worker.on('error', (e) => this.fail(id, e));
      worker.on('exit', (code) => {
        if (!this.closed)
          this.fail(id, workerFailed(`DataLoader worker thread ${id} exited unexpectedly (code ${code})`));
      });
      return worker;
    });
  }
  get usable(): boolean {
    return !this.closed;
  }

  private receive(id: number, reply: WorkerReply): void {
    const w = reply.epoch === this.epoch ? this.waiting.get(reply.batch) : undefined;
    if (reply.error !== undefined) w?.reject(new WorkerError(id, reply.error));
    else if (reply.end) w?.resolve(END);
    else {
      // Where nobody waits any more the tensors are taken over too, so that they are freed.
      const data = unpack(reply.data);
      w?.resolve(data);
    }
  }
  private fail(id: number, e: Error): void {
    for (const w of this.waiting.values()) if (w.worker === id) w.reject(e);
  }

  /**
   * Yields the batches of `requests` in order, or (null) of streams, in which the threads take turns. However the loop is left, the
   * threads end, or (persistent) idle.
   */
  async *run(requests: Iterator<readonly number[] | number> | null): AsyncGenerator<unknown> {
    const epoch = ++this.epoch;
    this.waiting.clear();
    for (const w of this.workers) w.ref();
    const pending = this.workers.map(() => 0);
    const active = new Set(this.workers.keys());
    let sent = 0;
    let turn = 0;
    let done = false;
    const send = (): boolean => {
      const n = this.workers.length;
      const free = (id: number): boolean => active.has(id) && pending[id]! < this.options.prefetchFactor;
      let id = turn % n;
      if (requests === null) {
        for (let k = 0; k < n && !free(id); k++) id = (id + 1) % n;
      }
      if (done || !free(id)) return false;
      const next = requests?.next();
      if (next?.done === true) {
        done = true;
        return false;
      }
      turn = id + 1;
      pending[id]!++;
      this.request(id, { epoch, batch: sent++, indices: next === undefined ? null : next.value });
      return true;
    };
    let failed = true;
    try {
      while (send());
      for (let batch = 0; this.waiting.has(batch); batch++) {
        const w = this.waiting.get(batch)!;
        const data = await withTimeout(w.data, this.options.timeout);
        this.waiting.delete(batch);
        pending[w.worker]!--;
        if (data === END) active.delete(w.worker);
        while (send());
        if (data === END) continue;
        failed = false;
        yield data;
        failed = true;
      }
      failed = false;
    } finally {
      if (this.options.persistent && !failed) this.idle();
      else await this.close();
    }
  }

  private request(id: number, request: WorkerRequest): void {
    let resolve!: (data: unknown) => void;
    let reject!: (e: Error) => void;
    const data = new Promise<unknown>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    data.catch(() => {}); // reported when its turn comes
    this.waiting.set(request.batch, { worker: id, resolve, reject, data });
    this.workers[id]!.postMessage(request);
  }

  /** The threads stay, without keeping the process alive. */
  private idle(): void {
    this.waiting.clear();
    for (const w of this.workers) w.unref();
  }
  async close(): Promise<void> {
    this.closed = true;
    this.waiting.clear();
    await Promise.all(this.workers.map((w) => w.terminate()));
  }
}

async function withTimeout<T>(p: Promise<T>, ms: number): Promise<T> {
  if (ms <= 0) return p;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(workerFailed(`DataLoader timed out after ${ms} milliseconds`)), ms);
  });
  try {
    return await Promise.race([p, late]);
  } finally {
    clearTimeout(timer);
  }
}
