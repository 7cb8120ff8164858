// What code inside a loader's worker thread can ask about itself.
import type { Dataset, IterableDataset } from './dataset.js';

export interface WorkerInfo {
  readonly id: number;
  readonly numWorkers: number;
  readonly seed: bigint;
  /** The worker's own copy of the data set. */
  readonly dataset: Dataset | IterableDataset;
}
let info: WorkerInfo | null = null;

/** null on the main thread. An IterableDataset asks it for the part of the stream that is its own. */
export const getWorkerInfo = (): WorkerInfo | null => info;
/** Called once by the worker's body. */
export function setWorkerInfo(w: WorkerInfo): void {
  info = w;
}
