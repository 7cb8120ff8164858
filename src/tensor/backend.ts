// Settings and figures of the native core.
import { native } from '../native.js';
import { ValueError } from './errors.js';

/** Threads that one operation may use. */
export const getNumThreads = (): number => native.numThreads();
export function setNumThreads(n: number): void {
  if (!Number.isInteger(n) || n < 1) throw new ValueError('set_num_threads expects a positive integer');
  native.setNumThreads(n);
}
/** Figures of the caching allocator: bytes in use, at most in use, held from the system, and how often. */
export const memoryStats = (): ReturnType<typeof native.memoryStats> => native.memoryStats();
/** Gives cached blocks that nobody uses back to the system. */
export function emptyCache(): void {
  native.emptyCache();
}
