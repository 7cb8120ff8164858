// Tensors whose `data` was assigned: what holds their old memory (a compiled program) asks here whether it is still theirs.
import { native } from '../native.js';
import type { Handle } from './handle.js';

/** When each storage was last given up, counted in assignments. */
const when = new Map<number, number>();
let assignments = 0;

/** How often `data` of any tensor has been assigned. */
export const dataAssignments = (): number => assignments;
/** Notes that a tensor gives up the memory of this handle. */
export function noteReplaced(old: Handle): void {
  when.set(native.storageId(old), ++assignments);
}
/** Whether a tensor has given up this memory since `dataAssignments()` was `since`. */
export const replacedSince = (h: Handle, since: number): boolean => (when.get(native.storageId(h)) ?? 0) > since;
