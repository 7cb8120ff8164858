// What code inside a loader's worker thread can ask about itself.
import type { Dataset } from './dataset.js';

export interface WorkerInfo {
  readonly id: number;
  readonly numWorkers: number;
  readonly seed: bigint;
  readonly dataset: Dataset;
}
let info: WorkerInfo | null = null;

/** null on the main thread. */
export const getWorkerInfo = (): WorkerInfo | null => info;
/** Called once by the worker's body. */
export function setWorkerInfo(w: WorkerInfo): void {
  info = w;
}
