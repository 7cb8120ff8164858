// The namespace `utils.tensorboard`.
export { SummaryWriter, type ScalarLike, type SummaryWriterOptions } from './writer.js';
export type { Layout, HParam } from './summary.js';
export type { Bins } from './histogram.js';
