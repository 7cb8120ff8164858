// The namespace `optim.lrScheduler`.
export { LRScheduler, type Schedulable, type SchedulerOptions, type SchedulerState } from './base.js';
export * from './simple.js';
export * from './cyclic.js';
export * from './combined.js';
