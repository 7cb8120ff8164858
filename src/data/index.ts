// The namespace `data`.
export * from './dataset.js';
export * from './sampler.js';
export { defaultCollate, type Collated } from './collate.js';
export { DataLoader, type DataLoaderOptions } from './loader.js';
export { getWorkerInfo, type WorkerInfo } from './worker_info.js';
export { WorkerError } from './worker_pool.js';
export type { WorkerSource } from './worker_source.js';
