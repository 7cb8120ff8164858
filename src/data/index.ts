// The namespace `data`.
export * from './dataset.js';
export * from './sampler.js';
export { defaultCollate, defaultConvert, type Collated } from './collate.js';
export { DataLoader, type DataLoaderOptions } from './loader.js';
export { getWorkerInfo, type WorkerInfo } from './worker_info.js';
export { WorkerError } from './worker_pool.js';
export type { WorkerFunction, WorkerSource } from './worker_source.js';
